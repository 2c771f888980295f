"""Files that a division put into its drop folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from cityperf.errors import SourceUnavailable
from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit


def fetch(visit: Visit, *, folder: str, match: str) -> Iterator[Landed]:
    """Lands every matching file. Hidden and temporary names are left alone; a folder without a file is
    late.
    """
    from cityperf.extract.http import NotInReplay, Unsound
    from cityperf.extract.sanity import check_file

    place = visit.settings.drop / folder
    pattern = re.compile(match)
    there = (
        [path for path in place.iterdir() if not path.name.startswith((".", "~"))] if place.is_dir() else []
    )
    if not there and visit.settings.profile == "replay":
        raise NotInReplay(f"drop/{folder}")
    files = [path for path in there if pattern.search(path.name) and path.is_file() and not path.is_symlink()]
    if not files:
        found = ", ".join(sorted(path.name for path in there)) or "nothing"
        raise SourceUnavailable(
            f"expected a file that matches {match!r} in drop/{folder}, found {found}; "
            f"ask {visit.contract.owner.division} for it"
        )
    stamped = sorted((_stamp(visit, path.stat().st_mtime), path.name, path) for path in files)
    for stamp, name, path in stamped:
        with visit.document() as arriving, path.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                arriving.write(chunk)
            arriving.handle.flush()
            try:
                check_file(visit.contract, name, arriving.path)
            except Unsound as problem:
                raise Refused(
                    problem.expected, problem.found, f"drop/{folder}/{name}", problem.remedy
                ) from None
            found_groups = pattern.search(name)
            groups = {k: v for k, v in found_groups.groupdict().items() if v} if found_groups else {}
            meta = {"source_modified": stamp, "groups": groups}
            yield visit.keep(arriving, name, f"drop/{folder}/{name}", meta=meta)


def _stamp(visit: Visit, seconds: float) -> str:
    """When the division left the file. Outside live a delivery is replayed, so its moment means nothing."""
    if visit.settings.profile != "live":
        return ""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
