"""One visit to one source over real HTTP: what lands, what is left alone, and how each fault is told."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cityperf.config import Settings
from cityperf.errors import SourceRefused, SourceUnavailable
from cityperf.extract import extract
from cityperf.landing import path_of
from cityperf.sources import Contract

from tests.integration.publisher import NIGHT, Answer, Publisher, contract, deliver, publisher

Query = Callable[..., list[tuple[Any, ...]]]
CSV = b"id,station,minutes\n1,BATHURST,5\n2,DUNDAS,0\n"
PATH = "/data.example.org/delays.csv"
URL = "https://data.example.org/delays.csv"


def visiting(connector: str, read: dict[str, Any] | None = None, **arguments: Any) -> Contract:
    section = {"connector": connector, "read": read or {"format": "csv"}, **arguments}
    return contract(extract=section)


FILE = visiting("http_file", url=URL, name="delays.csv")


@pytest.fixture
def feed(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    with publisher() as told:
        monkeypatch.setenv("CITYPERF_PORTAL_URL", told.url)
        yield told


def outcome(query: Query, night: date = NIGHT) -> tuple[Any, ...]:
    return query("select state, message, files, attempts from ops.fetch where night = %s", (night,))[0]


def leftovers(settings: Settings) -> list[Path]:
    return [path for path in settings.landing.rglob("*") if path.name.startswith(".incoming")]


# -- what lands ----------------------------------------------------------------------------------------------
def test_bytes_land_as_received_and_unchangeable(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, Answer(CSV, headers={"Last-Modified": "Wed, 18 Nov 2026 10:00:00 GMT"}))
    (file,) = extract(clean_warehouse, NIGHT, FILE)
    row = query("select file_id, name, sha256, bytes, url, etag, last_modified, night from ops.landed_file")[
        0
    ]
    assert (row[0], row[1]) == (file["file_id"], file["name"])
    landed = path_of(clean_warehouse, row[2])
    assert landed.read_bytes() == CSV
    assert landed.stat().st_mode & 0o777 == 0o444
    assert (row[3], row[4], row[7]) == (len(CSV), URL, NIGHT)
    assert outcome(query)[0] == "landed"
    assert outcome(query)[2] == [file["file_id"]]
    assert feed.seen[0][2]["X-Cityperf-Night"] == NIGHT.isoformat()
    assert not leftovers(clean_warehouse)


def test_an_unchanged_file_costs_a_304_and_lands_nothing(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, CSV)
    deliver(clean_warehouse, FILE, CSV)
    assert extract(clean_warehouse, NIGHT, FILE) == []  # no tag known yet: the bytes came and were the same
    assert extract(clean_warehouse, date(2026, 11, 21), FILE) == []
    assert "If-None-Match" in feed.seen[1][2]
    assert outcome(query, date(2026, 11, 21))[0] == "unchanged"
    assert query("select count(*) from ops.landed_file") == [(1,)]


def test_a_file_that_landed_but_was_not_loaded_is_handed_on_again(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, CSV)
    first = extract(clean_warehouse, NIGHT, FILE)
    assert extract(clean_warehouse, NIGHT, FILE) == first
    assert outcome(query)[3] == 2
    assert query("select count(*) from ops.landed_file") == [(1,)]


def test_gzip_on_the_way_does_not_change_what_lands(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, Answer(gzip.compress(CSV), headers={"Content-Encoding": "gzip"}))
    extract(clean_warehouse, NIGHT, FILE)
    ((sha256,),) = query("select sha256 from ops.landed_file")
    assert path_of(clean_warehouse, sha256).read_bytes() == CSV


def test_a_redirect_inside_the_agreed_hosts_is_followed(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    agreed = visiting("http_file", url=URL, name="delays.csv", allow_hosts=["files.example.net"])
    feed.says(PATH, Answer(status=302, headers={"Location": "https://files.example.net/new.csv"}))
    feed.says("/files.example.net/new.csv", CSV)
    assert len(extract(clean_warehouse, NIGHT, agreed)) == 1


def test_a_source_that_the_replay_does_not_list_is_no_fault(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, Answer(b"{}", 404, {"X-Cityperf-Replay": "not-listed"}))
    assert extract(clean_warehouse, NIGHT, FILE) == []
    assert outcome(query)[0] == "not_in_replay"
    assert query("select count(*) from quarantine.files") == [(0,)]


# -- faults that pass ----------------------------------------------------------------------------------------
@pytest.mark.fault
@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=500),
        Answer(status=429, headers={"Retry-After": "1"}),
        Answer(CSV, cut=20),
        Answer(b"<html>Down for maintenance</html>"),
        Answer(b""),
        Answer(CSV, headers={"Content-Length": "9999"}, cut=len(CSV)),
        Answer(gzip.compress(CSV * 100)[:-20], headers={"Content-Encoding": "gzip"}),
    ],
    ids=["500", "429", "half a body", "HTML", "empty", "wrong Content-Length", "cut gzip"],
)
def test_a_fault_that_passes_is_tried_again(
    clean_warehouse: Settings, feed: Publisher, query: Query, trouble: Answer
) -> None:
    feed.says(PATH, trouble, CSV)
    assert len(extract(clean_warehouse, NIGHT, FILE, patience=20)) == 1
    ((size,),) = query("select bytes from ops.landed_file")
    assert size == len(CSV)
    assert feed.asked(PATH) == 2


@pytest.mark.fault
@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (Answer(status=503), "HTTP 503"),
        (Answer(status=429, headers={"Retry-After": "3600"}), "HTTP 429"),
        (Answer(CSV, cut=20), "cut off after 20 bytes"),
        (Answer(CSV, wait=5), "time-out"),
        (Answer(CSV, drip=0.2), "bytes in"),
    ],
    ids=["503", "429 for an hour", "half a body", "no answer", "slow drip"],
)
def test_a_fault_that_lasts_makes_the_source_late_within_bounds(
    clean_warehouse: Settings, feed: Publisher, query: Query, trouble: Answer, says: str
) -> None:
    feed.says(PATH, trouble)
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable) as caught:
        extract(clean_warehouse, NIGHT, FILE, patience=2)
    assert time.monotonic() - begun < 8
    message = str(caught.value)
    assert message.startswith("delays: expected an answer from https://data.example.org/delays.csv, found ")
    assert says in message
    assert outcome(query)[0] == "late"
    assert query("select count(*) from ops.landed_file") == [(0,)]
    assert not leftovers(clean_warehouse)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("trouble", "found"),
    [
        (Answer(b"gone", 404), "HTTP 404"),
        (Answer(b"<!DOCTYPE html><html></html>"), "an HTML page"),
        (Answer(b""), "an empty file"),
        (Answer(b'{"error": "no"}'), "JSON beginning"),
        (Answer(status=302, headers={"Location": "https://evil.example.com/x"}), "evil.example.com"),
        (Answer(status=302, headers={"Location": "http://169.254.169.254/latest"}), "169.254.169.254"),
        (Answer(status=302, headers={"Location": "file:///etc/passwd"}), "file scheme"),
        (Answer(status=302, headers={"Location": URL}), "one more"),
        (Answer(gzip.compress(b"0" * (64 << 20)), headers={"Content-Encoding": "gzip"}), "bytes out of"),
    ],
    ids=[
        "404",
        "HTML",
        "empty",
        "JSON",
        "other host",
        "link-local",
        "file URL",
        "redirect loop",
        "gzip bomb",
    ],
)
def test_a_fault_that_will_not_pass_is_refused_with_the_reason(
    clean_warehouse: Settings, feed: Publisher, query: Query, trouble: Answer, found: str
) -> None:
    feed.says(PATH, trouble)
    for _ in range(2):  # the second visit of the night writes no second row
        with pytest.raises(SourceRefused) as caught:
            extract(clean_warehouse, NIGHT, FILE, patience=3)
    assert found in str(caught.value)
    assert outcome(query)[0] == "refused"
    ((held, where, expected, remedy),) = query("select found, url, expected, remedy from quarantine.files")
    assert found in held
    assert where == URL
    assert expected
    assert remedy
    assert query("select count(*) from ops.landed_file") == [(0,)]
    assert not leftovers(clean_warehouse)


# -- CKAN ----------------------------------------------------------------------------------------------------
HOST = "/ckan.example.org"
PACKAGE = visiting(
    "ckan_files",
    base_url="https://ckan.example.org",
    package="delays",
    match="^delays",
    read={"format": "csv"},
)


def offer(feed: Publisher, *files: tuple[str, str]) -> None:
    resources = [
        {"id": str(n), "name": name, "format": "CSV", "state": "active", "last_modified": modified,
         "url": f"https://ckan.example.org/download/{name}"}
        for n, (name, modified) in enumerate(files)
    ]  # fmt: skip
    answer = {"success": True, "result": {"name": "delays", "resources": resources}}
    feed.says(f"{HOST}/api/3/action/package_show", json.dumps(answer).encode())


def test_files_of_a_package_are_handed_on_in_order_of_delivery(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    offer(feed, ("delays-b.csv", "2024-03-01"), ("delays-a.csv", "2024-02-01"), ("other.csv", "2024-01-01"))
    for name in "ab":
        feed.says(f"{HOST}/download/delays-{name}.csv", CSV + name.encode() + b",X,1\n")
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, PACKAGE)] == [
        "delays-a.csv",
        "delays-b.csv",
    ]
    found = query("select name, source_meta ->> 'source_modified' from ops.landed_file order by 1")
    assert found[0] == ("delays-a.csv", "2024-02-01T00:00:00.000000")


@pytest.mark.fault
def test_one_missing_file_refuses_the_source_by_its_name_and_the_next_visit_has_all(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    offer(feed, ("delays-a.csv", "2024-02-01"), ("delays-b.csv", "2024-03-01"))
    feed.says(f"{HOST}/download/delays-a.csv", CSV)
    with pytest.raises(SourceRefused, match=r"HTTP 404.*delays-b\.csv"):
        extract(clean_warehouse, NIGHT, PACKAGE, patience=3)
    feed.says(f"{HOST}/download/delays-b.csv", CSV + b"3,X,1\n")
    assert len(extract(clean_warehouse, NIGHT, PACKAGE)) == 2


@pytest.mark.fault
def test_a_package_without_a_matching_file_says_what_it_has(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    offer(feed, ("verspaetungen.csv", "2024-02-01"))
    with pytest.raises(SourceRefused, match=r"expected a resource that matches.*verspaetungen\.csv"):
        extract(clean_warehouse, NIGHT, PACKAGE, patience=3)


# -- Statistics Canada ---------------------------------------------------------------------------------------
WDS = "/www150.statcan.gc.ca/t1/wds/rest/getDataFromVectorsAndLatestNPeriods"


def series(*numbers: int) -> Contract:
    return visiting(
        "statcan_wds", base_url="https://www150.statcan.gc.ca/t1/wds/rest", latest_n=2,
        vectors=[{"id": number, "label": "x"} for number in numbers],
    )  # fmt: skip


def wds(*items: tuple[int, str]) -> bytes:
    return json.dumps(
        [
            {"status": status, "object": {"vectorId": number, "vectorDataPoint": []}}
            for number, status in items
        ]
    ).encode()


def test_a_vector_without_an_answer_is_a_warning_and_all_without_one_a_refusal(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(WDS, wds((9, "SUCCESS"), (7, "FAILED")))
    assert len(extract(clean_warehouse, NIGHT, series(7, 9))) == 1
    assert "no answer for vectors 7" in outcome(query)[1]
    feed.says(WDS, wds((9, "FAILED"), (7, "FAILED")))
    with pytest.raises(SourceRefused, match="at least one of 2 vectors"):
        extract(clean_warehouse, NIGHT, series(7, 9))


def test_vectors_are_asked_for_in_chunks_and_the_document_does_not_depend_on_their_order(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(WDS, wds((1, "SUCCESS")))
    first = extract(clean_warehouse, NIGHT, series(*range(1, 301)))
    assert [len(json.loads(body)) for *_, body in feed.seen] == [250, 50]
    assert extract(clean_warehouse, NIGHT, series(*reversed(range(1, 301)))) == first


# -- Bank of Canada ------------------------------------------------------------------------------------------
def test_valet_is_asked_once_a_series(clean_warehouse: Settings, feed: Publisher, query: Query) -> None:
    agreed = visiting(
        "boc_valet", base_url="https://boc.example/valet", series=["A", "B"], start_date=date(2020, 1, 1)
    )
    feed.says(
        "/boc.example/valet/observations/A/json", b'{"observations": [{"d": "2020-01-02", "A": {"v": "1"}}]}'
    )
    feed.says("/boc.example/valet/observations/B/json", b'{"message": "no such series"}')
    with pytest.raises(SourceRefused, match="series' name"):
        extract(clean_warehouse, NIGHT, agreed)
    feed.says("/boc.example/valet/observations/B/json", b'{"observations": []}')
    assert len(extract(clean_warehouse, NIGHT, agreed)) == 1
    assert feed.seen[-1][1].endswith("?start_date=2020-01-01")


# -- ArcGIS --------------------------------------------------------------------------------------------------
LAYER = visiting("arcgis_feature_server", layer_url="https://gis.example/L/FeatureServer/0", name="l.geojson")


class Layer(dict[str, list[Answer]]):
    """A layer with `counts` and `ids`, five features a page; looks like a script to the publisher."""

    def __init__(self, ids: list[int], counts: list[int], empty_at: int | None = None) -> None:
        super().__init__()
        self.ids, self.counts, self.empty_at = ids, counts, empty_at

    def get(self, path: str, default: Any = None) -> Any:
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not parts.path.endswith("/query"):
            return [Answer(b'{"maxRecordCount": 5, "objectIdField": "OID"}')]
        if asked.get("returnCountOnly"):
            number = self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]
            return [Answer(json.dumps({"count": number}).encode())]
        start = int(asked["resultOffset"])
        page = [] if start == self.empty_at else self.ids[start : start + int(asked["resultRecordCount"])]
        features = [{"type": "Feature", "geometry": None, "properties": {"OID": n}} for n in page]
        return [Answer(json.dumps({"type": "FeatureCollection", "features": features}).encode())]


def test_all_pages_of_a_layer_land_as_one_document(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.script = Layer(list(range(12)), [12])
    extract(clean_warehouse, NIGHT, LAYER)
    ((sha256,),) = query("select sha256 from ops.landed_file")
    lines = path_of(clean_warehouse, sha256).read_bytes().splitlines()
    assert [len(json.loads(line)["body"]["features"]) for line in lines] == [5, 5, 2]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (Layer(list(range(12)), [12, 13]), "12 before and 13 afterwards"),
        (Layer(list(range(12)), [12], empty_at=5), "an empty page at 5 of 12"),
        (Layer([0, 1, 2, 3, 4] * 3, [15]), "features that came before again"),
    ],
    ids=["a total that moves", "an empty page", "a page that repeats"],
)
def test_a_layer_that_changes_while_it_is_read_is_late(
    clean_warehouse: Settings, feed: Publisher, query: Query, layer: Layer, says: str
) -> None:
    feed.script = layer
    if layer.counts == [12, 13]:
        layer.counts = [12, 13] * 9
    with pytest.raises(SourceUnavailable, match=says):
        extract(clean_warehouse, NIGHT, LAYER)
    assert query("select count(*) from ops.landed_file") == [(0,)]


@pytest.mark.fault
def test_an_error_inside_a_200_is_seen(clean_warehouse: Settings, feed: Publisher, query: Query) -> None:
    feed.says("/gis.example/L/FeatureServer/0", b'{"error": {"code": 400, "message": "Invalid URL"}}')
    with pytest.raises(SourceRefused, match="error 400: Invalid URL"):
        extract(clean_warehouse, NIGHT, LAYER)


# -- files that people hand over -----------------------------------------------------------------------------
def test_a_drop_folder_gives_what_matches(clean_warehouse: Settings, feed: Publisher, query: Query) -> None:
    agreed = visiting("drop_folder", folder="delays", match=r"^delays.*\.csv$")
    with pytest.raises(
        SourceUnavailable, match=r"expected a file that matches.*drop/delays, found nothing.*TTC"
    ):
        extract(clean_warehouse, NIGHT, agreed)
    folder = clean_warehouse.drop / "delays"
    folder.mkdir(parents=True)
    for name in ("delays-2.csv", "delays-1.csv", ".delays-3.csv.part", "~$delays.csv", "notes.txt"):
        (folder / name).write_bytes(CSV + name.encode() + b",X,1\n")
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, agreed)] == [
        "delays-1.csv",
        "delays-2.csv",
    ]
    (folder / "delays-1.csv").write_bytes(b"<html>")
    with pytest.raises(SourceRefused, match=r"drop/delays/delays-1\.csv"):
        extract(clean_warehouse, NIGHT, agreed)


def test_a_reviewed_file_is_landed_from_the_project(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    agreed = visiting("reviewed_file", path="include/sources/external/report_cards.csv")
    assert len(extract(clean_warehouse, NIGHT, agreed)) == 1
    outside = visiting("reviewed_file", path="../elsewhere.csv")
    with pytest.raises(SourceRefused, match="a file of this project"):
        extract(clean_warehouse, NIGHT, outside)
