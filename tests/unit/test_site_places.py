"""Pages of wards and neighbourhoods: what they say of a place beside the city."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.load.readers.geojson import geojson_reader
from cityperf.load.readers.records import Record
from cityperf.portal.sample.shapes import shapes
from cityperf.site.charts import maps
from cityperf.site.drawings import neighbourhood_map
from cityperf.site.model import Page
from cityperf.site.pages import places, profile
from cityperf.site.render import render
from cityperf.site.words import LANGS, Lang
from cityperf.sources import load_contracts

WARD = {
    "geography_type": "ward",
    "geography_code": "10",
    "geography_name": "Spadina-Fort York",
    "designation": None,
}
HOOD = {
    "geography_type": "neighbourhood_158", "geography_code": "024", "geography_name": "Black <Creek>",
    "designation": "improvement_area",
}  # fmt: skip


def _row(**given: Any) -> dict[str, Any]:
    return {
        "kpi_id": "A-1", "name_en": "Reviewed", "name_fr": "Examinées", "dimension": "neighbourhood", "unit": "percent",
        "decimals": 1, "period_grain": "year", "period_start": date(2025, 1, 1), "value": Decimal("0.30"),
        "city_value": Decimal("0.29"), "lower": Decimal("0.18"), "upper": Decimal("0.45"), "neighbourhoods": 25,
        "rank_from_highest": 4, "variation": "not_suitable", **given,
    }  # fmt: skip


def _page(place: dict[str, Any], *rows: dict[str, Any], lang: Lang = "en") -> Page:
    return Page(f"{lang}/ward/10.html", "profile", lang, {"place": place, "rows": list(rows)})


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    [(_, [found])] = profile.context(_page(WARD, row))["dimensions"]
    assert isinstance(found, dict)
    return found


def test_a_place_is_given_only_where_the_interval_does_not_hold_the_citys_figure() -> None:
    assert _shown(_row())["place"] == "About as the city"
    assert _shown(_row(city_value=Decimal("0.50")))["place"] == "4 of 25"
    assert _shown(_row(lower=None, upper=None))["place"] == "4 of 25"


def test_a_hidden_figure_has_neither_value_nor_place() -> None:
    found = _shown(_row(value=None, lower=None, upper=None, rank_from_highest=None))
    assert (found["value"], found["place"], found["interval"]) == ("n/a", "n/a", "")
    assert "1 is not shown" in render(_page(WARD, _row(value=None)), 3, True).decode()


@pytest.mark.parametrize("lang", LANGS)
def test_pages_of_places_have_one_heading_escaped_names_and_no_style(lang: Lang) -> None:
    ward = render(_page(WARD, _row(), lang=lang), 3, True).decode()
    hood = render(_page(HOOD, lang=lang), 3, True).decode()
    for drawn in (ward, hood):
        assert len(re.findall("<h1[ >]", drawn)) == 1
        assert "style=" not in drawn
    assert "Black &lt;Creek&gt;" in hood
    assert {"en": "Neighbourhood Improvement Area", "fr": "Secteur d’amélioration des quartiers"}[
        lang
    ] in hood
    assert 'class="map-5"' in ward


def test_wards_take_their_place_among_the_newest_period() -> None:
    class Fake:
        def rows(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
            key = {"kpi_id": "A-1", "geography_type": "ward", "period_grain": "year"}
            old, new = date(2024, 1, 1), date(2025, 1, 1)
            return [
                {**key, "geography_code": code, "period_start": start, "value": value}
                for code, start, value in (
                    ("01", new, 5),
                    ("02", new, 7),
                    ("03", old, 9),
                    ("04", new, None),
                    ("05", new, 7),
                )
            ]

    found = {row["geography_code"]: row for row in profile._wards(Fake())}  # type: ignore[arg-type]
    assert set(found) == {"01", "02", "04", "05"}
    assert [found[code]["rank_from_highest"] for code in ("01", "02", "04", "05")] == [3, 1, None, 1]
    assert found["01"]["neighbourhoods"] == 3


def test_improvement_areas_stand_against_the_rest_in_points_for_shares() -> None:
    cut = _row(
        geography_type="neighbourhood_158", basis="own_ratio", improvement_areas=34, other_areas=124,
        improvement_value=Decimal("0.2887"), other_value=Decimal("0.2391"), gap=Decimal("0.0496"),
        ratio_to_others=Decimal("1.207"), standing="not_judged",
    )  # fmt: skip
    data = {"places": [HOOD, WARD], "cuts": [cut], "shapes": {}}
    found = places.context(Page("en/neighbourhoods.html", "places", "en", data))
    [row] = found["cuts"]
    assert (row["areas"], row["others"], row["difference"], row["ratio"]) == (
        "28.9%",
        "23.9%",
        "+5.0 points",
        "1.21",
    )
    assert row["standing"] == "Neither direction is better"
    assert (found["improvement"], found["others"], found["map"]) == (1, 0, "")


def test_a_boundary_of_the_release_is_drawn() -> None:
    ring = "[[-79.5,43.7],[-79.4,43.7],[-79.4,43.75],[-79.5,43.75],[-79.5,43.7]]"
    shape = maps.shape(f'{{"type": "Polygon", "coordinates": [{ring}]}}')
    data = {
        "places": [HOOD],
        "cuts": [],
        "shapes": {"024": shape},
    }
    drawn = render(Page("en/neighbourhoods.html", "places", "en", data), 3, True).decode()
    assert 'class="outline"' in drawn
    assert "with 1 improvement area outlined" in drawn

    assert shape
    own = {"place": HOOD, "rows": [], "shape": shape, "ground": maps.ground([shape])}
    drawn = render(Page("fr/neighbourhood/024.html", "profile", "fr", own), 3, True).decode()
    assert drawn.count('class="map-5 is-marked"') == 1
    assert "parmi les quartiers de la ville" in drawn


def test_neighbourhoods_are_drawn_in_five_classes_with_the_hidden_ones_hatched() -> None:
    """The sample's shapes, whose corners neighbours share, in the colours of figures."""
    drawn = [maps.shape(json.dumps(each)) for each in shapes("neighbourhoods_158")]
    assert len(drawn) == 158 and all(drawn)
    rows: list[dict[str, Any]] = [
        {
            "geography_code": f"{number:03d}", "geography_name": f"Place {number}", "period_start": date(2025, 1, 1),
            "value": Decimal(number) if number else None, "is_improvement_area": number % 5 == 0,
        }
        for number in range(158)
    ]  # fmt: skip
    by = {row["geography_code"]: shape for row, shape in zip(rows, drawn, strict=True)}
    card = {"unit": "number", "decimals": 0, "period_grain": "year", "name_en": "Calls", "name_fr": "Appels"}
    content = str(neighbourhood_map(rows, by, card, "en"))
    wide = content.split('<svg class="drawing')[1]
    assert {f"map-{number}" for number in range(1, 6)} <= set(re.findall(r"map-\d", wide))
    assert wide.count("<title>") == 158 and "Place 7: 7" in wide
    assert wide.count('class="outline"') == 32
    assert 'fill="url(#hoods-wide-h)"' in wide and "n/a" in content
    assert len(gzip.compress(content.encode())) < 60_000
    assert neighbourhood_map(rows, {}, card, "en") == neighbourhood_map([], by, card, "en") == ""


def test_the_citys_own_file_goes_through_its_reader_and_is_drawn_whole(real_data: Path) -> None:
    file = real_data / "geography" / "neighbourhoods-140.geojson"
    if not file.is_file():
        pytest.skip("no file of the 140 neighbourhoods among the real files")
    reader = geojson_reader(load_contracts()["neighbourhoods_140"], file, file.name)
    place = reader.columns.index("geometry")
    drawn = [
        maps.shape(record.values[place] or "") for record in reader.records() if isinstance(record, Record)
    ]
    assert len(drawn) == 140
    areas = tuple(
        maps.Area(f"{number:03d}", "Here", None, shape) for number, shape in enumerate(drawn) if shape
    )
    content = str(maps.outlines(areas, "en", "where", "Neighbourhoods", "All of them"))
    assert content.count('class="area') == 2 * 140
    assert len(gzip.compress(content.encode())) < 80_000
