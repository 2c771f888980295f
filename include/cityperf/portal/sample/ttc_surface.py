"""TTC bus, streetcar and light-rail delays with the history of their drift.

Workbooks of twelve sheets to 2021: 2019 mixes three headers, in August 2020 everything is renamed, times turn
from cells into text and 'E/B' into 'E'. Then one sheet a year, then one CSV since last year, in which the
route has its name and the incident is a code. A streetcar workbook ends in hundreds of blank rows. Routes,
places and incident names are real, the streetcar and light-rail codes are guessed, the incidents invented.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

import numpy as np

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource, with_copies
from cityperf.portal.sample import workbook
from cityperf.portal.sample.ttc import DAYS, HOURS, SEASON, pick
from cityperf.portal.sample.world import (
    World,
    at,
    first_of_month,
    last_of_month,
    months,
    published_through,
    table,
)

_FIRST_YEAR: Final = 2019
_RENAMED: Final = (2020, 8)  # the month from which headers, times and directions are written anew
_ONE_SHEET: Final = 2022
_MONTHS: Final = (
    "Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec",
)  # fmt: skip
_CSV_HEADER: Final = (
    "_id", "Date", "Line", "Time", "Day", "Station", "Code", "Min Delay", "Min Gap", "Bound", "Vehicle",
)  # fmt: skip
_OLD_BOUNDS: Final = {
    "E": ("E/B", "E/B", "E/B", "EB", "e/b"), "W": ("W/B", "W/B", "W/B", "WB", "wb"),
    "N": ("N/B", "N/B", "N/B", "NB", "n/b"), "S": ("S/B", "S/B", "S/B", "SB", "sb"), "B": ("B/W", "BW"),
}  # fmt: skip
ODD_BOUNDS: Final = ("G", "\\", "D", "2")
_ODD_ROUTES: Final = ("RAD", "600 RAD (LINE 1", "999", "SHUTTLE", "")
_PLACE_WIDTH: Final = 22  # characters; what is longer is cut off


@dataclass(frozen=True)
class Mode:
    """One kind of vehicle: its package, its incidents a year at scale 1 and the numbers its vehicles bear."""

    key: str
    title: str
    a_year: int
    vehicles: tuple[int, int]
    workbooks: bool = True
    blank_rows_in: int = 0  # the year whose last sheet ends in blank rows

    @property
    def package(self) -> str:
        return f"ttc-{self.key}-delay-data"


MODES: Final = (
    Mode("bus", "TTC Bus Delay Data", 4_000, (1000, 9400)),
    Mode("streetcar", "TTC Streetcar Delay Data", 2_500, (4400, 4664), blank_rows_in=2021),
    Mode("lrt", "TTC LRT Delay Data", 300, (6200, 6276), workbooks=False),
)


@dataclass(frozen=True)
class Incident:
    """`bound` is a letter, B for both ways, an odd sign or ''; `route` a row of ttc_routes or odd text."""

    day: date
    clock: time
    route: dict[str, str] | str
    place: str
    cause: dict[str, str]
    delay: int
    gap: int
    bound: str
    vehicle: int


def packages(world: World, night: date) -> tuple[Package, ...]:
    """The packages as of the night, one for each mode."""
    return tuple(_package(mode, world, night) for mode in MODES)


def _package(mode: Mode, world: World, night: date) -> Package:
    since = night.year - 1
    covered, published = published_through(world, f"ttc {mode.key}", night, 9)
    resources = []
    if mode.workbooks:
        name = f"{mode.package}-readme"
        resources.append(
            Resource(mode.package, name, f"{name}.xlsx", "XLSX", at(date(2019, 7, 23)),
                     functools.partial(_readme, world, mode))
        )  # fmt: skip
        for year in range(_FIRST_YEAR, since):
            name, when = f"{mode.package}-{year}", at(date(year + 1, 2, 12))
            make = functools.partial(_yearly, world, mode, year, when)
            resources.append(Resource(mode.package, name, f"{name}.xlsx", "XLSX", when, make))
    name = "TTC LRT Delays" if mode.key == "lrt" else f"{mode.title} since {since}"
    resources += with_copies(
        Resource(
            mode.package, name, f"{name.lower().replace(' ', '-')}.csv", "CSV", at(published),
            functools.partial(_since, world, mode, since, covered, at(published)),
            datastore=True, types={"_id": "int4"},
        )
    )  # fmt: skip
    resources += with_copies(
        Resource(
            mode.package, "Code Descriptions", "code-descriptions.csv", "CSV", at(date(2025, 2, 3)),
            functools.partial(_codes, world, mode), datastore=True, types={"_id": "int4"},
        )
    )  # fmt: skip
    fields = {
        "owner_division": "Toronto Transit Commission",
        "owner_email": "opendata@ttc.ca",
        "refresh_rate": "Monthly",
        "topics": "Transportation",
        "civic_issues": "Mobility",
        "excerpt": "SAMPLE delay incidents: invented, in the shape of the published files.",
        "notes": "SAMPLE data made by the portal. No incident in it ever happened.",
    }
    return Package(mode.package, mode.title, tuple(resources), fields)


@functools.lru_cache(maxsize=128)
def incidents(world: World, mode: Mode, year: int, month: int) -> tuple[Incident, ...]:
    """A month's incidents in order of time; the same whatever night asks."""
    rng = world.rng("ttc surface", mode.key, year, month)
    days = [
        date.fromordinal(o)
        for o in range(first_of_month(year, month).toordinal(), last_of_month(year, month).toordinal() + 1)
    ]
    luck = 1 + 0.06 * world.bell("ttc surface", mode.key, year, month)
    number = world.count(mode.a_year / 12 * SEASON[month - 1] * (1 + 0.02 * (year - 2023)) * luck)
    on_day = np.sort(pick(rng, [1.0 if d.weekday() < 5 else 0.7 for d in days], number))
    minute = pick(rng, list(HOURS), number) * 60 + rng.integers(0, 60, number)
    order = np.lexsort((minute, on_day))
    routes = [r for r in table("ttc_routes") if r["mode"] == mode.key]
    coded = "code" if mode.key == "lrt" or year > _ONE_SHEET + 2 else "incident"
    causes = [c for c in table("ttc_surface_incidents") if c["mode"] == mode.key and c[coded]]
    route = pick(rng, [float(r["weight"]) for r in routes], number)
    cause = pick(rng, [float(c["weight"]) for c in causes], number)
    minutes = np.clip(np.exp(rng.normal(2.35, 0.7, number)), 2, 400).astype(int)
    headway = rng.integers(5, 21, number)
    vehicle = rng.integers(*mode.vehicles, number)
    place = rng.integers(0, 60, number)
    lucky = rng.random((4, number))
    found: list[Incident] = []
    for i, source in enumerate(order.tolist()):
        line, why = routes[int(route[i])], causes[int(cause[i])]
        places = line["places"].split(";")
        delay = int(minutes[i]) if lucky[0, i] < float(why["delays"]) else 0
        odd = lucky[1, i] > 0.985
        found.append(
            Incident(
                days[int(on_day[source])],
                time(int(minute[source]) // 60, int(minute[source]) % 60),
                _ODD_ROUTES[int(place[i]) % 5] if odd else line,
                places[int(place[i]) % len(places)][:_PLACE_WIDTH],
                why,
                delay,
                delay + int(headway[i]) if delay else 0,
                _bound(line, float(lucky[2, i])),
                0 if lucky[3, i] < 0.08 else int(vehicle[i]),
            )
        )
        if lucky[1, i] < 0.001:
            found[-1] = replace(found[-1], delay=999, gap=999)  # stands for unknown
        elif lucky[1, i] < 0.002:
            found.append(found[-1])  # an exact repeat, as every real file has
    return tuple(found)


def _bound(line: dict[str, str], lucky: float) -> str:
    """One of the route's two ways; some incidents are in none, a few in both or in something odd."""
    if lucky < 0.16:
        return ""
    if lucky < 0.17:
        return "B" if lucky < 0.168 else ODD_BOUNDS[int((lucky - 0.168) / 0.002 * 4) % 4]
    return line["axis"][lucky > 0.58]


# -- workbooks -----------------------------------------------------------------------------------------------
def _yearly(world: World, mode: Mode, year: int, when: datetime) -> Answer:
    def write(path: Path) -> None:
        if year < _ONE_SHEET:
            workbook.write(path, _months(world, mode, year), when)
        else:
            rows: list[tuple[workbook.Cell, ...]] = [_header(mode, year, 1)]
            for month in range(1, 13):
                rows.extend(_rows(world, mode, year, month))
            workbook.write(path, [(str(year), rows)], when)

    name = f"{mode.package}-{year}.xlsx"
    return file_answer(world.cache.file(f"ttc/{name}", write), last_modified=when)


def _months(world: World, mode: Mode, year: int) -> Iterator[tuple[str, list[tuple[workbook.Cell, ...]]]]:
    for month, name in enumerate(_MONTHS, start=1):
        rows = [_header(mode, year, month), *_rows(world, mode, year, month)]
        if month == 12 and year == mode.blank_rows_in:
            rows += [("",) * 10] * 400
        yield f"{name} {year if (year, month) < _RENAMED else year % 100}", rows


def _header(mode: Mode, year: int, month: int) -> tuple[workbook.Cell, ...]:
    if (year, month) >= _RENAMED:
        line, bound = ("Line", "Bound") if mode.key == "streetcar" else ("Route", "Direction")
        return ("Date", line, "Time", "Day", "Location", "Incident", "Min Delay", "Min Gap", bound, "Vehicle")
    short = year == 2020 or month in (6, 11, 12)
    incident = ("Incident ID", "Incident") if _has_number(year, month) else ("Incident",)
    minutes = ("Delay", "Gap") if short else ("Min Delay", "Min Gap")
    return ("Report Date", "Route", "Time", "Day", "Location", *incident, *minutes, "Direction", "Vehicle")


def _has_number(year: int, month: int) -> bool:
    return (year, month) == (2019, 4)


def _rows(world: World, mode: Mode, year: int, month: int) -> Iterator[tuple[workbook.Cell, ...]]:
    old = (year, month) < _RENAMED
    for number, each in enumerate(incidents(world, mode, year, month)):
        bound = each.bound
        if old and bound in _OLD_BOUNDS:
            ways = _OLD_BOUNDS[bound]
            bound = ways[int(world.unit("bound", mode.key, year, month, number) * len(ways))]
        route: workbook.Cell = each.route if isinstance(each.route, str) else int(each.route["number"])
        cause: tuple[workbook.Cell, ...] = (each.cause["incident"],)
        if _has_number(year, month):
            cause = (number + 1, *cause)
        yield (
            each.day,
            route or None,
            each.clock if old else f"{each.clock:%H:%M}",
            DAYS[each.day.weekday()],
            each.place.title() if old else each.place,
            *cause,
            None if old and not each.delay else each.delay,
            None if old and not each.delay else each.gap,
            bound or None,
            (each.vehicle or None) if old else each.vehicle,
        )


# -- since last year -----------------------------------------------------------------------------------------
def _since(world: World, mode: Mode, since: int, covered: date, when: datetime) -> Answer:
    stamp = "T00:00:00" if mode.key == "bus" else ""

    def lines() -> Iterator[tuple[object, ...]]:
        number = 0
        for year, month in months(date(since, 1, 1), covered):
            for each in incidents(world, mode, year, month):
                number += 1
                yield (
                    number, f"{each.day}{stamp}", _line(each.route), f"{each.clock:%H:%M}",
                    DAYS[each.day.weekday()], each.place, each.cause["code"], each.delay, each.gap,
                    each.bound or "None", each.vehicle,
                )  # fmt: skip

    name = f"ttc/{mode.key}-since-{since}-through-{covered:%Y-%m}.csv"
    return file_answer(world.cache.file(name, _csv(_CSV_HEADER, lines)), last_modified=when)


def _line(route: dict[str, str] | str) -> str:
    if isinstance(route, str):
        return route or "None"
    return f"{route['number']} {route['name']}"[:_PLACE_WIDTH]


def _codes(world: World, mode: Mode) -> Answer:
    def lines() -> Iterator[tuple[object, ...]]:
        of_mode = (c for c in table("ttc_surface_incidents") if c["mode"] == mode.key and c["code"])
        codes = sorted({(c["code"], c["description"]) for c in of_mode})
        return ((number, *code) for number, code in enumerate(codes, start=1))

    name = f"ttc/{mode.key}-code-descriptions.csv"
    cached = world.cache.file(name, _csv(("_id", "CODE", "DESCRIPTION"), lines))
    return file_answer(cached, last_modified=at(date(2025, 2, 3)))


def _csv(
    header: tuple[str, ...], lines: Callable[[], Iterator[tuple[object, ...]]]
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(lines())

    return write


def _readme(world: World, mode: Mode) -> Answer:
    def write(path: Path) -> None:
        rows: list[tuple[workbook.Cell, ...]] = [("Field Name", "Description", "Example")]
        rows += [
            (name, f"SAMPLE: {str(name).lower()} of the incident", None) for name in _header(mode, 2019, 1)
        ]
        workbook.write(path, [("Sheet1", rows)], at(date(2019, 7, 23)))

    name = f"{mode.package}-readme.xlsx"
    return file_answer(world.cache.file(f"ttc/{name}", write), last_modified=at(date(2019, 7, 23)))
