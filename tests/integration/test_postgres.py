"""The embedded server, its roles and its migrations, on real PostgreSQL; the same on an external server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
from cityperf import postgres
from cityperf.config import ROLES, DivisionLogin, Role, Settings
from cityperf.db import connect
from cityperf.postgres import PostgresError
from psycopg import errors

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Path]:
    """A home for servers of the test's own; they are stopped at the end."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)  # pytest closes them; a server that dropped root must pass
    home = tmp_path / "home"
    yield home
    for profile in ("sample", "replay", "live"):
        postgres.stop(Settings(profile=profile, home=home))  # type: ignore[arg-type]


def kill_server(settings: Settings) -> int:
    pid = postgres.server_pid(settings)
    assert pid is not None
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30  # on a busy machine a killed process still listens for a moment
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.01)
    return pid


# -- the server ----------------------------------------------------------------------------------------------
def test_the_server_listens_on_loopback_only_and_wants_passwords(warehouse: Settings) -> None:
    if warehouse.database_url:
        assert postgres.is_up(warehouse)
        return
    pid = postgres.server_pid(warehouse)
    listening = [c for c in psutil.Process(pid).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
    with psycopg.connect(warehouse.dsn("admin")) as connection:
        asked = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        assert asked == [("scram-sha-256",)]
        shown = {
            name: connection.execute(f"show {name}").fetchone()[0]  # type: ignore[index]
            for name in ("data_checksums", "server_encoding", "unix_socket_directories", "listen_addresses")
        }
    assert shown == {
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "unix_socket_directories": "",
        "listen_addresses": "127.0.0.1",
    }
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(warehouse.dsn("loader").replace(warehouse.secrets()["loader"], "wrong"))


def test_text_sorts_by_code_point_and_the_clock_is_torontos(warehouse: Settings) -> None:
    with connect(warehouse, "transformer") as connection:
        rows = connection.execute(
            "select x from (values ('b'), ('A'), ('é'), ('a'), ('B')) v(x) order by x"
        ).fetchall()
        assert [x for (x,) in rows] == ["A", "B", "a", "b", "é"]
        row = connection.execute("select timestamptz '2026-03-01 03:00+00'::date::text").fetchone()
        assert row == ("2026-02-28",)


def test_starting_again_changes_nothing(warehouse: Settings) -> None:
    if warehouse.database_url:
        postgres.start(warehouse)
        return
    before = postgres.server_pid(warehouse), warehouse.ports()["postgres"]
    postgres.start(warehouse)
    assert (postgres.server_pid(warehouse), warehouse.ports()["postgres"]) == before


def test_what_was_committed_survives_kill_9(own_home: Path) -> None:
    settings = Settings(home=own_home)
    postgres.start(settings)
    with connect(settings, "loader", autocommit=True) as connection:
        connection.execute("create table raw.kept as select generate_series(1, 1000) as n")
    kill_server(settings)
    postgres.start(settings)
    with connect(settings, "loader") as connection:
        assert connection.execute("select count(*) from raw.kept").fetchone() == (1000,)
    postgres.stop(settings)
    assert postgres.server_pid(settings) is None
    postgres.stop(settings)  # nothing to stop is no error


def test_a_zombie_server_counts_as_dead_and_does_not_block_the_restart(own_home: Path) -> None:
    settings = Settings(home=own_home)
    process = postgres.launch(settings)  # our own child: nobody reaps it behind our back
    os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert (postgres.data_directory(settings) / "postmaster.pid").exists()
    assert not postgres.is_up(settings)
    again = postgres.launch(settings)
    assert postgres.is_up(settings)
    assert again.pid != process.pid
    process.wait()


def test_a_pid_file_that_names_another_program_is_not_believed(own_home: Path) -> None:
    settings = Settings(home=own_home)
    postgres.start(settings)
    postgres.stop(settings)
    lines = [
        str(os.getpid()),
        str(postgres.data_directory(settings)),
        "1",
        "1",
        "",
        "127.0.0.1",
        "1 1",
        "ready",
    ]
    (postgres.data_directory(settings) / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert not postgres.is_up(settings)
    postgres.start(settings)
    assert postgres.is_up(settings)


def test_a_taken_port_is_left_to_its_owner(own_home: Path) -> None:
    settings = Settings(home=own_home)
    port = postgres.choose_port(settings, "postgres")
    assert postgres.choose_port(settings, "postgres") == port
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        postgres.start(settings)
        assert settings.ports()["postgres"] != port
        with connect(settings, "loader") as connection:
            assert connection.execute("select 1").fetchone() == (1,)


def test_profiles_of_one_home_and_two_homes_run_side_by_side(own_home: Path, warehouse: Settings) -> None:
    both = [Settings(profile="sample", home=own_home), Settings(profile="replay", home=own_home)]
    for settings in both:
        postgres.start(settings)
    ports = [settings.ports()["postgres"] for settings in (*both, warehouse) if settings.ports()]
    assert len(set(ports)) == len(ports)
    for settings in both:
        with connect(settings, "loader") as connection:
            assert connection.execute("select current_database()").fetchone() == (settings.warehouse_db,)


def test_a_killed_first_start_leaves_nothing_that_looks_like_a_database(own_home: Path) -> None:
    settings = Settings(home=own_home)
    partial = postgres.cluster(settings) / "data.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    assert postgres.data_major(settings) is None
    postgres.start(settings)
    assert postgres.is_up(settings)
    assert not partial.exists()


def test_two_first_starts_at_once_make_one_server(own_home: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cityperf import postgres; "
        "from cityperf.config import Settings; "
        "s = Settings(home=Path(sys.argv[1])); postgres.start(s); print(postgres.server_pid(s))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program, str(own_home)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] == str(postgres.server_pid(Settings(home=own_home)))


def test_a_home_that_no_other_user_may_enter_works_too(own_home: Path) -> None:
    """As root the server then runs in a user namespace; as anyone else it runs as that user anyway."""
    own_home.mkdir()
    own_home.chmod(0o700)
    settings = Settings(home=own_home)
    postgres.start(settings)
    with connect(settings, "loader") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    launcher = postgres.find_launcher(settings, postgres.find_pg_bin())
    assert bool(launcher.prefix) == (os.geteuid() == 0)


def test_another_major_version_is_refused_with_the_way_to_move(own_home: Path) -> None:
    settings = Settings(home=own_home)
    data = postgres.data_directory(settings)
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(PostgresError, match=r"written by PostgreSQL 13.*pg_dumpall"):
        postgres.start(settings)
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_a_nearly_full_disk_is_refused_before_the_server_panics(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(total=10**12, used=10**12, free=10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(PostgresError, match="100 MB free"):
        postgres.start(Settings(home=own_home))


def test_binaries_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYPERF_PG_BIN", str(tmp_path))
    with pytest.raises(PostgresError, match=str(tmp_path)):
        postgres.find_pg_bin()


def test_a_server_that_cannot_start_tells_its_last_words(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=own_home)
    postgres.start(settings)
    postgres.stop(settings)
    (postgres.data_directory(settings) / "global" / "pg_control").unlink()
    monkeypatch.setattr(postgres, "START_ATTEMPTS", 2)
    with pytest.raises(PostgresError, match="pg_control"):
        postgres.start(settings)


# -- roles ---------------------------------------------------------------------------------------------------
def refused(settings: Settings, role: Role, statement: str) -> bool:
    with connect(settings, role, autocommit=True) as connection:
        try:
            connection.execute(statement.encode())
        except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction):
            return True
    return False


def test_a_bi_reader_sees_two_schemas_for_a_minute_a_query_and_leaves_connections_to_the_night(
    warehouse: Settings,
) -> None:
    with connect(warehouse, "bi_reader") as connection:
        seen = connection.execute(
            "select nspname from pg_namespace where nspname !~ '^pg_' "
            "and nspname not in ('information_schema', 'public') and has_schema_privilege(oid, 'usage') order by 1"
        ).fetchall()
        assert seen == [("as_of",), ("publish",)]  # as_of holds functions on what publish held
        assert connection.execute(
            "select current_setting('statement_timeout'), current_setting('default_transaction_read_only'), "
            "(select rolconnlimit from pg_roles where rolname = current_user)"
        ).fetchone() == ("1min", "on", postgres.READERS)
    with (
        contextlib.ExitStack() as readers,
        pytest.raises(psycopg.OperationalError, match="too many connections"),
    ):
        for _ in range(postgres.READERS + 1):
            readers.enter_context(connect(warehouse, "bi_reader"))
    connect(warehouse, "publisher").close()


def test_a_bi_reader_reads_publish_and_nothing_else(warehouse: Settings) -> None:
    for statement in (
        "select * from ops.night",
        "select * from quarantine.rows",
        "create table publish.mine (a int)",
        "create table public.mine (a int)",
        "create temporary table mine (a int)",
        "create schema mine",
    ):
        assert refused(warehouse, "bi_reader", statement), statement
        lifted = f"set default_transaction_read_only = off; {statement}"  # the setting is a courtesy, no wall
        assert refused(warehouse, "bi_reader", lifted), statement
    with connect(warehouse, "bi_reader") as connection:
        assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
        assert connection.execute("show statement_timeout").fetchone() == ("1min",)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("loader", "create schema mine"),
        ("loader", "create table ops.mine (a int)"),
        ("loader", "drop table ops.night"),
        ("loader", "create table public.mine (a int)"),
        (
            "transformer",
            "insert into ops.release (number, night, state, code_version) values (1, now(), 'held', '')",
        ),
        ("transformer", "create table raw.mine (a int)"),
        ("transformer", "delete from quarantine.rows"),
        ("publisher", "create table raw.mine (a int)"),
        ("publisher", "delete from ops.migration"),
    ],
)
def test_a_role_may_not_do_another_rooms_work(warehouse: Settings, role: Role, statement: str) -> None:
    assert refused(warehouse, role, statement)


def test_each_role_may_do_its_own_rooms_work(clean_warehouse: Settings) -> None:
    with connect(clean_warehouse, "loader") as connection:
        connection.execute("create table raw.delays (a text); insert into raw.delays values ('1')")
        connection.execute("create temporary table scratch (a int)")
        connection.execute("insert into ops.night (night) values ('2026-01-01')")
    with connect(clean_warehouse, "transformer") as connection:
        connection.execute("create temporary table scratch (a int)")
        connection.execute("create schema staging; create table staging.delays as select * from raw.delays")
    with connect(clean_warehouse, "publisher") as connection:
        assert connection.execute("select count(*) from raw.delays").fetchone() == (1,)
        connection.execute("insert into ops.release values (1, '2026-01-01', 'candidate', null, 'x')")


def test_airflow_owns_its_own_database_and_cannot_enter_the_warehouse(warehouse: Settings) -> None:
    with psycopg.connect(warehouse.dsn("airflow", warehouse.airflow_db), autocommit=True) as connection:
        connection.execute("create table mine (a int); drop table mine")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(warehouse.dsn("airflow"))
    for role in ("loader", "transformer", "publisher", "bi_reader"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(warehouse.dsn(role, warehouse.airflow_db))  # type: ignore[arg-type]


def test_a_role_whose_password_was_changed_gets_ours_again(own_home: Path) -> None:
    settings = Settings(home=own_home)
    postgres.start(settings)
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as connection:
        connection.execute("alter role loader password 'other'")
    postgres.start(settings)
    connect(settings, "loader").close()


# -- migrations ----------------------------------------------------------------------------------------------
@pytest.fixture
def migrations(tmp_path: Path, warehouse: Settings) -> Iterator[Path]:
    folder = tmp_path / "migrations"
    folder.mkdir()
    yield folder
    with psycopg.connect(warehouse.dsn("admin"), autocommit=True) as connection:
        connection.execute(
            "delete from ops.migration where number >= 9000; drop schema if exists tried cascade"
        )


def test_migrations_are_applied_once_each_and_in_order(migrations: Path, warehouse: Settings) -> None:
    (migrations / "9002_second.sql").write_text("create table tried.b as select * from tried.a;")
    (migrations / "9001_first.sql").write_text(
        "create schema tried; create table tried.a (n int); -- 100 % sure"
    )
    assert postgres.migrate(warehouse, migrations) == [9001, 9002]
    assert postgres.migrate(warehouse, migrations) == []


def test_a_failing_migration_leaves_nothing_behind(migrations: Path, warehouse: Settings) -> None:
    (migrations / "9001_first.sql").write_text("create schema tried;")
    (migrations / "9002_broken.sql").write_text("create table tried.a (n int); select * from tried.missing;")
    with pytest.raises(PostgresError, match=r"9002_broken\.sql failed"):
        postgres.migrate(warehouse, migrations)
    with psycopg.connect(warehouse.dsn("admin")) as connection:
        assert connection.execute("select to_regclass('tried.a')").fetchone() == (None,)
    (migrations / "9002_broken.sql").write_text("create table tried.a (n int);")
    assert postgres.migrate(warehouse, migrations) == [9002]


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(
    migrations: Path, warehouse: Settings
) -> None:
    (migrations / "9001_first.sql").write_text("create schema tried;")
    postgres.migrate(warehouse, migrations)
    (migrations / "9001_first.sql").write_text("create schema tried; ")
    (migrations / "9002_second.sql").write_text("create table tried.b (n int);")
    with pytest.raises(PostgresError, match=r"9001_first\.sql was changed"):
        postgres.migrate(warehouse, migrations)


@pytest.mark.parametrize("names", [["9001_a.sql", "9001_b.sql"], ["later.sql"]])
def test_migrations_have_a_number_of_their_own(migrations: Path, names: list[str]) -> None:
    for name in names:
        (migrations / name).write_text("select 1;")
    with pytest.raises(PostgresError, match=names[-1]):
        postgres.read_migrations(migrations)


def test_nothing_is_pending_after_a_start(warehouse: Settings) -> None:
    assert postgres.pending_migrations(warehouse) == []


# -- an external server --------------------------------------------------------------------------------------
@pytest.mark.parametrize("binaries", ["wheel", "debian 15"])
def test_an_external_server_needs_no_superuser(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binaries: str
) -> None:
    """A user with CREATEROLE and CREATEDB is enough, on the newest version and on the oldest supported."""
    if binaries == "debian 15":
        if not (DEBIAN_15 / "postgres").exists():
            pytest.skip(f"no PostgreSQL 15 at {DEBIAN_15}; apt install postgresql-15")
        monkeypatch.setenv("CITYPERF_PG_BIN", str(DEBIAN_15))
    server = Settings(profile="live", home=own_home)
    postgres.launch(server)
    with psycopg.connect(server.dsn("admin", "postgres"), autocommit=True) as connection:
        connection.execute("create role dba login createrole createdb password 'p@ss'")
    url = f"postgresql://dba:p%40ss@127.0.0.1:{server.ports()['postgres']}/postgres"
    for profile in ("sample", "replay"):
        client = Settings(profile=profile, home=tmp_path / "client", database_url=url)  # type: ignore[arg-type]
        for _ in range(2):
            postgres.start(client)
        assert postgres.is_up(client)
        assert postgres.pending_migrations(client) == []
        for role in ROLES:
            database = client.airflow_db if role == "airflow" else None
            psycopg.connect(client.dsn(role, database)).close()
        login = DivisionLogin(f"division_{profile}_tsd")
        postgres.ensure_login(client, login, "TSD")
        session = psycopg.connect(client.dsn(login), autocommit=True)
        assert session.execute("select count(*) from division.held_row").fetchone() == (0,)
        assert postgres.drop_login(client, login)
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
        assert refused(client, "bi_reader", "select * from ops.night")
        assert not refused(client, "transformer", "create schema staging")
        assert not refused(client, "loader", "create table raw.delays as select 1 as n")
        with connect(client, "transformer") as connection:
            assert connection.execute("select n from raw.delays").fetchone() == (1,)
    assert not (tmp_path / "client" / "sample" / "postgres").exists()


def test_an_external_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    client = Settings(
        home=tmp_path, database_url=f"postgresql://dba@127.0.0.1:{postgres.free_port(set())}/postgres"
    )
    assert not postgres.is_up(client)
    with pytest.raises(PostgresError, match="CITYPERF_DATABASE_URL"):
        postgres.start(client)
