"""Files that a division put into its drop folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cityperf.errors import SourceUnavailable
from cityperf.extract.refusal import Refused
from cityperf.extract.settled import Stamp, is_set_aside, settled
from cityperf.extract.visit import Landed, Visit

if TYPE_CHECKING:
    from cityperf.landing import Incoming

_SHEETS: Final = re.compile(r"(?i)\.(xlsx|xlsm|xlsb|xls|xltx|xltm|ods|numbers|csv)$")


def fetch(visit: Visit, *, folder: str, match: str) -> Iterator[Landed]:
    """Lands every matching file, the oldest first. Hidden and temporary names are left alone, and so is a
    file that somebody is still writing: the next visit takes it. A folder without a file is late.

    In live, files with person-level data are taken out of the folder once they lie safely in landing; from then on
    landing offers them, so that one that was not loaded is handed on again.

    What divisions hand in to a register may come over SFTP too (`cityperf.handin.inbox`), and lands whatever it is, under
    whatever name a spreadsheet has: the loader holds it with a reason for the receipt, and the other hand-ins go their
    way.
    """
    from cityperf.extract.http import NotInReplay, Unsound
    from cityperf.extract.sanity import check_file

    place = visit.settings.drop / folder
    pattern = re.compile(match)
    handed_in = visit.contract.register is not None

    def wanted(name: str) -> bool:
        return bool(pattern.search(name) or (handed_in and _SHEETS.search(name)))

    if handed_in:
        from cityperf.handin import inbox

        visit.warnings += inbox.bring(visit.settings, folder, wanted)
    there = _names(place)
    if not there and visit.settings.profile == "replay":
        raise NotInReplay(f"drop/{folder}")
    live = visit.settings.profile == "live"  # elsewhere the portal delivers, whole files by renaming
    files, moving = settled(lambda: _look(place, wanted)) if live else (_look(place, wanted), [])
    taken: set[str] = set()
    for name in sorted(files, key=lambda name: (files[name].mtime if live else 0, name)):
        path = place / name
        with visit.document() as arriving:
            if not _copied(path, arriving):
                continue
            if live and _look(place, wanted).get(name) != files[name]:
                moving.append(name)
                continue
            try:
                if not handed_in:
                    check_file(visit.contract, name, arriving.path)
            except Unsound as problem:
                raise Refused(
                    problem.expected, problem.found, f"drop/{folder}/{name}", problem.remedy
                ) from None
            found_groups = pattern.search(name)
            groups = {k: v for k, v in found_groups.groupdict().items() if v} if found_groups else {}
            meta = {"source_modified": _stamp(files[name].mtime) if live else "", "groups": groups}
            taken.add(name)
            landed = visit.keep(arriving, name, f"drop/{folder}/{name}", meta=meta)
            if live and visit.private:
                safe = visit.share(arriving, name, f"drop/{folder}/{name}", meta=meta)
                if safe and _look(place, wanted).get(name) == files[name]:
                    path.unlink(missing_ok=True)
                    if handed_in:
                        inbox.take_away(folder, name, files[name].mtime)
            yield landed
    if live and visit.private:
        before = [each for each in visit.landed_before() if each.name not in taken]
        taken.update(each.name for each in before)
        yield from before
        moving = [name for name in moving if name not in taken]  # another sheet's visit took it out meanwhile
    if moving:
        visit.warnings.append(f"still being written, left for the next visit: {', '.join(moving)}")
    if not taken:
        found = ", ".join(f"{name} (still being written)" if name in moving else name for name in there)
        raise SourceUnavailable(
            f"expected a file that matches {match!r} in drop/{folder}, found {found or 'nothing'}; "
            f"ask {visit.contract.owner.division} for it"
        )


def _copied(path: Path, arriving: Incoming) -> bool:
    """Take the file's bytes; false if another sheet's visit has taken it out of the folder."""
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                arriving.write(chunk)
    except FileNotFoundError:
        return False
    arriving.handle.flush()
    return True


def _names(place: Path) -> list[str]:
    if not place.is_dir():
        return []
    return sorted(path.name for path in place.iterdir() if not is_set_aside(path.name) and not path.is_dir())


def _look(place: Path, wanted: Callable[[str], bool]) -> dict[str, Stamp]:
    found: dict[str, Stamp] = {}
    for name in _names(place):
        path = place / name
        if wanted(name) and path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):  # taken away between two looks
                stat = path.stat()
                found[name] = Stamp(stat.st_size, stat.st_mtime)
    return found


def _stamp(seconds: float) -> str:
    """When the division left the file. Outside live a delivery is replayed, so its moment means nothing."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
