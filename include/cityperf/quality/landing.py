"""The first border: a batch table is checked against its contract before anybody can see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

from cityperf.config import Settings
from cityperf.quality import known
from cityperf.quality.plausible import (
    Before,
    gone_query,
    has_numbers,
    jumps_query,
    kept_query,
    periods_query,
    points_of,
    repeats_query,
    shape_query,
)
from cityperf.quality.results import CheckResult, Rule, record, record_run, result_of, with_history
from cityperf.quality.suites import module, opened_source, run, sql_rule
from cityperf.sources import Contract, ControlTotal

FEWEST: Final = 0.7  # of the rows of a comparable earlier delivery
MOST: Final = 1.6


@dataclass(frozen=True)
class Earlier:
    """Rows that a delivery of this shape had before: the same periods, else the average per period.

    `fewest`, `most`: rows that are usual of this one; None where a period still fills, or filled when it was counted.
    """

    rows: int
    what: str
    fewest: int | None
    most: int | None
    where: str = (
        ""  # condition on the data set's table in raw that selects its rows, or those of like periods
    )
    stood: tuple[str, ...] = ()  # periods that the delivery before brought under the same name


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
        usual = [
            f"{n:,} rows at {w}"
            for n, w in ((earlier.fewest, "least"), (earlier.most, "most"))
            if n is not None
        ]
        if usual:
            rules.append(
                rule(
                    "row_count",
                    "ExpectTableRowCountToBeBetween",
                    {"min_value": earlier.fewest, "max_value": earlier.most},
                    severity="warn",
                    runbook="landing.md#rows",
                    expected=f"{', '.join(usual)} ({earlier.what}: {earlier.rows:,})",
                    remedy="look whether the source cut or repeated something; the rows were loaded",
                )
            )
        rules += _plausible(contract, night, earlier)
    written = module("landing", dataset)
    if written is not None:
        rules += written.rules(contract, night)
    return rules


def _plausible(contract: Contract, night: date, earlier: Earlier) -> list[Rule]:
    """Rules that hold the delivery against the rows of the one before it (cityperf.quality.plausible)."""
    if (
        not earlier.where or contract.register
    ):  # a hand-in is held against the one before row by row, when it is read
        return []
    before = Before(contract.table, earlier.where)
    rules = []

    def rule(
        check: str, query: str, expected: str, location: str, remedy: str, *, blocks: bool = False
    ) -> None:
        rules.append(
            Rule(
                check=check,
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(query),
                severity="block" if blocks else "warn",
                owner=contract.owner.steward,
                runbook="landing.md#plausibility",
                expected=f"{expected} ({earlier.what})",
                location=location,
                remedy=remedy,
            )
        )

    shape = shape_query(contract, before, night.isoformat())
    if shape and has_numbers(contract):
        rule(
            "same_unit",
            shape,
            "numbers of the size that they had",
            "columns of numbers",
            "ask the owner whether the unit changed; if it rightly did, register a known issue and mend staging first",
            blocks=True,
        )
    if shape:
        rule(
            "shape_as_before",
            shape,
            "columns filled, signed, sized and worded as before",
            "the columns named",
            "compare the file with the one before it and ask the owner; the rows were loaded",
        )
    if not contract.keys:
        rule(
            "repeats_as_before",
            repeats_query(contract, before),
            "no row repeated far more often than any was",
            "whole rows",
            "ask the owner whether the rows are true; they were loaded and are counted",
        )
    if contract.kept:
        rule(
            "values_kept",
            kept_query(contract.kept, before),
            f"every {' and '.join(contract.kept)} that was there",
            f"columns {', '.join(contract.kept)}",
            "ask the owner whether those named ended, were renamed or were left out; the rows were loaded",
        )
    if earlier.stood:
        rule(
            "periods_kept",
            periods_query(before, list(earlier.stood)),
            "every period that the file had, with about as many rows",
            "the periods named",
            "a month is missing, cut or doubled in the file: ask the owner; the rows were loaded",
        )
    if contract.series:
        points = points_of(contract, contract.series, before)
        rule(
            "no_jump",
            jumps_query(points),
            "new and restated points within what their series' own seasons make plausible",
            f"column {contract.series.value}",
            "look the figure up at its source before anybody uses it; it was loaded",
        )
        rule(
            "points_kept",
            gone_query(points),
            "every point that stood, but for the oldest",
            f"column {contract.series.value}",
            "ask the owner why figures were taken back; they count as withdrawn",
        )
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
    source: Callable[[], Any] | None = None,
) -> list[CheckResult]:
    """Check a committed, unattached batch table (`schema.name`) and write the results over `connection`.

    `source` gives the warehouse as Great Expectations sees it, opened once for many files. Returns every result; the
    caller refuses the file when one of them `.blocks`.
    """
    began = time.perf_counter()
    schema, table = _split(batch_table)
    ours = connection.info.transaction_status == TransactionStatus.IDLE
    rules = landing_rules(contract, night, _earlier(connection, contract, night, schema, table, batch_id))
    suite = f"landing.{contract.dataset}"
    told = _counts_only if contract.privacy.level == "person_level" else str
    results = [
        result_of(v.rule, "landing", suite, contract.dataset, v.ok, told(v.found), batch_id)
        for v in run(settings, "loader", schema, table, rules, source and source())
    ]
    judged = with_history(connection, night, known.apply_known(results, known.read_known_issues(), night))
    record(connection, night, judged)
    record_run(connection, night, "landing", contract.dataset, time.perf_counter() - began)
    if ours and not connection.autocommit:
        connection.commit()  # what was found must outlive the caller's rollback of a refused batch
    return judged


@contextmanager
def gate_of_lot(settings: Settings) -> Iterator[Callable[..., list[CheckResult]]]:
    """`check_batch` for files that are loaded after one another; the first of them opens what all use."""
    with ExitStack() as opened:
        yield partial(
            check_batch, source=cache(lambda: opened.enter_context(opened_source(settings, "loader")))
        )


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
    connection: Connection[Any], contract: Contract, night: date, schema: str, table: str, batch_id: int
) -> Earlier | None:
    """What a comparable delivery of an earlier night held. None for a data set's first night.

    Files of one night arrive in no order that means anything: the first night brings ten years at once, and last
    year's workbook is no past of this year's.
    """
    if contract.partition is None:
        row = connection.execute(
            "select b.rows_loaded, b.night, b.file_id from ops.batch as b join ops.landed_file as f using (file_id) "
            "where b.dataset = %s and b.batch_id < %s and b.night < %s and b.state in ('loaded', 'superseded') and "
            "b.rows_loaded > 0 "
            "and f.name = (select f2.name from ops.batch as b2 join ops.landed_file as f2 using (file_id) "
            "where b2.batch_id = %s) order by b.batch_id desc limit 1",
            (contract.dataset, batch_id, night, batch_id),
        ).fetchone()
        if row is None:
            return None
        rows = int(row[0])
        what = f"the delivery of {row[1].isoformat()}"
        return Earlier(rows, what, _fewest(rows), _most(rows), f"_file_id = {int(row[2])}")
    periods = [
        period
        for (period,) in connection.execute(
            sql.SQL("select distinct _period from {} order by 1").format(sql.Identifier(schema, table))
        )
    ]
    # A delivery's `periods` shrink when a later one replaces them; its rows remain those of all that it brought.
    stood = _stood(connection, contract, night, batch_id)
    mean, averaged, known_periods = _mean_of_ended(connection, contract, night, batch_id)
    same = connection.execute(
        "select rows_loaded, night from ops.batch where dataset = %s and batch_id < %s and night < %s "
        "and state in ('loaded', 'superseded') and rows_loaded > 0 and coalesce(periods_in, periods) @> %s::text[] "
        "and coalesce(periods_in, periods) <@ %s::text[] order by batch_id desc limit 1",
        (contract.dataset, batch_id, night, periods, periods),
    ).fetchone()
    if same:
        rows = int(same[0])
        most: int | None = _most(rows)
        if _running(periods, same[1]):  # it has grown since: as large as a whole one, if any was seen
            most = max(_most(rows), _most(mean * len(periods))) if mean else None
        what = f"the same periods on {same[1].isoformat()}"
        return Earlier(rows, what, _fewest(rows), most, _in_periods(periods), stood)
    like = _in_periods(_like(sorted({*periods, *stood}), known_periods))
    if not like:
        return None
    # Of a file that is held against its own periods one by one (periods_kept), the sum says nothing more.
    whole = 0 if stood or not mean else len(periods) - len(_running(periods, night))
    return Earlier(
        int((mean or 0) * len(periods)),
        f"{len(periods)} periods at the average of {averaged} earlier ones" if mean else "the periods before",
        _fewest(mean * whole) if whole and mean else None,
        _most(mean * len(periods)) if mean and not stood else None,
        like,
        stood,
    )


def _fewest(rows: float) -> int:
    return int(rows * FEWEST)


def _most(rows: float) -> int:
    return int(rows * MOST) + 1


def _running(periods: list[str], night: date) -> list[str]:
    """Periods (YYYY or YYYY-MM) that were not over on the night."""
    return [each for each in periods if each >= night.isoformat()[: len(each)]]


def _mean_of_ended(
    connection: Connection[Any], contract: Contract, night: date, batch_id: int
) -> tuple[float | None, int, list[str]]:
    """(rows per period, how many of them) of earlier deliveries whose periods were all over, and every period known."""
    row = connection.execute(
        "select sum(rows_loaded) filter (where ended) / sum(cardinality(brought)) filter (where ended), "
        "coalesce(sum(cardinality(brought)) filter (where ended), 0), "
        "array(select distinct unnest(b.periods) from ops.batch as b where b.dataset = %(dataset)s "
        "and b.batch_id < %(batch)s and b.night < %(night)s and b.state in ('loaded', 'superseded')) "
        "from (select *, coalesce(periods_in, periods) as brought from ops.batch) as b "
        "cross join lateral (select bool_and(p < left(night::text, length(p))) as ended "
        "from unnest(brought) as p) as over where dataset = %(dataset)s and batch_id < %(batch)s "
        "and night < %(night)s and state in ('loaded', 'superseded') and rows_loaded > 0",
        {"dataset": contract.dataset, "batch": batch_id, "night": night},
    ).fetchone()
    if row is None or not row[2]:
        return None, 0, []
    return (float(row[0]) if row[0] else None), int(row[1]), list(row[2])


def _stood(connection: Connection[Any], contract: Contract, night: date, batch_id: int) -> tuple[str, ...]:
    """The periods that the delivery before brought under the same name, where rows are filed by a date in them."""
    if contract.partition is None or contract.partition.column is None:
        return ()
    row = connection.execute(
        "select b.periods_in from ops.batch as b join ops.landed_file as f using (file_id) where b.dataset = %s "
        "and b.batch_id < %s and b.night < %s and b.state in ('loaded', 'superseded') and b.rows_loaded > 0 "
        "and f.name = (select f2.name from ops.batch as b2 join ops.landed_file as f2 using (file_id) "
        "where b2.batch_id = %s) order by b.batch_id desc limit 1",
        (contract.dataset, batch_id, night, batch_id),
    ).fetchone()
    return tuple(sorted(row[0] or ())) if row else ()


def _like(periods: list[str], known_periods: list[str]) -> list[str]:
    """Of the periods that raw has, those to compare with: the same ones, else the last before and its like a year ago."""
    if same := [each for each in periods if each in known_periods]:
        return same
    before = sorted(each for each in known_periods if periods and each < periods[0])[-1:]
    year_ago = [f"{int(each[:4]) - 1}{each[4:]}" for each in periods if each[:4].isdigit()]
    return sorted({*before, *(each for each in year_ago if each in known_periods)})


def _in_periods(periods: list[str]) -> str:
    return f"_period in ({', '.join(map(_literal, periods))})" if periods else ""


def _split(batch_table: str) -> tuple[str, str]:
    parts = [part.strip('"') for part in batch_table.split(".")]
    return (parts[0], parts[1]) if len(parts) == 2 else ("raw", parts[0])
