"""Rows of a file that are no records: totals, counters, a header that comes again."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from cityperf.load.quarantined import Quarantined
from cityperf.sources import LeaveOut

if TYPE_CHECKING:
    from cityperf.load.batch import Batch
    from cityperf.load.readers import Reader


def leave_out(db: psycopg.Connection[Any], batch: Batch, reader: Reader) -> int:
    """Take the rows that the contract leaves out from the batch's table, with a note; returns how many.

    Raises Quarantined when one of them is to be a sum and is not.
    """
    gone = 0
    for rule in batch.contract.leave_out:
        if rule.column not in reader.columns:
            continue
        if rule.sums:
            _check_sums(db, batch, rule, [name for name in rule.sums if name in reader.columns])
        count = db.execute(sql.SQL("delete from {} where {}").format(batch.table, _matches(rule))).rowcount
        if count:
            reader.notes.append(f"{count:,} rows left out: {rule.column} matches {rule.matches!r}")
        gone += count
    return gone


def _matches(rule: LeaveOut) -> sql.Composed:
    return sql.SQL("coalesce({} ~ {}, false)").format(sql.Identifier(rule.column), sql.Literal(rule.matches))


def _check_sums(db: psycopg.Connection[Any], batch: Batch, rule: LeaveOut, names: list[str]) -> None:
    for name in names:
        row = db.execute(
            sql.SQL(
                "select count(*) filter (where t), coalesce(sum(v) filter (where t), 0), "
                "coalesce(sum(v) filter (where not t), 0) from (select {} as v, {} as t from {}) as rows"
            ).format(as_amount(sql.Identifier(name)), _matches(rule), batch.table)
        ).fetchone()
        count, total, lines = row or (0, Decimal(0), Decimal(0))
        if count > 1:
            raise Quarantined(
                f"at most one row whose {rule.column} matches {rule.matches!r}, the sum of all others",
                f"{count} such rows",
                batch.name,
                "make the pattern in `leave_out` narrower, or take `sums` out",
            )
        if count and abs(lines - total) > Decimal(str(rule.tolerance)):
            raise Quarantined(
                f"rows whose {name} adds up to the total of {total:,}",
                f"{lines:,}, a difference of {lines - total:,}",
                batch.name,
                "the file was changed or cut; ask the publisher for the whole file",
            )


def as_amount(value: sql.Composable) -> sql.Composed:
    """SQL for text such as '$1,234.50', '(1,049,252.00)' or '-$3.00' as numeric; parentheses mean minus."""
    return sql.SQL(
        "nullif(regexp_replace({0}, '[^0-9.]', '', 'g'), '')::numeric * case when {0} ~ '[(-]' then -1 "
        "else 1 end"
    ).format(value)
