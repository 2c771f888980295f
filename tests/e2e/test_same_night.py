"""The same night ends with the same files: undisturbed on the embedded PostgreSQL, and on a server of one's own (Debian's
PostgreSQL 15, the oldest that is supported) with everything killed at once in the middle.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.e2e.conftest import FIRST_NIGHT, Home, OwnServer, Released, states

ENOUGH = 4  # sources that are in when the lightning strikes; others are still at it


def files(release: Path) -> dict[str, str]:
    return {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release.rglob("*")
        if path.is_file()
    }


def processes_of(home: Path) -> list[psutil.Process]:
    """Supervisor, portal, Airflow and its tasks: every process that names this home, and their children."""
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


@pytest.fixture(scope="module")
def killed(
    released: Released, server: OwnServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, dict[str, Any]]]:
    """A home on a server of its own whose first night was killed, the server with it, and the summary of the second try."""
    released.home.cityperf("down", timeout=120)  # its later nights are over, and this one has the machine
    home = Home(
        tmp_path_factory.mktemp("killed"),
        env={**released.home.env, "CITYPERF_DATABASE_URL": server.url},
    )
    home.path.chmod(0o755)
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "cityperf.cli", "refresh", "--night", FIRST_NIGHT],
            cwd=home.root, env=home.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 240
        while loaded(home) < ENOUGH and time.monotonic() < deadline:
            time.sleep(0.3)
        came = loaded(home)
        victims = [*processes_of(home.path), *server.processes()]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=30)
        running.wait(30)
        assert ENOUGH <= came < len(released.summary["sources"])
        assert len(victims) > 10
        assert not (home.base / "releases" / "current").exists()

        server.start()
        code, (summary,) = home.refresh("--night", FIRST_NIGHT)
        assert (code, summary["state"]) == (0, "released"), summary
        yield home, summary
    finally:
        home.cityperf("down", timeout=120)


def test_a_night_on_postgresql_15(killed: tuple[Home, dict[str, Any]]) -> None:
    home, summary = killed
    assert set(states(summary).values()) == {"loaded"}
    assert home.one("show server_version_num")[0].startswith("15")
    assert home.one("select count(*) from publish.kpi_value")[0] > 5000
    assert not (home.base / "postgres").exists(), "no embedded server may be made beside an external one"


@pytest.mark.fault
def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(
    released: Released, killed: tuple[Home, dict[str, Any]]
) -> None:
    home, summary = killed
    assert summary["release"] == released.summary["release"] == 1
    expected = files(released.home.base / "releases" / "1")
    assert len(expected) > 100
    assert files(home.base / "releases" / "1") == expected
