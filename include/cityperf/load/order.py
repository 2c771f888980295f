"""Which of two deliveries is the later one, whoever was loaded first: decision 0014.

A delivery is as new as its stamp, then its night, then its name. The stamp is the moment at which the source
says it was modified, or the night's start where the source says nothing (`ops.delivery_stamp`). Two things
are as old as their bytes: a file that comes back with the server's own older Last-Modified, and bytes that
come again under a new name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from cityperf.load.attach import served_by_newer

if TYPE_CHECKING:
    import psycopg

    from cityperf.load.batch import Batch
    from cityperf.sources import Contract

REBUILT: Final = "rebuilt from landing"  # marks batches whose rows a rebuild took out of raw


def stamp_of(db: psycopg.Connection[Any], night: date, file_id: int) -> str:
    """How new a landed file is when it is delivered on `night`: sortable text in UTC."""
    row = db.execute(
        """
        select f.night, f.source_meta ->> 'source_modified', f.last_modified, (
            select min(other.night) from ops.landed_file as other
            where other.dataset = f.dataset and other.sha256 = f.sha256 and other.name <> f.name
                and other.night < %s
        )
        from ops.landed_file as f where f.file_id = %s
        """,
        (night, file_id),
    ).fetchone()
    first, modified, header, elsewhere = row or (night, None, None, None)
    as_of = night
    if not modified and first < night:
        modified = _iso(header)
    elif not modified and elsewhere is not None:
        as_of = elsewhere
    found = db.execute("select ops.delivery_stamp(%s, %s)", (as_of, modified)).fetchone()
    return str(found[0]) if found else ""


def come_anew(db: psycopg.Connection[Any], night: date, file_ids: Sequence[int]) -> set[int]:
    """Those of the files, all loaded before, that the source dates later than ever and that lost a period meanwhile:
    the same bytes, but a delivery of their own. A date after the night's end is no reason: it never passes.
    """
    dated = db.execute(
        """
        select file_id, source_meta ->> 'source_modified' from ops.landed_file
        where file_id = any(%(files)s) and source_meta ->> 'source_modified' <> ''
            and ops.delivery_stamp(%(night)s, source_meta ->> 'source_modified') = source_meta ->> 'source_modified'
        """,
        {"files": list(file_ids), "night": night},
    ).fetchall()
    return {file_id for file_id, stamp in dated if overtaken(db, file_id, stamp)}


def overtaken(db: psycopg.Connection[Any], file_id: int, stamp: str) -> bool:
    """Whether the file's deliveries so far are older than `stamp`, and another one stands for a period of theirs."""
    row = db.execute(
        """
        select max(b.stamp) < %(stamp)s, array(
            select unnest(own.periods_in) from ops.batch as own where own.file_id = %(file)s and not own.is_backfill
            except
            select unnest(own.periods || own.periods_confirmed) from ops.batch as own
            where own.file_id = %(file)s and own.state = 'loaded'
        ) <> '{}'
        from ops.batch as b
        where b.file_id = %(file)s and b.state in ('loaded', 'superseded')
            and b.message is distinct from %(rebuilt)s
        """,
        {"file": file_id, "stamp": stamp, "rebuilt": REBUILT},
    ).fetchone()
    return row is not None and bool(row[0] and row[1])


def stamp_before(db: psycopg.Connection[Any], night: date, file_id: int) -> str:
    """The stamp that the delivery of that night was loaded with."""
    row = db.execute(
        "select stamp from ops.batch where file_id = %s and night = %s and state in ('loaded', 'superseded') "
        "order by batch_id desc limit 1",
        (file_id, night),
    ).fetchone()
    return str(row[0]) if row else stamp_of(db, night, file_id)


def stands_for(db: psycopg.Connection[Any], file_id: int) -> set[str]:
    """The periods whose rows in raw came in this file."""
    rows = db.execute(
        "select unnest(periods) from ops.batch where file_id = %s and state = 'loaded'", (file_id,)
    )
    return {row[0] for row in rows}


def reason_to_leave(db: psycopg.Connection[Any], batch: Batch) -> str | None:
    """Why a file that was loaded before need not even be read: it is an old one; None if it has to be."""
    if batch.contract.partition is not None:
        return _all_newer(db, batch)
    row = db.execute(
        """
        select f.name = mine.name, f.name, b.night
        from ops.batch as this
        join ops.landed_file as mine on mine.file_id = this.file_id
        join ops.landed_file as f on f.dataset = mine.dataset and f.sha256 = mine.sha256
        join ops.batch as b on b.file_id = f.file_id and b.batch_id <> this.batch_id
        where this.batch_id = %(batch)s and b.state in ('loaded', 'superseded') and b.rows_loaded is not null
            and b.message is distinct from %(rebuilt)s and (f.name = mine.name or b.night <= this.night)
        order by 1 desc, b.batch_id desc limit 1
        """,
        {"batch": batch.batch_id, "rebuilt": REBUILT},
    ).fetchone()
    if row is None:
        return None
    same_name, name, night = row
    if same_name:
        return "an old file delivered again: a newer delivery stands" if newer_stands(db, batch) else None
    if batch.contract.keys:
        return f"the bytes of {name}, delivered on {night}, under another name: nothing to load"
    return None


def newer_stands(db: psycopg.Connection[Any], batch: Batch) -> bool:
    """Whether another file of this name is the later delivery."""
    row = db.execute(
        """
        select 1
        from ops.batch as this
        join ops.landed_file as mine on mine.file_id = this.file_id
        join ops.landed_file as f on f.dataset = mine.dataset and f.name = mine.name and f.file_id <> mine.file_id
        join ops.batch as b on b.file_id = f.file_id
        where this.batch_id = %s and b.state in ('loaded', 'superseded') and b.message is distinct from %s
            and (b.stamp, b.night) > (this.stamp, this.night)
        limit 1
        """,
        (batch.batch_id, REBUILT),
    ).fetchone()
    return row is not None


def newer_than_held(
    db: psycopg.Connection[Any], contract: Contract, file_id: int, held_on: date
) -> str | None:
    """Which later delivery took the place of a file that was held on that night, in words; None if none did.

    Of a data set with periods that is found out period by period, when the file is attached.
    """
    if contract.partition is not None:
        return None
    row = db.execute(
        """
        select b.night, f.sha256
        from ops.landed_file as mine
        join ops.landed_file as f on f.dataset = mine.dataset and f.name = mine.name and f.file_id <> mine.file_id
        join ops.batch as b on b.file_id = f.file_id and b.state in ('loaded', 'superseded')
        where mine.file_id = %s and (b.stamp, b.night) > (%s::text collate "C", %s)
        order by b.stamp desc, b.night desc limit 1
        """,
        (file_id, stamp_of(db, held_on, file_id), held_on),
    ).fetchone()
    if row is None:
        return None
    return f"superseded: the delivery of {row[0]} (SHA-256 {row[1][:12]}) is newer and stands; nothing was loaded"


def _all_newer(db: psycopg.Connection[Any], batch: Batch) -> str | None:
    row = db.execute(
        "select periods_in from ops.batch where file_id = %s and batch_id <> %s and cardinality(periods_in) > 0 "
        "and not is_backfill order by batch_id desc limit 1",
        (batch.file_id, batch.batch_id),
    ).fetchone()
    if row is None or served_by_newer(db, batch.batch_id, row[0]) != set(row[0]):
        return None
    return "an old file delivered again: newer deliveries stand for all its periods"


def _iso(header: str | None) -> str | None:
    """An HTTP date as ISO text in UTC; None if there is none, or it is not one."""
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC).replace(tzinfo=None).isoformat()
    except (TypeError, ValueError):
        return None
