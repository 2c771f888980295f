"""What a register's contract asks of a hand-in, beyond types and keys: looked at in SQL, on the batch's table.

A hand-in is one file of one division as of one day. The one that stands before it is the division's latest of an
earlier day; of two as of the same day the later delivery stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from cityperf.handin import sheet_name, workbook_of
from cityperf.handin.inspect import AGAIN, Look, look
from cityperf.load.batch import Batch, Filled
from cityperf.load.checks import Case, Extra, Mistake, hold_bad_rows
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers import Reader, Record, open_file
from cityperf.load.types import PATTERNS
from cityperf.sources import CONTRACTS, Column, Contract, Link, is_private, load_contract

FIRST_YEAR: Final = (
    1910  # earlier days come from numbers that are shown as dates, or are counted from elsewhere
)
_HOLD: Final = "quarantine_row"
_NUMBER: Final = "regexp_replace({0}, '[^0-9.eE+-]', '', 'g')::numeric"
_REMEDIES: Final = {
    "date": "type the day as YYYY-MM-DD",
    "timestamp": "type the moment as YYYY-MM-DD hh:mm",
    "integer": "type digits only",
    "numeric": "type digits only, with a point before decimals",
    "money": "type digits only, with a point before cents",
    "percent": "type 90 or 90 % for nine tenths",
    "boolean": "choose yes or no",
}


@dataclass(frozen=True)
class HandIn:
    """A hand-in under way: its file, and what was seen in it. `again`: a rebuild repeats it."""

    batch: Batch
    path: Path
    seen: Look = field(repr=False)
    again: bool = False


def looked_at(batch: Batch, path: Path, *, again: bool = False) -> HandIn:
    """Look at a handed-in workbook before it is read. Raises Quarantined for what holds the whole file, unless it was
    accepted before and is only read `again`.
    """
    seen = look(path, batch.contract, batch.name, batch.night)
    if seen.refusals and not again:
        first, *others = seen.refusals
        remedy = first.remedy + "".join(f"; also {each}" for each in others[:5])
        where = f"{batch.name}, {first.where}" if first.where else batch.name
        raise Quarantined(first.expected, first.found, where, remedy, first.found)
    return HandIn(batch, path, seen, again)


def why_empty(db: psycopg.Connection[Any], hand_in: HandIn) -> str | None:
    """What to note of an empty sheet; None where it has rows.

    A division that never had rows for one sheet of a workbook may leave it empty. Raises Quarantined where that says
    too little: on the workbook's only sheet, and where rows stood before, which may be gone or forgotten.
    """
    batch, seen = hand_in.batch, hand_in.seen
    if seen.facts is None or any(line > seen.header_line for line in seen.facts.filled):
        return None
    row = None
    if seen.division:
        row = db.execute(
            sql.SQL(
                "select as_of, count(*) from {} where lower(btrim(division)) = lower(%s) "
                "group by 1 order by 1 desc limit 1"
            ).format(batch.target),
            (seen.division,),
        ).fetchone()
    if row is None and seen.division and len(workbook_of(batch.contract).sheets) > 1:
        return f"sheet {seen.sheet!r} is empty: nothing was handed in on it"
    raise Quarantined(
        "at least one row below the header",
        "an empty table" + (f", where {row[1]:,} rows were handed in as of {row[0]}" if row else ""),
        f"{batch.name}, sheet {seen.sheet!r}",
        f"fill in every item that there is, finished ones with their last status, and {AGAIN}",
    )


def hold_rows(db: psycopg.Connection[Any], hand_in: HandIn, reader: Reader, filled: Filled) -> list[BadRow]:
    """Take the rows that break the contract or the register's own rules out of the batch's table; returns them.

    Raises Quarantined when they are more than a fifth of the file.
    """
    batch = hand_in.batch
    held = _in_clear_words(filled.held, hand_in.seen)
    before = _held_before(db, batch) if hand_in.again else {}
    extra = _checks(db, hand_in, reader, before)
    held += hold_bad_rows(db, batch, reader, held, filled.rows_in, extra)
    _settle(db, batch, reader)
    return [replace(before.get(row.line or 0, row), row=row.row, values=row.values) for row in held]


def _checks(
    db: psycopg.Connection[Any], hand_in: HandIn, reader: Reader, before: Mapping[int, BadRow]
) -> Extra:
    """The register's own checks of the filled table, and what the workbook showed of single rows.

    Numbers shown as percent are made what the person saw (0.9 shown as 90 % becomes 90%) before anything is checked.
    """
    batch, seen = hand_in.batch, hand_in.seen
    contract = batch.contract
    columns = {str(c.name): c for c in contract.named_columns if c.name in reader.columns}
    lines = _Lines(reader)
    _show_percent(db, hand_in, columns, lines)
    if hand_in.again:
        told = {lines.row(line): row for line, row in before.items()}
        return Extra(
            found={n: [Mistake(row.column, row.expected, row.found, _HOLD)] for n, row in told.items() if n}
        )
    cases = [*_bounds(columns), *_days(columns, batch), *_percents(columns), *_rules(contract, columns)]
    notes: list[str] = [f"{each}" for each in seen.findings if each.level == "warn"]
    cases += _links(db, hand_in, columns, notes)
    found: dict[int, list[Mistake]] = {}
    for row, mistake in (*_in_the_sheet(seen, lines), *_backward(db, batch, columns)):
        found.setdefault(row, []).append(mistake)
    reader.notes.extend(notes)
    labels = {name: column.header[0] for name, column in columns.items() if column.header}
    remedies = {name: _remedy(column) for name, column in columns.items()}
    return Extra(cases, found, dict(seen.letters), labels, remedies)


def _in_clear_words(held: Sequence[BadRow], seen: Look) -> list[BadRow]:
    """Rows that the reader held already, with the cell and the remedy where the look at the sheet knows them."""
    told = {each.row: each for each in seen.findings if each.row is not None}
    return [
        replace(row, expected=each.expected, reason=f"{each.cell}: {each.expected} expected; {each.remedy}")
        if row.line and (each := told.get(row.line))
        else row
        for row in held
    ]


def _settle(db: psycopg.Connection[Any], batch: Batch, reader: Reader) -> None:
    """Percent columns without the sign: what was handed in as 90 % or 90 is 90 in raw."""
    names = [
        str(c.name) for c in batch.contract.named_columns if c.type == "percent" and c.name in reader.columns
    ]
    for name in names:
        db.execute(
            sql.SQL("update {} set {c} = btrim(replace({c}, '%', '')) where {c} like {like}").format(
                batch.table, c=sql.Identifier(name), like=sql.Literal("%\\%%")
            )
        )


# -- what the workbook shows of single cells -----------------------------------------------------------------
class _Lines:
    """Which row of the batch stands on which line of the sheet; read only when somebody asks."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._rows = reader, dict[int, int]()

    def row(self, line: int) -> int | None:
        if not self._rows:
            self._rows = {each.line: each.row for each in self._reader.records() if each.line is not None}
        return self._rows.get(line)


def _in_the_sheet(seen: Look, lines: _Lines) -> Iterator[tuple[int, Mistake]]:
    columns = {letters: name for name, letters in seen.letters.items()}
    for each in seen.findings:
        row = None if each.row is None else lines.row(each.row)
        if row is not None:
            letters = (each.cell or "").rstrip("0123456789")
            yield row, Mistake(columns.get(letters), each.expected, each.found, _HOLD, each.remedy, each.cell)


def _show_percent(
    db: psycopg.Connection[Any], hand_in: HandIn, columns: dict[str, Column], lines: _Lines
) -> None:
    facts = hand_in.seen.facts
    if facts is None:
        return
    for name, column in columns.items():
        letters = hand_in.seen.letters.get(name, "")
        shown = [line for line in facts.percent.get(letters, ()) if line > hand_in.seen.header_line]
        if column.type != "percent" or not shown:
            continue
        rows = [row for row in map(lines.row, shown) if row is not None]
        db.execute(
            sql.SQL(
                "update {} set {c} = trim_scale({c}::numeric * 100)::text || '%%' where _row = any(%s) and {c} ~ {number}"
            ).format(hand_in.batch.table, c=sql.Identifier(name), number=sql.Literal(PATTERNS["numeric"])),
            (rows,),
        )


def _held_before(db: psycopg.Connection[Any], batch: Batch) -> dict[int, BadRow]:
    """The rows of this file that were held on the night that is repeated, by line: other registers stand differently
    now, so they are not judged once more. One that was released since is not among them.
    """
    found = db.execute(
        "select line, sheet, column_name, expected, found, reason, record from quarantine.rows "
        "where file_id = %s and night = %s and state <> 'released'",
        (batch.file_id, batch.night),
    )
    return {row[0]: BadRow(0, *row) for row in found}


# -- rules of one row ----------------------------------------------------------------------------------------
def _remedy(column: Column) -> str:
    if column.allowed:
        return "choose a value from the list of the cell"
    return _REMEDIES.get(column.type, "fill the cell")


def _bounds(columns: dict[str, Column]) -> Iterator[Case]:
    for name, column in columns.items():
        for bound, sign, word in ((column.min, "<", "at least"), (column.max, ">", "at most")):
            if bound is not None:
                wrong = sql.SQL("({} {} {})").format(_number(column), sql.SQL(sign), sql.Literal(bound))
                yield Case(name, f"{word} {bound:g}", wrong, _HOLD, "check the number and its unit")


def _days(columns: dict[str, Column], batch: Batch) -> Iterator[Case]:
    for name, column in columns.items():
        if column.type in ("date", "timestamp") and not column.above:
            wrong = sql.SQL("({} < {})").format(_day(name), sql.Literal(f"{FIRST_YEAR}-01-01"))
            yield Case(
                name, f"a day since {FIRST_YEAR}", wrong, _HOLD,
                "type the day as YYYY-MM-DD: the cell holds a number that is shown as a date, or one counted from 1904",
            )  # fmt: skip
    if (as_of := columns.get("as_of")) and not as_of.above:
        wrong = sql.SQL("({} > {})").format(_day("as_of"), sql.Literal(batch.night.isoformat()))
        yield Case(
            "as_of", f"a day up to {batch.night}, the night of the hand-in", wrong, _HOLD,
            "type the last day that the row reflects",
        )  # fmt: skip


def _percents(columns: dict[str, Column]) -> Iterator[Case]:
    for name, column in columns.items():
        if column.type == "percent":
            wrong = sql.SQL("({number} > 0 and {number} <= 1 and {c} not like {sign})").format(
                number=_number(column), c=sql.Identifier(name), sign=sql.Literal("%\\%%")
            )
            yield Case(
                name, "a percentage such as 90 or 90 %", wrong, _HOLD,
                "a fraction may mean either: for 0.9 type 90 % if nine tenths are meant, 0.9 % if not",
            )  # fmt: skip


def _rules(contract: Contract, columns: dict[str, Column]) -> Iterator[Case]:
    register = contract.register
    for rule in register.rules if register else ():
        if rule.column not in columns or rule.other not in columns:
            continue
        other = columns[rule.other]
        label = (other.header[0] if other.header else other.above) or rule.other
        if rule.kind == "needs":
            wrong = sql.SQL("({} is not null and {} is null)").format(
                sql.Identifier(rule.column), sql.Identifier(rule.other)
            )
            yield Case(
                rule.other, f"a value where {_label(columns[rule.column])} has one", wrong, _HOLD,
                f"fill {label}, or clear {_label(columns[rule.column])}",
            )  # fmt: skip
        elif rule.kind == "at_most":
            wrong = sql.SQL("({} > {})").format(_number(columns[rule.column]), _number(other))
            yield Case(
                rule.column, f"at most {label}", wrong, _HOLD, "correct one of the two numbers", rule.other
            )  # fmt: skip
        else:
            before = rule.kind == "not_before"
            wrong = sql.SQL("({} {} {})").format(
                _day(rule.column), sql.SQL("<" if before else ">"), _day(rule.other)
            )
            yield Case(
                rule.column, f"a day not {'before' if before else 'after'} {label}", wrong, _HOLD,
                "correct one of the two dates", rule.other,
            )  # fmt: skip


def _label(column: Column) -> str:
    return column.header[0] if column.header else str(column.name)


def _number(column: Column) -> sql.Composed:
    """SQL: the column's number; null where the text is none, which its type's own check says."""
    name = sql.Identifier(str(column.name))
    return sql.SQL(
        "case when {0} ~ {1} and {0} ~ '[0-9]' then (case when {0} ~ '[(]' then -1 else 1 end) * "
        + _NUMBER
        + " end"
    ).format(name, sql.Literal(PATTERNS[column.type]))


def _day(name: str, alias: str | None = None) -> sql.Composed:
    """SQL: the column's day as YYYY-MM-DD, which sorts as text; null where it is written in another way."""
    column = sql.Identifier(alias, name) if alias else sql.Identifier(name)
    return sql.SQL("case when {0} ~ {1} then substr(btrim({0}), 1, 10) end").format(
        column, sql.Literal(PATTERNS["date"])
    )


# -- against what was handed in before -----------------------------------------------------------------------
_PREVIOUS: Final = """
    select distinct on (1) lower(btrim(r.division)) as division, {day} as as_of, r._file_id, r._night
    from {raw} as r
    join (select lower(btrim(division)) as division, min({mine}) as as_of from {batch} group by 1) as this
        on this.division = lower(btrim(r.division))
    where {day} < this.as_of
    order by 1, 2 desc, r._night desc, r._file_id desc
"""


def _backward(
    db: psycopg.Connection[Any], batch: Batch, columns: dict[str, Column]
) -> Iterator[tuple[int, Mistake]]:
    """Rows whose status moved back since the division's hand-in before."""
    register = batch.contract.register
    status = register.status if register else None
    keys = [key for key in batch.contract.keys if key not in ("division", "as_of")]
    if status is None or not {status.column, "division", "as_of", *keys} <= {*columns} or not keys:
        return
    same = sql.SQL(" and ").join(
        sql.SQL("btrim(b.{0}) = btrim(r.{0})").format(sql.Identifier(key)) for key in keys
    )
    rows = db.execute(
        sql.SQL(
            "with previous as ({previous}) "
            "select b._row, b.{status}, r.{status}, previous.as_of from {batch} as b "
            "join previous on previous.division = lower(btrim(b.division)) "
            "join {raw} as r on r._file_id = previous._file_id and r._night = previous._night "
            "and lower(btrim(r.division)) = previous.division and {same} "
            "where array_position({forward}, b.{status}) < array_position({forward}, r.{status})"
        ).format(
            previous=sql.SQL(_PREVIOUS).format(
                day=_day("as_of", "r"), mine=_day("as_of"), raw=batch.target, batch=batch.table
            ),
            raw=batch.target,
            batch=batch.table,
            status=sql.Identifier(status.column),
            same=same,
            forward=sql.SQL("{}::text[]").format(sql.Literal(list(status.forward))),
        )
    )
    for row, now, before, day in rows:
        yield row, Mistake(
            status.column, f"{before!r} or later, as in the hand-in of {day}", now, _HOLD,
            f"a status does not go back: mend it, or hand in the sheet of {day} again with the right one",
        )  # fmt: skip


# -- against other registers ---------------------------------------------------------------------------------
_STANDING: Final = """
    select r.division, r._file_id, r._night, r.as_of
    from (
        select distinct on (1) lower(btrim(r.division)) as division, r._file_id, r._night, {day} as as_of
        from {raw} as r
        where {day} is not null
        order by 1, 4 desc, r._night desc, r._file_id desc
    ) as r
"""


def _links(
    db: psycopg.Connection[Any], hand_in: HandIn, columns: dict[str, Column], notes: list[str]
) -> Iterator[Case]:
    register = hand_in.batch.contract.register
    for link in register.links if register else ():
        if link.column in columns:
            target = load_contract(link.dataset, _root(hand_in.batch.contract))
            yield from _orphans(db, hand_in, link, target, notes)


def _root(contract: Contract) -> Path:
    return CONTRACTS if contract.path.is_relative_to(CONTRACTS) else contract.path.parent


def _orphans(
    db: psycopg.Connection[Any], hand_in: HandIn, link: Link, target: Contract, notes: list[str]
) -> Iterator[Case]:
    """A case for values that name nothing. A list that is older than the sheet cannot prove that: then only a note."""
    batch = hand_in.batch
    column = sql.Identifier(link.column)
    mentioned = {
        value
        for (value,) in db.execute(
            sql.SQL("select distinct btrim({0}) from {1} where {0} is not null").format(column, batch.table)
        )
    }
    standing, newest = _standing(db, batch, link, target)
    orphans = mentioned - standing
    together = target.extract.arguments.get("folder") == batch.contract.extract.arguments.get("folder")
    if orphans and together:
        orphans -= _beside(hand_in, link, target)
    if not orphans:
        return
    row = db.execute(sql.SQL("select min({}) from {}").format(_day("as_of"), batch.table)).fetchone()
    where = f"the sheet {sheet_name(target)!r}" if together else f"the latest hand-in of {link.dataset}"
    if not together and (newest is None or (row and row[0] and newest < row[0])):
        shown = "" if is_private(batch.contract) else f", such as {', '.join(sorted(orphans)[:5])}"
        notes.append(f"{link.column}: {len(orphans)} values are not in {where} yet{shown}")
        return
    wrong = sql.SQL("(btrim({}) = any({}))").format(column, sql.Literal(sorted(orphans)))
    yield Case(
        link.column, f"one of those in {where} ({link.target})", wrong, _HOLD,
        f"mend it, or add it to {where} first",
    )  # fmt: skip


def _standing(
    db: psycopg.Connection[Any], batch: Batch, link: Link, target: Contract
) -> tuple[set[str], str | None]:
    """The values of the target that stand, and their latest day: of the batch's own divisions, or of all where these
    hand none in.
    """
    if db.execute("select to_regclass(%s)", (f"raw.{target.table}",)).fetchone() == (None,):
        return set(), None
    raw = sql.Identifier("raw", target.table)
    rows = db.execute(
        sql.SQL(
            "with standing as ({standing}), "
            "mine as (select distinct lower(btrim(division)) from {batch}) "
            "select distinct btrim(r.{target}), standing.as_of, standing.division in (select * from mine) "
            "from standing join {raw} as r on r._file_id = standing._file_id and r._night = standing._night "
            "and lower(btrim(r.division)) = standing.division where r.{target} is not null"
        ).format(
            standing=sql.SQL(_STANDING).format(day=_day("as_of", "r"), raw=raw),
            raw=raw,
            batch=batch.table,
            target=sql.Identifier(link.target),
        )
    ).fetchall()
    own = [each for each in rows if each[2]] or rows
    return {value for value, _, _ in own}, max((day for _, day, _ in own), default=None)


def _beside(hand_in: HandIn, link: Link, target: Contract) -> set[str]:
    """The target's values on its own sheet of this very workbook, which may not be loaded yet; none where that sheet
    cannot be read, which its own load refuses.
    """
    try:
        reader = open_file(target, hand_in.path, hand_in.batch.name)
        at = reader.columns.index(link.target)
        values = [each.values[at] for each in reader.records() if isinstance(each, Record)]
    except (Quarantined, ValueError):
        return set()
    return {value.strip() for value in values if value}
