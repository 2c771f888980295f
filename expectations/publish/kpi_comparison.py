"""Comparisons: the direction-aware status, and no judgement where no direction is better."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

STATUSES = ["favourable", "unfavourable", "stable", "neutral", "no_comparison"]


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="allowed.status",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "status", "value_set": STATUSES},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected=f"status to be one of {', '.join(STATUSES)}",
            location="column status",
            remedy="readers colour by these words: mend the macro that names the status",
        ),
        Rule(
            check="status_present",
            expectation="ExpectColumnValuesToNotBeNull",
            arguments={"column": "status"},
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a status on every comparison",
            location="column status",
            remedy="nothing to compare with is no_comparison, never null",
        ),
        Rule(
            check="direction_none_is_never_judged",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.geography_code, t.comparison, t.status from t "
                "join publish_next.kpi as k using (kpi_id) "
                "where k.direction = 'none' and t.status in ('favourable', 'unfavourable')"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="no favourable or unfavourable status where the KPI has no desired direction",
            location="column status",
            remedy="without a better way a movement is neutral: mend the status macro",
        ),
        Rule(
            check="status_follows_direction",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.geography_code, t.comparison, t.trend, k.direction, t.status from t "
                "join publish_next.kpi as k using (kpi_id) where k.direction in ('up', 'down') "
                "and t.trend in ('up', 'down') and not (t.comparison = 'target' and k.target_type = 'range') "
                "and (t.status = 'favourable') is distinct from (t.trend = k.direction)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="favourable exactly where the figure moved the desired way",
            location="column status",
            remedy="compare docs of the status rule with the macro; check the KPI's direction",
        ),
        Rule(
            check="stable_within_threshold",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, comparison, current_value, compared_value, threshold, trend "
                "from t where current_value is not null and compared_value is not null "
                "and (trend = 'stable') is distinct from "
                "(abs(current_value - compared_value) <= abs(compared_value * threshold))"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="stable exactly where the movement lies within the threshold",
            location="column trend",
            remedy="mend the trend macro or the KPI's thresholds",
        ),
        Rule(
            check="one_headline",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_type, geography_code, count(*) filter (where is_headline) as "
                "headlines "
                "from t group by 1, 2, 3 having count(*) filter (where is_headline) > 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="at most one headline per KPI and area",
            location="column is_headline",
            remedy="see how the mart picks the headline",
        ),
    ]
