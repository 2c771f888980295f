"""The way to wards and neighbourhoods: lists, a map, and improvement areas against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from cityperf.site import measures, words
from cityperf.site.charts import maps
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.pages import profile
from cityperf.site.words import LANGS, Lang

CUT: Final = (
    "kpi_id", "geography_type", "period_grain", "period_start", "basis", "improvement_areas", "other_areas",
    "improvement_value", "other_value", "gap", "ratio_to_others", "standing",
)  # fmt: skip


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """neighbourhoods.html in both languages."""
    del edition
    kpis = {row["kpi_id"]: row for row in tables.rows("kpi", ("kpi_id", *profile.NAMES), order=("kpi_id",))}
    cuts = [
        {**row, **kpis[row["kpi_id"]]}
        for row in tables.rows(
            "equity_cut",
            CUT,
            "geography_type = 'neighbourhood_158'",
            ("kpi_id",),
            newest=1,
            per=("kpi_id", "period_grain"),
        )
        if row["kpi_id"] in kpis
    ]
    data = {
        "places": list(profile.places(tables)),
        "cuts": cuts,
        "shapes": profile.shapes(tables),
    }
    for lang in LANGS:
        yield Page(f"{lang}/neighbourhoods.html", "places", lang, data)


def context(page: Page) -> Mapping[str, Any]:
    """Links by kind of area, the comparison as rows, and the map where areas have a boundary."""
    lang, places = page.lang, page.data["places"]
    wards = [place for place in places if place["geography_type"] == "ward"]
    hoods = [place for place in places if place["geography_type"] != "ward"]
    improvement = {place["geography_code"] for place in hoods if place["designation"] == "improvement_area"}
    shapes = page.data["shapes"]
    shown = tuple(
        maps.Area(code, place["geography_name"], None, shapes[code], code in improvement)
        for place in hoods
        if (code := place["geography_code"]) in shapes
    )
    title = words.text("profile.neighbourhoods", lang)
    said = words.text("profile.map_of", lang, count=len(improvement))
    return {
        "wards": [_link(place) for place in wards],
        "neighbourhoods": [_link(place) for place in hoods],
        "cuts": sorted(
            (_cut(row, lang) for row in page.data["cuts"]), key=lambda row: (row["name"], row["id"])
        ),
        "improvement": len(improvement),
        "others": len(hoods) - len(improvement),
        "map": maps.outlines(shown, lang, "where", title, said),
        "map_says": said,
    }


def _link(place: Row) -> dict[str, Any]:
    return {
        "code": measures.file_name(place["geography_code"]),
        "number": place["geography_code"].lstrip("0"),
        "name": place["geography_name"] or place["geography_code"],
        "designation": place["designation"] or "none",
    }


def _cut(row: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    unit, decimals = row["unit"] or "number", row["decimals"] or 0
    if row["basis"] == "per_100000_residents":
        unit = "per_100000_residents"

    def shown(value: Decimal | None) -> str:
        return words.figure(value, unit, decimals, lang, long=False)

    gap, ratio = row["gap"], row["ratio_to_others"]
    if gap is None:
        difference = words.text("missing", lang)
    elif unit == "percent":
        difference = words.points(gap * 100, decimals, lang, signed=True)
    else:
        difference = words.number(gap, decimals, lang, signed=True)
    return {
        "id": row["kpi_id"],
        "name": measures.name(row, lang),
        "period": words.period(row["period_start"], row["period_grain"], lang),
        "unit": words.unit_name(unit, lang) if unit != "percent" else "",
        "areas": shown(row["improvement_value"]),
        "others": shown(row["other_value"]),
        "difference": difference,
        "ratio": words.number(ratio, 2, lang),
        "standing": words.text(f"standing.{row['standing']}", lang),
    }
