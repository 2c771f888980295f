"""Innovation stints: every stint has ended or runs."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="statuses_add_up_to_all",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, start_year, stints from t "
                "where stints <> ended + running or ended < worked + worked_in_part + failed + stopped_early"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="stints that ended and that run to add up to all",
            remedy="see the stint mart",
        )
    ]
