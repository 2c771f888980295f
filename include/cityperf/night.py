"""A night from opening to closing: who is expected, who is in, how it ended.

`night` is a Toronto date and the only clock. Opening a night again repeats it: what was already done is found done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal

from cityperf.config import TORONTO, Settings
from cityperf.db import connect, named_rows
from cityperf.errors import GateClosed, NightFailed

START: Final = (2, 0)  # Toronto wall time at which a night begins ...
DEADLINE: Final = (4, 0)  # ... and at which it stops waiting for sources
ANSWER_BY: Final = (6, 0)  # by which it has ended, or a person is told
PATIENCE_IN_A_HURRY: Final = 300  # seconds without any progress after which a person is not kept waiting
LOAD_ATTEMPTS: Final = 3  # of one file in one visit, by the retries of the DAGs' `load` task

SETTLED: Final = frozenset({"unchanged", "loaded", "refused", "late", "failed", "not_in_replay"})
FINAL: Final = frozenset({"unchanged", "loaded", "refused", "failed", "not_in_replay"})
NOT_WELL: Final = frozenset({"refused", "late", "failed", "loading", "running", "missing"})

NightState = Literal["open", "released", "unchanged", "held", "failed", "missed"]


def starts_at(night: date) -> datetime:
    """The moment a night's run is scheduled for: 02:00 in Toronto (03:00 on the spring day that has no 02:00)."""
    return datetime(night.year, night.month, night.day, *START, tzinfo=TORONTO)


def moment_for(night: date, now: datetime) -> datetime:
    """The logical date of a run that a person starts at `now`: the scheduled moment, or midnight before it has come.

    Airflow never starts a task whose logical date lies ahead. Raises ValueError for a night that has not begun.
    """
    midnight = datetime(night.year, night.month, night.day, tzinfo=TORONTO)
    if midnight > now:
        raise ValueError(
            f"night {night} has not begun: expected {now.astimezone(TORONTO).date()} or earlier (Toronto)"
        )
    return starts_at(night) if starts_at(night) <= now else midnight


def deadline(night: date) -> datetime:
    """When a scheduled run goes on without the sources that are still missing."""
    return datetime(night.year, night.month, night.day, *DEADLINE, tzinfo=TORONTO)


def answered_by(night: date) -> datetime:
    """When a scheduled run must have ended, released or not; a later one counts as one that did not run."""
    return datetime(night.year, night.month, night.day, *ANSWER_BY, tzinfo=TORONTO)


def follows_the_clock(profile: str | None) -> bool:
    """Whether nights start by themselves. A replay's are listed in a file; all others do, unless somebody stopped them."""
    return profile != "replay" and os.environ.get("CITYPERF_SCHEDULE") != "off"


def request(settings: Settings, night: date) -> None:
    """A person asks for this night now: the run, whoever starts it, does not wait for late sources."""
    with connect(settings, "loader") as connection:
        connection.execute(
            "insert into ops.night (night, hurry) values (%s, true) "
            "on conflict (night) do update set hurry = true, state = 'open', closed_at = null, note = null",
            (night,),
        )


def is_in_a_hurry(settings: Settings, night: date) -> bool:
    """Whether a person asked for this night and is waiting for it."""
    with connect(settings, "loader") as connection:
        row = connection.execute("select hurry from ops.night where night = %s", (night,)).fetchone()
    return bool(row and row[0])


def open_night(settings: Settings, night: date) -> None:
    """Open (or open again) a night: tables exist, divisions' files are delivered and known to be theirs, last attempt's
    traces are gone.

    Nights that downtime swallowed since the latest earlier one are recorded as missed.
    """
    from cityperf import divisions
    from cityperf.housekeeping import remove
    from cityperf.load import ensure_raw_tables
    from cityperf.quarantine import carry_out
    from cityperf.sources import load_contracts, nightly_contracts

    if settings.profile != "live":
        from cityperf.portal import deliver_drops

        visited = [each for each in nightly_contracts().values() if each.extract.connector == "drop_folder"]
        folders = {str(each.extract.arguments["folder"]): each.dataset for each in visited}
        deliver_drops(settings, night, folders)
    contracts = load_contracts()
    ensure_raw_tables(settings, contracts)
    divisions.keep(settings, contracts)
    carry_out(settings, night, contracts)
    remove(settings, night)
    with connect(settings, "loader") as connection:
        previous = connection.execute(
            "select max(night) from ops.night where night < %s and state <> 'missed'", (night,)
        ).fetchone()
        if settings.profile == "live" and previous and previous[0]:
            missed = [previous[0] + timedelta(days=n) for n in range(1, (night - previous[0]).days)]
            connection.cursor().executemany(
                "insert into ops.night (night, state, note) values (%s, 'missed', 'the stack was down') "
                "on conflict do nothing",
                [(each,) for each in missed],
            )
        connection.execute(
            "insert into ops.night (night) values (%s) on conflict (night) do update "
            "set state = 'open', opened_at = now(), closed_at = null, note = null",
            (night,),
        )
        connection.execute("delete from ops.fetch where night = %s", (night,))
        connection.execute("delete from ops.model_run where night = %s", (night,))
        connection.execute("delete from ops.gate_run where night = %s", (night,))


@dataclass(frozen=True)
class Attendance:
    """Which data sets are in, and whether the night may go on."""

    states: dict[str, str]
    ready: bool
    waiting_for: tuple[str, ...]


def attendance(
    expected: Iterable[str], states: dict[str, str], *, hurry: bool, past_deadline: bool
) -> Attendance:
    """Whether all `expected` data sets are in. In a hurry a late source counts as settled; an unchanged one is in."""
    enough = SETTLED if hurry or past_deadline else FINAL
    full = {name: states.get(name, "missing") for name in sorted(expected)}
    waiting = tuple(name for name, state in full.items() if state not in enough)
    return Attendance(full, ready=not waiting or past_deadline, waiting_for=waiting)


# A load that failed in this visit and will be tried again is still coming; so is one that failed in an earlier visit
# of the night and was not yet tried in this one.
_STATES: Final = """
select
    s.dataset,
    case
        when s.state = 'failed' and exists (
            select from ops.batch as b
            where
                b.dataset = f.dataset
                and b.night = f.night
                and b.file_id in (select jsonb_array_elements_text(f.files)::bigint)
            group by b.file_id
            having
                (array_agg(b.state order by b.batch_id desc))[1] = 'failed'
                and count(*) filter (where b.started_at >= f.started_at) < %(attempts)s
        ) then 'loading'
        else s.state
    end
from ops.source_night as s
join ops.fetch as f using (night, dataset)
where s.night = %(night)s
"""


# Whether a person waits, and when something last moved: the night's opening, a visit or a load.
_PROGRESS: Final = """
select
    n.hurry,
    greatest(
        n.opened_at,
        (select max(greatest(f.started_at, f.ended_at)) from ops.fetch as f where f.night = n.night),
        (select max(greatest(b.started_at, b.ended_at)) from ops.batch as b where b.night = n.night)
    ) as moved_at
from ops.night as n
where n.night = %(night)s
"""


def who_is_in(settings: Settings, night: date, now: datetime) -> Attendance:
    """`attendance` of a night as the database stands at `now` (an aware datetime)."""
    from cityperf.sources import nightly_contracts

    with connect(settings, "loader") as connection:
        states = dict(connection.execute(_STATES, {"night": night, "attempts": LOAD_ATTEMPTS}))
        row = connection.execute(_PROGRESS, {"night": night}).fetchone()
    hurry, moved_at = row or (False, now)
    # A night of long ago is never waited for: its deadline lies in the past the moment it opens.
    limit = moved_at + timedelta(seconds=PATIENCE_IN_A_HURRY) if hurry else deadline(night)
    return attendance(nightly_contracts(), states, hurry=hurry, past_deadline=now >= limit)


def gate(settings: Settings, night: date) -> None:
    """Let the candidate through, or hold it and raise GateClosed with every blocking message.

    What somebody approved in spite of the same messages passes.
    """
    from cityperf.publish import hold
    from cityperf.quality import check_publish

    verdict = check_publish(settings, night)
    if verdict.ok:
        return
    reason = "; ".join(result.message for result in verdict.blocking)
    outcome = hold(settings, night, reason)
    if outcome.status == "held":
        raise GateClosed(f"release held, the last good one stays up: {outcome.reason}")


def close_night(settings: Settings, night: date) -> NightState:
    """Write down how the night ended and tell everybody concerned (cityperf.notify). Returns the final state.

    Raises NightFailed when something broke, so that the run shows red; a held release is a state, not a failure.
    """
    from cityperf.notify import tell

    with connect(settings, "publisher") as connection:
        latest = connection.execute(
            "select number, state from ops.release where night = %s and state in ('released', 'held') "
            "order by number desc limit 1",
            (night,),
        ).fetchone()
        pending = connection.execute("select 1 from ops.release where state = 'candidate'").fetchone()
        dbt = connection.execute(
            "select state, message from ops.model_run where night = %s and model = '*'", (night,)
        ).fetchone()
        failure: str | None = None
        state: NightState = "unchanged"
        if dbt is None or dbt[0] != "success":
            state, failure = "failed", (dbt and dbt[1]) or "the night ended before dbt did"
        elif latest and latest[1] == "held":
            state = "held"
        elif pending:
            state, failure = "failed", "a candidate release was built but neither released nor held"
        elif latest and _released_by_this_run(connection, night, latest[0]):
            state = "released"
        number = latest[0] if latest and state in ("released", "held") else None
        connection.execute(
            "update ops.night set state = %s, closed_at = now(), release_number = %s, note = %s, hurry = false "
            "where night = %s",
            (state, number, failure, night),
        )
    tell(settings, night)
    if state == "failed":
        raise NightFailed(f"night {night}: {failure}")
    return state


def waiting_for_approval(settings: Settings, night: date) -> int | None:
    """The number of the night's candidate, if it is held and a person is asked whether it may go up."""
    from cityperf.publish import approval

    asked = approval.waiting(settings, night)
    return asked.number if asked else None


def _released_by_this_run(connection: Any, night: date, number: int) -> bool:
    """Whether release `number` was made since the night was last opened (a repeat that changed nothing is not)."""
    row = connection.execute(
        "select r.released_at >= n.opened_at from ops.release as r join ops.night as n on n.night = %s "
        "where r.number = %s",
        (night, number),
    ).fetchone()
    return bool(row and row[0])


@dataclass(frozen=True)
class Summary:
    """What a person wants to know after a night; plain values only, ready for JSON.

    `gates`: how many deliveries and candidates were judged, the seconds of all together, and the seconds in which at
    least one was (they are judged side by side).
    """

    profile: str
    night: str
    state: str
    note: str | None
    release: int | None
    sources: list[dict[str, Any]]
    kpis: list[dict[str, Any]]
    checks: dict[str, int]
    problems: list[dict[str, Any]]
    models: dict[str, int]
    seconds: float | None
    where: dict[str, str] = field(default_factory=dict)
    gates: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 failed, 3 held, 4 done with a source refused or unreachable."""
        if self.state == "held":
            return 3
        if self.state not in ("released", "unchanged"):
            return 1
        return 4 if any(source["state"] in NOT_WELL for source in self.sources) else 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "exit_code": self.exit_code}


def summarise(settings: Settings, night: date) -> Summary:
    """Everything the summary shows, read from `ops` and from the release that is up."""
    with connect(settings, "publisher") as connection:
        rows = partial(named_rows, connection)
        nights = rows("select * from ops.night where night = %s", (night,))
        this: dict[str, Any] = (
            nights[0] if nights else {"state": "missing", "note": "this night was never opened"}
        )
        sources = rows(
            "select dataset, state, message, rows_in, rows_new, rows_changed, rows_unchanged, rows_quarantined "
            "from ops.source_night where night = %s order by dataset",
            (night,),
        )
        checks = {
            r["status"]: r["n"]
            for r in rows(
                "select status, count(*) as n from ops.check_result where night = %s group by 1", (night,)
            )
        }
        problems = rows(
            "select border, suite, check_name, subject, severity, status, message, runbook from ops.check_result "
            "where night = %s and status in ('fail', 'warn', 'known') order by severity, border, subject",
            (night,),
        )
        models = {
            r["state"]: r["n"]
            for r in rows(
                "select state, count(*) as n from ops.model_run where night = %s and model <> '*' group by 1",
                (night,),
            )
        }
        gates = rows(
            "with ran as (select tstzrange(began_at, ended_at, '[]') as during from ops.gate_run where night = %s) "
            "select count(*) as runs, "
            "coalesce(round(extract(epoch from sum(upper(during) - lower(during))), 1), 0)::float8 as seconds, "
            "coalesce((select round(extract(epoch from sum(upper(any_ran) - lower(any_ran))), 1) "
            "from unnest(range_agg(during)) as any_ran), 0)::float8 as at_work from ran",
            (night,),
        )[0]
        up = rows("select max(number) as number from ops.release where state = 'released'")[0]["number"]
        kpis: list[dict[str, Any]] = []
        if up is not None:
            kpis = rows(
                "select k.dimension, c.status, count(*) as n from publish.kpi_comparison as c "
                "join publish.kpi as k using (kpi_id) "
                "where c.is_headline and c.geography_type = 'city' group by 1, 2 order by 1, 2"
            )
    opened, closed = this.get("opened_at"), this.get("closed_at")
    return Summary(
        profile=settings.profile,
        night=night.isoformat(),
        state=this["state"],
        note=this.get("note"),
        release=up,
        sources=sources,
        kpis=kpis,
        checks={name: checks.get(name, 0) for name in ("pass", "warn", "known", "fail")},
        problems=problems,
        models=models,
        seconds=round((closed - opened).total_seconds(), 1) if opened and closed else None,
        gates=gates,
    )


def wait(settings: Settings, night: date, poll_seconds: float = 1.0) -> Attendance:
    """Block until the night may go on; the one place in this module that looks at the clock."""
    while True:
        seen = who_is_in(settings, night, datetime.now(TORONTO))
        if seen.ready:
            return seen
        time.sleep(poll_seconds)
