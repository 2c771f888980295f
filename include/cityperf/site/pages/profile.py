"""A page per ward and per neighbourhood in force: its measures beside the city's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from cityperf.site import measures, sentences, words
from cityperf.site.charts import maps
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS, Lang

TYPES: Final = {"ward": "ward", "neighbourhood_158": "neighbourhood"}  # kind of area → folder of its pages
PLACE: Final = ("geography_type", "geography_code", "geography_name", "designation")
NAMES: Final = ("name_en", "name_fr", "dimension", "unit", "decimals")
KEY: Final = ("kpi_id", "geography_type", "geography_code", "period_grain", "period_start")
AREAS: Final = "geography_type in ('ward', 'neighbourhood_158')"


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per area and language."""
    del edition
    rows, drawn = _rows(tables), shapes(tables)
    ground = maps.ground(drawn.values())
    for place in places(tables):
        kind, code = TYPES[place["geography_type"]], measures.file_name(place["geography_code"])
        data = {"place": place, "rows": rows[place["geography_type"], code]}
        if kind == "neighbourhood" and (shape := drawn.get(place["geography_code"])):
            data |= {"shape": shape, "ground": ground}
        for lang in LANGS:
            yield Page(f"{lang}/{kind}/{code}.html", "profile", lang, data)


def places(tables: Tables) -> Iterator[Row]:
    """The wards and neighbourhoods in force, by kind and code."""
    return tables.rows("geography", PLACE, f"is_current and {AREAS}", ("geography_type", "geography_code"))


def shapes(tables: Tables) -> dict[str, Mapping[str, Any]]:
    """Neighbourhoods in force → their boundary as maps draw it; without those that have none."""
    found = {
        row["geography_code"]: maps.shape(row["boundary"])
        for row in tables.rows(
            "geography",
            ("geography_code", "boundary"),
            "is_current and geography_type = 'neighbourhood_158'",
            ("geography_code",),
        )
        if row["boundary"]
    }
    return {code: shape for code, shape in found.items() if shape}


def _rows(tables: Tables) -> dict[tuple[str, str], list[Row]]:
    """Every area's latest figures, each with the city's of the same period, its interval, its place among the areas of its
    kind, and whether the latest point is a signal."""
    kpis = {row["kpi_id"]: row for row in tables.rows("kpi", ("kpi_id", *NAMES), order=("kpi_id",))}
    city = {
        (row["kpi_id"], row["period_grain"], row["period_start"]): row["value"]
        for row in tables.rows(
            "kpi_value",
            (*KEY, "value"),
            "geography_type = 'city' and is_latest",
            newest=24,
            per=("kpi_id", "period_grain"),
        )
    }
    latest = ("kpi_id", "geography_type", "geography_code", "period_grain")
    intervals = {
        tuple(row[name] for name in KEY): (row["lower_bound"], row["upper_bound"])
        for row in tables.rows(
            "kpi_view",
            (*KEY, "lower_bound", "upper_bound"),
            f"kpi_view = 'wilson_interval' and {AREAS}",
            newest=1,
            per=latest,
        )
    }
    signals = {
        tuple(row[name] for name in KEY): row["variation"]
        for row in tables.rows("kpi_assessment", (*KEY, "variation"), AREAS)
    }
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in (*_neighbourhoods(tables), *_wards(tables)):
        key = tuple(row[name] for name in KEY)
        about = kpis.get(row["kpi_id"])
        if about is None:
            continue
        lower, upper = intervals.get(key, (None, None))
        base = row.pop("city_value", city.get((row["kpi_id"], row["period_grain"], row["period_start"])))
        kind, code = row.pop("geography_type"), row.pop("geography_code")
        found[kind, code].append(
            {
                **row,
                **about,
                "city_value": base,
                "lower": lower,
                "upper": upper,
                "variation": signals.get(key),
            }
        )
    return found


def _neighbourhoods(tables: Tables) -> Iterator[Row]:
    return tables.rows(
        "neighbourhood_indicator",
        (*KEY, "value", "city_value", "neighbourhoods", "rank_from_highest"),
        "geography_type = 'neighbourhood_158'",
        ("kpi_id", "geography_code"),
    )


def _wards(tables: Tables) -> Iterator[Row]:
    """The wards' figures of each KPI's latest period, with their place from the highest, which no mart gives."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in tables.rows(
        "kpi_value",
        (*KEY, "value"),
        "geography_type = 'ward' and is_latest",
        ("kpi_id", "geography_code"),
        newest=1,
        per=("kpi_id", "geography_code", "period_grain"),
    ):
        groups[row["kpi_id"], row["period_grain"]].append(row)
    for rows in groups.values():
        newest = max(row["period_start"] for row in rows)
        shown = [row for row in rows if row["period_start"] == newest]
        values = [row["value"] for row in shown if row["value"] is not None]
        for row in shown:
            value = row["value"]
            rank = None if value is None else 1 + sum(other > value for other in values)
            yield {**row, "neighbourhoods": len(values), "rank_from_highest": rank}


def context(page: Page) -> Mapping[str, Any]:
    """The measures by dimension, and where the place lies."""
    place, lang = page.data["place"], page.lang
    kind = TYPES[place["geography_type"]]
    rows = [_row(row, lang) for row in page.data["rows"]]
    rows.sort(key=lambda each: (each["name"], each["id"]))
    name = str(place["geography_name"] or place["geography_code"])
    number = place["geography_code"].lstrip("0")
    named = words.text(f"profile.{kind}_of", lang, number=number, name=name)
    return {
        "name": name,
        "named": named,
        "place_kind": kind,
        "designation": place["designation"] or "none",
        "count": len(rows),
        "missing": sum(row["is_missing"] for row in rows),
        "dimensions": [
            (each, [row for row in rows if row["dimension"] == each])
            for each in measures.DIMENSIONS
            if any(row["dimension"] == each for row in rows)
        ],
        "map": _where(page, kind, named),
    }


def _where(page: Page, kind: str, named: str) -> Markup | None:
    """Where the place lies: a ward among tiles, a neighbourhood whose shape is known among the shapes of all."""
    if kind == "ward":
        code = page.data["place"]["geography_code"]
        return maps.locator(code, "where", named, words.text("profile.map_is", page.lang, place=named))
    if "shape" not in page.data:
        return None
    said = words.text("profile.shape_is", page.lang, place=named)
    return maps.locator_of(page.data["shape"], page.data["ground"], "where", named, said)


def _row(row: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    unit, decimals = row["unit"] or "number", row["decimals"] or 0

    def shown(value: Decimal | None) -> str:
        return words.figure(value, unit, decimals, lang, long=False)

    value, lower, upper, base = row["value"], row["lower"], row["upper"], row["city_value"]
    interval, variation = "", row["variation"] or "not_suitable"
    if lower is not None and upper is not None:
        interval = words.text("target_sentence.range", lang, low=shown(lower), high=shown(upper))
    return {
        "id": row["kpi_id"],
        "name": measures.name(row, lang),
        "dimension": row["dimension"],
        "period": words.period(row["period_start"], row["period_grain"], lang),
        "unit": words.unit_name(unit, lang) if unit != "percent" else "",
        "value": shown(value),
        "city": shown(base),
        "interval": interval,
        "place": _standing(row, lang),
        "group": sentences.state_group(row["variation"]),
        "signal": words.text(f"signal.{variation}", lang) if variation != "not_suitable" else "",
        "is_missing": value is None,
    }


def _standing(row: Mapping[str, Any], lang: Lang) -> str:
    """The place from the highest, only where the figure can be told from the city's: where its interval holds the city's
    figure, an order would be one of chance."""
    value, base = row["value"], row["city_value"]
    if value is None or row["rank_from_highest"] is None:
        return words.text("missing", lang)
    if row["lower"] is not None and base is not None and row["lower"] <= base <= row["upper"]:
        return words.text("profile.as_the_city", lang)
    place, areas = row["rank_from_highest"], row["neighbourhoods"]
    return words.text("profile.place", lang, place=place, areas=areas)
