"""Named connections and the arguments of the connectors that use them."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.errors import SourceRefused
from cityperf.extract.connections import hidden, login
from cityperf.extract.connectors import database, sftp
from cityperf.extract.http import NotInReplay
from cityperf.extract.settled import Stamp, is_set_aside, settled
from cityperf.extract.visit import Visit
from cityperf.portal.sample.division_databases import database as sample_database
from cityperf.portal.sample.division_databases import positions, posting
from cityperf.portal.sample.world import Cache, World
from cityperf.sources import ContractError, load_contracts, read_contract

NIGHT = dt.date(2026, 11, 20)
FINGERPRINT = "SHA256:" + "A" * 43

GOOD = """\
dataset: permits
title: Permits
description: What was permitted.
owner: {division: Toronto Building, steward: Permits}
licence: OGL-Toronto
privacy: {class: public}
tier: 2
extract:
  EXTRACT
  read: {format: csv}
schedule: {refresh: daily, warn_after: 2 days, fail_after: 4 days}
keys: [id]
columns:
  - {name: id, header: [Permit], type: text, required: true}
  - {name: updated, type: timestamp}
"""
DATABASE = "connector: database\n  connection: permits\n  table: permits\n  watermark: updated"
SFTP = (
    "connector: sftp\n  connection: permits\n  host: sftp.example\n  folder: out\n  match: csv\n"
    f"  host_key: {FINGERPRINT}"
)


def mistake(tmp_path: Path, section: str) -> str:
    file = tmp_path / "permits.yml"
    file.write_text(GOOD.replace("EXTRACT", section))
    with pytest.raises(ContractError) as caught:
        read_contract(file)
    return str(caught.value)


@pytest.mark.parametrize("section", [DATABASE, SFTP], ids=["database", "sftp"])
def test_sound_arguments_are_taken(tmp_path: Path, section: str) -> None:
    file = tmp_path / "permits.yml"
    file.write_text(GOOD.replace("EXTRACT", section))
    assert read_contract(file).extract.arguments["connection"] == "permits"


@pytest.mark.parametrize(
    ("section", "old", "new", "says"),
    [
        (DATABASE, "connection: permits", "connection: postgresql://me:secret@db/x", "match pattern"),
        (DATABASE, "table: permits", "table: 'permits; drop table x'", "match pattern"),
        (DATABASE, "table: permits", "chunk: 5", "exactly one of `table` and `query`"),
        (DATABASE, "table: permits", "table: permits\n  query: select 1", "exactly one of"),
        (DATABASE, "watermark: updated", "watermark: changed", "not among the columns: changed"),
        (DATABASE, "watermark: updated", "key: [ID]", "not among the columns: ID"),
        (DATABASE, "watermark: updated", "timeout: 0", "greater than 0"),
        (SFTP, FINGERPRINT, "MD5:aa:bb", "match pattern"),
        (SFTP, f"\n  host_key: {FINGERPRINT}", "", "needs the argument 'host_key'"),
        (SFTP, "folder: out", "folder: out\n  port: 70000", "less than 65536"),
    ],
)
def test_a_wrong_argument_is_found_before_any_run(
    tmp_path: Path, section: str, old: str, new: str, says: str
) -> None:
    assert old in section
    assert says in mistake(tmp_path, section.replace(old, new))


def test_a_contract_without_keys_says_what_orders_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "permits.yml"
    file.write_text(GOOD.replace("EXTRACT", DATABASE).replace("keys: [id]\n", ""))
    with pytest.raises(ContractError, match="needs `key`"):
        read_contract(file)


def test_a_secret_is_hidden_in_every_shape() -> None:
    text = "no entry for a/b c:\n tried a%2Fb%20c and a/b%20c"
    assert hidden(text, "a/b c", None, "") == "no entry for ***: tried *** and ***"


@pytest.mark.parametrize(
    ("said", "user", "password", "key"),
    [
        ("sftp://agency:p%40ss%2F@host", "agency", "p@ss/", None),
        ('{"user": "agency", "key": "-----BEGIN"}', "agency", None, "-----BEGIN"),
    ],
)
def test_a_login_is_a_url_or_json(
    monkeypatch: pytest.MonkeyPatch, said: str, user: str, password: str | None, key: str | None
) -> None:
    monkeypatch.setenv("CITYPERF_CONNECTION_AGENCY", said)
    found = login("agency")
    assert (found.user, found.password, found.key) == (user, password, key)
    assert "p@ss" not in repr(found) and "BEGIN" not in repr(found)


@pytest.mark.parametrize(
    "said",
    ["", "secret-word", "sftp://agency@host", '{"user": "secret-word"}', '{"secret-word"', '{"user": 1, "key": 2}',
     '{"user": "u", "key": "k", "secret-word": "x"}'],
)  # fmt: skip
def test_a_login_that_is_none_is_refused_without_its_content(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CITYPERF_CONNECTION_AGENCY", said)
    with pytest.raises(SourceRefused, match="CITYPERF_CONNECTION_AGENCY") as caught:
        login("agency")
    assert "secret-word" not in str(caught.value)


def visiting(settings: Settings, dataset: str) -> Visit:
    return Visit(settings, NIGHT, load_contracts()[dataset], None, {})


def run(connector: Any, visit: Visit) -> None:
    list(connector.fetch(visit, **visit.contract.extract.arguments))


def test_without_its_variable_live_refuses_and_replay_has_nothing(settings: Settings) -> None:
    live = visiting(replace(settings, profile="live"), "workforce_positions")
    with pytest.raises(SourceRefused, match="set it where the stack is started"):
        run(database, live)
    with pytest.raises(NotInReplay):
        run(database, visiting(replace(settings, profile="replay"), "workforce_positions"))
    live_files = visiting(replace(settings, profile="live"), "transit_ridership_extract")
    with pytest.raises(SourceRefused, match="CITYPERF_CONNECTION_TTC_SFTP"):
        run(sftp, live_files)


@pytest.mark.parametrize("said", ["secret-word", "oracle://u:secret-word@h/d", "://"])
def test_a_variable_that_is_no_url_is_refused_without_its_content(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CITYPERF_CONNECTION_WORKFORCE", said)
    with pytest.raises(SourceRefused, match="percent-encoded") as caught:
        run(database, visiting(settings, "workforce_positions"))
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", '""'),
        ("a", "a"),
        ('say "a", b', '"say ""a"", b"'),
        ("two\nlines", '"two\nlines"'),
        (True, "true"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.10"), "0.10"),
        (0.1, "0.1"),
        (dt.datetime(2026, 3, 8, 2, 30, tzinfo=dt.UTC), "2026-03-08T02:30:00+00:00"),
        (dt.timedelta(hours=-30, seconds=1), "-29:59:59"),
        ({"a": [1, "é"]}, '"{""a"": [1, ""é""]}"'),
    ],
)
def test_a_value_has_one_text(value: Any, text: str) -> None:
    assert database._TEXT[type(value)](value) == text


def test_a_file_at_rest_is_finished_and_one_that_grows_is_not() -> None:
    looks = [
        {"a": Stamp(1, 0.0), "b": Stamp(1, 9e9)},
        {"a": Stamp(1, 0.0), "b": Stamp(2, 9e9), "c": Stamp(1, 9e9)},
    ]
    assert settled(lambda: looks.pop(0), pause=0) == ({"a": Stamp(1, 0.0)}, ["b"])
    assert settled(lambda: {"a": Stamp(1, 0.0)}, pause=3600) == ({"a": Stamp(1, 0.0)}, [])
    assert all(map(is_set_aside, (".a.csv", "~a.csv", "a.csv~", "a.csv.part", "a.CSV.TMP")))
    assert not is_set_aside("a.part.csv")


def test_the_register_is_posted_every_second_friday(settings: Settings) -> None:
    nights = [dt.date(2026, 11, day) for day in range(1, 31)]
    assert {posting(night).weekday() for night in nights} == {4}
    small = replace(settings, scale=0.01)
    same = [night for night in nights if posting(night) == posting(nights[0])]
    assert len({sample_database(small, night, "workforce") for night in same}) == 1
    assert sample_database(small, same[0], "workforce").read_bytes()[:15] == b"SQLite format 3"


def test_what_is_new_or_otherwise_in_a_posting_says_so(tmp_path: Path) -> None:
    """A register that changed a row without its watermark, or moved one to another year, could not be read by periods."""
    world = World(20261118, 0.05, Cache(tmp_path, 20261118, 0.05))
    before: dict[str, tuple[Any, ...]] = {}
    came, changed = 0, 0
    for posted in (posting(dt.date(2026, 6, 1)) + dt.timedelta(days=14 * n) for n in range(20)):
        now = {row[0]: row for row in positions(world, posted)}
        if before:
            assert set(before) <= set(now)
            assert all(now[each][5] == row[5] for each, row in before.items()), "first filled on another day"
            other = {each for each, row in now.items() if before.get(each) != row}
            assert {now[each][7][:10] for each in other} <= {posted.isoformat()}
            came, changed = came + len(set(now) - set(before)), changed + len(other & set(before))
        before = now
    assert came > 5 and changed > 5


def test_the_sample_says_which_databases_it_knows(settings: Settings) -> None:
    with pytest.raises(Exception, match="expected one of workforce, found 'payroll'"):
        sample_database(settings, NIGHT, "payroll")
