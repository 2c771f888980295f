"""Data about persons: what is personal is found nowhere, and bytes go when their time is over.

The contracts are the test's own: a workbook of which one sheet is person-level and the other is not.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from cityperf import landing, sealing, sources
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.errors import FileQuarantined, SourceRefused, SourceUnavailable
from cityperf.extract import extract
from cityperf.extract.look import look
from cityperf.handin import workbook_named
from cityperf.handin.template import template
from cityperf.load import load_file, rebuild
from cityperf.load.backfill import plan, reload
from cityperf.load.snapshot import as_of
from cityperf.night import open_night
from cityperf.retention import RESTORED, backup_path, expire
from cityperf.sources import Contract, load_contracts
from openpyxl import Workbook, load_workbook
from psycopg import sql

from tests.integration.division import Live
from tests.integration.publisher import NIGHT, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
PERSON = ("Zebedee", "zebedee@example.org", "416-555-0199")  # each test has another one: see `person`
HEADER = "Respondent;Full name;E-mail;Age group;Score"
LATER = NIGHT + timedelta(days=401)


def answers(**more: Any) -> dict[str, Any]:
    return {
        "dataset": "test_answers",
        "title": "Answers",
        "description": "One row per answer to the test's survey.",
        "owner": {"division": "Customer Experience Division", "steward": "Surveys"},
        "licence": None,
        "privacy": {"class": "person_level", "keep": "400 days"},
        "tier": 2,
        "extract": {
            "connector": "drop_folder",
            "folder": "test_survey",
            "match": r"^survey.*(?P<year>20\d\d)",
            "read": {"format": "auto", "delimiter": ";", "sheets": "^Answers$"},
        },
        "schedule": {"refresh": "annually", "warn_after": "400 days", "fail_after": "500 days"},
        "columns": [
            {"name": "respondent", "header": ["Respondent"], "type": "text", "required": True},
            {"name": "full_name", "header": ["Full name"], "type": "text", "personal": True},
            {"name": "email", "header": ["E-mail"], "type": "text", "personal": True},
            {
                "name": "age_group",
                "header": ["Age group"],
                "type": "text",
                "allowed": ["18-34", "35-64", "65+"],
            },
            {"name": "score", "header": ["Score"], "type": "integer"},
        ],
        "keys": ["respondent"],
        "drift": {"new_column": "ignore", "unknown_sheet": "accept", "fewer_rows": "warn"},
        **more,
    }


def waves() -> dict[str, Any]:
    """The other sheet of the workbook, which says nothing of persons."""
    return {
        **answers(),
        "dataset": "test_waves",
        "title": "Waves",
        "privacy": {"class": "public"},
        "extract": {**answers()["extract"], "read": {"format": "xlsx", "sheets": ["Waves"]}},
        "columns": [{"name": "wave", "header": ["Wave"], "type": "text"}],
        "keys": ["wave"],
    }


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person of the test's own: the server's log of changes also has what other tests wrote."""
    word = secrets.token_hex(8)
    monkeypatch.setattr(
        sys.modules[__name__], "PERSON", (f"Zebedee {word}", f"{word}@example.org", f"416-{word}")
    )


@pytest.fixture
def agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Contract]]:
    """Writes contracts as the only ones there are."""

    def write(*contents: dict[str, Any]) -> list[Contract]:
        folder = tmp_path / "contracts"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for content in contents:
            (folder / f"{content['dataset']}.yml").write_text(yaml.safe_dump(content))
        monkeypatch.setattr(sources, "CONTRACTS", folder)
        return [load_contracts()[content["dataset"]] for content in contents]

    return write


@pytest.fixture
def live(clean_warehouse: Settings) -> Iterator[Settings]:
    settings = Live(home=clean_warehouse.home, database_url=clean_warehouse.database_url)
    (settings.drop / "test_survey").mkdir(parents=True)
    yield settings
    shutil.rmtree(settings.base, ignore_errors=True)


@pytest.fixture
def loaded(live: Settings, agree: Callable[..., list[Contract]]) -> Contract:
    """A person-level data set with one file of 30 rows loaded."""
    (agreed,) = agree(answers())
    put(live, table())
    visit(live, agreed)
    return agreed


def table(rows: int = 30, *more: str, header: str = HEADER) -> bytes:
    """A CSV of `rows` good rows that are all the same person's, and then the lines given."""
    name, mail, phone = PERSON
    lines = [f"R{n};{name} {phone};{mail};18-34;{n % 5}" for n in range(rows)]
    return "\n".join([header, *lines, *more, ""]).encode()


def workbook(rows: int = 30) -> bytes:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Answers"
    for line in table(rows).decode().splitlines():
        sheet.append(line.split(";"))
    other = book.create_sheet("Waves")
    for wave in ("Wave", "Spring", "Autumn"):
        other.append([wave])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def put(settings: Settings, content: bytes, name: str = "survey-2026.csv", age: float = 3600.0) -> Path:
    path = settings.drop / "test_survey" / name
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def visit(settings: Settings, agreed: Contract, night: date = NIGHT, gate: Any = open_gate) -> int:
    """Visits and loads; returns how many files were handed on."""
    files = extract(settings, night, agreed)
    for file in files:
        load_file(settings, night, agreed, file["file_id"], gate=gate)
    return len(files)


def where_found(settings: Settings, *words: str, in_database_files: bool = True) -> list[str]:
    """Every file below the home (logs, and the database's own files too) and every column that has one of these."""
    with connect(settings, "admin", autocommit=True) as db:
        db.execute("checkpoint")
        columns = db.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema not in ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = [
            f"{schema}.{name}.{column}"
            for schema, name, column in columns
            for word in words
            if db.execute(
                sql.SQL("select 1 from {} as t where strpos(t.{}::text, %s) > 0 limit 1").format(
                    sql.Identifier(schema, name), sql.Identifier(column)
                ),
                (word,),
            ).fetchone()
        ]
    sought = re.compile(b"|".join(re.escape(word.encode()) for word in words))
    data = settings.home / "sample" / "postgres" / "data"
    for path in settings.home.rglob("*"):
        if path.is_relative_to(data) and not in_database_files:
            continue
        try:
            if path.is_file() and sought.search(path.read_bytes()):
                found.append(str(path.relative_to(settings.home)))
        except FileNotFoundError:
            continue  # the server's own, recycled meanwhile
    return found


def table_hash(query: Query, name: str) -> object:
    return query(f"select count(*), md5(string_agg(t::text, '|' order by t::text)) from raw.{name} as t")


# -- found nowhere -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_personal_value_is_found_nowhere_after_a_load(
    kind: str, live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    (agreed,) = agree(answers())
    put(live, table() if kind == "csv" else workbook(), f"survey-2026.{kind}")
    assert visit(live, agreed) == 1
    assert query("select count(*), count(distinct respondent) from raw.test_answers") == [(30, 30)]
    assert where_found(live, *PERSON) == []
    assert where_found(live, "R17") != []  # the search does find what raw has
    assert query("select sealed_with from ops.landed_file") == [(sealing.keys_of(live).newest,)]


def test_the_search_would_have_found_it(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    open_to_all = answers(privacy={"class": "public"})
    open_to_all["columns"] = [{**each, "personal": False} for each in open_to_all["columns"]]
    (agreed,) = agree(open_to_all)
    put(live, table())
    visit(live, agreed)
    found = where_found(live, PERSON[0])
    assert "raw.test_answers.full_name" in found
    assert any("/landing/" in each for each in found)
    assert any("/drop/" in each for each in found)


# What came, and what is said of a file that is held whole (None: only a row is held).
SPOILED: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "a value of another type": (lambda: table(30, f"R90;{PERSON[0]};{PERSON[1]};18-34;{PERSON[2]}"), None),
    "a value that is not allowed": (lambda: table(30, f"R90;x;{PERSON[1]};{PERSON[0]};3"), None),
    "a key twice": (lambda: table(30, f"R1;{PERSON[0]};{PERSON[1]};18-34;1"), None),
    "a ragged row": (lambda: table(30, f"R90;{PERSON[0]};{PERSON[1]}", "R91;a;b;18-34;1"), None),
    "a NUL": (lambda: table(30, f"R90\x00;{PERSON[0]};{PERSON[1]};18-34;1"), None),
    "too many bad rows": (
        lambda: table(9, *(f"R{n};a;b;18-34;{PERSON[2]}" for n in range(50, 90))),
        "40 of 49; the first: score is not",
    ),
    "no header": (
        lambda: "\n".join(table().decode().splitlines()[1:]).encode(),
        "the columns 'Respondent', 'Full name', 'E-mail', 'Age group'.*a header without them",
    ),
    "a personal column missing": (
        lambda: table(header=HEADER.replace("E-mail", PERSON[1])),
        "expected the column 'E-mail', found a header without it; at survey-2026.csv",
    ),
    "a quote never closed": (lambda: table(30, f'R90;"{PERSON[0]};{PERSON[1]};18-34;1'), None),
    "JSON": (lambda: json.dumps([{"name": PERSON[0], "mail": PERSON[1]}]).encode(), "found a header without them"),
    "HTML": (lambda: f"<html><body>{PERSON[0]} {PERSON[1]}</body></html>".encode(), "withheld"),
}  # fmt: skip


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_personal_value_is_found_nowhere_after_a_bad_row_or_file(
    spoiled: str,
    live: Settings,
    agree: Callable[..., list[Contract]],
    query: Query,
    caplog: pytest.LogCaptureFixture,
) -> None:
    content, said = SPOILED[spoiled]
    (agreed,) = agree(answers())
    name = "survey-2026.csv"
    path = put(live, content(), name)
    told = ""
    if said is None:
        assert visit(live, agreed) == 1
        held = query("select line, found, record, column_name from quarantine.rows")
        assert len(held) == 1
        assert held[0][0] is not None
        assert held[0][1:3] == (None, "(withheld: person-level data)")
    else:
        with pytest.raises(SourceRefused, match=said) as refused:
            visit(live, agreed)
        told = str(refused.value)
        assert query("select count(*) from quarantine.files") == [(1,)]
    path.unlink(missing_ok=True)  # what landing refuses stays with the division
    assert not any(word in told + caplog.text for word in PERSON)
    assert where_found(live, *PERSON, in_database_files=False) == []


def test_a_failing_database_tells_nothing_of_the_rows(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    (agreed,) = agree(answers())
    put(live, table())
    with connect(live, "loader", autocommit=True) as db:
        db.execute(
            "create table raw.test_answers (respondent text check (respondent <> 'R17'), age_group text, score text, "
            "_file_id bigint not null, _row bigint not null, _sheet text, _night date not null)"
        )
    with pytest.raises(psycopg.errors.CheckViolation, match="SQLSTATE 23514") as failed:
        visit(live, agreed)
    assert "R17" not in str(failed.value)
    assert query("select state, message like '%%withheld%%' from ops.batch") == [("failed", True)]
    assert where_found(live, *PERSON) == []


def test_checks_at_the_border_count_but_show_no_value(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    lenient = answers(drift={**answers()["drift"], "type_error": "accept"})
    (agreed,) = agree(lenient)
    put(live, table(30, f"R90;a;b;{PERSON[0]};3"))
    with pytest.raises(FileQuarantined):
        visit(live, agreed, gate=None)
    found = query("select found from ops.check_result where check_name = 'allowed.age_group'")
    assert found == [("1 of 31 rows otherwise",)]


def test_a_column_that_becomes_personal_leaves_raw(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    before = answers()
    before["columns"] = [{k: v for k, v in each.items() if k != "personal"} for each in before["columns"]]
    (agreed,) = agree(before)
    put(live, table())
    visit(live, agreed)
    (agreed,) = agree(answers())
    rebuild(live, agreed)
    assert query("select count(*) from raw.test_answers") == [(30,)]
    columns = query("select column_name from information_schema.columns where table_name = 'test_answers'")
    assert {name for (name,) in columns} & {"full_name", "email"} == set()


# -- the drop folder -----------------------------------------------------------------------------------------
def test_the_original_goes_once_it_is_safe_and_the_next_visit_finds_nothing_new(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    (agreed,) = agree(answers())
    path = put(live, table())
    assert visit(live, agreed) == 1
    assert not path.exists()
    assert visit(live, agreed, NIGHT + timedelta(days=1)) == 0
    assert query("select state from ops.fetch order by night") == [("landed",), ("unchanged",)]


def test_a_file_that_was_landed_but_not_loaded_is_handed_on_again_from_landing(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    (agreed,) = agree(answers())
    path = put(live, table())
    assert len(extract(live, NIGHT, agreed)) == 1
    assert not path.exists()
    assert visit(live, agreed, NIGHT + timedelta(days=1)) == 1
    assert query("select count(*) from raw.test_answers") == [(30,)]


def test_an_older_file_of_the_same_name_is_not_handed_on_again(
    live: Settings, agree: Callable[..., list[Contract]]
) -> None:
    (agreed,) = agree(answers())
    put(live, table(30), age=9000)
    visit(live, agreed)
    put(live, table(40), age=8000)
    assert visit(live, agreed, NIGHT + timedelta(days=1)) == 1
    assert visit(live, agreed, NIGHT + timedelta(days=2)) == 0


def test_an_original_stays_when_landing_does_not_give_it_back(
    live: Settings, agree: Callable[..., list[Contract]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (agreed,) = agree(answers())
    path = put(live, table())
    settle = landing.settle

    def spoil(handle: Any, temporary: Path, final: Path) -> None:
        handle.flush()
        last = temporary.read_bytes()[-1]
        handle.seek(-1, 2)
        handle.write(bytes([last ^ 0xFF]))  # encrypted bytes end in any value, so one of ours may be theirs
        settle(handle, temporary, final)

    monkeypatch.setattr(landing, "settle", spoil)  # a disk that does not keep what it was given
    with pytest.raises(SourceUnavailable, match="to be read back"):
        extract(live, NIGHT, agreed)
    assert path.exists()


def test_a_look_at_the_folder_takes_nothing_out_of_it(
    live: Settings, agree: Callable[..., list[Contract]], tmp_path: Path, query: Query
) -> None:
    (agreed,) = agree(answers())
    path = put(live, table())
    assert [name for name, _ in look(live, NIGHT, agreed, tmp_path)] == ["survey-2026.csv"]
    assert path.exists()
    assert query("select count(*) from ops.landed_file") == [(0,)]


@pytest.mark.parametrize("first", ["test_answers", "test_waves"])
def test_a_workbook_is_sealed_for_all_its_sheets_and_each_gets_its_rows(
    first: str, live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    both = {each.dataset: each for each in agree(answers(), waves())}
    path = put(live, workbook(), "survey-2026.xlsx")
    visit(live, both.pop(first))
    assert not path.exists()
    for other in both.values():
        assert visit(live, other) == 1
    assert query("select count(*) from raw.test_answers") == [(30,)]
    assert query("select wave from raw.test_waves order by _row") == [("Spring",), ("Autumn",)]
    assert query("select count(*), count(sealed_with) from ops.landed_file") == [(2, 2)]
    assert where_found(live, *PERSON) == []


def test_the_sheets_of_a_workbook_may_be_visited_at_the_same_moment(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    both = agree(answers(), waves())
    for night in (NIGHT, NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)):
        path = put(live, workbook(30 + night.day), "survey-2026.xlsx", age=3600.0 - night.day)
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda each: visit(live, each, night), both)) == [1, 1]  # noqa: B023
        assert not path.exists()
    assert query("select count(distinct _file_id) from raw.test_answers") == [(3,)]
    assert query("select count(distinct _file_id) from raw.test_waves") == [(3,)]
    assert query("select message from ops.fetch where message is not null") == []


def test_a_visit_that_is_killed_leaves_nothing_that_can_be_read(
    live: Settings, agree: Callable[..., list[Contract]]
) -> None:
    reads = (
        "import os, signal, sys; from pathlib import Path; from cityperf import landing; "
        "from cityperf.config import Settings; s = Settings(profile='live', home=Path(sys.argv[1])); "
        "c = landing.incoming(s, private=True); a = c.__enter__(); a.write(sys.argv[2].encode() * 100000); "
        "a.handle.flush(); assert a.path.stat().st_size > 100000; os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "include")}
    ended = subprocess.run([sys.executable, "-c", reads, str(live.home), PERSON[0]], env=environment)
    assert ended.returncode == -signal.SIGKILL
    assert where_found(live, PERSON[0]) == []


# -- the end of the bytes ------------------------------------------------------------------------------------
def test_after_its_time_only_the_manifest_row_is_left_and_a_rebuild_gives_the_same_table(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    both = agree(answers(), waves())
    agreed = both[0]
    put(live, workbook(), "survey-2026.xlsx")
    for each in both:
        visit(live, each)
    put(live, table(25, "R90;a;b;18-34;seven"), "survey-2027.csv")
    recent = NIGHT + timedelta(days=300)
    visit(live, agreed, recent)
    before = [table_hash(query, name) for name in ("test_answers", "test_waves")]
    assert expire(live, NIGHT + timedelta(days=400)) == []
    assert expire(live, LATER) == ["survey-2026.xlsx"]
    assert expire(live, LATER) == []
    left = [path for path in live.landing.rglob("*") if path.is_file()]
    assert len(left) == 1
    assert query("select dataset, expired_on, expired_why from ops.landed_file where expired_on is not null "
                 "order by 1") == [
        (each.dataset, LATER, "400 days after it was received, as the contract of test_answers says")
        for each in both
    ]  # fmt: skip
    assert [table_hash(query, name) for name in ("test_answers", "test_waves")] == before
    results = [each for agreed in both for each in rebuild(live, agreed)]
    assert [each.message == RESTORED for each in results] == [True, False, True]
    assert [each.loaded for each in results] == [30, 25, 2]
    assert [table_hash(query, name) for name in ("test_answers", "test_waves")] == before
    assert query("select count(*) from quarantine.rows") == [(1,)]
    assert where_found(live, *PERSON) == []
    rebuild(live, agreed)  # once more, from what was restored
    assert table_hash(query, "test_answers") == before[0]


def test_the_nights_first_task_ends_what_is_over(live: Settings, loaded: Contract, query: Query) -> None:
    open_night(live, LATER - timedelta(days=1))
    assert query("select expired_on from ops.landed_file") == [(None,)]
    open_night(live, LATER)
    assert query("select expired_on from ops.landed_file") == [(LATER,)]
    assert [path for path in live.landing.rglob("*") if path.is_file()] == []


def test_bytes_that_a_killed_task_left_go_the_next_night(live: Settings, loaded: Contract) -> None:
    (path,) = live.landing.rglob("*.sealed")
    whole = path.read_bytes()
    expire(live, LATER)
    path.write_bytes(whole)  # as if it had died between the registry and the disk
    assert expire(live, LATER + timedelta(days=1)) == []
    assert not path.exists()


def test_a_table_of_periods_comes_back_as_it_was(
    live: Settings, agree: Callable[..., list[Contract]], query: Query
) -> None:
    (agreed,) = agree(answers(partition={"grain": "year", "from_name": "year"}))
    put(live, table(30), "survey-2025.csv", age=9000)
    put(live, table(20), "survey-2026.csv", age=8000)
    visit(live, agreed)
    put(live, table(35), "survey-2025-late.csv", age=7000)  # replaces 2025
    visit(live, agreed, NIGHT + timedelta(days=1))
    before = table_hash(query, "test_answers")
    assert len(expire(live, LATER + timedelta(days=1))) == 3
    assert query("select count(*) from ops.raw_backup") == [(2,)]  # nothing stands any more of the first 2025
    rebuild(live, agreed)
    assert table_hash(query, "test_answers") == before
    assert query("select unnest(periods), f.name from ops.batch as b join ops.landed_file as f using (file_id) "
                 "where state = 'loaded' order by 1") == [
        ("2025", "survey-2025-late.csv"), ("2026", "survey-2026.csv"),
    ]  # fmt: skip


def test_nothing_goes_while_raw_does_not_have_its_rows(
    live: Settings, loaded: Contract, query: Query
) -> None:
    query("delete from raw.test_answers where respondent = 'R3'")
    assert expire(live, LATER) == []
    assert len(list(live.landing.rglob("*.sealed"))) == 1
    assert query("select status, found from ops.check_result where check_name = 'retention'") == [
        ("warn", "raw.test_answers with 29 of it, where the registry says 30 rows")
    ]
    rebuild(live, loaded)
    assert expire(live, LATER + timedelta(days=1)) == ["survey-2026.csv"]


def test_what_needs_the_bytes_says_since_when_and_why_they_are_gone(live: Settings, loaded: Contract) -> None:
    expire(live, LATER)
    (delivery,) = plan(live, loaded)
    with pytest.raises(landing.Expired, match=f"deleted on {LATER}, 400 days after it was received"):
        reload(live, loaded, delivery, LATER, gate=open_gate)
    with as_of(live, loaded, NIGHT) as db:
        assert db.execute("select count(*) from as_of").fetchone() == (30,)


def test_a_file_handed_in_once_more_after_its_time_is_there_again(
    live: Settings, loaded: Contract, query: Query
) -> None:
    expire(live, LATER)
    put(live, table())
    assert visit(live, loaded, LATER) == 0
    assert query("select expired_on from ops.landed_file") == [(None,)]
    assert expire(live, LATER + timedelta(days=1)) == ["survey-2026.csv"]
    assert [path for path in live.landing.rglob("*") if path.is_file()] == []


def test_a_lost_backup_is_named_and_a_changed_one_does_not_load(
    live: Settings, loaded: Contract, query: Query
) -> None:
    expire(live, LATER)
    ((file_id,),) = query("select file_id from ops.landed_file")
    path = backup_path(live, "test_answers", int(str(file_id)))
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 0xFF]) + whole[-2:])
    with pytest.raises(sealing.Tampered, match="bring it back from its backup"):
        rebuild(live, loaded)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"the 30 rows of survey-2026\.csv"):
        rebuild(live, loaded)
    path.write_bytes(whole)
    rebuild(live, loaded)
    assert query("select count(*) from raw.test_answers") == [(30,)]


# -- keys ----------------------------------------------------------------------------------------------------
def test_after_a_rotation_and_sealing_again_the_old_key_may_go(
    live: Settings, agree: Callable[..., list[Contract]], query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = sealing.new_key(), sealing.new_key()
    monkeypatch.setenv(sealing.VARIABLE, old)
    (agreed,) = agree(answers())
    put(live, table(), "survey-2026.csv")
    visit(live, agreed)
    expire(live, LATER)
    put(live, table(40), "survey-2027.csv")
    visit(live, agreed, LATER)
    before = table_hash(query, "test_answers")
    monkeypatch.setenv(sealing.VARIABLE, new)
    with pytest.raises(sealing.KeyMissing, match="which sealed"):
        rebuild(live, agreed)
    monkeypatch.setenv(sealing.VARIABLE, f"{new} {old}")
    with connect(live, "loader", autocommit=True) as db:
        assert landing.reseal(live, db) == 2
        assert landing.reseal(live, db) == 0
    monkeypatch.setenv(sealing.VARIABLE, new)
    rebuild(live, agreed)
    assert table_hash(query, "test_answers") == before
    used = sealing.keys_of(live).newest
    assert query("select distinct sealed_with from ops.landed_file where expired_on is null") == [(used,)]


# -- the survey workbook of the project itself ---------------------------------------------------------------
def survey(division: str, day: date) -> bytes:
    """A filled template: one instrument, one wave, and 20 answers of the test's person, the last one not an answer."""
    pages = workbook_named("surveys")
    book = load_workbook(io.BytesIO(template(pages, division)))
    for contract in pages.sheets:
        sheet = book[contract.extract.read.sheets[0]]
        sheet.cell(2, 2, division)
        sheet.cell(3, 2, day)
        header = {str(cell.value): cell.column for cell in sheet[6] if cell.value}
        rows = 20 if contract.dataset == "survey_answers" else 1
        for number in range(rows):
            for column in contract.named_columns:
                if not column.above:
                    value = PERSON[0] if column.personal else _value(column, number)
                    sheet.cell(7 + number, header[column.header[0]], value)
    page = book["Answers"]
    header = {str(cell.value): cell.column for cell in page[6] if cell.value}
    page.cell(26, header["Answer"], PERSON[1])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _value(column: Any, number: int) -> Any:
    if column.name == "answer_id":
        return f"A{number:05d}"
    if column.type == "date":
        return date.fromisoformat(column.example) if column.example else NIGHT - timedelta(days=60)
    if column.type in ("integer", "numeric"):
        return float(column.example or column.min or 5)
    return column.example or (column.allowed[0] if column.allowed else "text")


def test_survey_answers_leave_no_respondent_behind_in_raw_receipts_or_mail(
    live: Settings, query: Query
) -> None:
    (live.drop / "surveys").mkdir(parents=True)
    day = date(2026, 9, 30)
    path = live.drop / "surveys" / f"surveys_customer-experience_{day}.xlsx"
    path.write_bytes(survey("Customer Experience", day))
    os.utime(path, (time.time() - 3600,) * 2)
    for name in ("survey_instruments", "survey_answers", "survey_waves"):
        assert visit(live, load_contracts()[name]) == 1
    assert not path.exists()
    assert query("select count(*) from raw.survey_answers") == [(19,)]
    assert query("select found, record from quarantine.rows where dataset = 'survey_answers'") == [
        (None, "(withheld: person-level data)")
    ]
    receipts = list((live.drop / "surveys").rglob("*.receipt.html"))
    assert len(receipts) == 1
    assert "Answers" in receipts[0].read_text()
    assert where_found(live, *PERSON, in_database_files=False) == []
    assert where_found(live, PERSON[0]) == []
