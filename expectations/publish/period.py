"""Periods: every figure's period is among them."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="every_figure_joins",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select distinct v.period_grain, v.period_start from publish_next.kpi_value as v left join t "
                "on t.period_grain = v.period_grain and t.period_start = v.period_start "
                "where t.period_start is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="a row for every period that a figure has",
            remedy="see the period mart",
        ),
        Rule(
            check="first_day_before_last",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select period_grain, period_start, period_end from t where period_start >= period_end"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="periods that end after they begin",
            remedy="see the period mart",
        ),
    ]
