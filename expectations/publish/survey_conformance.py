"""Surveys: eight checks, and conformant means that none is missed."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="checks_counted",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, instrument_id, checks_met, checks_missed from t "
                "where checks_met + checks_missed > 8 or is_conformant <> (checks_missed = 0)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="at most eight checks, and conformance that follows from them",
            remedy="see the survey conformance mart",
        )
    ]
