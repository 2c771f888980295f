"""What is hidden: no more cells than there are."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="part_within_whole",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select table_name, measure, hidden, cells from t where hidden > cells or hidden < 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more hidden cells than cells",
            remedy="see mart_suppression",
        )
    ]
