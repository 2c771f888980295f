"""Revisions: parts of the figures."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="revised_within_figures",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, figures, figures_revised from t where figures_revised > figures "
                "or abs(mean_revision) > mean_absolute_revision"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no more revised than published, and no mean larger than the mean size",
            remedy="see the mart kpi_revision",
        ),
    ]
