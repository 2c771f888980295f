"""CityScore: KPIs that are counted were scored."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="standings_within_kpis",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select score_date, kpis, great, below_target from t where great + below_target > kpis"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more standings than KPIs",
            remedy="see the mart cityscore",
        ),
    ]
