"""Roll-ups: parts make their whole, and what must not be summed is not."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="parts_make_the_whole",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, part_type, period_start, parts_value, whole_value, difference from t "
                "where verdict = 'differs' order by period_start desc, kpi_id"
            ),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="wards, neighbourhoods or divisions, with what none of them has, to make the city's figure",
            remedy="parts and whole are not made of the same records: see the KPI's SQL; where they cannot be, declare "
            "`rollup` in its YAML",
        ),
        Rule(
            check="not_summed_says_why",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, part_type, period_start from t where verdict = 'must_not_be_summed' "
                "and (parts_value is not null or reason_en is null or reason_fr is null)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no sum of medians and the like, but the reason in both languages",
            remedy="add `rollup.reason` to the KPI's YAML",
        ),
    ]
