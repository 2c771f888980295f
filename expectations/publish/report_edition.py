"""Editions: what was frozen stays as it was, and the counts are those of the figures."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

FROZEN = (
    "release_number",
    "night",
    "as_of",
    "period_start",
    "period_end",
    "title_en",
    "title_fr",
    "signed_off_by",
)


def rules(candidate: Candidate) -> list[Rule]:
    found = [
        Rule(
            check="counts_its_figures",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.edition_id, t.kpis, t.figures, t.figures_restated, count(f.kpi_id) as counted from t "
                "left join publish_next.report_edition_figure as f on f.edition_id = t.edition_id "
                "group by t.edition_id, t.kpis, t.figures, t.figures_restated "
                "having (t.kpis, t.figures, t.figures_restated) is distinct from (count(f.kpi_id), "
                "count(f.value), count(*) filter (where f.is_restated))"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#editions",
            expected="each edition's counts to be those of its figures",
            remedy="see the mart mart_report_edition",
        ),
        Rule(
            check="frozen_on_or_after_its_date",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select edition_id, as_of, night, release_number from t where night < as_of "
                "or release_number > (select max(number) from publish_next.release)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#editions",
            expected="each edition to be frozen by a release of its date or later, and by none to come",
            location="columns as_of, night and release_number",
            remedy="see the mart report_edition_standing",
        ),
    ]
    if candidate.has("report_edition", "edition_id", *FROZEN):
        found.append(
            Rule(
                check="frozen_stays_frozen",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select f.edition_id, f.release_number as was, t.release_number as is_now "
                    "from publish.report_edition as f left join t on t.edition_id = f.edition_id "
                    f"where ({_of('f')}) is distinct from ({_of('t')})"
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#editions",
                expected="every edition that readers have seen, word by word as they saw it",
                remedy="ops.report_edition holds what was frozen; if it was lost, restore ops from its backup",
            )
        )
    return found


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in FROZEN)
