"""The first border: a batch table is checked against its contract before anybody can see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

from cityperf.config import Settings
from cityperf.quality import known
from cityperf.quality.results import CheckResult, Rule, record, result_of
from cityperf.quality.suites import module, opened_source, run, sql_rule
from cityperf.sources import Contract, ControlTotal

FEWEST: Final = 0.7  # of the rows of a comparable earlier delivery
MOST: Final = 1.6


@dataclass(frozen=True)
class Earlier:
    """Rows that a delivery of this shape had before: the same periods, else the average per period."""

    rows: int
    what: str


def landing_rules(contract: Contract, night: date, earlier: Earlier | None = None) -> list[Rule]:
    """The suite of a data set: what its contract says, and what a module in expectations/landing adds."""
    owner, dataset = contract.owner.steward, contract.dataset

    def rule(check: str, expectation: str, arguments: dict[str, Any], **rest: Any) -> Rule:
        return Rule(check=check, expectation=expectation, arguments=arguments, owner=owner, **rest)

    needed = [column.name for column in contract.raw_columns if not column.optional]
    rules = [
        rule(
            "columns_present",
            "ExpectTableColumnsToMatchSet",
            {"column_set": needed, "exact_match": False},
            severity="block",
            runbook="landing.md#columns",
            expected=f"the {len(needed)} columns of the contract",
            remedy="compare the file's header with include/sources and agree the change with the owner",
        ),
        rule(
            "not_empty",
            "ExpectTableRowCountToBeBetween",
            {"min_value": 1},
            severity="block",
            runbook="landing.md#rows",
            expected="at least one row",
            remedy="ask the owner for the file again; an empty file never replaces figures",
        ),
    ]
    if contract.register:
        rules.append(_contract_values(contract, owner))
    else:
        rules += _column_values(contract, owner)
    if contract.keys:
        names = ", ".join(f'"{key}"' for key in contract.keys)
        rules.append(
            rule(
                "key_unique",
                "UnexpectedRowsExpectation",
                sql_rule(
                    f"select {names}, count(*) as times, min(_row) as first_row from t "  # noqa: S608
                    f"group by {names} having count(*) > 1"
                ),
                severity="block",
                runbook="landing.md#keys",
                expected=f"each {' + '.join(contract.keys)} once",
                remedy="ask the owner which of the rows counts; nothing of the file is loaded until then",
            )
        )
    if contract.control_total:
        rules.append(_control_total(contract.control_total, owner))
    if earlier:
        low, high = int(earlier.rows * FEWEST), int(earlier.rows * MOST) + 1
        rules.append(
            rule(
                "row_count",
                "ExpectTableRowCountToBeBetween",
                {"min_value": low, "max_value": high},
                severity="warn",
                runbook="landing.md#rows",
                expected=f"{low:,} to {high:,} rows ({earlier.what}: {earlier.rows:,})",
                remedy="look whether the source cut or repeated something; the rows were loaded",
            )
        )
    written = module("landing", dataset)
    if written is not None:
        rules += written.rules(contract, night)
    return rules


def _column_values(contract: Contract, owner: str) -> list[Rule]:
    """A rule for each column that must have a value, and for each that has a list of them."""
    rules = []
    for column in contract.raw_columns:
        if column.required:
            rules.append(
                Rule(
                    check=f"required.{column.name}",
                    expectation="ExpectColumnValuesToNotBeNull",
                    arguments={"column": column.name},
                    owner=owner,
                    severity="block",
                    runbook="landing.md#required-values",
                    expected=f"a value in {column.name} on every row",
                    location=f"column {column.name}",
                    remedy="find the rows in the landed file and ask the owner to fill them",
                )
            )
        if column.allowed:
            rules.append(
                Rule(
                    check=f"allowed.{column.name}",
                    expectation="ExpectColumnValuesToBeInSet",
                    arguments={"column": column.name, "value_set": list(column.allowed)},
                    owner=owner,
                    severity="block",
                    runbook="landing.md#allowed-values",
                    expected=f"{column.name} to be one of {', '.join(column.allowed)}",
                    location=f"column {column.name}",
                    remedy="a new value changes meaning downstream: agree it with the owner, then add it "
                    "to the contract",
                )
            )
    return rules


def _contract_values(contract: Contract, owner: str) -> Rule:
    """The same in one rule: hand-ins are many and small, and Great Expectations takes 20 ms a rule whatever it checks."""
    broken = []
    for column in contract.raw_columns:
        name = str(column.name).replace('"', '""')
        if column.required:
            broken.append(f"case when \"{name}\" is null then '{column.name} is empty' end")
        if column.allowed:
            known = ", ".join(_literal(value) for value in column.allowed)
            broken.append(
                f"case when \"{name}\" not in ({known}) then '{column.name} is not in its list' end"
            )
    return Rule(
        check="contract_values",
        expectation="UnexpectedRowsExpectation",
        arguments=sql_rule(
            "select _row, problems from (select _row, array_remove("  # noqa: S608 - names and lists of a reviewed contract
            f"array[{', '.join(broken)}]::text[], null) as problems from t) as looked where problems <> '{{{{}}}}'"
        ),
        severity="block",
        owner=owner,
        runbook="landing.md#required-values",
        expected="a value in every column that needs one, and only values of the columns' lists",
        remedy="the loader holds such rows before: see the contract's columns and report how one came through",
    )


def _literal(value: str) -> str:
    """A text as SQL takes it, through Great Expectations' braces and SQLAlchemy's colons."""
    quoted = value.replace("'", "''").replace("{", "{{").replace("}", "}}").replace(":", "\\:")
    return f"'{quoted}'"


def check_batch(
    settings: Settings,
    night: date,
    contract: Contract,
    batch_table: str,
    batch_id: int,
    connection: Connection[Any],
    source: Any = None,
) -> list[CheckResult]:
    """Check a committed, unattached batch table (`schema.name`) and write the results over `connection`.

    `source`: the warehouse as Great Expectations sees it, where somebody opened it for many files. Returns every
    result; the caller refuses the file when one of them `.blocks`.
    """
    schema, table = _split(batch_table)
    ours = connection.info.transaction_status == TransactionStatus.IDLE
    rules = landing_rules(contract, night, _earlier(connection, contract, schema, table, batch_id))
    suite = f"landing.{contract.dataset}"
    told = _counts_only if contract.privacy.level == "person_level" else str
    results = [
        result_of(v.rule, "landing", suite, contract.dataset, v.ok, told(v.found), batch_id)
        for v in run(settings, "loader", schema, table, rules, source)
    ]
    judged = known.apply_known(results, known.read_known_issues(), night)
    record(connection, night, judged)
    if ours and not connection.autocommit:
        connection.commit()  # what was found must outlive the caller's rollback of a refused batch
    return judged


@contextmanager
def gate_of_lot(settings: Settings) -> Iterator[Callable[..., list[CheckResult]]]:
    """`check_batch` for files that are loaded after one another."""
    with opened_source(settings, "loader") as source:
        yield partial(check_batch, source=source)


def _counts_only(found: str) -> str:
    """What was found, without the examples that a verdict gives."""
    return found.partition(", such as ")[0].partition(" (")[0]


# Thousands commas, dollar signs and parentheses for negatives, as budgets are written.
MONEY: Final = (
    "(case when {c} ~ '^\\s*\\(' then '-' else '' end "
    "|| nullif(regexp_replace({c}, '[^0-9.-]', '', 'g'), ''))::numeric"
)


def _control_total(total: ControlTotal, owner: str) -> Rule:
    amount = MONEY.format(c=f'"{total.column}"')
    blank = f'"{total.where_blank}" is null'
    return Rule(
        check="control_total",
        expectation="UnexpectedRowsExpectation",
        arguments=sql_rule(
            f"select _sheet, sum({amount}) filter (where not {blank}) as lines, "  # noqa: S608
            f"sum({amount}) filter (where {blank}) as control_total from t group by _sheet "
            f"having count(*) filter (where {blank}) > 0 and abs(sum({amount}) filter (where not {blank}) "
            f"- sum({amount}) filter (where {blank})) > {total.tolerance}"
        ),
        severity="block",
        owner=owner,
        runbook="landing.md#control-total",
        expected=f"the lines of {total.column} to add up to the control total within {total.tolerance}",
        location=f"column {total.column}",
        remedy="the file is incomplete or its total is: ask the owner for a whole one",
    )


def _earlier(
    connection: Connection[Any], contract: Contract, schema: str, table: str, batch_id: int
) -> Earlier | None:
    """What a comparable delivery held. None for the first one."""
    if contract.partition is None:
        row = connection.execute(
            "select b.rows_loaded, b.night from ops.batch as b join ops.landed_file as f using (file_id) "
            "where b.dataset = %s and b.batch_id < %s and b.state in ('loaded', 'superseded') and "
            "b.rows_loaded > 0 "
            "and f.name = (select f2.name from ops.batch as b2 join ops.landed_file as f2 using (file_id) "
            "where b2.batch_id = %s) order by b.batch_id desc limit 1",
            (contract.dataset, batch_id, batch_id),
        ).fetchone()
        return Earlier(int(row[0]), f"the delivery of {row[1].isoformat()}") if row else None
    periods = [
        period
        for (period,) in connection.execute(
            sql.SQL("select distinct _period from {} order by 1").format(sql.Identifier(schema, table))
        )
    ]
    same = connection.execute(
        "select rows_loaded, night from ops.batch where dataset = %s and batch_id < %s "
        "and state in ('loaded', 'superseded') and rows_loaded > 0 and periods @> %s::text[] and periods "
        "<@ %s::text[] "
        "order by batch_id desc limit 1",
        (contract.dataset, batch_id, periods, periods),
    ).fetchone()
    if same:
        return Earlier(int(same[0]), f"the same periods on {same[1].isoformat()}")
    mean = connection.execute(
        "select sum(rows_loaded) / sum(cardinality(periods)), sum(cardinality(periods)) from ops.batch "
        "where dataset = %s and batch_id < %s and state in ('loaded', 'superseded') and rows_loaded > 0",
        (contract.dataset, batch_id),
    ).fetchone()
    if not mean or not mean[0]:
        return None
    return Earlier(
        int(mean[0] * len(periods)), f"{len(periods)} periods at the average of {mean[1]} earlier ones"
    )


def _split(batch_table: str) -> tuple[str, str]:
    parts = [part.strip('"') for part in batch_table.split(".")]
    return (parts[0], parts[1]) if len(parts) == 2 else ("raw", parts[0])
