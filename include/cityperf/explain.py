"""What a KPI did and whether it is signal or noise, told in a paragraph with the numbers that it rests on.

Everything is read from the published tables. The marts decided what is a signal; here it is only said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.errors import UndefinedTable

from cityperf.config import Settings
from cityperf.db import connect, named_rows
from cityperf.errors import CityperfError
from cityperf.publish.trace import NotPublished, no_such_kpi
from cityperf.site import sentences
from cityperf.site.words import Lang, day, figure, period, text

Row = Mapping[str, Any]

_ASSESSED: Final = """
select * from publish.kpi_assessment
where kpi_id = %(id)s and geography_type = %(geography_type)s and geography_code = %(geography_code)s
"""
_BEFORE: Final = """
select * from publish.kpi_comparison
where
    kpi_id = %(id)s and geography_type = %(geography_type)s and geography_code = %(geography_code)s
    and comparison = 'period'
"""
_POINTS: Final = """
select period_start, phase, charted, mean from publish.kpi_signal
where
    kpi_id = %(id)s and geography_type = %(geography_type)s and geography_code = %(geography_code)s
    and kpi_version = %(version)s
order by period_start
"""
_RESTATED: Final = """
select * from publish.restatement
where
    kpi_id = %(id)s and geography_type = %(geography_type)s and geography_code = %(geography_code)s
    and period_grain = %(grain)s and period_start = %(start)s
order by vintage desc limit 1
"""


@dataclass(frozen=True)
class Explanation:
    """A KPI's paragraph, sentence by sentence, and the published rows it rests on.

    `numbers`: release, night, figure, its change, mean, limits, rule, target, assurance, doubts. Shares are fractions,
    changes are in `change_unit` (`pp` or `percent`).
    """

    kpi_id: str
    name: str
    sentences: tuple[str, ...]
    numbers: Mapping[str, Any]

    @property
    def paragraph(self) -> str:
        return " ".join(self.sentences)


def explain(settings: Settings, kpi_id: str, lang: Lang = "en") -> Explanation:
    """Tell what the release that is up says of a KPI's latest figure.

    Raises NotPublished for an unknown KPI, CityperfError where there is no release yet.
    """
    try:
        with connect(settings, "bi_reader") as reader:
            return _explain(reader, kpi_id, lang)
    except UndefinedTable as absent:
        raise CityperfError(
            f"expected a release in {settings.warehouse_db}, found none; ./cityperf refresh makes the first one"
        ) from absent


def _explain(reader: Connection[Any], kpi_id: str, lang: Lang) -> Explanation:
    card = _one(reader, "select * from publish.scorecard where kpi_id = %(id)s", {"id": kpi_id})
    if card is None:
        raise NotPublished(no_such_kpi(reader, kpi_id))
    place = {name: card[name] for name in ("geography_type", "geography_code")} | {"id": kpi_id}
    about = _one(reader, "select * from publish.kpi where kpi_id = %(id)s", place) or {}
    assessed = _one(reader, _ASSESSED, place) or {}
    before = _one(reader, _BEFORE, place)
    points = named_rows(reader, _POINTS, place | {"version": assessed.get("kpi_version")})
    restated = _one(reader, _RESTATED, place | {"grain": card["period_grain"], "start": card["period_start"]})
    release = _one(reader, "select * from publish.release order by number desc limit 1") or {}
    reading = sentences.reading_of(card, about, assessed, points, lang)
    said = [sentences.level(reading, lang)]
    if reading.value is not None:
        if before and before["change"] is not None and before["compared_period_start"]:
            unit = before["change_unit"] or "percent"
            said.append(
                sentences.movement(reading, before["change"], unit, before["compared_period_start"], lang)
            )
        said += [sentences.signal(reading, lang), sentences.target(reading, lang)]
        said += _doubts(card, restated, release, lang)
    numbers = {
        "release": release.get("number"),
        "night": release.get("night"),
        "geography": f"{card['geography_type']} {card['geography_code']}" if card["geography_type"] else None,
        "period_start": card["period_start"],
        "period_grain": card["period_grain"],
        "unit": card["unit"],
        "direction": card["direction"],
        "value": card["value"],
        "compared_period_start": before and before["compared_period_start"],
        "compared_value": before and before["compared_value"],
        "change": before and before["change"],
        "change_unit": before and before["change_unit"],
        "variation": card["variation"],
        "rule": card["special_cause"],
        "signal_basis": assessed.get("signal_basis"),
        "mean": assessed.get("mean"),
        "lower_limit": assessed.get("lower_limit"),
        "upper_limit": assessed.get("upper_limit"),
        "phase_points": assessed.get("phase_points"),
        "is_trial": assessed.get("is_trial"),
        "target_low": reading.target_low,
        "target_high": reading.target_high,
        "is_target_met": card["is_target_met"],
        "assurance": card["assurance"],
        "late_by_days": card["late_by_days"],
        "stale_reason": card[f"stale_reason_{lang}"],
        "restated_from": restated and restated["old_value"],
        "restated_in_release": restated and restated["release_number"],
    }
    return Explanation(kpi_id, card[f"name_{lang}"] or card["name_en"] or kpi_id, tuple(said), numbers)


def _doubts(card: Row, restated: Row | None, release: Row, lang: Lang) -> list[str]:
    """What makes the figure less sure than it looks, each in a sentence."""
    said = []
    if reason := card[f"stale_reason_{lang}"] or card["stale_reason_en"]:
        said.append(text("explain.source", lang, reason=str(reason).rstrip(".")))  # it names the days, too
    elif card["late_by_days"]:
        said.append(text("explain.late", lang, count=card["late_by_days"]))
    if restated and restated["old_value"] is not None:
        said.append(
            text(
                "explain.restated",
                lang,
                period=period(card["period_start"], card["period_grain"], lang),
                day=day(restated["vintage"], lang),
                old=figure(restated["old_value"], card["unit"] or "number", card["decimals"] or 0, lang),
            )
        )
    if reason := release.get("stale_reason"):
        said.append(text("explain.held", lang, reason=str(reason).rstrip(".")))
    return said


def _one(
    connection: Connection[Any], query: LiteralString, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    return next(iter(named_rows(connection, query, arguments)), None)
