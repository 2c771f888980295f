"""Views of figures: an interval holds its share."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="interval_around_the_share",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, view_value, lower_bound, upper_bound from t where view_value not "
                "between lower_bound and upper_bound"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="every share inside its own interval",
            remedy="see wilson_bound in the macros",
        ),
    ]
