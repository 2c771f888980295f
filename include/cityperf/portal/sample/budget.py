"""The operating budget, line by line, one file a year, no two years quite alike.

Programme, service and commitment-item names are real; every amount is invented. Kept on purpose: amounts as
text with commas and parentheses, the year on the first row only and a last row with nothing but the total
(every fifth year), programmes renamed in 2024, lines that repeat, 'Not assigned' activities, a header that is
the year itself.
"""

from __future__ import annotations

import csv
import functools
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource
from cityperf.portal.sample import workbook
from cityperf.portal.sample.world import World, at, table

PACKAGE: Final = "budget-operating-budget-program-summary-by-expenditure-category"
LINES: Final = 3_400  # a year, at scale 1
HEADER: Final = (
    "Program", "Service", "Activity", "Expense/Revenue", "Category Name", "Sub-Category Name",
    "Commitment item",
    "Amount", "Year",
)  # fmt: skip
_RENAMED_2024: Final = {
    "311 Toronto": "Customer Experience",
    "Shelter, Support & Housing Administration": "Toronto Shelter and Support Services",
    "Office of Emergency Management": "Toronto Emergency Management",
}
_TAXES: Final = {"Non-Program Taxation Tax Levy": 0.44, "Non-Program Revenues": 0.34}  # of all expenses
_ACTIVITIES: Final = ("Not assigned", "Service Delivery", "Planning & Support")

Line = tuple[str, str, str, str, str, str, str, Decimal]


def package(world: World, night: date) -> Package:
    """Five budgets; the one of the night's year joins them on 5 March."""
    newest = night.year if night >= date(night.year, 3, 5) else night.year - 1
    resources = []
    for year in range(newest - 4, newest + 1):
        when = at(date(year, 3, 5))
        kind = "CSV" if year % 5 in (0, 2) else "XLSX"
        name = f"approved-operating-budget-summary-{year}" if kind == "XLSX" else f"operating-budget-{year}"
        make = functools.partial(_file, world, year, kind, when)
        resources.append(Resource(PACKAGE, name, f"{name}.{kind.lower()}", kind, when, make))
    fields = {
        "owner_division": "Financial Planning",
        "refresh_rate": "Annually",
        "topics": "Finance",
        "excerpt": "SAMPLE operating budget: invented amounts in the shape of the published files.",
        "notes": "SAMPLE data made by the portal. No amount in it was ever approved.",
    }
    title = "Budget - Operating Budget Program Summary by Expenditure Category"
    return Package(PACKAGE, title, tuple(resources), fields)


def lines(world: World, year: int) -> list[Line]:
    """The year's lines. A line keeps its identity over the years; its amount grows with prices and luck."""
    services = table("budget_services")
    per_service = max(2, math.ceil(world.count(LINES) / len(services)))
    chosen: list[Line] = []
    for service in services:
        program = service["program"]
        if year >= 2024:
            program = _RENAMED_2024.get(program, program)
        for item, activity, base in _bases(world, service["program"], service["service"], per_service):
            luck = world.bell("budget", service["service"], item["item"], activity, year)
            amount = base * math.pow(1.035, year - 2022) * (1 + 0.02 * luck)
            names = (program, service["service"], activity, item["kind"], item["category"])
            line = (*names, item["sub_category"], item["item"], _cents(amount))
            chosen.append(line)
            if world.unit("repeat", service["service"], item["item"], activity) < 0.04:
                chosen.append((*line[:7], _cents(amount * 0.07)))
    return chosen


def _cents(amount: float) -> Decimal:
    return Decimal(round(amount * 100)) / 100


def _bases(world: World, program: str, service: str, number: int) -> list[tuple[dict[str, str], str, float]]:
    """(item, activity, dollars of 2022) of each line; expenses sum to the size of the service."""
    items = table("budget_items")
    size = 1e6 * float(next(s["millions"] for s in table("budget_services") if s["service"] == service
                            and s["program"] == program))  # fmt: skip
    if program in _TAXES:
        share = _TAXES[program]
        levy = {
            "kind": "Revenues",
            "category": "Other Revenue",
            "sub_category": "Tax Revenue",
            "item": "Tax Levy",
        }
        return [
            (levy, _ACTIVITIES[0], -share * sum(1e6 * float(s["millions"]) for s in table("budget_services")))
        ]
    ranked = _ranked(world, service)
    pairs = sorted(ranked[: number - 1])
    pairs.append(next(pair for pair in ranked if items[pair[0]]["kind"] == "Revenues" and pair not in pairs))
    drawn = {
        pair: float(items[pair[0]]["share"]) * (0.3 + 1.4 * world.unit("size", service, *pair))
        for pair in pairs
    }
    spent = sum(value for value in drawn.values() if value > 0)
    return [(items[i], _ACTIVITIES[a], size * drawn[i, a] / spent) for i, a in pairs]


@functools.lru_cache(maxsize=256)
def _ranked(world: World, service: str) -> tuple[tuple[int, int], ...]:
    """(item, activity) pairs, those that the service surely budgets for first; salaries always lead."""
    items = table("budget_items")

    def rank(pair: tuple[int, int]) -> float:
        luck = 0.05 + world.unit("has line", service, *pair)
        return -float(items[pair[0]]["weight"]) * luck - (20 if pair == (0, 0) else 0)

    return tuple(sorted(((i, a) for i in range(len(items)) for a in range(len(_ACTIVITIES))), key=rank))


def _file(world: World, year: int, kind: str, when: datetime) -> Answer:
    def write(path: Path) -> None:
        if kind == "CSV":
            _write_csv(path, lines(world, year), year, with_total=year % 5 == 2)
        else:
            _write_workbook(path, lines(world, year), year, when)

    suffix = kind.lower()
    cached = world.cache.file(f"budget/{year}.{suffix}", write)
    return file_answer(cached, last_modified=when, name=f"operating-budget-{year}.{suffix}")


def _write_csv(path: Path, rows: list[Line], year: int, *, with_total: bool) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(HEADER)
        for number, row in enumerate(rows):
            shown_year = year if number == 0 or not with_total else ""
            writer.writerow((*row[:7], money(row[7]), shown_year))
        if with_total:
            total = sum((row[7] for row in rows), Decimal(0))
            sign = "-" if total < 0 else ""
            writer.writerow(("", "", "", "", "", "", "", f"{sign}${abs(total):,.2f}", ""))


def money(amount: Decimal) -> str:
    """1234.5 as '1,234.50' and -1234.5 as '(1,234.50)'."""
    return f"({-amount:,.2f})" if amount < 0 else f"{amount:,.2f}"


def _write_workbook(path: Path, rows: list[Line], year: int, when: datetime) -> None:
    header = list(HEADER)
    if year % 5 == 3 and 2022 <= year <= 2026:
        header[7] = str(year)
    cells: list[tuple[workbook.Cell, ...]] = [tuple(header)]
    cells += [(*row[:7], float(row[7]), year) for row in rows]
    workbook.write(path, [("Open Data", cells)], when)
