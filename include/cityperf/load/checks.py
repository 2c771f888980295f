"""The contract's own checks, in SQL, on the batch's table: types, required and allowed values, keys,
control total.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from cityperf.load.batch import MANY, Batch, refuse_if_many
from cityperf.load.header import META
from cityperf.load.quarantined import BadRow, Quarantined, refusal
from cityperf.load.readers import Reader, Record
from cityperf.load.totals import as_amount
from cityperf.load.types import PATTERNS as PATTERNS
from cityperf.load.types import words, wrong_type
from cityperf.sources import Column, Contract

HELD: Final = (
    "quarantine_row",
    "quarantine_file",
    "stop",
)  # policies under which a wrong value is not loaded


ONCE: Final = "give each row an id of its own, or keep one of the rows"


class Case(NamedTuple):
    """A way for a row to be bad: SQL that is true for such rows, what was expected, and what the policy is. `beside`:
    another column that the value was compared with; `judged`: a matter of judgement, which a steward may waive by
    releasing the row.
    """

    column: str
    expected: str
    wrong: sql.Composable
    policy: str
    remedy: str = ""
    beside: str | None = None
    judged: bool = False


class Mistake(NamedTuple):
    """What is wrong with a value of one row; `cell` only where the column does not tell it."""

    column: str | None
    expected: str
    value: str | None
    policy: str
    remedy: str = ""
    cell: str | None = None
    judged: bool = False


@dataclass(frozen=True)
class Extra:
    """What a register asks for besides: more cases, mistakes found already by row, and how a column is called on the
    sheet: its letters, its label, and what to do about a wrong value. All mistakes of a row are told then.
    """

    cases: Sequence[Case] = ()
    found: Mapping[int, Sequence[Mistake]] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    remedies: Mapping[str, str] = field(default_factory=dict)


def hold_bad_rows(
    db: psycopg.Connection[Any],
    batch: Batch,
    reader: Reader,
    held: list[BadRow],
    rows_in: int,
    extra: Extra | None = None,
) -> list[BadRow]:
    """Take rows that break the contract out of the batch's table; returns them, each once, with line and
    record.

    What is only to be warned of goes into the reader's notes. Raises Quarantined when the bad rows are, with those
    `held` already, more than a fifth of the file, or when the policy is to hold the whole file.
    """
    contract = batch.contract
    cases = [*_cases(db, contract, reader), *(extra.cases if extra else ())]
    reader.notes.extend(_tolerated(db, batch, [case for case in cases if case.policy == "warn"]))
    firm = [case for case in cases if case.policy in HELD]
    mistakes: dict[int, list[Mistake]] = {
        row: list(each) for row, each in (extra.found if extra else {}).items()
    }
    for row, mistake in _bad(db, batch, reader, firm):
        mistakes.setdefault(row, []).append(mistake)
    for row in released(db, batch.file_id) & mistakes.keys():
        if all(each.judged for each in mistakes[row]):
            del mistakes[row]
    if not mistakes:
        return []
    found = {row: each[0] for row, each in mistakes.items()}
    rows = _with_lines(contract, reader, found)
    if extra:
        rows = [_for_the_clerk(row, mistakes[row.row], extra) for row in rows]
    for policy in ("stop", "quarantine_file"):
        refused = [row for row in rows if found[row.row].policy == policy]
        if refused:
            first = refused[0]
            problem = refusal(
                contract,
                policy,
                "no row that breaks the contract",
                f"{len(refused)}; the first: {first.found!r} in {first.column}",
                f"{batch.name}, {f'sheet {first.sheet!r}, ' if first.sheet else ''}line {first.line}",
                "mend it at the source or review the contract",
                f"{len(refused)}; the first in {first.column}",
            )
            if problem:
                raise problem
    refuse_if_many([*held, *rows], rows_in, batch.name)
    with db.transaction():
        db.execute(sql.SQL("delete from {} where _row = any(%s)").format(batch.table), (list(found),))
    return rows


def released(db: psycopg.Connection[Any], file_id: int) -> set[int]:
    """Numbers of the rows of a file that a steward let in (`cityperf.quarantine`)."""
    rows = db.execute(
        "select row_number from quarantine.rows where file_id = %s and state = 'released' "
        "and row_number is not null",
        (file_id,),
    )
    return {row[0] for row in rows}


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


def _bad(
    db: psycopg.Connection[Any], batch: Batch, reader: Reader, cases: Sequence[Case]
) -> Iterator[tuple[int, Mistake]]:
    """(row, mistake) of each bad row, of at most MANY + 1 rows; the gravest mistake of a row comes first."""
    if cases:
        number = sql.SQL(", ").join(
            sql.SQL("case when {} then {}::int end").format(case.wrong, sql.Literal(index))
            for index, case in enumerate(cases)
        )
        any_of = sql.SQL(" or ").join(case.wrong for case in cases)
        query = sql.SQL(
            "select _row, array_remove(array[{}], null) as mistakes, to_jsonb(b) as record from {} as b where {} "
            "order by _row limit {}"
        ).format(number, batch.table, any_of, sql.Literal(MANY + 1))
        for row, indices, record in db.execute(query):
            for case in (cases[index] for index in indices):
                value = record.get(case.column)
                if case.beside:
                    value = f"{value} ({case.beside}: {record.get(case.beside)})"
                yield (
                    row,
                    Mistake(case.column, case.expected, value, case.policy, case.remedy, judged=case.judged),
                )
    keys, policy = batch.contract.keys, batch.contract.drift.type_error
    if keys and policy in HELD and all(key in reader.columns for key in keys):
        names = sql.SQL(", ").join(map(sql.Identifier, keys))
        query = sql.SQL(
            "select _row, jsonb_build_array({0}) from (select *, row_number() over (partition by {0} order "
            "by _row) as n "
            "from {1}) as b where n > 1 order by _row limit {2}"
        ).format(names, batch.table, sql.Literal(MANY + 1))
        for row, values in db.execute(query):
            shown = ", ".join(str(value) for value in values)
            yield row, Mistake(", ".join(keys), f"{', '.join(keys)} once in a file", shown, policy, ONCE)


def _tolerated(db: psycopg.Connection[Any], batch: Batch, cases: Sequence[Case]) -> Iterator[str]:
    """A note for each rule that is only to warn and was broken: how often, and by which value for example."""
    if not cases:
        return
    counts = sql.SQL(", ").join(
        sql.SQL("count(*) filter (where {0}), min({1}) filter (where {0})").format(
            case.wrong, sql.Identifier(case.column)
        )
        for case in cases
    )
    row = db.execute(sql.SQL("select {} from {}").format(counts, batch.table)).fetchone() or ()
    for case, count, example in zip(cases, row[0::2], row[1::2], strict=True):
        if count:
            told = "" if batch.contract.privacy.level == "person_level" else f", such as {example!r}"
            yield f"{case.column}: {count:,} values are not {case.expected}{told}"


def _cases(db: psycopg.Connection[Any], contract: Contract, reader: Reader) -> Iterator[Case]:
    """Every way in which a row of this file can break the contract."""
    period = contract.partition.column if contract.partition else None
    for name, column in _column_types(contract, reader).items():
        policy = column.on_error or contract.drift.type_error
        if name == period and policy not in HELD:
            policy = "quarantine_row"  # it has to go somewhere
        identifier = sql.Identifier(name)
        wrong = wrong_type(column, identifier, db.info.server_version)
        if wrong is not None:
            case = sql.SQL("({} is not null and {})").format(identifier, wrong)
            yield Case(name, words(column), case, policy)
        if column.required:
            yield Case(name, "a value", sql.SQL("({} is null)").format(identifier), policy)
        if column.allowed:
            case = sql.SQL("({0} is not null and not {0} = any({1}))").format(
                identifier, sql.Literal(list(column.allowed))
            )
            judged = name != period and name not in contract.keys
            yield Case(name, f"one of {', '.join(column.allowed)}", case, policy, judged=judged)


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


def _with_lines(contract: Contract, reader: Reader, found: Mapping[int, Mistake]) -> list[BadRow]:
    """Read the file again, up to the last bad row, for the line and the text of each; only needed when some
    are bad.
    """
    wanted = dict(found)
    rows: list[BadRow] = []
    for record in reader.records():
        if record.row not in wanted:
            continue
        column, expected, value, *_ = wanted.pop(record.row)
        if isinstance(record, Record):
            values = dict(zip(reader.columns, record.values, strict=True))
            text = json.dumps(values, ensure_ascii=False)[:4000]
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
                    values,
                )
            )
        if not wanted:
            break
    return rows


def _for_the_clerk(row: BadRow, mistakes: Sequence[Mistake], extra: Extra) -> BadRow:
    """The row with each of its mistakes: cell, what is expected there, what to do. A column is told once."""
    told: dict[str, str] = {}
    values: list[str] = []
    for each in mistakes:
        name = (each.column or "").split(", ")[-1]  # of a key, its own part
        letters = extra.letters.get(name)
        cell = each.cell or (f"{letters}{row.line}" if letters else name)
        if cell in told:
            continue
        label = extra.labels.get(name, name)
        remedy = each.remedy or extra.remedies.get(name, "mend it")
        if each.value is None:
            remedy = each.remedy or "fill the cell, or clear the whole row"
            told[cell] = f"{cell}: {label} is empty; {remedy}"
        else:
            told[cell] = f"{cell}: {f'{label} is not ' if label else 'expected '}{each.expected}; {remedy}"
        values.append(each.value or "an empty cell")
    found = (
        values[0] if len(values) == 1 else "; ".join(f"{c}: {v}" for c, v in zip(told, values, strict=True))
    )
    return replace(row, found=found, reason=" - ".join(told.values()))
