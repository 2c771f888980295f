"""Requests: what was answered on time was answered."""

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
                "select division, request_type, quarter_due, requests, judged, within_standard from t "
                "where within_standard > judged or judged > requests"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more requests within the standard than judged, nor judged than all",
            remedy="see the request mart",
        )
    ]
