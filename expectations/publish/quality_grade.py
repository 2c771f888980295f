"""Quality grades: scores are shares of one, and a grade is that of its score."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="grade_is_that_of_its_score",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select origin, package, resource, score, grade from t where grade is distinct from case "
                "when score <= 0.6 then 'Bronze' when score <= 0.8 then 'Silver' when score <= 1 then 'Gold' end "
                "or score not between 0 and 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="scores from 0 to 1, Bronze up to 0.6, Silver up to 0.8, Gold above",
            location="columns score and grade",
            remedy="see quality_score and quality_grade_of in the macros",
        ),
    ]
