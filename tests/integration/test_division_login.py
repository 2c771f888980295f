"""Logins of divisions: each sees what is published and its own deliveries, at every moment, whatever it tries."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from cityperf import backup, divisions, postgres
from cityperf.cli import main
from cityperf.config import DivisionLogin, Role, Settings
from cityperf.db import connect
from cityperf.night import open_night
from cityperf.publish.rollback import rollback
from cityperf.sources import Contract, load_contract
from psycopg import errors, sql

from tests.conftest import empty_warehouse
from tests.integration.candidate import write_manifest
from tests.integration.publisher import NIGHT, contract, deliver
from tests.integration.test_swap import CONSISTENT
from tests.integration.trust import approvers_are, night, put_up

TSD: Final = DivisionLogin("division_sample_tsd")  # Technology Services
TPH: Final = DivisionLogin("division_sample_tph")  # Toronto Public Health
BOTH: Final = (TSD, TPH)
SECRET: Final = "zebra"  # stands in every row that is not Technology Services' own
VIEWS: Final = ("data_set", "delivery", "visit", "refused_file", "held_row", "check_result")

Rows = list[tuple[Any, ...]]


def owned(dataset: str, division: str, **more: Any) -> Contract:
    columns = {
        "id": "text",
        "minutes": "integer",
        "line": {"header": ["station"], "type": "text", "allowed": ["A"]},
    }
    return contract(dataset, columns, owner={"division": division, "steward": "Data"}, **more)


PERSONS: Final = {
    "privacy": {"class": "person_level", "keep": "30 days"},
    "drift": {"new_column": "quarantine_file"},
}
CONTRACTS: Final = {
    each.dataset: each
    for each in (
        owned("tsd_delays", "Information & Technology"),  # a former name of Technology Services
        owned("tph_delays", "Toronto Public Health"),
        owned("tph_visits", "Toronto Public Health", **PERSONS),
        load_contract("risk_register"),  # Office of the Controller's; four divisions hand it in
    )
}


def fill(settings: Settings) -> None:
    """A held row each, by the loader itself; then by hand what other steps write: visits, refusals, checks, hand-ins."""
    bad = "id,station,minutes\n" + "".join(f"{n},A,{n}\n" for n in range(10, 20)) + "2,{},2\n"
    deliver(settings, CONTRACTS["tsd_delays"], bad.format("own").encode(), name="tsd.csv")
    deliver(settings, CONTRACTS["tph_delays"], bad.format(SECRET).encode(), name="tph.csv")
    files = {
        "tph_visits": "visits.csv",
        "risk_register": "risk_register_technology-services_2026-09-30.xlsx",
    }
    hands_in = [
        ("risk_register", f"Risk_Register_{key}_2026-09-30.xlsx") for key in ("toronto-water", "unknown")
    ]
    with connect(settings, "loader") as db:
        for dataset, name in [*files.items(), *hands_in]:
            marker = "own" if "technology" in name else SECRET
            (file_id,) = db.execute(
                "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) "
                "values (%s, %s, repeat('a', 64), 1, '', %s, now()) returning file_id",
                (dataset, name, NIGHT),
            ).fetchone() or (0,)
            (batch_id,) = db.execute(
                "insert into ops.batch (dataset, file_id, night, state, message) values (%s, %s, %s, 'loaded', %s) "
                "returning batch_id",
                (dataset, file_id, NIGHT, marker),
            ).fetchone() or (0,)
            db.execute(
                "insert into quarantine.rows (dataset, file_id, batch_id, night, expected, found, reason, record) "
                "values (%s, %s, %s, %s, 'a date', %s, 'no date', %s)",
                (dataset, file_id, batch_id, NIGHT, f"Jane Doe {marker}", f"Jane Doe {marker}"),
            )
            check(db, dataset, batch_id, marker)
            refuse(db, dataset, name, marker)
        for dataset, marker in (("tsd_delays", "own"), ("tph_delays", SECRET), ("risk_register", SECRET)):
            check(db, dataset, None, marker)
            refuse(db, dataset, None, marker)
            db.execute(
                "insert into ops.fetch (night, dataset, state, message) values (%s, %s, 'refused', %s)",
                (NIGHT, dataset, marker),
            )
        check(db, "kpi_value", None, SECRET)  # of a published table: nobody's


def check(db: Any, subject: str, batch_id: int | None, marker: str) -> None:
    border = "publish" if subject == "kpi_value" else "landing" if batch_id else "freshness"
    db.execute(
        "insert into ops.check_result (night, border, suite, check_name, subject, batch_id, severity, status, expected, "
        "found, message, owner, runbook) values (%s, %s, 's', 'c', %s, %s, 'warn', 'warn', 'x', %s, %s, '', '')",
        (NIGHT, border, subject, batch_id, f"Jane Doe {marker}", f"Jane Doe {marker}"),
    )


def refuse(db: Any, dataset: str, name: str | None, marker: str) -> None:
    db.execute(
        "insert into quarantine.files (dataset, name, url, night, expected, found, reason, remedy) "
        "values (%s, %s, '', %s, 'a table', %s, 'r', 'm')",
        (dataset, name or f"{dataset}_broken.csv", NIGHT, marker),
    )


@pytest.fixture(scope="module")
def two(warehouse: Settings) -> Iterator[Settings]:
    """A release, deliveries of three divisions, and the logins of two of them. Up to the swaps, tests only read."""
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    put_up(warehouse, marker=1)
    assert divisions.keep(warehouse, CONTRACTS) == []
    for name in ("Technology Services", "Toronto Public Health"):
        divisions.give_login(warehouse, name)
    fill(warehouse)
    yield warehouse
    for login in BOTH:
        postgres.drop_login(warehouse, login)
    empty_warehouse(warehouse)


def ask(settings: Settings, login: DivisionLogin, statement: str) -> Rows:
    with psycopg.connect(settings.dsn(login)) as connection:
        return connection.execute(statement.encode()).fetchall()


# -- who sees what -------------------------------------------------------------------------------------------
def test_each_division_sees_exactly_its_own_rows(two: Settings) -> None:
    def seen(login: DivisionLogin) -> dict[str, set[tuple[str, str | None]]]:
        found = {
            view: set(ask(two, login, f"select dataset, file_name from division.{view}"))
            for view in ("delivery", "refused_file", "held_row", "check_result")
        }
        found["visit"] = set(ask(two, login, "select dataset, state from division.visit"))
        return found

    register = ("risk_register", "risk_register_technology-services_2026-09-30.xlsx")
    tsd, tph, visits = ("tsd_delays", "tsd.csv"), ("tph_delays", "tph.csv"), ("tph_visits", "visits.csv")
    assert seen(TSD) == {
        "delivery": {tsd, register},
        "refused_file": {("tsd_delays", "tsd_delays_broken.csv"), register},
        "held_row": {tsd, register},
        "check_result": {("tsd_delays", None), register},
        "visit": {("tsd_delays", "refused")},
    }
    assert seen(TPH) == {
        "delivery": {tph, visits},
        "refused_file": {("tph_delays", "tph_delays_broken.csv"), visits},
        "held_row": {tph, visits},
        "check_result": {("tph_delays", None), visits},
        "visit": {("tph_delays", "refused")},
    }


def test_values_of_persons_are_withheld_from_their_own_division(two: Settings) -> None:
    assert ask(two, TPH, "select dataset, found, record from division.held_row order by 1") == [
        ("tph_delays", SECRET, f'{{"id": "2", "line": "{SECRET}", "minutes": "2"}}'),
        ("tph_visits", "(withheld)", "(withheld)"),
    ]
    assert ask(two, TPH, "select found, message from division.check_result where dataset = 'tph_visits'") == [
        ("(withheld)", "(withheld)")
    ]
    assert ask(two, TSD, "select count(*) from division.held_row where record like 'Jane Doe%'") == [(1,)]


def test_the_public_reader_and_a_division_without_data_see_no_division(two: Settings) -> None:
    for view in VIEWS:
        with connect(two, "bi_reader") as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute(sql.SQL("select * from division.{}").format(sql.Identifier(view)))
    with connect(two, "admin", autocommit=True) as connection:  # the owner of the rows is no division
        assert connection.execute("select count(*) from division.held_row").fetchone() == (0,)


def test_the_warehouse_sees_all_rows_as_before(two: Settings) -> None:
    for table in (
        "ops.landed_file",
        "ops.batch",
        "ops.fetch",
        "ops.check_result",
        "quarantine.rows",
        "quarantine.files",
    ):
        counted = set()
        roles: tuple[Role, ...] = ("admin", "loader", "transformer", "publisher")
        for role in roles:
            with connect(two, role) as connection:
                counted.add(connection.execute(f"select count(*) from {table}".encode()).fetchone())
        assert len(counted) == 1 and counted != {(0,)}, table


def test_a_division_reads_of_what_is_published_what_the_public_reader_reads(two: Settings) -> None:
    rights = """
        select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^(pg_|information_schema|division$)'
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
        union all select p.oid::regprocedure::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
        where n.nspname !~ '^(pg_|information_schema)' and has_schema_privilege(n.oid, 'usage')
        and has_function_privilege(p.oid, 'execute')
        order by 1"""
    with connect(two, "bi_reader") as connection:
        public = connection.execute(rights.encode()).fetchall()
    assert ask(two, TSD, rights) == public != []
    on = night().isoformat()
    assert ask(two, TSD, f"select count(*) > 0 from as_of.kpi_value('{on}')") == [(True,)]
    assert ask(two, TSD, "select count(*) > 0 from scorecard") == [(True,)]


def test_every_table_behind_the_window_has_its_policies(two: Settings) -> None:
    """A table that a later migration opens to division_window without policies would show all of it."""
    with connect(two, "admin") as connection:
        bare = connection.execute(
            "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
            "where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema)' and not c.relrowsecurity "
            "and has_table_privilege('division_window', c.oid, 'select') order by 1"
        ).fetchall()
        views = connection.execute(
            "select relname, reloptions, pg_get_userbyid(relowner) from pg_class "
            "where relnamespace = 'division'::regnamespace and relkind = 'v'"
        ).fetchall()
        bypassing = connection.execute(
            "select rolname from pg_roles where rolname like 'division\\_%' and (rolsuper or rolbypassrls)"
        ).fetchall()
    assert bare == [("ops.division_data",), ("ops.division_login",)]  # which only the views read
    assert {name for name, _, _ in views} == {*VIEWS}
    assert {(tuple(options), owner) for _, options, owner in views} == {
        (("security_barrier=true",), "division_window")
    }
    assert bypassing == []


# -- attacks -------------------------------------------------------------------------------------------------
REFUSED: Final = (
    "select * from quarantine.rows",
    "select * from ops.check_result",
    "select * from ops.division_login",
    "select * from raw.tph_delays",
    "select * from publish_next.kpi",
    "set role division_window",
    "set role bi_reader",
    "set role division_sample_tph",
    "set role loader",
    "set session authorization division_sample_tph",
    "set row_security = off; select * from division.held_row",
    "insert into division.data_set values ('tph_delays', '', false)",
    "update division.refused_file set state = 'released'",
    "delete from division.visit",
    "create view division.mine as select 1",
    "create temp table mine as select 1",
    "create function public.leak(text) returns boolean language sql as 'select true'",
    "alter view division.held_row set (security_barrier = false)",
    "alter table quarantine.rows disable row level security",
    "create policy mine on quarantine.rows using (true)",
    "grant division_sample_tph to division_sample_tsd",
    "alter role division_sample_tsd bypassrls",
    "copy (select * from division.held_row) to program 'cat'",
    "copy division.held_row to '/tmp/held'",
    "select pg_read_file('postgresql.conf')",
    "select lo_from_bytea(0, 'x')",
    "select lo_creat(-1)",
    "select lo_import('/etc/hostname')",
    "select ops.open_candidate_to_readers()",
    "select * from pg_authid",
    "select * from pg_statistic",
    "do $$ begin execute 'select * from quarantine.rows'; end $$",
    "truncate publish.kpi",
    "begin; lock table publish.kpi in access exclusive mode",
)
SEES_NOTHING: Final = (
    # a function in WHERE that tells in its error what it was given, before the policy could hide the row
    "select * from division.held_row where record::int = 1",
    "select * from division.held_row where 1 / (length(found) - 5) > 0",
    "select count(*) from division.check_result where cast(message as date) is null",
    "select * from division.data_set where dataset::int = 0",
    "select * from division.refused_file where found::xml is null",
    "explain (analyze, verbose) select * from division.held_row",
    "select * from pg_stats where schemaname in ('ops', 'quarantine', 'raw')",
    "select usename, query from pg_stat_activity where usename <> current_user and query like '%zebra%'",
    "select * from pg_policies",
    "select obj_description(oid) from pg_class",
    "select last_value from quarantine.rows_quarantine_id_seq",
    "select query_to_xml('select * from quarantine.rows', true, true, '')",
    "select database_to_xml(true, true, '')",
    "select schema_to_xml('division', true, true, '')",
    "select * from pg_largeobject",
    "set role division_reader; select * from division.held_row",
    "select set_config('role', 'division_reader', false); select * from division.held_row",
    "select set_config('session_authorization', 'division_sample_tph', false)",
    "select d.*, q.* from division.data_set as d full join division.held_row as q on true",
)


def tell(settings: Settings, statement: str) -> tuple[str | None, str]:
    """Its SQLSTATE if it was refused, and all that was said: rows, notices, every part of the error."""
    said: list[str] = []
    state = None
    with psycopg.connect(settings.dsn(TSD), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: said.append(str(notice.message_primary)))
        connection.execute("set default_transaction_read_only = off")  # the setting is a courtesy, no wall
        try:
            cursor = connection.execute(statement.encode())
            while True:
                if cursor.description:
                    said.append(repr(cursor.fetchall()))
                if not cursor.nextset():
                    break
        except psycopg.Error as problem:
            state = problem.sqlstate
            parts = (problem.diag.message_primary, problem.diag.message_detail, problem.diag.context)
            said += [str(problem), *(part for part in parts if part)]
    return state, " ".join(said)


@pytest.mark.fault
def test_no_way_leads_to_the_rows_of_another_division(two: Settings) -> None:
    for statement in REFUSED:
        state, said = tell(two, statement)
        assert state in ("42501", "55000", "42809", "2F003"), f"{statement}: {state} {said}"
        assert SECRET not in said, statement
    for statement in SEES_NOTHING:
        _, said = tell(two, statement)
        assert SECRET not in said and "Jane Doe 1" not in said, f"{statement}: {said}"
    state, said = tell(two, "select * from division.held_row where record::int = 1")
    assert (
        state == "22P02" and "own" in said
    )  # the leak is real: without the barrier it would tell of all rows


def test_sessions_begin_with_limits(two: Settings) -> None:
    assert ask(
        two,
        TSD,
        "select current_setting('statement_timeout'), current_setting('default_transaction_read_only'), "
        "current_setting('idle_in_transaction_session_timeout'), rolconnlimit from pg_roles where rolname = current_user",
    ) == [("1min", "on", "5min", postgres.DIVISION_READERS)]
    opened = []
    try:
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            for _ in range(postgres.DIVISION_READERS + 1):
                opened.append(psycopg.connect(two.dsn(TSD)))
        psycopg.connect(two.dsn(TPH)).close()  # others are not kept out
    finally:
        for connection in opened:
            connection.close()
    with psycopg.connect(two.dsn(TSD)) as connection, pytest.raises(errors.QueryCanceled):
        connection.execute("set statement_timeout = '50ms'")
        connection.execute("select pg_sleep(5)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(two.dsn(TSD, two.airflow_db))


# -- through swaps -------------------------------------------------------------------------------------------
def test_through_five_swaps_and_a_rollback_each_division_sees_its_own_at_every_moment(
    two: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    approvers_are(monkeypatch, tmp_path)
    stop = threading.Event()
    problems: list[str] = []
    seen: dict[str, set[int]] = {login: set() for login in BOTH}
    reads: dict[str, int] = dict.fromkeys(BOTH, 0)
    own = {
        login: ask(two, login, "select string_agg(id, ' ' order by id) from division.held_row")[0][0]
        for login in BOTH
    }
    assert own[TSD] != own[TPH] and all(own.values())

    def read(login: DivisionLogin) -> None:
        # What is published and what is the division's in one statement: a swap between them would show.
        query = (
            f"select p.*, (select string_agg(id, ' ' order by id) from division.held_row) from ({CONSISTENT}) "
            "as p (number, failed, names)"
        )
        try:
            with psycopg.connect(two.dsn(login), autocommit=True) as connection:
                while not stop.is_set():
                    number, failed, names, held = connection.execute(query.encode()).fetchall()[0]
                    reads[login] += 1
                    seen[login].add(number)
                    if held != own[login] or names != 1 or (number != failed and number < 7):
                        problems.append(f"{login}: {number} {failed} {names} {held}")
                    time.sleep(0.005)
        except Exception as error:  # what the test is about
            problems.append(repr(error))

    readers = [threading.Thread(target=read, args=(login,)) for login in BOTH]
    for reader in readers:
        reader.start()
    try:
        for marker in range(2, 7):
            assert put_up(two, marker - 1, marker=marker).number == marker
        assert rollback(two, 5, "cara", "a wrong unit", night(6)).number == 7
        deadline = time.monotonic() + 30
        while not all(7 in numbers for numbers in seen.values()) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        stop.set()
        for reader in readers:
            reader.join(timeout=60)
    assert problems == []
    assert all(7 in numbers and len(numbers) > 3 for numbers in seen.values()), seen
    assert all(count > 50 for count in reads.values()), reads
    for login in BOTH:
        with (
            psycopg.connect(two.dsn(login)) as connection,
            pytest.raises(errors.InsufficientPrivilege),
        ):
            connection.execute("select * from publish_old_6.kpi")  # what is taken down is nobody's to read


# -- given and taken away ------------------------------------------------------------------------------------
@pytest.fixture
def own_home() -> Iterator[Path]:
    """A home for a server of its own; short, and where a server that dropped root may pass."""
    home = Path(tempfile.mkdtemp(prefix="cityperf-own-"))
    home.chmod(0o755)
    yield home
    postgres.stop(Settings(home=home))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def told(
    clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Any]:
    """`told("dsn", …)` → exit status, what was printed, what went wrong."""
    monkeypatch.setattr("cityperf.cli.stack.settings", lambda: clean_warehouse)
    monkeypatch.setattr("cityperf.sources.load_contracts", lambda: dict(CONTRACTS))

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["dsn", *arguments])
        said = capsys.readouterr()
        return status, said.out.strip(), said.err

    yield run
    for login in BOTH:
        postgres.drop_login(clean_warehouse, login)


def test_asked_twice_the_address_is_the_same_and_revoked_it_opens_nothing(
    told: Any, clean_warehouse: Settings
) -> None:
    status, url, _ = told("--division", "Technology Services")
    assert status == 0 and url.startswith(f"postgresql://{TSD}:")
    assert told("--division", "information and technology")[1] == url  # a former name, as a file name has it
    said = json.loads(told("--division", "TSD", "--json")[1])
    assert said == {
        "division": "Technology Services",
        "role": TSD,
        "dsn": url,
        "data_sets": ["risk_register", "tsd_delays"],
    }
    listed = {each["code"]: each["has_login"] for each in json.loads(told("--divisions", "--json")[1])}
    assert listed == {"CST": False, "TPH": False, "TRN": False, "TSD": True, "TW": False}

    with psycopg.connect(url, autocommit=True) as session:
        session.execute("set default_transaction_read_only = off")
        session.execute("alter role current_user password 'mine'")
        with pytest.raises(psycopg.OperationalError, match="password authentication"):
            psycopg.connect(url)
        postgres.ensure(clean_warehouse)  # as each start does
        psycopg.connect(url).close()
        assert told("--division", "Technology Services", "--revoke")[0] == 0
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(url)
    assert TSD not in clean_warehouse.secrets()
    assert "was not there" in told("--division", "Technology Services", "--revoke")[1]
    again = told("--division", "Technology Services")[1]
    assert again != url
    psycopg.connect(again).close()


def test_an_unknown_division_is_told_which_there_are(told: Any) -> None:
    status, _, wrong = told("--division", 'Ministry"; drop role loader; --')
    assert status == 1
    assert "Corporate Strategy; Technology Services; Toronto Public Health; Toronto Water" in wrong
    assert told("--revoke")[0] == 2
    assert told("--division", "Toronto Water", "--role", "admin")[0] == 2


def test_each_night_brings_what_is_whose_to_the_contracts(
    told: Any, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityperf.portal.deliver_drops", lambda *_: [])
    open_night(clean_warehouse, NIGHT)
    with connect(clean_warehouse, "loader") as db:
        found = db.execute(
            "select dataset, division, file_key, is_withheld from ops.division_data order by 1, 3"
        ).fetchall()
    assert found == [
        ("risk_register", "CST", "corporate-strategy", False),
        ("risk_register", "TSD", "technology-services", False),
        ("risk_register", "TW", "toronto-water", False),
        ("risk_register", "TRN", "transportation-services", False),
        ("tph_delays", "TPH", "", False),
        ("tph_visits", "TPH", "", True),
        ("tsd_delays", "TSD", "", False),
    ]


def test_a_division_that_no_contract_names_any_more_loses_its_login(
    told: Any, clean_warehouse: Settings
) -> None:
    _, url, _ = told("--division", "Toronto Public Health")
    usage = sql.SQL("{} usage on schema public {} {}")
    grant = usage.format(sql.SQL("grant"), sql.SQL("to"), sql.Identifier(TPH))
    fewer = {name: each for name, each in CONTRACTS.items() if not name.startswith("tph_")}
    airflow = clean_warehouse.dsn("admin", clean_warehouse.airflow_db)
    with psycopg.connect(airflow, autocommit=True) as elsewhere, psycopg.connect(url) as session:
        assert session.execute("select count(*) from division.data_set").fetchone() == (2,)
        elsewhere.execute(grant)  # somebody meant well, in a database that the drop cannot reach
        assert divisions.keep(clean_warehouse, fewer) == []
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(url)
        elsewhere.execute(usage.format(sql.SQL("revoke"), sql.SQL("from"), sql.Identifier(TPH)))
    with connect(clean_warehouse, "admin", autocommit=True) as connection:
        connection.execute(grant)  # here, the drop takes it back
        assert divisions.keep(clean_warehouse, fewer) == [TPH]
        assert divisions.keep(clean_warehouse, fewer) == []
        assert connection.execute("select count(*) from pg_roles where rolname = %s", (TPH,)).fetchone() == (
            0,
        )


def test_a_role_of_that_name_that_is_no_login_of_ours_is_left_alone(
    told: Any, clean_warehouse: Settings
) -> None:
    with connect(clean_warehouse, "admin", autocommit=True) as connection:
        connection.execute(sql.SQL("create role {} nologin").format(sql.Identifier(TPH)))
        try:
            status, _, wrong = told("--division", "Toronto Public Health")
            assert status == 1 and "found one that is none" in wrong
            assert not postgres.drop_login(clean_warehouse, TPH)
        finally:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(TPH)))


@pytest.mark.fault
def test_a_restore_brings_logins_rights_and_policies_along(
    told: Any, clean_warehouse: Settings, tmp_path: Path, own_home: Path
) -> None:
    told("--division", "Technology Services")
    told("--division", "Toronto Public Health")
    fill(clean_warehouse)
    before = {
        login: ask(clean_warehouse, login, "select * from division.held_row order by id") for login in BOTH
    }
    made = backup.make(clean_warehouse, tmp_path / "backups", NIGHT)
    elsewhere = Settings(profile="sample", home=own_home)
    (own_home / "secrets.json").write_text((clean_warehouse.home / "secrets.json").read_text())
    backup.restore(elsewhere, made.folder)
    assert {
        login: ask(elsewhere, login, "select * from division.held_row order by id") for login in BOTH
    } == before
    with connect(elsewhere, "bi_reader") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("select * from division.held_row")
