"""Databases that divisions keep for themselves, as SQLite files: the sample's stand-in for their servers.

`workforce` is the register of positions of People and Equity. It is posted every second Friday, so between
two postings nothing changes; each posting fills, ends and reopens some positions. No person is in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Final

from cityperf.config import Settings
from cityperf.portal.sample.world import Cache, World

_FIRST: Final = date(2016, 1, 8)  # a Friday of posting
_EARLIER: Final = 26 * 8  # postings before the first: the public service is older than its register
_POSITIONS: Final = 12_000  # by the posting _BY, of November 2026
_BY: Final = 283
_DIVISIONS: Final = (  # name, share of the positions, units
    ("Parks & Recreation", 20, ("Community Recreation", "Parks", "Forestry")),
    ("Toronto Water", 13, ("Water Treatment", "Wastewater Treatment", "District Operations")),
    ("Transportation Services", 11, ("Operations", "Traffic Management", "Permits")),
    ("Toronto Paramedic Services", 12, ("Operations", "Communications")),
    ("Fire Services", 14, ("Operations", "Prevention", "Training")),
    ("Toronto Public Health", 11, ("Communicable Disease", "Dental", "Inspection")),
    ("Seniors Services and Long-Term Care", 13, ("Homes", "Community")),
    ("City Planning", 3, ("Community Planning", "Policy")),
    ("Technology Services", 3, ("Applications", "Infrastructure")),
)
_TABLE: Final = """
create table positions (
    position_id text primary key,
    division text not null,
    unit text,
    status text not null,
    fte numeric not null,
    hired_on date not null,
    ended_on date,
    updated_at timestamp not null
)
"""

Row = tuple[str, str, str | None, str, float | int, str, str | None, str]


def database(settings: Settings, night: date, connection: str) -> Path:
    """The SQLite file behind a connection as of a night, made on first use. Raises SourceUnavailable for a
    connection that the sample does not know.
    """
    from cityperf.errors import SourceUnavailable

    make = _DATABASES.get(connection)
    if make is None:
        raise SourceUnavailable(
            f"expected one of {', '.join(_DATABASES)}, found {connection!r}; among the sample's databases; "
            f"set CITYPERF_CONNECTION_{connection.upper()}, or add it to portal/sample/division_databases.py"
        )
    world = World(
        settings.seed,
        settings.scale,
        Cache(settings.base / "portal-cache", settings.seed, settings.scale),
    )
    posted = posting(night)
    return world.cache.file(f"databases/{connection}-{posted}.sqlite", lambda path: make(world, posted, path))


def posting(night: date) -> date:
    """The last Friday of posting that is not after the night."""
    return _FIRST + timedelta(days=(night - _FIRST).days // 14 * 14)


def _workforce(world: World, posted: date, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(_TABLE)
        db.executemany("insert into positions values (?, ?, ?, ?, ?, ?, ?, ?)", positions(world, posted))
        db.commit()


def positions(world: World, posted: date) -> Iterator[Row]:
    """The register's rows after a posting: a position keeps its number and the day it was first filled, whatever comes
    later; numbers are given in that order.
    """
    weights = [share for _, share, _ in _DIVISIONS]
    whole = sum(weights)
    last, among = (posted - _FIRST).days // 14, world.count(_POSITIONS)
    for number in count(1):
        filled = int((number / among) ** 0.7 * (_BY + _EARLIER)) - _EARLIER
        if filled > last:
            return
        at, place = world.unit("division", number) * whole, 0
        while at >= weights[place]:
            at -= weights[place]
            place += 1
        division, _, units = _DIVISIONS[place]
        unit = units[int(world.unit("unit", number) * len(units))]
        yield _position(world, number, filled, last, division, unit)


def _position(world: World, number: int, filled: int, last: int, division: str, unit: str) -> Row:
    """One position: what became of it since the posting `filled`, as of the posting `last`."""
    fte = (1, 1, 1, 1, 1, 0.8, 0.6, 0.5)[int(world.unit("fte", number) * 8)]
    status, changed, ended = "filled", filled, None
    vacated = filled + 13 + int(world.unit("vacated", number) * 600)
    refilled = vacated + 2 + int(world.unit("refilled", number) * 14)
    if last >= vacated:
        status, changed = "vacant", vacated
        if world.unit("closed", number) < 0.2:
            status, ended = "closed", _day(vacated).isoformat()
        elif last >= refilled:
            status, changed = "filled", refilled
    moment = f"{_day(changed)} {8 + number % 9:02d}:{number % 60:02d}:00"
    shown = None if world.unit("no unit", number) < 0.02 else unit
    return (f"P{number:06d}", division, shown, status, fte, _day(filled).isoformat(), ended, moment)


def _day(step: int) -> date:
    return _FIRST + timedelta(days=14 * step)


_DATABASES: Final[dict[str, Callable[[World, date, Path], None]]] = {"workforce": _workforce}
