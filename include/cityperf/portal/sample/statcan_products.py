"""The tables behind the economic KPIs: prices, labour force, population, housing starts, retail trade, power, freight.

Invented, few geographies, since 2018; names of dimensions as published. Sums hold inside each table (parts to
totals, labour force to employment and rate). Where `statcan` invents the same series by vector, its points
are taken, so that a table never contradicts a vector.
"""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from cityperf.portal import wds
from cityperf.portal.sample import statcan_tables
from cityperf.portal.sample.statcan_tables import Member, Observation, Shape, table
from cityperf.portal.sample.world import World, first_of_month

_SINCE: Final = date(2018, 1, 1)
_STEP: Final = {6: 1, 9: 3, 12: 12}  # months of a frequency code
_SCALES: Final = {0: ("units ", 0), 3: ("thousands", 3)}

Known = Mapping[tuple[str, str], float]  # (coordinate, reference period) → value
Rows = Callable[[World, date, Known], Iterable[Observation]]


@dataclass(frozen=True)
class Product:
    """A table: `lag` days from the start of a period to its release, `rows` the observations of one period,
    their vectors still to be filled in. With `marked` the newest period is preliminary, the one before revised.
    """

    shape: Shape
    lag: int
    rows: Rows
    marked: bool = False


def tables(world: World, night: date) -> dict[int, wds.Table]:
    """All whole tables that are out by the morning of the night, by product number."""
    made = (_made(product, world, night) for product in _PRODUCTS)
    return statcan_tables.tables(world, night) | {each.product: each for each in made if each}


def _made(product: Product, world: World, night: date) -> wds.Table | None:
    """The table as of its newest release by the night; None before its first."""
    periods = list(_periods(product, night))
    if not periods:
        return None
    released = _release(periods[-1], product.lag)
    return table(
        world, product.shape, released, functools.partial(_observations, product, world, periods, released)
    )


def _periods(product: Product, night: date) -> Iterator[date]:
    """First days of the periods that are out by the night."""
    start = date(_SINCE.year, 7, 1) if product.shape.frequency == 12 else _SINCE
    while _release(start, product.lag) <= night:
        yield start
        start = first_of_month(start.year, start.month + _STEP[product.shape.frequency])


def _release(start: date, lag: int) -> date:
    day = start + timedelta(days=lag)
    return day + timedelta(days=7 - day.weekday() if day.weekday() > 4 else 0)


def _observations(
    product: Product, world: World, periods: list[date], released: date
) -> Iterator[Observation]:
    from cityperf.portal.sample import statcan  # which imports this module

    series = [each for each in statcan.SERIES.values() if each.product == product.shape.product]
    vectors = {each.coordinate: each.vector for each in series}
    known = {
        (each.coordinate, point["refPer"][:7]): point["value"]
        for each in series
        for point in statcan.item(world, each, released)["object"]["vectorDataPoint"]
    }
    symbols = dict(zip(periods[:-3:-1], "pr", strict=False)) if product.marked else {}
    for start in periods:
        for row in product.rows(world, start, known):
            coordinate = ".".join(str(member.number) for member in row.members)
            vector = vectors.get(coordinate) or _vector(product.shape.product, coordinate)
            yield replace(row, vector=vector, symbol=symbols.get(start, ""))


def _vector(product: int, coordinate: str) -> int:
    """A number above those in use, the same for a coordinate always."""
    return 2_000_000_000 + zlib.crc32(f"{product} {coordinate}".encode()) % 1_000_000_000


def _years(start: date) -> float:
    return (start.year - _SINCE.year) + (start.month - 1) / 12


# -- consumer prices -----------------------------------------------------------------------------------------
_CPI_PLACES: Final = (
    Member(2, "Canada", None, "11124", "2016A000011124"),
    Member(14, "Ontario", 2, "35", "2016A000235"),
    Member(16, "Toronto, Ontario", 14, "535", "2016S0503535"),
)
_GOODS: Final = (  # member, index in January 2018, yearly drift
    (Member(2, "All-items"), 131.0, 0.0265),
    (Member(3, "Food", 2), 144.0, 0.034),
    (Member(79, "Shelter", 2), 139.0, 0.036),
    (Member(184, "Transportation", 2), 136.0, 0.027),
    (Member(282, "Energy"), 150.0, 0.024),
    (Member(301, "Rent", 79), 118.0, 0.041),
)
_CPI: Final = Shape(
    18100004,
    "Consumer Price Index, monthly, not seasonally adjusted",
    "Indice des prix à la consommation mensuel, non désaisonnalisé",
    6,
    (("Geography", _CPI_PLACES), ("Products and product groups", tuple(good for good, *_ in _GOODS))),
)


def _prices(world: World, start: date, known: Known) -> Iterator[Observation]:
    for place in _CPI_PLACES:
        for good, level, drift in _GOODS:
            coordinate = f"{place.number}.{good.number}"
            index = level * math.exp(drift * _years(start)) * (1 + 0.0005 * place.number)
            index *= 1 + 0.002 * world.bell("cpi table", coordinate, start)
            index = known.get((coordinate, f"{start:%Y-%m}"), index)
            missing = good.name == "Rent" and place.number == 16 and start.year < 2019
            yield Observation(
                f"{start:%Y-%m}", (place, good), ("2002=100", 17), 0,
                "" if missing else f"{index:.1f}", 1, status=".." if missing else "",
            )  # fmt: skip


# -- labour force --------------------------------------------------------------------------------------------
_CMAS: Final = (  # member, employed in thousands, yearly growth, unemployment rate, employment rate
    (Member(1, "Canada", None, "11124", "2021A000011124"), 18_700, 0.014, 6.0, 61.5),
    (Member(20, "Ottawa-Gatineau, Ontario part, Ontario/Quebec", 1, "505", "2021S050535505"), 590, 0.017, 5.2, 64.0),
    (Member(26, "Toronto, Ontario", 1, "535", "2021S0503535"), 3_150, 0.018, 6.4, 61.2),
    (Member(27, "Hamilton, Ontario", 1, "537", "2021S0503537"), 410, 0.011, 5.6, 60.1),
    (Member(41, "Vancouver, British Columbia", 1, "933", "2021S0503933"), 1_450, 0.019, 5.1, 63.4),
)  # fmt: skip
_CHARACTERISTICS: Final = tuple(
    Member(number, name)
    for number, name in enumerate(
        (
            "Population", "Labour force", "Employment", "Full-time employment", "Part-time employment",
            "Unemployment", "Unemployment rate", "Participation rate", "Employment rate",
        ),
        start=1,
    )
)  # fmt: skip
_STATISTICS: Final = (Member(1, "Estimate"), Member(2, "Standard error of estimate"))
_DATA_TYPES: Final = (Member(1, "Seasonally adjusted"), Member(2, "Unadjusted"))
_LFS: Final = Shape(
    14100459,
    "Labour force characteristics by census metropolitan area, three-month moving average",
    "Caractéristiques de la population active selon la région métropolitaine de recensement",
    6,
    (
        ("Geography", tuple(place for place, *_ in _CMAS)),
        ("Labour force characteristics", _CHARACTERISTICS),
        ("Statistics", _STATISTICS),
        ("Data type", _DATA_TYPES),
    ),
)


def _labour(world: World, start: date, known: Known) -> Iterator[Observation]:
    month = f"{start:%Y-%m}"
    for place, thousands, growth, rate, share in _CMAS:
        here = f"{place.number}"
        shock = 6.5 * math.exp(-(_years(start) - 2.25) / 0.7) if _years(start) >= 2.25 else 0.0
        noise = world.bell("lfs table", place.number, start)
        employed = thousands * math.exp(growth * _years(start)) * (1 - shock / 90 + 0.003 * noise)
        employed = known.get((f"{here}.3.1.1", month), employed)
        unemployed_rate = known.get((f"{here}.7.1.1", month), rate + shock + 0.15 * noise)
        employed_rate = known.get((f"{here}.9.1.1", month), share - shock + 0.1 * noise)
        labour = employed / (1 - unemployed_rate / 100)
        population = employed / (employed_rate / 100)
        full = employed * 0.82
        values = (
            population, labour, employed, full, employed - full, labour - employed, unemployed_rate,
            100 * labour / population, employed_rate,
        )  # fmt: skip
        adjusted, estimate = _DATA_TYPES[0], _STATISTICS[0]
        for characteristic, value in zip(_CHARACTERISTICS, values, strict=True):
            members = (place, characteristic, estimate, adjusted)
            yield _labour_force(month, members, f"{value:.1f}")
        season = 1 + 0.01 * math.sin(start.month / 12 * 2 * math.pi)
        members = (place, _CHARACTERISTICS[2], estimate, _DATA_TYPES[1])
        yield _labour_force(month, members, f"{employed * season:.1f}")
        if place.number != 1:  # the country's error is not in the table by area
            members = (place, _CHARACTERISTICS[6], _STATISTICS[1], adjusted)
            small = place.number == 27 and start.month == 1
            yield _labour_force(month, members, "" if small else "0.3", "F" if small else "")


def _labour_force(month: str, members: tuple[Member, ...], value: str, status: str = "") -> Observation:
    share = members[1].name.endswith("rate")
    return Observation(
        month, members, ("Percentage", 242) if share else ("Persons", 249), 0,
                value, 1, status=status, scalar=_SCALES[0 if share else 3],
    )  # fmt: skip


# -- population ----------------------------------------------------------------------------------------------
_AREAS: Final = (  # member, people on 1 July 2018, yearly growth
    (Member(21, "Ottawa - Gatineau (CMA), Ontario/Quebec", None, "505", "2021S0503505"), 1_420_000, 0.016),
    (Member(30, "Toronto (CMA), Ontario", None, "535", "2021S0503535"), 6_320_000, 0.0152),
    (Member(31, "Hamilton (CMA), Ontario", None, "537", "2021S0503537"), 790_000, 0.012),
    (Member(50, "Vancouver (CMA), British Columbia", None, "933", "2021S0503933"), 2_700_000, 0.018),
)
_GENDERS: Final = (Member(1, "Total - gender"), Member(2, "Men+", 1), Member(3, "Women+", 1))
_AGES: Final = (
    Member(1, "All ages"),
    Member(2, "0 to 14 years", 1),
    Member(3, "15 to 64 years", 1),
    Member(4, "65 years and older", 1),
)
_POPULATION: Final = Shape(
    17100148,
    "Population estimates, July 1, by census metropolitan area and census agglomeration, 2021 boundaries",
    "Estimations de la population au 1er juillet, selon la région métropolitaine de recensement",
    12,
    (("Geography", tuple(area for area, *_ in _AREAS)), ("Gender", _GENDERS), ("Age group", _AGES)),
)


def _people(world: World, start: date, known: Known) -> Iterator[Observation]:
    for area, people, growth in _AREAS:
        grown = people * math.exp(growth * (start.year - _SINCE.year))
        total = round(known.get((f"{area.number}.1.1", f"{start:%Y-%m}"), grown))
        older = 0.155 + 0.004 * (start.year - _SINCE.year)
        men = _split(round(total * 0.493), 0.168, older - 0.01)
        women = _split(total - sum(men), 0.158, older + 0.01)
        both = tuple(m + w for m, w in zip(men, women, strict=True))
        for gender, parts in zip(_GENDERS, (both, men, women), strict=True):
            for age, value in zip(_AGES, (sum(parts), *parts), strict=True):
                members = (area, gender, age)
                yield Observation(str(start.year), members, ("Persons", 249), 0, str(value), 0)


def _split(people: int, young: float, old: float) -> tuple[int, int, int]:
    children, elders = round(people * young), round(people * old)
    return children, people - children - elders, elders


# -- housing starts ------------------------------------------------------------------------------------------
_PROVINCES: Final = (  # member, starts of a quarter
    (Member(1, "Canada", None, "11124", "2016A000011124"), 56_000),
    (Member(7, "Quebec", 1, "24", "2016A000224"), 11_500),
    (Member(8, "Ontario", 1, "35", "2016A000235"), 19_500),
)
_STAGES: Final = (  # member, times the starts
    (Member(1, "Housing starts"), 1.0),
    (Member(2, "Housing under construction"), 5.2),
    (Member(3, "Housing completions"), 0.92),
)
_UNITS: Final = (  # member, share
    (Member(2, "Single-detached", 1), 0.24),
    (Member(3, "Semi-detached", 1), 0.05),
    (Member(4, "Row", 1), 0.13),
    (Member(5, "Apartment and other unit type", 1), 0.58),
)
_ALL_UNITS: Final = Member(1, "Total units")
_ADJUSTED: Final = (Member(1, "Unadjusted"), Member(2, "Seasonally adjusted at annual rates"))
_HOUSING: Final = Shape(
    34100135,
    "Canada Mortgage and Housing Corporation, housing starts, under construction and completions, all areas, "
    "quarterly",
    "Société canadienne d'hypothèques et de logement, logements mis en chantier, trimestriel",
    9,
    (
        ("Geography", tuple(place for place, _ in _PROVINCES)),
        ("Housing estimates", tuple(stage for stage, _ in _STAGES)),
        ("Type of unit", (_ALL_UNITS, *(unit for unit, _ in _UNITS))),
        ("Seasonal adjustment", _ADJUSTED),
    ),
)


def _homes(world: World, start: date, known: Known) -> Iterator[Observation]:
    season = {1: 0.72, 4: 1.1, 7: 1.12, 10: 1.06}[start.month]
    for place, starts in _PROVINCES:
        for stage, times in _STAGES:
            steady = starts * times * (1 + 0.05 * world.bell("starts", place.number, stage.number, start))
            level = steady * (season if stage.number != 2 else 1.0)
            parts = [(unit, round(level * share)) for unit, share in _UNITS]
            units = ("Units", 300)
            for unit, value in ((_ALL_UNITS, sum(value for _, value in parts)), *parts):
                members = (place, stage, unit, _ADJUSTED[0])
                yield Observation(f"{start:%Y-%m}", members, units, 0, str(value), 0)
            if stage.number == 1:
                members = (place, stage, _ALL_UNITS, _ADJUSTED[1])
                yield Observation(
                    f"{start:%Y-%m}", members, units, 0,
                f"{steady * 4 / 1000:.3f}", 3, scalar=_SCALES[3],
                )  # fmt: skip


# -- retail trade --------------------------------------------------------------------------------------------
_MARKETS: Final = (  # member, sales of a month in thousands of dollars
    (Member(1, "Canada", None, "11124", "2016A000011124"), 50_000_000),
    (Member(7, "Quebec", 1, "24", "2016A000224"), 11_000_000),
    (Member(8, "Ontario", 1, "35", "2016A000235"), 18_300_000),
)
_TRADES: Final = (  # member, share, quality mark
    (Member(2, "Motor vehicle and parts dealers [441]", 1), 0.26, "A"),
    (Member(7, "Furniture and home furnishings stores [442]", 1), 0.03, "C"),
    (Member(14, "Food and beverage stores [445]", 1), 0.22, "A"),
    (Member(22, "Gasoline stations [447]", 1), 0.11, "B"),
    (Member(30, "General merchandise stores [452]", 1), 0.13, "A"),
    (Member(34, "Other retail trade [44-45]", 1), 0.25, "E"),
)
_ALL_TRADE: Final = Member(1, "Retail trade [44-45]")
_SALES_ADJUSTED: Final = (Member(1, "Unadjusted"), Member(2, "Seasonally adjusted"))
_RETAIL: Final = Shape(
    20100008,
    "Retail trade sales by province and territory",
    "Ventes du commerce de détail selon la province et le territoire",
    6,
    (
        ("Geography", tuple(place for place, _ in _MARKETS)),
        (
            "North American Industry Classification System (NAICS)",
            (_ALL_TRADE, *(trade for trade, *_ in _TRADES)),
        ),
        ("Adjustments", _SALES_ADJUSTED),
    ),
)
_SALES_SEASON: Final = (0.87, 0.84, 0.97, 0.99, 1.06, 1.04, 1.02, 1.03, 1.0, 1.01, 1.03, 1.14)


def _sales(world: World, start: date, known: Known) -> Iterator[Observation]:
    for place, thousands in _MARKETS:
        for adjustment in _SALES_ADJUSTED:
            season = _SALES_SEASON[start.month - 1] if adjustment.number == 1 else 1.0
            level = thousands * math.exp(0.035 * _years(start)) * season
            parts = [
                (trade, round(level * share * (1 + 0.02 * world.bell("retail", place.number, trade.number, start))), mark)
                for trade, share, mark in _TRADES
            ]  # fmt: skip
            total = sum(value for _, value, _ in parts)
            for trade, value, mark in ((_ALL_TRADE, total, "A"), *parts):
                members = (place, trade, adjustment)
                hidden = place.number == 7 and trade.number == 7 and start.month == 2
                yield Observation(
                    f"{start:%Y-%m}", members, ("Dollars", 81), 0,
                "" if hidden else str(value), 0, status="x" if hidden else mark, scalar=_SCALES[3],
                )  # fmt: skip


# -- electric power --------------------------------------------------------------------------------------------
_REGIONS: Final = (
    Member(1, "Canada", None, "11124", "2016A000011124"),
    Member(2, "Atlantic Region", 1, "1", "2016A00011"),
    Member(7, "Quebec", 1, "24", "2016A000224"),
    Member(8, "Ontario", 1, "35", "2016A000235"),
)
_NATIONAL: Final = Member(1, "Electric power selling price indexes, national total")
_LARGE: Final = Member(2, "Electric power selling price over 5000kw", 1)
_SMALL: Final = Member(3, "Electric power selling price under 5000kw", 1)
_POWER: Final = Shape(
    18100204,
    "Electric power selling price index, monthly",
    "Indice des prix de vente de l'énergie électrique, mensuel",
    6,
    (("Geography", _REGIONS), ("Index", (_NATIONAL, _LARGE, _SMALL))),
)


def _power(world: World, start: date, known: Known) -> Iterator[Observation]:
    """The national total lies between its parts; a single small utility's figures are confidential."""
    for place in _REGIONS:
        level = 105 * math.exp(0.02 * _years(start)) * (1 + 0.03 * math.cos(start.month / 12 * 2 * math.pi))
        large = level * (1 + 0.01 * world.bell("power", place.number, "large", start))
        small = level * 1.02 * (1 + 0.006 * world.bell("power", place.number, "small", start))
        indexes = ((_NATIONAL, (large + small) / 2), (_LARGE, large), (_SMALL, small))
        for index, value in indexes if place.number == 1 else indexes[1:]:
            hidden = place.number == 2 and index is _LARGE and start.month == 7
            yield Observation(
                f"{start:%Y-%m}", (place, index), ("Index, 2014=100", 351), 0,
                "" if hidden else f"{value:.1f}", 1, status="x" if hidden else "",
            )  # fmt: skip


# -- railway freight -------------------------------------------------------------------------------------------
_COUNTRY: Final = Member(1, "Canada", None, "11124", "2016A000011124")
_DIVISIONS: Final = ((Member(2, "Eastern division", 1), 0.35), (Member(3, "Western division", 1), 0.65))
_ALL_FREIGHT: Final = Member(2, "Total non-intermodal traffic loaded", 1)
_FREIGHT: Final = (  # member, share of the rail cars, tonnes in each
    (Member(3, "Wheat", 2), 0.08, 97),
    (Member(16, "Sand, gravel and crushed stone", 2), 0.02, 90),
    (Member(20, "Gypsum", 2), 0.01, 88),
    (Member(28, "Coal", 2), 0.11, 104),
    (Member(56, "Automobiles and mini-vans", 2), 0.05, 24),
    (Member(63, "Other manufactured and miscellaneous goods", 2), 0.73, 80),
)
_CONTAINERS: Final = Member(67, "Container-on-flat-car", 1)
_CARS, _TONNES = Member(1, "Number of rail cars"), Member(2, "Tonnes")
_UNITS_LOADED, _TWENTY_FEET = Member(3, "Units"), Member(4, "Twenty feet equivalent units")
_FREIGHT_UNITS: Final = {
    1: ("Number", 223),
    2: ("Tonnes", 287),
    3: ("Units", 300),
    4: ("Twenty feet equivalent units", 295),
}
_RAILWAYS: Final = Shape(
    23100216,
    "Railway carloadings statistics, by commodity, by region, monthly",
    "Statistiques des chargements ferroviaires, selon la marchandise, selon la région, mensuel",
    6,
    (
        ("Geography", (_COUNTRY, *(division for division, _ in _DIVISIONS))),
        (
            "Railway carloading components",
            (_ALL_FREIGHT, *(goods for goods, *_ in _FREIGHT), _CONTAINERS),
        ),
        ("Estimates", (_CARS, _TONNES, _UNITS_LOADED, _TWENTY_FEET)),
    ),
)


def _freight(world: World, start: date, known: Known) -> Iterator[Observation]:
    """Commodities add up to the total, divisions to the country; gypsum's few shippers are confidential."""
    total_cars = round(known.get(("1.2.1", f"{start:%Y-%m}"), 260_000))
    cars = {}
    for division, share in _DIVISIONS:
        for goods, part, _ in _FREIGHT:
            noise = 1 + 0.08 * world.bell("freight", division.number, goods.number, start)
            cars[division, goods] = round(total_cars * share * part * noise)
    *_, last = cars
    cars[last] += total_cars - sum(cars.values())
    tonnes = {goods: each for goods, _, each in _FREIGHT}
    loaded: dict[tuple[Member, Member, Member], int] = {}
    for (division, goods), number in cars.items():
        loaded[division, goods, _CARS], loaded[division, goods, _TONNES] = number, number * tonnes[goods]
    for division, share in _DIVISIONS:
        boxes = round(190_000 * share * (1 + 0.05 * world.bell("containers", division.number, start)))
        loaded[division, _CONTAINERS, _UNITS_LOADED] = boxes
        loaded[division, _CONTAINERS, _TWENTY_FEET] = round(boxes * 1.7)
    for (division, goods, estimate), number in list(loaded.items()):
        if goods is not _CONTAINERS:
            total = loaded.setdefault((division, _ALL_FREIGHT, estimate), 0)
            loaded[division, _ALL_FREIGHT, estimate] = total + number
    for (_, goods, estimate), number in list(loaded.items()):
        loaded[_COUNTRY, goods, estimate] = loaded.get((_COUNTRY, goods, estimate), 0) + number
    for members in sorted(loaded, key=lambda each: tuple(member.number for member in each)):
        hidden = members[1].name == "Gypsum" and start.year < 2020
        unit = _FREIGHT_UNITS[members[2].number]
        value = "" if hidden else str(loaded[members])
        yield Observation(f"{start:%Y-%m}", members, unit, 0, value, 0, status="x" if hidden else "")


_PRODUCTS: Final = (
    Product(_CPI, 48, _prices),
    Product(_LFS, 37, _labour),
    Product(_POPULATION, 196, _people),
    Product(_HOUSING, 130, _homes),
    Product(_RETAIL, 52, _sales, marked=True),
    Product(_POWER, 71, _power),
    Product(_RAILWAYS, 57, _freight),
)
