"""Due dates, and what a receipt tells: facts in, words out, no database."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from cityperf.config import Settings
from cityperf.handin import Workbook
from cityperf.handin.chase import awaited, due_dates
from cityperf.handin.inspect import Finding, Look
from cityperf.handin.receipt import AGAIN, WITHHELD, Held, Receipt, Remark, Taken, compose, put, stored, write
from cityperf.handin.render import MOST, html, text
from cityperf.sources import Due

from tests.handins import registers

NIGHT = date(2026, 11, 20)
NAME = "trial_projects_transportation-services_2026-09-30.xlsx"
QUARTERLY = Due(months=(1, 4, 7, 10), day=15, remind=timedelta(days=10))


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    return registers(tmp_path / "contracts")


def receipt(workbook: Workbook, *taken: Taken) -> Receipt:
    rest = [Taken(each, "loaded", 1) for each in workbook.sheets[len(taken) :]]
    return compose(Settings(), workbook, NAME, "0" * 64, NIGHT, [*taken, *rest])


# -- due dates -----------------------------------------------------------------------------------------------
def test_a_day_that_a_month_lacks_is_its_last() -> None:
    said = Due(months=(2, 11), day=31, remind=timedelta(days=5))
    assert list(due_dates(said, 2027, 2028)) == [
        date(2027, 2, 28), date(2027, 11, 30), date(2028, 2, 29), date(2028, 11, 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("night", "last", "due"),
    [
        ("2026-10-14", None, "2026-07-15"),  # nothing came so far: the one missed last
        ("2026-10-04", "2026-06-30", None),  # all is well
        ("2026-10-05", "2026-06-30", "2026-10-15"),  # ten days before: reminded
        ("2026-10-05", "2026-09-30", None),  # handed in early
        ("2026-10-15", "2026-06-30", "2026-10-15"),  # today
        ("2026-10-16", "2026-06-30", "2026-10-15"),  # late
        ("2026-10-16", "2026-09-30", None),
        ("2027-01-16", "2026-09-30", "2027-01-15"),
        ("2027-01-06", "2026-06-30", "2026-10-15"),  # what is late is told before what is due
    ],
)
def test_a_hand_in_answers_a_due_date_when_it_reflects_a_day_since_the_one_before(
    night: str, last: str | None, due: str | None
) -> None:
    found = awaited(QUARTERLY, date.fromisoformat(night), date.fromisoformat(last) if last else None)
    assert found == (date.fromisoformat(due) if due else None)


# -- receipts ------------------------------------------------------------------------------------------------
def test_each_mistake_of_a_row_is_told_by_its_cell(workbook: Workbook) -> None:
    reason = (
        "B9: Status is not one of Planned, Underway; choose a value from the list of the cell - "
        "D9: Finished is not a date (YYYY-MM-DD); type the day as YYYY-MM-DD - "
        "A9: Milestone ID is empty; fill the cell, or clear the whole row"
    )
    held = Held(9, "status", "one of Planned, Underway", "B9: late; D9: soon; A9: an empty cell", reason)
    look = Look(letters={"milestone_id": "A", "status": "B", "actual_date": "D"})
    got = receipt(workbook, Taken(workbook.sheets[0], "loaded", 10, [held], look=look))
    assert [(e.cell, e.column, e.expected, e.found) for e in got.sheets[0].refused] == [
        ("B9", "Status", "one of Planned, Underway", "late"),
        ("D9", "Finished", "a date (YYYY-MM-DD)", "soon"),
        ("A9", "Milestone ID", "a value", "an empty cell"),
    ]
    assert got.sheets[0].refused[1].remedy == f"type the day as YYYY-MM-DD, {AGAIN}"
    assert (got.sheets[0].rows, got.sheets[0].accepted, got.outcome) == (10, 9, "partly")


def test_a_row_that_the_reader_held_is_told_by_its_line(workbook: Workbook) -> None:
    held = Held(12, None, "text", "a NUL character", "the row cannot be stored as text")
    (told,) = receipt(workbook, Taken(workbook.sheets[0], "loaded", 10, [held])).sheets[0].refused
    assert (told.row, told.cell, told.expected, told.found) == (12, None, "text", "a NUL character")
    assert told.remedy == f"the row cannot be stored as text, {AGAIN}"


def test_a_sheet_about_persons_is_answered_without_what_stood_in_it(workbook: Workbook) -> None:
    private = workbook.sheets[0].model_copy(
        update={"privacy": workbook.sheets[0].privacy.model_copy(update={"level": "person_level"})}
    )
    held = Held(9, "status", "one of A", "Jane Doe", "B9: Status is not one of A; choose a value")
    warned = Finding("warn", "Milestones", "C3", "a date", "Jane Doe", "type the day")
    got = receipt(
        workbook, Taken(private, "loaded", 10, [held], look=Look([warned], letters={"status": "B"}))
    )
    refused = receipt(
        workbook,
        Taken(private, "refused", refusal=Remark(cell=None, expected="a", found="Jane Doe", remedy="b")),
    )
    assert "Jane Doe" not in got.model_dump_json() + refused.model_dump_json()
    assert got.sheets[0].refused[0].found == WITHHELD


def test_what_is_listed_with_its_cell_is_not_told_again_as_a_note(workbook: Workbook) -> None:
    warned = Finding("warn", "Milestones", "row 9", "no filter", "one; that hides", "take it off; save")
    message = (
        f"sheet 'Milestones': 3 blank rows below the last record; {warned}; 4 rows of the delivery before are gone; "
        "2 rows held: B9: Status is not one of A; choose a value (line 9)"
    )
    taken = Taken(workbook.sheets[0], "loaded", 10, notes=message, look=Look([warned]))
    sheet = receipt(workbook, taken).sheets[0]
    assert sheet.notes == "sheet 'Milestones': 3 blank rows below the last record"
    assert [(each.cell, each.found) for each in sheet.warnings] == [("row 9", "one; that hides")]


def test_a_workbook_of_which_a_sheet_is_still_to_be_read_is_pending(workbook: Workbook) -> None:
    assert receipt(workbook, Taken(workbook.sheets[0], "pending")).outcome == "pending"


def test_mail_cuts_long_lists_and_the_page_has_them_whole(workbook: Workbook) -> None:
    held = [
        Held(n, "status", "x", f"v{n}", f"B{n}: Status is not x; mend it") for n in range(7, 7 + MOST + 5)
    ]
    got = receipt(workbook, Taken(workbook.sheets[0], "loaded", 900, held))
    said, page = text(got), html(got)
    assert said.count("found v") == MOST
    assert "and 5 more / et 5 de plus" in said
    assert page.count("<tr><td>B") == MOST + 5
    assert said.startswith("Receipt / Accusé de réception\nSAMPLE")


def test_a_page_escapes_what_a_division_typed(workbook: Workbook) -> None:
    held = [Held(9, "status", "x", "<script>alert(1)</script>", "B9: Status is not x; mend it")]
    page = html(receipt(workbook, Taken(workbook.sheets[0], "loaded", 9, held)))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_receipt_is_read_back_as_it_was_written_and_rewritten_only_when_it_differs(
    workbook: Workbook, tmp_path: Path
) -> None:
    settings, got = Settings(home=tmp_path), receipt(workbook)
    json, _ = write(settings, got)
    before = json.stat().st_mtime_ns
    write(settings, got)
    assert json.stat().st_mtime_ns == before
    assert stored(json.parent) == [got]
    assert put(json, b"{}")
    assert sorted(each.name for each in json.parent.iterdir()) == [
        f"{NAME}.receipt.html",
        f"{NAME}.receipt.json",
    ]
