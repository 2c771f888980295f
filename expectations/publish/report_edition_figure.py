"""Figures of editions: frozen ones stay, and what is beside them says truly what has become of them."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

CAUSES = ["revision", "late_data", "definition", "withdrawal"]
FROZEN = ("value", "kpi_version", "period_start", "status", "target_value", "definition_en", "definition_fr")


def rules(candidate: Candidate) -> list[Rule]:
    found = [
        Rule(
            check="allowed.restatement_cause",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "restatement_cause", "value_set": CAUSES},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected=f"restatement_cause to be one of {', '.join(CAUSES)}",
            location="column restatement_cause",
            remedy="see the mart mart_report_edition_figure",
        ),
        Rule(
            check="restated_where_it_differs",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select edition_id, kpi_id, value, latest_value, restatement_cause, restated_in_release from t "
                "where is_restated is distinct from (value is distinct from latest_value) "
                "or is_restated <> (restatement_cause is not null) "
                "or (restatement_cause = 'revision' and value is null) "
                "or (restated_in_release is not null and not is_restated)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#editions",
            expected="a cause on every figure that is another now, and on no other",
            remedy="see the mart mart_report_edition_figure",
        ),
        Rule(
            check="of_an_edition",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select t.edition_id, t.kpi_id from t "
                "left join publish_next.report_edition as e on e.edition_id = t.edition_id "
                "where e.edition_id is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#editions",
            expected="figures of editions that are there",
            remedy="see the marts report_edition_standing and report_edition_point",
        ),
    ]
    if candidate.has("report_edition_figure", "edition_id", "kpi_id", *FROZEN):
        found.append(
            Rule(
                check="frozen_stays_frozen",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select f.edition_id, f.kpi_id, f.value as was, t.value as is_now "
                    "from publish.report_edition_figure as f "
                    "left join t on t.edition_id = f.edition_id and t.kpi_id = f.kpi_id "
                    f"where ({_of('f')}) is distinct from ({_of('t')})"
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#editions",
                expected="every figure of an edition that readers have seen, as they saw it",
                remedy="ops.report_edition_figure holds what was frozen; if it was lost, restore ops from its backup",
            )
        )
    return found


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in FROZEN)
