"""Data quality: every data set stands in it, counts are counts."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="no_negative_counts",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select dataset, rows_loaded, rows_quarantined from t where least(rows_loaded, "
                "rows_quarantined, rows_discarded, checks_passed, checks_warned, checks_failed) < 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="counts of zero or more",
            remedy="see the data quality mart",
        ),
        Rule(
            check="delivered_by_the_night",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select dataset, last_delivery_night from t "
                "where last_delivery_night > (select max(night) from publish_next.release)"
            ),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="last deliveries up to the night of the release",
            location="column last_delivery_night",
            remedy="an earlier night was run again after a later one: expected in a backfill only",
        ),
    ]
