"""What should have run and did not: the night, a visit, a judgement of freshness, a check of a suite, a job that promised
to tell. Silence is judged against what the contracts and suites expect, never against what was there yesterday.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from cityperf.errors import CityperfError
from cityperf.notify.alert import RUNBOOK, TEAM, Alert
from cityperf.notify.radius import Lineage
from cityperf.sources import Contract

SHOWN: Final = 5
JUDGED: Final = ("released", "unchanged", "held", "failed")  # states of a night that has ended
# How many days a data set of each rhythm may go without a visit, when nights do not run at all.
RHYTHM: Final = {
    "real_time": 1, "daily": 1, "weekly": 7, "monthly": 31, "quarterly": 92, "semi_annually": 183, "annually": 366,
    "as_available": 31,
}  # fmt: skip


def silent(
    connection: Connection[Any],
    profile: str,
    night: date,
    contracts: Mapping[str, Contract],
    lineage: Lineage,
    *,
    overdue: bool,
    now: datetime,
) -> list[Alert]:
    """The alerts. `overdue`: the night should have ended by `now`, whoever did not start it."""
    row = connection.execute("select state, note from ops.night where night = %s", (night,)).fetchone()
    state = row[0] if row else None
    alerts = _heartbeats(connection, now)
    if state in JUDGED:
        alerts += _missed(connection, night, lineage)
        alerts += _visits(connection, night, contracts, lineage)
        alerts += _freshness(connection, night, contracts, lineage)
        alerts += _landing_checks(connection, night, contracts, lineage)
        alerts += _publish_checks(connection, profile, night, lineage)
    elif (
        overdue
        and connection.execute("select 1 from ops.night where night <= %s limit 1", (night,)).fetchone()
    ):
        # Nights before the installation's first were never promised.
        found = "that it is still open" if state == "open" else "that it was never opened"
        message = (
            f"the night of {night}: expected it to have ended by now, found {found}; nothing new is published"
        )
        alerts.append(_of_night(message, lineage))
        alerts += _unvisited(connection, night, contracts, lineage)
    return alerts


def unreachable(lineage: Lineage, problem: Exception) -> Alert:
    """The database does not answer, so nothing can have run; of the error only its kind is told."""
    return Alert(
        "dead_man", "database", "warehouse",
        f"the warehouse's database does not answer ({type(problem).__name__}); ./cityperf doctor says why",
        TEAM, f"{RUNBOOK}#the-night-did-not-run", lineage.everything, pages=True,
    )  # fmt: skip


def _of_night(message: str, lineage: Lineage) -> Alert:
    return Alert(
        "dead_man", "night", "nightly_refresh", message, TEAM, f"{RUNBOOK}#the-night-did-not-run",
        lineage.everything, pages=True,
    )  # fmt: skip


def _missed(connection: Connection[Any], night: date, lineage: Lineage) -> list[Alert]:
    """Nights that downtime swallowed right before this one."""
    missed = [
        str(each)
        for (each,) in connection.execute(
            "select night from ops.night where state = 'missed' and night < %s and night > coalesce((select max(night) "
            "from ops.night where night < %s and state <> 'missed'), '-infinity') order by 1",
            (night, night),
        )
    ]
    if not missed:
        return []
    return [
        Alert(
            "dead_man", "missed_nights", "nightly_refresh",
            f"expected a run each night, found none on {_listed(missed)}: the stack was down",
            TEAM, "docs/runbooks/nightly_refresh.md#nights-were-missed", lineage.everything, passing=True,
        )
    ]  # fmt: skip


def _visits(
    connection: Connection[Any], night: date, contracts: Mapping[str, Contract], lineage: Lineage
) -> list[Alert]:
    states = dict(
        connection.execute(
            "select dataset, state from ops.source_night where night = %s", (night,)
        ).fetchall()
    )
    never = [name for name in contracts if name not in states]
    begun = [name for name in contracts if states.get(name) in ("running", "loading")]
    return [
        *_by_steward("visit", never, "a visit that night", "none", contracts, lineage),
        *_by_steward("visit_ended", begun, "the visit to end", "that it never did", contracts, lineage),
    ]


def _unvisited(
    connection: Connection[Any], night: date, contracts: Mapping[str, Contract], lineage: Lineage
) -> list[Alert]:
    last = dict(
        connection.execute(
            "select dataset, max(night) from ops.fetch where state <> 'running' and night <= %s group by 1",
            (night,),
        ).fetchall()
    )
    silent = [
        name
        for name, each in contracts.items()
        if name in last and night - last[name] > timedelta(days=RHYTHM[each.schedule.refresh])
    ]
    return _by_steward("rhythm", silent, "a visit by their rhythm", "none since", contracts, lineage)


def _freshness(
    connection: Connection[Any], night: date, contracts: Mapping[str, Contract], lineage: Lineage
) -> list[Alert]:
    judged = {
        subject
        for (subject,) in connection.execute(
            "select subject from ops.check_result where night = %s and border = 'freshness'", (night,)
        )
    }
    missing = [name for name in contracts if name not in judged]
    return _by_steward("freshness", missing, "freshness to be judged", "no verdict", contracts, lineage)


def _landing_checks(
    connection: Connection[Any], night: date, contracts: Mapping[str, Contract], lineage: Lineage
) -> list[Alert]:
    """Files of the night that were loaded without a check that their suite has."""
    from cityperf.quality.landing import landing_rules

    expected = {}
    missing: dict[str, set[str]] = {}
    for dataset, checks in connection.execute(
        "select b.dataset, array(select c.check_name from ops.check_result as c where c.night = b.night "
        "and c.border = 'landing' and c.batch_id = b.batch_id) from ops.batch as b "
        "where b.night = %s and b.state = 'loaded' and not b.is_backfill",
        (night,),
    ).fetchall():
        if dataset not in contracts:
            continue
        if dataset not in expected:
            expected[dataset] = {rule.check for rule in landing_rules(contracts[dataset], night)}
        if absent := expected[dataset] - set(checks):
            missing.setdefault(dataset, set()).update(absent)
    return [
        Alert(
            "dead_man", "landing_suite", dataset,
            f"{dataset}: expected every check of its suite on what was loaded, found no result of "
            f"{_listed(sorted(absent))}",
            contracts[dataset].owner.steward, f"{RUNBOOK}#a-check-did-not-run", lineage.of_dataset(dataset),
        )
        for dataset, absent in sorted(missing.items())
    ]  # fmt: skip


def _publish_checks(connection: Connection[Any], profile: str, night: date, lineage: Lineage) -> list[Alert]:
    """Suites of the gate that a release of the night was not put through."""
    if not connection.execute(
        "select 1 from ops.release where night = %s and state in ('released', 'held') and repeats is null",
        (night,),
    ).fetchone():
        return []
    from cityperf.quality.gate import Candidate, publish_rules

    expected = {
        (f"publish.{table}", check)
        for table, rules in publish_rules(Candidate(night, profile)).items()
        for check in ("table_present", *(rule.check for rule in rules))
    }
    ran = set(
        connection.execute(
            "select suite, check_name from ops.check_result where night = %s and border = 'publish'", (night,)
        ).fetchall()
    )
    absent_tables = {suite for suite, check in ran if check == "table_present"} - {
        suite for suite, check in ran if check != "table_present"
    }
    missing = sorted(
        f"{suite.removeprefix('publish.')}: {check}"
        for suite, check in expected - ran
        if suite not in absent_tables  # of a table that is not there nothing else is asked
    )
    if not missing:
        return []
    return [
        Alert(
            "dead_man", "publish_suite", "quality_gate",
            f"expected every check of the gate on the night's candidate, found no result of {_listed(missing)}",
            TEAM, f"{RUNBOOK}#a-check-did-not-run", lineage.everything,
        )
    ]  # fmt: skip


def _by_steward(
    check: str,
    datasets: Iterable[str],
    expected: str,
    found: str,
    contracts: Mapping[str, Contract],
    lineage: Lineage,
) -> list[Alert]:
    """One alert a steward, not one a data set: what stops one visit as a rule stops many."""
    theirs: dict[str, list[str]] = {}
    for name in sorted(datasets):
        theirs.setdefault(contracts[name].owner.steward, []).append(name)
    return [
        Alert(
            "dead_man", check, steward, f"expected {expected}, found {found}: {_listed(names)}",
            steward, f"{RUNBOOK}#a-data-set-was-not-visited", lineage.of_datasets(names),
        )
        for steward, names in theirs.items()
    ]  # fmt: skip


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


# -- jobs outside of the night -------------------------------------------------------------------------------
class NoHeartbeat(CityperfError):
    """No job of that name ever told that it ran."""


def beat(connection: Connection[Any], job: str, every: timedelta, now: datetime) -> None:
    """A job tells that it ran at `now`, and that it will again within `every`."""
    connection.execute(
        "insert into ops.heartbeat (job, every, last_at) values (%s, %s, %s) on conflict (job) do update "
        "set every = excluded.every, last_at = greatest(heartbeat.last_at, excluded.last_at)",
        (job, every, now),
    )


def forget(connection: Connection[Any], job: str) -> None:
    """Nobody waits for the job any more. Raises NoHeartbeat."""
    if not connection.execute("delete from ops.heartbeat where job = %s", (job,)).rowcount:
        known = [name for (name,) in connection.execute("select job from ops.heartbeat order by 1")]
        raise NoHeartbeat(
            f"expected a job that told that it ran, found {job!r}; known: {', '.join(known) or 'none'}"
        )


def _heartbeats(connection: Connection[Any], now: datetime) -> list[Alert]:
    return [
        Alert(
            "dead_man", "heartbeat", job,
            f"{job}: expected it to run at least every {_span(every)}, found that it last did on {last:%Y-%m-%d}",
            TEAM, f"{RUNBOOK}#a-job-fell-silent",
        )
        for job, every, last in connection.execute(
            "select job, every, last_at from ops.heartbeat where last_at + every < %s order by 1", (now,)
        )
    ]  # fmt: skip


def _span(every: timedelta) -> str:
    hours = every.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
