"""A hand-in from the filled template to the receipt: through the drop folder and the loader, and rehearsed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cityperf.cli import main
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import FileQuarantined
from cityperf.extract import extract
from cityperf.handin import Workbook, workbook_named
from cityperf.handin.chase import expected, remind
from cityperf.handin.mail import send
from cityperf.handin.receipt import Receipt, folder_of, stored
from cityperf.handin.render import text
from cityperf.handin.submit import NoDatabase, hand_in, rehearse
from cityperf.load import load_file
from cityperf.notify import digest
from cityperf.sources import load_contract
from openpyxl.workbook import Workbook as Book

from tests.handins import example, filled, registers
from tests.integration.publisher import NIGHT, open_gate
from tests.integration.servers import MailServer, running

Command = Callable[..., tuple[int, str]]
Query = Callable[..., list[tuple[Any, ...]]]
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
AS_OF = date(2026, 6, 30)
NEXT = date(2026, 9, 30)


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    return registers(tmp_path / "contracts")


@pytest.fixture
def place(clean_warehouse: Settings, workbook: Workbook) -> Iterator[Settings]:
    (clean_warehouse.drop / workbook.folder).mkdir(parents=True)
    yield clean_warehouse
    import shutil

    shutil.rmtree(clean_warehouse.base / "digests", ignore_errors=True)


def milestones(workbook: Workbook, *changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows like the example, numbered, each with its changes."""
    return [
        example(workbook.sheets[0]) | {"milestone_id": f"M-{n:03d}"} | dict(each)
        for n, each in enumerate(changes, 1)
    ]


def drop(settings: Settings, workbook: Workbook, book: Book, as_of: date = AS_OF) -> Path:
    path = settings.drop / workbook.folder / workbook.file_name("Transportation Services", as_of)
    book.save(path)
    return path


def night(settings: Settings, workbook: Workbook, days: int = 0) -> list[str]:
    """A night's visit to all registers of the workbook; returns what was refused."""
    refused = []
    when = NIGHT + timedelta(days=days)
    for contract in workbook.sheets:
        for file in extract(settings, when, contract):
            try:
                load_file(settings, when, contract, file["file_id"], gate=open_gate)
            except FileQuarantined as problem:
                refused.append(str(problem))
    return refused


def receipt(settings: Settings, workbook: Workbook, as_of: date = AS_OF) -> Receipt:
    name = workbook.file_name("Transportation Services", as_of)
    return next(each for each in stored(folder_of(settings, workbook.folder)) if each.file == name)


def test_a_filled_template_passes_our_own_loader(place: Settings, workbook: Workbook, query: Query) -> None:
    drop(place, workbook, filled(workbook, {}, AS_OF))
    assert night(place, workbook) == []
    assert query(
        "select division, as_of, template, milestone_id, status, start_date, share, budget, is_public, reviews "
        "from raw.trial_milestones"
    ) == [
        ("Transportation Services", "2026-06-30", "trial_projects v1", "M-001", "Underway", "2026-01-15", "40",
         "125000.5", "Yes", "3"),
    ]  # fmt: skip
    got = receipt(place, workbook)
    assert (got.outcome, got.division, got.as_of, got.is_sample) == (
        "accepted", "Transportation Services", "2026-06-30", True,
    )  # fmt: skip
    assert [(each.sheet, each.rows, each.accepted) for each in got.sheets] == [
        ("Milestones", 1, 1),
        ("Risks", 1, 1),
    ]


def test_a_refused_row_is_told_with_its_cell_and_how_to_mend_it(
    place: Settings, workbook: Workbook, query: Query
) -> None:
    rows = milestones(workbook, {}, {"status": "Nearly"}, {}, {"actual_date": date(2025, 1, 1)}, *[{}] * 12)
    drop(place, workbook, filled(workbook, {"trial_milestones": rows}, AS_OF))
    assert night(place, workbook) == []
    assert query("select count(*) from raw.trial_milestones") == [(14,)]
    got = receipt(place, workbook)
    assert got.outcome == "partly"
    sheet = got.sheets[0]
    assert (sheet.rows, sheet.accepted) == (16, 14)
    told = [(each.cell, each.column, each.expected, each.found) for each in sheet.refused]
    assert told == [
        ("B8", "Status", "one of Planned, Underway, Completed, Cancelled", "Nearly"),
        ("D10", "Finished", "a day not before Start", "2025-01-01 (start_date: 2026-01-15)"),
    ]
    assert all(each.remedy.endswith(", then hand in the whole workbook again") for each in sheet.refused)
    page = (folder_of(place, workbook.folder) / f"{got.file}.receipt.html").read_text()
    assert '<html lang="en">' in page
    assert '<span lang="fr">Lignes refusées</span>' in page
    assert "<td>B8</td><td>Status</td>" in page
    plain = text(got)
    assert "B8 (Status): expected one of Planned, Underway, Completed, Cancelled, found Nearly; " in plain
    assert "14 of 16 rows accepted / 14 ligne(s) sur 16 acceptée(s)" in plain


def test_a_receipt_says_what_changed_since_the_hand_in_before(place: Settings, workbook: Workbook) -> None:
    first = milestones(workbook, {}, {"status": "Planned"}, {}, {})
    drop(place, workbook, filled(workbook, {"trial_milestones": first}, AS_OF))
    night(place, workbook)
    assert receipt(place, workbook).sheets[0].changes is None
    second = milestones(workbook, {}, {}, {"budget": 7}, {}, {})
    del second[3]
    drop(place, workbook, filled(workbook, {"trial_milestones": second}, NEXT), NEXT)
    assert night(place, workbook, 1) == []
    changes = receipt(place, workbook, NEXT).sheets[0].changes
    assert changes is not None
    assert changes.since == workbook.file_name("Transportation Services", AS_OF)
    assert (changes.new, changes.gone, changes.unchanged) == (("M-005",), ("M-004",), 1)
    assert [(each.key, each.columns) for each in changes.changed] == [
        ("M-003", {"Budget": ("125000.5", "7")})
    ]
    assert [(m.key, m.before, m.after) for m in changes.moved] == [("M-002", "Planned", "Underway")]
    assert "Status moved / État changé (1)\n      M-002: Planned → Underway" in text(
        receipt(place, workbook, NEXT)
    )


def test_a_refused_sheet_is_answered_and_the_other_sheet_is_loaded(
    place: Settings, workbook: Workbook, query: Query
) -> None:
    book = filled(workbook, {}, AS_OF)
    book["Milestones"]["B4"] = "trial_projects v0"
    drop(place, workbook, book)
    assert len(night(place, workbook)) == 1
    assert query("select count(*) from raw.trial_risks") == [(1,)]
    got = receipt(place, workbook)
    assert [each.outcome for each in got.sheets] == ["refused", "accepted"]
    (why,) = got.sheets[0].refusals
    assert why.cell == "B4"
    assert "v1" in why.expected
    assert "./cityperf template" in why.remedy
    assert len(night(place, workbook, 1)) == 1  # it is tried again, and answered the same
    assert receipt(place, workbook) == got


def test_an_empty_sheet_is_no_mistake_but_an_empty_workbook_is_no_hand_in(
    place: Settings, workbook: Workbook, tmp_path: Path
) -> None:
    drop(place, workbook, filled(workbook, {"trial_risks": []}, AS_OF))
    assert night(place, workbook) == []
    got = receipt(place, workbook)
    assert got.outcome == "accepted"
    assert got.sheets[1].notes == "sheet 'Risks' is empty: nothing was handed in on it"
    path = tmp_path / "empty.xlsx"
    filled(workbook, {"trial_risks": [], "trial_milestones": []}, NEXT, "Parks, Forestry & Recreation").save(
        path
    )
    assert rehearse(place, workbook, path, NIGHT).receipt.outcome == "refused"


def test_a_file_that_is_no_workbook_is_answered_and_holds_up_nobody(
    place: Settings, workbook: Workbook, query: Query
) -> None:
    (place.drop / workbook.folder / workbook.file_name("Parks, Forestry & Recreation", AS_OF)).write_text(
        "a,b\n"
    )
    drop(place, workbook, filled(workbook, {}, AS_OF))
    assert len(night(place, workbook)) == 2
    assert query("select count(*) from raw.trial_milestones") == [(1,)]
    outcomes = {each.division: each.outcome for each in stored(folder_of(place, workbook.folder))}
    assert outcomes == {"Transportation Services": "accepted", "Parks, Forestry & Recreation": "refused"}


def test_the_same_load_gives_the_same_receipt_and_receipts_are_no_hand_ins(
    place: Settings, workbook: Workbook, query: Query
) -> None:
    drop(place, workbook, filled(workbook, {}, AS_OF))
    night(place, workbook)
    folder = folder_of(place, workbook.folder)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    assert len(before) == 2
    for contract, (file_id,) in zip(
        workbook.sheets, query("select file_id from ops.landed_file order by dataset"), strict=True
    ):
        load_file(place, NIGHT, contract, file_id, gate=open_gate)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before
    assert night(place, workbook, 1) == []
    assert query("select count(*) from ops.landed_file") == [(2,)]


def test_sheets_loaded_at_once_leave_one_receipt_that_tells_of_all(
    place: Settings, workbook: Workbook, query: Query
) -> None:
    drop(place, workbook, filled(workbook, {}, AS_OF))
    files = [(each, extract(place, NIGHT, each)[0]["file_id"]) for each in workbook.sheets]
    with ThreadPoolExecutor(len(files)) as threads:
        for done in [threads.submit(load_file, place, NIGHT, c, i, gate=open_gate) for c, i in files]:
            assert done.result().loaded == 1
    assert receipt(place, workbook).outcome == "accepted"


def test_a_folder_that_cannot_be_written_does_not_undo_a_load(
    place: Settings, workbook: Workbook, query: Query, caplog: pytest.LogCaptureFixture
) -> None:
    drop(place, workbook, filled(workbook, {}, AS_OF))
    folder_of(place, workbook.folder).write_text("a file where the folder should be")
    assert night(place, workbook) == []
    assert query("select count(*) from raw.trial_milestones") == [(1,)]
    assert "trial_milestones: no receipt was written" in caplog.text


# -- rehearsal -----------------------------------------------------------------------------------------------
def test_a_rehearsal_says_what_the_night_will_say_and_leaves_nothing_behind(
    place: Settings, workbook: Workbook, query: Query, tmp_path: Path
) -> None:
    rows = milestones(workbook, {}, {"status": "Nearly"}, *[{}] * 12)
    path = tmp_path / "as the clerk called it.xlsx"
    filled(workbook, {"trial_milestones": rows}, AS_OF).save(path)
    before = query("select count(*) from pg_class")
    submission = rehearse(place, workbook, path, NIGHT)
    assert query("select count(*) from pg_class") == before
    assert submission.name == "trial_projects_transportation-services_2026-06-30.xlsx"
    placed = hand_in(place, workbook, submission)
    assert placed.read_bytes() == path.read_bytes()
    assert [each.name for each in placed.parent.iterdir()] == [submission.name]
    night(place, workbook)
    assert receipt(place, workbook) == submission.receipt


def test_a_rehearsal_of_a_spoiled_file_is_refused(
    place: Settings, workbook: Workbook, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + b"\x00" * 600)
    submission = rehearse(place, workbook, path, NIGHT, "Transportation Services", AS_OF)
    assert submission.receipt.outcome == "refused"
    assert {each.refusals[0].found for each in submission.receipt.sheets} == {"an old binary workbook (.xls)"}


def test_without_the_stack_a_rehearsal_says_what_to_do(workbook: Workbook, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    filled(workbook, {}, AS_OF).save(path)
    with pytest.raises(NoDatabase, match=r"run \./cityperf up first"):
        rehearse(Settings(home=tmp_path / "nowhere"), workbook, path, NIGHT)


def commitments(path: Path, *statuses: str) -> Path:
    """A filled commitments workbook of as many rows."""
    workbook = workbook_named("commitments")
    rows = [
        {"commitment_id": f"C-{n}", "goal": "Goal", "commitment": "Do it", "division": "City Planning",
         "due_date": date(2027, 1, 1), "status": each, "as_of": NEXT}
        for n, each in enumerate(statuses)
    ]  # fmt: skip
    filled(workbook, {"commitments": rows}, NEXT).save(path)
    return path


@pytest.fixture
def command(place: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line on the test's warehouse: (exit status, what it printed)."""
    monkeypatch.setenv("CITYPERF_HOME", str(place.home))

    def run(*arguments: str) -> tuple[int, str]:
        with suppress(SystemExit):
            return main(list(arguments)), capsys.readouterr().out
        return 1, capsys.readouterr().out

    return run


def test_a_steward_submits_a_file_and_reads_its_receipt(
    place: Settings, command: Command, tmp_path: Path
) -> None:
    good = ["Underway - on track"] * 9
    folder = place.drop / "commitments"
    status, said = command(
        "submit", str(commitments(tmp_path / "a.xlsx", *good, "done")), "--as", "commitments"
    )
    assert status == 0
    assert "9 of 10 rows accepted" in said
    assert "G16" in said
    assert [each.name for each in folder.iterdir()] == ["commitments_corporate-strategy_2026-09-30.xlsx"]
    (folder / "commitments_corporate-strategy_2026-09-30.xlsx").unlink()
    status, said = command(
        "submit", str(commitments(tmp_path / "b.xlsx", *good)), "--as", "commitments", "--check", "--json"
    )
    assert (status, json.loads(said)["outcome"]) == (0, "accepted")
    status, said = command("submit", str(commitments(tmp_path / "c.xlsx", "done")), "--as", "commitments")
    assert status == 1
    assert "Refused" in said
    assert list(folder.iterdir()) == []


def test_templates_dues_and_receipts_are_listed(place: Settings, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "t.xlsx"
    assert command("template", "commitments", "--out", str(out)) == (
        0, f"{out}: template commitments v1, 1 register(s)\n",
    )  # fmt: skip
    _, said = command("handin", "due", "--night", NIGHT.isoformat(), "--json")
    late = {(each["workbook"], each["division"]): each for each in json.loads(said)}
    assert late["commitments", "Corporate Strategy"]["state"] == "late"
    assert late["commitments", "Corporate Strategy"]["due"] == "2026-10-21"
    assert command("handin", "receipts", "commitments") == (0, "No receipts yet.\n")
    (place.drop / "commitments").mkdir()
    commitments(place.drop / "commitments" / "commitments_2026-q3.xlsx", "Underway - on track")
    contract = load_contract("commitments")
    for file in extract(place, NIGHT, contract):
        load_file(place, NIGHT, contract, file["file_id"], gate=open_gate)
    _, said = command("handin", "receipts", "commitments", "--json")
    assert [(each["file"], each["outcome"]) for each in json.loads(said)] == [
        ("commitments_2026-q3.xlsx", "accepted")
    ]
    _, said = command("handin", "due", "--night", NIGHT.isoformat(), "--json")
    assert ("commitments", "Corporate Strategy") not in {
        (e["workbook"], e["division"]) for e in json.loads(said)
    }


# -- late hand-ins -------------------------------------------------------------------------------------------
def late(settings: Settings, workbook: Workbook, when: date) -> dict[str, tuple[str, date, date | None]]:
    contracts = {each.dataset: each for each in workbook.sheets}
    return {each.division: (each.state, each.due, each.last) for each in expected(settings, when, contracts)}


def test_a_hand_in_is_chased_before_it_is_late_and_until_it_comes(
    place: Settings, workbook: Workbook
) -> None:
    transport, parks = "Transportation Services", "Parks, Forestry & Recreation"
    assert late(place, workbook, date(2026, 11, 20)) == {
        transport: ("late", date(2026, 10, 15), None), parks: ("late", date(2026, 10, 15), None),
    }  # fmt: skip
    drop(place, workbook, filled(workbook, {}, NEXT), NEXT)
    night(place, workbook)
    assert list(late(place, workbook, NIGHT)) == [parks]
    assert transport in late(place, workbook, NIGHT - timedelta(days=1))  # it had not come by then
    assert transport not in late(place, workbook, date(2027, 1, 4))
    assert late(place, workbook, date(2027, 1, 5))[transport] == ("due", date(2027, 1, 15), NEXT)
    assert late(place, workbook, date(2027, 1, 15))[transport] == ("due", date(2027, 1, 15), NEXT)
    assert late(place, workbook, date(2027, 1, 16))[transport] == ("late", date(2027, 1, 15), NEXT)


def test_who_is_late_gets_one_letter_that_names_the_refused_file(place: Settings, workbook: Workbook) -> None:
    (place.drop / workbook.folder / workbook.file_name("Transportation Services", NEXT)).write_text("a,b\n")
    night(place, workbook)
    contracts = {each.dataset: each for each in workbook.sheets}
    remind(place, NIGHT, expected(place, NIGHT, contracts))
    letters = sorted((place.base / "digests" / NIGHT.isoformat() / "mail").glob("*_hand-ins.txt"))
    assert [each.name for each in letters] == [
        "parks-forestry-and-recreation_hand-ins.txt", "transportation-services_hand-ins.txt",
    ]  # fmt: skip
    said = letters[1].read_text()
    assert "trial_projects of Transportation Services: 36 days late (2026-10-15)" in said
    assert "transportation-services_2026-09-30.xlsx was refused" in said
    assert "en retard de 36 jours" in said


def test_the_digest_tells_the_steward_whom_to_chase_and_nobody_who_was_not_visited(place: Settings) -> None:
    assert [path.name for path in digest(place, NIGHT)] == ["performance-office.txt"]
    with connect(place, "loader") as db:
        db.execute(
            "insert into ops.fetch (night, dataset, state) values (%s, 'commitments', 'unchanged')", (NIGHT,)
        )
    everything, path = digest(place, NIGHT)
    assert everything.name == "performance-office.txt"
    assert path.name == "strategic-initiatives.txt"
    said = path.read_text()
    assert "Hand-ins to chase\n  ✘ commitments of Corporate Strategy: 30 days late (2026-10-21)" in said
    assert "All is well" not in said
    assert [each.name for each in (path.parent / "mail").iterdir()] == ["corporate-strategy_hand-ins.txt"]


# -- mail ----------------------------------------------------------------------------------------------------
@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running(MailServer()) as server:
        yield server


def test_live_mail_goes_out_once_and_what_cannot_go_says_why(
    tmp_path: Path, mail_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Settings(profile="live", home=tmp_path)
    said = ("Transportation Services", "note", "Sujet à lire", "Voilà.\n")
    unsent = send(live, NIGHT, *said)
    assert unsent.read_text().startswith("Not sent: no mail server is configured (CITYPERF_SMTP, or")
    monkeypatch.setenv(
        "CITYPERF_SMTP", f"smtp://127.0.0.1:{mail_server.server_address[1]}/?from=office@city.test"
    )
    assert "expected an address for 'Transportation Services'" in send(live, NIGHT, *said).read_text()
    (live.base / "addresses.json").write_text(json.dumps({"Transportation Services": "clerk@city.test"}))
    sent = [send(live, NIGHT, *said), send(live, NIGHT, *said)]
    assert sent[0] == sent[1]
    assert not unsent.exists()
    assert len(mail_server.got) == 1
    assert b"To: clerk@city.test" in mail_server.got[0]
    monkeypatch.setenv("CITYPERF_SMTP", f"smtp://user:secret@127.0.0.1:{mail_server.server_address[1]}/")
    plain = send(live, NIGHT, "Transportation Services", "second", "A", "B\n")
    assert "expected a server that encrypts before a password is sent" in plain.read_text()
