"""Improvement areas against the rest: groups of the same neighbourhoods."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="no_more_areas_than_there_are",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_type, improvement_areas, other_areas from t where "
                "improvement_areas + other_areas > right(geography_type, 3)::integer"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more neighbourhoods than the model has",
            remedy="a neighbourhood has two designations: see int_neighbourhood_designation",
        ),
    ]
