"""Budgets: the divisions add up to the whole."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="divisions_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select month_start from t where unit = 'All units' group by month_start "
                "having sum(actual) filter (where division = 'All divisions') "
                "<> sum(actual) filter (where division <> 'All divisions')"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the divisions to add up to the whole",
            remedy="see the unit resource mart",
        )
    ]
