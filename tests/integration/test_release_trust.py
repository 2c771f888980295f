"""Hash tree, difference and as-of: nobody alters a release unseen, and what was published can be had again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import publish
from cityperf.cli import cli
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.landing import path_of
from cityperf.publish import as_of, difference, published, tree
from cityperf.publish.exports import files_of
from cityperf.publish.tables import tables
from cityperf.publish.verify import verdicts, verify
from click.testing import CliRunner

from tests.conftest import empty_warehouse
from tests.integration.candidate import build_candidate, shapes, sound_rows, write_manifest
from tests.integration.publisher import contract as feed
from tests.integration.publisher import land
from tests.integration.trust import figure, night, put_up

Query = Callable[..., list[tuple[Any, ...]]]
JAN, FEB = date(2024, 1, 1), date(2024, 2, 1)


@pytest.fixture(scope="module")
def home(warehouse: Settings) -> Iterator[Settings]:
    """Three releases, shared by the module: what a test alters it puts back, and the last tests add to them.

    The second revises a figure and changes a definition, the third takes a figure back; each went up on another day.
    """
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    file_id = land(warehouse, feed(), b"id,station,minutes\n1,Union,4\n", night=night())
    with connect(warehouse, "loader") as connection:
        connection.execute(
            "insert into ops.cursor (dataset, name, file_id, night) values ('delays', 'delays.csv', %s, %s)",
            (file_id, night()),
        )
    put_up(
        warehouse, kpi_value=[figure("1.02", JAN, "1"), figure("2.05", JAN, "10"), figure("2.05", FEB, "20")]
    )
    kpis = [{**row, "unit": "percent"} if row["kpi_id"] == "1.02" else row for row in sound_rows(2)["kpi"]]
    second = [
        figure("1.02", JAN, "1", latest=False),
        figure("1.02", JAN, "1.5", 1),
        figure("1.02", FEB, "2", 1),
        figure("2.05", JAN, "10"),
        figure("2.05", FEB, "20", latest=False),
        figure("2.05", FEB, None, 1, latest=False, is_withdrawn=True),
    ]
    put_up(warehouse, 1, kpi=kpis, kpi_value=second)
    third = [
        second[0],
        {**second[1], "is_latest": False},
        figure("1.02", JAN, "1.50", 4),
        second[2],
        {**second[3], "is_latest": False},
        figure("2.05", JAN, None, 4, latest=False, is_withdrawn=True),
        *second[4:],
    ]
    assert put_up(warehouse, 4, kpi_value=third).number == 3
    yield warehouse
    empty_warehouse(warehouse)


@pytest.fixture
def command(home: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: home))
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


@contextmanager
def altered(path: Path, change: Callable[[bytes], bytes] | None = None) -> Iterator[None]:
    """Within, the file has one bit flipped, or what `change` makes of it."""
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(change(kept) if change else kept[:-20] + bytes([kept[-20] ^ 1]) + kept[-19:])
    yield
    path.write_bytes(kept)


def nodes_of(home: Settings, number: int) -> list[str]:
    return [each.node for each in verify(home, number)[0].findings]


# -- the hash tree -------------------------------------------------------------------------------------------
def test_an_untouched_release_verifies_and_every_kind_of_node_is_in_its_tree(
    home: Settings, query: Query
) -> None:
    verdicts = verify(home)
    assert [each.number for each in verdicts] == [3, 2, 1]
    assert all(each.ok and each.notes == [] for each in verdicts), verdicts
    root, nodes = tree.read_manifest(home.releases / "3" / tree.MANIFEST)
    counts = {kind: sum(node.kind == kind for node in nodes) for kind in tree.KINDS}
    files = len(files_of(home.releases / "3")) - 1
    tables = len(shapes())
    assert counts == {"code": 1, "definition": 3 + tables, "file": files, "input": 1, "table": tables}
    assert verdicts[0].checked == sum(counts.values())
    assert query("select root_hash from ops.release where number = 3") == [(root,)]


def test_equal_inputs_give_an_equal_root_and_a_later_release_another(
    home: Settings, query: Query, tmp_path: Path
) -> None:
    target = tmp_path / "again"
    target.mkdir()
    publish.export(home, 3, target)
    assert (target / tree.MANIFEST).read_bytes() == (home.releases / "3" / tree.MANIFEST).read_bytes()
    assert len(set(query("select root_hash from ops.release"))) == 3


@pytest.mark.fault
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    "name", ["SAMPLE_kpi_value.csv", "SAMPLE_kpi.parquet", "datapackage.json", "README.md", tree.MANIFEST]
)
def test_one_flipped_bit_in_a_file_is_found_and_named(home: Settings, number: int, name: str) -> None:
    with altered(home.releases / str(number) / name):
        assert any(name in node or "manifest" in node for node in nodes_of(home, number))
    assert nodes_of(home, number) == []


@pytest.mark.fault
def test_a_changed_definition_names_the_kpi(home: Settings) -> None:
    path = home.releases / "1" / "SAMPLE_definitions.json"
    with altered(path, lambda kept: kept.replace(b"Consumer prices", b"Consumer priced")):
        assert nodes_of(home, 1) == ["file SAMPLE_definitions.json", "definition kpis/1.10"]


@pytest.mark.fault
def test_one_flipped_bit_in_a_landed_file_names_it_in_every_release_made_of_it(
    home: Settings, query: Query
) -> None:
    [(sha256,)] = query("select sha256 from ops.landed_file")
    with altered(path_of(home, str(sha256))):
        assert [nodes_of(home, number) for number in (1, 2, 3)] == [["input delays/delays.csv"]] * 3


@pytest.mark.fault
@pytest.mark.parametrize(
    ("statement", "node"),
    [
        ("update publish.kpi_value set value = value + 0.00001 where kpi_id = '1.02'", "table kpi_value"),
        ("update publish.kpi set name_fr = 'autre' where kpi_id = '2.05'", "table kpi"),
        ("delete from publish.release", "table release"),
        ("update publish_old_2.period set label_en = 'x'", "table period"),
        ("update ops.release set code_version = 'other'", "code cityperf"),
        ("update ops.release set root_hash = repeat('0', 64)", "database: root over its leaves"),
        ("update ops.release_file set sha256 = repeat('0', 64) where path = 'README.md'", "file README.md"),
        (
            "update ops.release_node set sha256 = repeat('0', 64) where name = 'kpis/2.05'",
            "definition kpis/2.05",
        ),
        ("delete from ops.release_input", "manifest: input delays/delays.csv"),
    ],
)
def test_a_changed_cell_in_the_database_is_found_and_named(home: Settings, statement: str, node: str) -> None:
    """The change is seen inside its own transaction, which is taken back."""
    with psycopg.connect(home.dsn("admin")) as connection:
        connection.execute(statement.encode())
        number = 2 if "publish_old_2" in statement else 3
        verdict = next(each for each in verdicts(home, connection) if each.number == number)
        assert any(each.node.startswith(node) for each in verdict.findings), verdict.findings
        connection.rollback()
    assert verify(home, 3)[0].ok


def test_verify_exits_with_one_when_a_file_is_gone_and_names_what_nobody_published(
    home: Settings, command: Callable[..., Any], tmp_path: Path
) -> None:
    assert command("release", "verify").exit_code == 0
    gone, more = home.releases / "1" / "SAMPLE_kpi.csv", home.releases / "2" / "more.txt"
    gone.rename(tmp_path / "kept")
    more.write_text("nobody published this")
    answer = command("release", "verify")
    told = json.loads(command("release", "verify", "1", "--json").output)
    (tmp_path / "kept").rename(gone)
    more.unlink()
    assert answer.exit_code == 1
    assert "release 1: ALTERED" in answer.output and "file SAMPLE_kpi.csv: expected" in answer.output
    assert "file more.txt: expected nothing" in answer.output
    assert [(each["number"], each["ok"]) for each in told] == [(1, False)]


# -- the difference ------------------------------------------------------------------------------------------
def test_diff_tells_figures_definitions_tables_and_files_of_two_releases(home: Settings) -> None:
    found = difference.compare_releases(home, 1, 2)
    by_kpi = {each.kpi_id: each for each in found.figures}
    assert (by_kpi["1.02"].changed, by_kpi["1.02"].added, by_kpi["1.02"].removed) == (1, 1, 0)
    assert by_kpi["1.02"].largest_percent == 50
    assert (by_kpi["2.05"].changed, by_kpi["2.05"].added, by_kpi["2.05"].removed) == (0, 0, 1)
    assert [(d.kpi_id, d.field, d.before, d.after) for d in found.definitions] == [
        ("1.02", "unit", "number", "percent")
    ]
    changed = {each.table: (each.rows_before, each.rows_after) for each in found.tables}
    assert changed["kpi_value"] == (3, 6) and "period" not in changed
    assert "SAMPLE_kpi_value.csv" in {each.path for each in found.files}
    assert "SAMPLE_period.csv" not in {each.path for each in found.files}
    assert found.columns == []


def test_diff_of_a_release_with_itself_is_empty_and_one_that_is_gone_is_named(home: Settings) -> None:
    assert difference.compare_releases(home, 1, 1).empty
    with pytest.raises(
        difference.NotComparable, match=r"expected the files of release 7 .*; there are 1, 2, 3"
    ):
        difference.compare_releases(home, 1, 7)


def test_diff_in_a_terminal_and_as_json(home: Settings, command: Callable[..., Any]) -> None:
    said = command("release", "diff", "1", "2").output
    assert "city toronto month 2024-01-01" in said and "1 → 1.5" in said
    parsed = json.loads(command("release", "diff", "1", "2", "--json").output)
    assert {each["kpi_id"] for each in parsed["figures"]} == {"1.02", "2.05"}
    assert "no release is held; name two" in command("release", "diff").output


# -- as of ---------------------------------------------------------------------------------------------------
def as_csv(rows: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    def said(each: Any) -> str:
        if isinstance(each, bool):
            return str(each).lower()
        return "" if each is None else str(each)

    return sorted(tuple(said(each) for each in row) for row in rows)


def test_figures_as_of_a_date_are_those_that_the_files_said_then(home: Settings) -> None:
    """Over three releases with a revision and a withdrawn figure, in SQL as bi_reader and from the folder."""
    for day, number in ((0, 1), (1, 2), (2, 2), (3, 2), (4, 3), (400, 3)):
        with (home.releases / str(number) / "SAMPLE_kpi_value.csv").open(newline="") as handle:
            header, *published = list(csv.reader(handle))
        with connect(home, "bi_reader") as connection:
            assert connection.execute("select as_of.release(%s)", (night(day),)).fetchone() == (number,)
            cursor = connection.execute("select * from as_of.kpi_value(%s)", (night(day),))
            assert [column.name for column in cursor.description or ()] == header
            assert as_csv(cursor.fetchall()) == sorted(map(tuple, published)), f"night + {day}"


def test_definitions_as_of_a_date_are_those_that_were_published_then(home: Settings) -> None:
    with connect(home, "bi_reader") as connection:
        units = [
            connection.execute(
                "select unit from as_of.kpi(%s) where kpi_id = '1.02'", (night(day),)
            ).fetchone()
            for day in (0, 1, 4)
        ]
    assert units == [("number",), ("percent",), ("number",)]
    found = [as_of.definition(as_of.past(home, night(day)), "1.02")["unit"] for day in (0, 1, 4)]
    assert found == ["number", "percent", "number"]


def test_each_published_value_has_a_life_with_a_beginning_and_an_end(home: Settings) -> None:
    with connect(home, "bi_reader") as connection:
        lives = connection.execute(
            "select period_start, value, valid_from_release, valid_from, valid_to_release, valid_to "
            "from as_of.history('2.05') order by 1, 3"
        ).fetchall()
    assert lives == [
        (JAN, Decimal(10), 1, night(), 3, night(4)),
        (FEB, Decimal(20), 1, night(), 2, night(1)),
    ]


def test_files_as_of_a_date_come_byte_for_byte_and_never_when_they_were_altered(
    home: Settings, command: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "then"
    assert command("as-of", str(night(2)), "--export", str(out)).exit_code == 0
    folder = home.releases / "2"
    assert {name: path.read_bytes() for name, path in files_of(out).items()} == {
        name: path.read_bytes() for name, path in files_of(folder).items()
    }
    printed = command("as-of", str(night(2)), "--table", "kpi_value").output_bytes
    assert printed == (folder / "SAMPLE_kpi_value.csv").read_bytes()
    kpi = json.loads(command("as-of", str(night(2)), "--kpi", "1.02", "--json").output)
    assert [(f["period_start"], Decimal(f["value"])) for f in kpi["figures"]] == [
        ("2024-01-01", Decimal("1.5")),
        ("2024-02-01", Decimal(2)),
    ]
    with altered(folder / "SAMPLE_kpi_value.csv"):
        refused = command("as-of", str(night(2)), "--export", str(tmp_path / "other"))
    assert isinstance(refused.exception, as_of.NoLongerWhatItWas)
    assert not (tmp_path / "other").exists()


def test_before_the_first_release_nothing_was_published(home: Settings) -> None:
    with pytest.raises(as_of.NothingPublished, match="the first one went up on 2024-03-15"):
        as_of.past(home, night(-1))
    with connect(home, "bi_reader") as connection:
        assert connection.execute("select count(*) from as_of.kpi_value(%s)", (night(-1),)).fetchone() == (0,)


@pytest.mark.fault
def test_bi_reader_sees_the_past_and_nothing_else_of_ops(home: Settings) -> None:
    for statement in (
        "select * from ops.published_value",
        "select ops.renumber_candidate(1, 2)",
        "select ops.relist_releases('publish_old_1', 1, 2)",
        "create function as_of.mine() returns integer language sql as 'select 1'",
    ):
        with connect(home, "bi_reader") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("set transaction read write")
            connection.execute(statement)


# -- these add to the releases ---------------------------------------------------------------------------------
def test_what_would_go_up_is_compared_with_what_is_up_in_the_same_words(home: Settings) -> None:
    number = publish.open_candidate(home, night(5))
    build_candidate(home, number, night=night(5), change={"kpi_value": [figure("1.02", JAN, "3", 4)]})
    with connect(home, "transformer") as connection:
        connection.execute("alter table publish_next.period add column more text")
        connection.execute("drop table publish_next.risk")
    found = difference.compare_candidate(home, number)
    [kpi] = found.figures
    assert (kpi.changed, kpi.removed, kpi.largest_percent) == (1, 1, 100)
    assert [(c.table, c.column, c.change) for c in found.columns] == [("period", "more", "added")]
    assert ("risk", "removed") in {(t.table, t.change) for t in found.tables}
    assert "period.more  added  text" in difference.in_words(found)


def test_a_candidate_that_never_went_up_leaves_no_trace_in_what_was_published(
    home: Settings, query: Query
) -> None:
    before = query("select * from ops.published_value order by valid_from, kpi_id, period_start, vintage")
    number = publish.open_candidate(home, night(5))
    build_candidate(home, number, night=night(5), change={"kpi_value": [figure("1.02", JAN, "7")]})
    with connect(home, "publisher") as connection:
        published.record(connection, number, 3, tables(connection, "publish_next"))
    with connect(home, "bi_reader") as connection:
        seen = connection.execute(
            "select value from as_of.kpi_value(%s) where is_latest order by 1", (night(9),)
        )
        assert seen.fetchall() == [(Decimal("1.50"),), (Decimal(2),)]
    with connect(home, "publisher") as connection:
        published.forget(connection, 3)
    assert (
        query("select * from ops.published_value order by valid_from, kpi_id, period_start, vintage")
        == before
    )


def test_that_a_release_is_marked_stale_is_no_alteration(home: Settings, query: Query) -> None:
    publish.hold(home, night(5), "the gate is closed")
    assert query("select stale_reason is not null from publish.release where number = 3") == [(True,)]
    assert verify(home, 3)[0].ok
