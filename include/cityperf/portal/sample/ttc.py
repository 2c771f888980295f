"""TTC subway delays with the history of their drift: twelve sheets whose names never agree, then one sheet,
then CSV.

Real things kept on purpose: station, line and code names; six in ten incidents cost no time; lines written in
many ways; a few exact repeats; a monthly file that the yearly workbook supersedes; trailing empty columns;
codes that the list of codes does not explain; 'None' where the CSV means nothing. The incidents themselves
are invented.
"""

from __future__ import annotations

import csv
import functools
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource, with_copies
from cityperf.portal.sample import workbook
from cityperf.portal.sample.world import (
    World,
    at,
    first_of_month,
    last_of_month,
    months,
    published_through,
    table,
)

PACKAGE: Final = "ttc-subway-delay-data"
HEADER: Final = ("Date", "Time", "Day", "Station", "Code", "Min Delay", "Min Gap", "Bound", "Line", "Vehicle")
_A_YEAR_OLD: Final = 13_000  # incidents a year in the workbooks
_A_YEAR_NEW: Final = 18_000  # and in the CSV, which is cheap to write
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEASON: Final = (1.18, 1.12, 1.02, 0.95, 0.94, 0.96, 0.97, 0.95, 0.98, 1.0, 1.02, 1.1)
# how a day's incidents fall on its hours: from midnight, then from noon
_MORNING: Final = (2.2, 2, 0.7, 0.2, 0.2, 2, 5, 6.5, 7, 5.2, 4.4, 4.4)
_AFTERNOON: Final = (4.6, 4.8, 5, 5.6, 6.4, 6.8, 6, 4.8, 4.4, 4.4, 4.2, 3.4)
HOURS: Final = np.array([*_MORNING, *_AFTERNOON])
_LINES: Final = ("YU/BD", "YU / BD", "YU & BD", "BD/YU", "YUS/BD", "YUS", "69 WARDEN SOUTH")
_SHEETS: Final = (
    ("January{yy}", "Feb {yy}", "March '{yy}", "April '{yy}", "May '{yy}", "June {yy}", "July {yy}",
     "August {yy}",
     "Sept {yy}", "Oct {yy}", "Nov {yy}", "December{yy}"),
    ("Jan {yyyy}", "Feb{yy}", "Mar {yy}", "Apr '{yy}", "May {yyyy}", "June{yy}", "July '{yy}", "August '{yy}",
     "September {yy}", "Oct '{yy}", "Nov {yyyy}", "Dec {yyyy}"),
)  # fmt: skip
_LAST_SRT_DAY: Final = date(2023, 7, 24)

Incident = tuple[date, str, str, str, str, int, int, str, str, int]


def package(world: World, night: date) -> Package:
    """The package as of the night: workbooks for four past years and one CSV since last year."""
    since = night.year - 1
    covered, published = published_through(world, "ttc", night, 8)
    resources = [
        Resource(
            PACKAGE, "ttc-subway-delay-data-readme", "ttc-subway-delay-data-readme.xlsx", "XLSX",
            at(date(2019, 7, 23)), lambda: _readme(world),
        ),
        Resource(
            PACKAGE, "ttc-subway-delay-codes", "ttc-subway-delay-codes.xlsx", "XLSX", at(date(2019, 7, 23)),
            lambda: _codes_workbook(world),
        ),
    ]  # fmt: skip
    for year in range(night.year - 5, since):
        if year % 4 == 2:
            name = f"ttc-subway-delay-August-{year}"
            when = at(date(year, 9, 15))
            make = functools.partial(_monthly, world, year, 8, when)
            resources.append(Resource(PACKAGE, name, f"{name}.xlsx", "XLSX", when, make))
        name = f"ttc-subway-delay-data-{year}"
        when = at(date(year + 1, 2, 10))
        make = functools.partial(_yearly, world, year, when)
        resources.append(Resource(PACKAGE, name, f"{name}.xlsx", "XLSX", when, make))
    when = at(published)
    name = f"TTC Subway Delay Data since {since}"
    make = functools.partial(_since, world, since, covered, at(published))
    table_file = f"ttc-subway-delay-data-since-{since}.csv"
    resources += with_copies(
        Resource(PACKAGE, name, table_file, "CSV", at(published), make, datastore=True, types={"_id": "int4"})
    )
    resources += with_copies(
        Resource(
            PACKAGE, "Code Descriptions", "code-descriptions.csv", "CSV", at(date(2025, 2, 3)),
            lambda: _codes_csv(world), datastore=True, types={"_id": "int4"},
        )
    )  # fmt: skip
    fields = {
        "owner_division": "Toronto Transit Commission",
        "owner_email": "opendata@ttc.ca",
        "refresh_rate": "Monthly",
        "topics": "Transportation",
        "civic_issues": "Mobility",
        "excerpt": "SAMPLE subway delay incidents: invented, in the shape of the published files.",
        "notes": "SAMPLE data made by the portal. No incident in it ever happened.",
    }
    return Package(PACKAGE, "TTC Subway Delay Data", tuple(resources), fields)


@functools.lru_cache(maxsize=64)
def incidents(world: World, year: int, month: int) -> tuple[Incident, ...]:
    """A month's incidents in order of time; the same whatever night asks."""
    rng = world.rng("ttc", year, month)
    first, last = first_of_month(year, month), last_of_month(year, month)
    a_year = _A_YEAR_OLD if year < 2025 else _A_YEAR_NEW
    trend = 1 + 0.02 * (year - 2023)
    number = world.count(
        a_year / 12 * SEASON[month - 1] * trend * (1 + 0.06 * world.bell("ttc month", year, month))
    )
    days = [date.fromordinal(o) for o in range(first.toordinal(), last.toordinal() + 1)]
    by_day = np.array([1.0 if d.weekday() < 5 else 0.75 for d in days]) * rng.gamma(30, 1 / 30, len(days))
    on_day = rng.choice(len(days), number, p=by_day / by_day.sum())
    hour = rng.choice(24, number, p=HOURS / HOURS.sum())
    minute = rng.integers(0, 60, number)
    order = np.lexsort((minute, hour, on_day))
    stations = [s for s in table("ttc_stations") if s["line"] != "SRT" or first <= _LAST_SRT_DAY]
    station = pick(rng, [float(s["weight"]) for s in stations], number)
    codes = table("ttc_codes")
    code = pick(rng, [float(c["weight"]) for c in codes], number)
    delays = np.array([float(c["delays"]) for c in codes])[code] * 0.95 + 0.04
    minutes = np.where(rng.random(number) < delays, 3 + rng.geometric(0.19, number) + _long(rng, number), 0)
    gap = np.where(minutes > 0, minutes + rng.integers(2, 7, number), 0)
    lucky = rng.random((3, number))
    train = rng.integers(0, 300, number)
    rows: list[Incident] = []
    for i, source in enumerate(order.tolist()):
        day = days[int(on_day[source])]
        place = stations[int(station[i])]
        line = place["line"]
        if line == "SRT" and day > _LAST_SRT_DAY:
            line, place = "BD", {"station": "KENNEDY BD STATION", "line": "BD"}
        bound = ""
        if lucky[0, i] > 0.33:
            bound = (
                ("N" if lucky[0, i] > 0.67 else "S")
                if line in ("YU", "SRT")
                else ("E" if lucky[0, i] > 0.67 else "W")
            )
        vehicle = (
            0
            if lucky[1, i] < 0.36
            else {"YU": 5386, "BD": 5000, "SHP": 6141, "SRT": 3000}[line] + int(train[i])
        )
        if lucky[2, i] < 0.012:
            line = _LINES[int(lucky[2, i] / 0.012 * len(_LINES))]
        rows.append(
            (
                day, f"{hour[source]:02d}:{minute[source]:02d}", DAYS[day.weekday()], place["station"],
                codes[int(code[i])]["code"], int(minutes[i]), int(gap[i]), bound, line, vehicle,
            )
        )  # fmt: skip
        if lucky[2, i] > 0.999:
            rows.append(rows[-1])  # an exact repeat, as every real file has
    if year % 2 == 0 and month == 3 and rows:
        odd = rows[len(rows) // 2]
        rows[len(rows) // 2] = (
            *odd[:5],
            999,
            999,
            *odd[7:],
        )  # looks like a sentinel; is left for the checks to find
    return tuple(rows)


def pick(
    rng: np.random.Generator, weights: list[float], number: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """`number` positions in `weights`, drawn in proportion to them."""
    share = np.array(weights)
    return rng.choice(len(weights), number, p=share / share.sum())


def _long(rng: np.random.Generator, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Extra minutes of the few incidents that close a line for long."""
    return np.where(rng.random(number) < 0.02, rng.integers(10, 120, number), 0)


def _yearly(world: World, year: int, when: datetime) -> Answer:
    def write(path: Path) -> None:
        if year % 4 in (1, 2):
            names = _SHEETS[year % 4 - 1]
            sheets = [
                (names[m - 1].format(yy=f"{year % 100:02d}", yyyy=year), _sheet(world, year, m))
                for m in range(1, 13)
            ]
        else:
            rows: list[tuple[workbook.Cell, ...]] = [HEADER]
            for month in range(1, 13):
                rows.extend(map(_cells, incidents(world, year, month)))
            sheets = [(str(year) if year % 4 == 3 else "Subway", rows)]
        workbook.write(path, sheets, when)

    name = f"ttc-subway-delay-data-{year}.xlsx"
    return file_answer(world.cache.file(f"ttc/{name}", write), last_modified=when)


def _sheet(world: World, year: int, month: int) -> list[tuple[workbook.Cell, ...]]:
    # The first sheet of one kind of year claims three columns more than it fills.
    header: tuple[workbook.Cell, ...] = (*HEADER, "", "", "") if year % 4 == 2 and month == 1 else HEADER
    return [header, *map(_cells, incidents(world, year, month))]


def _cells(row: Incident) -> tuple[workbook.Cell, ...]:
    return (*row[:7], row[7] or None, *row[8:])


def _monthly(world: World, year: int, month: int, when: datetime) -> Answer:
    """A month as first handed over: some incidents are not in it yet, some codes are still to change."""

    def write(path: Path) -> None:
        rows: list[tuple[workbook.Cell, ...]] = [HEADER]
        for number, row in enumerate(incidents(world, year, month)):
            drawn = world.unit("preliminary", year, month, number)
            if drawn < 0.03:
                continue
            rows.append(_cells((*row[:4], "MUO", *row[5:]) if drawn < 0.05 else row))
        workbook.write(path, [(f"August {year % 100:02d}", rows)], when)

    name = f"ttc-subway-delay-August-{year}.xlsx"
    return file_answer(world.cache.file(f"ttc/{name}", write), last_modified=when)


def _since(world: World, since: int, covered: date, when: datetime) -> Answer:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("_id", *HEADER))
            number = 0
            for year, month in months(date(since, 1, 1), covered):
                for row in incidents(world, year, month):
                    number += 1
                    writer.writerow((number, row[0].isoformat(), *row[1:7], row[7] or "None", *row[8:]))

    cached = world.cache.file(f"ttc/since-{since}-through-{covered:%Y-%m}.csv", write)
    return file_answer(cached, last_modified=when, name=f"ttc-subway-delay-data-since-{since}.csv")


def _codes_csv(world: World) -> Answer:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("_id", "CODE", "DESCRIPTION"))
            explained = sorted((c["code"], c["description"]) for c in table("ttc_codes") if c["description"])
            writer.writerows((number, *code) for number, code in enumerate(explained, start=1))

    return file_answer(
        world.cache.file("ttc/code-descriptions.csv", write), last_modified=at(date(2025, 2, 3))
    )  # fmt: skip


def _codes_workbook(world: World) -> Answer:
    """Two tables side by side below two blank rows, their number columns without a name."""

    def write(path: Path) -> None:
        explained = [c for c in table("ttc_codes") if c["description"]]
        rows: list[tuple[workbook.Cell, ...]] = [
            (None,), (None,),
            (None, "SUB RMENU CODE", "CODE DESCRIPTION", None, None, "SRT RMENU CODE", "CODE DESCRIPTION"),
        ]  # fmt: skip
        half = len(explained) // 2
        for number, (left, right) in enumerate(
            zip(explained[:half], explained[half:], strict=False), start=1
        ):
            rows.append(
                (number, left["code"], left["description"], None, number, right["code"], right["description"])
            )
        workbook.write(path, [("Sheet 1", rows)], at(date(2019, 7, 23)))

    return file_answer(world.cache.file("ttc/codes.xlsx", write), last_modified=at(date(2019, 7, 23)),
                       name="ttc-subway-delay-codes.xlsx")  # fmt: skip


def _readme(world: World) -> Answer:
    def write(path: Path) -> None:
        rows: list[tuple[workbook.Cell, ...]] = [("Field Name", "Description", "Example")]
        rows += [(name, f"SAMPLE: {name.lower()} of the incident", None) for name in HEADER]
        workbook.write(path, [("Meta Data", rows)], at(date(2019, 7, 23)))

    return file_answer(world.cache.file("ttc/readme.xlsx", write), last_modified=at(date(2019, 7, 23)),
                       name="ttc-subway-delay-data-readme.xlsx")  # fmt: skip
