"""Ontario's Financial Information Return, schedules 02, 22, 26 and 80: a workbook for each schedule and year.

Twelve municipalities with their real codes; every amount is invented, but the arithmetic of the return holds:
tax is assessment times rate, line 9201 the sum of schedule 22GPL, line 9990 of 22SPC the total of all levies
and equal to line 9199 of schedule 26. Kept on purpose: a title block above the header in row 5, headers with
line breaks and codes such as `26 xxxx 03`, an internal identifier that repeats in some years, numbers as
text, sheets of several widths beside a legend, an update date in each row. Returns come in over a year and are
handed in again later, old years too.
"""

from __future__ import annotations

import functools
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cityperf.portal.answers import Answer, Ask, file_answer
from cityperf.portal.sample import workbook
from cityperf.portal.sample.world import World, at, table, working_day

HOST: Final = "efis.fma.csc.gov.on.ca"
SCHEDULES: Final = ("02", "22", "26", "80")
_FIRST_YEAR: Final = 2019
_ADDRESS: Final = re.compile(r"(?i)fir(?P<year>20\d\d)-(?P<schedule>\d\d)\.(?P<kind>zip|xlsx)$")
_PLACE: Final = ("", "Year", "Asmt Code", "Municipality", "MAH Code", "MunID", "UT", "Tier", "MSO", "Line")
_TAXES: Final = ("LT/ST\nTaxes", "UT\nTaxes", "EDUC\nTaxes", "TOTAL\nTaxes")
_RATES: Final = ("LT/ST\nTax Rate", "UT\nTax Rate", "EDUC\nTax Rate", "TOTAL\nTax Rate")

Cells = tuple[workbook.Cell, ...]
Taxes = tuple[int, int, int]  # lower or single tier, upper tier, education


@dataclass(frozen=True)
class PropertyClass:
    """A line of schedule 22GPL: its share of the residential assessment, its ratio, the share of the full rate
    and the education rate (residential before and since 2020, or business).
    """

    line: int
    code: str
    band: str
    name: str
    description: str
    share: float
    ratio: float
    full: float = 1.0
    business: bool = False


_CLASSES: Final = (
    PropertyClass(10, "RT", "0", "Residential", "Full Occupied", 1.0, 1.0),
    PropertyClass(50, "MT", "0", "Multi-Residential", "Full Occupied", 0.09, 2.2),
    PropertyClass(80, "NT", "0", "New Multi-Residential", "Full Occupied", 0.005, 1.0),
    PropertyClass(110, "FT", "0", "Farmland", "Full Occupied", 0.0005, 0.25),
    PropertyClass(210, "CT", "0", "Commercial", "Full Occupied", 0.105, 2.6, business=True),
    PropertyClass(240, "CU", "0", "Commercial", "Excess Land", 0.001, 2.6, 0.7, business=True),
    PropertyClass(320, "DT", "0", "Office Building", "Full Occupied", 0.072, 2.7, business=True),
    PropertyClass(340, "ST", "0", "Shopping Centre", "Full Occupied", 0.031, 2.7, business=True),
    PropertyClass(510, "IT", "0", "Industrial", "Full Occupied", 0.012, 2.7, business=True),
    PropertyClass(710, "PT", "0", "Pipeline", "Full Occupied", 0.0007, 1.9, business=True),
)
_STAFF: Final = (  # line, description, full-time posts a thousand people, part-time and seasonal as shares of them
    (205, "Administration", 1.55, 0.05, 0.02),
    (210, "Fire", 1.12, 0.01, 0.0),
    (215, "Police", 2.35, 0.03, 0.0),
    (225, "Transit", 3.1, 0.04, 0.0),
    (227, "Public Works", 1.9, 0.03, 0.25),
    (230, "Health Services", 0.9, 0.2, 0.0),
    (235, "Homes for the Aged", 0.8, 0.9, 0.0),
    (240, "Other Social Services", 1.1, 0.3, 0.0),
    (245, "Parks and Recreation", 0.9, 2.4, 1.5),
    (250, "Libraries", 0.5, 0.8, 0.0),
    (255, "Planning", 0.3, 0.02, 0.05),
)


@dataclass(frozen=True)
class Return:
    """One municipality's return for a year as it was last handed in by a night."""

    municipality: str
    year: int
    updated: date
    edition: int

    @property
    def place(self) -> dict[str, str]:
        return next(p for p in table("fir_municipalities") if p["municipality"] == self.municipality)

    def row(self, line: int, *cells: workbook.Cell, identifier: str | None = None) -> Cells:
        p = self.place
        key = identifier or f"{line}_{p['tier']}"
        return (
            key, str(self.year), p["asmt_code"], p["municipality"], p["mah_code"], p["mun_id"], p["ut"],
            p["tier"], p["mso"], line, *cells, self.updated,
        )  # fmt: skip


Sheet = tuple[str, Sequence[str], Callable[[World, Return], Iterator[Cells]]]


def answer(world: World, ask: Ask) -> Answer | None:
    """`VIEWFIR<year>-<schedule>` as a workbook or zipped; None for an address or a year that is not here."""
    named = _ADDRESS.search(ask.path) if ask.host == HOST else None
    if named is None or named["schedule"] not in SCHEDULES:
        return None
    year, schedule = int(named["year"]), named["schedule"]
    if not _FIRST_YEAR <= year <= ask.night.year - 2:
        return None
    returns = _returns(world, year, ask.night)
    updated = max((each.updated for each in returns), default=date(year + 1, 6, 1))
    name = f"VIEWFIR{year}-{schedule}.{named['kind'].lower()}"
    write = functools.partial(_write, world, schedule, year, returns, updated, named["kind"].lower() == "zip")
    cached = world.cache.file(f"fir/{updated.isoformat()}-{len(returns)}/{name}", write)
    return file_answer(cached, last_modified=at(updated), name=name)


@functools.lru_cache(maxsize=64)
def _returns(world: World, year: int, night: date) -> tuple[Return, ...]:
    """The returns that are in by the night: first from June on, one in three again within two years."""
    found = []
    for name in (place["municipality"] for place in table("fir_municipalities")):
        first = date(year + 1, 6, 1) + timedelta(days=int(world.unit("fir first", name, year) * 320))
        again = first + timedelta(days=200 + int(world.unit("fir again", name, year) * 500))
        days = [first, again] if world.unit("fir twice", name, year) < 0.33 else [first]
        out = [working_day(day) for day in days if working_day(day) <= night]
        if out:
            found.append(Return(name, year, out[-1], len(out)))
    return tuple(found)


def _write(
    world: World, schedule: str, year: int, returns: Sequence[Return], updated: date, packed: bool, path: Path
) -> None:
    sheets = [
        (name, list(_sheet(world, schedule, year, returns, updated, header, rows)))
        for name, header, rows in _SHEETS[schedule]
    ]
    sheets.append(("Legend", _LEGEND))
    if not packed:
        workbook.write(path, sheets, at(updated))
        return
    inner = path.with_name(f"{path.name}.inside")
    try:
        workbook.write(inner, sheets, at(updated))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            stamp = (updated.year, updated.month, updated.day, 12, 0, 0)
            archive.writestr(zipfile.ZipInfo(f"VIEWFIR{year}-{schedule}.xlsx", stamp), inner.read_bytes())
    finally:
        inner.unlink(missing_ok=True)


def _sheet(
    world: World,
    schedule: str,
    year: int,
    returns: Sequence[Return],
    updated: date,
    header: Sequence[str],
    rows: Callable[[World, Return], Iterator[Cells]],
) -> Iterator[Cells]:
    """The title block in rows 1 to 4, the header in row 5, then the municipalities' lines."""
    width = len(_PLACE) + len(header) + 1
    everybody = len(table("fir_municipalities"))
    yield ("",) * width
    blanks = (None,) * (width - 12)
    title = (None, f"VIEW FIR{year} DATA", *(None,) * 7, "Last Update: ", updated)
    yield (*title, *blanks, f"Submitted Municipalities: {len(returns)}")
    for text, note in (
        (
            f"SCHEDULE {schedule}  -  For the Year Ended December 31, {year}",
            f"TOTAL Municipalities: {everybody}",
        ),
        ("SAMPLE: no municipality ever handed this in", "* Filter by column"),
    ):
        yield (None, text, *(None,) * (width - 3), note)
    yield (*_PLACE, *header, "Last Update")
    for each in returns:
        yield from rows(world, each)


# -- schedule 22: levies -------------------------------------------------------------------------------------
@functools.lru_cache(maxsize=256)
def _levies(
    world: World, form: Return
) -> tuple[tuple[PropertyClass, int, tuple[float, float, float], Taxes], ...]:
    """(class, taxable assessment, rates, taxes) of each line: tax is assessment times rate, to the dollar."""
    found = []
    p, years = form.place, form.year - _FIRST_YEAR
    growth = 1.012**years * (1 + 0.0005 * (form.edition - 1))
    rate = float(p["rate"]) * 1.02**years
    upper = float(p["upper_rate"] or 0) * 1.02**years
    education = 0.00161 if form.year < 2020 else 0.00153
    for each in _CLASSES:
        luck = 1 + 0.15 * world.bell("fir class", p["municipality"], each.code) * (each.line != 10)
        assessed = round(float(p["billions"]) * 1e9 * each.share * growth * luck)
        factor = each.ratio * each.full
        school = (0.0103 if form.year < 2021 else 0.0088) * each.full if each.business else education
        rates = (round(rate * factor, 8), round(upper * factor, 8), round(school, 8))
        found.append((each, assessed, rates, _tax(assessed, rates)))
    return tuple(found)


def _tax(assessed: int, rates: tuple[float, float, float]) -> Taxes:
    return round(assessed * rates[0]), round(assessed * rates[1]), round(assessed * rates[2])


def _general(world: World, form: Return) -> Iterator[Cells]:
    for each, assessed, rates, taxes in _levies(world, form):
        current = assessed if form.year >= 2020 else round(assessed * 1.05)
        yield form.row(
            each.line, "0", form.municipality, each.code, each.band, each.name, each.description,
            each.ratio, each.full, current, assessed, rates[0], rates[1] or None, rates[2], round(sum(rates), 8),
            *taxes, sum(taxes),
        )  # fmt: skip


def _special(world: World, form: Return, tier: str) -> list[tuple[PropertyClass, int, float, int]]:
    """(class, assessment, rate, tax) of the special levy: of the upper tier where there is one."""
    if not form.place["levy"] or (form.place["tier"] == "LT") != (tier == "UT"):
        return []
    rate = float(form.place["rate"]) * 0.005
    found = []
    for each, assessed, *_ in _levies(world, form)[:7]:
        own = round(rate * each.ratio * each.full, 8)
        found.append((each, assessed, own, round(assessed * own)))
    return found


def _area(tier: str, world: World, form: Return) -> Iterator[Cells]:
    for each, assessed, rate, tax in _special(world, form, tier):
        lower, upper = ((rate, tax), (None, None)) if tier == "LT" else ((None, None), (rate, tax))
        yield form.row(
            each.line, "105", "01", form.place["levy"], each.code, each.band, each.name, each.description,
            each.ratio, each.full, None, assessed, lower[0], upper[0], None, rate, lower[1], upper[1], None, tax,
            identifier=f"{each.line}_{form.place['ut']}",
        )  # fmt: skip


def _totals(world: World, form: Return) -> Iterator[Cells]:
    general = _sum(taxes for *_, taxes in _levies(world, form))
    assessed = sum(each[1] for each in _levies(world, form))
    lower = sum(tax for *_, tax in _special(world, form, "LT"))
    upper = sum(tax for *_, tax in _special(world, form, "UT"))
    first = "9201_LT" if form.year >= 2022 else None  # an identifier that was dragged down
    yield form.row(9201, "0", assessed, *general, sum(general))
    yield form.row(9299, None, assessed, *general, sum(general))
    yield form.row(9401, "01" if lower else None, assessed if lower else 0, lower, None, None, lower)
    yield form.row(9499, None, None, lower, None, None, lower)
    for line in (9601, 9699):
        identifier = None if upper else first
        yield form.row(line, None, None, None, upper, None, upper, identifier=identifier)


def _sum(taxes: Iterator[Taxes]) -> Taxes:
    columns = list(zip(*taxes, strict=True))
    return sum(columns[0]), sum(columns[1]), sum(columns[2])


@functools.lru_cache(maxsize=256)
def _charges(world: World, form: Return) -> tuple[tuple[int, Taxes], ...]:
    """Lines of schedule 22SPC: what is added to the levies, and the totals up to line 9990."""
    general = _sum(taxes for *_, taxes in _levies(world, form))
    lower = sum(tax for *_, tax in _special(world, form, "LT"))
    upper = sum(tax for *_, tax in _special(world, form, "UT"))
    moved, added = round(general[0] * 0.0013), tuple(round(part * 0.0103) for part in general)
    levied = (
        general[0] + lower + added[0] + moved,
        general[1] + upper + added[1],
        general[2] + added[2] - moved,
    )
    area, rail = round(general[0] * 0.0076), (round(general[0] * 0.0013), 0, round(general[2] * 0.0002))
    lines: list[tuple[int, Taxes]] = [
        (7010, (moved, 0, -moved)), (9799, (added[0], added[1], added[2])), (9910, levied), (8005, (0, 0, 0)),
        (8010, (0, 0, 0)), (8040, (area, 0, 0)), (8097, (0, 0, 0)), (9890, (area, 0, 0)), (8045, rail),
        (9892, rail), (9990, (levied[0] + area + rail[0], levied[1], levied[2] + rail[2])),
    ]  # fmt: skip
    return tuple(lines)


def _special_charges(world: World, form: Return) -> Iterator[Cells]:
    for line, taxes in _charges(world, form):
        identifier = "7010_LT" if form.year >= 2022 and not any(taxes) else None
        yield form.row(line, *(tax or None for tax in taxes), sum(taxes), identifier=identifier)


# -- the other schedules: amounts as text under codes ----------------------------------------------------------
def _summary(world: World, form: Return) -> Iterator[Cells]:
    """Schedule 26-1: assessment and taxes by class, line 9199 as in schedule 22; with the adjustments 9299."""
    listed = _levies(world, form)
    total = _charges(world, form)[-1][1]
    rest = tuple(whole - part for whole, part in zip(total, _sum(taxes for *_, taxes in listed), strict=True))
    for each, assessed, _, taxes in listed:
        yield form.row(
            each.line, str(each.ratio), str(assessed), *map(str, (sum(taxes), *taxes)),
            f"{each.name}: {each.description}",
        )  # fmt: skip
    yield form.row(9150, None, None, *map(str, (sum(rest), *rest)), "Special area levies and special charges")
    yield form.row(9199, None, None, *map(str, (sum(total), *total)), "TOTAL before Adj.")
    adjusted = tuple(-round(part * 0.006) for part in total)
    yield form.row(2899, None, None, *map(str, (sum(adjusted), *adjusted)), "Adjustments to taxation")
    after = tuple(part + less for part, less in zip(total, adjusted, strict=True))
    yield form.row(9299, None, None, *map(str, (sum(after), *after)), "TOTAL after Adj.")


def _in_lieu(world: World, form: Return) -> Iterator[Cells]:
    """Schedule 26-2: what governments pay in place of taxes."""
    total = _charges(world, form)[-1][1]
    for line, description, share in (
        (1010, "Canada", 0.004),
        (1020, "Ontario", 0.005),
        (1099, "TOTAL payments in lieu", 0.009),
    ):
        parts = tuple(round(part * share) for part in total)
        yield form.row(line, None, None, *map(str, (sum(parts), *parts)), description)


def _municipal_data(world: World, form: Return) -> Iterator[Cells]:
    """Schedule 02: households, people and a few answers in words."""
    people = _people(form)
    yield form.row(40, str(round(people / 2.48)), "MPAC", "Households")
    yield form.row(41, str(people), "Statistics Canada", "Population")
    yield form.row(42, str(round(people * 0.062)), "Census", "Youth population, aged 5 to 14")
    yield form.row(28, "Y" if form.place["tier"] == "ST" else "N", None, "Levies for the whole area alone")


def _people(form: Return) -> int:
    return round(int(form.place["population"]) * 1.013 ** (form.year - _FIRST_YEAR))


def _staff(world: World, form: Return) -> Iterator[Cells]:
    """Schedule 80A: posts at the end of the year, with their total in line 298."""
    thousands = _people(form) / 1000
    sums = [0, 0, 0]
    for line, description, rate, part_time, seasonal in _STAFF:
        runs = form.place["tier"] == "ST" or line in (205, 210, 225, 245, 250, 255)
        luck = 1 + 0.12 * world.bell("fir staff", form.municipality, line)
        posts = round(thousands * rate * luck) if runs else 0
        counts = (posts, round(posts * part_time), round(posts * seasonal))
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        yield form.row(line, *(str(count) if count else None for count in counts), description)
    yield form.row(298, *map(str, sums), "Subtotal")


def _statistics(world: World, form: Return) -> Iterator[Cells]:
    """Schedule 80D: roads, services and building permits in units."""
    people = _people(form)
    for line, description, rate in (
        (1302, "Value of building permits, all classes (dollars)", 3_900.0),
        (1304, "Number of building permits", 0.0085),
        (1710, "Lane kilometres of paved roads", 0.0053),
        (1722, "Kilometres of paved roads in good condition", 0.0031),
        (1835, "Boardings of public transit", 82.0),
    ):
        luck = 1 + 0.08 * world.bell("fir statistics", form.municipality, line, form.year)
        yield form.row(line, str(round(people * rate * luck)), description)


_LAND: Final = ("RTC/RTQ", "Tax\nBand", "Property Class", "Tax Rate Description", "Tax Ratio", "% Full Rate")
_AREA_LAND: Final = ("RTC", *_LAND[1:])
_ASSESSED: Final = ("CVA Assessment", "Phase-In Taxable Assessment")
_LEVY: Final = ("Levy Type", "Levy Seq", "Levy Description")
_AREA_HEADER: Final = (*_LEVY, *_AREA_LAND, *_ASSESSED, *_RATES, *_TAXES)
_26: Final = tuple(f"26 xxxx {n:02d}" for n in range(1, 7))
_SHEETS: Final[dict[str, tuple[Sheet, ...]]] = {
    "02": (("SCHEDULE 02", ("02 xxxx 01", "02 xxxx 02", "Line Description"), _municipal_data),),
    "22": (
        ("SCHEDULE 22GPL", ("Levy Area", "22 Levy Area Name", *_LAND, *_ASSESSED, *_RATES, *_TAXES), _general),
        ("SCHEDULE 22SRA-LT", _AREA_HEADER, functools.partial(_area, "LT")),
        ("SCHEDULE 22SRA-UT", _AREA_HEADER, functools.partial(_area, "UT")),
        ("SCHEDULE 22SPC", _TAXES, _special_charges),
        ("SCHEDULE 22Total", ("Levy Seq", _ASSESSED[1], *_TAXES), _totals),
    ),
    "26": (
        ("SCHEDULE 26-1", (*_26, "Line Description"), _summary),
        ("SCHEDULE 26-2", (*_26, "Line Description"), _in_lieu),
    ),
    "80": (
        ("SCHEDULE 80A", ("80 xxxx 01", "80 xxxx 02", "80 xxxx 03", "Line Description"), _staff),
        ("SCHEDULE 80D", ("80 xxxx 01", "Line Description"), _statistics),
    ),
}  # fmt: skip
_LEGEND: Final[list[Cells]] = [
    ("MSO", None), (11, "Central Ontario"), (12, "Eastern Ontario"), (13, "Northeast Ontario"),
    (14, "Northwest Ontario"), (15, "Southwest Ontario"), (None, None), ("UT", None), ("01", "Toronto C"),
    ("16", "Hamilton C"), ("20", "Ottawa C"), ("21", "Peel R"), ("27", "York R"), (None, None),
    ("Tier", None), ("UT", "Upper-Tier"), ("LT", "Lower-Tier"), ("ST", "Single-Tier"),
]  # fmt: skip
