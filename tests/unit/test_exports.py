"""What export files say, and what becomes of cells that a spreadsheet would run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cityperf.publish import exports, workbook
from cityperf.publish.dictionary import Allowed, Dictionary
from cityperf.publish.exports import FORMULA, NUMBER, Notice, Origin
from cityperf.publish.tables import Column, Table
from python_calamine import CalamineWorkbook

NIGHT = date(2024, 3, 15)
ALLOWED = Allowed(
    "kpi",
    "KPI registry",
    "Registry | of KPIs.",
    {"kpi_id": "Identifier.", "at": "When."},
    frozenset({"budget"}),
)
TABLE = Table(
    "publish",
    "kpi",
    (
        Column("kpi_id", "text", False),
        Column("at", "timestamp with time zone", True),
        Column("hidden", "text", True),
    ),
    ("kpi_id",),
)
ORIGINS = (
    Origin("budget", "Operating budget", "https://example.org/budget.csv", "OGL-Toronto", 3),
    Origin("elsewhere", "Not behind this release", "https://example.org/x", "BoC-Terms", 1),
)


def notice(profile: str = "live") -> Notice:
    return Notice(7, NIGHT, profile, ORIGINS)


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd", "-5 degrees", "@home", "\tx", "\rx", "-", "+", "--1", "-1-1", "=", "-1 2"]
)
def test_text_that_a_spreadsheet_would_run_is_recognised(text: str) -> None:
    assert text.startswith(FORMULA)
    assert not re.fullmatch(NUMBER.strip("^$"), text)


@pytest.mark.parametrize("text", ["-5", "-0.05", "+3", "-1.5e-7", "-.5", "-5.", "+1E6"])
def test_numbers_with_a_sign_are_numbers(text: str) -> None:
    assert re.fullmatch(NUMBER.strip("^$"), text)


@pytest.mark.parametrize("text", ["plain", " =1", "5-3", "a@b", "", "é", "'=1"])
def test_other_text_is_left_alone(text: str) -> None:
    assert not text.startswith(FORMULA)


def test_only_text_columns_are_neutralised() -> None:
    assert "case when" in exports._csv_column(Column("a", "text", True), "t").as_string(None)
    for type_ in ("numeric", "integer", "date", "boolean"):
        assert "case when" not in exports._csv_column(Column("a", type_, True), "t").as_string(None)


def test_columns_that_are_not_allowed_do_not_reach_a_file() -> None:
    assert [c.name for c in exports._allowed_columns(TABLE, ALLOWED).columns] == ["kpi_id", "at"]


def test_an_allowed_column_that_is_not_there_is_an_error() -> None:
    more = Allowed("kpi", "t", "d", {"kpi_id": "x", "gone": "y"}, frozenset())
    with pytest.raises(exports.ExportFailed, match="found no gone"):
        exports._allowed_columns(TABLE, more)


def test_the_sample_says_so_in_title_readme_and_licence() -> None:
    dictionary = Dictionary({"kpi": replace(ALLOWED, licences=("CC0-1.0",))})
    package = json.loads(exports._descriptor([], dictionary, notice("sample")))
    assert package["title"].startswith("SAMPLE - invented figures")
    assert package["sample"] is True
    assert [licence["name"] for licence in package["licenses"]] == ["CC0-1.0"]
    assert "SAMPLE - invented figures" in exports._readme([], dictionary, notice("sample"))
    for text in (exports._descriptor([], dictionary, notice()), exports._readme([], dictionary, notice())):
        assert "SAMPLE" not in text


def test_the_descriptor_names_licences_and_sources_of_what_is_in_it_and_no_others() -> None:
    package = json.loads(exports._descriptor([], Dictionary({"kpi": ALLOWED}), notice()))
    assert [licence["name"] for licence in package["licenses"]] == ["OGL-Toronto"]
    assert [source["path"] for source in package["sources"]] == ["https://example.org/budget.csv"]
    assert package["version"] == "7"


def test_what_was_refused_is_listed_by_name_with_the_reason() -> None:
    dictionary = Dictionary({"kpi": ALLOWED}, {"benchmark": ("mbncanada_results",)})
    package = json.loads(exports._descriptor([], dictionary, notice("replay")))
    assert package["refused"][0]["table"] == "benchmark"
    assert "mbncanada_results, which carries no licence" in package["refused"][0]["reason"]
    assert "`benchmark`: built from mbncanada_results" in exports._readme([], dictionary, notice("replay"))


def test_field_types_are_those_of_table_schema() -> None:
    fields = {
        type_: exports._field(Column("at", type_, True), ALLOWED, TABLE)["type"]
        for type_ in (
            "text",
            "integer",
            "numeric",
            "date",
            "boolean",
            "timestamp with time zone",
            "text[]",
            "jsonb",
        )
    }
    assert list(fields.values()) == [
        "string",
        "integer",
        "number",
        "date",
        "boolean",
        "datetime",
        "array",
        "string",
    ]


def test_key_columns_are_required() -> None:
    assert exports._field(Column("kpi_id", "text", True), ALLOWED, TABLE)["constraints"] == {"required": True}
    assert "constraints" not in exports._field(Column("at", "date", True), ALLOWED, TABLE)


def test_every_licence_in_use_is_spelled_out() -> None:
    from cityperf.sources import load_contracts

    used = {contract.licence for contract in load_contracts().values() if contract.licence}
    assert used <= set(exports.LICENCES)
    for title, path, credit in exports.LICENCES.values():
        assert title and path.startswith("https://") and credit.endswith(".")


def test_nothing_in_a_release_tells_the_time_it_was_written() -> None:
    dictionary = Dictionary({"kpi": ALLOWED})
    first = [f([], dictionary, notice()) for f in (exports._descriptor, exports._readme)]
    second = [f([], dictionary, notice()) for f in (exports._descriptor, exports._readme)]
    assert first == second
    assert not any(str(date.today().year) in text for text in first)


def test_a_text_longer_than_a_cell_is_cut_and_says_so(tmp_path: Path) -> None:
    """No boundary of the City's own files is that long once its corners lie on the grid; a workbook opens all the same."""
    texts = ["short", "x" * workbook.CELL, "x" * (workbook.CELL + 1)]
    about = workbook.About("geography", "Areas", (), {"boundary": "Its shape."})
    file = tmp_path / "areas.xlsx"
    with file.open("wb") as handle:
        workbook.write(handle, about, ((text,) for text in texts), len(texts), tmp_path)
    found = [
        str(row[0])
        for row in CalamineWorkbook.from_path(str(file)).get_sheet_by_name("geography").to_python()
    ]
    assert found[1:3] == texts[:2]
    assert len(found[3]) == workbook.CELL and found[3].endswith("…")
