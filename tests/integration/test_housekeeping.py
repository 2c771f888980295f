"""Retention: what is over its time goes, what somebody still needs stays, and one rule that fails stops nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import backup, housekeeping, postgres, quarantine, stack
from cityperf.cli import main
from cityperf.config import Settings

from tests.integration.publisher import NIGHT, contract, deliver

Query = Callable[..., list[tuple[Any, ...]]]
LINES = {
    "id": "text",
    "minutes": "integer",
    "line": {"header": ["station"], "type": "text", "allowed": ["A"]},
}
KEYED = contract(columns=LINES, keys=["id"])
CSV = (
    "id,station,minutes\n" + "".join(f"{n},A,{n}\n" for n in range(20)) + "100,NEW,5\n101,NEW,6\n"
).encode()
LATER = NIGHT + timedelta(days=800)


def names(found: list[housekeeping.Due], what: str) -> list[str]:
    return [each.name for each in found if each.what == what]


def test_text_of_decided_rows_goes_and_undecided_rows_stay_whole(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    ids = [each.id for each in quarantine.listed(clean_warehouse, contracts={"delays": KEYED})]
    quarantine.decide(
        clean_warehouse, ids[:1], "discarded", "d.laurier", "a test train", NIGHT, {"delays": KEYED}
    )
    assert names(housekeeping.due(clean_warehouse, NIGHT + timedelta(days=700)), "quarantine") == []
    assert names(housekeeping.due(clean_warehouse, LATER), "quarantine") == ids[:1]
    assert query("select count(*) from quarantine.rows where record like '%%NEW%%'") == [
        (2,)
    ]  # only looked at
    assert names(housekeeping.remove(clean_warehouse, LATER), "quarantine") == ids[:1]
    assert query(
        "select state, record like '%%NEW%%', reason is not null from quarantine.rows order by 1"
    ) == [
        ("discarded", False, True),
        ("held", True, True),
    ]
    assert quarantine.unreconciled(clean_warehouse) == []
    assert query("select what, items from ops.removal where what = 'quarantine'") == [("quarantine", 1)]
    assert names(housekeeping.remove(clean_warehouse, LATER), "quarantine") == []


def test_digests_and_task_logs_go_with_their_time(
    clean_warehouse: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = clean_warehouse
    old, new = settings.base / "digests" / "2025-01-01", settings.base / "digests" / NIGHT.isoformat()
    log = settings.logs / "airflow" / "dag_id=a" / "run_id=b" / "1.log"
    young = settings.logs / "airflow" / "dag_id=a" / "2.log"
    for folder in (old, new, log.parent):
        folder.mkdir(parents=True)
    (old / "a.txt").write_text("a")
    for path in (log, young):
        path.write_text("said")
    os.utime(log, (0, 0))
    after = (NIGHT.toordinal() - date(1970, 1, 1).toordinal()) * 86400
    os.utime(young, (after, after))
    monkeypatch.setattr("cityperf.cli.retention.settings", lambda: settings)
    try:
        asked = ["retention", "--night", NIGHT.isoformat(), "--json"]
        assert main([*asked, "--dry-run"]) == 0
        told = {each["name"] for each in json.loads(capsys.readouterr().out)}
        assert told == {"2025-01-01", "dag_id=a/run_id=b/1.log"}
        assert old.exists() and log.exists()
        assert main(asked) == 0
        assert (old.exists(), new.exists(), log.parent.exists(), young.exists()) == (False, True, False, True)
    finally:
        for name in ("digests", "logs/airflow"):
            shutil.rmtree(settings.base / name)


def test_old_backups_go_but_never_the_newest(clean_warehouse: Settings, tmp_path: Path, query: Query) -> None:
    made = [backup.make(clean_warehouse, tmp_path, NIGHT) for _ in range(2)]
    periods = housekeeping.read_periods()
    one = {**periods, "backups": periods["backups"].model_copy(update={"at_least": 1})}
    assert (
        names(housekeeping.due(clean_warehouse, LATER, periods), "backups") == []
    )  # three are kept at least
    assert names(housekeeping.remove(clean_warehouse, NIGHT, one), "backups") == []
    assert names(housekeeping.remove(clean_warehouse, LATER, one), "backups") == [str(made[0].folder)]
    assert backup.backups(tmp_path) == [made[1].folder]
    backup.verify(made[1].folder)
    assert query("select count(*) from ops.backup where removed_on = %s", (LATER,)) == [(1,)]


@pytest.mark.fault
def test_a_rule_that_fails_is_a_warning_and_the_others_go_on(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clean_warehouse.base / "digests" / "2020-01-01").mkdir(parents=True)

    def broken(*_: object) -> None:
        raise psycopg.OperationalError("the connection is lost")

    look = lambda *_: iter([housekeeping.Due("persons", "a file")])  # noqa: E731
    monkeypatch.setitem(housekeeping.RULES, "persons", (look, broken))
    try:
        gone = housekeeping.remove(clean_warehouse, NIGHT)
    finally:
        shutil.rmtree(clean_warehouse.base / "digests")
    assert [each.name for each in gone] == ["2020-01-01"]
    ((status, message, runbook),) = query("select status, message, runbook from ops.check_result")
    assert status == "warn" and "the connection is lost" in message
    assert runbook == "docs/runbooks/backup.md#retention"


def test_a_live_profile_without_a_backup_is_warned_of(clean_warehouse: Settings, query: Query) -> None:
    live = replace(clean_warehouse, profile="live")
    housekeeping.remove(clean_warehouse, NIGHT)
    assert query("select count(*) from ops.check_result") == [(0,)]
    with psycopg.connect(clean_warehouse.dsn("loader"), autocommit=True) as db:
        housekeeping._check_backups(live, db, NIGHT)
        assert query("select suite from ops.check_result where status = 'warn' order by 1") == [
            ("backup.age",),
            ("backup.drill",),
        ]


OLD, NEWER = NIGHT - timedelta(days=200), NIGHT - timedelta(days=3)
KINDS = "scheduled", "manual"


@pytest.fixture
def airflow(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """Airflow's own tables, as its migration makes them, for the time of a test."""
    settings = clean_warehouse
    monkeypatch.setenv("CITYPERF_AIRFLOW_URL", "http://127.0.0.1:1")  # no server is asked
    stack._make_folders(settings)
    stack._airflow_command(settings, "db", "migrate")
    with psycopg.connect(settings.dsn("airflow", settings.airflow_db), autocommit=True) as metadata:
        yield metadata
    postgres.recreate_database(settings, settings.airflow_db, "airflow")


def ran(
    db: psycopg.Connection[Any], run: str, day: date, state: str = "success", kind: str = "scheduled"
) -> None:
    """A run with two tasks, a result, a try before, a question and the event that started it; `run` is dag/name."""
    dag = run.split("/")[0]
    said = {"run": run, "dag": dag, "day": day, "state": state, "kind": kind}
    db.execute(
        "insert into dag_run (dag_id, run_id, run_after, start_date, run_type, state) "
        "values (%(dag)s, %(run)s, %(day)s, %(day)s, %(kind)s, %(state)s)",
        said,
    )
    for task in ("extract", "decide"):
        db.execute(
            "insert into task_instance (id, dag_id, run_id, task_id, map_index, pool, pool_slots, try_number, state, "
            "start_date) values (gen_random_uuid(), %(dag)s, %(run)s, %(task)s, -1, 'p', 1, 2, %(state)s, %(day)s)",
            {**said, "task": task},
        )
    db.execute(
        "insert into task_instance_history (task_instance_id, dag_id, run_id, task_id, map_index, pool, pool_slots, "
        "try_number, start_date) values (gen_random_uuid(), %(dag)s, %(run)s, 'extract', -1, 'p', 1, 1, %(day)s)",
        said,
    )
    db.execute(
        "insert into xcom (dag_run_id, dag_id, run_id, task_id, map_index, key, value, timestamp) select id, dag_id, "
        "run_id, 'extract', -1, 'files', '3', %(day)s from dag_run where run_id = %(run)s",
        said,
    )
    db.execute(
        "insert into hitl_detail (ti_id, options, params, params_input, subject, created_at) select id, '[]', '{}', "
        "'{}', 'May it go up?', %(day)s from task_instance where run_id = %(run)s and task_id = 'decide'",
        said,
    )
    db.execute(
        "with event as (insert into asset_event (asset_id, extra, source_run_id, timestamp) "
        "select min(id), '{}', %(run)s, %(day)s from asset returning id) "
        "insert into dagrun_asset_event select r.id, event.id from event, dag_run as r where run_id = %(run)s",
        said,
    )
    db.execute(
        "insert into log (event, dag_id, run_id, dttm) values ('success', %(dag)s, %(run)s, %(day)s)", said
    )


def test_airflows_old_runs_go_whole_and_what_still_runs_or_is_the_newest_stays_whole(
    clean_warehouse: Settings, airflow: psycopg.Connection[Any], query: Query
) -> None:
    day = timedelta(days=1)
    airflow.execute(
        'insert into asset (name, uri, "group", extra, created_at, updated_at) values '
        "('opened', 'x://opened', 'asset', '{}', now(), now()), ('held', 'x://held', 'asset', '{}', now(), now())"
    )
    for place, kind in enumerate(KINDS):  # every DAG that ran this week, by the clock and by hand
        ran(airflow, f"night/old {kind}", OLD + place * day, kind=kind)
        ran(airflow, f"night/failed {kind}", OLD + place * day, "failed", kind)
        ran(airflow, f"night/new {kind}", NEWER, kind=kind)
    ran(airflow, "approve/old", OLD)
    ran(airflow, "approve/asks", OLD + day, "running")  # somebody may still answer it
    ran(airflow, "approve/waits", OLD + day, "queued")
    ran(airflow, "approve/new", NEWER)
    ran(airflow, "backfill/old", OLD, kind="manual")
    ran(airflow, "backfill/newest", OLD + day, kind="manual")  # nobody needed another one since
    airflow.execute(
        "insert into asset_event (asset_id, extra, source_run_id, timestamp) select max(id), '{}'::json, 'first', "
        "%(old)s::date from asset union all select max(id), '{}', 'second', %(old)s::date + 1 from asset",
        {"old": OLD},
    )
    airflow.execute("insert into job (job_type, state, latest_heartbeat) values ('S', 'failed', %s)", (OLD,))
    airflow.execute(
        "insert into job (job_type, state, latest_heartbeat) values ('S', 'running', %s)", (NEWER,)
    )
    stay = {
        "approve/asks",
        "approve/new",
        "approve/waits",
        "backfill/newest",
        *(f"night/new {kind}" for kind in KINDS),
    }

    assert names(housekeeping.due(clean_warehouse, NIGHT), "airflow_metadata") == [
        f"6 runs before {NIGHT - timedelta(days=180)}"
    ]
    assert len(names(housekeeping.remove(clean_warehouse, NIGHT), "airflow_metadata")) == 1
    assert query("select suite from ops.check_result") == []

    for table, each in {
        "dag_run": 1,
        "task_instance": 2,
        "task_instance_history": 1,
        "xcom": 1,
        "hitl_detail join task_instance on id = ti_id": 1,
        "dagrun_asset_event join dag_run as r on r.id = dag_run_id": 1,
    }.items():
        rows = airflow.execute(f"select run_id from {table} order by 1").fetchall()
        assert [run for (run,) in rows] == sorted([*stay] * each), table
    events = airflow.execute("select source_run_id from asset_event").fetchall()
    assert {event for (event,) in events} == {*stay, "second"}
    logged = airflow.execute("select run_id from log where run_id is not null").fetchall()
    assert {run for (run,) in logged} == {run for run in stay if "new " in run or run == "approve/new"}
    assert airflow.execute("select state from job").fetchall() == [("running",)]
    assert (
        airflow.execute("select tablename from pg_tables where tablename like '%%deleted%%'").fetchall() == []
    )
    assert names(housekeeping.remove(clean_warehouse, NIGHT), "airflow_metadata") == []
