"""Everything killed at once in the middle of a night, run again: the same release as an undisturbed run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.e2e.conftest import FEW, Home

pytestmark = pytest.mark.fault
ENV = {"CITYPERF_SCALE": "0.03", "CITYPERF_SOURCES": FEW}
NIGHT = "2026-11-20"
ENOUGH = 4  # sources that are in when the lightning strikes; others are still at it


def files(home: Home) -> dict[str, str]:
    folder = (home.base / "releases" / "current").resolve()
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def processes_of(home: Path) -> list[psutil.Process]:
    """Supervisor, database, portal, Airflow and its tasks: every process that names this home, and their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            named = process.environ().get("CITYPERF_HOME") == str(home) or any(
                str(home) in word for word in process.cmdline()
            )
            if named and process.pid != os.getpid():
                found[process.pid] = process
                found |= {child.pid: child for child in process.children(recursive=True)}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return list(found.values())


def loaded(home: Home) -> int:
    try:
        return int(home.one("select count(*) from ops.source_night where state = 'loaded'", role="loader")[0])
    except (OSError, RuntimeError, KeyError, psycopg.Error):
        return 0  # the database is not there yet


@pytest.mark.timeout(1800)  # two nights, one of them twice
def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(home: Home, tmp_path: Path) -> None:
    code, (clean,) = home.refresh("--night", NIGHT)
    assert code == 0, clean
    expected = files(home)
    assert expected
    home.cityperf("down", timeout=120)

    other = Home(tmp_path / "killed", env=ENV)
    other.path.mkdir(mode=0o755)
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "cityperf.cli", "refresh", "--night", NIGHT],
            cwd=other.root, env=other.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 240
        while loaded(other) < ENOUGH and time.monotonic() < deadline:
            time.sleep(0.3)
        came = loaded(other)
        victims = processes_of(other.path)
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=30)
        running.wait(30)
        assert ENOUGH <= came < len(clean["sources"])
        assert len(victims) > 5
        assert not (other.base / "releases" / "current").exists()

        code, (summary,) = other.refresh("--night", NIGHT)
        assert code == 0, summary
        assert summary["release"] == 1
        assert files(other) == expected
    finally:
        other.cityperf("down", timeout=120)
