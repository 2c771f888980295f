"""Signals: a point's type agrees with its rule, and limits hold their mean."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="type_follows_cause",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, special_cause, point_type from t "
                "where (point_type = 'common_cause') is distinct from (special_cause is null)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="common_cause exactly where no rule is broken",
            location="column point_type",
            remedy="mend the mart's case expressions",
        ),
        Rule(
            check="limits_around_the_mean",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, lower_limit, mean, upper_limit from t "
                "where not mean between lower_limit and upper_limit"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="the mean between the limits",
            location="columns lower_limit, mean, upper_limit",
            remedy="mend the arithmetic of the limits",
        ),
        Rule(
            check="suitable_only",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.kpi_id, t.geography_code, t.period_start from t "
                "join publish_next.kpi as k using (kpi_id) where not k.suitable_for_signals"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#status",
            expected="no chart of a KPI that is declared unsuitable for signals",
            location="column kpi_id",
            remedy="see suitable_for_signals in the KPI's YAML and the filter of kpi_signal_series",
        ),
    ]
