"""The stack of one profile: PostgreSQL, the portal and Airflow's four parts, owned by one small supervisor.

`up` starts the supervisor (or finds it running) and waits until every part is healthy; `down` stops it. As
the parent of every part the supervisor sees at once when one dies, starts it again, and at the end leaves no
process behind. Airflow is configured by environment variables alone, so no file of it can go stale.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psutil

from cityperf import postgres
from cityperf.config import ONE_THREAD, ROOT, Settings, new_fernet_key
from cityperf.errors import CityperfError

AIRFLOW_PARTS: Final = ("scheduler", "api-server", "dag-processor", "triggerer")
PARALLELISM: Final = 6
# What may run at once: fetching waits on networks, loading works the disk, the night's own steps hardly work.
POOLS: Final[dict[str, tuple[int, str]]] = {
    "sources": (4, "Fetching from the sources"),
    "load": (2, "Loading landed files into PostgreSQL"),
    "night": (32, "The steps of the nightly refresh; most of them wait"),
    "models": (2, "One task a dbt model: transform sets their states; only what it could not tell runs here"),
}
UP_SECONDS: Final = 300.0
LOG_BYTES: Final = 20 * 1024**2
AUTH_MANAGER: Final = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
MARK: Final = "CITYPERF_STACK"  # every process of a stack carries it, so that strays can be told from others


class StackError(CityperfError):
    """The stack did not come up, or does not answer; the message says which part, and where its log is."""


class ApiError(StackError):
    """Airflow's API refused a request. `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


# -- environment ---------------------------------------------------------------------------------------------
def base_env(settings: Settings) -> dict[str, str]:
    """The environment of every part: no Python or Airflow settings of the caller, nothing phoning home."""
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "AIRFLOW", "PG", "VIRTUAL_ENV"))
    }
    env |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(ROOT / "include"),
        "PYTHONUNBUFFERED": "1",
        "CITYPERF_PROFILE": settings.profile,
        "CITYPERF_HOME": str(settings.home),
        "CITYPERF_REAL_DATA": str(settings.real_data),
        "CITYPERF_SEED": str(settings.seed),
        "CITYPERF_SCALE": repr(settings.scale),
        MARK: str(settings.base.resolve()),
        **ONE_THREAD,
        "DO_NOT_TRACK": "1",
        "SCARF_ANALYTICS": "false",
        "GX_ANALYTICS_ENABLED": "False",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "TZ": "UTC",
    }
    env.pop("CITYPERF_PRELOAD", None)  # for the scheduler alone
    for name, value in (
        ("CITYPERF_DATABASE_URL", settings.database_url),
        ("CITYPERF_REPLAY", str(settings.replay_file) if settings.replay_file else None),
    ):
        env.pop(name, None)
        if value:
            env[name] = value
    return env


def _airflow_url(settings: Settings, driver: str) -> str:
    """SQLAlchemy's URL of Airflow's database; the driver is written out, since its default changed in 2.1."""
    parts = urlsplit(settings.dsn("airflow", settings.airflow_db))
    return urlunsplit((f"postgresql+{driver}", *parts[1:]))


def airflow_env(settings: Settings) -> dict[str, str]:
    """The whole configuration of Airflow, for its parts and for anyone who calls its command line.

    Needs the addresses of PostgreSQL and Airflow to be known (see `ports.json`), so call it after `up`.
    """
    secrets = settings.secrets()
    url = airflow_url(settings)
    dags = os.environ.get("CITYPERF_DAGS_FOLDER") or str(ROOT / "dags")
    options = {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(PARALLELISM),
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",  # the pools limit, not the DAG
        "CORE__MP_START_METHOD": "fork",
        "CORE__DAGS_FOLDER": dags,
        "CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__FERNET_KEY": secrets["fernet"],
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__AUTH_MANAGER": AUTH_MANAGER,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(settings.airflow_home / "passwords.json"),
        "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        "CORE__DAGBAG_IMPORT_TIMEOUT": "60",
        "DATABASE__SQL_ALCHEMY_CONN": _airflow_url(settings, "psycopg2"),
        "DATABASE__SQL_ALCHEMY_CONN_ASYNC": _airflow_url(settings, "psycopg"),
        "DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(urlsplit(url).port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets["api"],
        "API__INSTANCE_NAME": f"City Performance Warehouse ({settings.profile})",
        "API_AUTH__JWT_SECRET": secrets["jwt"] + secrets["api"],  # SHA-512 wants 64 bytes
        "API_AUTH__JWT_ISSUER": "cityperf",
        # A new or changed file is seen within seconds; one that did not change is read again every minute,
        # because the DAGs also depend on the contracts, which are not in that folder.
        "DAG_PROCESSOR__PARSING_PROCESSES": "2",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "120",
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "120",
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",
        "SCHEDULER__MAX_TIS_PER_QUERY": "64",
        # A task's watcher may miss the end of its process by a hair, then sleeps one heartbeat, slot in hand.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # An API server that has just started, or shares two cores with much else, may take longer than five seconds.
        "WORKERS__EXECUTION_API_TIMEOUT": "20",
        # What a killed scheduler or task leaves is taken up again within the minute, not after five.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "25",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
        "LOGGING__BASE_LOG_FOLDER": str(settings.logs / "airflow"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            settings.logs / "airflow" / "dag_processor"
        ),
        "LOGGING__LOGGING_LEVEL": "INFO",
        "LOGGING__UVICORN_LOGGING_LEVEL": "WARNING",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        "LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING httpx=WARNING alembic=WARNING",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "COSMOS__ENABLE_TELEMETRY": "False",
    }
    return (
        base_env(settings)
        | {"AIRFLOW_HOME": str(settings.airflow_home)}
        | {f"AIRFLOW__{name}": value for name, value in options.items()}
    )


def part_env(settings: Settings) -> dict[str, str]:
    """`airflow_env` for parts on several machines: the AIRFLOW__ variables of the caller win over ours."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AIRFLOW__") or name == "CITYPERF_PRELOAD"
    }
    return airflow_env(settings) | given


def airflow_url(settings: Settings) -> str:
    """Where Airflow's pages and API are: CITYPERF_AIRFLOW_URL, else the port that the stack remembers."""
    return os.environ.get("CITYPERF_AIRFLOW_URL") or f"http://127.0.0.1:{settings.ports()['airflow']}"


def fingerprint(settings: Settings) -> str:
    """What a running stack was started with: another one means that it must be started anew.

    Besides the settings it covers the code that long-lived processes hold in memory; tasks load theirs anew.
    """
    seen = hashlib.sha256()
    for value in (
        settings.database_url, settings.replay_file and settings.replay_file.resolve(),
        settings.real_data.resolve(), settings.seed, settings.scale,
        os.environ.get("CITYPERF_DAGS_FOLDER"), sys.prefix,
    ):  # fmt: skip
        seen.update(f"{value}\0".encode())
    code = [ROOT / "requirements.lock", *(ROOT / "plugins").rglob("*.py")]
    package = ROOT / "include" / "cityperf"
    code += [*package.parent.glob("*.py"), *package.glob("*.py"), *(package / "portal").rglob("*.py")]
    code += package.glob("migrations/*.sql")  # a start applies them
    for path in sorted(code):
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            seen.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\0".encode())
    return seen.hexdigest()[:16]


# -- the supervisor ------------------------------------------------------------------------------------------
@dataclass
class Part:
    """One process that must run, and what happened to it so far."""

    name: str
    command: Callable[[], list[str]]
    env: Callable[[], dict[str, str]]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    created: float = 0.0  # the kernel's word for when the process began: with the PID it names it for good
    failures: int = 0  # in a row: forgotten after a minute of running
    restarts: int = 0
    next_start: float = 0.0
    last_exit: int | None = None
    said: str = ""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None


@dataclass
class Supervisor:
    """Starts the parts, starts them again when they die, and stops them with everything that they started."""

    settings: Settings
    parts: dict[str, Part] = field(default_factory=dict)
    state: str = "starting"
    message: str = ""
    stopping: bool = False
    started_at: float = field(default_factory=time.time)
    fingerprint: str = ""
    _written: str = ""
    _last_look_at_logs: float = 0.0
    _pools_made: bool = False

    def run(self) -> int:
        """The life of the stack; returns the process's exit code: 0 stopped as asked, 1 could not start."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _become_subreaper()
        self.fingerprint = fingerprint(self.settings)
        try:
            end_strays(self.settings)
            self._start_all()
            self.state = "running"
            self._write()
            threading.Thread(target=self._settle, daemon=True).start()
            while not self.stopping:
                self._look_after()
                self._write()
                time.sleep(0.2)
        except _Stopped:
            pass
        except CityperfError as problem:
            self.message = str(problem)
        except Exception as problem:
            self.message = f"{type(problem).__name__}: {problem}"
            self._say(f"failed: {self.message}")
            raise
        finally:
            failed, self.state = bool(self.message), "stopping"
            self._write()
            self._stop_all()
            self.state = "failed" if failed else "stopped"
            self._write()
        if failed:
            self._say(f"failed: {self.message}")
        return 1 if failed else 0

    # -- starting --------------------------------------------------------------------------------------------
    def _start_all(self) -> None:
        settings = self.settings
        _make_folders(settings)
        self._write()
        for name in ("airflow", "portal") if settings.profile != "live" else ("airflow",):
            postgres.choose_port(settings, name)
        if settings.database_url is None:
            part = self._part("postgres", list, dict)
            self._start(part)
        if settings.profile != "live":
            self._start(self._part("portal", self._portal_command, lambda: base_env(settings)))
        self._stop_point()
        postgres.ensure(settings)
        _write_passwords(settings)
        migration = self._migration()
        # These two have much to import before they touch a table; they wait for the migration by themselves.
        self._start_airflow("api-server")
        self._start_airflow("scheduler")
        if migration is not None:
            self._finish(migration)
        self._start_airflow("dag-processor")
        self._start_airflow("triggerer")

    def _start_airflow(self, name: str) -> None:
        # Task logs are read from disk by the API server: the parts need not serve them.
        arguments = ("--skip-serve-logs",) if name in ("scheduler", "triggerer") else ()
        command = partial(_python, "airflow", name, *arguments)
        self._start(self._part(name, command, partial(_part_env, self.settings, name)))

    def _portal_command(self) -> list[str]:
        port = str(self.settings.ports()["portal"])
        return _python("cityperf.portal", "--profile", self.settings.profile, "--port", port)

    def _part(self, name: str, command: Callable[[], list[str]], env: Callable[[], dict[str, str]]) -> Part:
        self.parts[name] = Part(name, command, env, self.settings.logs / f"{name}.log")
        return self.parts[name]

    def _start(self, part: Part) -> None:
        part.started_at = time.time()
        if part.name == "postgres":
            # A server that outlived a killed supervisor was ended as a stray; this one is our own child.
            part.process = postgres.launch(self.settings)
        else:
            with part.log.open("ab") as log:
                log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} {part.name} starts\n".encode())
                part.process = subprocess.Popen(
                    part.command(), env=part.env(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True,
                )  # fmt: skip
        with contextlib.suppress(psutil.Error):
            part.created = psutil.Process(part.process.pid).create_time()
        self._say(f"{part.name} started, pid {part.process.pid}")
        self._write()

    def _migration(self) -> subprocess.Popen[bytes] | None:
        """`airflow db migrate`, begun, where this version was not yet; it takes seconds: not every time."""
        settings, stamp = self.settings, _migration_stamp(self.settings)
        now = f"{_version('apache-airflow-core')} {_airflow_revision(settings)}"
        if stamp.exists() and stamp.read_text() == now:
            return None
        stamp.unlink(missing_ok=True)
        self._say("airflow db migrate")
        with (settings.logs / "airflow-db-migrate.log").open("ab") as log:
            return subprocess.Popen(
                _python("airflow", "db", "migrate"), env=airflow_env(settings), cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _finish(self, migration: subprocess.Popen[bytes]) -> None:
        settings = self.settings
        while migration.poll() is None:
            if self.stopping:
                migration.kill()
                migration.wait()
            self._stop_point()
            time.sleep(0.05)
        if migration.returncode:
            log_path = settings.logs / "airflow-db-migrate.log"
            raise StackError(
                f"airflow db migrate ended with status {migration.returncode} on {settings.airflow_db}; "
                f"its last words ({log_path}):\n{tail(log_path)}"
            )
        stamp = _migration_stamp(settings)
        aside = stamp.with_suffix(".partial")
        aside.write_text(f"{_version('apache-airflow-core')} {_airflow_revision(settings)}")
        aside.replace(stamp)

    # -- looking after ---------------------------------------------------------------------------------------
    def _look_after(self) -> None:
        self._reap()
        now = time.time()
        for part in self.parts.values():
            if part.process is None:
                if now >= part.next_start:
                    self._start_again(part)
                continue
            code = part.process.poll()
            if code is None:
                if part.failures and now - part.started_at > 60:
                    part.failures = 0
                continue
            part.last_exit, part.process = code, None
            part.failures += 1
            pause = min(30.0, 0.5 * 2 ** (part.failures - 1))
            part.next_start = now + pause
            self._say(f"{part.name} ended with status {code}; starts again in {pause:.1f} s")
            if part.name != "postgres":  # its back ends notice by themselves, and must be left to
                self._end_orphans()
            self._write()
        if now - self._last_look_at_logs > 60:
            self._last_look_at_logs = now
            for log in self.settings.logs.glob("*.log"):
                _rotate(log)

    def _start_again(self, part: Part) -> None:
        part.restarts += 1
        if part.failures > 2:
            self._move_if_taken(part)
        try:
            self._start(part)
        except CityperfError as problem:
            part.failures += 1
            part.next_start = time.time() + min(60.0, 2.0**part.failures)
            part.said = str(problem)
            self._say(f"{part.name}: {problem}")
            self._write()

    def _move_if_taken(self, part: Part) -> None:
        """Another port where a stranger took ours; whoever was told the old one is started anew."""
        name = {"api-server": "airflow", "portal": "portal"}.get(part.name)
        if name is None or postgres.port_is_free(self.settings.ports()[name]):
            return
        self._say(f"{part.name}: port {self.settings.ports()[name]} is taken by another program")
        postgres.choose_port(self.settings, name, anew=True)
        if name == "airflow":
            for each in AIRFLOW_PARTS:
                if (process := self.parts[each].process) is not None:
                    process.terminate()

    def _end_orphans(self) -> None:
        """What a dead part left behind, our children now, would hold its port, its locks or its tasks."""
        ours = self._pids()
        with contextlib.suppress(psutil.Error):
            for orphan in psutil.Process().children():
                if orphan.pid not in ours:
                    for each in [orphan, *orphan.children(recursive=True)]:
                        with contextlib.suppress(psutil.Error):
                            each.kill()

    def _pids(self) -> set[int]:
        return {pid for part in self.parts.values() if (pid := part.pid) is not None}

    def _settle(self) -> None:
        """Once the API server answers: have it build its task API, which waits to be asked; make pools."""
        client = AirflowApi(self.settings, patience=0.0)
        while not self.stopping and not self._pools_made:
            try:
                if _answers(self.settings.ports().get("airflow")):
                    client.touch_task_api()
                    have = {pool["name"] for pool in client.get("/pools", limit=100)["pools"]}
                    for name, (slots, text) in POOLS.items():
                        if name not in have:
                            body = {"name": name, "slots": slots, "description": text}
                            client.post("/pools", body, ok=(201, 409))
                    self._pools_made = True
            except ApiError:
                pass  # being started again, or not quite there: the loop asks once more
            time.sleep(0.2)

    def _reap(self) -> None:
        """As subreaper we inherit what our parts' children leave; the parts themselves are left to Popen."""
        ours = {
            part.process.pid for part in self.parts.values() if part.process and part.process.poll() is None
        }
        with contextlib.suppress(ChildProcessError):
            while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if dead.si_pid in ours:
                    return
                os.waitpid(dead.si_pid, 0)

    # -- stopping --------------------------------------------------------------------------------------------
    def _stop_all(self) -> None:
        """Airflow and the portal first, then whatever they left, then the database, which they all used."""
        others = [part for part in self.parts.values() if part.name != "postgres" and part.pid]
        for part in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(part.process.pid, signal.SIGTERM)  # type: ignore[union-attr]  # it has a pid
        # These write into the database that they go; the API server and the portal have nothing to write.
        waited_for = [part for part in others if part.name not in ("api-server", "portal")]
        deadline = time.monotonic() + 8
        while any(part.pid for part in waited_for) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.05)
        end_strays(self.settings, but_postgres=True)
        if "postgres" in self.parts:
            postgres.stop(self.settings)
            if process := self.parts["postgres"].process:
                process.wait()
        end_strays(self.settings)
        self._reap()

    def _asked_to_stop(self, *_: object) -> None:
        self.stopping = True

    def _stop_point(self) -> None:
        if self.stopping:
            raise _Stopped

    # -- telling ---------------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)

    def _write(self) -> None:
        told = {
            "pid": os.getpid(),
            "state": self.state,
            "message": self.message,
            "started_at": self.started_at,
            "fingerprint": self.fingerprint,
            "pools": self._pools_made,
            "parts": {
                part.name: {
                    "pid": part.pid,
                    "created": part.created,
                    "started_at": part.started_at,
                    "restarts": part.restarts,
                    "last_exit": part.last_exit,
                    "said": part.said,
                }
                for part in self.parts.values()
            },
        }
        text = json.dumps(told)
        if text != self._written:
            self._written = text
            path = state_file(self.settings)
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".partial")
            aside.write_text(text)
            aside.replace(path)


class _Stopped(Exception):
    """Asked to stop while starting."""


# -- what the parts need before they start -------------------------------------------------------------------
def set_up(settings: Settings, tell: Callable[[str], None] = lambda _: None) -> None:
    """Prepares a server of one's own for parts that somebody else starts (docker-compose.yml). Idempotent.

    Makes databases, roles, migrations, Airflow's tables and its pools; pools that are there keep their slots.
    Raises PostgresError or StackError with what to do.
    """
    if not settings.database_url:
        raise StackError(
            "setup expected CITYPERF_DATABASE_URL, the address of a PostgreSQL server of your own, and found none; "
            "on one machine ./cityperf up does all this by itself"
        )
    _make_folders(settings)
    postgres.start(settings)
    _write_passwords(settings)
    tell(f"{settings.warehouse_db}: roles and migrations are in place")
    _airflow_command(settings, "db", "migrate")
    tell(f"{settings.airflow_db}: Airflow's tables are in place")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pools.json"
        _airflow_command(settings, "pools", "export", str(path))
        have = json.loads(path.read_text())
        missing = {name: each for name, each in POOLS.items() if name not in have}
        if missing:
            made = {
                name: {"slots": slots, "description": text, "include_deferred": False}
                for name, (slots, text) in missing.items()
            }
            path.write_text(json.dumps(made))
            _airflow_command(settings, "pools", "import", str(path))
    tell(f"pools made: {', '.join(missing) or 'none, all were there'}")


def clean_metadata(settings: Settings, before: str) -> None:
    """Delete what Airflow's database has of before a moment and belongs to no run: its audit log, jobs, import errors,
    answered callbacks, tokens, Celery's results. No copy is kept. Raises StackError when a table could not be cleaned."""
    tables = "log,job,import_error,callback,revoked_token,connection_test_request,celery_taskmeta,celery_tasksetmeta"
    options = ("--clean-before-timestamp", before, "--tables", tables, "--skip-archive", "--yes")
    _airflow_command(settings, "db", "clean", *options, "--error-on-cleanup-failure")


def rotate_fernet(settings: Settings) -> None:
    """A new Fernet key: what Airflow's database has encrypted is encrypted anew with it. Killed, it can be repeated.

    Both keys stand in the secrets file until that is done, so that nothing is unreadable in between.
    """
    settings.change_secret("fernet", lambda before: f"{new_fernet_key()},{before}")
    _airflow_command(settings, "rotate-fernet-key")
    settings.change_secret("fernet", lambda both: both.split(",")[0])


def _airflow_command(settings: Settings, *arguments: str) -> None:
    """One call of Airflow's command line; StackError with its last words when it fails."""
    # A task's own process is kept from Airflow's database; this one is not a task.
    ours = {k: v for k, v in airflow_env(settings).items() if k.startswith("AIRFLOW__DATABASE__SQL")}
    log_path = settings.logs / f"airflow-{'-'.join(arguments[:2])}.log"
    with log_path.open("wb") as log:
        done = subprocess.run(
            _python("airflow", *arguments), env=part_env(settings) | ours, cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    if done.returncode:
        raise StackError(
            f"airflow {' '.join(arguments[:2])} ended with status {done.returncode} on {settings.airflow_db}; "
            f"its last words ({log_path}):\n{tail(log_path)}"
        )


def _make_folders(settings: Settings) -> None:
    for folder in (settings.logs, settings.run, settings.landing, settings.drop, settings.airflow_home):
        folder.mkdir(parents=True, exist_ok=True)


def _write_passwords(settings: Settings) -> None:
    path = settings.airflow_home / "passwords.json"
    text = json.dumps({"admin": settings.secrets()["airflow_admin"]})
    if not path.exists() or path.read_text() != text:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _part_env(settings: Settings, name: str) -> dict[str, str]:
    """Airflow's environment; the scheduler also loads beforehand what the tasks that it forks will need."""
    extra = {"CITYPERF_WAIT_FOR": str(_migration_stamp(settings))}
    if name == "scheduler":
        extra["CITYPERF_PRELOAD"] = "1"
    return airflow_env(settings) | extra


def _migration_stamp(settings: Settings) -> Path:
    """Names the Airflow version and the schema revision that the database was brought to."""
    return settings.airflow_home / "migrated"


def _become_subreaper() -> None:
    """Orphans among our descendants become our children, so that none gets away (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _rotate(log: Path) -> None:
    """Keeps one older copy; the writers append, so emptying the file under them is safe."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def _strays(settings: Settings) -> list[psutil.Process]:
    """Living processes of this stack, whoever their parent is by now; never the caller's own line.

    Found by the mark in their environment or by their session, which is that of the part they come from:
    Airflow's workers overwrite and hide their environment. A PID may be another program's by now, so a
    session counts only in this boot, and if its leader is the recorded one or, that being dead, they look
    like ours.
    """
    mark, state = str(settings.base.resolve()), _state(settings)
    leaders = {
        int(part["pid"]): float(part.get("created", 0.0))
        for part in state.get("parts", {}).values()
        if part.get("pid") and part.get("created", 0.0) > psutil.boot_time() - 1
    }
    own, found = {os.getpid(), os.getppid()}, []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if _has_mark(process, mark) or _is_of_session(process, leaders):
                found.append(process)
    return found


def _has_mark(process: psutil.Process, mark: str) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARK) == mark
    return False


def _is_of_session(process: psutil.Process, leaders: Mapping[int, float]) -> bool:
    session = os.getsid(process.pid)
    if session not in leaders or process.uids().real != os.getuid():
        return False
    if psutil.pid_exists(session):
        return abs(psutil.Process(session).create_time() - leaders[session]) < 1
    said = " ".join(process.cmdline())
    return process.create_time() >= leaders[session] - 1 and ("airflow" in said or "cityperf" in said)


def end_strays(settings: Settings, *, but_postgres: bool = False) -> list[int]:
    """Ends what an earlier supervisor or a dead part left running; returns their PIDs. Needs the lock."""
    strays = _strays(settings)
    for process in strays:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(strays, timeout=5)
    if not but_postgres and settings.database_url is None:
        postgres.stop(settings)
    return [process.pid for process in strays]


def _airflow_revision(settings: Settings) -> str:
    """The schema revision that Airflow's database is at; empty for a new one."""
    import psycopg

    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(settings.dsn("airflow", settings.airflow_db), connect_timeout=10) as connection,
    ):
        row = connection.execute("select string_agg(version_num, ',') from alembic_version").fetchone()
        return str(row[0]) if row else ""
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for error messages."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 8192))
            return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


# -- is it there ---------------------------------------------------------------------------------------------
def state_file(settings: Settings) -> Path:
    return settings.run / "stack.json"


def _state(settings: Settings) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads(state_file(settings).read_text())
    except (OSError, ValueError):
        return {}
    return loaded


@contextlib.contextmanager
def _supervisor_lock(settings: Settings, *, keep: bool = False) -> Iterator[bool]:
    """Held by the supervisor for its life; yields whether we got it, that is, whether none runs.

    With `keep` the holder's PID is written into it, which is how others know whom to ask.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / "supervisor.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if keep:
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
        yield True


def supervisor_pid(settings: Settings) -> int | None:
    """PID of the living supervisor; None if there is none."""
    if not settings.run.is_dir():
        return None
    for _ in range(50):
        with _supervisor_lock(settings) as free:
            if free:
                return None
        with contextlib.suppress(OSError, ValueError):
            pid = int((settings.run / "supervisor.lock").read_text())
            if psutil.pid_exists(pid):
                return pid
        time.sleep(0.01)  # somebody looked just now, or the supervisor is about to write its PID
    pid = int(_state(settings).get("pid") or 0)
    return pid if pid and psutil.pid_exists(pid) else None


def _live_state(settings: Settings) -> dict[str, Any]:
    """What the living supervisor last wrote; empty if it wrote nothing yet, or none lives."""
    state = _state(settings)
    return state if state.get("pid") == supervisor_pid(settings) else {}


def _answers(port: int | None) -> bool:
    if port is None:
        return False
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def health(settings: Settings) -> dict[str, str]:
    """Part → 'healthy', or what is not right with it. Airflow's own words for its parts."""
    import requests

    if supervisor_pid(settings) is None:
        return {"supervisor": "not running"}
    state = _live_state(settings)
    parts = state.get("parts", {})
    found = {
        name: "healthy"
        if each.get("pid") and psutil.pid_exists(each["pid"])
        else each.get("said") or "starting"
        for name, each in parts.items()
    }
    for name in AIRFLOW_PARTS:
        found.setdefault(name, "not started yet")
    if settings.profile != "live":
        found["portal"] = "healthy" if _answers(settings.ports().get("portal")) else "does not answer yet"
    if "airflow" not in settings.ports():
        return found
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{airflow_url(settings)}/api/v2/monitor/health", timeout=5).json()
    except (requests.RequestException, ValueError):
        return found | {"api-server": "does not answer yet"}
    for name in ("scheduler", "dag_processor", "triggerer"):
        said = (answer.get(name) or {}).get("status") or "no heartbeat yet"
        ours = name.replace("_", "-")
        if found[ours] == "healthy" and not _fresh(answer, name, parts.get(ours, {}).get("started_at", 0.0)):
            said = "no heartbeat yet"
        found[ours] = said if found[ours] == "healthy" else found[ours]
    if not state.get("pools"):
        found["pools"] = "not made yet"
    return found


def _fresh(answer: Mapping[str, Any], name: str, started_at: float) -> bool:
    """Airflow goes on calling a part healthy for a while after it died: the beat must be this process's."""
    from datetime import datetime

    beat = str((answer.get(name) or {}).get(f"latest_{name}_heartbeat") or "")
    return bool(beat) and datetime.fromisoformat(beat).timestamp() >= started_at


def is_elsewhere() -> bool:
    """Whether somebody else starts the parts (docker-compose.yml) and CITYPERF_AIRFLOW_URL says where they are."""
    return bool(os.environ.get("CITYPERF_AIRFLOW_URL"))


def is_up(settings: Settings) -> bool:
    """Whether every part runs and is healthy; of parts elsewhere their own health checks know."""
    return is_elsewhere() or (
        supervisor_pid(settings) is not None and set(health(settings).values()) == {"healthy"}
    )


# -- up and down ---------------------------------------------------------------------------------------------
def up(settings: Settings, seconds: float = UP_SECONDS, tell: Callable[[str], None] = lambda _: None) -> None:
    """Starts the stack unless it runs, and returns when every part is healthy.

    A stack that was started with other settings or older code is started anew. `tell` is called with each
    change of what it waits for. Raises StackError with the last words of the part that is not well.
    """
    if is_elsewhere():
        return
    state = _live_state(settings)
    if state.get("state") == "stopping":
        _wait_gone(settings, 60)
    elif state.get("fingerprint", fingerprint(settings)) != fingerprint(settings):
        tell("settings or code changed since the stack was started: starting it anew")
        down(settings)
    process: subprocess.Popen[bytes] | None = None
    if supervisor_pid(settings) is None:
        settings.logs.mkdir(parents=True, exist_ok=True)
        with (settings.logs / "supervisor.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cityperf.stack"], env=_supervisor_env(settings), cwd=ROOT,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
    deadline, before = time.monotonic() + seconds, ""
    while True:
        if process is not None and process.poll() is not None and supervisor_pid(settings) is None:
            last = _state(settings)
            message = last.get("message") if last.get("pid") == process.pid else ""
            message = message or tail(settings.logs / "supervisor.log")
            raise StackError(f"the stack did not start: {message}")
        well = health(settings)
        ill = {name: said for name, said in well.items() if said != "healthy"}
        if not ill:
            return
        waiting = ", ".join(sorted(ill))
        if waiting != before:
            tell(f"waiting for {waiting}")
            before = waiting
        if time.monotonic() > deadline:
            name = next(iter(ill))
            log_path = settings.logs / f"{name}.log"
            raise StackError(
                f"after {seconds:.0f} s the stack is not healthy: "
                + "; ".join(f"{part}: {said}" for part, said in ill.items())
                + f". Last words of {name} ({log_path}):\n{tail(log_path)}\nSee ./cityperf doctor."
            )
        time.sleep(0.15)


def _supervisor_env(settings: Settings) -> dict[str, str]:
    """Explicit, so that it does not matter where the caller's settings came from."""
    env = base_env(settings)
    env.pop(MARK)  # it ends the marked ones, so it is not one
    return env


def down(settings: Settings, seconds: float = 90) -> bool:
    """Stops everything; True if there was something to stop. StackError if the supervisor does not end."""
    if is_elsewhere():
        raise StackError(
            "CITYPERF_AIRFLOW_URL is set: whoever started the parts stops them (docker compose down)"
        )
    pid = supervisor_pid(settings)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        _wait_gone(settings, seconds)
        return True
    if not settings.run.is_dir():
        return False
    with _supervisor_lock(settings) as free:  # no supervisor, but perhaps what a killed one left
        if not free:
            return False
        ended, stopped = end_strays(settings, but_postgres=True), _stop_stray_postgres(settings)
        return bool(ended or stopped)


def _stop_stray_postgres(settings: Settings) -> bool:
    running = settings.database_url is None and postgres.server_pid(settings) is not None
    if running:
        postgres.stop(settings)
    return running


def _wait_gone(settings: Settings, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (pid := supervisor_pid(settings)) is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # if the caller of `up` is also the caller of `down`
        if time.monotonic() > deadline:
            raise StackError(
                f"the supervisor (pid {pid}) did not stop within {seconds:.0f} s; see "
                f"{settings.logs / 'supervisor.log'}, end it with kill {pid} and run ./cityperf down again"
            )
        time.sleep(0.05)


def serve(settings: Settings) -> int:
    """The supervisor itself, in this process, until a signal ends it. Returns its exit code."""
    with _supervisor_lock(settings, keep=True) as free:
        if not free:
            raise StackError(
                f"the stack of profile {settings.profile} runs already (pid {supervisor_pid(settings)}); "
                "stop it with ./cityperf down first"
            )
        return Supervisor(settings).run()


# -- status --------------------------------------------------------------------------------------------------
def pss(process: psutil.Process) -> int:
    """Proportional memory in bytes: pages that forks share are divided among them, so sums are true."""
    try:
        with Path(f"/proc/{process.pid}/smaps_rollup").open() as handle:
            for line in handle:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _tree(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def memory(settings: Settings) -> int:
    """Bytes (PSS) of the supervisor and all below it; 0 when the stack is down."""
    pid = supervisor_pid(settings)
    return sum(pss(process) for process in _tree(pid)) if pid else 0


def status(settings: Settings) -> dict[str, Any]:
    """What there is to know of the stack, ready for JSON; memory in MB (PSS)."""
    pid, state = supervisor_pid(settings), _state(settings)
    well = health(settings) if pid else {}
    parts = []
    for name, each in state.get("parts", {}).items():
        alive = bool(pid and each["pid"] and psutil.pid_exists(each["pid"]))
        parts.append(
            {
                "name": name,
                "pid": each["pid"] if alive else None,
                "state": well.get(name, "unknown") if pid else "stopped",
                "uptime_seconds": round(time.time() - each["started_at"]) if alive else None,
                "restarts": each["restarts"],
                "memory_mb": round(sum(pss(p) for p in _tree(each["pid"])) / 1e6) if alive else 0,
                "log": str(settings.logs / f"{name}.log"),
            }
        )
    overall = "stopped"
    if pid:
        overall = "healthy" if set(well.values()) == {"healthy"} else str(state.get("state", "starting"))
    elif state.get("state") == "failed":
        overall = "failed"
    ports = settings.ports()
    address = urlsplit(settings.dsn("bi_reader")) if settings.database_url or "postgres" in ports else None
    return {
        "profile": settings.profile,
        "state": overall,
        "message": state.get("message", "") if overall in ("failed", "starting") else "",
        "home": str(settings.base),
        "supervisor": pid,
        "parts": parts,
        "urls": {
            "airflow": airflow_url(settings) if "airflow" in ports else None,
            "portal": settings.portal_url if "portal" in ports else None,
            "warehouse": f"postgresql://bi_reader@{address.hostname}:{address.port}{address.path}"
            if address
            else None,
        },
        "versions": {
            "cityperf": "0.1.0",
            "airflow": _version("apache-airflow-core"),
            "dbt": _version("dbt-core"),
            "great_expectations": _version("great-expectations"),
            "postgres_data": postgres.data_major(settings),
        },
        "memory_mb": round(memory(settings) / 1e6) if pid else 0,
    }


# -- Airflow's API -------------------------------------------------------------------------------------------
class AirflowApi:
    """Airflow's public API (v2) as user admin. Paths are relative to `root`; answers are parsed JSON.

    `ok` names the HTTP statuses that are answers rather than errors (default: any 2xx); others raise
    ApiError. While Airflow's API server is being started again, a request waits up to `patience` seconds.
    """

    def __init__(self, settings: Settings, patience: float = 60.0, root: str = "/api/v2") -> None:
        import requests

        self.settings = settings
        self.root = root
        self.patience = patience
        self._session = requests.Session()
        self._session.trust_env = False  # loopback never goes through a proxy
        self._token: str | None = None

    def get(self, path: str, ok: tuple[int, ...] | None = None, **params: Any) -> dict[str, Any]:
        return self._call("GET", path, None, ok, params)

    def post(self, path: str, json: Any = None, ok: tuple[int, ...] | None = None) -> dict[str, Any]:
        return self._call("POST", path, {} if json is None else json, ok, {})

    def patch(self, path: str, json: Any, ok: tuple[int, ...] | None = None, **params: Any) -> dict[str, Any]:
        return self._call("PATCH", path, json, ok, params)

    def delete(self, path: str, ok: tuple[int, ...] | None = None) -> dict[str, Any]:
        return self._call("DELETE", path, None, ok, {})

    def touch_task_api(self) -> None:
        """The API for tasks builds its routes at the first request, which takes seconds: be the first."""
        import requests

        with contextlib.suppress(requests.RequestException):
            self._session.get(f"{airflow_url(self.settings)}/execution/health", timeout=120)

    def _login(self) -> str:
        import requests

        body = {"username": "admin", "password": self.settings.secrets()["airflow_admin"]}
        response = self._session.post(f"{airflow_url(self.settings)}/auth/token", json=body, timeout=30)
        if response.status_code != requests.codes.created:
            raise ApiError(
                f"Airflow at {airflow_url(self.settings)} refused user admin (HTTP {response.status_code}): "
                f"expected the password of {self.settings.home / 'secrets.json'}; ./cityperf down and up "
                "writes it anew",
                response.status_code,
            )
        return str(response.json()["access_token"])

    def _call(
        self, method: str, path: str, body: Any, ok: tuple[int, ...] | None, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        import requests

        deadline = time.monotonic() + self.patience
        while True:
            url = f"{airflow_url(self.settings)}{self.root}{path}"
            try:
                if self._token is None:
                    self._token = self._login()
                response = self._session.request(
                    method,
                    url,
                    json=body,
                    params=params,
                    timeout=60,
                    headers={"Authorization": f"Bearer {self._token}"},
                )
            except requests.ConnectionError as problem:
                if (
                    time.monotonic() < deadline
                ):  # nothing was answered; our POSTs name their run, so they may repeat
                    time.sleep(0.5)
                    continue
                raise ApiError(
                    f"Airflow does not answer at {url}: {problem}; see ./cityperf status"
                ) from problem
            except requests.RequestException as problem:
                raise ApiError(f"{method} {url} broke off: {problem}; see ./cityperf status") from problem
            if response.status_code == requests.codes.unauthorized and time.monotonic() < deadline:
                self._token = None
                time.sleep(0.2)
                continue
            if response.ok if ok is None else response.status_code in ok:
                try:
                    answer: dict[str, Any] = response.json() if response.content else {}
                except ValueError:
                    answer = {}
                return answer
            raise ApiError(
                f"{method} {path}: Airflow answered HTTP {response.status_code}: {response.text[:600]}",
                response.status_code,
            )


def api(settings: Settings) -> AirflowApi:
    """A client for the running stack's Airflow."""
    return AirflowApi(settings)


if __name__ == "__main__":
    sys.exit(serve(Settings.from_env()))
