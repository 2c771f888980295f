"""What goes when its time is over: everything that is kept, by the periods of `include/retention.yml`.

One function per kind of thing says what is due and how it goes. It runs every night, a rule at a time: one that fails
is a warning and stops nothing. `cityperf.retention` has the part about persons.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityperf.config import ROOT, TORONTO, Settings
from cityperf.db import connect
from cityperf.errors import CityperfError

if TYPE_CHECKING:
    import psycopg

PERIODS: Final = ROOT / "include" / "retention.yml"
REMOVED: Final = "(removed after its time; the reason and the decision are kept)"
BACKUP_EVERY: Final = timedelta(days=7)
DRILL_EVERY: Final = timedelta(days=100)

What = Literal[
    "landing", "persons", "replaced_partitions", "quarantine", "releases", "digests", "task_logs", "airflow_metadata",
    "backups",
]  # fmt: skip


class Period(BaseModel):
    """How long one kind of thing is kept. `days`: None for what is kept always, or as a contract says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: What
    keep: str = Field(pattern=r"^(always|contract|[1-9]\d{0,4} days)$")
    at_least: int = Field(default=0, ge=0)  # of the newest, however old
    why: str = Field(min_length=10)

    @property
    def days(self) -> int | None:
        return int(self.keep.split()[0]) if self.keep[0].isdigit() else None

    @model_validator(mode="after")
    def _fits(self) -> Period:
        if self.what in ("landing", "releases") and self.keep != "always":
            raise ValueError(f"{self.what} is kept always: published figures are walked back to it")
        if (self.what == "persons") != (self.keep == "contract"):
            raise ValueError("`contract` is for persons, and only that")
        return self


@dataclass(frozen=True)
class Due:
    """Something whose time is over. `bytes`: 0 where nobody can say."""

    what: What
    name: str
    bytes: int = 0


def read_periods(path: Path = PERIODS) -> dict[What, Period]:
    """The reviewed periods. Raises CityperfError for an entry that is not as it should be, or one too many or few."""
    found: dict[What, Period] = {}
    for place, entry in enumerate(yaml.safe_load(path.read_text("utf-8")) or [], 1):
        try:
            period = Period.model_validate(entry)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the entry"
            raise CityperfError(
                f"expected a period with what, keep and why, found a mistake in {where} ({first['msg']}), in "
                f"{path.name} entry {place}"
            ) from problem
        if period.what in found:
            raise CityperfError(f"expected {period.what} once, found it again in {path.name} entry {place}")
        found[period.what] = period
    if lacking := sorted(set(get_args(What)) - found.keys()):
        raise CityperfError(f"expected a period for {', '.join(lacking)}, found none in {path.name}; add it")
    return found


# -- all of it -----------------------------------------------------------------------------------------------
def due(settings: Settings, night: date, periods: Mapping[What, Period] | None = None) -> list[Due]:
    """What would go tonight. Changes nothing."""
    known = read_periods() if periods is None else periods
    found: list[Due] = []
    with connect(settings, "loader", autocommit=True) as db:
        for what, (look, _) in RULES.items():
            found += look(settings, db, night, known[what])
    return found


def remove(settings: Settings, night: date, periods: Mapping[What, Period] | None = None) -> list[Due]:
    """Remove what is due and write down how much went; returns it. May be killed anywhere and repeated."""
    known = read_periods() if periods is None else periods
    gone: list[Due] = []
    with connect(settings, "loader", autocommit=True) as db:
        for what, (look, act) in RULES.items():
            try:
                items = list(look(settings, db, night, known[what]))
                if not items:
                    continue
                act(settings, db, night, items)
            except Exception as problem:
                _warn(db, night, f"retention.{what}", what, f"{type(problem).__name__}: {problem}")
                continue
            left = {item.name for item in look(settings, db, night, known[what])}
            done = [item for item in items if item.name not in left]
            gone += done
            if done:
                db.execute(
                    "insert into ops.removal (night, what, items, bytes) values (%s, %s, %s, %s)",
                    (night, what, len(done), sum(item.bytes for item in done)),
                )
        _check_backups(settings, db, night)
    return gone


def _before(night: date, period: Period) -> date:
    """The first day that is still kept."""
    if period.days is None:
        raise ValueError(f"{period.what} is kept {period.keep}: there is no day before which it goes")
    return night - timedelta(days=period.days)


# -- rule by rule --------------------------------------------------------------------------------------------
def _due_persons(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    from cityperf.sources import load_contracts

    for dataset, contract in load_contracts().items():
        if contract.privacy.keep:
            rows = db.execute(
                "select sha256, min(name), max(bytes) from ops.landed_file where dataset = %s and expired_on is null "
                "and night < %s group by 1 order by 2",
                (dataset, night - contract.privacy.keep),
            )
            yield from (
                Due("persons", f"{name} {sha256[:12]}", size) for sha256, name, size in rows.fetchall()
            )


def _remove_persons(settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]) -> None:
    from cityperf.retention import expire

    expire(settings, night)


def _due_partitions(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    rows = db.execute(
        "select kept_id from ops.kept_partition where state = 'kept' and until < %s order by 1", (night,)
    )
    yield from (Due("replaced_partitions", f"raw.kept_{number}") for (number,) in rows.fetchall())


def _remove_partitions(
    settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]
) -> None:
    from cityperf.load.backfill import drop_expired

    drop_expired(settings, night)


def _due_quarantine(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    """Rows whose last decision was carried out that long ago, and that are not held again since."""
    rows = db.execute(
        """
        select q.quarantine_id, octet_length(q.record)
        from quarantine.rows as q
        where
            q.state <> 'held' and q.record <> %s
            and (
                select bool_and(d.settled_on is not null) and max(d.settled_on) < %s
                from quarantine.decision as d
                join quarantine.rows as same on d.quarantine_id = same.quarantine_id
                where d.kind = 'row' and same.file_id = q.file_id and same.row_number = q.row_number
            )
        order by 1
        """,
        (REMOVED, _before(night, period)),
    )
    yield from (Due("quarantine", f"R{number}", size) for number, size in rows.fetchall())


def _remove_quarantine(
    settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]
) -> None:
    db.execute(
        "update quarantine.rows set record = %s, found = null where quarantine_id = any(%s) and state <> 'held'",
        (REMOVED, [int(item.name[1:]) for item in items]),
    )


def _due_digests(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    first = _before(night, period).isoformat()
    for path in sorted((settings.base / "digests").glob("*")):
        if re.fullmatch(r"\d{4}-\d\d-\d\d", path.name) and path.name < first:
            yield Due("digests", path.name, _size(path))


def _remove_digests(settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]) -> None:
    for item in items:
        shutil.rmtree(settings.base / "digests" / item.name)


def _due_logs(settings: Settings, db: psycopg.Connection[Any], night: date, period: Period) -> Iterator[Due]:
    """Logs of tasks. Those of the stack's parts are one file each, cut at a size."""
    moment = _midnight(_before(night, period)).timestamp()
    folder = settings.logs / "airflow"
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime < moment:
            yield Due("task_logs", path.relative_to(folder).as_posix(), path.stat().st_size)


def _remove_logs(settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]) -> None:
    folder = settings.logs / "airflow"
    for item in items:
        (folder / item.name).unlink(missing_ok=True)
    for path in sorted(folder.rglob("*"), reverse=True):  # folders that are empty now, the deepest first
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


# Airflow's own `db clean` would take a run that still waits for its answer, the tasks of the newest run, and that run
# itself where a person started it. The newest run of each kind also tells the clock where to go on.
_OLD_RUNS: Final = (
    "from dag_run as r where r.run_after < %(moment)s and r.state in ('success', 'failed') and exists (select from "
    "dag_run as n where (n.dag_id, n.run_type) = (r.dag_id, r.run_type) and (n.run_after, n.id) > (r.run_after, r.id))"
)
# What started a run that stays, stays; the newest of an asset may yet start one together with another's.
_OLD_EVENTS: Final = (
    "from asset_event as e where e.timestamp < %(moment)s "
    "and not exists (select from dagrun_asset_event as used where used.event_id = e.id) and exists (select from "
    "asset_event as n where n.asset_id = e.asset_id and (n.timestamp, n.id) > (e.timestamp, e.id))"
)


def _due_metadata(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    import psycopg

    with psycopg.connect(settings.dsn("airflow", settings.airflow_db)) as metadata:
        there = metadata.execute("select to_regclass('dag_run') is not null").fetchone()
        if there != (True,):
            return  # Airflow was never up
        first = _before(night, period)
        row = metadata.execute(f"select count(*) {_OLD_RUNS}", {"moment": _midnight(first)}).fetchone()
    if row and row[0]:
        yield Due("airflow_metadata", f"{row[0]:,} runs before {first}")


def _remove_metadata(settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]) -> None:
    """What belongs to no run, runs with all that hangs on them, and the events that started none that stays."""
    import psycopg

    from cityperf.stack import clean_metadata

    moment = _midnight(date.fromisoformat(items[0].name.rsplit(" ", 1)[-1]))
    # First, since what is due is counted in runs: killed after them, nobody would come back for the rest.
    clean_metadata(settings, moment.isoformat())
    with psycopg.connect(settings.dsn("airflow", settings.airflow_db)) as metadata:
        for old in (_OLD_RUNS, _OLD_EVENTS):
            metadata.execute(f"delete {old}", {"moment": moment})


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), TORONTO)


def _due_backups(
    settings: Settings, db: psycopg.Connection[Any], night: date, period: Period
) -> Iterator[Due]:
    """Whole backups that are too old, without the newest ones; only those that this profile made and noted."""
    from cityperf.backup import MANIFEST

    rows = db.execute(
        "select kept_in, name, made_on, bytes from ops.backup where removed_on is null order by made_at desc"
    ).fetchall()
    there = [row for row in rows if (Path(row[0]) / row[1] / MANIFEST).exists()]
    for kept_in, name, made_on, size in there[max(period.at_least, 1) :]:
        if made_on < _before(night, period):
            yield Due("backups", str(Path(kept_in) / name), size)


def _remove_backups(settings: Settings, db: psycopg.Connection[Any], night: date, items: list[Due]) -> None:
    from cityperf.backup import MANIFEST

    for item in items:
        path = Path(item.name)
        (path / MANIFEST).unlink(missing_ok=True)  # first: half of a backup must not look like one
        shutil.rmtree(path)
        db.execute(
            "update ops.backup set removed_on = %s where kept_in = %s and name = %s",
            (night, str(path.parent), path.name),
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


Look = Callable[[Settings, "psycopg.Connection[Any]", date, Period], Iterator[Due]]
Act = Callable[[Settings, "psycopg.Connection[Any]", date, list[Due]], None]
RULES: Final[dict[What, tuple[Look, Act]]] = {
    "persons": (_due_persons, _remove_persons),
    "replaced_partitions": (_due_partitions, _remove_partitions),
    "quarantine": (_due_quarantine, _remove_quarantine),
    "digests": (_due_digests, _remove_digests),
    "task_logs": (_due_logs, _remove_logs),
    "airflow_metadata": (_due_metadata, _remove_metadata),
    "backups": (_due_backups, _remove_backups),
}


# -- what is told --------------------------------------------------------------------------------------------
def _check_backups(settings: Settings, db: psycopg.Connection[Any], night: date) -> None:
    """Warn when the newest backup or drill is too old, or the last drill failed. Live only: the others are made anew."""
    if settings.profile != "live":
        return
    row = db.execute(
        "select (select max(made_on) from ops.backup where removed_on is null), "
        "(select max(drilled_on) from ops.backup_drill), "
        "(select is_equal from ops.backup_drill order by drill_id desc limit 1)"
    ).fetchone()
    made, drilled, equal = row or (None, None, None)
    if made is None or night - made > BACKUP_EVERY:
        _warn(db, night, "backup.age", "backup", f"the newest backup is of {made or 'no day'}")
    if drilled is None or night - drilled > DRILL_EVERY or not equal:
        said = f"the last drill was on {drilled or 'no day'}" + (" and failed" if equal is False else "")
        _warn(db, night, "backup.drill", "backup", said)


def _warn(db: psycopg.Connection[Any], night: date, suite: str, subject: str, found: str) -> None:
    from cityperf.quality.results import Rule, record, result_of

    backup = suite.startswith("backup.")
    rule = Rule(
        check="backup" if backup else "retention",
        expectation="",
        arguments={},
        severity="warn",
        owner="Performance Office",
        runbook="backup.md#no-backup" if backup else "backup.md#retention",
        expected=(
            f"a backup within {BACKUP_EVERY.days} days and a drill that passed within {DRILL_EVERY.days}"
            if backup
            else "what is over its time to go"
        ),
        remedy="see ./cityperf backup" if backup else "it stays; the next night tries again",
    )
    record(db, night, [result_of(rule, "freshness", suite, subject, False, found)])
