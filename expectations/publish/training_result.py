"""Training: no mean score of fewer than eleven people."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="small_groups_are_suppressed",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, course, held_year from t "
                "where coalesce(tested, 0) < 11 and coalesce(pre_score, post_score, score_gain) is not null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#suppression",
            expected="no mean score of fewer than 11 people",
            remedy="see the publish model",
        )
    ]
