"""The same night ends with the same files: on a server of one's own (Debian's PostgreSQL 15, the oldest that is supported),
and on the embedded one with everything killed at once in the middle.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
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

from tests.e2e.conftest import FEW, Home, states

BIN = Path("/usr/lib/postgresql/15/bin")
ENV = {"CITYPERF_SCALE": "0.03", "CITYPERF_SOURCES": FEW}
NIGHT = "2026-11-20"
ENOUGH = 4  # sources that are in when the lightning strikes; others are still at it


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not (BIN / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed (package postgresql-15)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="pg15-"))
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    password = folder / "password"
    password.write_text("only-for-this-test")
    if os.getuid() == 0:
        shutil.chown(password, "postgres")
    data = folder / "data"
    run = [*as_user, "env", "HOME=/tmp"]
    subprocess.run(
        [*run, str(BIN / "initdb"), "-D", str(data), "-U", "owner", "-A", "scram-sha-256", "--pwfile", str(password)],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=100"
    )
    subprocess.run(
        [*run, str(BIN / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"],
        check=True, capture_output=True, cwd="/",
    )  # fmt: skip
    yield f"postgresql://owner:only-for-this-test@127.0.0.1:{port}/postgres"
    subprocess.run(
        [*run, str(BIN / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], check=False, cwd="/"
    )
    shutil.rmtree(folder, ignore_errors=True)


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


@pytest.fixture(scope="module")
def undisturbed(home: Home, request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """The summary and the files of a night that nothing disturbed: on PostgreSQL 15 where it is installed."""
    if (BIN / "postgres").exists():
        home.env["CITYPERF_DATABASE_URL"] = request.getfixturevalue("server")
    code, (summary,) = home.refresh("--night", NIGHT)
    assert (code, summary["state"]) == (0, "released"), summary
    found = files(home)
    assert found
    return summary, found


def test_a_night_on_postgresql_15(
    server: str, home: Home, undisturbed: tuple[dict[str, Any], object]
) -> None:
    summary, _ = undisturbed
    assert set(states(summary).values()) == {"loaded"}
    assert home.one("show server_version_num", role="bi_reader")[0].startswith("15")
    assert home.one("select count(*) from publish.kpi_value")[0] > 5000
    assert not (home.base / "postgres").exists(), "no embedded server may be made beside an external one"


@pytest.mark.fault
def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(
    home: Home, undisturbed: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    summary_of_one, expected = undisturbed
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
        assert ENOUGH <= came < len(summary_of_one["sources"])
        assert len(victims) > 5
        assert not (other.base / "releases" / "current").exists()

        code, (summary,) = other.refresh("--night", NIGHT)
        assert code == 0, summary
        assert summary["release"] == 1
        assert files(other) == expected
    finally:
        other.cityperf("down", timeout=120)
