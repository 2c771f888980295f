"""The next four periods of KPIs, with an interval, shown only where a try on the past says that it helps.

Theta (Assimakopoulos and Nikolopoulos, 2000, as statsmodels has it), on the newest figures of each period. It is tried
from the last periods whose outcome is known against the seasonal naive forecast (the same season a year before), and
shown where its mean absolute error is smaller. The interval comes from the errors of these tries (split conformal): they
grow with the step as the model says, sqrt(1 + (step - 1) alpha²), and four fifths of them fall inside. A series that has
not changed is left alone.
"""

from __future__ import annotations

import hashlib
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any, Final

from cityperf.config import Settings
from cityperf.db import connect

log = logging.getLogger(__name__)

STEPS: Final = 4
ORIGINS: Final = 6
CONFIDENCE: Final = 0.8
METHOD: Final = "theta, additive seasons; interval from its errors on the past"
SEASON: Final = {"month": 12, "quarter": 4, "season": 4, "year": 1}  # periods of a year
MONTHS: Final = {"month": 1, "quarter": 3, "season": 3, "year": 12}
FEWEST: Final = {
    "month": 36,
    "quarter": 16,
    "season": 16,
    "year": 12,
}  # points; fewer say nothing of a season


@dataclass(frozen=True)
class Step:
    """One period ahead: expected figure and the bounds of its interval, in the KPI's unit."""

    period_start: date
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """A KPI in one place: its unbroken run of newest periods, oldest first. `unit` is the registry's."""

    kpi_id: str
    kpi_version: int
    geography_type: str
    geography_code: str
    period_grain: str
    unit: str
    starts: tuple[date, ...]
    values: tuple[float, ...]

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        return (self.kpi_id, self.kpi_version, self.geography_type, self.geography_code, self.period_grain)

    @property
    def fingerprint(self) -> str:
        told = repr((METHOD, STEPS, ORIGINS, self.unit, self.starts[-1].isoformat(), self.values))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def bounds(self) -> tuple[float, float]:
        """Within which a forecast has a meaning: counts are not negative, shares not above one."""
        low = 0.0 if min(self.values) >= 0 else -math.inf
        return low, 1.0 if self.unit == "percent" and low == 0 and max(self.values) <= 1 else math.inf


@dataclass(frozen=True)
class Tried:
    """How a series' forecast did in the past, beside the seasonal naive one, and the forecast where it is shown.

    `reason` says why it is not: too_short, not_better (than the naive one) or no_answer (of the method).
    """

    origins: int = 0
    mean_error: float | None = None
    naive_error: float | None = None
    coverage: float | None = None
    reason: str | None = None
    steps: tuple[Step, ...] = ()


def add_periods(start: date, grain: str, count: int) -> date:
    """First day of the period `count` periods after the one that starts on `start`."""
    months = start.year * 12 + start.month - 1 + MONTHS[grain] * count
    return date(months // 12, months % 12 + 1, 1)


def unbroken(grain: str, points: Sequence[tuple[date, float | None]]) -> list[tuple[date, float]]:
    """The newest points without a gap or an empty one between them, oldest first."""
    run: list[tuple[date, float]] = []
    for start, value in reversed(points):
        if value is None or (run and add_periods(start, grain, 1) != run[-1][0]):
            break
        run.append((start, value))
    return run[::-1]


def seasonal_naive(values: Sequence[float], season: int, steps: int) -> list[float]:
    """The same season a year before, again and again."""
    last = values[-season:]
    return [last[step % season] for step in range(steps)]


def ahead(values: Sequence[float], season: int, steps: int) -> tuple[list[float], list[float]]:
    """Figures of the next `steps` periods, and by what an error grows with each of them."""
    import numpy as np
    from statsmodels.tsa.forecasting.theta import ThetaModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        series = np.asarray(values, dtype=float)
        fitted = ThetaModel(
            series, period=season, deseasonalize=season > 1, difference=True, method="additive"
        ).fit()
        expected = [float(figure) for figure in fitted.forecast(steps)]
        alpha = float(fitted.params["alpha"])
    return expected, [math.sqrt(1 + step * alpha**2) for step in range(steps)]


def quantile(errors: Sequence[float], share: float) -> float:
    """The smallest error that at least `share` of them, and the next one, do not exceed (split conformal)."""
    place = min(math.ceil((len(errors) + 1) * share), len(errors))
    return sorted(errors)[place - 1]


def tried(series: Series) -> Tried:
    """Try the forecast on the series' own past, and make the next one where that did better than the naive one."""
    season, values = SEASON[series.period_grain], series.values
    if len(values) < FEWEST[series.period_grain]:
        return Tried(reason="too_short")
    ours: list[float] = []
    naive: list[float] = []
    scaled: list[list[float]] = []  # of each try: its errors, without their growth
    for origin in range(len(values) - STEPS - ORIGINS + 1, len(values) - STEPS + 1):
        known, came = values[:origin], values[origin : origin + STEPS]
        expected, growth = ahead(known, season, STEPS)
        errors = [abs(value - actual) for value, actual in zip(expected, came, strict=True)]
        ours += errors
        naive += [
            abs(v - actual) for v, actual in zip(seasonal_naive(known, season, STEPS), came, strict=True)
        ]
        scaled.append([error / by for error, by in zip(errors, growth, strict=True)])
    if not all(map(math.isfinite, ours)):
        return Tried(ORIGINS, reason="no_answer")
    outcome = Tried(
        ORIGINS, _short(sum(ours) / len(ours)), _short(sum(naive) / len(naive)), _coverage(scaled)
    )
    if not sum(ours) < sum(naive):
        return replace(outcome, reason="not_better")
    half = quantile([error for each in scaled for error in each], CONFIDENCE)
    expected, growth = ahead(values, season, STEPS)
    lowest, highest = series.bounds
    steps = tuple(
        Step(
            add_periods(series.starts[-1], series.period_grain, place),
            *(
                _short(min(max(figure, lowest), highest))
                for figure in (value, value - half * by, value + half * by)
            ),
        )
        for place, (value, by) in enumerate(zip(expected, growth, strict=True), 1)
    )
    return replace(outcome, steps=steps)


def _coverage(scaled: Sequence[Sequence[float]]) -> float:
    """Share of the errors inside the interval that the other tries give: what the interval is worth."""
    inside = total = 0
    for place, errors in enumerate(scaled):
        half = quantile([e for other, each in enumerate(scaled) if other != place for e in each], CONFIDENCE)
        inside += sum(error <= half for error in errors)
        total += len(errors)
    return _short(inside / total)


def _short(figure: float) -> float:
    """Six significant digits: what is beyond differs from machine to machine."""
    return float(f"{figure:.6g}")


def refresh(settings: Settings) -> int:
    """Bring `forecast.series` and `forecast.step` in step with the marts; returns how many series were done anew."""
    with connect(settings, "transformer") as connection:
        rows = connection.execute(
            "select c.kpi_id, c.kpi_version, c.geography_type, c.geography_code, c.period_grain, k.unit, "
            "c.period_start, c.value::float8 from marts.kpi_current as c join marts.kpi as k using (kpi_id) "
            "where k.suitable_for_signals and k.is_active and c.geography_type in ('city', 'country') "
            "order by 1, 2, 3, 4, 5, 6, c.period_start"
        ).fetchall()
        there = {
            tuple(row[:5]): row[5]
            for row in connection.execute(
                "select kpi_id, kpi_version, geography_type, geography_code, period_grain, fingerprint "
                "from forecast.series"
            )
        }
        wanted = list(_series(rows))
        for gone in there.keys() - {each.key for each in wanted}:
            _forget(connection, gone)
        new = [each for each in wanted if there.get(each.key) != each.fingerprint]
        for each in new:
            _forget(connection, each.key)
            _write(connection, each, _safely(each))
    return len(new)


def _series(rows: Sequence[tuple[Any, ...]]) -> list[Series]:
    found = []
    for (kpi_id, version, kind, code, grain, unit), points in groupby(rows, key=lambda row: row[:6]):
        run = unbroken(grain, [(row[6], row[7]) for row in points])
        if run:
            starts, values = zip(*run, strict=True)
            found.append(Series(kpi_id, version, kind, code, grain, unit, starts, values))
    return found


def _safely(series: Series) -> Tried:
    """A series that the method cannot digest costs its own forecast, not the night."""
    try:
        return tried(series)
    except (ArithmeticError, ValueError):
        log.exception("no forecast of %s", series.key)
        return Tried(reason="no_answer")


def _forget(connection: Any, key: tuple[Any, ...]) -> None:
    connection.execute(
        "delete from forecast.series where kpi_id = %s and kpi_version = %s and geography_type = %s "
        "and geography_code = %s and period_grain = %s",
        key,
    )


def _write(connection: Any, series: Series, outcome: Tried) -> None:
    connection.execute(
        "insert into forecast.series (kpi_id, kpi_version, geography_type, geography_code, period_grain, fingerprint, "
        "first_period, last_period, points, method, origins, mean_error, naive_error, coverage, is_shown, reason) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *series.key, series.fingerprint, series.starts[0], series.starts[-1], len(series.values), METHOD,
            outcome.origins, outcome.mean_error, outcome.naive_error, outcome.coverage, bool(outcome.steps),
            outcome.reason,
        ),
    )  # fmt: skip
    connection.cursor().executemany(
        "insert into forecast.step (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start, "
        "value, low, high, confidence) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (*series.key, each.period_start, each.value, each.low, each.high, CONFIDENCE)
            for each in outcome.steps
        ],
    )
