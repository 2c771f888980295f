"""Everything killed at once in the middle of a night, run again: the same release as an undisturbed run."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import ROOT, Home

pytestmark = pytest.mark.fault
ENV = {"CITYPERF_SCALE": "0.03"}
NIGHT = "2026-11-20"


def files(home: Home) -> dict[str, str]:
    folder = (home.base / "releases" / "current").resolve()
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process whose environment names this home: supervisor, database, Airflow and its children."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CITYPERF_HOME") == str(home) or str(home) in " ".join(
                process.cmdline()
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return [p for p in found if p.pid != os.getpid()]


def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(home: Home, tmp_path: Path) -> None:
    code, (clean,) = home.refresh("--night", NIGHT)
    assert code == 0, clean
    expected = files(home)
    home.cityperf("down", timeout=120)

    other = Home(tmp_path / "killed", env=ENV)
    try:
        environment = {
            **os.environ,
            **ENV,
            "CITYPERF_HOME": str(other.path),
            "PYTHONPATH": str(ROOT / "include"),
        }
        running = subprocess.Popen(
            [sys.executable, "-m", "cityperf.cli", "refresh", "--night", NIGHT],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:  # until some sources are loaded and others are still at it
            time.sleep(1)
            try:
                loaded = other.one("select count(*) from ops.batch where state = 'loaded'", role="loader")[0]
            except Exception:  # noqa: S112  # the database is not there yet, which is what we wait for
                continue
            if loaded >= 4:
                break
        assert loaded >= 4
        victims = processes_of(other.path)
        assert len(victims) > 5
        for victim in victims:
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        running.wait(30)
        code, (summary,) = other.refresh("--night", NIGHT)
        assert code == 0, summary
        assert summary["release"] == 1
        assert files(other) == expected
    finally:
        other.cityperf("down", timeout=120)
