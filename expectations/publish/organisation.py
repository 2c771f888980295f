"""Divisions: one present name each, and every KPI has an owner among them."""

from __future__ import annotations

from cityperf.quality.gate import Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

OWNER = "City Manager's Office"


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="one_present_name",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select division_code, count(*) filter (where is_current_name) as names from t "
                "where division_code is not null group by division_code having count(*) filter (where is_current_name) <> 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="exactly one present name for each division",
            remedy="see the seed divisions",
        ),
        Rule(
            check="every_owner_joins",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select k.kpi_id, k.owner from publish_next.kpi as k left join t "
                "on t.organisation_name = k.owner where t.organisation_name is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="every KPI's owner among the divisions",
            remedy="see the organisation mart",
        ),
    ]
