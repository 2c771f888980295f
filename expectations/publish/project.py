"""Projects: health is judged of active ones only, by its worst part."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="health_is_the_worst_part",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division, project_id, health from t where (health is not null) <> is_active or "
                "health <> case when 'red' in (schedule_health, risk_health, cost_health) then 'red' "
                "when 'yellow' in (schedule_health, risk_health, cost_health) then 'yellow' else 'green' end"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a health for each active project, the worst of its parts",
            remedy="see the project mart",
        )
    ]
