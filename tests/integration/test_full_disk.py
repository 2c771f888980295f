"""Fault 16, really full: a write that finds no room, in landing, in an export, in the database's files and its log.

A limit on the size of files (RLIMIT_FSIZE) stands for the full disk: the write itself fails, after all looks ahead passed.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from cityperf import postgres, publish
from cityperf.config import Settings
from cityperf.db import connect

from tests.feeds import Feeds, feeds
from tests.integration import candidate
from tests.integration.trust import night, put_up

DATASET, NIGHT = "bank_of_canada_rates", date(2026, 11, 13)

pytestmark = pytest.mark.fault


@pytest.fixture
def feed(clean_warehouse: Settings) -> Iterator[Feeds]:
    with feeds(clean_warehouse, [DATASET]) as running:
        yield running


def without_room(limit: int, work: Callable[[], Any]) -> str:
    """Do the work in a process of its own whose files may have `limit` bytes; returns the error it ended with."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(here)
        told = "no error"
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            work()
        except BaseException as problem:
            told = f"{type(problem).__name__}: {problem}"
        os.write(there, told.encode()[:60_000])
        os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as ended:
        told = ended.read().decode()
    os.waitpid(child, 0)
    return told


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def test_landing_keeps_nothing_half_and_takes_the_file_when_there_is_room(feed: Feeds) -> None:
    told = without_room(2_000, lambda: feed.visit(DATASET, NIGHT))
    assert told.startswith("SourceUnavailable: ") and "room" in told, told
    assert left_in(feed.settings.landing) == []
    with connect(feed.settings, "loader") as loader:
        assert loader.execute("select count(*) from ops.landed_file").fetchall() == [(0,)]
    [judged] = feed.load(DATASET, NIGHT)
    assert judged.refused is None


def test_an_export_without_room_leaves_the_release_that_is_up(clean_warehouse: Settings) -> None:
    settings = clean_warehouse
    candidate.write_manifest(settings)
    put_up(settings)
    candidate.build_candidate(settings, publish.open_candidate(settings, night(1)), night=night(1), marker=1)
    told = without_room(8_000, lambda: publish.release(settings, night(1)))
    assert told.startswith("ExportFailed: ") and "room" in told, told
    assert (settings.releases / "current").readlink() == Path("1")
    assert sorted(p.name for p in settings.releases.iterdir()) == ["1", "current", "status"]
    assert publish.release(settings, night(1)).number == 2


def test_a_database_without_room_for_its_log_recovers_with_nothing_half_loaded(
    clean_warehouse: Settings, tmp_path: Path
) -> None:
    """Of a server of its own: its log may not grow, it stops, and goes on when there is room."""
    home = tmp_path / "own"
    home.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    settings = Settings(profile="sample", home=home)
    postgres.start(settings)
    try:
        with feeds(settings, [DATASET]) as running:
            [(file_id, name)] = running.visit(DATASET, NIGHT)
            server = psutil.Process(
                int((postgres.data_directory(settings) / "postmaster.pid").read_text().split()[0])
            )
            every = [server, *server.children(recursive=True)]
            for process in every:
                process.rlimit(psutil.RLIMIT_FSIZE, (64_000, resource.RLIM_INFINITY))
            with pytest.raises((psycopg.Error, OSError)):
                running.take(_contract(), NIGHT, file_id, name)
            with suppress(psutil.NoSuchProcess):
                for process in [server, *server.children(recursive=True)]:
                    process.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            _wait_until_it_answers(settings, server)
            with connect(settings, "loader") as loader:
                assert loader.execute(f"select count(*) from raw.{DATASET}").fetchall() == [(0,)]
            judged = running.take(_contract(), NIGHT, file_id, name)
            assert judged.refused is None
            with connect(settings, "loader") as loader:
                rows = loader.execute(
                    f"select count(*), (select count(*) from ops.batch where state = 'loaded') from raw.{DATASET}"
                ).fetchall()
            assert rows[0][0] > 2_000 and rows[0][1] == 1
    finally:
        postgres.stop(settings)


def _contract() -> Any:
    from cityperf.sources import load_contract

    return load_contract(DATASET)


def _wait_until_it_answers(settings: Settings, server: psutil.Process) -> None:
    """It recovers by itself, or gave up while there was no room and is started again, as the supervisor does."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with connect(settings, "loader") as loader:
                loader.execute("select 1")
            return
        except psycopg.Error:
            assert time.monotonic() < deadline
            if not server.is_running() or server.status() == psutil.STATUS_ZOMBIE:
                postgres.start(settings)
            time.sleep(0.2)
