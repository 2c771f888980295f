"""What `explain` says: counted from published points, in words that name no cause."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cityperf.site import sentences
from cityperf.site.sentences import Reading, run_of


def points(*charted: float, mean: float = 10) -> list[dict[str, Any]]:
    return [{"phase": 1, "charted": Decimal(str(each)), "mean": Decimal(str(mean))} for each in charted]


@pytest.mark.parametrize(
    ("charted", "rule", "expected"),
    [
        ((9, 11, 12, 11, 12, 11, 12, 11, 12), "seven_on_one_side", (8, True)),
        ((12, 10, 9, 9, 8, 9, 9, 9, 9), "seven_on_one_side", (7, False)),  # a point on the mean ends the run
        ((5, 9, 8, 7, 6, 5, 4, 3), "seven_point_trend", (7, False)),
        ((1, 2, 3, 4, 5, 6, 7, 8), "seven_point_trend", (8, True)),
        ((9, 11), "outside_limits", (1, True)),
        ((), None, (0, True)),
    ],
)
def test_a_run_is_counted_back_from_the_latest_point(
    charted: tuple[float, ...], rule: str | None, expected: tuple[int, bool]
) -> None:
    assert run_of(points(*charted), rule) == expected


def test_a_run_ends_where_the_phase_began() -> None:
    before = [{**each, "phase": 1} for each in points(11, 11, 11)]
    assert run_of(before + [{**each, "phase": 2} for each in points(11, 12)], "seven_on_one_side") == (
        2,
        True,
    )


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize(
    "rule",
    ["outside_limits", "seven_on_one_side", "seven_point_trend", "two_of_three_near_limit", None],
)
def test_a_seasonal_chart_speaks_of_differences_never_of_the_figure(
    rule: str | None, lang: sentences.Lang
) -> None:
    reading = Reading(
        date(2026, 9, 1),
        "month",
        "percent",
        1,
        Decimal("0.4"),
        variation="concern" if rule else "common_cause",
        special_cause=rule,
        signal_basis="same_season",
        mean=Decimal("0.003"),
        lower_limit=Decimal("-0.02"),
        upper_limit=Decimal("0.025"),
    )
    said = sentences.signal(reading, lang)
    assert (
        ("from a year earlier" in said or "and a year earlier" in said) if lang == "en" else "écart" in said
    )
    assert "40" not in said and "%" not in said  # the figure is 40 %; differences of shares are points
    moved = sentences.movement(reading, Decimal("1.2"), "pp", date(2026, 8, 1), lang)
    assert moved.count(".") == (2 if lang == "en" else 1)
