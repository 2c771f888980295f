"""Ways to spoil a hand-in: each is told with sheet, cell and what to do, and none changes what stood before."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from cityperf.config import Settings
from cityperf.errors import FileQuarantined
from cityperf.extract import extract
from cityperf.handin import workbook_of
from cityperf.handin.inspect import inspect
from cityperf.handin.template import template
from cityperf.load import load_file, rebuild
from cityperf.sources import Contract, read_contract
from openpyxl.styles import PatternFill
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.table import Table

from tests.conftest import empty_warehouse
from tests.integration.publisher import open_gate

Query = Callable[..., list[tuple[Any, ...]]]
NIGHT = date(2026, 7, 20)
SPRING, SUMMER = date(2026, 3, 31), date(2026, 6, 30)
DIVISION = "Transportation Services"
NAME = "projects_transportation-services_{}.xlsx"
HEADER_LINE, ROWS = 6, 24
COMMON = """
owner: {{division: Corporate Strategy, steward: Strategic Initiatives}}
licence: OGL-Toronto
privacy: {{class: public}}
tier: 2
extract:
  connector: drop_folder
  folder: projects
  match: '(?i)^projects_(?P<division_key>[a-z0-9-]+)_(?P<as_of>\\d{{4}}-\\d{{2}}-\\d{{2}})\\.xlsx$'
  read: {{format: xlsx, sheets: [{sheet}]}}
schedule: {{refresh: quarterly, warn_after: 100 days, fail_after: 200 days}}
drift: {{new_column: warn, missing_column: quarantine_file, type_error: quarantine_row, unknown_sheet: accept}}
"""
ABOVE = """
columns:
  - {name: division, above: Division, type: text, required: true}
  - {name: as_of, above: Reflects progress up to, type: date, required: true}
  - {name: template, above: Template, type: text}
"""
PROJECTS = (
    """
dataset: projects
title: Projects
description: Projects of a division.
keys: [division, project_id]
register:
  version: 2
  title: {en: Projects, fr: Projets}
  due: {months: [1, 4, 7, 10], day: 15}
  divisions: [Transportation Services, "Children's Services", 'Environment, Climate & Forestry']
"""
    + COMMON.format(sheet="Projects")
    + ABOVE
    + """
  - {name: project_id, header: [Project ID], type: text, required: true}
  - {name: project, header: [Project], type: text, required: true}
"""
)
MILESTONES = (
    """
dataset: milestones
title: Milestones
description: Milestones of a division's projects.
keys: [division, milestone_id]
register:
  version: 2
  title: {en: Milestones, fr: Jalons}
  due: {months: [1, 4, 7, 10], day: 15}
  divisions: [Transportation Services, "Children's Services", 'Environment, Climate & Forestry']
  status: {column: status, forward: [Planned, Underway, Completed]}
  rules:
    - {column: actual_date, not_before: start_date}
    - {column: actual_date, not_after: as_of}
    - {column: realised, at_most: planned}
    - {column: answered_on, needs: received_on}
  links: [{column: project_id, to: projects.project_id}]
"""
    + COMMON.format(sheet="Milestones")
    + ABOVE
    + """
  - {name: milestone_id, header: [Milestone ID], type: text, required: true}
  - {name: project_id, header: [Project ID], type: text, required: true}
  - {name: milestone, header: [Milestone], type: text, required: true}
  - {name: start_date, header: [Start date], type: date, required: true}
  - {name: actual_date, header: [Actual date], type: date}
  - {name: status, header: [Status, Statut], type: text, required: true, allowed: [Planned, Underway, Completed, Deferred]}
  - {name: share, header: [Share done], type: percent, min: 0, max: 100}
  - {name: planned, header: [Savings planned], type: money, min: 0}
  - {name: realised, header: [Savings realised], type: money}
  - {name: weight, header: [Weight], type: integer, min: 1, max: 5}
  - {name: received_on, header: [Received on], type: date}
  - {name: answered_on, header: [Answered on], type: date}
"""
)
HEADERS = ("Milestone ID", "Project ID", "Milestone", "Start date", "Actual date", "Status", "Share done",
           "Savings planned", "Savings realised", "Weight", "Received on", "Answered on")  # fmt: skip


# -- a good workbook -----------------------------------------------------------------------------------------
def good(as_of: date = SUMMER) -> openpyxl.Workbook:
    """Projects and milestones of a division: header in line 6, rows in lines 7 to 30, M-001 to M-024."""
    book = openpyxl.Workbook()
    projects, milestones = book.active, book.create_sheet("Milestones")
    projects.title = "Projects"
    for sheet in (projects, milestones):
        for cell, value in (
            ("A1", sheet.title), ("A2", "Division"), ("B2", DIVISION), ("A3", "Reflects progress up to"),
            ("B3", as_of), ("A4", "Template"), ("B4", "projects v2"),
        ):  # fmt: skip
            sheet[cell] = value
    table(projects, ("Project ID", "Project"), [(f"P-{n:02d}", f"Project {n}") for n in range(1, 9)])
    done = "Underway" if as_of == SPRING else "Completed"
    table(milestones, HEADERS, [
        (f"M-{n:03d}", f"P-{n % 8 + 1:02d}", f"Milestone {n}", date(2026, 1, n), date(2026, 3, n),
         done if n % 2 else "Underway", 90, 1000.5, 900, n % 5 + 1, date(2026, 2, n), date(2026, 2, n))
        for n in range(1, ROWS + 1)
    ])  # fmt: skip
    return book


def table(sheet: Any, headers: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    for column, header in enumerate(headers, 1):
        sheet.cell(HEADER_LINE, column, header)
        for line, row in enumerate(rows, HEADER_LINE + 1):
            sheet.cell(line, column, row[column - 1])


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


# -- spoiling it ---------------------------------------------------------------------------------------------
Spoil = Callable[[Any], Any]  # of the milestones' sheet


def put(cell: str, value: Any, shown: str | None = None) -> Spoil:
    def spoil(sheet: Any) -> None:
        sheet[cell] = value
        if shown:
            sheet[cell].number_format = shown

    return spoil


def all_of(*spoils: Spoil) -> Spoil:
    def spoil(sheet: Any) -> None:
        for each in spoils:
            each(sheet)

    return spoil


def rename(title: str) -> Spoil:
    return lambda sheet: setattr(sheet, "title", title)


def twin(sheet: Any) -> None:
    sheet.parent.copy_worksheet(sheet).title = "Milestones (2)"


def with_totals(sheet: Any) -> None:
    sheet["A31"] = "Total"
    sheet.add_table(Table(displayName="milestones_table", ref="A6:L31", totalsRowCount=1))


def filtered(sheet: Any) -> None:
    sheet.auto_filter.ref = "A6:L30"
    sheet.auto_filter.add_filter_column(5, ["Completed"])


def hide_rows(sheet: Any) -> None:
    for line in (8, 9, 12):
        sheet.row_dimensions[line].hidden = True


def hide_sheet(sheet: Any) -> None:
    sheet.sheet_state = "hidden"


def many_wrong(sheet: Any) -> None:
    for line in range(7, 13):
        sheet[f"F{line}"] = "Nearly done"


def parts(change: Callable[[str, bytes], bytes | None], *more: tuple[str, bytes]) -> Callable[[bytes], bytes]:
    """Surgery on the archive: each part changed (None: left out), and parts added."""

    def spoil(content: bytes) -> bytes:
        out = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(content)) as old,
            zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                changed = change(name, old.read(name))
                if changed is not None:
                    new.writestr(name, changed)
            for name, text in more:
                new.writestr(name, text)
        return out.getvalue()

    return spoil


def in_sheet(pattern: str, replacement: str) -> Callable[[bytes], bytes]:
    """A change in the XML of the milestones' sheet."""

    def change(name: str, content: bytes) -> bytes:
        if name != "xl/worksheets/sheet2.xml":
            return content
        changed, count = re.subn(pattern.encode(), replacement.encode(), content, count=1, flags=re.DOTALL)
        assert count == 1, f"nothing matches {pattern}"
        return changed

    return parts(change)


def error(cell: str, text: str) -> Callable[[bytes], bytes]:
    return in_sheet(rf'<c r="{cell}"[^>]*>.*?</c>', f'<c r="{cell}" t="e"><f>A1/0</f><v>{text}</v></c>')


def macro_type(name: str, content: bytes) -> bytes:
    wanted = b"spreadsheetml.sheet.main", b"ms-excel.sheet.macroEnabled.main"
    return content.replace(b"vnd.openxmlformats-officedocument." + wanted[0], b"vnd." + wanted[1])


def same(_: str, content: bytes) -> bytes:
    return content


def old_office(stream: str) -> Callable[[bytes], bytes]:
    """A container of the old Office with one stream of this name: what a password makes of a workbook."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096)
    return lambda _: head + stream.encode("utf-16-le") + bytes(4096)


@dataclass(frozen=True)
class Bad:
    """`says`: pieces of what the clerk reads. `lines`: those held."""

    title: str
    says: tuple[str, ...]
    sheet: Spoil | None = None
    content: Callable[[bytes], bytes] | None = None
    lines: tuple[int, ...] = ()
    name: str = NAME.format(SUMMER)

    def spoiled(self) -> bytes:
        book = good()
        if self.sheet:
            self.sheet(book["Milestones"])
        content = saved(book)
        return self.content(content) if self.content else content


FILES = [
    Bad("password", ("a workbook with a password", "leave it blank"), content=old_office("EncryptedPackage")),
    Bad("xls", ("an old binary workbook (.xls)", "save it as Excel Workbook (.xlsx)"), content=old_office("Workbook")),
    Bad("macros", ("one with macros", "save it as Excel Workbook (.xlsx)"),
        content=parts(same, ("xl/vbaProject.bin", b"Sub"))),
    Bad("macro type", ("one with macros",), content=parts(macro_type)),
    Bad("xlsm", ("a file name like projects_DIVISION_YYYY-MM-DD.xlsx", ".xlsm'", "rename"),
        name=NAME.format(SUMMER).replace(".xlsx", ".xlsm")),
    Bad("name without a date", ("a file name like", "rename the file"), name="Milestones final v3.xlsx"),
    Bad("another division's name", ("'childrens-services'", "'Transportation Services'", "B2"),
        name=NAME.format(SUMMER).replace("transportation-services", "childrens-services")),
    Bad("another date in the name", ("2026-05-31", "2026-06-30", "B3"), name=NAME.format("2026-05-31")),
    Bad("CSV", ("is no workbook", "Milestone ID"), content=lambda _: b"Milestone ID,Project ID\n1,2\n"),
    Bad("PDF", ("a PDF", "hand in the workbook itself"), content=lambda _: b"%PDF-1.7\n"),
    Bad("HTML", ("an HTML page", "save it as Excel Workbook"), content=lambda _: b"<html><table></table></html>"),
    Bad("empty file", ("an empty file of 0 bytes",), content=lambda _: b""),
    Bad("cut off", ("a damaged one", "open it, save it"), content=lambda content: content[: len(content) // 2]),
    Bad("broken XML", ("a damaged one", "open it, save it"), content=in_sheet("</sheetData>", "</sheetDat")),
    Bad("a part is missing", ("a damaged one",),
        content=parts(lambda name, text: None if name.endswith("sheet2.xml") else text)),
    Bad("entities", ("entities", "open it, save it"),
        content=in_sheet("<worksheet", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet')),
    Bad("zip bomb", ("compressed at most",), content=parts(same, ("xl/media/image1.png", bytes(64 << 20)))),
    Bad("OpenDocument", ("an archive of another kind",),
        content=parts(lambda name, text: None if name.startswith("xl/") else text, ("content.xml", b"<x/>"))),
    Bad("xlsb", ("a binary one (.xlsb)",), content=parts(same, ("xl/workbook.bin", b"x"))),
    Bad("a cell far out", ("cells in a sheet", "clear the stray cell"), sheet=put("ZZZ900000", "x")),
    Bad("sheet renamed", ("sheet 'Feuil1'", "rename the sheet to 'Milestones'"), sheet=rename("Feuil1")),
    Bad("sheet deleted", ("a sheet named 'Milestones'", "'Projects'", "./cityperf template milestones"),
        sheet=lambda sheet: sheet.parent.remove(sheet)),
    Bad("two alike", ("'Milestones (2)'", "delete 'Milestones (2)'"), sheet=twin),
    Bad("header renamed", ("the column 'Status'", "row 6", "put the header back"), sheet=put("F6", "State")),
    Bad("column deleted", ("the column 'Actual date'", "row 6"), sheet=lambda sheet: sheet.delete_cols(5)),
    Bad("header twice", ("two", "'Status'", "row 6"), sheet=put("M6", "Status")),
    Bad("no header", ("a row with the column headers Milestone ID, Project ID", "put the header back"),
        sheet=lambda sheet: sheet.delete_rows(6)),
    Bad("merged cells", ("C9:C11", "unmerge them"), sheet=lambda sheet: sheet.merge_cells("C9:C11")),
    Bad("old template", ("B4", "projects v2", "'projects v1'", "./cityperf template milestones"),
        sheet=put("B4", "projects v1")),
    Bad("no template", ("B4", "an empty cell", "./cityperf template"), sheet=put("B4", None)),
    Bad("another workbook", ("one of 'engagement'", "drop it in the folder 'engagement'"), sheet=put("B4", "engagement v2")),
    Bad("no division", ("B2", "choose the division from the list"), sheet=put("B2", None)),
    Bad("unknown division", ("B2", "'Roads'", "Transportation Services"), sheet=put("B2", "Roads")),
    Bad("no date", ("B3", "type the date"), sheet=put("B3", None)),
    Bad("unclear date", ("B3", "may be 2026-06-03 or 2026-03-06"), sheet=put("B3", "03/06/2026")),
    Bad("a date to come", ("B3", "a day up to 2026-07-20", "2026-09-30"), sheet=put("B3", date(2026, 9, 30)),
        name=NAME.format("2026-09-30")),
    Bad("a number for a date", ("B3", "shown as a date"), sheet=put("B3", 45, "yyyy-mm-dd")),
    Bad("no label", ("'Reflects progress up to'", "no such label"), 
        sheet=all_of(put("A3", None), put("C9", "Reflects progress up to 2026-06-30"))),
    Bad("nothing filled in", ("at least one row", "24 rows were handed in as of 2026-03-31", "fill in every item"),
        sheet=lambda sheet: sheet.delete_rows(7, ROWS)),
    Bad("a quarter of the rows", ("at most 20% of rows", "6 of 24", "F7"), sheet=many_wrong),
]  # fmt: skip

HELD = [
    Bad("#REF!", ("H9", "the error #REF!", "type the value in place"), content=error("H9", "#REF!"), lines=(9,)),
    Bad("#N/A and #DIV/0!", ("G8", "#N/A", "H9", "#DIV/0!"),
        content=lambda content: error("H9", "#DIV/0!")(error("G8", "#N/A")(content)), lines=(8, 9)),
    Bad("never calculated", ("H9", "a formula that was never calculated", "save it"), sheet=put("H9", "=H8+1"), lines=(9,)),
    Bad("text date", ("D9", "01/04/2026", "type the day as YYYY-MM-DD"), sheet=put("D9", "01/04/2026"), lines=(9,)),
    Bad("no such day", ("D9", "2026-02-30"), sheet=put("D9", "2026-02-30"), lines=(9,)),
    Bad("day of 1900", ("D9", "a day since 1910", "a number that is shown as a date"), sheet=put("D9", 12, "yyyy-mm-dd"),
        lines=(9,)),
    Bad("fraction", ("G9", "0.9", "type 90 %"), sheet=put("G9", 0.9), lines=(9,)),
    Bad("9000 %", ("G9", "at most 100", "9000%"), sheet=put("G9", 90, "0%"), lines=(9,)),
    Bad("over the maximum", ("J9", "at most 5"), sheet=put("J9", 6), lines=(9,)),
    Bad("under the minimum", ("H9", "at least 0"), sheet=all_of(put("H9", -1), put("I9", None)), lines=(9,)),
    Bad("half a weight", ("J9", "a whole number", "2.5"), sheet=put("J9", 2.5), lines=(9,)),
    Bad("words for a number", ("H9", "an amount", "about 5"), sheet=put("H9", "about 5"), lines=(9,)),
    Bad("French decimals", ("H9", "an amount", "1 234,5"), sheet=put("H9", "1 234,5"), lines=(9,)),
    Bad("not in the list", ("F9", "one of Planned, Underway, Completed, Deferred", "Nearly done", "list of the cell"),
        sheet=put("F9", "Nearly done"), lines=(9,)),
    Bad("empty", ("C9", "Milestone is empty", "fill the cell"), sheet=put("C9", None), lines=(9,)),
    Bad("id twice", ("A9", "once in a file", "M-001", "an id of its own"), sheet=put("A9", "M-001"), lines=(9,)),
    Bad("orphan", ("B9", "P-99", "the sheet 'Projects'", "add it to"), sheet=put("B9", "P-99"), lines=(9,)),
    Bad("before its start", ("E9", "a day not before Start date", "2025-12-01", "2026-01-03"),
        sheet=put("E9", date(2025, 12, 1)), lines=(9,)),
    Bad("after the hand-in", ("E9", "a day not after Reflects progress up to", "2026-07-01"),
        sheet=put("E9", date(2026, 7, 1)), lines=(9,)),
    Bad("more than planned", ("I9", "at most Savings planned", "2000 (planned: 1000.5)"), sheet=put("I9", 2000), lines=(9,)),
    Bad("answer without request", ("K9", "Received on", "clear Answered on"), sheet=put("K9", None), lines=(9,)),
    Bad("status goes back", ("F9", "'Underway' or later", "hand-in of 2026-03-31", "Planned"), sheet=put("F9", "Planned"),
        lines=(9,)),
    Bad("right of the table", ("N9", "nothing right of column L", "see me", "clear the cell"), sheet=put("N9", "see me"),
        lines=(9,)),
    Bad("row of totals", ("row 31", "no row of totals", "switch it off"), sheet=with_totals, lines=(31,)),
    Bad("two mistakes in a row", ("D9", "F9", "Nearly done", "soon"),
        sheet=all_of(put("D9", "soon"), put("F9", "Nearly done")), lines=(9,)),
    Bad("a note below the table", ("B33: Project ID is empty", "clear the whole row"),
        sheet=put("A33", "Prepared by the PMO"), lines=(33,)),
]  # fmt: skip

WARNED = [
    Bad("hidden rows", ("sheet 'Milestones', rows 8-9, 12", "3 hidden rows", "they were read"), sheet=hide_rows),
    Bad("hidden column", ("column E", "hidden columns; they were read"),
        sheet=lambda sheet: setattr(sheet.column_dimensions["E"], "hidden", True)),
    Bad("hidden sheet", ("sheet 'Milestones'", "unhide it"), sheet=hide_sheet),
    Bad("filter", ("one that is filtered", "clear the filter"), sheet=filtered),
    Bad("links", ("links to other workbooks", "break the links"),
        content=parts(same, ("xl/externalLinks/externalLink1.xml", b"<x/>"))),
    Bad("from 1904", ("counts them from 1904", "four years and a day off"),
        sheet=lambda sheet: setattr(sheet.parent, "epoch", CALENDAR_MAC_1904)),
    Bad("a column of one's own", ("new columns 'My notes'",), sheet=put("M6", "My notes")),
]  # fmt: skip


HELD_ROWS = (
    "select file_id, line, sheet, column_name, expected, found, reason from quarantine.rows order by 1, 2"
)


# -- handing it in -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Office:
    """A warehouse in which the hand-in of spring stands."""

    settings: Settings
    contracts: dict[str, Contract]

    def hand_in(self, content: bytes, name: str = NAME.format(SUMMER), sheet: str = "milestones") -> str:
        """Drop a file, visit and load; returns 'loaded', or why the file is held. The file is taken away again."""
        path = self.settings.drop / "projects" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        try:
            return self.night(sheet)[name]
        finally:
            path.unlink()

    def night(self, sheet: str = "milestones") -> dict[str, str]:
        """What became of each file of the folder: each is loaded in a task of its own."""
        contract, outcome = self.contracts[sheet], dict[str, str]()
        for file in extract(self.settings, NIGHT, contract):
            try:
                load_file(self.settings, NIGHT, contract, file["file_id"], gate=open_gate)
                outcome[file["name"]] = "loaded"
            except FileQuarantined as problem:
                outcome[file["name"]] = str(problem)
        return outcome


@pytest.fixture(scope="module")
def office(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    empty_warehouse(warehouse)
    folder = tmp_path_factory.mktemp("contracts")
    contracts = {}
    for name, text in (("projects", PROJECTS), ("milestones", MILESTONES)):
        (folder / f"{name}.yml").write_text(text)
        contracts[name] = read_contract(folder / f"{name}.yml")
    office = Office(warehouse, contracts)
    spring = saved(good(SPRING))
    assert office.hand_in(spring, NAME.format(SPRING)) == "loaded"
    yield office
    empty_warehouse(warehouse)


@pytest.fixture
def stands(office: Office, query: Query) -> Iterator[None]:
    """What stood before stands after, to the last value; nothing is left half done."""
    text = "select jsonb_strip_nulls(to_jsonb(r)) from raw.milestones as r where _file_id = 1 order by _row"
    before = query(text)
    assert len(before) == ROWS
    yield
    assert query(text) == before
    assert query("select 1 from ops.batch where state = 'loading'") == []
    assert query("select relname from pg_class where relname ~ '^batch_[0-9]'") == []


def latest(query: Query) -> tuple[int, str, str | None]:
    """(file_id, state, message) of the last batch."""
    return query("select file_id, state, message from ops.batch order by batch_id desc limit 1")[0]


@pytest.mark.fault
@pytest.mark.parametrize("bad", FILES, ids=lambda bad: bad.title)
def test_a_file_is_held_with_where_and_what_to_do(
    office: Office, query: Query, stands: None, bad: Bad
) -> None:
    told = office.hand_in(bad.spoiled(), bad.name)
    file_id, state, _ = latest(query)
    assert state == "quarantined"
    assert query("select count(*) from raw.milestones where _file_id = %s", (file_id,)) == [(0,)]
    ((name, expected, found, reason, remedy),) = query(
        "select name, expected, found, reason, remedy from quarantine.files where file_id = %s", (file_id,)
    )
    assert name == bad.name
    assert all(each and each != "-" for each in (expected, found, remedy))
    assert bad.name in reason
    for piece in bad.says:
        assert piece in reason
        assert piece in told


@pytest.mark.fault
@pytest.mark.parametrize("bad", HELD, ids=lambda bad: bad.title)
def test_a_row_is_held_with_its_cell_and_the_others_are_loaded(
    office: Office, query: Query, stands: None, bad: Bad
) -> None:
    assert office.hand_in(bad.spoiled()) == "loaded"
    file_id, _, _ = latest(query)
    held = query(
        "select line, sheet, expected, found, reason from quarantine.rows where file_id = %s order by line",
        (file_id,),
    )
    assert tuple(line for line, *_ in held) == bad.lines
    assert {sheet for _, sheet, *_ in held} == {"Milestones"}
    text = " | ".join(f"{expected} | {found} | {reason}" for _, _, expected, found, reason in held)
    for piece in bad.says:
        assert piece in text
    assert all("; " in reason for *_, reason in held), "what to do is missing"
    for line, key, record in query(
        "select line, key ->> 'milestone_id', record from quarantine.rows where file_id = %s", (file_id,)
    ):
        own = f"M-{line - HEADER_LINE:03d}"
        assert key == own or own not in record, "the register's history takes the row for removed"
    kept = [f"M-{line - HEADER_LINE:03d}" for line in range(7, 7 + ROWS) if line not in bad.lines]
    assert query("select milestone_id from raw.milestones where _file_id = %s order by _row", (file_id,)) == [
        (each,) for each in kept
    ]


@pytest.mark.parametrize("bad", WARNED, ids=lambda bad: bad.title)
def test_what_is_only_odd_is_loaded_and_told(office: Office, query: Query, stands: None, bad: Bad) -> None:
    assert office.hand_in(bad.spoiled()) == "loaded"
    file_id, _, message = latest(query)
    assert query("select count(*) from raw.milestones where _file_id = %s", (file_id,)) == [(ROWS,)]
    assert query("select count(*) from quarantine.rows where file_id = %s", (file_id,)) == [(0,)]
    for piece in bad.says:
        assert piece in str(message)


# -- what is right -------------------------------------------------------------------------------------------
@pytest.mark.fault
def test_a_password_and_macros_in_the_folder_leave_the_other_hand_ins_loaded(
    office: Office, query: Query, stands: None
) -> None:
    folder = office.settings.drop / "projects"
    other = good()
    other["Milestones"]["B2"] = "Children's Services"
    for name, content in {
        "projects_children-s-services_2026-06-30.xlsx": saved(other),
        "projects_environment-and-climate-and-forestry_2026-06-30.xlsx": FILES[0].spoiled(),
        "projects_transportation-services_2026-05-31.xlsm": FILES[2].spoiled(),
        NAME.format(SUMMER): saved(good()),
    }.items():
        (folder / name).write_bytes(content)
    try:
        outcome = office.night()
    finally:
        for path in folder.glob("*.xls?"):
            path.unlink()
    assert [name for name, told in outcome.items() if told == "loaded"] == [
        "projects_children-s-services_2026-06-30.xlsx", NAME.format(SUMMER),
    ]  # fmt: skip
    assert (
        "a workbook with a password"
        in outcome["projects_environment-and-climate-and-forestry_2026-06-30.xlsx"]
    )
    assert "one with macros" in outcome["projects_transportation-services_2026-05-31.xlsm"]
    ((state,),) = query("select state from ops.source_night where dataset = 'milestones'")
    assert state == "refused"  # the night says so, and goes on with the others


@pytest.mark.parametrize(
    ("value", "shown", "raw"),
    [(0.9, "0%", "90"), (0.005, "0.0%", "0.5"), (0.875, "0.0\\ %", "87.5"), (90, None, "90"), ("90 %", None, "90"),
     ("0.5 %", None, "0.5"), (1, "0%", "100"), (0, "0%", "0"), (0.07, "0%", "7")],
)  # fmt: skip
def test_a_percentage_is_what_the_person_saw(
    office: Office, query: Query, stands: None, value: Any, shown: str | None, raw: str
) -> None:
    book = good()
    put("G9", value, shown)(book["Milestones"])
    assert office.hand_in(saved(book)) == "loaded"
    file_id, _, _ = latest(query)
    assert query("select share from raw.milestones where _file_id = %s and milestone_id in ('M-003', 'M-004') "
                 "order by 1 desc", (file_id,)) == sorted([(raw,), ("90",)], reverse=True)  # fmt: skip


def test_a_late_hand_in_is_held_against_what_came_before_its_own_day(
    office: Office, query: Query, stands: None
) -> None:
    """Winter comes in after spring: its statuses may lie behind those of spring, and spring stays the later one."""
    winter = good(date(2025, 12, 31))
    sheet = winter["Milestones"]
    for line in range(7, 7 + ROWS):
        sheet[f"F{line}"], sheet[f"E{line}"] = "Planned", None
    assert office.hand_in(saved(winter), NAME.format("2025-12-31")) == "loaded"
    file_id, _, _ = latest(query)
    assert query("select count(*) from quarantine.rows where file_id = %s", (file_id,)) == [(0,)]
    back = good()
    put("F9", "Planned")(back["Milestones"])
    assert office.hand_in(saved(back)) == "loaded"
    file_id, _, _ = latest(query)
    assert query("select line, found from quarantine.rows where file_id = %s", (file_id,)) == [(9, "Planned")]


def test_a_date_handed_in_again_is_compared_with_the_one_before(
    office: Office, query: Query, stands: None
) -> None:
    first, second = good(), good()
    put("F8", "Completed")(first["Milestones"])
    for book in (first, second):  # Completed, then Underway: the same day, so a correction
        assert office.hand_in(saved(book)) == "loaded"
    file_id, _, _ = latest(query)
    assert query("select count(*) from quarantine.rows where file_id = %s", (file_id,)) == [(0,)]


def test_a_project_may_stand_on_the_other_sheet_or_in_the_last_hand_in(
    office: Office, query: Query, stands: None
) -> None:
    longer, shorter = good(), good()
    longer["Projects"]["A15"], longer["Projects"]["B15"] = "P-09", "Project 9"
    put("B9", "P-09")(longer["Milestones"])
    put("B9", "P-09")(shorter["Milestones"])
    for sheet in ("milestones", "projects"):
        assert office.hand_in(saved(longer), sheet=sheet) == "loaded"
    assert office.hand_in(saved(shorter)) == "loaded"
    assert query("select count(*) from raw.milestones where project_id = 'P-09'") == [(2,)]
    query("delete from raw.projects")


def test_a_list_older_than_the_sheet_proves_no_orphan(office: Office, query: Query, stands: None) -> None:
    """Registers of other workbooks come in their own time, so an id they may still bring is only noted."""
    folder = office.contracts["milestones"].path.parent
    (folder / "projects.yml").write_text(PROJECTS.replace("folder: projects", "folder: elsewhere"))
    try:
        book = good()
        put("B9", "P-99")(book["Milestones"])
        assert office.hand_in(saved(book)) == "loaded"
        assert "project_id: 9 values are not in the latest hand-in of projects yet" in str(latest(query)[2])
        (folder / "projects.yml").write_text(PROJECTS)
        assert office.hand_in(saved(good()), sheet="projects") == "loaded"
        (folder / "projects.yml").write_text(PROJECTS.replace("folder: projects", "folder: elsewhere"))
        put("B10", "P-98")(book["Milestones"])
        assert office.hand_in(saved(book)) == "loaded"
        file_id, _, _ = latest(query)
        assert query("select line, found from quarantine.rows where file_id = %s order by 1", (file_id,)) == [
            (9, "P-99"), (10, "P-98"),
        ]  # fmt: skip
    finally:
        (folder / "projects.yml").write_text(PROJECTS)
        query("delete from raw.projects")


def test_the_filled_template_is_a_good_hand_in(office: Office, tmp_path: Path) -> None:
    contract = office.contracts["milestones"]
    made = template(workbook_of(contract), DIVISION)
    path = tmp_path / NAME.format(SUMMER)
    path.write_bytes(made)
    assert [(each.cell, each.level) for each in inspect(path, contract, night=NIGHT)] == [("B3", "refuse")]
    book = openpyxl.load_workbook(io.BytesIO(made))
    sheet = book["Milestones"]
    sheet["B3"] = datetime(2026, 6, 30)
    sheet["A7"], sheet["A7"].fill = "M-001", PatternFill("solid", "FFFF00")
    book.save(path)
    assert inspect(path, contract, night=NIGHT) == []


def test_a_rebuild_repeats_what_was_accepted_though_template_and_lists_have_moved_on(
    office: Office, query: Query
) -> None:
    book = good()
    put("B9", "P-99")(book["Milestones"])
    put("G8", 0.5, "0%")(book["Milestones"])
    assert office.hand_in(saved(book)) == "loaded"
    text = (
        "select jsonb_strip_nulls(to_jsonb(r)) from raw.milestones as r join ops.batch as b "
        "on b.file_id = r._file_id and b.state = 'loaded' order by _file_id, _row"
    )
    before, held = query(text), query(HELD_ROWS)
    unknown = "select _file_id, _row from raw.milestones where project_id = 'P-99' order by 1, 2"
    accepted = query(unknown)  # of earlier hand-ins of the night, when that project was known
    register = office.contracts["milestones"].register
    assert register
    moved = office.contracts["milestones"].model_copy(
        update={"handed_in": register.model_copy(update={"version": 3, "links": ()})}
    )
    rebuild(office.settings, moved)
    after = query(text)
    assert [row for row in after if row in before] == before
    assert query(unknown) == accepted
    assert query(HELD_ROWS) == held


def test_one_sheet_of_a_workbook_may_stay_empty_where_nothing_was_before(
    office: Office, query: Query
) -> None:
    book = good()
    book["Projects"].delete_rows(7, 8)
    for line in range(7, 7 + ROWS):
        book["Milestones"][f"B{line}"] = None
    query("delete from raw.projects")
    assert office.hand_in(saved(book), sheet="projects") == "loaded"
    _, state, message = latest(query)
    assert (state, message) == ("loaded", "sheet 'Projects' is empty: nothing was handed in on it")
    assert query("select count(*) from raw.projects") == [(0,)]
