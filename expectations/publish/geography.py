"""Areas: every figure's area is among them, and each lies in one that is there."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="every_figure_joins",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select distinct v.geography_type, v.geography_code from publish_next.kpi_value as v left join t "
                "on t.geography_type = v.geography_type and t.geography_code = v.geography_code "
                "where t.geography_code is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="a row for every area that a figure is about",
            remedy="the area's code is not that of a seed: see the KPI's SQL and the geography mart",
        ),
        Rule(
            check="parents_are_there",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.geography_type, t.geography_code, t.parent_code from t left join t as parent "
                "on parent.geography_type = t.parent_type and parent.geography_code = t.parent_code "
                "where t.parent_code is not null and parent.geography_code is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="every area to lie in an area that is there",
            remedy="see the geography mart",
        ),
    ]
