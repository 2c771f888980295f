"""A division's database on real servers: what arrives, what is left alone, and how each fault is told."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.errors import SourceRefused, SourceUnavailable
from cityperf.extract import extract
from cityperf.landing import path_of
from cityperf.load import BatchResult, load_file
from cityperf.sources import Contract

from tests.integration.division import ENCODED, PASSWORD, VARIABLE, Division, on_mariadb, on_postgresql
from tests.integration.publisher import NIGHT, contract, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
NEXT = NIGHT + timedelta(days=1)
SERVERS = ("postgresql", "mariadb")


@pytest.fixture(scope="module")
def postgresql(warehouse: Settings) -> Iterator[Division]:
    with on_postgresql(warehouse) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Division]:
    with on_mariadb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(params=SERVERS)
def division(
    request: pytest.FixtureRequest, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Division]:
    server: Division = request.getfixturevalue(request.param)
    server.run("drop table if exists permits")
    monkeypatch.setenv(VARIABLE, server.url)
    yield server
    server.run("drop table if exists permits")


COLUMNS = {"id": "integer", "note": "text", "issued": "date", "updated": "timestamp"}


def reading(columns: dict[str, Any] | None = None, **arguments: Any) -> Contract:
    """A contract for the table `permits`; `partition` and the like may be among the arguments."""
    more = {key: arguments.pop(key) for key in ("partition", "drift") if key in arguments}
    section = {"connector": "database", "connection": "division", "read": {"format": "csv"}}
    if "query" not in arguments:
        section["table"] = "permits"
    extract_section = section | arguments
    return contract("permits", columns or COLUMNS, extract=extract_section, keys=["id"], **more)


def permits(division: Division, rows: list[tuple[Any, ...]]) -> None:
    stamp = "timestamp" if division.kind == "postgresql" else "datetime(6)"
    division.run(
        f"create table permits (id int primary key, note varchar(200), issued date, updated {stamp})",
        "insert into permits values (%s, %s, %s, %s)",
        rows=rows,
    )


def visit(settings: Settings, agreed: Contract, night: date = NIGHT) -> list[BatchResult]:
    return [
        load_file(settings, night, agreed, file["file_id"], gate=open_gate)
        for file in extract(settings, night, agreed)
    ]


def landed(settings: Settings, query: Query) -> list[list[str]]:
    """The latest landed document, split into records."""
    ((sha256,),) = query("select sha256 from ops.landed_file order by file_id desc limit 1")
    return list(csv.reader(io.StringIO(path_of(settings, sha256).read_text("utf-8"), newline="")))


def outcome(query: Query, night: date = NIGHT) -> tuple[str, str]:
    return query("select state, message from ops.fetch where night = %s", (night,))[0]  # type: ignore[return-value]


# -- what arrives --------------------------------------------------------------------------------------------
def test_every_kind_of_value_survives_exactly(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    aware = "timestamptz" if division.kind == "postgresql" else "timestamp(6)"
    words = ['say "no", then\nleave\r\n', "é 🚇 𝒳", "", None, "  blank ends ", "\\.", "NULL"]
    division.run(
        f"create table permits (id bigint primary key, words text, cost decimal(30, 8), aware {aware} null, "
        "local_time timestamp null, issued date)"
        + ("" if division.kind == "postgresql" else " character set utf8mb4"),
        "insert into permits values (%s, %s, 123456789012345678.00000001, '2026-03-08 06:59:59.25', "
        "'2026-03-08 02:30:00', '2024-02-29')",
        rows=[(2**40 + number, each) for number, each in enumerate(words)],
    )
    agreed = reading(
        {"id": "integer", "words": "text", "cost": "numeric", "aware": "timestamp",
         "local_time": "timestamp", "issued": "date"},
    )  # fmt: skip
    (result,) = visit(clean_warehouse, agreed)
    assert (result.loaded, result.quarantined) == (len(words), 0)
    rows = query("select id, words, cost, aware, local_time, issued from raw.permits order by _row")
    zone = "+00:00" if division.kind == "postgresql" else ""
    assert [row[1] for row in rows] == [each or None for each in words]  # raw has no empty text, only null
    assert {row[2:] for row in rows} == {
        (
            "123456789012345678.00000001",
            f"2026-03-08T06:59:59.250000{zone}",
            "2026-03-08T02:30:00",
            "2024-02-29",
        )
    }
    assert Decimal(rows[0][2]) == Decimal("123456789012345678.00000001")
    ((sha256,),) = query("select sha256 from ops.landed_file")
    text = path_of(clean_warehouse, sha256).read_text("utf-8")
    assert f'{2**40 + 2},"",' in text and f"{2**40 + 3},,1" in text  # landing tells empty text from NULL


def test_equal_data_make_equal_bytes_and_are_not_loaded_again(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    permits(division, [(3, "c", None, None), (1, "a", "2026-01-01", None), (2, None, None, None)])
    visit(clean_warehouse, reading())
    division.run("update permits set note = 'c' where id = 3", "delete from permits where id = 1")
    division.run("insert into permits values (1, 'a', '2026-01-01', null)")  # now last in the table's file
    assert extract(clean_warehouse, NEXT, reading()) == []
    assert outcome(query, NEXT)[0] == "unchanged"
    assert [row[0] for row in landed(clean_warehouse, query)] == ["id", "1", "2", "3"]


def test_a_query_gives_what_a_table_does_not(division: Division, clean_warehouse: Settings) -> None:
    permits(division, [(1, "50% off: x", "2026-01-01", None), (2, "b", "2026-02-01", None)])
    asked = "select id, note as said from permits where note like '%:%';"
    agreed = reading({"id": "integer", "said": "text"}, query=asked)
    (result,) = visit(clean_warehouse, agreed)
    assert result.loaded == 1


# -- the watermark -------------------------------------------------------------------------------------------
WATCHED: dict[str, Any] = {"watermark": "updated", "partition": {"column": "issued", "grain": "month"}}


def three_months(division: Division) -> None:
    permits(
        division,
        [
            (1, "a", "2026-01-05", "2026-01-05 10:00:00"),
            (2, "b", "2026-01-06", "2026-01-06 10:00:00"),
            (3, "c", "2026-02-05", "2026-02-05 10:00:00"),
            (4, "d", "2026-03-05", "2026-03-05 10:00:00"),
            (5, "e", "2026-03-06", "2026-03-06 10:00:00"),
        ],
    )


def in_raw(query: Query) -> list[tuple[Any, ...]]:
    return query("select id, note from raw.permits order by id::int")


def test_only_months_that_changed_are_read_and_they_are_read_whole(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    agreed = reading(**WATCHED)
    visit(clean_warehouse, agreed)
    assert extract(clean_warehouse, NEXT, agreed) == []
    division.run(
        "update permits set note = 'B', updated = '2026-03-07 09:00:00' where id = 2",  # in January
        "delete from permits where id = 5",  # in March, which no watermark tells
    )
    (result,) = visit(clean_warehouse, agreed, NEXT)
    assert result.periods == ("2026-01", "2026-03")
    assert [row[0] for row in landed(clean_warehouse, query)] == ["id", "1", "2", "4"]
    assert in_raw(query) == [("1", "a"), ("2", "B"), ("3", "c"), ("4", "d")]


def test_a_row_that_moves_to_another_month_leaves_no_copy_behind(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    agreed = reading(**WATCHED)
    visit(clean_warehouse, agreed)
    division.run("update permits set issued = '2026-02-01', updated = '2026-03-08 00:00:00' where id = 1")
    visit(clean_warehouse, agreed, NEXT)
    assert query("select id, _period from raw.permits where id = '1'") == [("1", "2026-02")]


def test_the_watermark_moves_only_when_its_batch_was_loaded(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    agreed = reading(**WATCHED)
    first = extract(clean_warehouse, NIGHT, agreed)
    assert extract(clean_warehouse, NIGHT, agreed) == first  # landed, but nothing loaded it
    load_file(clean_warehouse, NIGHT, agreed, first[0]["file_id"], gate=open_gate)
    assert extract(clean_warehouse, NIGHT, agreed) == []
    division.run("insert into permits values (6, 'f', '2026-04-01', '2026-04-01 00:00:00')")
    lost = extract(clean_warehouse, NEXT, agreed)  # dies before it is loaded
    division.run("insert into permits values (7, 'g', '2026-05-01', '2026-05-01 00:00:00')")
    (result,) = visit(clean_warehouse, agreed, NEXT)
    assert result.periods == ("2026-04", "2026-05")
    assert query("select count(*) from ops.batch where file_id = %s", (lost[0]["file_id"],)) == [(0,)]
    assert len(in_raw(query)) == 7


def test_a_month_that_is_emptied_stays_and_is_told(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    agreed = reading(**WATCHED)
    visit(clean_warehouse, agreed)
    division.run("delete from permits where issued between '2026-02-01' and '2026-02-28'")
    assert visit(clean_warehouse, agreed, NEXT) == []
    state, message = outcome(query, NEXT)
    assert state == "unchanged" and "no row is left at the source for 2026-02" in message
    assert len(in_raw(query)) == 5


def test_a_contract_that_asks_for_another_column_reads_everything_again(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    visit(clean_warehouse, reading({k: v for k, v in COLUMNS.items() if k != "note"}, **WATCHED))
    (result,) = visit(clean_warehouse, reading(**WATCHED), NEXT)
    assert len(result.periods) == 3
    assert in_raw(query)[0] == ("1", "a")


def test_without_a_partition_the_watermark_decides_on_the_whole_table(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    three_months(division)
    agreed = reading(watermark="updated")
    visit(clean_warehouse, agreed)
    division.run("update permits set note = 'unseen' where id = 4")  # against the rules: watermark stays
    assert extract(clean_warehouse, NEXT, agreed) == []
    division.run("update permits set updated = '2026-03-09 00:00:00' where id = 4")
    (result,) = visit(clean_warehouse, agreed, NEXT)
    assert (result.loaded, result.changed) == (5, 1)


# -- many rows -----------------------------------------------------------------------------------------------
MANY = 250_000

VISIT = """
import json, os, resource, sys
from datetime import date
from pathlib import Path
from cityperf.config import Settings
import pickle, sqlalchemy, psycopg, pymysql, cityperf.extract.connectors.database
from cityperf.db import connect
from cityperf.extract import extract
said = json.loads(sys.argv[1])
settings = Settings(profile="sample", home=Path(said["home"]), database_url=said["database_url"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = extract(settings, date.fromisoformat(said["night"]), pickle.loads(bytes.fromhex(said["contract"])))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"found": found, "grown_kb": peak - before}))
"""


def child(settings: Settings, agreed: Contract) -> subprocess.Popen[str]:
    said = {
        "home": str(settings.home),
        "database_url": settings.database_url,
        "night": str(NIGHT),
        "contract": pickle.dumps(agreed).hex(),
    }
    return subprocess.Popen(
        [sys.executable, "-c", VISIT, json.dumps(said)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "include")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def many(division: Division, rows: int = MANY) -> None:
    fill = (
        f"select n, concat('note ', n, repeat('x', 180)) , date '2026-01-01', null "
        f"from generate_series(1, {rows}) as n"
        if division.kind == "postgresql"
        else f"select seq, concat('note ', seq, repeat('x', 180)), date '2026-01-01', null from seq_1_to_{rows}"
    )
    permits(division, [])
    division.run(f"insert into permits {fill}")


def test_memory_does_not_grow_with_the_rows_and_a_kill_loses_nothing(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    many(division)
    agreed = reading()
    killed = child(clean_warehouse, agreed)
    arriving = clean_warehouse.landing
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 5 << 20 for path in arriving.glob(".incoming-*")):
        assert time.monotonic() < deadline and killed.poll() is None, killed.communicate()
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert query("select count(*) from ops.landed_file") == [(0,)]
    assert outcome(query)[0] == "running"
    whole = child(clean_warehouse, agreed)
    output, errors = whole.communicate(timeout=300)
    said = json.loads(output or f'"{errors}"')
    assert said["grown_kb"] < 150 << 10
    ((size, meta),) = query("select bytes, source_meta from ops.landed_file")
    assert size > MANY * 180 and meta["rows_at_source"] == MANY
    again = extract(clean_warehouse, NIGHT, agreed)
    assert again == said["found"]  # the same bytes as the other process read
    result = load_file(clean_warehouse, NIGHT, agreed, again[0]["file_id"], gate=open_gate)
    assert result.loaded == MANY


def test_rows_are_those_of_one_moment_while_others_write(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    many(division, 60_000)
    over = threading.Event()

    def others() -> None:
        number = MANY
        while not over.is_set():
            number += 1
            division.run(f"insert into permits values ({number}, 'late', null, null)")

    writer = threading.Thread(target=others)
    writer.start()
    try:
        extract(clean_warehouse, NIGHT, reading(chunk=500))
    finally:
        over.set()
        writer.join()
    ((meta,),) = query("select source_meta from ops.landed_file")
    assert len(landed(clean_warehouse, query)) - 1 == meta["rows_at_source"] >= 60_000


# -- what goes wrong -----------------------------------------------------------------------------------------
def refusal(settings: Settings, agreed: Contract, night: date = NIGHT) -> str:
    with pytest.raises(SourceRefused) as caught:
        extract(settings, night, agreed)
    return str(caught.value)


@pytest.mark.fault
def test_a_column_that_is_gone_or_new_is_named(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    permits(division, [(1, "a", None, None)])
    visit(clean_warehouse, reading())
    division.run("alter table permits add column ward int")
    extract(clean_warehouse, NIGHT, reading())
    assert "columns that the contract does not ask for: ward" in outcome(query)[1]
    division.run("alter table permits drop column note")
    message = refusal(clean_warehouse, reading(), NEXT)
    assert "no note; at database://division/permits; compare the contract" in message
    assert query("select count(*) from raw.permits") == [(1,)]
    lost = reading({"id": "integer", "note": "text"}, query="select id, note from permits")
    assert "note" in refusal(clean_warehouse, lost, NEXT)
    division.run("drop table permits")
    assert "a table that is there" in refusal(clean_warehouse, reading(), NEXT)


@pytest.mark.fault
def test_a_wrong_password_is_refused_and_never_told(
    division: Division, clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "n0t/the:one"
    monkeypatch.setenv(VARIABLE, division.url.replace(ENCODED, "n0t%2Fthe%3Aone"))
    message = refusal(clean_warehouse, reading())
    assert VARIABLE in message and "correct the user, password or database" in message
    kept = [query("select message from ops.fetch"), query("select reason, found, url from quarantine.files")]
    for secret in (wrong, "n0t%2Fthe", PASSWORD, ENCODED):
        assert secret not in message + repr(kept)


@pytest.mark.fault
def test_a_table_that_may_not_be_read_is_refused(
    division: Division, clean_warehouse: Settings, query: Query
) -> None:
    permits(division, [(1, "a", None, None)])
    asked = {
        "postgresql": ("revoke select on permits from reader", "select id, note from permits"),
        "mysql": ("select 1", "select host as id, user as note from mysql.user"),
    }[division.kind]
    division.run(asked[0])
    agreed = reading({"id": "text", "note": "text"}, query=asked[1])
    assert "ask the division for the right to read it" in refusal(clean_warehouse, agreed)


@pytest.mark.fault
def test_a_server_that_is_down_is_late_and_not_refused(
    division: Division, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, division.url.replace(division.address, "127.0.0.1:1"))
    with pytest.raises(SourceUnavailable, match=r"at database://division/permits; it is tried again"):
        extract(clean_warehouse, NIGHT, reading())


@pytest.mark.fault
def test_a_statement_that_takes_too_long_is_stopped(division: Division, clean_warehouse: Settings) -> None:
    sleep = "pg_sleep(30)" if division.kind == "postgresql" else "sleep(30)"
    agreed = reading(
        {"id": "integer", "note": "text"},
        query=f"select 1 as id, 'x' as note from (select {sleep} as s) as t where s is not null", timeout=1,
    )  # fmt: skip
    began = time.monotonic()
    with pytest.raises((SourceUnavailable, SourceRefused)):
        extract(clean_warehouse, NIGHT, agreed)
    assert time.monotonic() - began < 15


@pytest.mark.fault
def test_a_query_that_writes_is_refused(
    postgresql: Division, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, postgresql.url)
    postgresql.run(
        "create table touched (n int)",
        "grant all on touched to reader",
        "create function touch() returns int language sql as 'insert into touched values (1) returning n'",
    )
    agreed = reading({"id": "integer", "note": "text"}, query="select touch() as id, 'x' as note")
    assert "it may only read" in refusal(clean_warehouse, agreed)


@pytest.mark.fault
def test_what_has_no_text_of_its_own_is_refused(division: Division, clean_warehouse: Settings) -> None:
    binary = "bytea" if division.kind == "postgresql" else "blob"
    division.run(f"create table permits (id int, note {binary})", "insert into permits values (1, '123')")
    agreed = reading({"id": "integer", "note": "text"})
    message = refusal(clean_warehouse, agreed)
    assert "a text of its own in note, found a bytes" in message


@pytest.mark.fault
def test_a_key_that_comes_twice_and_an_emptied_table_are_refused(
    division: Division, clean_warehouse: Settings
) -> None:
    division.run("create table permits (id int, note text)")
    agreed = reading({"id": "integer", "note": "text"})
    assert "at least one row, found none" in refusal(clean_warehouse, agreed)
    division.run("insert into permits values (1, 'a'), (2, 'b'), (2, 'c')")
    assert "each id once, found the same in rows 2 and 3" in refusal(clean_warehouse, agreed)
