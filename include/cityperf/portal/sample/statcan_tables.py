"""Whole tables of Statistics Canada, invented, in the shape of the agency's own zips.

`tables` gives all that are out by a night, by product number; a further table is one more entry in
`_MAKERS`. `packed` writes the zip: the data, every cell quoted, and `_MetaData.csv` with its stacked tables.
"""

from __future__ import annotations

import csv
import functools
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from cityperf.portal import sdmx, wds
from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.sample.world import World, at, first_of_month, months

_SYMBOLS: Final = (
    ("not available for a specific reference period", ".."),
    ("less than the limit of detection", "<LOD"),
    ("value rounded to 0 (zero) where there is a meaningful distinction from true zero", "0s"),
    ("data quality: excellent", "A"),
    ("data quality: very good", "B"),
    ("data quality: good", "C"),
    ("data quality: acceptable", "D"),
    ("use with caution", "E"),
    ("too unreliable to be published", "F"),
    ("not applicable", "..."),
    ("preliminary", "p"),
    ("revised", "r"),
    ("suppressed for confidentiality", "x"),
    ("terminated", "t"),
)
_FREQUENCIES: Final = {6: "Monthly", 9: "Quarterly", 12: "Annual"}


@dataclass(frozen=True)
class Member:
    """One member of a dimension; for a geography `dguid` is its identifier, else ''."""

    number: int
    name: str
    parent: int | None = None
    code: str = ""
    dguid: str = ""


@dataclass(frozen=True)
class Shape:
    """What does not change from release to release: title, frequency code and dimensions, geography first."""

    product: int
    title_en: str
    title_fr: str
    frequency: int
    dimensions: tuple[tuple[str, tuple[Member, ...]], ...]


@dataclass(frozen=True)
class Observation:
    """One line of the data: reference period, a member of each dimension, and the value as text ('' with a
    status).
    """

    period: str
    members: tuple[Member, ...]
    uom: tuple[str, int]
    vector: int
    value: str
    decimals: int
    status: str = ""
    scalar: tuple[str, int] = ("units ", 0)  # the trailing space is the agency's own
    symbol: str = ""


def tables(world: World, night: date) -> dict[int, wds.Table]:
    """The tables that are out by the morning of the night, by product number."""
    made = (make(world, night) for make in _MAKERS)
    return {table.product: table for table in made if table is not None}


def table(
    world: World, shape: Shape, released: date, observations: Callable[[], Iterable[Observation]]
) -> wds.Table:
    """The table as of its release at 08:30; `observations` is called when somebody downloads it."""

    def content() -> Answer:
        name = f"statcan/{shape.product}-{released.isoformat()}-whole.zip"
        path = world.cache.file(name, lambda to: packed(to, shape, released, observations()))
        return file_answer(path, last_modified=at(released, 12, 30), name=f"{shape.product}-eng.zip")

    return wds.Table(shape.product, _cube(shape, released), {"eng": content})


def packed(path: Path, shape: Shape, released: date, observations: Iterable[Observation]) -> None:
    """Write the zip with `<product>.csv` and `<product>_MetaData.csv`, both with a byte order mark."""
    data = io.StringIO()
    writer = csv.writer(data, quoting=csv.QUOTE_ALL, lineterminator="\n")
    names = [name for name, _ in shape.dimensions[1:]]
    writer.writerow(
        ["REF_DATE", "GEO", "DGUID", *names, "UOM", "UOM_ID", "SCALAR_FACTOR", "SCALAR_ID", "VECTOR",
         "COORDINATE", "VALUE", "STATUS", "SYMBOL", "TERMINATED", "DECIMALS"]
    )  # fmt: skip
    last = ""
    for each in observations:
        geography, *others = each.members
        coordinate = ".".join(str(member.number) for member in each.members)
        writer.writerow(
            [each.period, geography.name, geography.dguid, *(member.name for member in others), *each.uom,
             *each.scalar, f"v{each.vector}", coordinate, each.value, each.status, each.symbol, "", each.decimals]
        )  # fmt: skip
        last = max(last, each.period)
    members = {
        f"{shape.product}.csv": data.getvalue(),
        f"{shape.product}_MetaData.csv": _metadata(shape, last),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            stamp = (released.year, released.month, released.day, 8, 30, 0)
            info = zipfile.ZipInfo(name, date_time=stamp)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text.encode("utf-8-sig"))


def _metadata(shape: Shape, last: str) -> str:
    """Seven tables one below the other, with blank lines between them."""
    number = str(shape.product)
    address = f"https://www150.statcan.gc.ca/t1/tbl1/en/tv.action?pid={number}01"
    state = "CURRENT - a cube available to the public and that is current"
    blocks: list[list[Sequence[object]]] = [
        [
            ("Cube Title", "Product Id", "CANSIM Id", "URL", "Cube Notes", "Archive Status", "Frequency",
             "Start Reference Period", "End Reference Period", "Total number of dimensions"),
            (shape.title_en, number, "", address, "1", state, _FREQUENCIES[shape.frequency], "", last,
             len(shape.dimensions)),
        ],
        [
            ("Dimension ID", "Dimension name", "Dimension Notes", "Dimension Definitions"),
            *((n, name, "", "") for n, (name, _) in enumerate(shape.dimensions, 1)),
        ],
        [
            ("Dimension ID", "Member Name", "Classification Code", "Member ID", "Parent Member ID",
             "Terminated", "Member Notes", "Member Definitions"),
            *((n, m.name, f"[{m.code}]" if m.code else "", m.number, m.parent or "", "", "", "")
              for n, (_, members) in enumerate(shape.dimensions, 1) for m in members),
        ],
        [("Symbol Legend",), ("Description", "Symbol"), *_SYMBOLS],
        [("Survey Code", "Survey Name"), ("0", "Sample survey")],
        [("Subject Code", "Subject Name"), ("0", "Sample subject")],
        [("Note ID", "Note"), (1, "Invented for the sample; no figure here was ever published.")],
    ]  # fmt: skip
    return "\n\n".join("\n".join(",".join(map(_cell, row)) for row in block) for block in blocks) + "\n"


def _cell(value: object) -> str:
    """Quoted where it holds a blank or a comma, as the agency's metadata is."""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ' ,"') else text


def _cube(shape: Shape, released: date) -> dict[str, Any]:
    return {
        "responseStatusCode": 0,
        "productId": str(shape.product),
        "cansimId": None,
        "cubeTitleEn": shape.title_en,
        "cubeTitleFr": shape.title_fr,
        "frequencyCode": shape.frequency,
        "releaseTime": f"{released.isoformat()}T08:30",
        "archiveStatusCode": "2",
        "dimension": [
            {
                "dimensionPositionId": position,
                "dimensionNameEn": name,
                "member": [
                    {"memberId": m.number, "parentMemberId": m.parent, "memberNameEn": m.name}
                    for m in members
                ],
            }
            for position, (name, members) in enumerate(shape.dimensions, 1)
        ],
        "footnote": [],
        "correction": [],
    }


# -- new housing price index ---------------------------------------------------------------------------------
_PLACES: Final = (
    Member(1, "Canada", None, "11124", "2016A000011124"),
    Member(2, "Ontario", 1, "35", "2016A000235"),
    Member(3, "Ottawa-Gatineau, Ontario part, Ontario/Quebec", 2, "505", "2011S0503505"),
    Member(4, "Toronto, Ontario", 2, "535", "2011S0503535"),
    Member(5, "Hamilton, Ontario", 2, "537", "2011S0503537"),
    Member(6, "Vancouver, British Columbia", 1, "933", "2011S0503933"),
)
_PARTS: Final = (Member(1, "Total (house and land)"), Member(2, "House only", 1), Member(3, "Land only", 1))
_NHPI: Final = Shape(
    18100205,
    "New housing price index, monthly",
    "Indice des prix des logements neufs, mensuel",
    6,
    (("Geography", _PLACES), ("New housing price indexes", _PARTS)),
)
_FIRST: Final = date(2017, 1, 1)


def _housing_prices(world: World, night: date) -> wds.Table | None:
    """Index, 201612=100, from January 2017; a month comes out some 50 days after its start."""
    last = _newest(night)
    return table(world, _NHPI, _release(last), functools.partial(_price_rows, world, last))


def dataflows(world: World, night: date) -> dict[str, sdmx.Dataflow]:
    """The same tables through the SDMX service: a key has the number of a member for each dimension."""
    rows = functools.partial(_price_rows, world, _newest(night))
    flow = sdmx.Dataflow(
        "StatCan",
        "DF_18100205",
        "1.0",
        ("Geography", "New_housing_price_indexes"),
        lambda: (([str(m.number) for m in each.members], each.period, each.value) for each in rows()),
    )
    return {flow.id: flow}


def _newest(night: date) -> date:
    """The newest month that is out by the night."""
    back = next(n for n in range(1, 5) if _release(first_of_month(night.year, night.month - n)) <= night)
    return first_of_month(night.year, night.month - back)


def _release(month: date) -> date:
    day = month + timedelta(days=50)
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def _price_rows(world: World, last: date) -> Iterable[Observation]:
    for n, (year, month) in enumerate(months(_FIRST, last)):
        for place in _PLACES:
            for part in _PARTS:
                grown = 100 * math.exp(0.018 * n / 12 + 0.14 / (1 + math.exp(-(n - 52) / 6)))
                noise = 1 + 0.002 * world.bell("nhpi", place.number, part.number, n)
                missing = place.number == 5 and part.number == 3 and n < 12
                yield Observation(
                    f"{year}-{month:02d}",
                    (place, part),
                    ("Index, 201612=100", 347),
                    1999100000 + 10 * place.number + part.number,
                    "" if missing else f"{grown * noise:.1f}",
                    1,
                    status=".." if missing else "",
                )


_MAKERS: Final[tuple[Callable[[World, date], wds.Table | None], ...]] = (_housing_prices,)
