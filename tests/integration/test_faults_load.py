"""A loader killed at any point, and run again: the same table as one clean run, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf.config import ROOT, Settings
from cityperf.errors import SourceUnavailable
from cityperf.load import load_file

from tests.integration.publisher import NIGHT, contract, land, open_gate

pytestmark = pytest.mark.fault
Query = Callable[..., list[tuple[Any, ...]]]

MONTHLY = contract(columns={"on": {"header": ["on"], "type": "date"}, "station": "text"},
                   partition={"column": "on", "grain": "month"})  # fmt: skip
KEYED = contract(columns={"on": "text", "station": "text"})
FILE = b"on,station\n" + b"".join(
    f"2026-{n % 6 + 1:02d}-{n % 28 + 1:02d},Station number {n} of the line\n".encode() for n in range(60_000)
)

# The child loads like any task does, but stops where the test wants to kill it.
CHILD = """
import sys, time
from cityperf.config import Settings
from tests.integration import test_faults_load as test
import cityperf.load as load
from cityperf.load import attach, batch

place, dataset, file_id = sys.argv[1:]
agreed = test.MONTHLY if dataset == "monthly" else test.KEYED

def stop(*_):
    print("here", flush=True)
    time.sleep(600)

def gate(*_):
    if place == "gate":
        stop()
    return []

if place == "copy":
    batch.CHUNK = 64 << 10
    whole = batch._plain_lines
    def slowly(*told):
        for number, chunk in enumerate(whole(*told)):
            if number == 10:
                stop()
            yield chunk
    batch._plain_lines = slowly
if place == "attach":
    load.move_cursor = stop
load.load_file(Settings.from_env("sample"), test.NIGHT, agreed, int(file_id), gate=gate)
if place == "done":
    stop()
"""


def child_environment(settings: Settings) -> dict[str, str]:
    """What a process of its own needs to find the same warehouse."""
    found = {**os.environ, "PYTHONPATH": f"{ROOT / 'include'}:{ROOT}", "CITYPERF_HOME": str(settings.home)}
    return found | ({"CITYPERF_DATABASE_URL": settings.database_url} if settings.database_url else {})


@contextmanager
def loader_stopped_at(
    place: str, settings: Settings, dataset: str, file_id: int
) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, place, dataset, str(file_id)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=child_environment(settings),
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "here"
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def table_hash(query: Query) -> str:
    rows = query("select r::text from raw.delays as r order by _night, _file_id, _row")
    return hashlib.sha256("\n".join(row for (row,) in rows).encode()).hexdigest()


def wait_for_no_loader(settings: Settings) -> None:
    """A killed client's session ends when the server notices that nobody is there."""
    deadline = time.monotonic() + 30
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as db:
        while db.execute(
            "select 1 from pg_stat_activity where application_name = 'cityperf-loader'"
        ).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def undisturbed(settings: Settings, query: Query, agreed: Any, file_id: int) -> str:
    """The table's hash after a clean run, and the warehouse as before it."""
    load_file(settings, NIGHT, agreed, file_id, gate=open_gate)
    clean = table_hash(query)
    query("truncate ops.batch, ops.cursor restart identity cascade")
    query("drop table raw.delays cascade")
    return clean


@pytest.mark.parametrize("dataset", ["keyed", "monthly"])
@pytest.mark.parametrize("place", ["copy", "gate", "attach"])
def test_a_loader_killed_in_the_middle_leaves_nothing_and_the_next_run_gives_the_same(
    clean_warehouse: Settings, query: Query, place: str, dataset: str
) -> None:
    agreed = MONTHLY if dataset == "monthly" else KEYED
    file_id = land(clean_warehouse, agreed, FILE)
    clean = undisturbed(clean_warehouse, query, agreed, file_id)
    with loader_stopped_at(place, clean_warehouse, dataset, file_id) as child:
        if place == "copy":
            assert query("select 1 from pg_stat_progress_copy")
        child.kill()
    wait_for_no_loader(clean_warehouse)
    assert query("select count(*) from raw.delays") == [(0,)]
    assert query("select state from ops.batch") == [("loading",)]
    assert query("select 1 from ops.cursor") == []

    result = load_file(clean_warehouse, NIGHT, agreed, file_id, gate=open_gate)
    assert result.loaded == 60_000
    assert table_hash(query) == clean
    assert query("select state, message from ops.batch order by batch_id") == [
        ("failed", "the loader died; reclaimed by the next one"), ("loaded", None),
    ]  # fmt: skip
    assert query("select relname from pg_class where relname ~ '^batch_[0-9]'") == []


def test_a_killed_copy_leaves_no_bloat(clean_warehouse: Settings, query: Query) -> None:
    file_id = land(clean_warehouse, KEYED, FILE)
    query("checkpoint")
    before = query("select pg_database_size(current_database())")[0][0]
    with loader_stopped_at("copy", clean_warehouse, "keyed", file_id) as child:
        child.kill()
    wait_for_no_loader(clean_warehouse)
    query("checkpoint")
    after = query("select pg_database_size(current_database())")[0][0]
    assert after - before < 1 << 20
    assert query("select relname from pg_class where relname ~ '^batch_[0-9]'") == []


def test_killed_after_the_commit_the_next_run_finds_the_file_loaded(
    clean_warehouse: Settings, query: Query
) -> None:
    file_id = land(clean_warehouse, MONTHLY, FILE)
    with loader_stopped_at("done", clean_warehouse, "monthly", file_id) as child:
        child.kill()
    wait_for_no_loader(clean_warehouse)
    before = table_hash(query)
    result = load_file(clean_warehouse, NIGHT, MONTHLY, file_id, gate=open_gate)
    assert (result.loaded, result.message) == (60_000, "loaded before; nothing to do")
    assert table_hash(query) == before
    assert query("select count(*) from ops.batch") == [(1,)]


def test_a_loader_that_lives_is_waited_for_and_never_reclaimed(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityperf.load.LOCK_PATIENCE", 1.0)
    file_id = land(clean_warehouse, KEYED, FILE)
    with loader_stopped_at("gate", clean_warehouse, "keyed", file_id) as child:
        with pytest.raises(SourceUnavailable, match="found another load of it still at work"):
            load_file(clean_warehouse, NIGHT, KEYED, file_id, gate=open_gate)
        assert query("select state from ops.batch") == [("loading",)]
        assert query("select count(*) from raw.batch_1") == [(60_000,)]
        child.kill()


def test_readers_of_a_period_never_see_it_half_replaced(clean_warehouse: Settings, query: Query) -> None:
    load_file(clean_warehouse, NIGHT, MONTHLY, land(clean_warehouse, MONTHLY, FILE, "a.csv"), gate=open_gate)
    seen: set[int] = set()
    problems: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        with psycopg.connect(clean_warehouse.dsn("loader"), autocommit=True) as db:
            while not done.is_set():
                try:
                    row = db.execute("select count(*) from raw.delays").fetchone()
                    seen.add(row[0] if row else -1)
                except psycopg.Error as problem:
                    problems.append(problem)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3):
            longer = FILE + b"2026-01-01,one more\n" * (number + 1)
            load_file(
                clean_warehouse,
                NIGHT,
                MONTHLY,
                land(clean_warehouse, MONTHLY, longer, "a.csv"),
                gate=open_gate,
            )
    finally:
        done.set()
        reader.join()
    assert not problems
    assert seen <= {60_000, 60_001, 60_002, 60_003}


def test_a_reader_that_holds_the_table_makes_the_loader_step_back_not_fail(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityperf.load.SWAP_WAIT", "200ms")
    load_file(clean_warehouse, NIGHT, MONTHLY, land(clean_warehouse, MONTHLY, FILE, "a.csv"), gate=open_gate)
    file_id = land(clean_warehouse, MONTHLY, FILE + b"2026-01-01,one more\n", "a.csv")
    with psycopg.connect(clean_warehouse.dsn("loader")) as slow:
        slow.execute("select count(*) from raw.delays")  # its lock lasts until the transaction ends
        release = threading.Timer(1.5, slow.commit)
        release.start()
        result = load_file(clean_warehouse, NIGHT, MONTHLY, file_id, gate=open_gate)
        release.join()
    assert result.loaded == 60_001


def test_memory_stays_flat_whatever_the_size(clean_warehouse: Settings, query: Query, tmp_path: Path) -> None:
    """Five times the volume: the loader's peak grows by less than 15 MB, on both ways into the table."""
    measure = (
        "import re, sys; from pathlib import Path; from cityperf.config import Settings;"
        "from tests.integration import test_faults_load as test; from cityperf.load import load_file;"
        "settings = Settings.from_env('sample');"
        "load_file(settings, test.NIGHT, test.KEYED, int(sys.argv[1]), gate=test.open_gate);"
        # getrusage would count the parent's memory too: the child is that for a moment, before exec
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )

    def peak(content: bytes, name: str) -> int:
        file_id = land(clean_warehouse, KEYED, content, name)
        found = subprocess.run(
            [sys.executable, "-c", measure, str(file_id)],
            capture_output=True, text=True, check=True, cwd=ROOT, env=child_environment(clean_warehouse),
        )  # fmt: skip
        return int(found.stdout)

    header, rows = FILE.split(b"\n", 1)
    for ragged in (b"", b"2026-01-01,too,many\n"):
        small = peak(header + b"\n" + ragged + rows, f"small{len(ragged)}.csv")
        large = peak(header + b"\n" + ragged + rows * 5, f"large{len(ragged)}.csv")
        assert large - small < 15
        assert large < 300
