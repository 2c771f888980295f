"""What every test may ask for: a home of its own, a real warehouse, the real files where they are at hand."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import postgres
from cityperf.config import ONE_THREAD, ROOT, Role, Settings
from psycopg import sql
from xdist.scheduler import LoadFileScheduling

# Stacks that tests start run the nights that tests ask for; the clock would add tonight's to each of them.
os.environ["CITYPERF_SCHEDULE"] = "off"
os.environ.update(ONE_THREAD)  # as every part of a stack has it; before anything loads numpy

KEPT_SCHEMAS = (
    "ops",
    "quarantine",
    "forecast",
    "raw",
    "publish",
    "publish_next",
    "as_of",
    "reference",
    "division",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips", action="store_true", help="Fail if a test was skipped: nothing may be missing here."
    )


# Files of tests that share what their fixtures make, in this order: one home and its nights, one warehouse. All that start a
# whole Airflow are one chain: several at a time on few cores take more from each other than they gain.
TOGETHER = {
    "test_sample_nights.py": "nights",
    "test_faults.py": "nights",
    "test_same_night.py": "nights",
    "test_add_source_and_kpi.py": "nights",
    "test_replay_real.py": "nights",
    "test_celery.py": "nights",
    "test_every_source.py": "sample",
    "test_own_kpis.py": "sample",
}


class FilesTogether(LoadFileScheduling):
    """A file of tests stays in one process, and files that share something stay in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return TOGETHER.get(Path(file).name, file)


@pytest.hookimpl(optionalhook=True)  # unknown without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether | None:
    return FilesTogether(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole nights and what else takes minutes first: the short files fill the gap at the end."""
    rooms = ("e2e", "static", "integration", "browser", "dags", "unit")

    def place(item: pytest.Item) -> tuple[int, int]:
        name = item.path.relative_to(ROOT / "tests").parts[0]
        order = [*TOGETHER].index(item.path.name) if item.path.name in TOGETHER else len(TOGETHER)
        return rooms.index(name) if name in rooms else len(rooms), order

    items.sort(key=place)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    if session.config.getoption("--strict-skips") and skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Unit tests get no network at all: one that needs a server belongs in tests/integration. And side by side, the
    longest chain of files goes first: it decides when all is over.
    """
    import pytest_socket

    if os.environ.get("PYTEST_XDIST_WORKER") and TOGETHER.get(item.path.name) != "nights" and os.nice(0) == 0:
        os.nice(5)

    if "unit" in item.path.relative_to(ROOT / "tests").parts[:1]:
        pytest_socket.disable_socket(allow_unix_socket=True)  # asyncio's own wake-up pipe is a Unix socket
    else:
        pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person running the tests has set must not steer them."""
    for name in (
        "CITYPERF_PROFILE",
        "CITYPERF_REPLAY",
        "CITYPERF_SEED",
        "CITYPERF_SCALE",
        "CITYPERF_PORTAL_URL",
        "CITYPERF_SOURCES",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """A folder for the session's servers; short, and where a server that dropped root may pass."""
    home = Path(tempfile.mkdtemp(prefix="cityperf-test-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of the sample profile in an empty home; no server runs there."""
    return Settings(profile="sample", home=tmp_path / "home")


@pytest.fixture(scope="session")
def warehouse(session_home: Path) -> Iterator[Settings]:
    """A running, migrated PostgreSQL shared by the session: the wheel's, or CITYPERF_DATABASE_URL's.

    Tests that write to it ask for `clean_warehouse` instead.
    """
    settings = Settings(
        profile="sample", home=session_home, database_url=os.environ.get("CITYPERF_DATABASE_URL") or None
    )
    postgres.start(settings)
    if settings.database_url is None:
        with psycopg.connect(settings.dsn("admin"), autocommit=True) as connection:
            # A test's rows need not outlive the machine; emptying forty tables before each test would wait for the disk.
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")
    yield settings
    postgres.stop(settings)


@pytest.fixture
def clean_warehouse(warehouse: Settings) -> Iterator[Settings]:
    """The warehouse with nothing in it before and after: no rows in ops and quarantine, no other tables."""
    empty_warehouse(warehouse)
    yield warehouse
    empty_warehouse(warehouse)


def empty_warehouse(settings: Settings) -> None:
    """Takes the warehouse back to what the migrations made of it, and its folders away."""
    for folder in (settings.landing, settings.releases, settings.drop):
        shutil.rmtree(folder, ignore_errors=True)
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as connection:
        connection.execute("set client_min_messages = warning")
        schemas = [
            name
            for (name,) in connection.execute(
                "select nspname from pg_namespace where nspname not like 'pg\\_%' "
                "and nspname not in ('information_schema', 'public')"
            ).fetchall()
        ]
        for schema in schemas:
            if schema not in KEPT_SCHEMAS:
                connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
                continue
            tables = [
                name
                for (name,) in connection.execute(
                    "select c.relname from pg_class c where c.relnamespace = %s::regnamespace "
                    "and c.relkind in ('r', 'p') and not c.relispartition",
                    (f'"{schema}"',),
                ).fetchall()
                if (schema, name) != ("ops", "migration")
            ]
            names = [sql.Identifier(schema, name) for name in tables]
            if not names:
                continue
            if schema in ("ops", "quarantine", "forecast"):
                statement = sql.SQL("truncate {} restart identity cascade")
            else:
                statement = sql.SQL("drop table {} cascade")
            connection.execute(statement.format(sql.SQL(", ").join(names)))


@pytest.fixture
def query(warehouse: Settings) -> Callable[..., list[tuple[object, ...]]]:
    """`query("select ...", args, role="admin")` → rows; for looking at what a test left in the warehouse."""

    def run(text: str, arguments: object = None, role: Role = "admin") -> list[tuple[object, ...]]:
        with psycopg.connect(warehouse.dsn(role), autocommit=True) as connection:
            cursor = connection.execute(text.encode(), arguments)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files (CITYPERF_REAL_DATA); skips where this machine has none."""
    folder = Settings.from_env().real_data
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; name their folder with CITYPERF_REAL_DATA")
    return folder
