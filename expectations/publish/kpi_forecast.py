"""Forecasts: inside their interval, after what is known, and only of KPIs whose forecast helped on its past."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="interval_holds_the_figure",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.period_start, t.low, t.value, t.high from t "
                "where not (t.low <= t.value and t.value <= t.high)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="low <= value <= high",
            location="columns low, value, high",
            remedy="see cityperf.forecast.tried",
        ),
        Rule(
            check="lies_ahead",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.period_start, max(v.period_start) as last_known from t "
                "join publish_next.kpi_value as v using (kpi_id, kpi_version, geography_type, geography_code, period_grain) "
                "where v.value is not null and not v.is_withdrawn group by 1, 2 "
                "having t.period_start <= max(v.period_start)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="forecasts of periods after the last known figure",
            location="column period_start",
            remedy="run the night again: the forecast was made of older figures than the release has",
        ),
        Rule(
            check="helped_on_its_past",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, r.mean_error, r.naive_error from t "
                "left join publish_next.kpi_forecast_trial as r "
                "using (kpi_id, kpi_version, geography_type, geography_code, period_grain) "
                "where r.is_shown is not true or not r.mean_error < r.naive_error"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a forecast only where it did better than the same season a year before",
            location="kpi_forecast_trial",
            remedy="see cityperf.forecast.tried",
        ),
    ]
