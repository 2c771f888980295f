"""The whole night on a server of one's own: Debian's PostgreSQL 15, the oldest that is supported."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import FEW, Home, states

BIN = Path("/usr/lib/postgresql/15/bin")
ENV = {"CITYPERF_SCALE": "0.03", "CITYPERF_SOURCES": FEW}


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


def test_a_night_on_postgresql_15(home: Home, server: str) -> None:
    home.env["CITYPERF_DATABASE_URL"] = server
    code, (summary,) = home.refresh("--night", "2026-11-20")
    assert (code, summary["state"]) == (0, "released"), summary
    assert set(states(summary).values()) == {"loaded"}
    assert home.one("show server_version_num", role="bi_reader")[0].startswith("15")
    assert home.one("select count(*) from publish.kpi_value")[0] > 5000
    assert not (home.base / "postgres").exists(), "no embedded server may be made beside an external one"
