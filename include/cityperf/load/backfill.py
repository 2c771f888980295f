"""Backfill: deliveries read again from landing, checked aside and swapped in; what they replace is kept.

`plan` says which deliveries have their rows in raw for the periods or nights asked for; `reload` reads one of
them again (`choose` and `reload_chosen` are the same two steps for the DAG); `undo` puts back what was kept;
`drop_expired` ends the keeping. Only a backfill keeps what it replaces: what a nightly delivery replaces can be
had again from landing.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from cityperf.config import Settings
from cityperf.errors import CityperfError

if TYPE_CHECKING:
    import psycopg

    from cityperf.load import BatchResult, Gate
    from cityperf.sources import Contract

KEPT_FOR: Final = timedelta(days=30)
_SPAN: Final = re.compile(r"(?P<first>\d{4}(-\d\d)?)(:(?P<last>\d{4}(-\d\d)?))?")


@dataclass(frozen=True)
class Delivery:
    """A file of one night that has rows in raw: all of them, or those of `periods`. `label` is for people."""

    file_id: int
    night: date
    name: str
    periods: tuple[str, ...]

    @property
    def label(self) -> str:
        from cityperf.load.attach import ranges

        return f"{ranges(self.periods)} of {self.name}" if self.periods else f"{self.name} of {self.night}"


def plan(
    settings: Settings, contract: Contract, *, period: str | None = None, nights: str | None = None
) -> list[Delivery]:
    """The deliveries whose rows stand in raw for a period, a range of them (`2023-01:2023-06`), or a range of
    nights (`2026-11-01:2026-11-20`); all of them if nothing is named.

    Raises CityperfError when the range is none, or does not fit the data set.
    """
    from cityperf.db import connect

    first, last = _span(contract, period)
    since, until = _nights(nights)
    with connect(settings, "loader") as db:
        if contract.partition is None:
            rows = db.execute(
                """
                select b.file_id, min(b.night), f.name, '{}'::text[]
                from ops.batch as b join ops.landed_file as f using (file_id)
                where b.dataset = %s and b.state in ('loaded', 'superseded') and b.rows_loaded > 0
                group by 1, 3 having bool_or(b.night between %s and %s)
                order by 2, 1
                """,
                (contract.dataset, since, until),
            ).fetchall()
        else:
            rows = db.execute(
                """
                select b.file_id, b.night, f.name, array_agg(served.period order by served.period)
                from ops.batch as b join ops.landed_file as f using (file_id),
                    unnest(b.periods) as served (period)
                where b.dataset = %s and b.state = 'loaded' and b.night between %s and %s
                    and served.period collate "C" between %s and %s
                group by 1, 2, 3 order by 4, 2, 1
                """,
                (contract.dataset, since, until, first, last),
            ).fetchall()
    return [Delivery(file_id, night, name, tuple(periods)) for file_id, night, name, periods in rows]


def reload(
    settings: Settings,
    contract: Contract,
    delivery: Delivery,
    night: date,
    *,
    gate: Gate | None = None,
) -> BatchResult:
    """Read one delivery again and swap its rows in on `night`; what they replace is kept for 30 days.

    Raises FileQuarantined when a check fails and SourceUnavailable when another load of the data set does not
    end; either way everything is as before.
    """
    from cityperf.load import backfill_file
    from cityperf.load.attach import Backfill

    what = Backfill(night, night + KEPT_FOR, delivery.periods)
    return backfill_file(settings, contract, delivery.file_id, delivery.night, what, gate=gate)


def choose(
    settings: Settings,
    *,
    dataset: str,
    night: str,
    period: str | None = None,
    nights: str | None = None,
    fetch: bool = False,
) -> list[dict[str, Any]]:
    """The deliveries to read again, in plain values. With `fetch` the source is visited first: what is new there
    is loaded as that night's delivery and needs no second reading.
    """
    contract = contract_of(dataset)
    check_range(contract, period=period, nights=nights)
    done = set[int]()
    if fetch:
        from cityperf.extract import extract
        from cityperf.load import load_file

        for file in extract(settings, date.fromisoformat(night), contract):
            load_file(settings, date.fromisoformat(night), contract, file["file_id"])
            done.add(file["file_id"])
    return [
        {
            "dataset": dataset,
            "night": night,
            "file_id": each.file_id,
            "delivered": each.night.isoformat(),
            "name": each.name,
            "periods": list(each.periods),
            "label": each.label,
        }
        for each in plan(settings, contract, period=period, nights=nights)
        if each.file_id not in done
    ]


def reload_chosen(settings: Settings, asked: dict[str, Any]) -> dict[str, Any]:
    """`reload` of one of the deliveries that `choose` named; returns its BatchResult in plain values."""
    delivery = Delivery(
        asked["file_id"], date.fromisoformat(asked["delivered"]), asked["name"], tuple(asked["periods"])
    )
    night = date.fromisoformat(asked["night"])
    return asdict(reload(settings, contract_of(asked["dataset"]), delivery, night))


@dataclass(frozen=True)
class Restored:
    """What `undo` put back (periods, or names of files), and what it left with the reason."""

    back: tuple[str, ...]
    left: tuple[str, ...]


def undo(settings: Settings, contract: Contract, *, period: str | None = None) -> Restored:
    """Put back what the latest backfill of each period replaced, all in one transaction.

    A period for which another delivery came since is left. Raises CityperfError when nothing is kept.
    """
    from cityperf.db import connect
    from cityperf.load import one_at_a_time, patiently

    first, last = _span(contract, period)
    with connect(settings, "loader", autocommit=True) as db, one_at_a_time(db, contract.dataset):
        kept = db.execute(
            """
            select distinct on (coalesce(k.period, b.file_id::text))
                k.kept_id, k.period, k.replaced_by, k.was_of, b.file_id, f.name,
                k.period is null or k.period = any(b.periods)
            from ops.kept_partition as k
            join ops.batch as b on b.batch_id = k.replaced_by join ops.landed_file as f using (file_id)
            where k.dataset = %s and k.state = 'kept'
                and (k.period is null or k.period collate "C" between %s and %s)
            order by coalesce(k.period, b.file_id::text), k.kept_id desc
            """,
            (contract.dataset, first, last),
        ).fetchall()
        if not kept:
            raise CityperfError(
                f"{contract.dataset}: expected something that a backfill replaced in the last "
                f"{KEPT_FOR.days} days, found nothing kept; ops.kept_partition lists what was"
            )
        return patiently(db, lambda: _put_back(db, contract, kept))


def _put_back(db: psycopg.Connection[Any], contract: Contract, kept: list[tuple[Any, ...]]) -> Restored:
    back, left = [], []
    for kept_id, period, replaced_by, was_of, file_id, name, stands in kept:
        if not stands:
            left.append(f"{period}: another delivery stands for it since")
            continue
        if period is None:
            _put_rows_back(db, contract, kept_id, file_id)
        else:
            _put_partition_back(db, contract, kept_id, period)
        _hand_over(db, period, replaced_by, was_of)
        db.execute("update ops.kept_partition set state = 'restored' where kept_id = %s", (kept_id,))
        back.append(period or name)
    return Restored(tuple(back), tuple(left))


def drop_expired(settings: Settings, night: date) -> list[str]:
    """Drop what was kept until a night before this one; returns the names of the tables in raw."""
    from psycopg import sql

    from cityperf.db import connect
    from cityperf.load.attach import kept_name

    dropped = []
    with connect(settings, "loader", autocommit=True) as db:
        expired = db.execute(
            "select kept_id from ops.kept_partition where state = 'kept' and until < %s order by 1", (night,)
        ).fetchall()
        for (kept_id,) in expired:
            with db.transaction():
                table = sql.Identifier("raw", kept_name(kept_id))
                db.execute(sql.SQL("drop table if exists {}").format(table))
                db.execute("update ops.kept_partition set state = 'dropped' where kept_id = %s", (kept_id,))
            dropped.append(kept_name(kept_id))
    return dropped


# -- putting back --------------------------------------------------------------------------------------------
def _put_partition_back(db: psycopg.Connection[Any], contract: Contract, kept_id: int, period: str) -> None:
    from psycopg import sql

    from cityperf.load.attach import attach_as, detach, kept_name, partition_name

    _add_lacking(db, contract, kept_name(kept_id))
    detach(db, contract, period)
    db.execute(sql.SQL("drop table {}").format(sql.Identifier("raw", partition_name(contract, period))))
    attach_as(db, contract, period, kept_name(kept_id))


def _put_rows_back(db: psycopg.Connection[Any], contract: Contract, kept_id: int, file_id: int) -> None:
    from psycopg import sql

    from cityperf.load.attach import kept_name
    from cityperf.load.batch import columns_of

    target, table = (sql.Identifier("raw", name) for name in (contract.table, kept_name(kept_id)))
    names = sql.SQL(", ").join(
        map(sql.Identifier, [*columns_of(db, kept_name(kept_id)), "_file_id", "_row", "_sheet", "_night"])
    )
    db.execute(sql.SQL("delete from {} where _file_id = %s").format(target), (file_id,))
    db.execute(
        sql.SQL("insert into {} ({}) select {} from {} order by _row").format(target, names, names, table)
    )
    db.execute(sql.SQL("drop table {}").format(table))


def _add_lacking(db: psycopg.Connection[Any], contract: Contract, table: str) -> None:
    """The data set may have gained columns while the partition was aside."""
    from psycopg import sql

    from cityperf.load.batch import columns_of

    there = set(columns_of(db, table))
    for name in columns_of(db, contract.table):
        if name not in there:
            db.execute(
                sql.SQL("alter table {} add column {} text").format(
                    sql.Identifier("raw", table), sql.Identifier(name)
                )
            )


def _hand_over(db: psycopg.Connection[Any], period: str | None, giver: int, taker: int | None) -> None:
    """In the registry the earlier batch stands for the period again; a batch that stands for none is superseded."""
    db.execute(
        """
        update ops.batch set periods = array_remove(periods, %(period)s),
            state = case when cardinality(coalesce(array_remove(periods, %(period)s), '{}')) = 0
                then 'superseded' else state end
        where batch_id = %(giver)s
        """,
        {"period": period, "giver": giver},
    )
    if period is not None:
        db.execute(
            "update ops.batch set periods = (select array_agg(p order by p) from unnest(periods || %s) as p), "
            "state = 'loaded' where batch_id = %s",
            ([period], taker),
        )


def contract_of(dataset: str) -> Contract:
    """The contract of that name. Raises CityperfError if there is none."""
    from cityperf.sources import load_contracts

    contracts = load_contracts()
    if dataset not in contracts:
        raise CityperfError(f"no data set is named {dataset!r}; there are {', '.join(contracts)}")
    return contracts[dataset]


def check_range(contract: Contract, *, period: str | None, nights: str | None) -> None:
    """Raises CityperfError when the range is none, or does not fit the data set."""
    _span(contract, period)
    _nights(nights)


# -- what is asked for ---------------------------------------------------------------------------------------
def _span(contract: Contract, text: str | None) -> tuple[str, str]:
    """First and last period as text that sorts with the data set's own (a year stands for its months)."""
    if text is None:
        return "", "~"
    if contract.partition is None:
        raise CityperfError(
            f"{contract.dataset} keeps every delivery whole and has no periods; name its nights instead"
        )
    found = _SPAN.fullmatch(text)
    first, last = (found["first"], found["last"] or found["first"]) if found else ("", "")
    longest = 7 if contract.partition.grain == "month" else 4
    if not found or max(len(first), len(last)) > longest or first > last + "~":
        example = "2023-01 or 2023-01:2023-06" if longest == 7 else "2023 or 2021:2023"
        raise CityperfError(
            f"{contract.dataset}: expected a {contract.partition.grain} or a range of them such as {example}, "
            f"found {text!r}"
        )
    return first, last + "~"


def _nights(text: str | None) -> tuple[date, date]:
    if text is None:
        return date.min, date.max
    first, _, last = text.partition(":")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        span = date.max, date.min
    if span[0] > span[1]:
        raise CityperfError(f"expected nights such as 2026-11-01:2026-11-20, found {text!r}")
    return span
