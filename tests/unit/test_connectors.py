"""Rules of single connectors and of courtesy that need no server, and replays of recorded answers."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import time
import zipfile
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cityperf.config import ROOT, Settings
from cityperf.extract.connectors.http_file import _Links
from cityperf.extract.connectors.sdmx import address
from cityperf.extract.courtesy import Closed, Turnstile
from cityperf.extract.http import _total
from cityperf.portal import ckan, sdmx, wds
from cityperf.portal.answers import Answer, Ask
from cityperf.portal.replay import ReplayError, ReplayPortal
from cityperf.portal.sample import SamplePortal
from cityperf.sources import ContractError, read_contract

REAL = Path(os.environ.get("CITYPERF_REAL_DATA") or ROOT.parent / "shared" / "data")
NIGHT = date(2026, 11, 19)
REST = f"https://{wds.HOST}{wds.ROOT}"


def ask(portal: Any, url: str, body: Any = None, night: date = NIGHT) -> Answer:
    parts = urlsplit(url)
    sent = json.dumps(body).encode() if body is not None else b""
    method = "POST" if body is not None else "GET"
    query = dict(parse_qsl(parts.query))
    answer: Answer | None = portal.answer(Ask(method, parts.hostname or "", parts.path, night, query, sent))
    assert answer is not None, url
    return answer


# -- arguments -----------------------------------------------------------------------------------------------
CONTRACT = """\
dataset: d
title: T
description: D
licence: null
tier: 3
owner: {{division: A, steward: B}}
privacy: {{class: public}}
extract:
  connector: {connector}
{arguments}
  read: {{format: csv}}
schedule: {{refresh: daily, warn_after: 1 day, fail_after: 1 day}}
{more}
columns: [{{name: a, header: [A], type: text}}]
"""


def checked(tmp_path: Path, connector: str, arguments: str, more: str = "") -> Any:
    file = tmp_path / "d.yml"
    lines = "\n".join(f"  {line}" for line in arguments.splitlines())
    file.write_text(CONTRACT.format(connector=connector, arguments=lines, more=more))
    return read_contract(file)


@pytest.mark.parametrize(
    ("connector", "arguments", "says"),
    [
        (
            "ckan_datastore",
            "base_url: https://x\npackage: p\nmatch: m\npage_size: 50000",
            "d.yml:13: page_size",
        ),
        ("statcan_table", "base_url: https://x\nproduct: 18-10-0205", "d.yml:11: product"),
        (
            "sdmx",
            "base_url: https://x\ndataflow: f\nparams: {startPeriod: 2020, lastNObservations: 3}",
            "406",
        ),
        ("sdmx", "base_url: https://x\ndataflow: f\nparams: {start: 2020}", "expected parameters of"),
        ("http_file", "url: https://x/a\nname: a\nlink: '(unclosed'", "d.yml:12: link"),
        ("http_file", "url: https://x/a\nname: a\nlimits: {max_megabytes: 0}", "max_megabytes"),
    ],
)
def test_a_wrong_argument_is_found_before_any_run(
    tmp_path: Path, connector: str, arguments: str, says: str
) -> None:
    with pytest.raises(ContractError) as caught:
        checked(tmp_path, connector, arguments)
    assert says in str(caught.value)


def test_a_year_in_the_address_may_be_the_partition(tmp_path: Path) -> None:
    arguments = (
        "url: 'https://x/{year}.csv'\nname: '{year}.csv'\nfirst_year: 2019\nlimits: {patience_seconds: 300}"
    )
    found = checked(tmp_path, "http_file", arguments, "partition: {from_name: year, grain: year}")
    assert found.partition.from_name == "year"
    assert found.extract.limits.patience_seconds == 300
    assert "limits" not in found.extract.arguments
    with pytest.raises(ContractError, match="no group"):
        checked(
            tmp_path, "http_file", "url: https://x/a\nname: a", "partition: {from_name: year, grain: year}"
        )


def test_sdmx_addresses_are_those_of_the_rest_standard() -> None:
    base = "https://h.example/rest/"
    assert address(base, "DF_1", "1.2+3.", {"startPeriod": 2020}) == (
        "https://h.example/rest/data/DF_1/1.2+3.?startPeriod=2020"
    )
    assert address(base, "AG,DF_1,1.0", "all", {}) == "https://h.example/rest/data/AG,DF_1,1.0/all"


def test_links_of_a_page_are_found_with_their_text() -> None:
    links = _Links()
    links.feed("<a name=x>no</a><A HREF=' a.csv '><b>Starts</b>, 2024</A> after <a href='b.csv'>B")
    links.close()
    assert links.found == [("a.csv", "Starts , 2024"), ("b.csv", "B")]


# -- courtesy ------------------------------------------------------------------------------------------------
def _visits(folder: str, number: int) -> None:
    turnstile = Turnstile(Path(folder), 0.05)
    for _ in range(number):
        turnstile.pass_("portal.example", 60)


def test_processes_together_keep_the_pace_of_a_host(tmp_path: Path) -> None:
    begun = time.time()
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_visits, args=(str(tmp_path), 5)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert time.time() - begun >= 14 * 0.05
    following = float((tmp_path / "portal.example").read_text())
    assert following - begun >= 15 * 0.05 - 0.001  # fifteen turns were given out, none twice


def test_a_host_that_asked_for_patience_is_left_alone_and_others_are_not(tmp_path: Path) -> None:
    turnstile = Turnstile(tmp_path, 0.01)
    turnstile.close("Slow.example", 3600)
    with pytest.raises(Closed) as caught:
        Turnstile(tmp_path, 0.01).pass_("slow.example", 60)
    assert 3500 < caught.value.seconds <= 3600.001  # the clock's last digits
    assert turnstile.pass_("quick.example", 60) < 60
    assert Turnstile(tmp_path, 0).pass_("slow.example", 0) == 0  # a stand-in needs no courtesy


@pytest.mark.parametrize(
    ("said", "start", "total"),
    [
        ("bytes 5-9/10", 5, 10), ("bytes 4-9/10", 5, None), ("bytes 5-8/10", 5, None), ("bytes 5-9/*", 5, None),
        ("", 5, None), ("items 5-9/10", 5, None),
    ],
)  # fmt: skip
def test_only_the_part_that_was_asked_for_is_the_rest(said: str, start: int, total: int | None) -> None:
    assert _total(said, start) == total


# -- the sample ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SamplePortal:
    return SamplePortal(Settings(profile="sample", home=tmp_path_factory.mktemp("home"), scale=0.02))


def test_the_samples_whole_table_has_the_agencys_shape(sample: SamplePortal) -> None:
    (item,) = json.loads(ask(sample, f"{REST}/getCubeMetadata", [{"productId": "18100205"}]).body)
    released = item["object"]["releaseTime"]
    assert released[:10] <= NIGHT.isoformat()
    changed = json.loads(ask(sample, f"{REST}/getChangedCubeList/{released[:10]}").body)["object"]
    assert {"responseStatusCode": 0, "productId": 18100205, "releaseTime": released} in changed
    url = json.loads(ask(sample, f"{REST}/getFullTableDownloadCSV/18100205/en").body)["object"]
    with zipfile.ZipFile(io.BytesIO(ask(sample, url).content())) as archive:
        assert archive.namelist() == ["18100205.csv", "18100205_MetaData.csv"]
        data, metadata = (archive.read(name) for name in archive.namelist())
    assert data.startswith(b'\xef\xbb\xbf"REF_DATE","GEO","DGUID","New housing price indexes","UOM"')
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert {row["SCALAR_FACTOR"] for row in rows} == {"units "}
    assert all(row["STATUS"] == ".." for row in rows if not row["VALUE"])
    assert any(row["GEO"] == "Toronto, Ontario" for row in rows)
    assert len({(row["REF_DATE"], row["VECTOR"]) for row in rows}) == len(rows)
    assert metadata.decode("utf-8-sig").count("\n\n") == 6  # seven tables, one below the other
    earlier = json.loads(
        ask(sample, f"{REST}/getCubeMetadata", [{"productId": 18100205}], date(2026, 9, 1)).body
    )
    assert earlier[0]["object"]["releaseTime"] < released


def test_the_samples_sdmx_service_has_the_same_figures_and_the_real_ones_quirk(sample: SamplePortal) -> None:
    base = f"https://{sdmx.HOST}{sdmx.ROOT}"
    url = address(base, "DF_18100205", "4.1", {"startPeriod": "2024-01", "endPeriod": "2024-12"})
    rows = list(csv.DictReader(io.StringIO(ask(sample, url).body.decode())))
    assert [row["TIME_PERIOD"] for row in rows] == [f"2024-{n:02d}" for n in range(1, 13)]
    assert {row["Geography"] for row in rows} == {"4"}
    last = list(
        csv.DictReader(
            io.StringIO(ask(sample, f"{base}/data/DF_18100205/all?lastNObservations=1").body.decode())
        )
    )
    assert len(last) == 18
    assert ask(sample, f"{url}&lastNObservations=1").status == 406
    assert ask(sample, f"{base}/data/DF_18100205/1").status == 400
    assert ask(sample, f"{base}/data/DF_9/all").status == 404


# -- recordings ----------------------------------------------------------------------------------------------
def replayed(tmp_path: Path, text: str) -> ReplayPortal:
    path = tmp_path / "replay.yml"
    path.write_text(f"nights:\n  - night: {NIGHT}\n{text}")
    return ReplayPortal(Settings(profile="replay", home=tmp_path / "home", replay_file=path, real_data=REAL))


needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real files at {REAL}")
TABLES = """\
    wds:
      - files: [statcan/wds-json/*.json]
        tables: [statcan/full-tables/*.zip]
"""


@pytest.mark.real
@needs_real
def test_recorded_whole_tables_are_served_with_their_metadata(tmp_path: Path) -> None:
    served = replayed(tmp_path, TABLES)
    (item,) = json.loads(ask(served, f"{REST}/getCubeMetadata", [{"productId": 18100204}]).body)
    assert item["object"] == json.loads((REAL / "statcan/full-tables/18100204.json").read_bytes())
    url = json.loads(ask(served, f"{REST}/getFullTableDownloadCSV/18100204/en").body)["object"]
    assert url == "https://www150.statcan.gc.ca/n1/tbl/csv/18100204-eng.zip"
    answer = ask(served, url)
    assert answer.content() == (REAL / "statcan/full-tables/18100204-eng.zip").read_bytes()
    assert answer.last_modified is not None and answer.last_modified.date() == date(2018, 12, 11)
    changed = json.loads(ask(served, f"{REST}/getChangedCubeList/2018-12-11").body)["object"]
    assert {"responseStatusCode": 0, "productId": 18100204, "releaseTime": "2018-12-11T08:30"} in changed
    assert json.loads(ask(served, f"{REST}/getChangedCubeList/2020-09-05").body)["object"] == []
    # What was recorded as a call is still answered as it was recorded.
    recorded = json.loads((REAL / "statcan/wds-json/test_gcmd_0.json").read_bytes())
    answer = ask(served, f"{REST}/getCubeMetadata", json.loads(recorded["request"]["body"]))
    assert json.loads(answer.body) == recorded["response"]
    # A table of which nothing was recorded is not listed, which is another thing than FAILED.
    unknown = json.dumps([{"productId": 18100004}]).encode()
    asked = Ask("POST", wds.HOST, f"{wds.ROOT}/getCubeMetadata", NIGHT, {}, unknown)
    assert served.answer(asked) is None


@pytest.mark.real
@needs_real
@pytest.mark.parametrize("file", sorted(REAL.glob("statcan/wds-json/*.json")), ids=lambda path: path.stem)
def test_every_recorded_call_is_answered_as_it_was(tmp_path: Path, file: Path) -> None:
    recorded = json.loads(file.read_bytes())
    asked = recorded["request"]
    body = json.loads(asked["body"]) if asked["body"] else None
    served = replayed(tmp_path, f"    wds: [{{files: [statcan/wds-json/{file.name}]}}]\n")
    assert json.loads(ask(served, asked["uri"], body).body) == recorded["response"]


RECORDED = f"""\
    ckan:
      - package: death-registry-statistics
        recorded: catalogue/death-registry-statistics-package.json
        datastore: [catalogue/death-registry-statistics-datastore.json]
      - package: ttc-routes-and-schedules
        base: https://{ckan.HOST}
        recorded: catalogue/ttc-routes-and-schedules.json
"""


@pytest.mark.real
@needs_real
def test_recorded_ckan_results_are_served_byte_for_byte_in_the_usual_envelope(tmp_path: Path) -> None:
    served = replayed(tmp_path, RECORDED)
    api = f"https://{ckan.HOST}/api/3/action"
    for package, file in (
        ("death-registry-statistics", "death-registry-statistics-package.json"),
        ("ttc-routes-and-schedules", "ttc-routes-and-schedules.json"),
    ):
        body = ask(served, f"{api}/package_show?id={package}").body
        assert (REAL / "catalogue" / file).read_bytes().strip() in body
        assert json.loads(body)["success"] is True
    table = "b00e485a-8214-43cb-aaf9-55b9dc64b747"
    rows = f"{api}/datastore_search?resource_id={table}&sort=_id"
    page = ask(served, f"{rows}&limit=10000&offset=0").body
    recorded = (REAL / "catalogue/death-registry-statistics-datastore.json").read_bytes().strip()
    assert recorded in page
    count = json.loads(ask(served, f"{rows}&limit=0").body)["result"]
    assert (count["total"], count["records"]) == (865, [])
    # Only the first hundred rows were recorded: what follows is not made up.
    for more in ("&limit=100&offset=100", "&limit=10", '&limit=100&filters={"TIME_PERIOD":"2011-01"}'):
        parts = urlsplit(rows + more)
        asked = Ask("GET", parts.hostname or "", parts.path, NIGHT, dict(parse_qsl(parts.query)))
        assert served.answer(asked) is None


def test_a_recording_and_files_of_one_package_exclude_each_other(tmp_path: Path) -> None:
    wrong = "    ckan: [{package: p, recorded: a.json, resources: [b.csv]}]\n"
    with pytest.raises(ReplayError, match="either `resources` or `recorded`"):
        replayed(tmp_path, wrong)
    with pytest.raises(ReplayError, match="`files`, `tables` or both"):
        replayed(tmp_path, "    wds: [{}]\n")
