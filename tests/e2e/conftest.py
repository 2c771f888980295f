"""Whole nights, as a person runs them: the real command, real Airflow, real PostgreSQL, real HTTP from the portal."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]


# A night over every source takes minutes; test_every_source visits them all without Airflow. These bring the KPIs,
# and one of each connector.
CORE = (
    "dashboard_*,ttc_subway_*,operating_budget,service_requests_311,statcan_indicators,bank_of_canada_rates,"
    "neighbourhood_crime_rates,neighbourhood_profiles_2016,neighbourhoods,mbncanada_results,external_report_cards,commitments,"
    "library_visits,fir_schedule_22,statcan_cpi,workforce_positions,transit_ridership_extract,major_crime_indicators"
)


@dataclass
class Home:
    """One CITYPERF_HOME and how to run commands in it."""

    path: Path
    profile: str = "sample"
    env: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CITYPERF_HOME": str(self.path),
            "CITYPERF_PROFILE": self.profile,
            "PYTHONPATH": str(self.root / "include"),
            "CITYPERF_SOURCES": CORE,
            **self.env,
        }

    def cityperf(self, *arguments: str, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cityperf.cli", *arguments],
            cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def refresh(self, *arguments: str, timeout: float = 1800) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and the summary of each night that ran."""
        alone(self)
        done = self.cityperf("refresh", "--json", *arguments, timeout=timeout)
        summaries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not summaries:
            logs = sorted((self.path / self.profile / "logs").glob("*.log"))
            tails = "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in logs)
            raise AssertionError(
                f"no summary; exit {done.returncode}\n{done.stdout}\n{done.stderr[-6000:]}\n{tails}"
            )
        return done.returncode, summaries

    def down(self) -> None:
        self.cityperf("down", timeout=120)
        STARTED.pop(self.path, None)

    def query(self, sql: str, *parameters: Any, role: str = "bi_reader") -> list[tuple[Any, ...]]:
        from cityperf.config import Settings

        settings = Settings(
            profile=self.profile,  # type: ignore[arg-type]
            home=self.path,
            database_url=self.env.get("CITYPERF_DATABASE_URL"),
        )
        with psycopg.connect(settings.dsn(role)) as connection:  # type: ignore[arg-type]
            return connection.execute(sql, parameters or None).fetchall()  # type: ignore[call-overload]

    def one(self, sql: str, *parameters: Any, role: str = "bi_reader") -> tuple[Any, ...]:
        return self.query(sql, *parameters, role=role)[0]

    @property
    def base(self) -> Path:
        return self.path / self.profile


STARTED: dict[Path, Home] = {}  # homes of this process whose stack may be up


def alone(home: Home | None = None) -> None:
    """Ends the stacks of all other homes: an Airflow that waits takes a third of a core from the one at work."""
    for other in [each for each in STARTED.values() if home is None or each.path != home.path]:
        other.down()
    if home is not None:
        STARTED[home.path] = home


def states(summary: dict[str, Any]) -> dict[str, str]:
    return {source["dataset"]: source["state"] for source in summary["sources"]}


@dataclass(frozen=True)
class Released:
    """A home after its first night, and that night's summary."""

    home: Home
    summary: dict[str, Any]


FIRST_NIGHT = "2026-11-12"


# Faulty addresses are given up after 20 s instead of minutes.
FIRST_ENV = {"CITYPERF_SCALE": "0.05", "CITYPERF_HTTP_PATIENCE": "20"}


@pytest.fixture(scope="session")
def between(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of tests see, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@dataclass(frozen=True)
class FirstNight:
    """Of the night of `released`: its summary, the folder of its release, and what is told of the release beside it."""

    summary: dict[str, Any]
    release: Path
    status: Path


def first_night_in(between: Path) -> tuple[Home, FirstNight]:
    """The sample's first night from nothing, made by whichever process asks first; the others wait for it. Who asks next
    finds its stack up or down, and its first release as it was.
    """
    home = Home(between / "nights", env=FIRST_ENV)
    made, status = between / "first_night.json", between / "status"
    with FileLock(between / "first_night.lock"):
        if not made.exists():
            shutil.rmtree(status, ignore_errors=True)  # of a try that failed
            code, (summary,) = home.refresh("--night", FIRST_NIGHT)
            assert (code, summary["state"]) == (0, "released"), summary
            shutil.copytree(home.base / "releases" / "status", status)
            made.write_text(json.dumps(summary))
    return home, FirstNight(json.loads(made.read_text()), home.base / "releases" / "1", status)


@pytest.fixture(scope="session")
def released(between: Path) -> Iterator[Released]:
    """The sample's first night and its home. Some modules (TOGETHER in tests/conftest.py) share it, one after the other,
    each with later nights of its own: a first night builds every model, which is most of what a test of nights costs.
    """
    home, night = first_night_in(between)
    try:
        yield Released(home, night.summary)
    finally:
        home.down()


@pytest.fixture(scope="session")
def first_night(between: Path) -> FirstNight:
    """To be read only: tests beside the later nights, in another process, look at the first release."""
    home, night = first_night_in(between)
    if home.path in STARTED:
        home.down()  # made here; the later nights start it again where they are
    return night


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home of the module's own, taken down afterwards. The module may set PROFILE and ENV."""
    made = Home(
        tmp_path_factory.mktemp("home"),
        getattr(request.module, "PROFILE", "sample"),
        dict(getattr(request.module, "ENV", {})),
    )
    yield made
    made.down()


@dataclass(frozen=True)
class OwnServer:
    """Debian's PostgreSQL 15 on a free port of loopback, as a city has a server of its own."""

    url: str
    folder: Path
    port: int

    BIN = Path("/usr/lib/postgresql/15/bin")

    def run(self, program: str, *arguments: str | Path) -> None:
        """A program of the server's, as its user: it does not run as root."""
        as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        subprocess.run(
            [*(as_user if os.getuid() == 0 else ()), "env", "HOME=/tmp", self.BIN / program, "-D", self.folder / "data",
             *arguments],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} "
            "-c max_connections=100"
        )
        self.run("pg_ctl", "-o", options, "-l", self.folder / "log", "-w", "start")

    def processes(self) -> list[psutil.Process]:
        """The server and all that it has started."""
        postmaster = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as made:
        yield made


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A fresh one that runs until the end; skips the test where there is none."""
    if not (OwnServer.BIN / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed (package postgresql-15)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pg15-"))
    password = folder / "password"
    password.write_text("only-for-this-test")
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(password, "postgres")
    made = OwnServer(f"postgresql://owner:only-for-this-test@127.0.0.1:{port}/postgres", folder, port)
    made.run("initdb", "-U", "owner", "-A", "scram-sha-256", "--pwfile", password)
    made.start()
    try:
        yield made
    finally:
        made.run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


ENOUGH = 4  # sources that are in when the lightning strikes; others are still at it


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


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """A home on a server of its own whose first night was killed, the server with it; the summary is of the second try.
    Shared like `released`.
    """
    with own_server() as server:
        home = Home(tmp_path_factory.mktemp("killed"), env={**FIRST_ENV, "CITYPERF_DATABASE_URL": server.url})
        home.path.chmod(0o755)
        alone(home)
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
            assert came >= ENOUGH and len(victims) > 10
            assert not (home.base / "releases" / "current").exists()

            server.start()
            code, (summary,) = home.refresh("--night", FIRST_NIGHT)
            assert (code, summary["state"]) == (0, "released"), summary
            assert came < len(summary["sources"]), "the lightning came too late"
            yield Released(home, summary)
        finally:
            home.down()
