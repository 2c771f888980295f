"""The scorecard: every KPI once, and a judgement only where there is a figure and a way that is better."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="every_kpi_once",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select coalesce(t.kpi_id, k.kpi_id) as kpi_id, k.kpi_id is not null as is_registered "
                "from t full join publish_next.kpi as k on k.kpi_id = t.kpi_id "
                "where t.kpi_id is null or k.kpi_id is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="one tile for every KPI of the registry and for no other",
            remedy="see the scorecard mart's joins",
        ),
        Rule(
            check="direction_none_is_never_judged",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, status from t where direction = 'none' and (is_target_met is not null or "
                "'favourable' in (status, previous_status, last_year_status, ytd_status) or "
                "'unfavourable' in (status, previous_status, last_year_status, ytd_status))"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="no judgement of a KPI where neither way is better",
            remedy="see the comparison mart",
        ),
    ]
