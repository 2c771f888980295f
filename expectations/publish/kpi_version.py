"""Versions of definitions: one counts now, and every published figure belongs to one that is listed."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="one_current_version",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select k.kpi_id, k.version, count(t.kpi_id) as current_versions from publish_next.kpi as k "
                "left join t on t.kpi_id = k.kpi_id and t.is_current and t.kpi_version = k.version "
                "group by k.kpi_id, k.version having count(t.kpi_id) <> 1"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="one current version per KPI, that of the registry",
            remedy="see the mart kpi_version and `versions` in the KPI's YAML",
        ),
        Rule(
            check="a_break_says_what_changed",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule("select kpi_id, kpi_version from t where is_break and note_en is null"),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a note wherever a definition changed",
            location="column note_en",
            remedy="add the version to `versions` in the KPI's YAML, with its day and a note in both languages",
        ),
    ]
