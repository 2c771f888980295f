"""What a KPI's latest figure says, as sentences: its level, whether it is a signal, what its target asks.

The marts decide (variation, special cause, assurance); nothing here computes a rule again. The sentences name no cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, takewhile
from typing import Any

from cityperf.site.words import (
    Lang,
    Number,
    change,
    difference,
    figure,
    has,
    numeral,
    period,
    period_in,
    period_of,
    text,
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """The latest point of one KPI and area, as `kpi_assessment`, `kpi_comparison` and the chart's points give it.

    Figures are in the KPI's unit (shares are fractions). `high` says on which side of the mean the point lies, for a
    rise or fall which way it goes; `run` counts the points, ending with the latest, that the special cause speaks of.
    """

    period_start: date
    period_grain: str
    unit: str
    decimals: int
    value: Number | None
    variation: str = "not_suitable"
    special_cause: str | None = None
    high: bool = True
    run: int = 7
    is_trial: bool = False
    signal_basis: str = "value"
    phase_points: int = 0
    mean: Number | None = None
    lower_limit: Number | None = None
    upper_limit: Number | None = None
    assurance: str = "no_target"
    target_low: Number | None = None
    target_high: Number | None = None
    reason: str | None = None  # why the KPI is not suitable for signals, in the language asked for


def reading_of(card: Row, about: Row, assessed: Row, points: Sequence[Row], lang: Lang) -> Reading:
    """The reading that published rows give: of `scorecard`, `kpi`, `kpi_assessment`, and of `kpi_signal` in order of time
    (`phase`, `charted`, `mean`).
    """
    run, high = run_of(points, card["special_cause"])
    low_target, high_target = card["target_value"], card["target_value"]
    if about.get("target_type") == "range":
        low_target, high_target = about["target_low"], about["target_high"]
    has_target = low_target is not None or high_target is not None
    return Reading(
        period_start=card["period_start"] or date.min,
        period_grain=card["period_grain"] or "month",
        unit=card["unit"] or "number",
        decimals=card["decimals"] or 0,
        value=card["value"] if card["period_start"] else None,
        variation=card["variation"] or "too_few_points",
        special_cause=card["special_cause"],
        high=high,
        run=run,
        is_trial=bool(assessed.get("is_trial")),
        signal_basis=assessed.get("signal_basis") or "value",
        phase_points=assessed.get("phase_points") or 0,
        mean=assessed.get("mean"),
        lower_limit=assessed.get("lower_limit"),
        upper_limit=assessed.get("upper_limit"),
        assurance=(card["assurance"] or "not_assessed") if has_target else "no_target",
        target_low=low_target,
        target_high=high_target,
        reason=assessed.get(f"reason_{lang}") or assessed.get("reason_en"),
    )


def run_of(points: Sequence[Row], rule: str | None) -> tuple[int, bool]:
    """How many points of the newest phase, ending with the latest, the rule speaks of, and on which side they lie (which
    way they go).
    """
    charted = [
        point
        for point in points
        if point["phase"] == points[-1]["phase"]
        and point["charted"] is not None
        and point["mean"] is not None
    ]
    if not charted:
        return 0, True
    if rule == "seven_point_trend":
        steps = [after["charted"] - earlier["charted"] for earlier, after in pairwise(charted)]
        high = bool(steps) and steps[-1] > 0
        return 1 + sum(1 for _ in takewhile(lambda step: (step > 0) == high and step, reversed(steps))), high
    sides = [point["charted"] - point["mean"] for point in charted]
    high = sides[-1] > 0
    return sum(1 for _ in takewhile(lambda side: (side > 0) == high and side, reversed(sides))), high


def state_group(variation: str | None) -> str:
    """One of the five marks that a variation is counted and drawn under: improvement, concern, changed, common_cause,
    not_assessed."""
    if variation in ("neutral_high", "neutral_low"):
        return "changed"
    return variation if variation in ("improvement", "concern", "common_cause") else "not_assessed"


def target_state(trend: str | None, target_type: str | None, *, inside: bool | None = None) -> str:
    """The key of the word about a target (`above`, `below`, `within`, `near`, `none`) from the marts' comparison with
    it: `trend` is up, down or stable; for a range `inside` says whether the figure lies in it."""
    if target_type is None or trend is None:
        return "none"
    if target_type == "range" and inside:
        return "within"
    return {"up": "above", "down": "below"}.get(trend, "near")


def status_word(status: str | None, trend: str | None) -> str:
    """The key of a comparison's word: a movement without a better direction is named by its way only."""
    if status == "neutral":
        return {"up": "higher", "down": "lower"}.get(trend or "", "stable")
    return status if status in ("favourable", "unfavourable", "stable") else "no_comparison"


def level(reading: Reading, lang: Lang) -> str:
    """`In September 2026, the figure is 84.1%.`"""
    if reading.value is None:
        return text("level.none", lang)
    at = period_in(reading.period_start, reading.period_grain, lang)
    return text("level.is", lang, in_period=at, value=_figure(reading, reading.value, lang))


def movement(reading: Reading, moved: Number, change_unit: str, base: date, lang: Lang) -> str:
    """`September 2026 is 1.2 points lower than August 2026. That is within the usual variation.`

    `moved` is in `change_unit` (`pp` or `percent`), as the marts give it. The second sentence stands only where the
    latest point is no signal.
    """
    key = "same" if moved == 0 else "higher" if moved > 0 else "lower"
    said = text(
        f"moved.{key}",
        lang,
        this=period_of(reading.period_start, reading.period_grain, lang),
        amount=change(-moved if moved < 0 else moved, change_unit, lang, signed=False),
        base=period_of(base, reading.period_grain, lang),
    )
    # A seasonal chart judges the difference from a year before, so it says nothing of this movement.
    if reading.variation == "common_cause" and reading.signal_basis != "same_season":
        said += " " + text("sentence.common_cause_moved", lang)
    return said


def signal(reading: Reading, lang: Lang) -> str:
    """What the chart says about the latest point, in two or three sentences."""
    if reading.variation == "not_suitable":
        if reading.reason:
            return text("sentence.not_suitable", lang, reason=reading.reason)
        return text("sentence.not_suitable_plain", lang)
    if reading.variation == "too_few_points":
        return text("sentence.too_few_points", lang)
    said = [_pattern(reading, lang), *([_conclusion(reading, lang)] if reading.special_cause else [])]
    if _is_seasonal(reading):
        said.append(text("sentence.seasonal", lang))
    if reading.is_trial:
        said.append(text("sentence.trial", lang, count=reading.phase_points))
    return " ".join(said)


def _pattern(reading: Reading, lang: Lang) -> str:
    # The points of a seasonal chart are differences from a year before; its sentences must not speak of the figure.
    sentence = "seasonal" if reading.signal_basis == "same_season" else "sentence"
    mean = _charted(reading, reading.mean, lang)
    if reading.special_cause is None:
        return text(f"{sentence}.common_cause", lang, value=_figure(reading, reading.value, lang), mean=mean)
    limit = reading.upper_limit if reading.high else reading.lower_limit
    grain = f"grain.{reading.period_grain}"
    return text(
        f"{sentence}.{reading.special_cause}.{_side(reading)}",
        lang,
        last=_last(reading, lang),
        all=text(f"{grain}.all", lang),
        each=text(f"{grain}.each", lang),
        before=text(f"{grain}.before", lang),
        this=period_of(reading.period_start, reading.period_grain, lang),
        mean=mean,
        limit=_charted(reading, limit, lang),
    )


def _conclusion(reading: Reading, lang: Lang) -> str:
    kind = reading.variation if has(f"sentence.{reading.variation}") else "neutral"
    return text(f"sentence.{kind}", lang)


def target(reading: Reading, lang: Lang) -> str:
    """What the target asks, and whether the usual range lies on its good side, on its bad side or around it."""
    if reading.assurance == "no_target":
        return text("target_sentence.no_target", lang)
    grain = f"grain.{reading.period_grain}"
    return text(
        f"target_sentence.{reading.assurance}",
        lang,
        target=target_figure(reading, lang),
        low=_figure(reading, reading.lower_limit, lang),
        high=_figure(reading, reading.upper_limit, lang),
        **{name: text(f"{grain}.{name}", lang) for name in ("some", "others", "every", "none")},
    )


def target_figure(reading: Reading, lang: Lang) -> str:
    """The target as a figure: `85.0%`, or `75.0% to 85.0%` where it is a range."""
    low, high = reading.target_low, reading.target_high
    if low is None or high is None or low == high:
        return _figure(reading, high if low is None else low, lang)
    low_text, high_text = (_figure(reading, end, lang) for end in (low, high))
    return text("target_sentence.range", lang, low=low_text, high=high_text)


def finding(reading: Reading, lang: Lang) -> str:
    """The heading over the chart: `Improving: the last eight months are above the mean`."""
    if reading.special_cause is None or reading.variation in ("not_suitable", "too_few_points"):
        return text(f"finding.{reading.variation}", lang)
    last = _last(reading, lang)
    return text(
        f"finding.{reading.special_cause}.{_side(reading)}",
        lang,
        state=text(f"signal_group.{state_group(reading.variation)}", lang),
        last=last[:1].lower() + last[1:],
        period=period(reading.period_start, reading.period_grain, lang),
    )


def _side(reading: Reading) -> str:
    return "high" if reading.high else "low"


def _last(reading: Reading, lang: Lang) -> str:
    run = 3 if reading.special_cause == "two_of_three_near_limit" else reading.run
    return text(f"grain.{reading.period_grain}.last", lang, number=numeral(run, lang))


def _figure(reading: Reading, value: Number | None, lang: Lang) -> str:
    return figure(value, reading.unit, reading.decimals, lang)


def _is_seasonal(reading: Reading) -> bool:
    """Whether the chart shows differences from the same season a year earlier."""
    return reading.signal_basis == "same_season"


def _charted(reading: Reading, value: Number | None, lang: Lang) -> str:
    """A mean or limit as the chart has it: of differences with its sign, of shares then in points."""
    if not _is_seasonal(reading) or value is None:
        return _figure(reading, value, lang)
    return difference(value, reading.unit, reading.decimals, lang)
