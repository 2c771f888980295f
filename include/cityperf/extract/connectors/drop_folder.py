"""Files that a division put into its drop folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cityperf.errors import SourceUnavailable
from cityperf.extract.refusal import Refused
from cityperf.extract.settled import Stamp, is_set_aside, settled
from cityperf.extract.visit import Landed, Visit


def fetch(visit: Visit, *, folder: str, match: str) -> Iterator[Landed]:
    """Lands every matching file, the oldest first. Hidden and temporary names are left alone, and so is a
    file that somebody is still writing: the next visit takes it. A folder without a file is late.
    """
    from cityperf.extract.http import NotInReplay, Unsound
    from cityperf.extract.sanity import check_file

    place = visit.settings.drop / folder
    pattern = re.compile(match)
    there = _names(place)
    if not there and visit.settings.profile == "replay":
        raise NotInReplay(f"drop/{folder}")
    live = visit.settings.profile == "live"  # elsewhere the portal delivers, whole files by renaming
    files, moving = settled(lambda: _look(place, pattern)) if live else (_look(place, pattern), [])
    taken = 0
    for name in sorted(files, key=lambda name: (files[name].mtime if live else 0, name)):
        path = place / name
        with visit.document() as arriving, path.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                arriving.write(chunk)
            arriving.handle.flush()
            if live and _look(place, pattern).get(name) != files[name]:
                moving.append(name)
                continue
            try:
                check_file(visit.contract, name, arriving.path)
            except Unsound as problem:
                raise Refused(
                    problem.expected, problem.found, f"drop/{folder}/{name}", problem.remedy
                ) from None
            found_groups = pattern.search(name)
            groups = {k: v for k, v in found_groups.groupdict().items() if v} if found_groups else {}
            meta = {"source_modified": _stamp(files[name].mtime) if live else "", "groups": groups}
            taken += 1
            yield visit.keep(arriving, name, f"drop/{folder}/{name}", meta=meta)
    if moving:
        visit.warnings.append(f"still being written, left for the next visit: {', '.join(moving)}")
    if not taken:
        found = ", ".join(f"{name} (still being written)" if name in moving else name for name in there)
        raise SourceUnavailable(
            f"expected a file that matches {match!r} in drop/{folder}, found {found or 'nothing'}; "
            f"ask {visit.contract.owner.division} for it"
        )


def _names(place: Path) -> list[str]:
    return (
        sorted(path.name for path in place.iterdir() if not is_set_aside(path.name)) if place.is_dir() else []
    )


def _look(place: Path, pattern: re.Pattern[str]) -> dict[str, Stamp]:
    found: dict[str, Stamp] = {}
    for name in _names(place):
        path = place / name
        if pattern.search(name) and path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):  # taken away between two looks
                stat = path.stat()
                found[name] = Stamp(stat.st_size, stat.st_mtime)
    return found


def _stamp(seconds: float) -> str:
    """When the division left the file. Outside live a delivery is replayed, so its moment means nothing."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
