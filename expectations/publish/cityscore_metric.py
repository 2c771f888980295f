"""CityScore by KPI: scores are whole hundredths."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="scores_are_whole_hundredths",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, month_score from t where month_score * 100 <> trunc(month_score * 100)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="scores rounded up to the hundredth",
            remedy="see cityscore_round_up in the macros",
        ),
    ]
