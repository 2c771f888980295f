"""Sample generators with a history of their own keep the shapes and the arithmetic of what they stand for."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cityperf.portal.answers import Ask
from cityperf.portal.sample import fir, recipes, statcan, statcan_products, ttc_surface
from cityperf.portal.sample.shapes import shapes
from cityperf.portal.sample.world import Cache, World, table
from cityperf.sources import load_contracts
from python_calamine import CalamineWorkbook

NIGHT = date(2026, 11, 20)
Rows = list[list[Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(7, 0.05, Cache(tmp_path_factory.mktemp("cache"), 7, 0.05))


# -- TTC -----------------------------------------------------------------------------------------------------
def delays(world: World, mode: str, name: str) -> Path:
    """The file of the resource `name` of a mode's package."""
    package = next(p for p in ttc_surface.packages(world, NIGHT) if p.name == f"ttc-{mode}-delay-data")
    made = next(r for r in package.resources if r.name == name).content()
    assert made.file is not None
    return made.file


def sheets(path: Path) -> dict[str, Rows]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def test_one_workbook_mixes_three_headers(world: World) -> None:
    found = sheets(delays(world, "streetcar", "ttc-streetcar-delay-data-2019"))
    assert len(found) == 12
    assert len({tuple(rows[0]) for rows in found.values()}) == 3
    april = found["April 2019"]
    assert april[0][5:7] == ["Incident ID", "Incident"]
    assert all(isinstance(row[2], time) for row in april[1:])


def test_august_2020_renames_columns_and_writes_times_as_text(world: World) -> None:
    found = sheets(delays(world, "streetcar", "ttc-streetcar-delay-data-2020"))
    before, after = found["July 2020"], found["Aug 20"]
    assert (before[0][0], before[0][1], before[0][8]) == ("Report Date", "Route", "Direction")
    assert (after[0][0], after[0][1], after[0][8]) == ("Date", "Line", "Bound")
    assert all(isinstance(row[2], str) for row in after[1:])
    assert {row[8] for row in after[1:]} <= {"N", "S", "E", "W", "B", "", *ttc_surface.ODD_BOUNDS}


@pytest.mark.parametrize(("mode", "width"), [("bus", 19), ("streetcar", 10)])
def test_only_the_bus_csv_has_a_time_behind_its_dates(world: World, mode: str, width: int) -> None:
    name = {"bus": "TTC Bus Delay Data since 2025", "streetcar": "TTC Streetcar Delay Data since 2025"}[mode]
    with delays(world, mode, name).open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert {len(row["Date"]) for row in rows} == {width}
    assert all(len(row["Line"]) <= 22 and "Incident" not in row for row in rows)


# -- Financial Information Return ----------------------------------------------------------------------------
def schedule(world: World, number: str, year: int, night: date = NIGHT) -> dict[str, list[dict[str, Any]]]:
    """Sheet → its rows by header, out of the zip as it is published."""
    ask = Ask("GET", fir.HOST, f"/fir/VIEWFIR{year}-{number}.zip", night)
    made = fir.answer(world, ask)
    assert made is not None and made.file is not None
    with zipfile.ZipFile(made.file) as archive:
        book = CalamineWorkbook.from_filelike(io.BytesIO(archive.read(archive.namelist()[0])))
    found = {}
    for name in book.sheet_names[:-1]:
        sheet = book.get_sheet_by_name(name)
        rows = sheet.to_python(skip_empty_area=False)
        header = rows[4]
        found[name] = [dict(zip(header, row, strict=False)) for row in rows[5:]]
    return found


def test_the_levies_of_a_return_add_up_to_its_totals(world: World) -> None:
    found = schedule(world, "22", 2023)
    levied: dict[str, float] = defaultdict(float)
    for row in found["SCHEDULE 22GPL"]:
        levied[row["Municipality"]] += row["TOTAL\nTaxes"]
        assert row["LT/ST\nTaxes"] == round(row["Phase-In Taxable Assessment"] * row["LT/ST\nTax Rate"])
    totals = {r["Municipality"]: r["TOTAL\nTaxes"] for r in found["SCHEDULE 22Total"] if r["Line"] == 9201}
    assert totals == levied
    assert len(totals) == 12


def test_schedule_26_repeats_the_grand_total_of_schedule_22(world: World) -> None:
    charges = schedule(world, "22", 2023)["SCHEDULE 22SPC"]
    grand = {row["Municipality"]: row["TOTAL\nTaxes"] for row in charges if row["Line"] == 9990}
    summary = schedule(world, "26", 2023)["SCHEDULE 26-1"]
    repeated = {row["Municipality"]: int(row["26 xxxx 03"]) for row in summary if row["Line"] == 9199}
    assert repeated == grand


def test_a_return_that_is_not_in_yet_is_not_in_the_file_and_a_year_that_is_not_out_is_not_there(
    world: World,
) -> None:
    early = {row["Municipality"] for row in schedule(world, "02", 2023, date(2025, 1, 2))["SCHEDULE 02"]}
    late = {row["Municipality"] for row in schedule(world, "02", 2023)["SCHEDULE 02"]}
    assert early < late
    assert fir.answer(world, Ask("GET", fir.HOST, "/fir/VIEWFIR2025-02.zip", NIGHT)) is None


# -- Statistics Canada ---------------------------------------------------------------------------------------
def observations(world: World, product: int) -> Iterator[dict[str, str]]:
    made = statcan_products.tables(world, NIGHT)[product].zips["eng"]()
    with zipfile.ZipFile(io.BytesIO(made.content())) as archive:
        text = archive.read(f"{product}.csv").decode("utf-8-sig")
    yield from csv.DictReader(io.StringIO(text))


@pytest.mark.parametrize("product", [18100004, 14100459, 17100148, 23100216])
def test_a_whole_table_never_contradicts_a_vector(world: World, product: int) -> None:
    released = date.fromisoformat(statcan_products.tables(world, NIGHT)[product].cube["releaseTime"][:10])
    of_vector = {
        (f"v{series.vector}", point["refPer"][:7]): point["value"]
        for series in statcan.SERIES.values()
        if series.product == product
        for point in statcan.item(world, series, released)["object"]["vectorDataPoint"]
    }
    length = 4 if product == 17100148 else 7
    published = {(vector, period[:length]): value for (vector, period), value in of_vector.items()}
    shared = [
        (float(row["VALUE"]), published[row["VECTOR"], row["REF_DATE"]])
        for row in observations(world, product)
        if (row["VECTOR"], row["REF_DATE"]) in published
    ]
    assert shared
    assert all(ours == theirs for ours, theirs in shared)


def test_parts_of_a_table_add_up_to_its_totals(world: World) -> None:
    people = {
        (row["REF_DATE"], row["GEO"], row["Gender"], row["Age group"]): int(row["VALUE"])
        for row in observations(world, 17100148)
    }
    for (year, place, gender, age), value in people.items():
        if gender == "Total - gender":
            assert value == people[year, place, "Men+", age] + people[year, place, "Women+", age]
        if age == "All ages":
            groups = ("0 to 14 years", "15 to 64 years", "65 years and older")
            assert value == sum(people[year, place, gender, group] for group in groups)


def test_freight_adds_up_over_commodities_and_divisions(world: World) -> None:
    loaded = {
        (row["REF_DATE"], row["GEO"], row["Railway carloading components"], row["Estimates"]): int(
            row["VALUE"]
        )
        for row in observations(world, 23100216)
        if row["REF_DATE"] >= "2024" and row["VALUE"]  # until 2020 a commodity is confidential
    }
    total = "Total non-intermodal traffic loaded"
    for (month, place, goods, estimate), value in loaded.items():
        if place == "Canada":
            divisions = ("Eastern division", "Western division")
            assert value == sum(loaded[month, division, goods, estimate] for division in divisions)
        if goods == total:
            same = {
                key: each
                for key, each in loaded.items()
                if (key[0], key[1], key[3]) == (month, place, estimate)
            }
            assert value == sum(each for key, each in same.items() if key[2] != total)


def test_the_newest_months_are_marked_preliminary_and_revised(world: World) -> None:
    symbols = {row["REF_DATE"]: row["SYMBOL"] for row in observations(world, 20100008)}
    assert [symbols[month] for month in sorted(symbols)[-3:]] == ["", "r", "p"]


# -- areas ---------------------------------------------------------------------------------------------------
def _area(ring: list[list[float]]) -> float:
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring)) / 2


@pytest.mark.parametrize(("name", "count"), [("neighbourhoods_158", 158), ("neighbourhoods_140", 140)])
def test_areas_cover_the_city_once_and_neighbours_share_their_sides(name: str, count: int) -> None:
    rings = [shape["coordinates"][0] for shape in shapes(name)]
    assert len(rings) == count == len(table(name))
    sides: Counter[frozenset[tuple[float, ...]]] = Counter()
    for ring in rings:
        assert ring[0] == ring[-1] and len(ring) > 3
        assert len({tuple(corner) for corner in ring}) == len(ring) - 1, "a corner comes twice"
        assert all(-79.65 < x < -79.1 and 43.57 < y < 43.87 for x, y in ring)
        sides.update(frozenset((tuple(start), tuple(end))) for start, end in pairwise(ring))
    # Every side is that of two areas, or of one at the city's edge; the edge is one closed line.
    assert set(sides.values()) == {1, 2}
    edge = [side for side, areas in sides.items() if areas == 1]
    assert set(Counter(corner for side in edge for corner in side).values()) == {2}
    # All of one sense and as large together as what the edge encloses: none overlap.
    assert len({_area(ring) > 0 for ring in rings}) == 1
    assert min(abs(_area(ring)) for ring in rings) > 5e-5
    assert sum(abs(_area(ring)) for ring in rings) == pytest.approx(abs(_area(_line(edge))), rel=1e-9)


def _line(sides: list[frozenset[tuple[float, ...]]]) -> list[list[float]]:
    """Sides put one after the other into a closed ring."""
    left = list(sides)
    start, end = left.pop()
    ring = [start, end]
    while left:
        side = next(each for each in left if ring[-1] in each)
        left.remove(side)
        ring += [corner for corner in side if corner != ring[-1]]
    assert ring[0] == ring[-1], "the edge is more than one line"
    return [list(corner) for corner in ring]


@pytest.mark.parametrize("dataset", ["neighbourhoods", "neighbourhoods_140"])
def test_a_layer_of_areas_gives_each_its_own_shape(world: World, dataset: str) -> None:
    contract = load_contracts()[dataset]
    assert contract.sample and contract.sample.place
    features = recipes._collection(world, contract, NIGHT)["features"]
    assert [feature["geometry"] for feature in features] == list(shapes(contract.sample.place))
    codes = [int(feature["properties"]["AREA_SHORT_CODE"]) for feature in features]
    assert codes == [int(row["id"]) for row in table(contract.sample.place)]
