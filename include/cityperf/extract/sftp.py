"""A connection to an SFTP server that is made again when it breaks, and gives nothing away before it knows the server."""

from __future__ import annotations

import contextlib
import logging
import socket
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import Field

from cityperf.errors import SourceUnavailable
from cityperf.extract.connections import Login, hidden
from cityperf.extract.refusal import Refused
from cityperf.extract.settled import Stamp, is_set_aside

if TYPE_CHECKING:
    import paramiko

    from cityperf.landing import Incoming

CONNECT_TIMEOUT: Final = 10.0  # seconds
READ_TIMEOUT: Final = 30.0  # seconds without a byte
ATTEMPTS: Final = 4  # connections for one visit; a file goes on where the last one broke off
WINDOW: Final = 4 << 20  # bytes asked for ahead
BLOCK: Final = 32 << 10  # bytes of one request: the most that every server answers whole

HostKey = Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}=?$")]  # as `ssh-keygen -lf` prints it

Got = TypeVar("Got")


@dataclass(frozen=True)
class Server:
    """Where the files are. `shown` is the address that people know, whoever answers."""

    host: str
    port: int
    host_key: str
    folder: str
    login: Login
    shown: str
    replayed: bool = False


class Link:
    """A connection that is made again when it breaks, until attempts or time are over."""

    def __init__(self, server: Server, deadline: float) -> None:
        self._server, self._deadline = server, deadline
        self._attempts = 0
        self._transport: paramiko.Transport | None = None
        self._sftp: paramiko.SFTPClient | None = None
        self._alarm: threading.Timer | None = None

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def look(self, wanted: Callable[[str], Any]) -> dict[str, Stamp]:
        """The plain files of the folder whose names are wanted; links are not among them."""

        def listed(sftp: paramiko.SFTPClient) -> dict[str, Stamp]:
            return {
                each.filename: Stamp(int(each.st_size or 0), float(each.st_mtime or 0))
                for each in sftp.listdir_attr(self._server.folder)
                if stat.S_ISREG(each.st_mode or 0)
                and "/" not in each.filename
                and not is_set_aside(each.filename)
                and wanted(each.filename)
            }

        return self._try(listed)

    def download(self, name: str, stamp: Stamp, arriving: Incoming) -> bool:
        """Bring the file, going on where a broken connection left off; False when it changed meanwhile."""
        path = f"{self._server.folder.rstrip('/')}/{name}"

        def same(sftp: paramiko.SFTPClient) -> bool:
            now = sftp.lstat(path)
            return Stamp(int(now.st_size or 0), float(now.st_mtime or 0)) == stamp

        def brought(sftp: paramiko.SFTPClient) -> bool:
            with sftp.open(path, "rb") as handle:
                while arriving.size < stamp.size:
                    end = min(arriving.size + WINDOW, stamp.size)
                    ahead = [(at, min(BLOCK, end - at)) for at in range(arriving.size, end, BLOCK)]
                    for (_, asked), chunk in zip(ahead, handle.readv(ahead), strict=True):
                        if len(chunk) != asked:  # it became shorter, or the line broke within the answer
                            if not same(sftp):
                                return False
                            raise EOFError(f"{len(chunk)} of {asked} bytes asked for")
                        arriving.write(chunk)
            return same(sftp)

        return self._try(brought)

    def put(self, name: str, content: bytes) -> None:
        """Write a file below the folder whole or not at all, and the folder that it lies in where there is none."""
        path = f"{self._server.folder.rstrip('/')}/{name}"
        aside = f"{path}.part"

        def written(sftp: paramiko.SFTPClient) -> None:
            with contextlib.suppress(OSError):
                sftp.mkdir(path.rpartition("/")[0])
            with sftp.open(aside, "wb") as handle:
                handle.write(content)
            sftp.posix_rename(aside, path)

        self._try(written)

    def remove(self, name: str) -> None:
        """Take a file of the folder away; one that is not there is no error."""

        def removed(sftp: paramiko.SFTPClient) -> None:
            with contextlib.suppress(FileNotFoundError):
                sftp.remove(f"{self._server.folder.rstrip('/')}/{name}")

        self._try(removed)

    def _try(self, action: Callable[[paramiko.SFTPClient], Got]) -> Got:
        """The action's result, over as many connections as are left. Raises NotInReplay, Refused or
        SourceUnavailable.
        """
        import paramiko

        while True:
            try:
                return action(self._client())
            except FileNotFoundError:
                if self._server.replayed:
                    from cityperf.extract.http import NotInReplay

                    raise NotInReplay(self._server.shown) from None
                raise self._refused(
                    "a folder with files", "none", "compare `folder` with the server"
                ) from None
            except PermissionError:
                raise self._refused("readable files", "no right to read them", "ask for the right") from None
            except (paramiko.SSHException, OSError, EOFError) as problem:
                self._close()
                self._give_up_or_wait(problem)

    def _give_up_or_wait(self, problem: Exception) -> None:
        left = self._deadline - time.monotonic()
        if left > 0 and self._attempts < ATTEMPTS:
            time.sleep(min(0.2 * 2**self._attempts, left))
            return
        who = self._server.login
        said = hidden(f"{type(problem).__name__}: {problem}", who.password, who.passphrase, who.key)
        found = said if left > 0 else f"no end of the visit within its `timeout` ({said})"
        raise SourceUnavailable(
            f"expected files, found {found}; at {self._server.shown}; it is tried again tonight"
        ) from None

    def _client(self) -> paramiko.SFTPClient:
        if self._sftp is not None:
            return self._sftp
        import paramiko

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # its errors come to us as exceptions
        self._attempts += 1
        server = self._server
        left = self._deadline - time.monotonic()
        connection = socket.create_connection(
            (server.host, server.port), max(0.1, min(CONNECT_TIMEOUT, left))
        )
        self._transport = transport = paramiko.Transport(connection)
        # a server that drips never trips a read time-out: the whole visit has an end of its own
        self._alarm = threading.Timer(max(0.1, left), transport.close)
        self._alarm.daemon = True
        self._alarm.start()
        transport.banner_timeout = transport.auth_timeout = CONNECT_TIMEOUT
        transport.start_client(timeout=CONNECT_TIMEOUT)
        self._check_key(transport.get_remote_server_key())
        self._log_in(transport)
        sftp = paramiko.SFTPClient.from_transport(transport)
        if sftp is None:
            raise paramiko.SSHException("no SFTP on this server")
        channel = sftp.get_channel()
        if channel is not None:
            channel.settimeout(READ_TIMEOUT)
        self._sftp = sftp
        return sftp

    def _check_key(self, key: paramiko.PKey) -> None:
        found = str(key.fingerprint).rstrip("=")
        if found != self._server.host_key:
            raise self._refused(
                f"the host key {self._server.host_key}", found,
                "ask the server's owner whether the key was changed before you write it into `host_key`: "
                "somebody may stand in between",
            )  # fmt: skip

    def _log_in(self, transport: paramiko.Transport) -> None:
        import paramiko

        who = self._server.login
        try:
            if who.key is not None:
                transport.auth_publickey(who.user, _key(who))
            else:
                transport.auth_password(who.user, who.password or "", fallback=False)
        except paramiko.AuthenticationException as problem:
            said = hidden(str(problem), who.password, who.passphrase, who.key)
            if not transport.is_active() or "timeout" in said.lower():
                raise paramiko.SSHException(said) from None  # nobody said no
            raise self._refused(
                f"to be let in as {who.user}", said, "correct the connection's variable, or ask for the right"
            ) from None

    def _refused(self, expected: str, found: str, remedy: str) -> Refused:
        return Refused(expected, found, self._server.shown, remedy)

    def _close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._transport is not None:
            with contextlib.suppress(Exception):
                self._transport.close()
        self._alarm = self._transport = self._sftp = None


def _key(who: Login) -> paramiko.PKey:
    """The private key out of its text, whatever its kind."""
    import io

    import paramiko

    kinds = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(who.key or ""), who.passphrase)
    raise paramiko.AuthenticationException(
        "expected an OpenSSH or PEM private key that opens with its passphrase"
    )
