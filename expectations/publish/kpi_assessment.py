"""Variation and assurance: unsuitable KPIs are said to be so, and say why."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="unsuitable_is_said",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.geography_code, t.variation from t "
                "join publish_next.kpi as k using (kpi_id) "
                "where (t.variation = 'not_suitable') = k.suitable_for_signals"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="not_suitable exactly where the registry says so",
            location="column variation",
            remedy="see suitable_for_signals in the KPI's YAML",
        ),
        Rule(
            check="no_better_direction_is_not_judged",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.geography_code, t.variation from t "
                "join publish_next.kpi as k using (kpi_id) "
                "where k.direction not in ('up', 'down') and t.variation in ('improvement', 'concern')"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="no improvement or concern where no direction is better",
            location="column variation",
            remedy="mend the mart's case expression",
        ),
        Rule(
            check="reason_present",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id from t join publish_next.kpi as k using (kpi_id) "
                "where t.variation = 'not_suitable' and k.is_registered and t.reason_en is null"
            ),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a reason wherever a KPI is not suitable for signals",
            location="column reason_en",
            remedy="add signals.reason to the KPI's YAML, in both languages",
        ),
    ]
