"""The contract's own checks, in SQL, on the batch's table: types, required and allowed values, keys,
control total.

They work on PostgreSQL 15: a value is looked at by pattern and, for dates, by the calendar, and never cast
before it is known to be castable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import psycopg
from psycopg import sql

from cityperf.load.batch import MANY, Batch, refuse_if_many
from cityperf.load.header import META
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers import Reader, Record
from cityperf.sources import Column, Contract

_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
PATTERNS: Final = {
    "integer": r"^\s*[-+]?[0-9]{1,18}\s*$",
    "numeric": r"^\s*[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,3})?\s*$",
    "money": r"^\s*(-?\s*[$]?\s*-?|[(]\s*[$]?)\s*([0-9]+|[0-9]{1,3}(,[0-9]{3})+)?([.][0-9]+)?\s*[)]?\s*$",
    "date": rf"^\s*{_DAY}([T ]{_CLOCK})?\s*$",
    "timestamp": rf"^\s*{_DAY}([T ]{_CLOCK})?\s*$",
    "boolean": r"^\s*([tTfFyYnN01]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO])\s*$",
}
WORDS: Final = {
    "integer": "a whole number",
    "numeric": "a number",
    "money": "an amount",
    "date": "a date (YYYY-MM-DD)",
    "timestamp": "a date and time (YYYY-MM-DD hh:mm)",
    "boolean": "true or false",
    "json": "JSON",
}


def hold_bad_rows(
    db: psycopg.Connection[Any], batch: Batch, reader: Reader, held: list[BadRow], rows_in: int
) -> list[BadRow]:
    """Take rows that break the contract out of the batch's table; returns them, each once, with line and
    record.

    Raises Quarantined when they are, with those `held` already, more than a fifth of the file, or when the
    policy for type errors is to hold the whole file.
    """
    contract = batch.contract
    found = {row: (column, expected, value) for row, column, expected, value in _bad(db, batch, reader)}
    if not found:
        return []
    policy = contract.drift.type_error
    if policy == "warn":
        period = contract.partition.column if contract.partition else None
        found = {row: what for row, what in found.items() if what[0] == period}  # it has to go somewhere
        if not found:
            return []
    rows = _with_lines(contract, reader, found)
    if policy == "quarantine_file":
        first = rows[0]
        raise Quarantined(
            "no row that breaks the contract",
            f"{len(rows)}; the first: {first.found!r} in {first.column}",
            f"{batch.name}, line {first.line}",
            "mend it at the source or review the contract",
        )
    refuse_if_many([*held, *rows], rows_in, batch.name)
    with db.transaction():
        db.execute(sql.SQL("delete from {} where _row = any(%s)").format(batch.table), (list(found),))
    return rows


def check_control_total(db: psycopg.Connection[Any], batch: Batch) -> Decimal | None:
    """The file's own sum, found to equal the sum of its lines; None if the file carries none.

    Raises Quarantined when they differ by more than the tolerance, when more than one row looks like a
    total, or when the file has none although the delivery before had one.
    """
    control = batch.contract.control_total
    if control is None:
        return None
    amount, blank = sql.Identifier(control.column), sql.Identifier(control.where_blank)
    row = db.execute(
        sql.SQL(
            "select count(*) filter (where t), sum(v) filter (where t), coalesce(sum(v) filter (where not "
            "t), 0) "
            "from (select {} as v, nullif(btrim({}), '') is null as t from {}) as rows"
        ).format(as_amount(amount), blank, batch.table)
    ).fetchone()
    if row is None or row[0] == 0:
        _refuse_if_it_had_one(db, batch)
        return None
    totals, total, lines = row
    if totals > 1:
        raise Quarantined(
            f"at most one row without {control.where_blank}: the control total",
            f"{totals} such rows",
            batch.name,
            "ask the publisher which of them is the total",
        )
    if abs(lines - total) > Decimal(str(control.tolerance)):
        raise Quarantined(
            f"lines that add up to the control total of {total:,}",
            f"{lines:,}, a difference of {lines - total:,}",
            batch.name,
            "the file was changed or cut; ask the publisher for the whole file",
        )
    return Decimal(total)


def _refuse_if_it_had_one(db: psycopg.Connection[Any], batch: Batch) -> None:
    """The total stands in the last row: where it was and is no more, the end of the file is missing."""
    row = db.execute(
        "select b.control_total from ops.batch as b join ops.landed_file as f using (file_id) "
        "where b.dataset = %s and f.name = %s and b.state in ('loaded', 'superseded') "
        "order by b.batch_id desc limit 1",
        (batch.contract.dataset, batch.name),
    ).fetchone()
    if row is not None and row[0] is not None:
        raise Quarantined(
            f"a control total, as in the delivery before ({row[0]:,})",
            "none",
            batch.name,
            "the end of the file is missing; ask the publisher for the whole file",
        )


def as_amount(value: sql.Composable) -> sql.Composed:
    """SQL for text such as '$1,234.50', '(1,049,252.00)' or '-$3.00' as numeric; parentheses mean minus."""
    return sql.SQL(
        "nullif(regexp_replace({0}, '[^0-9.]', '', 'g'), '')::numeric * case when {0} ~ '[(-]' then -1 "
        "else 1 end"
    ).format(value)


def _bad(
    db: psycopg.Connection[Any], batch: Batch, reader: Reader
) -> Iterator[tuple[int, str, str, str | None]]:
    """(row, column, what was expected, value) of the first mistake in each bad row, at most MANY + 1 of
    them.
    """
    cases = list(_conditions(db, batch.contract, reader))
    if cases:
        number = sql.SQL(" ").join(
            sql.SQL("when {} then {}").format(condition, sql.Literal(index))
            for index, (_, _, condition) in enumerate(cases)
        )
        any_of = sql.SQL(" or ").join(condition for _, _, condition in cases)
        query = sql.SQL(
            "select _row, case {} end as mistake, to_jsonb(b) as record from {} as b where {} order by "
            "_row limit {}"
        ).format(number, batch.table, any_of, sql.Literal(MANY + 1))
        for row, index, record in db.execute(query):
            column, expected, _ = cases[index]
            yield row, column, expected, record.get(column)
    keys = batch.contract.keys
    if keys and all(key in reader.columns for key in keys):
        names = sql.SQL(", ").join(map(sql.Identifier, keys))
        query = sql.SQL(
            "select _row, jsonb_build_array({0}) from (select *, row_number() over (partition by {0} order "
            "by _row) as n "
            "from {1}) as b where n > 1 order by _row limit {2}"
        ).format(names, batch.table, sql.Literal(MANY + 1))
        for row, values in db.execute(query):
            shown = ", ".join(str(value) for value in values)
            yield row, ", ".join(keys), f"{', '.join(keys)} once in a file", shown


def _conditions(
    db: psycopg.Connection[Any], contract: Contract, reader: Reader
) -> Iterator[tuple[str, str, sql.Composable]]:
    """(column, what is expected, SQL that is true for a bad row)."""
    types = _column_types(contract, reader)
    for name, column in types.items():
        identifier = sql.Identifier(name)
        wrong = _wrong_type(db, column.type, identifier)
        if wrong is not None:
            yield name, WORDS[column.type], sql.SQL("({} is not null and {})").format(identifier, wrong)
        if column.required:
            yield name, "a value", sql.SQL("({} is null)").format(identifier)
        if column.allowed:
            yield (
                name,
                f"one of {', '.join(column.allowed)}",
                sql.SQL("({0} is not null and not {0} = any({1}))").format(
                    identifier, sql.Literal(list(column.allowed))
                ),
            )


def _column_types(contract: Contract, reader: Reader) -> dict[str, Column]:
    """The contract's column for each column of the file that has rules, by its name or by a pattern."""
    rules = {str(column.name): column for column in contract.named_columns if column.name in reader.columns}
    for name in reader.columns:
        if name in rules or name in reader.new or name in META:
            continue
        for column in contract.pattern_columns:
            if re.search(column.pattern or "", name, re.IGNORECASE):
                rules[name] = column
                break
    return rules


def _wrong_type(db: psycopg.Connection[Any], kind: str, column: sql.Identifier) -> sql.Composable | None:
    if kind == "text":
        return None
    if kind == "json":
        if db.info.server_version >= 160000:
            return sql.SQL("not pg_input_is_valid({}, 'json')").format(column)
        return sql.SQL("{} !~ {}").format(column, sql.Literal(r'^\s*([\[{"]|-?[0-9]|true|false|null)'))
    matches = sql.SQL("{} ~ {}").format(column, sql.Literal(PATTERNS[kind]))
    if kind in ("date", "timestamp"):
        # the 31st of April matches the pattern: ask the calendar, but only for what looks like a date
        return sql.SQL(
            "not case when {0} then substr(btrim({1}), 1, 4) <> '0000' and substr(btrim({1}), 9, 2)::int "
            "<= extract("
            "day from make_date(greatest(substr(btrim({1}), 1, 4)::int, 1), substr(btrim({1}), 6, 2)::int, "
            "1) "
            "+ interval '1 month - 1 day') else false end"
        ).format(matches, column)
    if kind == "money":
        return sql.SQL("not ({} and {} ~ '[0-9]')").format(matches, column)
    return sql.SQL("not ({})").format(matches)


def _with_lines(
    contract: Contract, reader: Reader, found: dict[int, tuple[str, str, str | None]]
) -> list[BadRow]:
    """Read the file again, up to the last bad row, for the line and the text of each; only needed when some
    are bad.
    """
    wanted = dict(found)
    rows: list[BadRow] = []
    for record in reader.records():
        if record.row not in wanted:
            continue
        column, expected, value = wanted.pop(record.row)
        if isinstance(record, Record):
            text = json.dumps(dict(zip(reader.columns, record.values, strict=True)), ensure_ascii=False)[
                :4000
            ]
            rows.append(
                BadRow(
                    record.row,
                    record.line,
                    record.sheet,
                    column,
                    expected,
                    value,
                    f"{column} is not {expected}" if value is not None else f"{column} is empty",
                    text,
                )
            )
        if not wanted:
            break
    return rows
