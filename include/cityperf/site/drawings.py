"""From rows of the release to the charts of a KPI's page: what is drawn, and when nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from cityperf.site import measures, words
from cityperf.site.charts import maps, multiples, peers, revisions
from cityperf.site.model import Row
from cityperf.site.words import Lang

AREA_POINTS: Final = 24  # points of a small multiple


def plain(value: Decimal | None) -> float | None:
    """A figure as charts take it."""
    return None if value is None else float(value)


def peer_strip(rows: Sequence[Row], own: Row, lang: Lang) -> Markup:
    """The municipalities on one axis, with the middle half and the median; `own` is Toronto's row."""
    strip = peers.Strip(
        tuple(
            peers.Peer(row["municipality"], float(row["value"]), row is own)
            for row in rows
            if row["value"] is not None
        ),
        "number",
        2,
        own["direction"] or "none",
        plain(own["first_quartile"]),
        plain(own["median"]),
        plain(own["third_quartile"]),
    )
    title = words.text("kpi.peers", lang, rank=own["rank"] or 0, count=own["reporters"] or 0)
    return peers.draw(strip, lang, "peers", title, f"{own['measure_name']}, {own['period_year']}")


def ward_tiles(rows: Sequence[Row], card: Mapping[str, Any], lang: Lang) -> Markup:
    """The wards as tiles with their figures of the newest period, below the key of its classes. Empty without wards."""
    found = _areas(rows, {}, card)
    if found is None:
        return Markup("")
    chart, newest = found
    title, period = measures.name(card, lang), words.period(newest, card["period_grain"] or "month", lang)
    return maps.legend(chart, lang) + maps.tiles(chart, lang, "wards", title, period)


def neighbourhood_map(
    rows: Sequence[Row], shapes: Mapping[str, Any], card: Mapping[str, Any], lang: Lang
) -> Markup:
    """The neighbourhoods in the colours of their figures, improvement areas outlined, below the key of the classes. Empty
    without figures or shapes."""
    found = _areas(rows, shapes, card)
    if found is None or not shapes:
        return Markup("")
    chart, newest = found
    title, period = measures.name(card, lang), words.period(newest, card["period_grain"] or "month", lang)
    return maps.legend(chart, lang) + maps.boundaries(chart, lang, "hoods", title, period)


def _areas(
    rows: Sequence[Row], shapes: Mapping[str, Any], card: Mapping[str, Any]
) -> tuple[maps.Map, date] | None:
    """The areas with their figures of the newest period, and that period; None without any."""
    newest = max((row["period_start"] for row in rows), default=None)
    if newest is None:
        return None
    chosen = [row for row in rows if row["period_start"] == newest]
    unit, decimals = card["unit"] or "number", card["decimals"] or 0
    values = [float(row["value"]) for row in chosen if row["value"] is not None]
    areas = tuple(
        maps.Area(
            row["geography_code"],
            row["geography_name"] or row["geography_code"],
            plain(row["value"]),
            shapes.get(row["geography_code"]),
            bool(row.get("is_improvement_area")),
        )
        for row in chosen
    )
    return maps.Map(areas, maps.cuts(values, decimals, unit), unit, decimals), newest


def ward_series(
    points: Sequence[Row], names: Mapping[str, str], card: Mapping[str, Any], lang: Lang
) -> Markup:
    """The series of each ward on one scale, each with its own limits. Empty where wards have no signals."""
    unit, decimals = card["unit"] or "number", card["decimals"] or 0
    by: dict[str, dict[date, Row]] = {}
    for row in points:
        by.setdefault(row["geography_code"], {})[row["period_start"]] = row
    periods = sorted({start for rows in by.values() for start in rows})[-AREA_POINTS:]
    panels = []
    for code, rows in by.items():
        last = rows[max(rows)]
        banded = last["signal_basis"] == "value"  # limits of differences are no limits of the figures
        mean, lower, upper = (
            plain(last[name]) if banded else None for name in ("mean", "lower_limit", "upper_limit")
        )
        signal = words.text(f"signal.{last['point_type']}", lang)
        said = f"{words.figure(last['value'], unit, decimals, lang)}, {signal[:1].lower()}{signal[1:]}"
        found = [rows.get(start) for start in periods]
        panels.append(
            multiples.Panel(
                names.get(code) or code,
                said,
                tuple(None if row is None else plain(row["value"]) for row in found),
                tuple("common_cause" if row is None else row["point_type"] for row in found),
                mean,
                lower,
                upper,
            )
        )
    years = tuple((place, str(start.year)) for place, start in enumerate(periods) if start.month == 1)
    return multiples.draw(multiples.Multiples(tuple(panels), unit, decimals, years), lang, "areas")


def revision_lines(revised: Sequence[tuple[date, Row, Row]], card: Mapping[str, Any], lang: Lang) -> Markup:
    """First published and latest figure of each period that was revised. Empty where none was."""
    grain = card["period_grain"] or "month"
    rows = tuple(
        revisions.Revision(
            words.period(start, grain, lang, short=True), float(first["value"]), float(last["value"])
        )
        for start, first, last in revised
    )
    chart = revisions.Revisions(rows, card["unit"] or "number", card["decimals"] or 0)
    return revisions.draw(
        chart, lang, "revisions", words.text("kpi.revised", lang), measures.name(card, lang)
    )
