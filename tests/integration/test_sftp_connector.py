"""Files on a real SFTP server: what lands, what is left alone, and how each fault is told."""

from __future__ import annotations

import io
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cityperf.config import Settings
from cityperf.errors import SourceRefused, SourceUnavailable
from cityperf.extract import extract
from cityperf.extract.sftp import ATTEMPTS
from cityperf.landing import path_of
from cityperf.load import load_file
from cityperf.portal.sftp import Server
from cityperf.sources import Contract, load_contracts

from tests.integration.division import Live, Replay
from tests.integration.publisher import NIGHT, contract, open_gate
from tests.integration.test_portal import start

Query = Callable[..., list[tuple[Any, ...]]]
CSV = b"id,station,minutes\n1,BATHURST,5\n"
PASSWORD = "p@ss/wörd"
LOGIN = "sftp://agency:p%40ss%2Fw%C3%B6rd@"
VARIABLE = "CITYPERF_CONNECTION_AGENCY"


@dataclass
class Agency:
    """An agency's server over a folder. `drop_after`: bytes after which a connection breaks, once each;
    `reads` the offsets that were asked for, `breaks` how many had been when the line broke; `stall` seconds
    before each answer.
    """

    root: Path
    server: Server | None = None
    drop_after: list[int] = field(default_factory=list)
    reads: list[int] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    stall: float = 0.0
    during: Callable[[], None] | None = None

    def file(self, name: str, content: bytes = CSV, age: float = 3600.0) -> Path:
        path = self.root / "out" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        moment = int(time.time() - age)
        os.utime(path, (moment, moment))
        return path

    def agreed(self, **more: Any) -> Contract:
        assert self.server is not None
        said = {
            "connector": "sftp", "host": "127.0.0.1", "port": self.server.port, "folder": "out",
            "match": r"^delays.*\.csv$", "connection": "agency", "host_key": self.server.fingerprint,
            "read": {"format": "csv"},
        }  # fmt: skip
        return contract(extract=said | more)


class Folder(paramiko.SFTPServerInterface):
    """A folder of this machine as an agency's server shows it; it follows links, as OpenSSH's does."""

    def __init__(self, server: Any, agency: Agency) -> None:
        super().__init__(server)
        self.agency = agency

    def _path(self, path: str) -> Path:
        return self.agency.root / path.lstrip("/")

    def list_folder(self, path: str) -> Any:
        try:
            found = sorted(self._path(path).iterdir())
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)
        return [paramiko.SFTPAttributes.from_stat(each.lstat(), each.name) for each in found]

    def lstat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).lstat())
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)

    stat = lstat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            handle = Reading(self.agency, self._path(path).open("rb"))
        except OSError as problem:
            return paramiko.SFTPServer.convert_errno(problem.errno)
        return handle


class Reading(paramiko.SFTPHandle):
    def __init__(self, agency: Agency, content: Any) -> None:
        super().__init__(os.O_RDONLY)
        self.readfile, self.agency = content, agency

    def read(self, offset: int, length: int) -> Any:
        agency = self.agency
        agency.reads.append(offset)
        if agency.stall:
            time.sleep(agency.stall)
        if agency.during:
            agency.during()
        if agency.drop_after and offset >= agency.drop_after[0]:
            agency.drop_after.pop(0)
            agency.breaks.append(len(agency.reads))
            assert agency.server is not None
            for transport in agency.server.transports:
                transport.close()
            return paramiko.SFTP_FAILURE
        return super().read(offset, length)


@pytest.fixture
def agency(tmp_path: Path, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agency]:
    told = Agency(tmp_path)
    told.server = Server(lambda server, *_: Folder(server, told), PASSWORD, user="agency")
    monkeypatch.setenv(VARIABLE, LOGIN)
    yield told
    told.server.stop()


@pytest.fixture
def live(clean_warehouse: Settings) -> Iterator[Settings]:
    settings = Live(home=clean_warehouse.home, database_url=clean_warehouse.database_url)
    yield settings
    shutil.rmtree(settings.base, ignore_errors=True)


def visit(settings: Settings, agreed: Contract, night: date = NIGHT) -> list[str]:
    files = extract(settings, night, agreed)
    for file in files:
        load_file(settings, night, agreed, file["file_id"], gate=open_gate)
    return [file["name"] for file in files]


def message(settings: Settings, agreed: Contract, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        extract(settings, NIGHT, agreed)
    return str(caught.value)


# -- what lands ----------------------------------------------------------------------------------------------
def test_files_land_the_earliest_modified_first_and_known_ones_are_not_fetched(
    agency: Agency, clean_warehouse: Settings, query: Query
) -> None:
    agency.file("delays-a.csv", age=1000)
    agency.file("delays-b.csv", CSV + b"2,UNION,1\n", age=2000)
    for name in (".delays.csv", "delays-c.csv.part", "~delays.csv", "notes.txt"):
        agency.file(name)
    agreed = agency.agreed(match=r"delays(-(?P<part>\w))?.*\.csv")
    assert visit(clean_warehouse, agreed) == ["delays-b.csv", "delays-a.csv"]
    assert query("select name, url, source_meta -> 'groups' from ops.landed_file order by name") == [
        (name, f"sftp://127.0.0.1:{agency.server.port}/out/{name}", {"part": name[7]})  # type: ignore[union-attr]
        for name in ("delays-a.csv", "delays-b.csv")
    ]
    agency.reads.clear()
    assert visit(clean_warehouse, agreed, NIGHT + timedelta(days=1)) == []
    assert agency.reads == []
    agency.file("delays-a.csv", CSV + b"3,KING,2\n", age=10)
    assert visit(clean_warehouse, agreed, NIGHT + timedelta(days=1)) == ["delays-a.csv"]


def test_a_file_that_landed_but_was_not_loaded_is_handed_on_again(
    agency: Agency, clean_warehouse: Settings
) -> None:
    agency.file("delays.csv")
    first = extract(clean_warehouse, NIGHT, agency.agreed())
    assert extract(clean_warehouse, NIGHT, agency.agreed()) == first != []


def test_links_are_not_followed(agency: Agency, clean_warehouse: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_bytes(CSV)
    agency.file("delays.csv")
    (tmp_path / "out" / "delays-link.csv").symlink_to(tmp_path / "elsewhere.csv")
    (tmp_path / "out" / "delays-folder.csv").mkdir()
    assert visit(clean_warehouse, agency.agreed()) == ["delays.csv"]


def test_a_key_opens_as_well_as_a_password(
    agency: Agency, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = paramiko.ECDSAKey.generate()
    monkeypatch.setattr("cityperf.portal.sftp._Login.get_allowed_auths", lambda *_: "publickey")
    monkeypatch.setattr(
        "cityperf.portal.sftp._Login.check_auth_publickey",
        lambda _, user, offered: paramiko.AUTH_SUCCESSFUL if offered == key else paramiko.AUTH_FAILED,
    )
    text = io.StringIO()
    key.write_private_key(text, password="pass phrase")
    agency.file("delays.csv")
    said = {"user": "agency", "key": text.getvalue(), "passphrase": "pass phrase"}
    monkeypatch.setenv(VARIABLE, json.dumps(said))
    assert visit(clean_warehouse, agency.agreed()) == ["delays.csv"]
    monkeypatch.setenv(VARIABLE, json.dumps(said | {"passphrase": "wrong"}))
    assert "private key that opens" in message(clean_warehouse, agency.agreed(), SourceRefused)


# -- files on their way --------------------------------------------------------------------------------------
def test_a_file_that_is_still_being_written_is_left_for_the_next_visit(
    agency: Agency, live: Settings, query: Query
) -> None:
    agency.file("delays-whole.csv")
    growing = agency.file("delays-growing.csv", age=0)
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.2):
            with growing.open("ab") as out:
                out.write(b"9,KIPLING,1\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert visit(live, agency.agreed()) == ["delays-whole.csv"]
    finally:
        over.set()
        writer.join()
    assert "left for the next visit: delays-growing.csv" in query("select message from ops.fetch")[0][0]
    assert visit(live, agency.agreed()) == ["delays-growing.csv"]  # younger than a minute, and still


def test_a_file_that_changes_while_it_is_fetched_is_not_kept(
    agency: Agency, clean_warehouse: Settings, query: Query
) -> None:
    rows = b"1,BATHURST,5\n"
    path = agency.file("delays.csv", CSV + rows * 3000)
    agency.during = lambda: path.write_bytes(CSV + rows * 6000)
    text = message(clean_warehouse, agency.agreed(), SourceUnavailable)
    assert "found delays.csv (still being written)" in text
    assert query("select count(*) from ops.landed_file") == [(0,)]
    agency.during = None
    assert visit(clean_warehouse, agency.agreed()) == ["delays.csv"]


@pytest.mark.fault
def test_a_download_that_breaks_off_goes_on_where_it_was(
    agency: Agency, clean_warehouse: Settings, query: Query
) -> None:
    content = CSV + b"".join(b"%d,STATION,%d\n" % (n, n % 60) for n in range(1_200_000))
    agency.file("delays.csv", content)
    agency.drop_after = [9 << 20, 14 << 20]
    (file,) = extract(clean_warehouse, NIGHT, agency.agreed())
    ((sha256,),) = query("select sha256 from ops.landed_file where file_id = %s", (file["file_id"],))
    assert path_of(clean_warehouse, sha256).read_bytes() == content
    assert agency.drop_after == []
    # The window in flight when the line broke may be asked for again; what was written before it never is.
    first, second = agency.breaks
    assert min(agency.reads[first:second]) >= (9 - 4) << 20
    assert min(agency.reads[second:]) >= (14 - 4) << 20


@pytest.mark.fault
def test_a_server_that_breaks_every_time_is_late_after_bounded_attempts(
    agency: Agency, clean_warehouse: Settings
) -> None:
    agency.file("delays.csv")
    agency.drop_after = [0] * 50
    assert "it is tried again tonight" in message(clean_warehouse, agency.agreed(), SourceUnavailable)
    assert 50 - len(agency.drop_after) <= ATTEMPTS


@pytest.mark.fault
def test_a_visit_has_an_end_of_its_own(agency: Agency, clean_warehouse: Settings) -> None:
    agency.file("delays.csv", CSV * 200_000)
    agency.stall = 0.3
    began = time.monotonic()
    text = message(clean_warehouse, agency.agreed(timeout=2), SourceUnavailable)
    assert "no end of the visit within its `timeout`" in text
    assert time.monotonic() - began < 10


# -- who answers ---------------------------------------------------------------------------------------------
@pytest.mark.fault
def test_another_host_key_is_refused_before_the_password_leaves(
    agency: Agency, clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "cityperf.portal.sftp._Login.check_auth_password",
        lambda _, user, password: asked.append(password) or paramiko.AUTH_FAILED,
    )
    agency.file("delays.csv")
    text = message(clean_warehouse, agency.agreed(host_key="SHA256:" + "A" * 43), SourceRefused)
    assert agency.server is not None and agency.server.fingerprint.rstrip("=") in text
    assert "somebody may stand in between" in text
    assert asked == []


@pytest.mark.fault
def test_a_wrong_password_is_refused_at_once_and_never_told(
    agency: Agency, clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "sftp://agency:n0t%2Fthis@")
    began = time.monotonic()
    text = message(clean_warehouse, agency.agreed(), SourceRefused)
    assert "to be let in as agency" in text
    assert time.monotonic() - began < 8
    kept = repr(query("select message from ops.fetch")) + repr(query("select * from quarantine.files"))
    assert not any(secret in text + kept for secret in ("n0t/this", "n0t%2Fthis"))


@pytest.mark.fault
def test_nothing_there_is_told_as_what_it_is(agency: Agency, clean_warehouse: Settings) -> None:
    agency.file("notes.txt")
    assert "found nothing" in message(clean_warehouse, agency.agreed(), SourceUnavailable)
    assert "compare `folder`" in message(clean_warehouse, agency.agreed(folder="gone"), SourceRefused)
    assert agency.server is not None
    agency.server.stop()
    assert "it is tried again" in message(clean_warehouse, agency.agreed(), SourceUnavailable)


def test_a_file_that_is_no_csv_is_refused_by_its_name(agency: Agency, clean_warehouse: Settings) -> None:
    agency.file("delays.csv", b"<html>moved</html>")
    assert "/out/delays.csv" in message(clean_warehouse, agency.agreed(), SourceRefused)


# -- the portal ----------------------------------------------------------------------------------------------
def test_the_sample_serves_both_contracts(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contracts = load_contracts()
    ridership, positions = contracts["transit_ridership_extract"], contracts["workforce_positions"]
    process, port = start(tmp_path, "sample")
    monkeypatch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
    try:
        night = date(2026, 11, 19)
        assert len(visit(clean_warehouse, ridership, night)) == 6
        assert visit(clean_warehouse, ridership, night + timedelta(days=1)) == []
        corrected = visit(clean_warehouse, ridership, date(2026, 12, 31))
        assert corrected == ["ridership_2026-10.csv", "ridership_2026-11.csv"]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert visit(clean_warehouse, positions, date(2026, 11, 19)) == ["workforce_positions.csv"]
    assert visit(clean_warehouse, positions, date(2026, 11, 20)) == []  # a posting comes every second Friday
    ((before,),) = query("select count(*) from raw.workforce_positions")
    assert visit(clean_warehouse, positions, date(2026, 12, 4)) == ["workforce_positions.csv"]
    ((after,),) = query("select count(*) from raw.workforce_positions")
    assert after >= before > 10_000
    assert query("select count(distinct _period) > 15 from raw.workforce_positions") == [(True,)]
    assert query("select count(distinct month), count(distinct mode) from raw.transit_ridership_extract") == [
        (7, 5)
    ]


def test_a_folder_that_the_replay_does_not_list_is_no_fault(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ridership_2026-10.csv").write_bytes(b"Month,Mode,Boardings,Revenue\n2026-10,bus,5,$1.00\n")
    (tmp_path / "replay.yml").write_text(
        "nights:\n- night: 2026-11-19\n  drop:\n    sftp/sftp.ttc.example/outgoing/ridership:\n"
        "    - file: ridership_2026-10.csv\n"
    )
    process, port = start(
        tmp_path / "home", "replay", "--replay", str(tmp_path / "replay.yml"),
        CITYPERF_REAL_DATA=str(tmp_path),
    )  # fmt: skip
    monkeypatch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
    replayed = Replay(home=clean_warehouse.home, database_url=clean_warehouse.database_url)
    agreed = load_contracts()["transit_ridership_extract"]
    try:
        assert extract(replayed, date(2026, 11, 18), agreed) == []
        assert query("select state from ops.fetch") == [("not_in_replay",)]
        assert len(extract(replayed, date(2026, 11, 19), agreed)) == 1
    finally:
        process.terminate()
        process.communicate(timeout=30)
