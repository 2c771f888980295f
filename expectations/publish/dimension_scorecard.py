"""Scorecards: the parts add up to the whole."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="statuses_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select dimension, comparison, kpis from t "
                "where kpis <> favourable + unfavourable + stable + neutral + no_comparison"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="the statuses to add up to the KPIs counted",
            remedy="a status is counted twice or not at all: see the scorecard mart",
        ),
        Rule(
            check="targets_met_within_set",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select dimension, comparison, targets_met, targets_set from t where targets_met > "
                "targets_set"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="no more targets met than set",
            remedy="see the scorecard mart",
        ),
    ]
