"""Surveys: nothing on fewer than 30 answers, and no margin of error where anybody could answer."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="small_bases_are_suppressed",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, wave_id, question_id from t where valid_answers between 1 and 29 or "
                "is_suppressed <> (valid_answers is null) or (is_suppressed and "
                "coalesce(answers, top_two_share, margin_of_error, effective_base, response_rate, z) is not null)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#suppression",
            expected="neither base nor figure on fewer than 30 valid answers",
            remedy="see `disclosure` of the publish model",
        ),
        Rule(
            check="open_links_are_no_sample",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, wave_id, question_id from t "
                "where is_open_link and coalesce(margin_of_error, z, response_rate) is not null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#suppression",
            expected="no margin of error, response rate or test of an open link",
            remedy="see the survey mart",
        ),
    ]
