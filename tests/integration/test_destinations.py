"""What a release's folder offers beside CSV, Parquet and JSON, and that a night writes only what changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf import publish
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.publish import ckan, exports, metadata, workbook
from cityperf.publish.dictionary import read_dictionary
from cityperf.publish.release import export_candidate
from cityperf.publish.tables import tables
from cityperf.publish.verify import verify
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.candidate import manifest, write_manifest
from tests.integration.trust import figure, night, put_up

Query = Callable[..., list[tuple[Any, ...]]]
JAN, FEB = date(2024, 1, 1), date(2024, 2, 1)


@pytest.fixture(scope="module")
def home(warehouse: Settings) -> Iterator[Settings]:
    """Two releases, shared by the module; the second restates a figure and adds one, and changes nothing else."""
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    put_up(warehouse, kpi_value=[figure("1.02", JAN, "1")])
    put_up(warehouse, 1, kpi_value=[figure("1.02", JAN, "2", 1), figure("1.02", FEB, "3", 1)])
    yield warehouse
    empty_warehouse(warehouse)


def sheet(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path)


def text_of(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


@pytest.mark.fault
def test_cells_that_start_like_a_formula_are_text_and_numbers_are_numbers(home: Settings) -> None:
    book = sheet(home.releases / "1" / "SAMPLE_commitment.xlsx")
    data = book["commitment"]
    head = [cell.value for cell in data[1]]
    first = dict(zip(head, data[2], strict=True))
    assert (first["goal"].value, first["goal"].data_type, first["goal"].quotePrefix) == ("=1+1", "s", True)
    assert (first["comment"].value, first["comment"].quotePrefix) == ("@home", True)
    assert {cell.data_type for row in data.iter_rows() for cell in row} <= {
        "s",
        "n",
        "b",
        "d",
    }  # f: a formula
    assert data.freeze_panes == "A2"
    about = [[cell.value for cell in row] for row in book["About"].iter_rows()]
    assert ["", "SAMPLE - invented figures"] in about or [None, "SAMPLE - invented figures"] in about
    assert any(row[0] == "licence" and "Creative Commons Zero" in row[1] for row in about)
    assert {row[0] for row in about} >= set(head)


@pytest.mark.parametrize("count", [5, workbook.SMALL + 1], ids=["in memory", "by disk"])
def test_a_sheet_holds_typed_values_and_equal_rows_give_equal_bytes(tmp_path: Path, count: int) -> None:
    row = [
        -5,
        Decimal("-0.05"),
        date(2024, 1, 1),
        datetime(2024, 1, 1, 12),
        True,
        "-5",
        "\t=x",
        "é\x01",
        None,
    ]
    about = workbook.About("t", "Title", [("rows", "1")], {f"c{n}": "means" for n in range(len(row))})
    made = []
    for attempt in ("a", "b"):
        path = tmp_path / f"{attempt}.xlsx"
        with path.open("wb") as handle:
            workbook.write(handle, about, [row], count, tmp_path)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    cells = sheet(tmp_path / "a.xlsx")["t"][2]
    assert [cell.value for cell in cells[:6]] == [
        -5,
        -0.05,
        datetime(2024, 1, 1),
        datetime(2024, 1, 1, 12),
        True,
        "-5",
    ]
    assert [cell.data_type for cell in cells[:7]] == ["n", "n", "d", "d", "b", "s", "s"]
    assert cells[8].value is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.xlsx",
        "b.xlsx",
    ]  # nothing left of the packing


def test_a_table_too_long_for_a_sheet_says_so_and_is_left_to_csv(
    home: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(workbook, "SHEET_ROWS", 2)
    publish.export(home, 2, tmp_path)
    book = sheet(tmp_path / "SAMPLE_kpi.xlsx")
    assert book.sheetnames == ["About"]
    said = " ".join(str(cell.value) for row in book["About"].iter_rows() for cell in row)
    assert "room for 1 rows. They are in SAMPLE_kpi.csv" in said


def test_a_night_takes_over_the_files_of_what_did_not_change_and_writes_the_rest(home: Settings) -> None:
    first, second = home.releases / "1", home.releases / "2"
    same = {path.name for path in second.iterdir() if path.stat().st_ino == (first / path.name).stat().st_ino}
    assert {"SAMPLE_kpi.csv", "SAMPLE_kpi.xlsx", "SAMPLE_benchmark.parquet"} <= same
    rewritten = {path.name for path in second.iterdir()} - same
    assert {
        "SAMPLE_kpi_value.csv",
        "SAMPLE_kpi_value.parquet",
        "SAMPLE_release.csv",
        "datapackage.json",
    } <= rewritten
    assert not any("kpi_value" in name or "SAMPLE_release." in name for name in same)
    assert all(each.ok for each in verify(home))


@pytest.mark.fault
def test_a_file_that_was_altered_since_is_not_taken_over(home: Settings, query: Query) -> None:
    victim = home.releases / "2" / "SAMPLE_kpi.csv"
    kept = victim.read_bytes()
    victim.unlink()  # releases 1 and 2 share it: only this one is to be altered
    victim.write_bytes(kept + b"x")
    try:
        with connect(home, "publisher") as connection:
            live = tables(connection, "publish")
        dictionary = read_dictionary(manifest(), load_contracts(), "sample")
        folder = export_candidate(home, night(2), 3, live, dictionary, up=2)
        assert (folder / "SAMPLE_kpi.csv").read_bytes() == kept
        linked = (folder / "SAMPLE_kpi.xlsx").stat().st_ino
        assert linked == (home.releases / "2" / "SAMPLE_kpi.xlsx").stat().st_ino
        # An exposure that says something else of a table has its files written anew.
        other = replace(dictionary, allowed={**dictionary.allowed})
        other.allowed["kpi"] = replace(dictionary.allowed["kpi"], title="Other")
        folder = export_candidate(home, night(2), 3, live, other, up=2)
        assert (folder / "SAMPLE_kpi.xlsx").stat().st_ino != linked
    finally:
        victim.write_bytes(kept)


def test_each_table_says_when_it_last_changed_and_what_was_restated(home: Settings) -> None:
    folder = home.releases / "2"
    log = text_of(folder, "SAMPLE_changelog.json")["tables"]
    assert [each["release"] for each in log["kpi_value"]["changes"]] == [2, 1]
    assert log["kpi_value"]["last_updated"] == night(1).isoformat()
    assert (log["kpi"]["last_updated"], len(log["kpi"]["changes"])) == (night().isoformat(), 1)
    resources = {each["name"]: each for each in text_of(folder, "datapackage.json")["resources"]}
    assert resources["kpi"]["last_updated"] == night().isoformat()
    assert resources["kpi-value"]["last_updated"] == night(1).isoformat()


def test_dcat_and_csvw_describe_every_file_as_it_is(home: Settings) -> None:
    folder = home.releases / "2"
    catalogue = text_of(folder, "dcat.jsonld")
    allowed = read_dictionary(manifest(), load_contracts(), "sample").allowed
    sets = {each["dct:identifier"]: each for each in catalogue["dcat:dataset"]}
    assert set(sets) == set(allowed)
    for name, each in sets.items():
        assert len(each["dcat:distribution"]) == len(allowed[name].formats)
        assert each["dcat:contactPoint"]["vcard:hasEmail"]["@id"] == f"mailto:{allowed[name].email}"
        for file in each["dcat:distribution"]:
            path = folder / file["dcat:downloadURL"]["@id"]
            assert int(file["dcat:byteSize"]["@value"]) == path.stat().st_size
            assert file["spdx:checksum"]["spdx:checksumValue"]["@value"] == exports.file_sha256(path)
            assert file["dct:license"]["@id"] == "https://creativecommons.org/publicdomain/zero/1.0/"
    group = text_of(folder, "csv-metadata.json")
    assert len(group["tables"]) == len(allowed)
    for each in group["tables"]:
        header = (folder / each["url"]).read_text().splitlines()[0]
        columns = each["tableSchema"]["columns"]
        assert ",".join(column["titles"] for column in columns) == header
        assert set(each["tableSchema"]["primaryKey"]) <= {c["name"] for c in columns if c.get("required")}


def problems_by_shacl(catalogue: str) -> set[tuple[str, str]]:
    """What pySHACL finds in a DCAT catalogue: (property, constraint), without their prefixes."""
    import pyshacl
    import rdflib

    graph = rdflib.Graph().parse(
        data=catalogue, format="json-ld", publicID="https://city.example/releases/2/"
    )
    shapes = rdflib.Graph().parse(Path(__file__).with_name("dcat_ap.ttl"))
    _, report, _ = pyshacl.validate(graph, shacl_graph=shapes)
    found = report.query(
        "prefix sh: <http://www.w3.org/ns/shacl#> select distinct ?path ?constraint where "
        "{ ?each sh:resultPath ?path; sh:sourceConstraintComponent ?constraint }"
    )
    return {tuple(re.split("[/#]", str(term))[-1] for term in row) for row in found}  # type: ignore[misc]


def test_the_catalogue_is_dcat_ap_by_shacl(home: Settings) -> None:
    said = (home.releases / "2" / "dcat.jsonld").read_text()
    assert problems_by_shacl(said) == set()


def test_a_table_under_two_licences_names_the_document_that_has_both(home: Settings) -> None:
    allowed = read_dictionary(manifest(), load_contracts(), "sample").allowed
    two = {"kpi": replace(allowed["kpi"], licences=("CC0-1.0", "OGL-Toronto"))}
    resources = text_of(home.releases / "2", "datapackage.json")["resources"]
    files = [{**each, "table": "kpi"} for each in resources if each["name"].split("-")[0] == "kpi"]
    said = metadata.dcat(files, two, {"kpi": night()}, "Title", "Text", night())
    assert problems_by_shacl(said) == set()
    assert '"LICENCE.md"' in said and (home.releases / "2" / "LICENCE.md").exists()


@pytest.mark.fault
def test_the_shapes_find_what_is_lacking_or_mixed_up(home: Settings) -> None:
    one = {"kpi": read_dictionary(manifest(), load_contracts(), "sample").allowed["kpi"]}
    [file] = [e for e in text_of(home.releases / "2", "datapackage.json")["resources"] if e["name"] == "kpi"]
    said = metadata.dcat([{**file, "table": "kpi"}], one, {"kpi": night()}, "Title", "Text", night())
    for spoiled, found in {
        said.replace('"dct:license"', '"dct:licence"'): ("license", "MinCountConstraintComponent"),
        said.replace("#distribution-kpi", "#dataset-kpi"): ("title", "UniqueLangConstraintComponent"),
        re.sub('"[0-9a-f]{64}"', '"ab"', said): ("checksumValue", "PatternConstraintComponent"),
    }.items():
        assert found in problems_by_shacl(spoiled)


def problems_by_csvw(folder: Path) -> list[str]:
    """What the package csvw finds in the metadata and in every row and cell of the CSV files that they describe."""
    from csvw import CSVW

    checked = CSVW(str(folder / metadata.CSVW), validate=True)
    try:
        return [] if checked.is_valid else [str(each.message) for each in checked.warnings] or ["not valid"]
    except ValueError as problem:  # a key that is there twice
        return [str(problem)]


def test_every_csv_file_is_as_its_csvw_says(home: Settings, tmp_path: Path) -> None:
    assert problems_by_csvw(home.releases / "2") == []
    group = text_of(home.releases / "2", metadata.CSVW)
    [values] = [each for each in group["tables"] if each["url"] == "SAMPLE_kpi_value.csv"]
    text = (home.releases / "2" / values["url"]).read_bytes().decode()
    (tmp_path / metadata.CSVW).write_text(json.dumps({**group, "tables": [values]}))
    for spoiled in (text.replace("2024-01-01", "2024-13-01"), text + text.splitlines(True)[-1]):
        (tmp_path / values["url"]).write_bytes(spoiled.encode())
        assert problems_by_csvw(tmp_path)  # no date; one key twice


def test_evidence_is_counted_from_the_releases_own_tables(home: Settings, tmp_path: Path) -> None:
    said = text_of(home.releases / "2", "SAMPLE_evidence.json")["criteria"]
    assert list(said) == ["inventory", "quality", "privacy", "disaggregated", "service", "progress"]
    assert all(each["statements"] for each in said.values())
    progress = {each["text"]: each for each in said["progress"]["statements"]}
    walked = next(each for text, each in progress.items() if "walked back" in text)
    assert (walked["part"], walked["whole"], walked["share"]) == (1, 1, 1.0)
    checks = next(
        each for each in said["quality"]["statements"] if "checks" in each["text"] and each["whole"]
    )
    assert checks["tables"] == ["data_quality"]
    with connect(home, "publisher") as connection:
        [divisions] = connection.execute(
            "select count(distinct division_code) from publish.organisation where kind = 'division' "
            "and is_current_name"
        ).fetchall()
    covered = said["inventory"]["statements"][0]
    assert "current divisions" in covered["text"] and covered["whole"] == divisions[0]
    publish.export(home, 2, tmp_path)
    for name in ("SAMPLE_evidence.json", "SAMPLE_evidence.md", "SAMPLE_kpi.xlsx", "dcat.jsonld"):
        assert (tmp_path / name).read_bytes() == (home.releases / "2" / name).read_bytes()


@pytest.mark.fault
@pytest.mark.parametrize(
    "name",
    ["SAMPLE_kpi.xlsx", "dcat.jsonld", "csv-metadata.json", "SAMPLE_changelog.json", "SAMPLE_evidence.md"],
)
def test_one_altered_byte_in_any_of_them_is_found(home: Settings, name: str) -> None:
    path = home.releases / "2" / name
    kept = path.read_bytes()
    path.write_bytes(kept[:-20] + bytes([kept[-20] ^ 1]) + kept[-19:])
    try:
        assert f"file {name}" in [each.node for each in verify(home, 2)[0].findings]
    finally:
        path.write_bytes(kept)


def test_invented_figures_go_to_no_portal_and_none_is_configured(home: Settings) -> None:
    assert ckan.read_destinations() == []
    place = ckan.Ckan(
        name="city",
        base_url="https://ckan.city.example",
        package="kpis",
        organization="office",
        connection="city_ckan",
    )
    with pytest.raises(ckan.NotPushed, match="expected the profile live, found sample"):
        ckan.push(home, place)
