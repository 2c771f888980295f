"""Communications: what anybody may read is part of what came out."""

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
                "select division, channel, month_start, items, open_items from t "
                "where open_items > items or items < 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more open items than items",
            remedy="see the communications mart",
        )
    ]
