"""Forecasts: what is tried, what is shown, and how wide the interval is."""

from __future__ import annotations

import math
from datetime import date

import pytest
from cityperf.forecast import (
    FEWEST,
    STEPS,
    Series,
    add_periods,
    quantile,
    seasonal_naive,
    tried,
    unbroken,
)


def series(values: list[float], grain: str = "month", unit: str = "number") -> Series:
    starts = [add_periods(date(2018, 1, 1), grain, place) for place in range(len(values))]
    return Series("1.13", 1, "city", "toronto", grain, unit, tuple(starts), tuple(values))


def growing(months: int, season: float = 10.0) -> list[float]:
    """A trend with seasons and a little that neither explains: what a naive forecast always falls behind."""
    return [
        100 + 1.5 * month + season * math.sin(month * math.pi / 6) + 0.5 * math.sin(month * 2.39)
        for month in range(months)
    ]


@pytest.mark.parametrize(
    ("start", "grain", "count", "expected"),
    [
        (date(2026, 11, 1), "month", 2, date(2027, 1, 1)),
        (date(2026, 10, 1), "quarter", 1, date(2027, 1, 1)),
        (date(2026, 12, 1), "season", 1, date(2027, 3, 1)),
        (date(2026, 1, 1), "year", 4, date(2030, 1, 1)),
        (date(2026, 1, 1), "month", -1, date(2025, 12, 1)),
    ],
)
def test_periods_are_counted_in_months(start: date, grain: str, count: int, expected: date) -> None:
    assert add_periods(start, grain, count) == expected


def test_only_the_newest_run_without_a_gap_is_used() -> None:
    points = [(date(2026, month, 1), float(month)) for month in (1, 2, 4, 5, 6)]
    assert [start.month for start, _ in unbroken("month", points)] == [4, 5, 6]
    empty: list[tuple[date, float | None]] = [*points[:4], (date(2026, 6, 1), None)]
    assert unbroken("month", empty) == []


def test_seasonal_naive_repeats_the_last_year() -> None:
    assert seasonal_naive([1, 2, 3, 4, 5, 6, 7, 8], 4, 6) == [5, 6, 7, 8, 5, 6]
    assert seasonal_naive([1, 2, 9], 1, 2) == [9, 9]


def test_interval_takes_the_error_that_four_fifths_do_not_exceed() -> None:
    """Split conformal: of 24 errors the 20th, ceil(25 x 0.8)."""
    assert quantile([float(n) for n in range(1, 25)], 0.8) == 20
    assert quantile([3.0], 0.8) == 3


def test_forecast_that_beats_the_naive_one_is_shown_with_its_interval() -> None:
    outcome = tried(series(growing(72)))
    assert outcome.reason is None
    assert outcome.mean_error is not None and outcome.naive_error is not None
    assert outcome.mean_error < 0.5 * outcome.naive_error
    assert [step.period_start for step in outcome.steps] == [date(2024, month, 1) for month in (1, 2, 3, 4)]
    came = growing(76)[72:]
    assert all(step.low < step.value < step.high for step in outcome.steps)
    assert sum(step.low <= actual <= step.high for step, actual in zip(outcome.steps, came, strict=True)) >= 3
    widths = [step.high - step.low for step in outcome.steps]
    assert widths == sorted(widths)


def test_forecast_no_better_than_the_same_season_a_year_before_is_not_shown() -> None:
    seasons = [float(7 * (month % 12) ** 2 % 23) for month in range(72)]
    outcome = tried(series(seasons))
    assert (outcome.reason, outcome.naive_error, outcome.steps) == ("not_better", 0, ())


@pytest.mark.parametrize("grain", sorted(FEWEST))
def test_short_series_are_not_tried(grain: str) -> None:
    short = tried(series(growing(FEWEST[grain] - 1), grain))
    assert (short.reason, short.origins, short.steps) == ("too_short", 0, ())
    assert tried(series(growing(FEWEST[grain]), grain)).reason != "too_short"


def test_counts_do_not_fall_below_zero_and_shares_do_not_pass_one() -> None:
    falling = [max(0.0, 71 - month + math.sin(month)) for month in range(72)]
    lows = [step.low for step in tried(series(falling)).steps]
    assert len(lows) == STEPS and min(lows) == 0
    rising = [min(1.0, 0.3 + month / 103 + 0.01 * math.sin(month)) for month in range(72)]
    highs = [step.high for step in tried(series(rising, unit="percent")).steps]
    assert len(highs) == STEPS and max(highs) == 1
    assert series([-1.0, 2.0]).bounds == (-math.inf, math.inf)


def test_same_figures_make_the_same_fingerprint_and_other_ones_another() -> None:
    figures = growing(48)
    assert series(figures).fingerprint == series(list(figures)).fingerprint
    assert series(figures).fingerprint != series([*figures[:-1], figures[-1] + 0.1]).fingerprint
    assert series(figures).fingerprint != series(figures, unit="percent").fingerprint
