"""Partnerships: active ones are part of all."""

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
                "select division, kind, partnerships, active from t "
                "where active > partnerships or contribution < 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more active partnerships than partnerships",
            remedy="see the partnership mart",
        )
    ]
