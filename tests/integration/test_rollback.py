"""Going back to an earlier release: one whole release at any moment, by somebody named, and again when it was cut short."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cityperf import publish
from cityperf.cli import cli
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.publish import as_of, garbage, tree
from cityperf.publish.approvers import NotAllowed
from cityperf.publish.exports import files_of
from cityperf.publish.rollback import CannotGoBack, rollback
from cityperf.publish.verify import verify
from click.testing import CliRunner

from tests.integration.candidate import build_candidate, write_manifest
from tests.integration.test_swap import assert_whole_on_disk, state_that_readers_see
from tests.integration.trust import approvers_are, figure, night, put_up

Query = Callable[..., list[tuple[Any, ...]]]
JAN = date(2024, 1, 1)
WHY = "shifted decimal in ridership"


@pytest.fixture
def home(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """Two releases, the second of them wrong."""
    write_manifest(clean_warehouse)
    approvers_are(monkeypatch, tmp_path)
    put_up(clean_warehouse, kpi_value=[figure("2.05", JAN, "53236000")])
    put_up(clean_warehouse, 1, marker=1, kpi_value=[figure("2.05", JAN, "5323600.0")])
    yield clean_warehouse


def test_a_rollback_is_a_release_of_its_own_with_the_earlier_content(home: Settings, query: Query) -> None:
    _, wrong = state_that_readers_see(home)
    outcome = rollback(home, 1, "cara", WHY, night(2))
    assert (outcome.status, outcome.number, outcome.restated) == ("released", 3, 1)
    number, seen = state_that_readers_see(home)
    assert number == 3
    assert query("select value from publish.kpi_value") != [] and seen["kpi_value"] != wrong["kpi_value"]
    assert query("select number, stale_reason from publish.release order by 1") == [
        (1, None),
        (2, None),
        (3, f"repeats release 1: {WHY}"),
    ]
    assert query("select repeats, made_by, made_why, published_on from ops.release where number = 3") == [
        (1, "cara", WHY, night(2))
    ]
    assert query("select kpi_id, cause, note, size_percent from ops.restatement where number = 3") == [
        ("2.05", "correction", f"rolled back by cara: {WHY}", 900)
    ]
    assert query("select subject, decision, decided_by, note from ops.approval") == [
        ("release 3", "approved", "cara", WHY)
    ]


def test_its_files_are_those_of_the_earlier_release_byte_for_byte(home: Settings, query: Query) -> None:
    rollback(home, 1, "cara", WHY, night(2))
    first, third = home.releases / "1", home.releases / "3"
    assert (home.releases / "current").readlink() == Path("3")
    own = {f"SAMPLE_release.{format_}" for format_ in ("csv", "json", "parquet")}
    own |= {"README.md", "datapackage.json", "dcat.jsonld", "csv-metadata.json", tree.MANIFEST}
    own |= {"SAMPLE_changelog.json", "SAMPLE_evidence.json", "SAMPLE_evidence.md"}
    own |= {"site/en/index.html", "site/fr/index.html"}  # what changed since the release before this one
    own |= {"site/release.css", "site/en/release.html", "site/fr/release.html", "site/pages.json"}
    assert set(files_of(first)) == set(files_of(third))
    for name, path in files_of(first).items():
        assert (path.read_bytes() == (third / name).read_bytes()) is (name not in own), name
    assert_whole_on_disk(home, query)
    assert all(each.ok for each in verify(home)), verify(home)
    assert [as_of.past(home, night(day)).number for day in (0, 1, 2)] == [1, 2, 3]
    with connect(home, "bi_reader") as connection:
        values = [
            connection.execute("select value from as_of.kpi_value(%s)", (night(day),)).fetchone()
            for day in (0, 1, 2)
        ]
    assert values[0] == values[2] != values[1]


def test_the_command_says_what_is_up_now(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: home))
    answer = CliRunner().invoke(cli, ["release", "rollback", "1", "--by", "cara", "--reason", WHY])
    assert answer.exit_code == 0, answer.exception
    assert answer.output == "release 3 is up; it repeats release 1\n"
    assert "repeats release 1" in CliRunner().invoke(cli, ["release", "list"]).output


def test_the_next_candidate_waits_for_a_person_or_it_would_bring_the_mistake_back(
    home: Settings, query: Query
) -> None:
    from cityperf.publish import approval

    rollback(home, 1, "cara", WHY, night(2))
    held = put_up(home, 3, marker=2, kpi_value=[figure("2.05", JAN, "53236001")])
    assert held.status == "held" and "was put there by hand (cara" in held.reason
    assert state_that_readers_see(home)[0] == 3
    assert "release 4 is up" in approval.answer(home, 4, "anna", "approved", "mended", night(3))
    assert state_that_readers_see(home)[0] == 4
    assert query("select stale_reason from ops.release where stale_reason is not null") == []
    assert put_up(home, 4, marker=3).status == "released"


def test_a_candidate_that_a_rollback_overtook_gets_a_higher_number(home: Settings, query: Query) -> None:
    waiting = publish.open_candidate(home, night(2))
    build_candidate(home, waiting, night=night(2), marker=3)
    assert (waiting, rollback(home, 1, "cara", WHY, night(2)).number) == (3, 4)
    assert publish.release(home, night(2)).number == 5
    assert query("select number, state from ops.release order by 1") == [
        (1, "released"),
        (2, "released"),
        (3, "discarded"),
        (4, "released"),
        (5, "held"),
    ]
    assert query("select max(number) from publish_next.release") == [(5,)]


def test_one_can_go_back_and_forth_among_the_kept_releases(home: Settings, query: Query) -> None:
    assert rollback(home, 1, "cara", WHY, night(2)).number == 3
    assert rollback(home, 3, "cara", WHY, night(2)).status == "unchanged"
    assert rollback(home, 2, "ben", "it was right after all", night(2)).number == 4
    assert rollback(home, 1, "cara", "no, it was not", night(3)).number == 5
    assert query("select repeats from ops.release order by number") == [(None,), (None,), (1,), (2,), (1,)]
    assert all(each.ok for each in verify(home))


def test_who_may_not_cannot_and_what_is_not_kept_or_was_altered_does_not_go_up(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state_that_readers_see(home)
    with pytest.raises(NotAllowed, match=r"expected somebody who may decide on a rollback .*'mallory'"):
        rollback(home, 1, "mallory", WHY, night(2))
    with pytest.raises(CannotGoBack, match="expected the number of an earlier release, found 9"):
        rollback(home, 9, "cara", WHY, night(2))
    path = home.releases / "1" / "SAMPLE_kpi.csv"
    kept = path.read_bytes()
    path.write_bytes(kept + b"x")
    with pytest.raises(CannotGoBack, match=r"found file SAMPLE_kpi\.csv: expected"):
        rollback(home, 1, "cara", WHY, night(2))
    path.write_bytes(kept)
    monkeypatch.setattr(garbage, "KEPT", 0)
    publish.collect_garbage(home)
    with pytest.raises(CannotGoBack, match="expected the tables of release 1 to be kept"):
        rollback(home, 1, "cara", WHY, night(2))
    assert state_that_readers_see(home) == before


def test_tables_of_the_last_releases_are_kept_and_older_ones_go(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "KEPT", 1)
    put_up(home, 2, marker=2)
    with connect(home, "publisher") as connection:
        assert garbage.kept_schemas(connection) == {2: "publish_old_2"}
        left = connection.execute(
            "select nspname from pg_namespace where nspname like 'publish_old%'"
        ).fetchall()
    assert left == [("publish_old_2",)]


def killed_at(settings: Settings, point: str) -> int:
    """Roll back in a process of its own that dies at `point`; returns the signal it died of, 0 if it did not."""
    child = os.fork()
    if child == 0:
        os.environ["CITYPERF_FAILPOINT"] = point
        try:
            rollback(settings, 1, "cara", WHY, night(2))
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] & 0x7F


@pytest.mark.fault
def test_a_rollback_killed_at_any_point_leaves_one_whole_release_and_goes_on(
    home: Settings, query: Query
) -> None:
    points = ("export.file", "export.manifest", "export.renamed", "record.nodes")
    for point in (*points, "release.recorded", "swap.locked", "swap.statement:2", "swap.renamed"):
        assert killed_at(home, point) == signal.SIGKILL, point
        assert state_that_readers_see(home)[0] == 2, point
        assert_whole_on_disk(home, query)
    for point in ("swap.committed", "record.values"):
        assert killed_at(home, point) == signal.SIGKILL, point
        assert state_that_readers_see(home)[0] == 3
        assert_whole_on_disk(home, query)
    assert rollback(home, 1, "cara", WHY, night(2)).number == 3
    assert (home.releases / "current").readlink() == Path("3")
    publish.collect_garbage(home)
    assert sorted(p.name for p in home.releases.iterdir()) == ["1", "2", "3", "current", "status"]
    assert query("select count(*) from ops.approval") == [(1,)]
    assert query("select number, count(*) from ops.restatement group by 1 order by 1") == [(2, 1), (3, 1)]
    assert all(each.ok for each in verify(home))
