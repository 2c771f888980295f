"""Backups: whole or not there, and what comes back is what was saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import backup, postgres, sealing
from cityperf.cli import main
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.landing import path_of
from cityperf.load import rebuild

from tests.integration.publisher import NIGHT, contract, deliver

pytestmark = pytest.mark.fault

Query = Callable[..., list[tuple[Any, ...]]]
LINES = {
    "id": "text",
    "minutes": "integer",
    "line": {"header": ["station"], "type": "text", "allowed": ["A"]},
}
KEYED = contract(columns=LINES, keys=["id"])
MONTHLY = contract("rides", {"on": {"header": ["on"], "type": "date", "required": True}, "station": "text"},
                   partition={"column": "on", "grain": "month"})  # fmt: skip
GOOD = "id,station,minutes\n" + "".join(f"{n},A,{n}\n" for n in range(20))


@pytest.fixture
def kept_in(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture
def filled(clean_warehouse: Settings) -> Iterator[Settings]:
    """Three deliveries of two data sets, a held row, a release's folder, and a sealed backup of raw's rows."""
    settings = clean_warehouse
    deliver(settings, KEYED, (GOOD + "100,NEW,1\n").encode())
    deliver(settings, KEYED, GOOD.replace("7,A,7", "7,A,8").encode(), modified="2026-11-20T08:00:00")
    deliver(settings, MONTHLY, b"on,station\n2026-09-01,A\n2026-10-01,B\n", name="rides.csv")
    (settings.releases / "1").mkdir(parents=True)
    (settings.releases / "1" / "kpi.csv").write_text("kpi_id\n1.02\n")
    (settings.releases / ".building-2").mkdir()
    (settings.releases / ".building-2" / "kpi.csv").write_text("half")
    sealed = settings.backup / "answers" / "7.csv.gz.sealed"
    sealed.parent.mkdir(parents=True)
    with sealed.open("wb") as out, (settings.releases / "1" / "kpi.csv").open("rb") as plain:
        sealing.seal(sealing.keys_of(settings), plain, out, "7.csv.gz")
    with psycopg.connect(settings.dsn("admin", settings.airflow_db), autocommit=True) as db:
        db.execute("drop table if exists dag_run; create table dag_run (night date)")
        db.execute("insert into dag_run values ('2026-11-20')")
    yield settings
    shutil.rmtree(settings.backup, ignore_errors=True)
    with psycopg.connect(settings.dsn("admin", settings.airflow_db), autocommit=True) as db:
        db.execute("drop table if exists dag_run")


def runs(settings: Settings) -> list[Any]:
    with psycopg.connect(settings.dsn("admin", settings.airflow_db)) as db:
        return db.execute("select night::text from dag_run order by 1").fetchall()


def raw_hashes(settings: Settings) -> dict[str, Any]:
    with connect(settings, "admin") as db:
        return {name: found for name, found in backup.table_hashes(db).items() if name.startswith("raw.")}


# -- made ----------------------------------------------------------------------------------------------------
def test_a_backup_has_what_no_other_place_has_and_no_secret(filled: Settings, kept_in: Path) -> None:
    made = backup.make(filled, kept_in, NIGHT)
    manifest = backup.verify(made.folder)
    names = set(manifest.files)
    assert {"warehouse.dump", "airflow.dump", "releases/1/kpi.csv", "backup/answers/7.csv.gz.sealed"} <= names
    assert sum(name.startswith("landing/") for name in names) == 3
    assert not any("building" in name or "secrets" in name for name in names)
    assert manifest.keys == [sealing.keys_of(filled).newest]
    assert made.folder.stat().st_mode & 0o077 == 0
    everything = b"".join(path.read_bytes() for path in made.folder.rglob("*") if path.is_file())
    for name, secret in filled.secrets().items():
        assert secret.encode() not in everything, name
    assert manifest.tables["quarantine.rows"][0] == 1


def test_the_next_backup_copies_only_what_is_new(filled: Settings, kept_in: Path) -> None:
    first = backup.make(filled, kept_in, NIGHT)
    deliver(filled, KEYED, (GOOD + "300,A,1\n").encode(), modified="2026-11-20T09:00:00")
    second = backup.make(filled, kept_in, NIGHT)
    assert (second.files, second.new_files) == (first.files + 1, 3)  # the file, and both dumps
    name = "releases/1/kpi.csv"
    assert (first.folder / name).stat().st_ino == (second.folder / name).stat().st_ino
    assert (first.folder / name).stat().st_ino != (filled.base / name).stat().st_ino
    shutil.rmtree(first.folder)
    backup.verify(second.folder)


def test_a_killed_backup_is_no_backup(filled: Settings, kept_in: Path, query: Query) -> None:
    program = (
        "import sys, time; from pathlib import Path; from datetime import date; from cityperf import backup;"
        "from cityperf.config import Settings;"
        "backup._write_manifest = lambda folder, _: (print('now', flush=True), time.sleep(60));"
        f"backup.make(Settings(home=Path({str(filled.home)!r}), database_url={filled.database_url!r}),"
        f" Path({str(kept_in)!r}), date(2026, 11, 20))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=env)
    assert child.stdout is not None
    assert child.stdout.readline() == b"now\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert backup.backups(kept_in) == []
    assert query("select count(*) from ops.backup") == [(0,)]
    (left,) = kept_in.glob(".partial-*")
    with pytest.raises(backup.BackupError, match="no manifest"):
        backup.restore(filled, left)
    made = backup.make(filled, kept_in, NIGHT)
    assert backup.backups(kept_in) == [made.folder]
    assert [*kept_in.glob(".partial-*")] == []


# -- brought back --------------------------------------------------------------------------------------------
def test_a_drill_finds_everything_equal_and_writes_it_down(
    filled: Settings,
    kept_in: Path,
    query: Query,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cityperf.cli.backup.settings", lambda: filled)
    assert main(["backup", str(kept_in), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    deliver(filled, KEYED, (GOOD + "300,A,1\n").encode(), modified="2026-11-20T09:00:00")  # the night goes on
    assert main(["backup", "drill", str(kept_in), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_equal"], told["files"], told["tables"]) == (True, made["files"] - 2, made["tables"])
    assert query("select name, is_equal, found from ops.backup_drill") == [
        (Path(made["folder"]).name, True, "everything is equal")
    ]
    assert [*filled.home.glob("drill-*")] == []


def test_a_drill_of_a_damaged_backup_says_so(filled: Settings, kept_in: Path, query: Query) -> None:
    folder = backup.make(filled, kept_in, NIGHT).folder
    path = folder / "releases/1/kpi.csv"
    path.chmod(0o600)
    path.write_text("kpi_id\n1.03\n")
    result = backup.drill(filled, folder, NIGHT)
    assert not result.is_equal
    assert "releases/1/kpi.csv" in result.found
    assert query("select is_equal from ops.backup_drill") == [(False,)]


def test_what_was_lost_comes_back_and_landing_alone_gives_raw_again(
    filled: Settings, kept_in: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = backup.make(filled, kept_in, NIGHT).folder
    before, landed = raw_hashes(filled), [path_of(filled, sha) for (sha,) in _landed(filled)]
    home = filled.home / "restored"
    home.mkdir(mode=0o755)
    lost = Settings(home=home)
    try:
        with pytest.raises(backup.BackupError, match="is lacking"):
            backup.restore(lost, folder)  # a fresh home has not the key
        assert not lost.landing.exists()
        lost.change_secret(sealing.SECRET, lambda _: filled.secrets()[sealing.SECRET])
        (lost.base).mkdir(exist_ok=True)
        (lost.base / backup.RESTORING).write_text(
            "killed in the middle"
        )  # a restore that was killed is repeated
        backup.restore(lost, folder)
        assert raw_hashes(lost) == before
        assert runs(lost) == [("2026-11-20",)]
        assert [path_of(lost, path.name).read_bytes() for path in landed] == [
            path.read_bytes() for path in landed
        ]
        with connect(lost, "admin", autocommit=True) as db:
            db.execute("drop table raw.delays, raw.rides cascade")
        for agreed in (KEYED, MONTHLY):
            rebuild(lost, agreed)
        assert {name: raw_hashes(lost).get(name) for name in before} == before
        with pytest.raises(backup.BackupError, match="expected an empty profile"):
            backup.restore(lost, folder)
    finally:
        postgres.stop(lost)
        shutil.rmtree(home, ignore_errors=True)


def _landed(settings: Settings) -> list[Any]:
    with connect(settings, "loader") as db:
        return db.execute("select sha256 from ops.landed_file order by 1").fetchall()


def test_airflows_metadata_of_yesterday_come_back_alone(
    filled: Settings, kept_in: Path, query: Query
) -> None:
    folder = backup.make(filled, kept_in, NIGHT).folder
    deliver(filled, KEYED, (GOOD + "300,A,1\n").encode(), modified="2026-11-20T09:00:00")
    with psycopg.connect(filled.dsn("admin", filled.airflow_db), autocommit=True) as db:
        db.execute("insert into dag_run values ('2026-11-21')")
    backup.restore(filled, folder, metadata_only=True)
    assert runs(filled) == [("2026-11-20",)]
    assert query("select count(*) from raw.delays where id = '300'") == [(1,)]  # the warehouse has today
    with psycopg.connect(filled.dsn("airflow", filled.airflow_db), autocommit=True) as db:
        db.execute("create table t (); drop table t")  # its owner may work in it
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(filled.dsn("bi_reader", filled.airflow_db))
