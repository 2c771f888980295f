"""The portal's SFTP server: it stands in for divisions' and agencies' hosts, with the files of a night.

`/{night}/{host}/{folder}/{name}` holds what `drops("sftp/{host}/{folder}", night)` gives. Port, host key and
password are new at each start; the portal tells them at `/sftp`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import paramiko

from cityperf.portal.answers import Answer, Make, Portal, midday

USER: Final = "cityperf"

Files = Callable[..., paramiko.SFTPServerInterface]


class Server:
    """An SFTP server on a free port. Each connection is served by a thread of its own."""

    def __init__(self, files: Files, password: str, *, user: str = USER, host: str = "127.0.0.1") -> None:
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # a client that leaves is no error of ours
        self.key = paramiko.ECDSAKey.generate()
        self.user, self._password, self._files = user, password, files
        self._socket = socket.create_server((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.transports: list[paramiko.Transport] = []
        threading.Thread(target=self._accept, name="sftp", daemon=True).start()

    @property
    def fingerprint(self) -> str:
        return str(self.key.fingerprint)

    @property
    def told(self) -> dict[str, Any]:
        """How to reach it."""
        return {
            "port": self.port,
            "host_key": self.fingerprint,
            "user": self.user,
            "password": self._password,
        }

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # or the accepting thread would keep the port
        self._socket.close()
        for transport in self.transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        self.transports = [*(each for each in self.transports if each.is_active()), transport]
        transport.add_server_key(self.key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self._files)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Login(self.user, self._password))


class _Login(paramiko.ServerInterface):  # type: ignore[misc]  # it carries no types
    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = secrets.compare_digest(
            f"{username}\0{password}".encode(), f"{self._user}\0{self._password}".encode()
        )
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        refused = paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else refused)


class _Reading(paramiko.SFTPHandle):  # type: ignore[misc]  # it carries no types
    """One open file; closing it is the server's business."""

    def __init__(self, content: Any, attributes: paramiko.SFTPAttributes) -> None:
        super().__init__(os.O_RDONLY)
        self.readfile, self._attributes = content, attributes

    def stat(self) -> paramiko.SFTPAttributes:
        return self._attributes


class PortalFiles(paramiko.SFTPServerInterface):  # type: ignore[misc]  # it carries no types
    """A portal's drops as a read-only tree. Everything that would write is not supported."""

    def __init__(self, server: paramiko.ServerInterface, portal: Portal) -> None:
        super().__init__(server)
        self._portal = portal

    def list_folder(self, path: str) -> Any:
        files = self._folder(path)
        if files is None:
            return paramiko.SFTP_NO_SUCH_FILE
        night = _night(path)
        return [_attributes(make(), night, name) for name, make in sorted(files.items())]

    def stat(self, path: str) -> Any:
        if self._folder(path) is not None:
            attributes = paramiko.SFTPAttributes()
            attributes.st_mode = stat.S_IFDIR | 0o555
            return attributes
        found = self._file(path)
        return _attributes(found, _night(path)) if found else paramiko.SFTP_NO_SUCH_FILE

    lstat = stat

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Any:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return paramiko.SFTP_PERMISSION_DENIED
        found = self._file(path)
        if found is None:
            return paramiko.SFTP_NO_SUCH_FILE
        content = found.file.open("rb") if found.file else io.BytesIO(found.body)
        return _Reading(content, _attributes(found, _night(path)))

    def _folder(self, path: str) -> Mapping[str, Make] | None:
        parts = path.strip("/").split("/", 1)
        night = _night(path)
        return self._portal.drops(f"sftp/{parts[1]}", night) if night and len(parts) == 2 else None

    def _file(self, path: str) -> Answer | None:
        folder, _, name = path.rpartition("/")
        make = (self._folder(folder) or {}).get(name)
        return make() if make else None


def _night(path: str) -> date | None:
    try:
        return date.fromisoformat(path.strip("/").split("/", 1)[0])
    except ValueError:
        return None


def _attributes(answer: Answer, night: date | None, name: str | None = None) -> paramiko.SFTPAttributes:
    attributes = paramiko.SFTPAttributes()
    attributes.st_size = answer.file.stat().st_size if answer.file else len(answer.body)
    attributes.st_mode = stat.S_IFREG | 0o444
    moment = answer.last_modified or midday(night or date(1970, 1, 1))
    attributes.st_mtime = attributes.st_atime = int(moment.timestamp())
    if name is not None:
        attributes.filename = name
    return attributes


def beside(portal: Portal, host: str) -> Server:
    """The portal's SFTP server, started; it ends with the process."""
    return Server(lambda server, *_: PortalFiles(server, portal), secrets.token_urlsafe(24), host=host)


def where(portal_url: str) -> dict[str, Any]:
    """Port, host key's fingerprint, user and password of the SFTP server beside a portal; empty if there is
    none. Raises requests.RequestException when the portal does not answer.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = False  # a proxy setting must never stand between us and our own loopback
        answer = session.get(f"{portal_url}/sftp", timeout=(5, 30))
        return dict(answer.json()) if answer.ok else {}
