"""A release from candidate to files: made once, unchanged when nothing changed, held when it must be."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf import publish
from cityperf.cli import cli
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.landing import path_of
from cityperf.notify import digest
from cityperf.publish.dictionary import read_dictionary
from cityperf.publish.exports import ExportFailed, Notice, build, files_of
from cityperf.publish.release import export_candidate
from cityperf.publish.tables import tables
from cityperf.publish.trace import NotPublished, trace
from cityperf.publish.tree import MANIFEST
from cityperf.quality.gate import TABLES
from cityperf.quality.results import CheckResult, record
from cityperf.sources import load_contracts
from click.testing import CliRunner

from tests.integration.candidate import NIGHT, build_candidate, manifest, sound_rows, value, write_manifest

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def home(clean_warehouse: Settings) -> Iterator[Settings]:
    write_manifest(clean_warehouse)
    yield clean_warehouse


def put_up(settings: Settings, night: date = NIGHT, marker: int = 0, **change: Any) -> publish.Outcome:
    number = publish.open_candidate(settings, night)
    build_candidate(settings, number, night=night, marker=marker, change=change)
    return publish.release(settings, night)


def failed_check(severity: str = "block", status: str = "fail") -> CheckResult:
    return CheckResult(
        border="publish",
        suite="publish.kpi",
        check="key_unique",
        subject="kpi",
        severity=severity,
        status=status,  # type: ignore[arg-type]
        expected="each kpi_id once",
        found="2 rows",
        owner="Performance Office",
        runbook="docs/runbooks/publish.md#keys",
        message="kpi: expected each kpi_id once, found 2 rows",
    )


def put_check(settings: Settings, result: CheckResult) -> None:
    with connect(settings, "publisher") as connection:
        record(connection, NIGHT, [result])


# -- candidates and outcomes
# ----------------------------------------------------------------------------------
def test_the_first_release_is_number_one_and_the_next_is_two(home: Settings, query: Query) -> None:
    assert put_up(home).number == 1
    assert put_up(home, NIGHT + timedelta(days=1), marker=1).number == 2
    assert query("select number, night, state from ops.release order by 1") == [
        (1, NIGHT, "released"),
        (2, NIGHT + timedelta(days=1), "released"),
    ]


def test_opening_a_candidate_twice_gives_the_same_number(home: Settings) -> None:
    assert publish.open_candidate(home, NIGHT) == publish.open_candidate(home, NIGHT) == 1


def test_a_candidate_of_another_night_that_was_never_finished_is_discarded(
    home: Settings, query: Query
) -> None:
    assert publish.open_candidate(home, NIGHT) == 1
    assert publish.open_candidate(home, NIGHT + timedelta(days=1)) == 1
    assert query("select number, night, state from ops.release") == [
        (1, NIGHT + timedelta(days=1), "candidate")
    ]


def test_equal_content_makes_no_new_release_whatever_the_night(home: Settings, query: Query) -> None:
    put_up(home)
    tomorrow = NIGHT + timedelta(days=1)
    number = publish.open_candidate(home, tomorrow)
    build_candidate(home, number, night=NIGHT)
    outcome = publish.release(home, tomorrow)
    assert (outcome.status, outcome.number) == ("unchanged", 1)
    assert query("select count(*) from ops.release where state = 'candidate'") == [(0,)]
    assert sorted(p.name for p in home.releases.iterdir()) == ["1", "current", "status"]
    # Nothing is left that the next night could take for a candidate.
    assert query(
        "select count(*) from pg_class where relnamespace = 'publish_next'::regnamespace and relkind = 'r'"
    ) == [(0,)]
    assert publish.release(home, tomorrow + timedelta(days=1)).status == "unchanged"


def test_one_changed_value_makes_a_new_release(home: Settings) -> None:
    put_up(home)
    rows = sound_rows(2)["kpi_value"]
    changed = [{**rows[0], "value": Decimal(rows[0]["value"]) + Decimal("0.00001")}, *rows[1:]]
    assert put_up(home, kpi_value=changed).status == "released"


def test_nothing_built_and_nothing_up_is_an_error_that_says_what_to_do(home: Settings) -> None:
    with pytest.raises(
        publish.NothingToRelease, match=r"expected tables in schema publish_next .* found none"
    ):
        publish.release(home, NIGHT)


def test_what_an_earlier_night_built_and_nobody_released_goes_up_the_next_night(
    home: Settings, query: Query
) -> None:
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number)
    outcome = publish.release(home, NIGHT + timedelta(days=1))
    assert (outcome.status, outcome.number) == ("released", 1)
    assert query("select night from ops.release") == [(NIGHT + timedelta(days=1),)]


@pytest.mark.fault
def test_a_failed_blocking_check_keeps_the_last_good_release_and_marks_it_stale(
    home: Settings, query: Query
) -> None:
    put_up(home)
    put_check(home, failed_check())
    outcome = put_up(home, marker=1)
    assert outcome.status == "held"
    assert "expected each kpi_id once, found 2 rows" in outcome.reason
    assert query("select number, state from ops.release order by 1") == [(1, "released"), (2, "held")]
    for query_text in (
        "select stale_reason from ops.release where number = 1",
        "select stale_reason from publish.release",
    ):
        [(reason,)] = query(query_text)
        assert "release 2 is held back: kpi: expected each kpi_id once" in reason
    assert (home.releases / "current").readlink() == Path("1")
    # Mended, the same night's candidate goes up under its number and the mark is gone.
    put_check(home, replace(failed_check(), status="pass"))
    assert put_up(home, marker=1).number == 2
    assert query("select count(*) from ops.release where stale_reason is not null") == [(0,)]


@pytest.mark.parametrize(("severity", "status"), [("warn", "warn"), ("block", "known"), ("info", "warn")])
def test_warnings_and_known_issues_hold_nothing_back(home: Settings, severity: str, status: str) -> None:
    put_check(home, failed_check(severity, status))
    assert put_up(home).status == "released"


def test_an_unchanged_night_takes_the_stale_mark_off(home: Settings, query: Query) -> None:
    put_up(home)
    number = publish.open_candidate(home, NIGHT)
    build_candidate(home, number, marker=1)
    assert publish.hold(home, NIGHT, "the gate is closed").number == 2
    assert query("select stale_reason from publish.release") == [
        ("release 2 is held back: the gate is closed",)
    ]
    build_candidate(home, publish.open_candidate(home, NIGHT), marker=0)
    assert publish.release(home, NIGHT).status == "unchanged"
    assert query("select stale_reason from publish.release") == [(None,)]
    assert query("select count(*) from ops.release where stale_reason is not null") == [(0,)]


def test_a_held_candidate_that_nothing_new_replaced_can_go_up_another_night(home: Settings) -> None:
    put_up(home)
    build_candidate(home, publish.open_candidate(home, NIGHT), marker=1)
    publish.hold(home, NIGHT, "the gate is closed")
    outcome = publish.release(home, NIGHT + timedelta(days=1))
    assert (outcome.status, outcome.number) == ("released", 2)


# -- restatements
# ---------------------------------------------------------------------------------------------
def test_restatements_tell_revisions_late_data_and_new_definitions_apart(
    home: Settings, query: Query
) -> None:
    put_up(
        home,
        kpi_value=[
            value("1.02", date(2023, 12, 1), "1"),
            value("1.02", date(2024, 1, 1), "2"),
            value("1.02", date(2024, 2, 1), None),
            value("2.05", date(2024, 1, 1), "10"),
            value("1.10", date(2024, 1, 1), "5"),
            value("1.10", date(2024, 2, 1), "6"),
        ],
    )
    later = NIGHT + timedelta(days=1)
    outcome = put_up(
        home,
        later,
        kpi_value=[
            value("1.02", date(2023, 12, 1), "1"),
            value("1.02", date(2024, 1, 1), "2"),
            value("1.02", date(2024, 2, 1), None),
            value("2.05", date(2024, 1, 1), "10"),
            value("1.10", date(2024, 1, 1), "5"),
            value("1.10", date(2024, 2, 1), "6"),
            value("1.02", date(2024, 1, 1), "2.5", later),  # revised
            value("1.02", date(2024, 2, 1), "3", later),  # was blank
            value("1.02", date(2023, 11, 1), "0.5", later),  # a period before the latest one
            value("1.02", date(2024, 3, 1), "4", later),  # news
            value("2.05", date(2024, 1, 1), "11", later, kpi_version=2),  # redefined
            value("1.10", date(2024, 2, 1), None, later, is_withdrawn=True),  # taken back
        ],
    )
    assert outcome.restated == 5
    assert query(
        "select kpi_id, period_start, old_value, new_value, cause from ops.restatement where number = 2 "
        "order by 1, 2"
    ) == [
        ("1.02", date(2023, 11, 1), None, Decimal("0.5"), "late data"),
        ("1.02", date(2024, 1, 1), Decimal(2), Decimal("2.5"), "revision"),
        ("1.02", date(2024, 2, 1), None, Decimal(3), "late data"),
        ("1.10", date(2024, 2, 1), Decimal(6), None, "revision"),
        ("2.05", date(2024, 1, 1), Decimal(10), Decimal(11), "definition"),
    ]


def test_the_first_release_restates_nothing(home: Settings, query: Query) -> None:
    assert put_up(home).restated == 0
    assert query("select count(*) from ops.restatement") == [(0,)]


# -- files
# ----------------------------------------------------------------------------------------------------
def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.fault
def test_formulas_are_neutralised_in_csv_and_exact_in_parquet_and_json(home: Settings) -> None:
    import pyarrow.parquet as pq

    put_up(home)
    folder = home.releases / "current"
    people = {row["commitment_id"]: row for row in rows_of(folder / "SAMPLE_commitment.csv")}
    assert people["C-1"]["goal"] == "'=1+1"
    assert people["C-1"]["comment"] == "'@home"
    assert people["C-1"]["commitment"] == "-5"  # a number, negative or not, is no formula
    assert people["C-2"]["commitment"] == "'-5 degrees"
    assert people["C-2"]["status_label"] == "+1"
    assert people["C-1"]["division"] == 'Parks, "Forestry"\nand more'
    machines = pq.read_table(folder / "SAMPLE_commitment.parquet").to_pylist()
    scripts = json.loads((folder / "SAMPLE_commitment.json").read_text())
    for exact in (machines, scripts):
        assert [(r["goal"], r["commitment"], r["comment"]) for r in exact] == [
            ("=1+1", "-5", "@home"),
            ("", "-5 degrees", None),
        ]


def test_csv_ends_lines_with_crlf_and_tells_an_empty_text_from_none(home: Settings) -> None:
    put_up(home)
    raw = (home.releases / "current" / "SAMPLE_commitment.csv").read_bytes()
    assert raw.endswith(b"\r\n")
    assert raw.count(b"\r\n") == 3  # a header and two records; the line feed inside a quoted text stays one
    assert b',"",' in raw


def test_figures_are_exact_in_every_format(home: Settings) -> None:
    import pyarrow.parquet as pq

    long = "0.06884000000000000001"
    put_up(
        home,
        kpi_value=[value("1.02", date(2024, 1, 1), long), value("2.05", date(2024, 1, 1), "-1003351699.34")],
    )
    folder = home.releases / "current"
    assert [r["value"] for r in rows_of(folder / "SAMPLE_kpi_value.csv")] == [long, "-1003351699.34"]
    table = pq.read_table(folder / "SAMPLE_kpi_value.parquet")
    assert table.column("value").to_pylist() == [Decimal(long), Decimal("-1003351699.34")]
    assert str(table.schema.field("period_start").type) == "date32[day]"
    assert str(table.schema.field("is_withdrawn").type) == "bool"
    parsed = json.loads((folder / "SAMPLE_kpi_value.json").read_text(), parse_float=Decimal)
    assert [r["value"] for r in parsed] == [Decimal(long), Decimal("-1003351699.34")]


def test_the_data_package_is_valid_by_the_frictionless_library(home: Settings) -> None:
    from frictionless import Package, validate

    put_up(home)
    descriptor = home.releases / "current" / "datapackage.json"
    report = validate(str(descriptor))
    assert report.valid, report.flatten(["title", "message"])
    package = Package(str(descriptor))
    tables_ = {r.name: r for r in package.resources if r.type == "table"}
    allowed = read_dictionary(manifest(), load_contracts(), "sample").allowed
    assert len(tables_) == len(TABLES)
    assert len(package.resources) == sum(len(each.formats) for each in allowed.values())
    assert tables_["kpi-value"].schema.get_field("value").type == "number"
    assert all(f.description for r in tables_.values() for f in r.schema.fields)
    assert all(r.hash.startswith("sha256:") and r.bytes for r in package.resources)


def test_a_changed_byte_is_found_by_the_data_package(home: Settings) -> None:
    from frictionless import validate

    put_up(home)
    victim = home.releases / "current" / "SAMPLE_kpi.parquet"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    assert not validate(str(home.releases / "current" / "datapackage.json")).valid


def test_exports_are_byte_identical_however_rows_lie_on_disk(home: Settings) -> None:
    put_up(home)
    first = {n: p.read_bytes() for n, p in files_of(home.releases / "1").items() if n != MANIFEST}
    number = 1
    shuffled = {name: list(reversed(rows)) for name, rows in sound_rows(number).items()}
    build_candidate(home, number, change=shuffled)
    dictionary = read_dictionary(manifest(), load_contracts(), "sample")
    with connect(home, "publisher") as connection:
        candidate = tables(connection, "publish_next")
    again = export_candidate(home, NIGHT, 1, candidate, dictionary)
    assert {n: p.read_bytes() for n, p in files_of(again).items() if n != MANIFEST} == first


def test_every_file_of_a_sample_release_says_sample(home: Settings) -> None:
    import pyarrow.parquet as pq

    put_up(home)
    folder = home.releases / "current"
    for path in (each for each in folder.iterdir() if each.is_file()):
        named_by_a_standard = path.name in ("datapackage.json", "csv-metadata.json", MANIFEST)
        if path.suffix in (".csv", ".json", ".parquet", ".xlsx") and not named_by_a_standard:
            assert path.name.startswith("SAMPLE_")
        else:
            assert "SAMPLE" in path.read_text() or path.name == "LICENCE.md"
    assert pq.read_schema(folder / "SAMPLE_kpi.parquet").metadata[b"sample"] == b"SAMPLE - invented figures"
    with connect(home, "bi_reader") as connection:
        said = connection.execute(
            "select obj_description(c.oid, 'pg_class') from pg_class as c "
            "where c.relnamespace = 'publish'::regnamespace and c.relkind = 'r'"
        ).fetchall()
    assert len(said) == len(TABLES)
    assert all(text.startswith("SAMPLE - invented figures. ") for (text,) in said)


def test_unlicensed_tables_are_left_out_of_a_replays_files_and_named(home: Settings) -> None:
    build_candidate(home, 1)
    target = home.base / "replay-files"
    target.mkdir()
    dictionary = read_dictionary(manifest(), load_contracts(), "replay")
    with connect(home, "publisher") as connection:
        written = build(
            connection, tables(connection, "publish_next"), dictionary, Notice(1, NIGHT, "replay"), target
        )
    names = {each.path for each in written}
    assert "kpi.csv" in names and "benchmark.csv" not in names and "SAMPLE.txt" not in names
    assert "mbncanada_results" in (target / "README.md").read_text()
    assert json.loads((target / "datapackage.json").read_text())["refused"][0]["table"] == "benchmark"


def test_files_are_written_in_batches_and_not_whole(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq
    from cityperf.publish import exports

    monkeypatch.setattr(exports, "BATCH", 10)
    monkeypatch.setattr(exports, "BLOCK", 1 << 10)
    many = [value("1.02", date(1990 + n // 12, n % 12 + 1, 1), str(n)) for n in range(35)]
    put_up(home, kpi_value=many)
    stored = pq.ParquetFile(home.releases / "current" / "SAMPLE_kpi_value.parquet")
    assert stored.metadata.num_row_groups > 3
    assert stored.metadata.num_rows == 35


@pytest.mark.fault
def test_a_full_disk_is_refused_before_a_byte_is_written(
    home: Settings, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    put_up(home)
    monkeypatch.setattr("cityperf.publish.exports.SPARE", 1 << 60)
    with pytest.raises(ExportFailed, match="MB free for the files of release 2, found"):
        put_up(home, marker=1)
    assert sorted(p.name for p in home.releases.iterdir()) == ["1", "current", "status"]
    assert query("select max(number) from publish.release") == [(1,)]
    monkeypatch.undo()
    assert publish.release(home, NIGHT).number == 2


# -- looking back
# ---------------------------------------------------------------------------------------------
@pytest.fixture
def landed(home: Settings) -> Settings:
    """A landed feed file with its raw rows, and a release made of it."""
    import hashlib

    body = b'{"measures": []}'
    sha = hashlib.sha256(body).hexdigest()
    path = path_of(home, sha)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    with connect(home, "loader") as connection:
        row = connection.execute(
            "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) values "
            "('dashboard_measures', 'tpp_measures.json', %s, %s, "
            "'https://www.toronto.ca/app_content/tpp_measures', "
            "%s, '2024-03-15 02:00+00') returning file_id",
            (sha, len(body), NIGHT),
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into ops.cursor (dataset, name, file_id, night) values ('dashboard_measures', "
            "'tpp_measures.json', %s, %s)",
            (row[0], NIGHT),
        )
        connection.execute(
            "create table raw.dashboard_measures (measure_id text, year text, period text, value text, "
            "_file_id bigint, "
            "_row bigint)"
        )
        connection.execute(
            "insert into raw.dashboard_measures values ('1.02', '2024', '1', '0.06884', %(f)s, 41), "
            "('1.02', '2023', '12', '0.06918', %(f)s, 40), ('1.1', '2024', '1', '137.45', %(f)s, 50)",
            {"f": row[0]},
        )
    put_up(home)
    return home


def test_a_figure_is_traced_to_its_row_and_to_the_bytes_of_its_file(landed: Settings) -> None:
    found = trace(landed, "1.02", verify=True)
    assert found.release["number"] == 1
    assert found.figure["value"] == Decimal("0.06884")
    [file] = found.files
    assert (file.rows, file.first_row, file.table) == (1, 41, "raw.dashboard_measures")
    assert file.intact is True
    assert file.url == "https://www.toronto.ca/app_content/tpp_measures"


def test_an_id_that_lost_its_zero_in_the_feed_is_found_all_the_same(landed: Settings) -> None:
    [file] = trace(landed, "1.10").files
    assert (file.rows, file.first_row) == (1, 50)


def test_a_landed_file_that_changed_is_told(landed: Settings) -> None:
    path = Path(str(trace(landed, "1.02").files[0].path))
    path.write_bytes(b"something else")
    assert trace(landed, "1.02", verify=True).files[0].intact is False
    path.unlink()
    assert trace(landed, "1.02", verify=True).files[0].intact is False


def test_a_figure_that_is_not_published_is_an_error_with_a_hint(landed: Settings) -> None:
    with pytest.raises(NotPublished, match=r"found '1\.1'; near it: 1\.10"):
        trace(landed, "1.1")
    with pytest.raises(NotPublished, match="for the period that starts on 1999-01-01"):
        trace(landed, "1.02", period=date(1999, 1, 1))


def test_the_release_lists_the_files_it_was_made_of(landed: Settings, query: Query) -> None:
    assert query("select count(*) from ops.release_input where number = 1") == [(1,)]
    package = json.loads((landed.releases / "current" / "datapackage.json").read_text())
    assert package["sources"] == [
        {
            "title": "Toronto dashboard measures",
            "path": "https://www.toronto.ca/app_content/tpp_measures",
            "dataset": "dashboard_measures",
            "files": 1,
        }
    ]


@pytest.fixture
def command(landed: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command line in this process; returns click's result."""
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: landed))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, list(arguments))

    return run


def test_every_listing_takes_json(command: Callable[..., Any], landed: Settings) -> None:
    kpis = json.loads(command("kpi", "list", "--json").output)
    assert [k["kpi_id"] for k in kpis] == ["1.02", "1.10", "2.05"]
    assert json.loads(command("release", "list", "--json").output)[0]["state"] == "released"
    shown = json.loads(command("kpi", "show", "2.05", "--json").output)
    assert shown["comparisons"][0]["status"] == "favourable"
    walked = json.loads(command("kpi", "trace", "1.02", "--verify", "--json").output)
    assert walked["files"][0]["intact"] is True
    assert len(json.loads(command("release", "show", "1", "--json").output)["files"]) == len(
        files_of(landed.releases / "1")
    )


def test_people_read_status_as_a_word_beside_a_sign_and_that_it_is_a_sample(
    command: Callable[..., Any],
) -> None:
    listed = command("kpi", "list").output
    assert "favourable" in listed and "✔" in listed
    for output in (
        listed,
        command("kpi", "show", "1.02").output,
        command("kpi", "trace", "1.02").output,
        command("release", "show", "1").output,
    ):
        assert "SAMPLE - invented figures" in output
    assert "tpp_measures.json" in command("kpi", "trace", "1.02").output


def test_a_dimension_that_does_not_exist_is_answered_with_those_that_do(command: Callable[..., Any]) -> None:
    answer = command("kpi", "list", "--dimension", "weather")
    assert answer.exit_code == 2
    assert "expected one of service_delivery" in answer.output


def test_one_digest_a_night_and_steward(landed: Settings) -> None:
    for number in range(5):
        put_check(landed, replace(failed_check("warn", "warn"), suite=f"s{number}"))
    first = digest(landed, NIGHT)
    assert [p.name for p in first] == ["performance-office.txt"]
    text = first[0].read_text()
    assert "and 2 more of this check" in text and "Release 1 is up." in text
    assert digest(landed, NIGHT) == first
    assert sorted(p.name for p in first[0].parent.iterdir()) == [
        "performance-office.html",
        "performance-office.txt",
    ]
