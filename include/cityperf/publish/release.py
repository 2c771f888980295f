"""Making a release: compare, write the files aside, record, swap, link. Killed anywhere, the next run
converges.

The order carries the safety. Files get their final name before the swap, so a release that readers see is
always
whole on disk; the swap and its row in `ops.release` are one transaction, so the database alone says which
release is
up; the link `releases/current` follows the database, and every run mends it first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import garbage, ledger, restatements
from cityperf.publish.content import content_hash
from cityperf.publish.dictionary import load_dictionary
from cityperf.publish.exports import (
    Notice,
    Origin,
    Written,
    build,
    file_sha256,
    link_current,
    new_folder,
    place,
    rewrite,
)
from cityperf.publish.failpoints import reached
from cityperf.publish.swap import NEXT, SwapBusy, mark, swap
from cityperf.publish.tables import Table, tables


class NothingToRelease(CityperfError):
    """There is neither a candidate nor a release."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. `number` is the release that is up afterwards, or the held candidate; `reason` is for
    people."""

    status: Literal["released", "unchanged", "held"]
    number: int
    reason: str
    restated: int = 0


def release(settings: Settings, night: date) -> Outcome:
    """Publish what stands in publish_next, unless it equals the release that is up or a blocking check
    failed.

    Raises NothingToRelease when nothing was ever built, ReleaseBusy when another release is being made.
    """
    with ledger.exclusive(settings):
        reached("release.started")
        with connect(settings, "publisher") as connection:
            up = ledger.current(connection)
            if up:
                link_current(settings, up.number)
            candidate = tables(connection, NEXT)
            if not candidate:
                return _nothing_new(settings, connection, up)
            number = ledger.adopt(connection, night, _built_as(connection, candidate))
            connection.commit()
            blocking = _blocking(connection, night)
            if blocking:
                _hold(connection, number, "; ".join(blocking))
                return Outcome("held", number, "; ".join(blocking))
            fingerprint = content_hash(connection, candidate)
            connection.commit()
            reached("release.hashed")
            mark(settings, connection)
            connection.commit()
            if up and up.content_hash == fingerprint:
                return _unchanged(settings, connection, number, up)
        folder = _export(settings, night, number, candidate)
        restated = _record(settings, number, folder)
        reached("release.recorded")
        try:
            swap(settings, number, fingerprint, up.number if up else 0)
        except SwapBusy as busy:
            with connect(settings, "publisher") as connection:
                _hold(connection, number, str(busy))
            return Outcome("held", number, str(busy))
        reached("swap.committed")
        link_current(settings, number)
        reached("garbage.started")
        garbage.sweep(settings)
        reached("garbage.done")
        return Outcome("released", number, f"release {number} is up", restated)


def hold(settings: Settings, night: date, reason: str) -> Outcome:
    """Keep the candidate back and mark the release that is up as stale, with the reason."""
    with ledger.exclusive(settings), connect(settings, "publisher") as connection:
        candidate = tables(connection, NEXT)
        number = ledger.adopt(connection, night, _built_as(connection, candidate))
        _hold(connection, number, reason)
    return Outcome("held", number, reason)


def export(settings: Settings, number: int, target: Path) -> list[Written]:
    """Write the files of the release that is up into the empty folder `target`, byte for byte as they were
    made.

    Raises NothingToRelease for a number that is not up: older releases are read from their folder.
    """
    with connect(settings, "publisher") as connection:
        up = ledger.current(connection)
        if up is None or up.number != number:
            raise NothingToRelease(
                f"expected release {number} to be up, found {up.number if up else 'none'}, in database "
                f"{settings.warehouse_db}; older releases lie in {settings.releases}"
            )
        origins = _origins(connection, number, _contracts())
    notice = Notice(number, up.night, settings.profile, origins)
    return rewrite(settings, number, load_dictionary(settings, _contracts()), notice, target)


def collect_garbage(settings: Settings) -> garbage.Collected:
    """Remove what killed runs and earlier swaps left; mends the link `current` too."""
    with ledger.exclusive(settings):
        with connect(settings, "publisher") as connection:
            up = ledger.current(connection)
        if up:
            link_current(settings, up.number)
        return garbage.sweep(settings)


def list_releases(settings: Settings) -> list[ledger.Release]:
    """All releases, newest first."""
    with connect(settings, "publisher") as connection:
        return ledger.releases(connection)


# -- steps ---------------------------------------------------------------------------------------------------
def _nothing_new(settings: Settings, connection: Connection[Any], up: ledger.Release | None) -> Outcome:
    if up is None:
        raise NothingToRelease(
            f"expected tables in schema {NEXT} of {settings.warehouse_db}, found none and no release is up; "
            "build the publish models first (./cityperf refresh)"
        )
    connection.execute("update ops.release set state = 'discarded' where state = 'candidate'")
    ledger.mark_stale(connection, None)
    return Outcome("unchanged", up.number, "nothing was rebuilt since")


def _unchanged(settings: Settings, connection: Connection[Any], number: int, up: ledger.Release) -> Outcome:
    ledger.discard(connection, number)
    ledger.mark_stale(connection, None)
    # Emptied, so that the next night does not take the twin of what is up for a candidate.
    for table in tables(connection, NEXT).values():
        connection.execute(sql.SQL("drop table {} cascade").format(table.identifier))
    connection.commit()
    garbage.sweep(settings)
    return Outcome("unchanged", up.number, f"every table equals release {up.number}")


def _hold(connection: Connection[Any], number: int, reason: str) -> None:
    connection.execute("update ops.release set state = 'held' where number = %s", (number,))
    ledger.mark_stale(connection, f"release {number} is held back: {reason}")
    connection.commit()


def _blocking(connection: Connection[Any], night: date) -> list[str]:
    return [
        message
        for (message,) in connection.execute(
            "select message from ops.check_result where night = %s and border = 'publish' and severity = "
            "'block' "
            "and status = 'fail' order by subject, check_name",
            (night,),
        )
    ]


def _built_as(connection: Connection[Any], candidate: Mapping[str, Table]) -> int | None:
    table = candidate.get("release")
    if table is None or "number" not in {column.name for column in table.columns}:
        return None
    row = connection.execute("select max(number) from publish_next.release").fetchone()
    return row[0] if row else None


def _export(settings: Settings, night: date, number: int, candidate: Mapping[str, Table]) -> Path:
    contracts = _contracts()
    dictionary = load_dictionary(settings, contracts)
    building = new_folder(settings, number)
    with connect(settings, "publisher") as connection:
        origins = _origins(connection, None, contracts)
        connection.commit()
        build(connection, candidate, dictionary, Notice(number, night, settings.profile, origins), building)
    reached("export.synced")
    folder = place(settings, number, building)
    reached("export.renamed")
    return folder


def _record(settings: Settings, number: int, folder: Path) -> int:
    with connect(settings, "publisher") as connection:
        ledger.forget_details(connection, number)
        connection.cursor().executemany(
            "insert into ops.release_file (number, path, sha256, bytes) values (%s, %s, %s, %s)",
            [
                (number, path.name, file_sha256(path), path.stat().st_size)
                for path in sorted(folder.iterdir())
            ],
        )
        connection.execute(
            "insert into ops.release_input (number, file_id) select %s::integer, file_id from ops.cursor "
            "union select %s::integer, file_id from ops.batch where state = 'loaded' and cardinality(periods) > 0",
            (number, number),
        )
        return restatements.record(connection, number)


def _origins(
    connection: Connection[Any], number: int | None, contracts: Mapping[str, Any]
) -> tuple[Origin, ...]:
    """The data sets behind the candidate (number None) or a release, each with its newest file's address."""
    chosen = (
        "select f.* from ops.landed_file as f join ops.release_input as i using (file_id) where i.number = "
        "%(number)s"
        if number is not None
        else "select f.* from ops.landed_file as f where f.file_id in (select c.file_id from ops.cursor as c)"
    )
    rows = connection.execute(
        "select dataset, count(*), (array_agg(url order by night desc, name desc, url))[1] "  # noqa: S608
        f"from ({chosen}) as chosen group by dataset order by dataset",
        {"number": number},
    ).fetchall()
    return tuple(
        Origin(
            dataset,
            contracts[dataset].title if dataset in contracts else dataset,
            url,
            contracts[dataset].licence if dataset in contracts else None,
            files,
        )
        for dataset, files, url in rows
    )


def _contracts() -> Mapping[str, Any]:
    from cityperf.sources import load_contracts

    return load_contracts()
