"""The portal as a real server: conditional requests, streaming, faults, replay and deliveries."""

from __future__ import annotations

import gzip
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
from cityperf.config import ROOT, Settings
from cityperf.portal import deliver_drops
from cityperf.portal.faults import write_faults

NIGHT = "2026-11-19"
FEED = "www.toronto.ca/app_content/tpp_measures"
SHOW = "ckan0.cf.opendata.inter.prod-toronto.ca/api/3/action/package_show?id="


@dataclass
class Server:
    """A running portal and how to ask it."""

    base: str
    settings: Settings
    session: requests.Session

    def get(self, address: str, night: str = NIGHT, **options: Any) -> requests.Response:
        headers = {"X-Cityperf-Night": night, **options.pop("headers", {})}
        return self.session.get(f"{self.base}/{address}", headers=headers, timeout=60, **options)

    def resource(self, package: str, name: str) -> str:
        listed = self.get(SHOW + package).json()["result"]["resources"]
        url: str = next(r["url"] for r in listed if r["name"] == name)
        return url.removeprefix("https://")

    def faults(self, *rules: dict[str, object]) -> None:
        write_faults(self.settings.base / "faults.json", *rules)


def start(
    home: Path, profile: str, *arguments: str, scale: str = "0.02", **environment: str
) -> tuple[Any, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "cityperf.portal", "--profile", profile, "--port", str(port), *arguments],
        env=os.environ | {"CITYPERF_HOME": str(home), "CITYPERF_SCALE": scale,
                          "PYTHONPATH": str(ROOT / "include"), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok:
                break
        except requests.ConnectionError:
            time.sleep(0.05)
    return process, port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("portal")
    process, port = start(home, "sample", "--access-log", str(home / "access.log"))
    try:
        with requests.Session() as session:
            yield Server(f"http://127.0.0.1:{port}", Settings(profile="sample", home=home), session)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert output == ""  # whatever clients did, the server's own terminal stays quiet


@pytest.fixture(autouse=True)
def _no_faults_left(server: Server) -> Iterator[None]:
    yield
    server.faults()


# -- answers ----------------------------------------------------------------------------------------------
def test_it_says_that_it_is_well(server: Server) -> None:
    assert server.get("healthz").json() == {"status": "ok", "profile": "sample"}


def test_an_answer_is_tagged_with_the_hash_of_its_bytes_and_is_not_sent_twice(server: Server) -> None:
    import hashlib

    first = server.get(FEED)
    assert first.headers["ETag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    assert int(first.headers["Content-Length"]) == len(first.content)
    again = server.get(FEED, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    later = server.get(FEED, night="2026-11-20", headers={"If-None-Match": first.headers["ETag"]})
    assert later.status_code == 200
    dated = server.get(FEED, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert dated.status_code == 304


def test_a_file_is_streamed_and_can_be_resumed(server: Server) -> None:
    address = server.resource("311-service-requests-customer-initiated", "SR2024")
    whole = server.get(address)
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    assert whole.headers["Content-Type"] == "application/zip"
    rest = server.get(address, headers={"Range": f"bytes={len(whole.content) - 100}-"})
    assert (rest.status_code, rest.content) == (206, whole.content[-100:])
    head = server.session.head(f"{server.base}/{address}", headers={"X-Cityperf-Night": NIGHT}, timeout=60)
    assert (head.headers["ETag"], head.content) == (whole.headers["ETag"], b"")


def test_an_unknown_address_is_404_with_a_message(server: Server) -> None:
    answer = server.get("example.org/nothing")
    assert answer.status_code == 404
    assert "example.org/nothing" in answer.json()["error"]


def test_a_night_that_is_no_date_is_refused(server: Server) -> None:
    answer = server.get(FEED, night="tonight")
    assert answer.status_code == 400
    assert "expected a date" in answer.json()["error"]


def test_requests_are_answered_while_a_file_is_being_made(tmp_path: Path) -> None:
    process, port = start(tmp_path, "sample", scale="0.6")
    try:
        with requests.Session() as session:
            slow = Server(f"http://127.0.0.1:{port}", Settings(profile="sample", home=tmp_path), session)
            address = slow.resource("ttc-subway-delay-data", "ttc-subway-delay-data-2022")
            sizes: list[int] = []
            making = threading.Thread(target=lambda: sizes.append(len(slow.get(address).content)))
            making.start()
            answered = 0
            while making.is_alive():
                assert requests.get(f"{slow.base}/healthz", timeout=10).ok
                answered += 1
            making.join()
        assert sizes and sizes[0] > 100_000
        assert answered > 3
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_requests_are_logged_where_asked(server: Server) -> None:
    server.get("example.org/logged")
    assert "example.org/logged" in (server.settings.home / "access.log").read_text()


# -- faults -----------------------------------------------------------------------------------------------
def test_a_status_is_given_so_many_times_and_then_the_truth(server: Server) -> None:
    server.faults({"match": FEED, "fault": "status", "status": 429, "retry_after": 2, "times": 2})
    answers = [server.get(FEED) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "2"


def test_a_fault_concerns_only_the_address_and_the_night_that_it_names(server: Server) -> None:
    server.faults({"match": "www.toronto.ca/*", "fault": "status", "status": 500, "night": "2026-11-20"})
    assert server.get(FEED).status_code == 200
    assert server.get(FEED, night="2026-11-20").status_code == 500
    assert server.get(SHOW + "neighbourhood-profiles", night="2026-11-20").status_code == 200


def test_half_a_body_breaks_the_connection(server: Server) -> None:
    server.faults({"match": FEED, "fault": "half_body"})
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        server.get(FEED)


def test_silence_lasts_as_long_as_asked_and_dripping_is_whole(server: Server) -> None:
    address = server.resource("ttc-subway-delay-data", "Code Descriptions")
    truth = server.get(address).content
    server.faults(
        {"match": address, "fault": "timeout", "seconds": 1.0, "times": 1},
        {"match": address, "fault": "drip", "chunk": 500, "seconds": 0.05},
    )
    begun = time.monotonic()
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{server.base}/{address}", headers={"X-Cityperf-Night": NIGHT}, timeout=0.3)
    assert time.monotonic() - begun < 1.0
    assert server.get(address).content == truth


def test_html_empty_and_truncated_answers_look_like_success(server: Server) -> None:
    truth = server.get(FEED)
    server.faults({"match": FEED, "fault": "html"})
    page = server.get(FEED, headers={"If-None-Match": truth.headers["ETag"]})
    assert page.status_code == 200 and page.text.startswith("<!DOCTYPE html>")
    server.faults({"match": FEED, "fault": "empty"})
    assert (server.get(FEED).status_code, server.get(FEED).content) == (200, b"")
    server.faults({"match": FEED, "fault": "truncate", "keep": 0.25})
    short = server.get(FEED)
    assert short.content == truth.content[: len(truth.content) // 4]
    assert int(short.headers["Content-Length"]) == len(short.content)


def test_text_can_arrive_in_another_encoding_or_with_stray_bytes(server: Server) -> None:
    address = server.resource("ttc-subway-delay-data", "Code Descriptions")
    truth = server.get(address).content
    server.faults({"match": address, "fault": "encoding", "encoding": "utf-16"})
    assert server.get(address).content.decode("utf-16") == truth.decode()
    server.faults({"match": address, "fault": "encoding"})
    with pytest.raises(UnicodeDecodeError):
        server.get(address).content.decode("utf-8")


def test_a_header_changes_in_csv_zip_and_workbook(server: Server) -> None:
    budget = "budget-operating-budget-program-summary-by-expenditure-category"
    server.faults(
        {"match": f"*/dataset/{budget}/*", "fault": "header"},
        {"match": "*/SR2024.zip", "fault": "header", "find": "Creation Date", "replace": "Created"},
    )
    plain = server.get(server.resource(budget, "operating-budget-2022")).text
    assert plain.startswith("Renamed Program,Service,")
    book = server.get(server.resource(budget, "approved-operating-budget-summary-2024")).content
    with zipfile.ZipFile(io.BytesIO(book)) as opened:
        assert b"<t>Renamed Program</t>" in opened.read("xl/sharedStrings.xml")
    packed = server.get(server.resource("311-service-requests-customer-initiated", "SR2024")).content
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert opened.read("SR2024.csv").startswith(b"Created,Status,")


def test_a_row_that_does_not_parse_is_put_where_asked(server: Server) -> None:
    server.faults({"match": "*/SR2024.zip", "fault": "row", "row": "garbage", "after": 2})
    packed = server.get(server.resource("311-service-requests-customer-initiated", "SR2024")).content
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        assert opened.read("SR2024.csv").split(b"\r\n")[2] == b"garbage"


def test_a_redirect_points_to_a_private_address(server: Server) -> None:
    server.faults({"match": FEED, "fault": "redirect"})
    answer = server.get(FEED, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"][:23]) == (302, "http://169.254.169.254/")


def test_a_small_gzip_body_unpacks_to_very_much(server: Server) -> None:
    server.faults({"match": FEED, "fault": "gzip_bomb", "megabytes": 20})
    answer = server.get(FEED, stream=True)
    raw = answer.raw.read(decode_content=False)
    assert len(raw) < 100_000
    assert len(gzip.decompress(raw)) == 20 << 20


def test_rules_with_a_mistake_are_refused_before_they_are_written(server: Server) -> None:
    with pytest.raises(ValueError, match="status"):
        server.faults({"match": "*", "fault": "status"})
    assert server.get(FEED).status_code == 200


def test_a_broken_faults_file_is_told_to_the_caller(server: Server) -> None:
    (server.settings.base / "faults.json").write_text('{"rules": [{"match": "*", "fault": "gremlins"}]}')
    answer = server.get(FEED)
    assert answer.status_code == 500
    assert "gremlins" in answer.json()["error"]


# -- drop folders -----------------------------------------------------------------------------------------
FOLDERS = {"mbncanada": "mbncanada_results", "commitments": "commitments"}


@pytest.fixture
def receiving(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CITYPERF_PORTAL_URL", server.base)
    return replace(server.settings, home=tmp_path)


def test_hand_ins_are_delivered_once_and_dated_by_their_hand_in(receiving: Settings) -> None:
    night = date.fromisoformat(NIGHT)
    delivered = deliver_drops(receiving, night, FOLDERS)
    assert {p.parent.name for p in delivered} == set(FOLDERS)
    newest = receiving.drop / "commitments" / "commitments_2026-q3.xlsx"
    assert newest in delivered
    assert time.strftime("%Y-%m-%d", time.gmtime(newest.stat().st_mtime)) == "2026-10-21"
    stamps = {p: p.stat().st_mtime_ns for p in delivered}
    assert deliver_drops(receiving, night, FOLDERS) == []
    assert {p: p.stat().st_mtime_ns for p in delivered} == stamps


def test_the_contracts_say_which_folders_there_are(receiving: Settings) -> None:
    from cityperf.sources import load_contracts

    named = {
        contract.extract.arguments["folder"]
        for contract in load_contracts().values()
        if contract.extract.connector == "drop_folder"
    }
    assert named > set(FOLDERS)
    assert {p.parent.name for p in deliver_drops(receiving, date.fromisoformat(NIGHT))} == named


def test_a_file_left_by_hand_stays_and_a_changed_one_is_mended(receiving: Settings) -> None:
    night = date.fromisoformat(NIGHT)
    folder = receiving.drop / "commitments"
    folder.mkdir(parents=True)
    (folder / "commitments_by-hand.xlsx").write_bytes(b"mine")
    (folder / "commitments_2026-q3.xlsx").write_bytes(b"half a file")
    assert folder / "commitments_2026-q3.xlsx" in deliver_drops(receiving, night, FOLDERS)
    assert (folder / "commitments_by-hand.xlsx").read_bytes() == b"mine"
    assert (folder / "commitments_2026-q3.xlsx").read_bytes().startswith(b"PK")


def test_a_delivery_that_breaks_off_leaves_nothing_behind(server: Server, receiving: Settings) -> None:
    server.faults({"match": "drop/commitments/*.xlsx", "fault": "half_body"})
    with pytest.raises(OSError):
        deliver_drops(receiving, date.fromisoformat(NIGHT), {"commitments": "commitments"})
    assert not [p for p in receiving.drop.rglob("*") if p.is_file()]


def test_a_folder_that_nobody_fills_is_skipped(receiving: Settings) -> None:
    assert deliver_drops(receiving, date.fromisoformat(NIGHT), {"nobody": "nothing"}) == []
    assert not (receiving.drop / "nobody").exists()


# -- replay -----------------------------------------------------------------------------------------------
def test_a_replay_serves_recorded_bytes_and_refuses_what_it_does_not_list(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "feed.json").write_bytes(b'{"measures": []}')
    (tmp_path / "replay.yml").write_text(
        f"nights:\n  - night: 2025-10-29\n    urls: [{{url: 'https://{FEED}', file: feed.json}}]\n"
    )
    chosen, data = str(tmp_path / "replay.yml"), str(tmp_path / "data")
    process, port = start(tmp_path / "home", "replay", "--replay", chosen, CITYPERF_REAL_DATA=data)
    try:
        base = f"http://127.0.0.1:{port}"
        assert requests.get(f"{base}/{FEED}", timeout=10).content == b'{"measures": []}'
        refused = requests.get(f"{base}/www.bankofcanada.ca/valet/observations/FXUSDCAD/json", timeout=10)
        assert (refused.status_code, refused.headers["X-Cityperf-Replay"]) == (404, "not-listed")
        assert "FXUSDCAD" in refused.json()["error"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_replay_with_a_mistake_does_not_come_up_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "replay.yml").write_text("nights:\n  - night: 2025-10-29\n    ulrs: []\n")
    process, _ = start(tmp_path / "home", "replay", "--replay", str(tmp_path / "replay.yml"))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "replay.yml:3: nights[0].ulrs" in output


def test_faults_are_read_again_when_they_change(server: Server) -> None:
    path = server.settings.base / "faults.json"
    rule = {"match": FEED, "fault": "status", "status": 503, "times": 1}
    for _ in range(2):
        path.write_text(json.dumps({"rules": [rule]}))
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        assert [server.get(FEED).status_code for _ in range(2)] == [503, 200]
