"""The template of a workbook: made from its contracts, hard to get wrong, the same bytes every time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest
from cityperf.handin import UnknownWorkbook, Workbook, division_key, workbook_named, workbook_of
from cityperf.handin.template import column_letter, template
from cityperf.sources import load_contracts
from openpyxl.workbook import Workbook as Book

from tests.handins import registers


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> Workbook:
    return registers(tmp_path_factory.mktemp("contracts"))


@pytest.fixture(scope="module")
def book(workbook: Workbook) -> Book:
    return openpyxl.load_workbook(io.BytesIO(template(workbook)))


def test_the_same_contract_gives_the_same_bytes(workbook: Workbook) -> None:
    assert template(workbook) == template(workbook)


def test_a_workbook_explains_itself_in_both_languages_and_has_a_sheet_a_register(book: Book) -> None:
    assert book.sheetnames == ["Instructions", "Mode d'emploi", "Milestones", "Risks", "Lists"]
    english = " ".join(str(cell.value) for row in book["Instructions"] for cell in row if cell.value)
    french = " ".join(str(cell.value) for row in book["Mode d'emploi"] for cell in row if cell.value)
    assert "By day 15 of January, April, July and October" in english
    assert "“Finished” is not before “Start”." in english
    assert "never moves back along Planned → Underway → Completed" in english
    assert "trial_projects_transportation-services_2026-12-31.xlsx" in english
    assert "Au plus tard le 15 des mois suivants : janvier, avril, juillet et octobre" in french
    assert "« Finished » n'est pas antérieure à « Début »." in french
    assert "Où il en est" in french
    assert "pourcentage, écrit 90 et non 0,9" in french
    assert book.properties.language == "en-CA, fr-CA"
    assert book.properties.title == "Milestones, Risks"


def test_only_entries_can_be_changed_and_nothing_is_merged_or_hidden(book: Book) -> None:
    sheet = book["Milestones"]
    assert [sheet[f"A{row}"].value for row in range(1, 7)] == [
        "Milestones", "Division", "Reflects progress up to", "Template", None, "Milestone ID",
    ]  # fmt: skip
    assert sheet["B4"].value == "trial_projects v1"
    assert sheet.freeze_panes == "B7"
    assert sheet.protection.sheet
    assert not sheet.protection.password
    locked = {cell: sheet[cell].protection.locked for cell in ("A1", "B2", "B3", "B4", "A6", "C5")}
    assert locked == {"A1": True, "B2": False, "B3": False, "B4": True, "A6": True, "C5": True}
    columns = sheet.column_dimensions.values()
    assert not any(each.protection.locked for each in columns)
    assert sum(each.max - each.min + 1 for each in columns) == 8
    for page in book:
        assert not page.merged_cells.ranges
        assert page.sheet_state == "visible"
        assert not any(
            each.hidden for each in (*page.row_dimensions.values(), *page.column_dimensions.values())
        )


def test_the_table_has_a_name_and_cells_say_and_check_what_is_entered(book: Book) -> None:
    sheet = book["Milestones"]
    assert sheet.tables["trial_milestones_table"].ref == "A6:H1006"
    checks = {str(each.sqref): each for each in sheet.data_validations.dataValidation}
    status = checks["B7:B20001"]
    assert status.type == "list"
    lists, cells = str(status.formula1).lstrip("=").split("!")
    column = [cell.value for (cell,) in book[lists][cells.replace("$", "")]]
    assert column == ["Planned", "Underway", "Completed", "Cancelled"]
    assert status.prompt == "How far it is\nOù il en est\nExample / Exemple : Underway"
    assert checks["C7:C20001"].type == "date"
    assert (checks["E7:E20001"].formula1, checks["E7:E20001"].formula2) == ("0.0", "100.0")
    assert checks["H7:H20001"].type == "whole"
    divisions = str(checks["B2"].formula1).split("!")[1].replace("$", "")
    assert [cell.value for (cell,) in book[lists][divisions]] == [
        "Transportation Services", "Parks, Forestry & Recreation",
    ]  # fmt: skip
    assert "Statut : Où il en est" in sheet["B6"].comment.text
    assert all(each.width >= 14 for each in sheet.column_dimensions.values())


def test_a_template_for_one_division_has_its_name(workbook: Workbook) -> None:
    made = openpyxl.load_workbook(io.BytesIO(template(workbook, "Parks, Forestry & Recreation")))
    assert made["Risks"]["B2"].value == "Parks, Forestry & Recreation"
    name = "trial_projects_parks-forestry-and-recreation_2026-12-31.xlsx"
    assert workbook.division_of(name) == "Parks, Forestry & Recreation"


def test_a_template_has_no_date_and_no_machine_in_it(workbook: Workbook) -> None:
    with zipfile.ZipFile(io.BytesIO(template(workbook))) as parts:
        assert {item.date_time for item in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2000-01-01T00:00:00Z" in parts.read("docProps/core.xml")


def test_every_register_of_the_project_has_a_template() -> None:
    contracts = load_contracts()
    handed_in = [each for each in contracts.values() if each.register]
    assert handed_in
    for contract in handed_in:
        workbook = workbook_of(contract)
        assert workbook == workbook_named(contract.dataset)
    assert workbook_named("milestones").sheets[0].dataset == "projects"  # what the other sheets refer to
    for folder in {str(each.extract.arguments["folder"]) for each in handed_in}:
        workbook = workbook_named(folder)
        made = openpyxl.load_workbook(io.BytesIO(template(workbook, rows=5)))
        assert len(made.sheetnames) == len(workbook.sheets) + 3


def test_a_name_that_nobody_hands_in_is_answered_with_those_that_are() -> None:
    with pytest.raises(UnknownWorkbook, match=r"found 'ttc_bus_delays'; there are .*commitments"):
        workbook_named("ttc_bus_delays")


def test_file_names_spell_divisions_alike() -> None:
    assert division_key("Parks, Forestry & Recreation") == "parks-forestry-and-recreation"
    assert [column_letter(n) for n in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_contracts_of_a_workbook_are_found_beside_each_other(tmp_path: Path) -> None:
    workbook = registers(tmp_path / "transport")
    assert [each.dataset for each in workbook_of(workbook.sheets[1]).sheets] == [
        "trial_milestones",
        "trial_risks",
    ]
