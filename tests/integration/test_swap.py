"""The swap under fire: readers see one whole release at every moment, and a killed run leaves nothing
half-made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import publish
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.publish import garbage
from cityperf.publish import swap as swapping
from cityperf.publish.exports import BUILDING, file_sha256, files_of
from cityperf.publish.failpoints import POINTS
from cityperf.publish.tables import tables

from tests.integration.candidate import NIGHT, build_candidate, write_manifest

Query = Callable[..., list[tuple[Any, ...]]]

# Every published table carries its release's number here, so that one statement can compare two of them.
CONSISTENT = (
    "select (select max(number) from publish.release), (select max(checks_failed) from "
    "publish.data_quality), "
    "(select count(distinct n) from (select right(name_en, 1) as n from publish.kpi where kpi_id = '1.02' "
    "union all select right(description, 1) from publish.catalogue where table_name = 'kpi') as two)"
)


@pytest.fixture
def home(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    write_manifest(clean_warehouse)
    monkeypatch.setattr(garbage, "KEPT", 0)  # what is kept for a rollback is tried in test_rollback.py
    yield clean_warehouse
    with psycopg.connect(clean_warehouse.dsn("admin"), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bi_reader'"
        )


def put_up(settings: Settings, marker: int, night_offset: int = 0) -> publish.Outcome:
    night = NIGHT + timedelta(days=night_offset)
    number = publish.open_candidate(settings, night)
    build_candidate(settings, number, night=night, marker=marker)
    return publish.release(settings, night)


def run_killed_at(settings: Settings, point: str) -> int:
    """Run a release in a process of its own that dies at `point`; returns its exit code."""
    code = (
        "from datetime import date; from cityperf.config import Settings; from cityperf import publish\n"
        f"publish.garbage.KEPT = {garbage.KEPT}\n"
        f"settings = Settings(profile={settings.profile!r}, "
        f"home=__import__('pathlib').Path({str(settings.home)!r}), "
        f"database_url={settings.database_url!r})\n"
        f"print(publish.release(settings, date.fromisoformat({NIGHT.isoformat()!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CITYPERF_FAILPOINT": point, "PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode


def state_that_readers_see(settings: Settings) -> tuple[int | None, dict[str, list[tuple[Any, ...]]]]:
    """Number of the release that is up and every row of every published table, as bi_reader."""
    with connect(settings, "publisher") as connection:
        names = list(tables(connection, "publish"))
    with connect(settings, "bi_reader") as connection:
        rows = {name: connection.execute(f"select * from publish.{name}").fetchall() for name in names}
    number = max((row[0] for row in rows.get("release", [])), default=None)
    return number, rows


def assert_whole_on_disk(settings: Settings, query: Query) -> None:
    """The link leads to a release whose files are all there, with the bytes that were recorded."""
    folder = (settings.releases / "current").resolve()
    listed = dict(query("select path, sha256 from ops.release_file where number = %s", (int(folder.name),)))
    assert listed
    assert {name: file_sha256(path) for name, path in files_of(folder).items()} == listed


# A fixed slice; `./cityperf bench kill-points` dies at every table, file and statement on the way.
BENCH_ONLY = {"hash.table", "export.file", "swap.statement", "record.files", "record.inputs", "record.nodes"}


@pytest.mark.fault
@pytest.mark.parametrize("point", [each for each in POINTS if each not in BENCH_ONLY])
def test_a_kill_at_any_point_leaves_one_whole_release_and_the_next_run_converges(
    home: Settings, query: Query, point: str
) -> None:
    first = put_up(home, marker=1)
    assert first.status == "released"
    before = state_that_readers_see(home)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    (home.releases / f"{BUILDING}left").mkdir()  # by a run that was killed before, so that there is garbage

    assert run_killed_at(home, point) == -signal.SIGKILL

    seen = state_that_readers_see(home)
    assert seen[0] in (1, 2)
    if seen[0] == 1:
        assert seen == before
    assert_whole_on_disk(home, query)

    again = publish.release(home, NIGHT)
    assert again.number == 2
    after = state_that_readers_see(home)
    assert after[0] == 2
    assert (home.releases / "current").readlink() == Path("2")
    assert_whole_on_disk(home, query)
    publish.collect_garbage(home)
    assert sorted(path.name for path in home.releases.iterdir()) == ["1", "2", "current", "status"]
    assert query("select count(*) from pg_namespace where nspname like 'publish%'") == [(2,)]
    assert query("select number, state from ops.release order by 1") == [(1, "released"), (2, "released")]


@pytest.mark.fault
def test_killed_anywhere_the_files_equal_those_of_an_undisturbed_run(home: Settings) -> None:
    put_up(home, marker=1)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    for point in ("export.tables", "export.renamed", "release.recorded", "swap.renamed"):
        assert run_killed_at(home, point) == -signal.SIGKILL
    publish.release(home, NIGHT)
    disturbed = {name: p.read_bytes() for name, p in files_of(home.releases / "2").items()}
    target = home.base / "undisturbed"
    target.mkdir()
    publish.export(home, 2, target)
    assert {name: p.read_bytes() for name, p in files_of(target).items()} == disturbed


def test_readers_in_a_loop_see_no_error_and_never_two_releases_in_one_statement(home: Settings) -> None:
    put_up(home, marker=1)
    stop = threading.Event()
    errors: list[str] = []
    mixed: list[tuple[Any, ...]] = []
    seen: set[int] = set()

    def read(prepare: bool) -> None:
        try:
            with connect(home, "bi_reader", autocommit=True) as connection:
                while not stop.is_set():
                    row = connection.execute(CONSISTENT, prepare=prepare).fetchone()
                    assert row is not None
                    seen.add(row[0])
                    if row[0] != row[1] or row[2] != 1:
                        mixed.append(row)
                    time.sleep(0.001)
        except Exception as error:  # a reader's error is what the test is about
            errors.append(repr(error))

    readers = [threading.Thread(target=read, args=(n % 2 == 0,)) for n in range(4)]
    for reader in readers:
        reader.start()
    try:
        for marker in range(2, 14):
            assert put_up(home, marker=marker).number == marker
    finally:
        stop.set()
        for reader in readers:
            reader.join(timeout=60)
    assert errors == []
    assert mixed == []
    assert {12, 13} & seen and len(seen) > 5


def test_a_long_query_is_neither_waited_for_nor_disturbed(home: Settings) -> None:
    put_up(home, marker=1)
    with connect(home, "bi_reader") as slow:
        with slow.cursor(name="slow") as cursor:
            cursor.itersize = 1
            cursor.execute("select kpi_id, value from publish.kpi_value order by 1, 2")
            first = cursor.fetchone()
            began = time.monotonic()
            assert put_up(home, marker=2).status == "released"
            waited = time.monotonic() - began
            rest = cursor.fetchall()
        assert first is not None and len(rest) == 4
        # The transaction still stands on the retired tables; a new statement in it sees the new release.
        assert slow.execute("select max(number) from publish.release").fetchone() == (2,)
    assert waited < 20
    assert publish.collect_garbage(home).still_read == ()


def test_a_retired_schema_stays_while_somebody_reads_it_and_goes_afterwards(
    home: Settings, query: Query
) -> None:
    put_up(home, marker=1)
    with connect(home, "bi_reader") as slow:
        slow.execute("select * from publish.kpi").fetchall()
        put_up(home, marker=2)
        assert publish.collect_garbage(home).still_read == ("publish_old_1",)
    assert publish.collect_garbage(home).schemas == ("publish_old_1",)
    assert query("select count(*) from pg_namespace where nspname like 'publish_old%'") == [(0,)]


def test_new_readers_wait_for_less_than_a_second_while_a_long_query_blocks_the_swap(home: Settings) -> None:
    put_up(home, marker=1)
    slowest = 0.0
    stop = threading.Event()

    def read() -> None:
        nonlocal slowest
        with connect(home, "bi_reader", autocommit=True) as connection:
            while not stop.is_set():
                began = time.monotonic()
                connection.execute("select count(*) from publish.kpi_value").fetchone()
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.002)

    with connect(home, "bi_reader") as slow:
        slow.execute("select * from publish.kpi_value").fetchall()
        reader = threading.Thread(target=read)
        reader.start()
        try:
            put_up(home, marker=2)
        finally:
            stop.set()
            reader.join(timeout=60)
    assert slowest < 1.0


def test_a_statement_caught_between_two_tables_makes_the_swap_try_again(home: Settings) -> None:
    """A session that holds one published table and waits for another would see half of each release."""
    put_up(home, marker=1)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    pauses: list[float] = []
    with connect(home, "publisher") as blocker, connect(home, "bi_reader") as between:
        blocker.execute("lock table publish.release in access exclusive mode")
        between.execute("select count(*) from publish.kpi").fetchone()
        waiting = threading.Thread(
            target=lambda: between.execute("select count(*) from publish.release").fetchone()
        )
        waiting.start()

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                blocker.rollback()
                waiting.join(timeout=30)
                between.rollback()

        attempts = swapping.swap(home, number, "hash", 1, sleep=pause)
    assert attempts > 3
    assert len(pauses) == attempts - 1


def test_a_swap_that_never_finds_a_moment_leaves_everything_as_it_was(
    home: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_up(home, marker=1)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    monkeypatch.setattr(swapping, "ATTEMPTS", 3)
    with connect(home, "publisher") as blocker, connect(home, "bi_reader") as between:
        blocker.execute("lock table publish.release in access exclusive mode")
        between.execute("select count(*) from publish.kpi").fetchone()
        waiting = threading.Thread(
            target=lambda: between.execute("select count(*) from publish.release").fetchone()
        )
        waiting.start()
        outcome = publish.release(home, NIGHT)
        blocker.rollback()
        waiting.join(timeout=30)
    assert outcome.status == "held"
    assert "release 1 stays up" in outcome.reason
    assert query("select number, state from ops.release order by 1") == [(1, "released"), (2, "held")]
    assert (home.releases / "current").readlink() == Path("1")
    assert publish.release(home, NIGHT).status == "released"


def test_two_releases_at_once_become_one_after_the_other(home: Settings) -> None:
    put_up(home, marker=1)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    outcomes: list[publish.Outcome] = []
    runs = [threading.Thread(target=lambda: outcomes.append(publish.release(home, NIGHT))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=60)
    assert sorted(o.status for o in outcomes) == ["released", "unchanged"]
    assert {o.number for o in outcomes} == {2}


@pytest.mark.fault
def test_bi_reader_reads_the_release_and_nothing_else(home: Settings, query: Query) -> None:
    put_up(home, marker=1)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=2)
    refused = (
        "select * from publish_next.kpi",
        "select * from ops.release",
        "select * from raw.anything",
        "insert into publish.kpi (kpi_id) values ('x')",
        "create table publish.mine (a integer)",
        "drop table publish.kpi",
        "select ops.open_candidate_to_readers()",
        "select ops.mark_release_stale('no')",
        "alter schema publish rename to gone",
        "truncate publish.kpi",
    )
    for statement in refused:
        with connect(home, "bi_reader") as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute("set transaction read write")
            connection.execute(statement)
        assert caught.value.sqlstate in ("42501", "25006"), f"{statement}: {caught.value}"
    with connect(home, "bi_reader") as holding:
        holding.execute("select * from publish.kpi").fetchall()
        publish.release(home, NIGHT)
        with connect(home, "bi_reader") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from publish_old_1.kpi")
    with connect(home, "bi_reader") as connection:
        for (name,) in query(
            "select relname from pg_class where relnamespace = 'publish'::regnamespace and relkind = 'r'"
        ):
            connection.execute(f"select * from publish.{name}").fetchall()


def test_transformer_cannot_touch_what_is_published(home: Settings) -> None:
    put_up(home, marker=1)
    with connect(home, "transformer") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("create table publish.mine (a integer)")


def test_failpoints_are_all_named_once() -> None:
    rooms = (ROOT / "include" / "cityperf" / room for room in ("publish", "site"))
    source = "\n".join(path.read_text() for room in rooms for path in room.glob("*.py"))
    for point in POINTS:
        assert source.count(f'reached("{point}"') in (1, 2), point  # a rollback passes some as well
    assert len(POINTS) > 10
    assert Path(__file__).exists()
