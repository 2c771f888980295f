"""Rows at the source against rows in the file, where the source counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cityperf.load.quarantined import Quarantined

if TYPE_CHECKING:
    import psycopg

    from cityperf.load.batch import Batch

COUNTED: Final = (
    "rows_at_source",
    "total",
    "features",
)  # keys of the manifest under which connectors leave the count


def reconcile(db: psycopg.Connection[Any], batch: Batch, rows_in: int) -> int | None:
    """The number of rows that the source counted; None if it does not count.

    A difference is a warning of the landing border. Raises Quarantined when the file has fewer rows and the
    contract holds files that lack some (`fewer_rows: quarantine_file`).
    """
    row = db.execute(
        "select source_meta from ops.landed_file where file_id = %s", (batch.file_id,)
    ).fetchone()
    meta: dict[str, Any] = row[0] if row else {}
    counted: int | None = next((meta[key] for key in COUNTED if isinstance(meta.get(key), int)), None)
    if counted is None or counted == rows_in:
        return counted
    if rows_in < counted and batch.contract.drift.fewer_rows == "quarantine_file":
        raise Quarantined(
            f"{counted:,} rows, as many as the source counted",
            f"{rows_in:,}",
            batch.name,
            "fetch it again: it was cut, or rows went away meanwhile; if the source counts otherwise, say "
            "`fewer_rows: warn` in the contract",
        )
    _warn(db, batch, counted, rows_in)
    return counted


def _warn(db: psycopg.Connection[Any], batch: Batch, counted: int, rows_in: int) -> None:
    from cityperf.quality.results import Rule, record, result_of

    rule = Rule(
        check="rows_at_source",
        expectation="",
        arguments={},
        severity="warn",
        owner=batch.contract.owner.steward,
        runbook="landing.md#rows",
        expected=f"{counted:,} rows, as many as the source counted",
        remedy="look whether rows came or went while the source was read; the rows were loaded",
        location=batch.name,
    )
    dataset = batch.contract.dataset
    result = result_of(
        rule, "landing", f"reconciliation.{dataset}", dataset, False, f"{rows_in:,}", batch.batch_id
    )
    record(db, batch.night, [result])
