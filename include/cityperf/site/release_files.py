"""What a site says of its release on every page without being part of every page: a small style sheet.

Every page has the as-of strip and the notices (stale, repeated, replaced) as plain text; `release.css` fills in the
release's number and date, and brings in `status/<number>.css`, which lies beside the releases and not in them. That one
follows the database: a release that a night marks as stale says so without one of its verified bytes being touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.publish import ledger
from cityperf.publish.failpoints import reached
from cityperf.site.model import Edition, Tables
from cityperf.site.words import LANGS, day, number, text

FILE: Final = "release.css"
STATUS: Final = "status"


@dataclass(frozen=True)
class Facts:
    """What the as-of strip says: data sets in all and late ones, figures restated with this release."""

    edition: Edition
    datasets: int
    late: int
    restated: int


def facts(tables: Tables, edition: Edition) -> Facts:
    """The counts of the strip from the release's own tables."""
    late = [row["late_by_days"] or 0 for row in tables.rows("data_quality", ("dataset", "late_by_days"))]
    restated = sum(
        1 for _ in tables.rows("restatement", ("kpi_id",), where=f"release_number = {int(edition.number)}")
    )
    return Facts(edition, len(late), sum(days > 0 for days in late), restated)


def write(folder: Path, said: Facts) -> None:
    """`release.css` of a site. Its import leads out of the release's folder on a disk and to /status on a web server."""
    lines = [f'@import url("../../{STATUS}/{said.edition.number}.css");']
    for lang in LANGS:
        for name, shown in {
            "number": str(said.edition.number),
            "night": day(said.edition.night, lang),
            "late": text("strip.late", lang, count=said.late, late=said.late, all=said.datasets),
            "restated": text("strip.restated", lang, count=said.restated),
        }.items():
            lines.append(f".of-{name}:lang({lang})::before{{content:{quoted(shown)}}}")
    if said.late:
        lines.append(".of-late{color:var(--concern);font-weight:600}")
    (folder / FILE).write_text("\n".join(lines) + "\n", "utf-8")


def quoted(said: str) -> str:
    """A text as a CSS string: whatever it holds, it cannot end the string."""
    safe = "".join(c if (c.isascii() and c.isalnum()) or c in " .,-" else f"\\{ord(c):06x}" for c in said)
    return f'"{safe}"'


def follow(settings: Settings) -> None:
    """Bring `status/` in step with the database: one file for each published release that has a site.

    Whoever held the release lock (a release, hold, answer, rollback) ends with it; it changes nothing where nothing
    changed, and what a killed run left out the next one writes.
    """
    with connect(settings, "publisher") as connection:
        published = [each for each in ledger.releases(connection) if each.state == "released"]
    for each in published:
        if (settings.releases / str(each.number) / "site").is_dir():
            _put(settings.releases / STATUS / f"{each.number}.css", _status(each, published[0].number))


def _status(each: ledger.Release, up: int) -> str:
    shows: dict[str, str] = {}
    if each.number != up:
        shows["replaced"] = number(up)
    else:
        standing = each.standing_note
        if standing:
            shows["repeated"] = standing
        if each.stale_reason and each.stale_reason != standing:
            shows["stale"] = each.stale_reason
    lines = [f"/* release {each.number} */"]
    for name, why in shows.items():
        lines.append(f".notice.{name}{{display:block}}.why-{name}::before{{content:{quoted(why)}}}")
    return "\n".join(lines) + "\n"


def _put(path: Path, said: str) -> None:
    if path.exists() and path.read_text("utf-8") == said:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    aside.write_text(said, "utf-8")
    aside.replace(path)
    reached("site.status")
