"""Forecasts tried on the past: shown exactly where they helped, and a reason wherever they are not."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="shown_or_said_why",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.is_shown, t.mean_error, t.naive_error, t.reason_en from t "
                "where t.is_shown = (t.reason_en is not null) "
                "or (t.is_shown and not coalesce(t.mean_error < t.naive_error, false))"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a forecast shown where it did better than the same season a year before, else a reason",
            location="columns is_shown and reason_en",
            remedy="see cityperf.forecast.tried",
        ),
    ]
