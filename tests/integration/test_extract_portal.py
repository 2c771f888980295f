"""One visit to one source over real HTTP: what lands, what is left alone, and how each fault is told."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cityperf.config import Settings
from cityperf.errors import SourceRefused, SourceUnavailable
from cityperf.extract import extract
from cityperf.extract.http import Client, Memory
from cityperf.landing import path_of
from cityperf.load import load_file
from cityperf.portal.faults import write_faults
from cityperf.sources import Contract

from tests.integration.division import Replay
from tests.integration.publisher import NIGHT, Answer, Publisher, contract, deliver, open_gate, publisher
from tests.integration.test_portal import start

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


def test_unchanged_files_of_a_package_share_one_connection(
    clean_warehouse: Settings, feed: Publisher
) -> None:
    urls = [f"https://example.org/files/{n}.csv" for n in range(3)]
    for url in urls:
        feed.says(url.removeprefix("https:/"), Answer(CSV))
    client = Client(clean_warehouse, NIGHT, ("example.org",))
    tag = Answer(CSV).tag
    replies = [client.fetch(url, Memory(), headers={"If-None-Match": tag}) for url in urls]
    client.close()
    assert [reply.status for reply in replies] == [304, 304, 304]
    assert len(feed.callers) == 1


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


@pytest.mark.parametrize("packed", [False, True])
def test_the_reason_that_a_service_gives_is_passed_on(
    clean_warehouse: Settings, feed: Publisher, query: Query, packed: bool
) -> None:
    body = b'{"success": false, "error": {"query": ["no column nowhere"]}}'
    answer = Answer(
        gzip.compress(body) if packed else body, 409, {"Content-Encoding": "gzip" if packed else ""}
    )
    feed.says(PATH, answer)
    with pytest.raises(SourceRefused, match=r"HTTP 409 Conflict: .*no column nowhere"):
        extract(clean_warehouse, NIGHT, FILE)
    assert feed.asked(PATH) == 1


@pytest.mark.fault
def test_a_refusal_that_drips_is_not_waited_for(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(PATH, Answer(b'{"error": "' + b"x" * 500, 403, drip=0.1))
    begun = time.monotonic()
    with pytest.raises(SourceRefused, match="HTTP 403"):
        extract(clean_warehouse, NIGHT, FILE)
    assert time.monotonic() - begun < 20


@pytest.mark.fault
def test_a_burst_of_errors_is_waited_out(clean_warehouse: Settings, feed: Publisher, query: Query) -> None:
    feed.says(PATH, *(Answer(status=status) for status in (500, 502, 503)), CSV)
    assert len(extract(clean_warehouse, NIGHT, FILE, patience=30)) == 1
    assert feed.asked(PATH) == 4


@pytest.mark.fault
def test_a_publisher_that_takes_no_connection_is_late(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, not listening
        monkeypatch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(SourceUnavailable, match="found no connection"):
            extract(clean_warehouse, NIGHT, FILE, patience=1)
    assert outcome(query)[0] == "late"


@pytest.mark.fault
def test_a_host_that_asked_for_patience_is_not_asked_by_the_next_visit(
    clean_warehouse: Settings, feed: Publisher, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYPERF_HTTP_INTERVAL", "0.01")
    feed.says(PATH, Answer(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(SourceUnavailable, match="HTTP 429"):
        extract(clean_warehouse, NIGHT, FILE, patience=2)
    with pytest.raises(SourceUnavailable, match=r"no turn at data\.example\.org yet, asking for 3\d\d\d s"):
        extract(clean_warehouse, NIGHT, FILE, patience=2)
    assert feed.asked(PATH) == 1


@pytest.mark.fault
def test_a_name_that_leads_inside_after_it_was_checked_gives_nothing_away(
    feed: Publisher, tmp_path: Path
) -> None:
    """DNS that changes its answer: public when it is looked up, loopback when the connection is made."""
    live = Client(
        Settings(profile="live", home=tmp_path), NIGHT, ("localhost",), patience=5,
        resolve=lambda host, port, **_: [(2, 1, 6, "", ("93.184.216.34", port))],
    )  # fmt: skip
    feed.says("/secret", b"inside")
    sink = Memory()
    with pytest.raises(
        SourceRefused, match=r"expected a public address, found localhost at (127\.0\.0\.1|::1)"
    ):
        live.fetch(f"http://localhost:{urlsplit(feed.url).port}/secret", sink)
    live.close()
    assert feed.seen == []
    assert sink.size == 0


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
        (Answer(status=302, headers={"Location": "http://127.0.0.1:5432/"}), "127.0.0.1"),
        (Answer(status=307, headers={"Location": "//10.0.0.8/x"}), "10.0.0.8"),
        (Answer(status=301, headers={"Location": "http://[::1]/x"}), "::1"),
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
        "loopback",
        "private",
        "IPv6 loopback",
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


# -- large files ---------------------------------------------------------------------------------------------
LARGE = CSV + b"".join(b"%d,STATION,%d\n" % (n, n % 60) for n in range(3, 60_000))


@pytest.mark.fault
def test_a_body_that_breaks_off_is_continued_where_it_stopped(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    cuts = [
        Answer(LARGE, cut=300_000, parts=True),
        *(Answer(LARGE, cut=50_000, parts=True) for _ in range(8)),
    ]
    feed.says(PATH, *cuts, Answer(LARGE, parts=True))
    extract(clean_warehouse, NIGHT, FILE, patience=30)
    ranges = [headers.get("Range") for _, _, headers, _ in feed.seen]
    assert ranges[:3] == [None, "bytes=300000-", "bytes=350000-"]
    assert len(ranges) == 10  # more than the attempts that a request which gets nowhere has
    ((sha256, size),) = query("select sha256, bytes from ops.landed_file")
    assert size == len(LARGE)
    assert path_of(clean_warehouse, sha256).read_bytes() == LARGE


@pytest.mark.fault
@pytest.mark.parametrize(
    "then",
    [
        Answer(LARGE[::-1], parts=True),
        Answer(LARGE),
        Answer(LARGE, parts=True, headers={"Content-Range": "bytes 7-9/10"}),
        Answer(b"", 416),
    ],
    ids=["another file", "no parts after all", "a part not asked for", "no such part"],
)
def test_only_the_rest_of_the_same_file_is_put_behind_what_came(
    clean_warehouse: Settings, feed: Publisher, query: Query, then: Answer
) -> None:
    last = Answer(then.body if then.body else LARGE, parts=True)
    feed.says(PATH, Answer(LARGE, cut=300_000, parts=True), then, last)
    extract(clean_warehouse, NIGHT, FILE, patience=30)
    ((sha256,),) = query("select sha256 from ops.landed_file")
    assert path_of(clean_warehouse, sha256).read_bytes() == last.body


@pytest.mark.fault
def test_a_file_over_the_contracts_limit_is_refused_before_and_while_it_comes(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    section = FILE.extract.model_dump() | {"limits": {"max_megabytes": 1}}
    small = contract(extract=section)
    big = b"1,STATION,5\n" * 200_000
    for answer in (Answer(big), Answer(gzip.compress(big, 1), headers={"Content-Encoding": "gzip"})):
        feed.says(PATH, answer)
        with pytest.raises(SourceRefused, match=r"at most 1048576 bytes.*max_megabytes"):
            extract(clean_warehouse, NIGHT, small)
    assert not leftovers(clean_warehouse)


# -- pages that lead to a file, and a file each year ---------------------------------------------------------
HOUSING = visiting(
    "http_file", url="https://data.example.org/housing/", name="starts.csv", link=r"(?i)starts-toronto",
    allow_hosts=["files.example.net"],
)  # fmt: skip
PAGE = "/data.example.org/housing/"


def test_a_file_is_found_behind_the_link_of_a_page(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(
        PAGE,
        b'<p><a href="/x.pdf">Notes</a> <A HREF="https://files.example.net/a1/STARTS-Toronto.csv">Data</a>',
    )
    feed.says("/files.example.net/a1/STARTS-Toronto.csv", CSV)
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, HOUSING)] == ["starts.csv"]
    ((url, page),) = query("select url, source_meta ->> 'landing_page' from ops.landed_file")
    assert (url, page) == (
        "https://files.example.net/a1/STARTS-Toronto.csv",
        "https://data.example.org/housing/",
    )


@pytest.mark.fault
@pytest.mark.parametrize(
    ("page", "says"),
    [
        (b"<a href=other.csv>Other</a>", "none among 1 links"),
        (b"<a href=a.csv>starts-toronto</a><a href=b.csv>Starts-Toronto old</a>", "found 2: https://data"),
        (b"<a href=https://evil.example.com/starts-toronto.csv>x</a>", "evil.example.com"),
        (b"<a href=file:///etc/starts-toronto>x</a>", "file scheme"),
    ],
    ids=["no link", "two links", "another host", "a file URL"],
)
def test_a_page_without_the_one_agreed_link_is_refused(
    clean_warehouse: Settings, feed: Publisher, query: Query, page: bytes, says: str
) -> None:
    feed.says(PAGE, page)
    with pytest.raises(SourceRefused, match=says):
        extract(clean_warehouse, NIGHT, HOUSING, patience=3)
    assert query("select count(*) from ops.landed_file") == [(0,)]


YEARLY = visiting(
    "http_file", url="https://data.example.org/{year}/schedule_22.csv", name="schedule_22_{year}.csv",
    first_year=2023,
)  # fmt: skip


def test_a_file_a_year_comes_in_order_and_the_newest_may_not_be_out_yet(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    for year in (2023, 2024):
        feed.says(f"/data.example.org/{year}/schedule_22.csv", CSV + b"%d,X,1\n" % year)
    files = extract(clean_warehouse, NIGHT, YEARLY)
    assert [file["name"] for file in files] == ["schedule_22_2023.csv", "schedule_22_2024.csv"]
    assert "nothing yet for 2025, 2026" in outcome(query)[1]
    assert query("select source_meta -> 'groups' ->> 'year' from ops.landed_file order by 1") == [
        ("2023",), ("2024",),
    ]  # fmt: skip


def test_years_that_a_replay_does_not_list_are_no_gap(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    unlisted = Answer(b"{}", 404, {"X-Cityperf-Replay": "not-listed"})
    for year in range(2023, 2027):
        feed.says(f"/data.example.org/{year}/schedule_22.csv", CSV if year == 2024 else unlisted)
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, YEARLY)] == ["schedule_22_2024.csv"]
    assert outcome(query)[1] is None
    feed.says("/data.example.org/2024/schedule_22.csv", unlisted)
    assert extract(clean_warehouse, NIGHT, YEARLY) == []
    assert outcome(query)[0] == "not_in_replay"


@pytest.mark.fault
def test_a_year_that_is_missing_before_another_is_refused(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says("/data.example.org/2024/schedule_22.csv", CSV)
    with pytest.raises(SourceRefused, match=r"HTTP 404.*/2023/"):
        extract(clean_warehouse, NIGHT, YEARLY)


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


def test_a_replay_may_list_a_part_of_a_package_but_not_lose_a_file(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    replayed = Replay(home=clean_warehouse.home, database_url=clean_warehouse.database_url)
    offer(feed, ("verspaetungen.csv", "2024-02-01"))
    assert extract(replayed, NIGHT, PACKAGE, patience=3) == []
    assert query("select state from ops.fetch") == [("not_in_replay",)]
    offer(feed, ("delays-a.csv", "2024-02-01"))
    feed.says(f"{HOST}/download/delays-a.csv", CSV)
    (file,) = extract(replayed, NIGHT, PACKAGE, patience=3)
    load_file(replayed, NIGHT, PACKAGE, file["file_id"], gate=open_gate)
    offer(feed, ("verspaetungen.csv", "2024-02-01"))
    with pytest.raises(SourceRefused, match="expected a resource that matches"):
        extract(replayed, NIGHT, PACKAGE, patience=3)


@pytest.mark.parametrize("trusted", [True, False])
def test_what_the_catalogue_says_is_unchanged_is_not_asked_for_where_it_is_trusted(
    clean_warehouse: Settings, feed: Publisher, query: Query, trusted: bool
) -> None:
    section = PACKAGE.extract.arguments | {"trust_last_modified": trusted}
    agreed = visiting("ckan_files", **section)
    offer(feed, ("delays.csv", "2024-02-01"))
    feed.says(f"{HOST}/download/delays.csv", CSV)
    (file,) = extract(clean_warehouse, NIGHT, agreed)
    load_file(clean_warehouse, NIGHT, agreed, file["file_id"], gate=open_gate)
    assert extract(clean_warehouse, NIGHT, agreed) == []
    assert outcome(query)[0] == "unchanged"
    assert feed.asked(f"{HOST}/download/delays.csv") == (1 if trusted else 2)
    offer(feed, ("delays.csv", "2024-02-02"))
    feed.says(f"{HOST}/download/delays.csv", CSV + b"3,X,1\n")
    assert len(extract(clean_warehouse, NIGHT, agreed)) == 1


TABLE = visiting(
    "ckan_datastore", base_url="https://ckan.example.org", package="delays", match="^Delays$", page_size=4,
    read={"format": "json", "each": "body.result.records[]"},
)  # fmt: skip


class Datastore(dict[str, list[Answer]]):
    """A package with one table; pages hold at most `cap` rows whatever is asked. `totals` are given out one
    after the other, the last for ever; `empty_at`: the page there has no rows; `stuck`: always the first page.
    """

    def __init__(
        self, rows: int = 10, totals: list[int] | None = None, cap: int = 3, empty_at: int = -1,
        stuck: bool = False, active: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.rows, self.totals, self.cap = rows, totals or [rows], cap
        self.empty_at, self.stuck, self.active = empty_at, stuck, active

    def get(self, path: str, default: Any = None) -> Any:
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith("package_show"):
            table = {
                "id": "t1",
                "name": "Delays",
                "datastore_active": self.active,
                "last_modified": "2024-02-01",
            }
            copy = {"id": "t2", "name": "Delays.csv", "datastore_active": False}
            result: dict[str, Any] = {"resources": [copy, table]}
        else:
            assert asked["sort"] == "_id"
            total = self.totals.pop(0) if len(self.totals) > 1 else self.totals[0]
            start, limit = int(asked["offset"]), min(int(asked["limit"]), self.cap)
            first = 0 if self.stuck else start
            shown = range(first, min(first + limit, self.rows)) if start != self.empty_at else ()
            records = [{"_id": n + 1, "id": str(n), "minutes": 1.10} for n in shown]
            result = {"limit": limit, "total": total, "records": records}
        return [Answer(json.dumps({"success": True, "result": result}).encode())]


def test_a_table_is_paged_by_what_the_server_gives_until_its_total(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.script = Datastore()
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, TABLE)] == ["Delays.json"]
    asked = [parse_qs(urlsplit(path).query) for _, path, _, _ in feed.seen[1:]]
    assert [(each["limit"], each["offset"]) for each in asked] == [
        (["4"], ["0"]), (["4"], ["3"]), (["4"], ["6"]), (["4"], ["9"]), (["0"], ["0"]),
    ]  # fmt: skip
    ((sha256, total),) = query("select sha256, source_meta -> 'total' from ops.landed_file")
    lines = path_of(clean_warehouse, sha256).read_bytes().splitlines()
    records = [each["id"] for line in lines for each in json.loads(line)["body"]["result"]["records"]]
    assert records == [str(n) for n in range(10)]
    assert total == 10


def test_a_table_that_moved_once_is_read_again(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.script = Datastore(totals=[10, 10, 11, 10])
    assert len(extract(clean_warehouse, NIGHT, TABLE)) == 1


@pytest.mark.fault
@pytest.mark.parametrize(
    ("table", "says"),
    [
        (Datastore(totals=[10, 11] * 20), "11 rows where it had 10 before"),
        (Datastore(totals=[10, 10, 10, 10, 9] * 2), "10 before and 9 afterwards"),
        (Datastore(empty_at=6), "an empty page at 6 of 10 rows"),
        (Datastore(stuck=True), "rows that came before again at 3 of 10"),
    ],
    ids=["a total that moves", "a total that moved at the end", "an empty page", "a cursor that repeats"],
)
def test_a_table_that_moves_while_it_is_read_is_late(
    clean_warehouse: Settings, feed: Publisher, query: Query, table: Datastore, says: str
) -> None:
    feed.script = table
    with pytest.raises(SourceUnavailable, match=says):
        extract(clean_warehouse, NIGHT, TABLE)
    assert outcome(query)[0] == "late"
    assert query("select count(*) from ops.landed_file") == [(0,)]
    assert not leftovers(clean_warehouse)
    assert len(feed.seen) < 15


@pytest.mark.fault
def test_what_is_no_table_is_refused_with_the_way_out(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.script = Datastore(active=False)
    with pytest.raises(SourceRefused, match=r"only files: 'Delays'.*connector ckan_files"):
        extract(clean_warehouse, NIGHT, TABLE)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"success": true, "result": {"resources": [', "breaks off or is damaged"),
        (b"<html>Maintenance</html>", "an HTML page"),
        (b'"Bad request: Action name not known"', "expected a CKAN package"),
        (b'{"success": false, "error": {"message": "Not found"}}', "expected a CKAN package"),
    ],
    ids=["cut JSON", "HTML", "a bare string", "an error with 200"],
)
def test_an_api_that_answers_something_else_is_refused_within_bounds(
    clean_warehouse: Settings, feed: Publisher, query: Query, body: bytes, says: str
) -> None:
    feed.says(f"{HOST}/api/3/action/package_show", body)
    with pytest.raises(SourceRefused, match=says):
        extract(clean_warehouse, NIGHT, TABLE, patience=3)
    assert len(feed.seen) <= 3


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


def test_answers_out_of_order_and_without_points_are_answers(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(WDS, wds((9, "SUCCESS"), (7, "SUCCESS")))
    (file,) = extract(clean_warehouse, NIGHT, series(7, 9))
    assert outcome(query)[1] is None
    ((sha256,),) = query("select sha256 from ops.landed_file where file_id = %s", (file["file_id"],))
    assert b'"vectorDataPoint": []' in path_of(clean_warehouse, sha256).read_bytes()


REST = "/www150.statcan.gc.ca/t1/wds/rest"
ZIP = "/www150.statcan.gc.ca/n1/tbl/csv/18100205-eng.zip"
CUBE = visiting(
    "statcan_table", base_url="https://www150.statcan.gc.ca/t1/wds/rest", product=18100205,
    read={"format": "csv", "inside_zip": True, "member": r"^\d+\.csv$"},
)  # fmt: skip


def release(feed: Publisher, when: str, content: bytes) -> None:
    cube = {"productId": "18100205", "releaseTime": when}
    feed.says(f"{REST}/getCubeMetadata", json.dumps([{"status": "SUCCESS", "object": cube}]).encode())
    url = "https://" + ZIP[1:]
    feed.says(
        f"{REST}/getFullTableDownloadCSV/18100205/en",
        json.dumps({"status": "SUCCESS", "object": url}).encode(),
    )
    feed.says(ZIP, content)


def test_a_table_is_downloaded_when_it_was_released_again(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("18100205.csv", b"\xef\xbb\xbf" + CSV)
        archive.writestr("18100205_MetaData.csv", b"Cube Title\nx\n")
    release(feed, "2026-10-22T08:30", packed.getvalue())
    (file,) = extract(clean_warehouse, NIGHT, CUBE)
    assert file["name"] == "18100205-eng.zip"
    result = load_file(clean_warehouse, NIGHT, CUBE, file["file_id"], gate=open_gate)
    assert result.loaded == 2
    assert extract(clean_warehouse, NIGHT, CUBE) == []
    assert feed.asked(ZIP) == 1
    release(feed, "2026-11-19T08:30", packed.getvalue())
    assert extract(clean_warehouse, NIGHT, CUBE) == []  # asked for, and still the same
    assert feed.asked(ZIP) == 2


@pytest.mark.fault
def test_a_table_that_has_retired_is_refused(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(f"{REST}/getCubeMetadata", b'[{"status": "FAILED", "object": {"productId": 18100205}}]')
    with pytest.raises(SourceRefused, match="tables retire"):
        extract(clean_warehouse, NIGHT, CUBE)


@pytest.mark.fault
def test_a_file_dated_anew_is_handed_on_again_if_another_one_stands_for_its_year(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    section = {"connector": "ckan_files", "base_url": "https://ckan.example.org", "package": "p",
               "match": r"^(?P<year>\d{4})", "read": {"format": "csv"}}  # fmt: skip
    agreed = contract(extract=section, partition={"from_name": "year", "grain": "year"})

    def a_night(day: int, **modified: int) -> list[str]:
        resources = [
            {"id": name, "name": f"2025 {name}", "url": f"https://ckan.example.org/{name}.csv", "format": "CSV",
             "last_modified": f"2026-11-{moment:02d}T10:00:00"}
            for name, moment in modified.items()
        ]  # fmt: skip
        answer = json.dumps({"success": True, "result": {"resources": resources}}).encode()
        feed.says("/ckan.example.org/api/3/action/package_show", answer)
        night = date(2026, 11, day)
        files = extract(clean_warehouse, night, agreed)
        for file in files:
            load_file(clean_warehouse, night, agreed, file["file_id"], gate=open_gate)
        return [file["name"] for file in files]

    feed.says("/ckan.example.org/first.csv", CSV)
    feed.says("/ckan.example.org/other.csv", CSV.replace(b"BATHURST", b"SPADINA"))
    assert a_night(15, first=14) == ["first.csv"]
    assert a_night(16, first=14, other=15) == ["other.csv"]
    assert query("select station from raw.delays where id = '1'") == [("SPADINA",)]
    assert a_night(17, first=14, other=15) == []
    assert a_night(18, first=17, other=15) == ["first.csv"]  # a 304, but a later date
    assert query("select station from raw.delays where id = '1'") == [("BATHURST",)]
    assert a_night(19, first=17, other=15) == []


# -- SDMX ----------------------------------------------------------------------------------------------------
FLOW = visiting(
    "sdmx",
    base_url="https://sdmx.example.org/rest",
    dataflow="DF_1",
    key="1.2+3",
    params={"startPeriod": 2020},
)
DATA = "/sdmx.example.org/rest/data/DF_1/1.2+3"


def test_a_dataflow_lands_as_the_csv_it_was_asked_for(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    feed.says(DATA, b"DATAFLOW,GEO,TIME_PERIOD,OBS_VALUE\r\nX:DF_1(1.0),1,2020-01,1.0\r\n")
    assert [file["name"] for file in extract(clean_warehouse, NIGHT, FLOW)] == ["DF_1.csv"]
    _, path, headers, _ = feed.seen[0]
    assert path.endswith("?startPeriod=2020")
    assert headers["Accept"].startswith("application/vnd.sdmx.data+csv")


def test_a_dataflow_in_xml_is_asked_for_landed_and_loaded(
    clean_warehouse: Settings, feed: Publisher, query: Query
) -> None:
    section = FLOW.extract.arguments | {"format": "xml"}
    columns = {
        name: {"header": [name.upper()], "type": "text"} for name in ("geo", "time_period", "obs_value")
    }
    flow = contract("prices", columns, extract={"connector": "sdmx", **section})
    observation = b'<Series GEO="1"><Obs TIME_PERIOD="2020-01" OBS_VALUE="1.0"/></Series>'
    feed.says(
        DATA, b"<m:StructureSpecificData><m:DataSet>%b</m:DataSet></m:StructureSpecificData>" % observation
    )
    (file,) = extract(clean_warehouse, NIGHT, flow)
    assert file["name"] == "DF_1.xml"
    assert "structurespecificdata+xml" in feed.seen[0][2]["Accept"]
    assert load_file(clean_warehouse, NIGHT, flow, file["file_id"], gate=open_gate).loaded == 1
    assert query("select geo, time_period, obs_value from raw.prices") == [("1", "2020-01", "1.0")]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b"<?xml version='1.0'?><mes:GenericData>"), "found SDMX-ML"),
        (Answer(b'{"data": {"dataSets": []}}'), "found SDMX-JSON"),
        (Answer(b"<html><body>Maintenance</body></html>"), "an HTML page"),
        (Answer(b'{"message": "Not Acceptable"}', 406), 'HTTP 406 Not Acceptable: "Not Acceptable"'),
    ],
    ids=["SDMX-ML", "SDMX-JSON", "HTML", "406"],
)
def test_a_service_that_gives_no_csv_is_refused(
    clean_warehouse: Settings, feed: Publisher, query: Query, answer: Answer, says: str
) -> None:
    feed.says(DATA, answer)
    with pytest.raises(SourceRefused, match=says):
        extract(clean_warehouse, NIGHT, FLOW, patience=3)


# -- the portal itself ---------------------------------------------------------------------------------------
@contextmanager
def serving(home: Path, profile: str, *arguments: str, **environment: str) -> Iterator[str]:
    """The portal as a process of its own; its address."""
    process, port = start(home, profile, *arguments, **environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.fault
def test_the_sample_gives_tables_and_dataflows_and_the_rest_of_a_file_that_broke_off(
    clean_warehouse: Settings, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = visiting(
        "sdmx", base_url="https://www150.statcan.gc.ca/t1/wds/sdmx/statcan/rest", dataflow="DF_18100205",
        key="4.1+2+3", params={"lastNObservations": 12},
    )  # fmt: skip
    with serving(tmp_path, "sample", "--access-log", str(tmp_path / "log")) as url:
        monkeypatch.setenv("CITYPERF_PORTAL_URL", url)
        rule = {"match": "*/18100205-eng.zip", "fault": "half_body", "times": 1}
        write_faults(tmp_path / "sample" / "faults.json", rule)
        assert len(extract(clean_warehouse, NIGHT, CUBE, patience=60)) == 1
        assert len(extract(clean_warehouse, NIGHT, flow)) == 1
    statuses = [
        line.rsplit(" ", 1)[1] for line in (tmp_path / "log").read_text().splitlines() if "eng.zip" in line
    ]
    assert statuses == ["200", "206"]
    found = query("select name, sha256 from ops.landed_file order by name")
    assert [name for name, _ in found] == ["18100205-eng.zip", "DF_18100205.csv"]
    assert zipfile.ZipFile(path_of(clean_warehouse, found[0][1])).testzip() is None
    assert len(path_of(clean_warehouse, found[1][1]).read_bytes().splitlines()) == 1 + 3 * 12


RECORDED = """\
nights:
  - night: 2026-11-20
    wds: [{tables: [statcan/full-tables/*.zip]}]
    ckan:
      - package: death-registry-statistics
        recorded: catalogue/death-registry-statistics-package.json
        datastore: [catalogue/death-registry-statistics-datastore.json]
"""


@pytest.mark.real
def test_recorded_tables_land_and_load_and_a_recording_that_is_not_whole_does_not(
    clean_warehouse: Settings, query: Query, tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "replay.yml"
    listed.write_text(RECORDED)
    section = CUBE.extract.model_dump() | {"arguments": CUBE.extract.arguments | {"product": 18100204}}
    columns = {
        "ref_date": {"header": ["REF_DATE"], "type": "text"},
        "geo": {"header": ["GEO"], "type": "text"},
        "vector": {"header": ["VECTOR"], "type": "text"},
        "value": {"header": ["VALUE"], "type": "numeric"},
    }
    cube = contract("power_prices", columns, extract=section, drift={"new_column": "ignore"})
    deaths = visiting(
        "ckan_datastore", base_url="https://ckan0.cf.opendata.inter.prod-toronto.ca",
        package="death-registry-statistics", match="^Death Registry Statistics Data$",
        read={"format": "json", "each": "body.result.records[]"},
    )  # fmt: skip
    with serving(tmp_path, "replay", "--replay", str(listed), CITYPERF_REAL_DATA=str(real_data)) as url:
        monkeypatch.setenv("CITYPERF_PORTAL_URL", url)
        (file,) = extract(clean_warehouse, NIGHT, cube)
        result = load_file(clean_warehouse, NIGHT, cube, file["file_id"], gate=open_gate)
        assert extract(clean_warehouse, NIGHT, cube) == []
        assert extract(clean_warehouse, NIGHT, deaths) == []
    with zipfile.ZipFile(real_data / "statcan/full-tables/18100204-eng.zip") as archive:
        lines = archive.read("18100204.csv").decode("utf-8-sig").splitlines()
    assert result.loaded == len(lines) - 1
    assert query("select geo, vector, value from raw.power_prices where _row = 1") == [
        ("Canada", "v107792869", "31.0")
    ]
    assert query("select state, message from ops.fetch where dataset = 'delays'")[0][0] == "not_in_replay"


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
