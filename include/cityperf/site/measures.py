"""A KPI as tiles, lists and tables show it: which columns it takes, and the words and classes that follow from them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from cityperf.errors import CityperfError
from cityperf.site import sentences, words
from cityperf.site.charts import sparkline
from cityperf.site.model import Row, Tables
from cityperf.site.words import Lang

DIMENSIONS: Final = (
    "service_delivery",
    "quality_of_life",
    "neighbourhood",
    "customer_service",
    "corporate_performance",
)
CITY: Final = "geography_type = 'city'"
GROUP_ORDER: Final = ("improvement", "concern", "changed", "common_cause", "not_assessed")
SPARK: Final = 24  # points of a sparkline
TARGETS: Final = ("above", "below", "within", "near", "none")
# Of the scorecard; the days that something is late and the release that it went up with are left out on purpose: they
# change while the figure does not, and a page would be new every night.
# fmt: off
CARD: Final = (
    "name_en", "name_fr", "dimension", "unit", "decimals", "direction", "owner", "geography_type",
    "geography_code", "period_grain", "period_start", "value", "vintage", "headline", "change",
    "change_unit", "trend", "status", "previous_value", "previous_change", "previous_status",
    "last_year_value", "last_year_change", "last_year_status", "target_value", "target_change",
    "target_status", "is_target_met", "was_target_met", "variation", "special_cause", "assurance", "recent_values",
    "next_expected_on", "late_by_days", "stale_reason_en", "stale_reason_fr", "quality_grade",
)
# fmt: on
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def file_name(identifier: str) -> str:
    """An identifier that is an address too. Raises CityperfError for one that is not safe as a file's name."""
    if not _ID.fullmatch(identifier):
        raise CityperfError(
            f"expected an identifier of letters, digits, dots, hyphens and underscores, found {identifier!r}; it names a "
            "page of the site"
        )
    return identifier


def cards(tables: Tables) -> list[Row]:
    """Every KPI of the scorecard in order of its id, with `late` for a figure that should be here and is not, and `held`
    for one of which a newer delivery came and was held back."""
    found = []
    for row in tables.rows("scorecard", ("kpi_id", *CARD), order=("kpi_id",)):
        late = (row.pop("late_by_days") or 0) > 0
        if not late:
            row["next_expected_on"] = None
        held = not late and bool(row["stale_reason_en"])
        found.append({**row, "kpi_id": file_name(str(row["kpi_id"])), "late": late, "held": held})
    return found


def group(card: Mapping[str, Any]) -> str:
    """The group of a KPI's latest point, one of GROUP_ORDER."""
    return sentences.state_group(card["variation"])


def target_state(card: Mapping[str, Any]) -> str:
    """Where the figure stands to its target, as one of TARGETS. Near: within the KPI's own threshold."""
    change = card["target_change"]
    if card["target_status"] is None or card["value"] is None:
        return "none"
    inside = card["is_target_met"] is True
    if card["direction"] == "range":
        return sentences.target_state("stable", "range", inside=inside)
    if card["target_status"] == "stable" or not change:
        return sentences.target_state("stable", "value")
    return sentences.target_state("up" if change > 0 else "down", "value")


def reading(card: Mapping[str, Any], status: str | None, trend: str | None) -> tuple[str, str]:
    """A comparison's word (a key of `status`) and its colour's class. Coloured only where the latest point is a signal the
    same way; a measure without a better direction never is."""
    signal = {"favourable": "improvement", "unfavourable": "concern"}.get(status or "")
    coloured = signal is not None and card["variation"] == signal
    return sentences.status_word(status, trend), str(signal) if coloured and signal else ""


def arrow(trend: str | None) -> str:
    """Which way a figure moved, for the mark beside its word."""
    return {"up": "up", "down": "down"}.get(trend or "", "flat")


def counts(found: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """KPIs by group of their latest point, in GROUP_ORDER; with `kpis`, `targets` and `met`."""
    listed = list(found)
    by = {name: sum(group(card) == name for card in listed) for name in GROUP_ORDER}
    return {
        **by,
        "kpis": len(listed),
        "targets": sum(card["is_target_met"] is not None for card in listed),
        "met": sum(card["is_target_met"] is True for card in listed),
        "late": sum(card["late"] for card in listed),
    }


def tile(card: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """What a tile, a row of a list and the head of a KPI's page say of it."""
    unit, decimals = card["unit"] or "number", card["decimals"] or 0
    value, suffix = words.figure_parts(card["value"], unit, decimals, lang)
    state = target_state(card)
    word, colour = reading(card, card["status"], card["trend"])
    base = {"year": "last_year_value", "period": "previous_value"}.get(card["headline"] or "")
    start, grain = card["period_start"], card["period_grain"] or "month"
    target = words.figure(card["target_value"], unit, decimals, lang) if state != "none" else ""
    return {
        "id": card["kpi_id"],
        "name": name(card, lang),
        "dimension": card["dimension"] or "none",
        "owner": card["owner"] or "",
        "value": value,
        "suffix": suffix,
        "figure": words.figure(card["value"], unit, decimals, lang),
        "period": words.period(start, grain, lang) if start else words.text("missing", lang),
        "place": words.text(f"geography.{card['geography_type'] or 'city'}", lang),
        "group": group(card),
        "signal": card["variation"] or "too_few_points",
        "assurance": card["assurance"] or "not_assessed",
        "word": word,
        "colour": colour,
        "arrow": arrow(card["trend"]),
        "change": words.change(card["change"], card["change_unit"] or "percent", lang)
        if card["change"] is not None
        else "",
        "base": words.text(f"base.{card['headline'] or 'year'}", lang) if card["headline"] else "",
        "base_value": words.figure(card[base], unit, decimals, lang)
        if base and card[base] is not None
        else "",
        "target_state": state,
        "target": target,
        "target_gap": words.change(card["target_change"], card["change_unit"] or "percent", lang)
        if state != "none" and card["target_change"] is not None
        else "",
        "target_met": card["is_target_met"],
        "as_of": words.day(card["vintage"], lang) if card["vintage"] else "",
        "grade": card["quality_grade"] or "",
        "late": card["late"],
        "held": card["held"],
        "due": words.day(card["next_expected_on"], lang) if card["next_expected_on"] else "",
        "stale_reason": card[f"stale_reason_{lang}"] or card["stale_reason_en"] or "",
        "high": _high(card),
        "sparkline": _sparkline(card),
    }


def whole(tables: Tables) -> str:
    """Rows of the widest area of each KPI, as a condition on geography_type and kpi_id: the area of its tile, which is the
    city or, for what is known of the country only, the country."""
    listed = tables.rows("scorecard", ("kpi_id",), "geography_type = 'country'", ("kpi_id",))
    wider = ", ".join(f"'{file_name(str(row['kpi_id']))}'" for row in listed)
    return (
        f"(geography_type = 'city' or (geography_type = 'country' and kpi_id in ({wider})))"
        if wider
        else CITY
    )


def with_points(tables: Tables, found: list[Row]) -> list[Row]:
    """The cards, each with the newest points of its chart, for its sparkline."""
    points = tables.by(
        "kpi_id",
        "kpi_signal",
        (
            "period_start",
            "value",
            "charted",
            "signal_basis",
            "mean",
            "lower_limit",
            "upper_limit",
            "point_type",
        ),
        where=whole(tables),
        order=("period_start",),
        newest=SPARK,
        per=("kpi_id",),
    )
    of = {kpi_id: points.take(kpi_id) for kpi_id in sorted(card["kpi_id"] for card in found)}
    return [{**card, "points": of[card["kpi_id"]]} for card in found]


def _high(card: Mapping[str, Any]) -> bool | None:
    """Whether the latest point lies above its mean, which the arrow of its icon says; None where that is not known."""
    last = next(iter(card.get("points", [])[-1:]), None)
    if last is None or last["charted"] is None or last["mean"] is None:
        return None
    return bool(last["charted"] >= last["mean"])


def _sparkline(card: Mapping[str, Any]) -> Markup:
    """The newest figures with their signals; the band of usual variation only where limits are those of the figures."""
    target = None if card["target_value"] is None else float(card["target_value"])
    points = card.get("points")
    if not points:
        values = tuple(None if value is None else float(value) for value in recent(card))
        return sparkline.draw(sparkline.Sparkline(values, target=target))
    last = points[-1]
    banded = last["signal_basis"] == "value" and last["lower_limit"] is not None
    return sparkline.draw(
        sparkline.Sparkline(
            tuple(None if p["value"] is None else float(p["value"]) for p in points),
            tuple(p["point_type"] or "common_cause" for p in points),
            float(last["lower_limit"]) if banded else None,
            float(last["upper_limit"]) if banded else None,
            target,
        )
    )


def name(row: Mapping[str, Any], lang: Lang) -> str:
    """The name in a language; English where the French one is missing, then the id."""
    return str(row[f"name_{lang}"] or row["name_en"] or row["kpi_id"])


def recent(card: Mapping[str, Any]) -> list[Decimal | None]:
    """The figures that the scorecard carries for a sparkline, oldest first."""
    said = json.loads(card["recent_values"] or "[]", parse_float=Decimal, parse_int=Decimal)
    return list(said)
