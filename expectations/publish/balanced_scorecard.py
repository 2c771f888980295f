"""Balanced scorecard: attainments lie between nothing and all, and the tree adds up."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="attainment_0_to_1",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select node_level, node, attainment from t where attainment not between 0 and 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="attainments from 0 to 1",
            location="column attainment",
            remedy="see how the balanced scorecard's mart divides figure and target",
        ),
        Rule(
            check="parent_is_made_of_its_children",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select parents.node, parents.attainment, sum(t.weight_share * t.attainment) as of_children "
                "from t join t as parents on parents.node = t.parent where t.attainment is not null "
                "group by parents.node, parents.attainment "
                "having abs(sum(t.weight_share * t.attainment) - parents.attainment) > 0.000001 "
                "or parents.attainment is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="every attainment to be the weighted mean of those below it",
            location="column attainment",
            remedy="see the balanced scorecard's mart; weights are those of the seed objectives",
        ),
        Rule(
            check="every_active_kpi_has_its_place",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select k.kpi_id, k.objective from publish_next.kpi as k "
                "left join t on t.node_level = 'kpi' and t.node = k.kpi_id and t.parent = k.objective "
                "where k.is_active and k.is_registered and k.lifecycle_state = 'active' and t.node is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="every active KPI of the registry under its objective",
            remedy="give the KPI an objective of the seed (./cityperf kpi check)",
        ),
    ]
