"""Files that a division or an agency leaves on an SFTP server.

The server's host key is part of the contract and is compared before the password leaves. Outside live the
portal answers, and what it says of itself takes the place of host, port, key and login.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field

from cityperf.errors import SourceUnavailable
from cityperf.extract.connections import ConnectionName, Login, login, secret
from cityperf.extract.refusal import Refused
from cityperf.extract.settled import PAUSE, Stamp, settled
from cityperf.extract.sftp import HostKey, Link, Server
from cityperf.extract.visit import Landed, Visit

MAX_BYTES: Final = 4 << 30


def fetch(
    visit: Visit,
    *,
    host: str,
    folder: str,
    match: str,
    connection: ConnectionName,
    host_key: HostKey,
    port: Annotated[int, Field(gt=0, lt=65536)] = 22,
    timeout: Annotated[int, Field(gt=0)] = 1800,
) -> Iterator[Landed]:
    """Lands every matching file of the folder, the earliest modified first.

    A file whose size and time are those of the one that stands is not fetched. Links, hidden and temporary
    names and files still being written are left alone. `host_key` is the fingerprint that `ssh-keygen -lf`
    prints; `timeout` bounds the whole visit in seconds.
    """
    server = _server(visit, host, port, host_key, folder, connection)
    pattern = re.compile(match)
    live = visit.settings.profile == "live"
    with Link(server, time.monotonic() + timeout) as link:
        files, moving = (
            settled(lambda: link.look(pattern.search), PAUSE) if live else (link.look(pattern.search), [])
        )
        taken = 0
        for name in sorted(files, key=lambda name: (files[name].mtime, name)):
            stamp = files[name]
            standing = visit.known.get(name)
            if standing and (standing.meta.get("size"), standing.meta.get("mtime")) == stamp:
                landed: Landed | None = Landed(standing.file_id, name)
            else:
                landed = _land(visit, link, server, name, stamp, pattern)
            if landed is None:
                moving.append(name)
            else:
                taken += 1
                yield landed
    if not taken:
        found = ", ".join(f"{name} (still being written)" for name in moving) or "nothing"
        raise SourceUnavailable(
            f"expected a file that matches {match!r}, found {found}; at {server.shown}; "
            f"ask {visit.contract.owner.division} for it"
        )
    if moving:
        visit.warnings.append(f"still being written, left for the next visit: {', '.join(moving)}")


def _land(
    visit: Visit, link: Link, server: Server, name: str, stamp: Stamp, pattern: re.Pattern[str]
) -> Landed | None:
    """The file in landing; None when it changed while it was fetched."""
    from cityperf.extract.http import Unsound
    from cityperf.extract.sanity import check_file

    address = f"{server.shown}/{name}"
    if stamp.size > MAX_BYTES:
        raise Refused(
            f"at most {MAX_BYTES >> 30} GB", f"{stamp.size} bytes", address, "ask for it in smaller files"
        )
    with visit.document() as arriving:
        if not link.download(name, stamp, arriving):
            return None
        arriving.handle.flush()
        try:
            check_file(visit.contract, name, arriving.path)
        except Unsound as problem:
            raise Refused(problem.expected, problem.found, address, problem.remedy) from None
        found = pattern.search(name)
        moment = datetime.fromtimestamp(stamp.mtime, UTC).replace(tzinfo=None)
        meta = {
            "source_modified": moment.isoformat(timespec="microseconds"),
            "groups": {k: v for k, v in found.groupdict().items() if v} if found else {},
            "size": stamp.size,
            "mtime": stamp.mtime,
        }
        return visit.keep(arriving, name, address, meta=meta)


def _server(visit: Visit, host: str, port: int, host_key: str, folder: str, connection: str) -> Server:
    shown = f"sftp://{host}{'' if port == 22 else f':{port}'}/{folder.strip('/')}"
    settings = visit.settings
    if settings.profile == "live" or secret(connection) is not None:
        return Server(host, port, host_key.rstrip("="), folder, login(connection), shown)
    import requests

    from cityperf.portal.sftp import where

    try:
        portal = where(str(settings.portal_url))
    except (requests.RequestException, ValueError):
        portal = {}
    if not portal:
        raise SourceUnavailable(
            f"expected the portal's SFTP server in place of {shown}, found none beside "
            f"{settings.portal_url}; run ./cityperf up"
        )
    place = f"/{visit.night}/{host}/{folder.strip('/')}"
    ours = Login(portal["user"], portal["password"])
    return Server(
        urlsplit(str(settings.portal_url)).hostname or "",
        portal["port"],
        portal["host_key"].rstrip("="),
        place,
        ours,
        shown,
        replayed=settings.profile == "replay",
    )
