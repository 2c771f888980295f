"""Hand-ins over SFTP: what divisions leave in the folders of a server comes into the watched folders of this machine,
and receipts go back beside it.

`CITYPERF_CONNECTION_HANDINS` says where: JSON with `host`, `host_key` (as `ssh-keygen -lf` prints it), `user`, `password`
or `key`, and optionally `port`, `passphrase` and `folder`. `<folder>/projects` there is `drop/projects` here. Without
the variable there are only the watched folders.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from cityperf.config import Settings
from cityperf.errors import SourceRefused, SourceUnavailable
from cityperf.extract.connections import Login, secret, variable
from cityperf.extract.refusal import Refused
from cityperf.extract.settled import PAUSE, Stamp, settled
from cityperf.extract.sftp import HostKey, Link, Server
from cityperf.landing import Incoming

CONNECTION: Final = "handins"
TIMEOUT: Final = 300.0  # seconds for one folder
MAX_BYTES: Final = 200 << 20  # of one workbook; the loader's own limit is lower and says more
log = logging.getLogger(__name__)


class _Said(BaseModel):
    """What the variable holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    host_key: HostKey
    user: str
    password: str | None = None
    key: str | None = None
    passphrase: str | None = None
    port: int = 22
    folder: str = ""


def server_of(folder: str) -> Server | None:
    """The folder of a workbook on the server; None where no server is named. Raises Refused for a variable that does
    not say what it should, without its content.
    """
    text = secret(CONNECTION)
    if text is None:
        return None
    try:
        said = _Said.model_validate_json(text)
        if not (said.password or said.key):
            raise ValueError
    except (ValidationError, ValueError):
        raise Refused(
            f"JSON with host, host_key, user and password or key in {variable(CONNECTION)}", "something else",
            f"connection {CONNECTION!r}", "correct it where the stack is started, then ./cityperf down and up",
        ) from None  # fmt: skip
    place = f"{said.folder.rstrip('/')}/{folder}" if said.folder else folder
    shown = f"sftp://{said.host}{'' if said.port == 22 else f':{said.port}'}/{place.strip('/')}"
    who = Login(said.user, said.password, said.key, said.passphrase)
    return Server(said.host, said.port, said.host_key.rstrip("="), place, who, shown)


def bring(settings: Settings, folder: str, wanted: Callable[[str], Any]) -> list[str]:
    """Bring what is new or changed on the server into `drop/<folder>`; warnings to be told.

    A file is brought when it is later than the one here of its name, whole or not at all. A server that cannot be
    reached stops nobody: what lies here already is taken, and the next visit asks again.
    """
    warnings: list[str] = []
    try:
        server = server_of(folder)
        if server is None:
            return []
        place = settings.drop / folder
        place.mkdir(parents=True, exist_ok=True)
        with Link(server, time.monotonic() + TIMEOUT) as link:
            found, moving = settled(lambda: link.look(wanted), PAUSE)
            for name, stamp in sorted(found.items()):
                if stamp.size > MAX_BYTES:
                    warnings.append(
                        f"{name} on {server.shown} is larger than {MAX_BYTES >> 20} MB and stays there"
                    )
                elif _time(place / name) < stamp.mtime and not _brought(link, name, stamp, place):
                    moving.append(name)
        if moving:
            warnings.append(
                f"still being written on {server.shown}, left for the next visit: {', '.join(moving)}"
            )
    except (SourceUnavailable, SourceRefused) as problem:
        warnings.append(f"hand-ins over SFTP wait for the next visit: {problem}")
    return warnings


def _brought(link: Link, name: str, stamp: Stamp, place: Path) -> bool:
    aside = place / f".{name}.{os.getpid()}.{secrets.token_hex(4)}.part"
    try:
        with aside.open("wb") as handle:
            if not link.download(name, stamp, Incoming(handle, aside)):
                return False
        os.utime(aside, (stamp.mtime, stamp.mtime))
        aside.replace(place / name)
        return True
    finally:
        aside.unlink(missing_ok=True)


def _time(path: Path) -> float:
    """When a file here was last changed; before all time if there is none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return -math.inf


def put_back(folder: str, receipts: Sequence[Path]) -> None:
    """Receipts beside what was handed in, on the server. One that cannot be put there lies here and went by mail."""
    try:
        server = server_of(folder) if receipts else None
        if server is None:
            return
        with Link(server, time.monotonic() + TIMEOUT) as link:
            for path in receipts:
                link.put(f"{path.parent.name}/{path.name}", path.read_bytes())
    except (SourceUnavailable, SourceRefused) as problem:
        log.warning("receipts of %s were not put back: %s", folder, problem)


def take_away(folder: str, name: str, mtime: float) -> None:
    """Take a file about persons off the server once it lies safely in landing; a later one of its name stays."""
    try:
        server = server_of(folder)
        if server is not None:
            with Link(server, time.monotonic() + TIMEOUT) as link:
                there = link.look(lambda found: found == name).get(name)
                if there and there.mtime <= mtime:
                    link.remove(name)
    except (SourceUnavailable, SourceRefused) as problem:
        log.warning("%s/%s still lies on the server of hand-ins: %s", folder, name, problem)
