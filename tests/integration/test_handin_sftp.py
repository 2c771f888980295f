"""Hand-ins that divisions leave on the City's SFTP server, and their receipts beside them there."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cityperf.config import Settings
from cityperf.errors import SourceUnavailable
from cityperf.handin import Workbook, inbox
from cityperf.handin.receipt import Receipt
from cityperf.portal.sftp import Server
from cityperf.sources import load_contracts
from openpyxl.workbook import Workbook as Book

from tests.handins import filled, registers
from tests.integration.test_handin import AS_OF, milestones, night, receipt
from tests.integration.test_person_level import live, survey, visit  # noqa: F401  (`live` is a fixture)
from tests.integration.test_sftp_connector import Agency, Folder

PASSWORD = "s3cret of the server"
VARIABLE = "CITYPERF_CONNECTION_HANDINS"


class Shared(Folder):
    """A folder that is written to as well."""

    def open(self, path: str, flags: int, attr: Any) -> Any:
        if not flags & (os.O_WRONLY | os.O_RDWR):
            return super().open(path, flags, attr)
        handle = paramiko.SFTPHandle(flags)
        try:
            handle.writefile = self._path(path).open("wb")
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)
        return handle

    def _done(self, action: Callable[[], object]) -> int:
        try:
            action()
        except OSError as problem:
            return int(paramiko.SFTPServer.convert_errno(problem.errno))
        return int(paramiko.SFTP_OK)

    def mkdir(self, path: str, attr: Any) -> int:
        return self._done(self._path(path).mkdir)

    def remove(self, path: str) -> int:
        return self._done(self._path(path).unlink)

    def posix_rename(self, old: str, new: str) -> int:
        return self._done(lambda: self._path(old).replace(self._path(new)))


@pytest.fixture
def workbook(tmp_path: Path) -> Workbook:
    return registers(tmp_path / "contracts")


@pytest.fixture
def server(
    tmp_path: Path, clean_warehouse: Settings, workbook: Workbook, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Agency]:
    """The server, with the workbook's folder below /handins; the variable says where it is."""
    told = Agency(tmp_path / "server")
    told.server = Server(lambda server, *_: Shared(server, told), PASSWORD, user="warehouse")
    (told.root / "handins" / workbook.folder).mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, json.dumps(said(told)))
    yield told
    told.server.stop()


def said(told: Agency) -> dict[str, Any]:
    assert told.server is not None
    return {
        "host": "127.0.0.1", "port": told.server.port, "host_key": told.server.fingerprint,
        "user": "warehouse", "password": PASSWORD, "folder": "/handins",
    }  # fmt: skip


def leave(told: Agency, workbook: Workbook, book: Book, age: float = 3600.0) -> Path:
    path = told.root / "handins" / workbook.folder / workbook.file_name("Transportation Services", AS_OF)
    book.save(path)
    os.utime(path, (int(time.time() - age),) * 2)
    return path


def test_a_workbook_on_the_server_is_loaded_and_answered_beside_it(
    clean_warehouse: Settings, server: Agency, workbook: Workbook, query: Callable[..., Any]
) -> None:
    rows = milestones(workbook, {"status": "Nearly"}, *[{}] * 5)
    path = leave(server, workbook, filled(workbook, {"trial_milestones": rows}, AS_OF))
    (path.parent / "notes.txt").write_text("not a workbook")
    assert night(clean_warehouse, workbook) == []
    assert query("select count(*) from raw.trial_milestones") == [(5,)]
    there = path.parent / "receipts"
    assert sorted(each.name for each in there.iterdir()) == [
        f"{path.name}.receipt.html", f"{path.name}.receipt.json",
    ]  # fmt: skip
    told = Receipt.model_validate_json((there / f"{path.name}.receipt.json").read_bytes())
    assert told == receipt(clean_warehouse, workbook)
    assert (told.outcome, [each.outcome for each in told.sheets]) == ("partly", ["partly", "accepted"])
    assert path.exists(), "what is public stays where the division left it"


def test_what_did_not_change_is_not_fetched_and_the_later_of_two_counts(
    clean_warehouse: Settings, server: Agency, workbook: Workbook, query: Callable[..., Any]
) -> None:
    leave(server, workbook, filled(workbook, {"trial_milestones": milestones(workbook, {}, {})}, AS_OF))
    assert night(clean_warehouse, workbook) == []
    read = len(server.reads)
    assert read > 0
    assert night(clean_warehouse, workbook, 1) == []
    assert len(server.reads) == read
    # A correction on the server is later than what was brought; what a steward then submits here is later still.
    leave(server, workbook, filled(workbook, {"trial_milestones": milestones(workbook, {})}, AS_OF), age=600)
    assert night(clean_warehouse, workbook, 2) == []
    counted = "select count(*) from raw.trial_milestones as r join ops.cursor as c on c.file_id = r._file_id"
    assert query(counted) == [(1,)]
    here = clean_warehouse.drop / workbook.folder / workbook.file_name("Transportation Services", AS_OF)
    filled(workbook, {"trial_milestones": milestones(workbook, {}, {}, {})}, AS_OF).save(here)
    assert night(clean_warehouse, workbook, 3) == []
    assert query(counted) == [(3,)]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"port": 1}, "expected files, found"),
        ({"password": "another"}, "expected to be let in as warehouse"),
        ({"host_key": f"SHA256:{'A' * 43}"}, "before you write it into `host_key`"),
        ({"folder": "/elsewhere"}, "expected a folder with files"),
        ({"colour": "blue"}, "expected JSON with host, host_key, user and password or key"),
        ({"password": None}, "expected JSON with host, host_key, user and password or key"),
    ],
)
def test_a_server_that_does_not_answer_stops_nobody_and_its_secret_stays_secret(
    clean_warehouse: Settings, server: Agency, workbook: Workbook, query: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], expected: str,
) -> None:  # fmt: skip
    leave(server, workbook, filled(workbook, {}, AS_OF))
    monkeypatch.setenv(VARIABLE, json.dumps(said(server) | change))
    (warning,) = inbox.bring(clean_warehouse, workbook.folder, lambda name: name.endswith(".xlsx"))
    assert warning.startswith("hand-ins over SFTP wait for the next visit: ")
    assert expected in warning
    assert PASSWORD not in warning and "another" not in warning
    with pytest.raises(SourceUnavailable, match="expected a file that matches"):
        night(clean_warehouse, workbook)
    # What lies in the watched folder is taken all the same, and the visit says what it could not ask.
    book = filled(workbook, {}, AS_OF, "Parks, Forestry & Recreation")
    (clean_warehouse.drop / workbook.folder).mkdir(parents=True, exist_ok=True)
    book.save(
        clean_warehouse.drop / workbook.folder / workbook.file_name("Parks, Forestry & Recreation", AS_OF)
    )
    assert night(clean_warehouse, workbook) == []
    assert query("select count(*) from raw.trial_milestones") == [(1,)]
    assert expected in query("select message from ops.fetch where dataset = 'trial_milestones'")[0][0]


@pytest.mark.fault
def test_a_connection_that_breaks_goes_on_where_it_was_and_nothing_half_is_seen(
    clean_warehouse: Settings, server: Agency, workbook: Workbook
) -> None:
    path = leave(
        server, workbook, filled(workbook, {"trial_milestones": milestones(workbook, *[{}] * 3000)}, AS_OF)
    )
    server.drop_after = [1, 65536]
    assert inbox.bring(clean_warehouse, workbook.folder, lambda name: True) == []
    here = clean_warehouse.drop / workbook.folder
    assert [each.name for each in here.iterdir()] == [path.name]
    assert (here / path.name).read_bytes() == path.read_bytes()


def test_a_workbook_about_persons_leaves_the_server_only_when_it_lies_in_landing(
    clean_warehouse: Settings, server: Agency, workbook: Workbook
) -> None:
    """What the drop folder's connector calls once the file is sealed; a later one of its name stays."""
    path = leave(server, workbook, filled(workbook, {}, AS_OF))
    brought = path.stat().st_mtime
    os.utime(path, (brought + 5, brought + 5))
    inbox.take_away(workbook.folder, path.name, brought)
    assert path.exists()
    inbox.take_away(workbook.folder, path.name, brought + 5)
    assert not path.exists()
    inbox.take_away(workbook.folder, path.name, brought + 5)


def test_survey_answers_on_the_server_are_taken_off_it_and_answered_there(
    live: Settings,  # noqa: F811  (the fixture)
    server: Agency,
    query: Callable[..., Any],
) -> None:
    day = date(2026, 9, 30)
    folder = server.root / "handins" / "surveys"
    folder.mkdir()
    path = folder / f"surveys_customer-experience_{day}.xlsx"
    path.write_bytes(survey("Customer Experience", day))
    os.utime(path, (int(time.time() - 3600),) * 2)
    for name in ("survey_instruments", "survey_answers", "survey_waves"):
        assert visit(live, load_contracts()[name]) == 1
    assert not path.exists()
    assert not (live.drop / "surveys" / path.name).exists()
    assert query("select count(*) from raw.survey_answers") == [(19,)]
    assert sorted(each.name for each in folder.rglob("*") if each.is_file()) == [
        f"{path.name}.receipt.html", f"{path.name}.receipt.json",
    ]  # fmt: skip


def test_without_the_variable_nobody_is_asked(
    clean_warehouse: Settings, workbook: Workbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert inbox.bring(clean_warehouse, workbook.folder, lambda name: True) == []
    assert not clean_warehouse.drop.exists()
