"""The second border: a candidate's tables are checked before the swap. One failed blocking check holds it
back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.publish.swap import LIVE, NEXT, mark
from cityperf.publish.tables import Table, tables
from cityperf.quality import known
from cityperf.quality.results import CheckResult, Gate, Rule, record, record_run, result_of, with_history
from cityperf.quality.suites import modules, opened_source, run, sql_rule

OWNER: Final = "Performance Office"
TABLES: Final = (
    "action_item_ageing",
    "ai_inventory",
    "audit_ageing",
    "balanced_scorecard",
    "benchmark",
    "budget_variance",
    "catalogue",
    "cityscore",
    "cityscore_metric",
    "commitment",
    "commitment_progress",
    "communication",
    "composite_component",
    "composite_index",
    "data_quality",
    "dimension_scorecard",
    "engagement",
    "equity_cut",
    "geography",
    "innovation_stint",
    "kpi",
    "kpi_assessment",
    "kpi_comparison",
    "kpi_forecast",
    "kpi_forecast_trial",
    "kpi_revision",
    "kpi_signal",
    "kpi_value",
    "kpi_version",
    "kpi_view",
    "milestone_progress",
    "neighbourhood_indicator",
    "organisation",
    "partnership",
    "period",
    "poc_outcome",
    "process_improvement",
    "project",
    "provenance",
    "quality_grade",
    "release",
    "report_card",
    "report_edition",
    "report_edition_figure",
    "request_response",
    "restatement",
    "risk",
    "rollup_reconciliation",
    "scorecard",
    "service_savings",
    "solution_adoption",
    "suppression_log",
    "survey_conformance",
    "survey_result",
    "training_result",
    "vintage",
)
MAY_BE_EMPTY: Final = frozenset(
    {
        "action_item_ageing",
        "ai_inventory",
        "audit_ageing",
        "benchmark",
        "budget_variance",
        "cityscore",
        "cityscore_metric",
        "commitment",
        "commitment_progress",
        "communication",
        "composite_component",
        "composite_index",
        "dimension_scorecard",
        "engagement",
        "equity_cut",
        "innovation_stint",
        "kpi_assessment",
        "kpi_comparison",
        "kpi_forecast",
        "kpi_forecast_trial",
        "kpi_revision",
        "kpi_signal",
        "kpi_view",
        "milestone_progress",
        "neighbourhood_indicator",
        "partnership",
        "poc_outcome",
        "process_improvement",
        "project",
        "provenance",
        "quality_grade",
        "report_card",
        "report_edition",
        "report_edition_figure",
        "request_response",
        "restatement",
        "risk",
        "rollup_reconciliation",
        "service_savings",
        "solution_adoption",
        "suppression_log",
        "survey_conformance",
        "survey_result",
        "training_result",
    }
)
FEWEST: Final = 0.8  # of the rows that the release that is up has; kpi_value only ever grows


@dataclass(frozen=True)
class Candidate:
    """What suites may know of the candidate and of the release that is up. `unlicensed`: data sets without
    licence."""

    night: date
    profile: str
    number: int | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)
    live: Mapping[str, Table] = field(default_factory=dict)
    live_rows: Mapping[str, int] = field(default_factory=dict)
    unlicensed: frozenset[str] = frozenset()

    def has(self, table: str, *columns: str) -> bool:
        """Whether the release that is up has a table with these columns, to compare with."""
        known_table = self.live.get(table)
        return known_table is not None and set(columns) <= {c.name for c in known_table.columns}


def publish_rules(candidate: Candidate) -> dict[str, list[Rule]]:
    """Every publish table's suite: what holds for all tables, then what its module in expectations/publish
    adds."""
    written = modules("publish")
    names = sorted({*TABLES, *candidate.tables})
    return {
        name: _common(name, candidate) + (written[name].rules(candidate) if name in written else [])
        for name in names
    }


def check_publish(settings: Settings, night: date) -> Gate:
    """Run every suite on publish_next as role publisher, write the results, and say whether the candidate may
    go up.

    A table that is expected and missing blocks. Known issues that have not expired do not.
    """
    from cityperf.privacy import audit

    began = time.perf_counter()
    issues = known.read_known_issues()
    with connect(settings, "publisher") as connection:
        mark(settings, connection)
        candidate = _look(settings, connection, night)
    results: list[CheckResult] = []
    with opened_source(settings, "publisher") as source:
        for name, rules in publish_rules(candidate).items():
            suite = f"publish.{name}"
            if name not in candidate.tables:
                results.append(result_of(_present(name), "publish", suite, name, False, "no such table"))
                continue
            results.append(result_of(_present(name), "publish", suite, name, True, "it"))
            results += [
                result_of(v.rule, "publish", suite, name, v.ok, v.found)
                for v in run(settings, "publisher", NEXT, name, rules, source)
            ]
    # What the audit of hidden cells finds, no known issue waives.
    judged = [*known.apply_known(results, issues, night), *audit(settings)]
    with connect(settings, "publisher") as connection:
        judged = with_history(connection, night, judged)
        connection.execute("delete from ops.check_result where night = %s and border = 'publish'", (night,))
        record(connection, night, judged)
        known.store(connection, issues)
        record_run(connection, night, "publish", "all tables", time.perf_counter() - began)
    return Gate(ok=not any(result.blocks for result in judged), results=judged)


def _look(settings: Settings, connection: Connection[Any], night: date) -> Candidate:
    from cityperf.sources import load_contracts

    live = tables(connection, LIVE)
    rows = {name: _count(connection, table) for name, table in live.items()}
    number = connection.execute("select max(number) from ops.release where state = 'candidate'").fetchone()
    return Candidate(
        night=night,
        profile=settings.profile,
        number=number[0] if number else None,
        tables=tables(connection, NEXT),
        live=live,
        live_rows=rows,
        unlicensed=frozenset(d for d, contract in load_contracts().items() if contract.licence is None),
    )


def _count(connection: Connection[Any], table: Table) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(table.identifier)).fetchone()
    return int(row[0]) if row else 0


def _present(name: str) -> Rule:
    return Rule(
        check="table_present",
        expectation="",
        arguments={},
        severity="block",
        owner=OWNER,
        runbook="publish.md#tables",
        expected=f"table {name} in the candidate",
        remedy="see why dbt did not build it (./cityperf status), then run the night again",
    )


def _common(name: str, candidate: Candidate) -> list[Rule]:
    table = candidate.tables.get(name)
    rules = []
    if name not in MAY_BE_EMPTY:
        rules.append(
            Rule(
                check="not_empty",
                expectation="ExpectTableRowCountToBeBetween",
                arguments={"min_value": 1},
                severity="block",
                owner=OWNER,
                runbook="publish.md#rows",
                expected="at least one row",
                remedy="see which mart it is made of and why that is empty",
            )
        )
    if candidate.live_rows.get(name):
        before = candidate.live_rows[name]
        share = 1.0 if name == "kpi_value" else FEWEST
        fewest = -int(-before * share // 1)
        rules.append(
            Rule(
                check="row_count",
                expectation="ExpectTableRowCountToBeBetween",
                arguments={"min_value": fewest},
                severity="block",
                owner=OWNER,
                runbook="publish.md#rows",
                expected=f"at least {fewest:,} rows (the release that is up has {before:,})",
                remedy="find out where the rows went; if they are rightly gone, register a known issue for "
                "this night",
            )
        )
    if name in candidate.live:
        rules.append(
            Rule(
                check="columns_kept",
                expectation="ExpectTableColumnsToMatchSet",
                arguments={
                    "column_set": [column.name for column in candidate.live[name].columns],
                    "exact_match": False,
                },
                severity="block",
                owner=OWNER,
                runbook="publish.md#columns",
                expected="every column that readers have now",
                remedy="dashboards read these columns: bring them back, or retire them with notice to "
                "readers",
            )
        )
    key = table.key if table else ()
    if key:
        names = ", ".join(f'"{column}"' for column in key)
        rules.append(
            Rule(
                check="key_unique",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    f"select {names}, count(*) as times from t group by {names} having count(*) > 1"  # noqa: S608
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#keys",
                expected=f"each {' + '.join(key)} once",
                remedy="a join multiplied rows: look at the publish model and the mart behind it",
            )
        )
    return rules
