"""Provenance: hashes that are hashes, and a way back from every KPI that has figures."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="sha256_form",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select subject, dataset, file_name, sha256 from t where sha256 !~ '^[0-9a-f]{{64}}$'"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#provenance",
            expected="SHA-256 of 64 hexadecimal digits",
            location="column sha256",
            remedy="see ops.landed_file",
        ),
        Rule(
            check="every_figure_has_a_way_back",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select distinct v.kpi_id from publish_next.kpi_value as v where not exists "
                "(select from t where t.subject_type = 'kpi' and t.subject = v.kpi_id)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#provenance",
            expected="at least one landed file behind every KPI with figures",
            remedy="the KPI's model reads no source that dbt knows: use source() and ref()",
        ),
    ]
