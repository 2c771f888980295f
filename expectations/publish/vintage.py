"""Vintages: the nights that the figures name, counted as they are."""

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
                "select coalesce(t.vintage, v.vintage) as vintage, t.figures, v.figures as written from t full join "
                "(select vintage, count(*) as figures from publish_next.kpi_value group by vintage) as v "
                "on v.vintage = t.vintage where v.figures is distinct from t.figures"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="every night of the figures, with as many figures as it wrote",
            remedy="see the vintage mart",
        ),
        Rule(
            check="kinds_add_up",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select vintage, figures from t where figures <> figures_new + figures_changed + figures_withdrawn"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="new, changed and withdrawn figures to add up",
            remedy="see the vintage mart",
        ),
    ]
