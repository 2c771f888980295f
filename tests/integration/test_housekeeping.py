"""Retention: what is over its time goes, what somebody still needs stays, and one rule that fails stops nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import backup, housekeeping, quarantine
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
