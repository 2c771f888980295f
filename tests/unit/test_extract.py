"""What extraction takes for sound, which files of a package it chooses, and where it refuses to go."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.errors import FileQuarantined, SourceRefused
from cityperf.extract.connectors.ckan_files import choose
from cityperf.extract.http import Client, Memory, Unsound, _inflated, parse_json
from cityperf.extract.refusal import Refused
from cityperf.extract.sanity import check_file
from cityperf.load.quarantined import Quarantined
from cityperf.sources import Contract

MATCH = "(?i)subway[ -]delay(?!.*(code|readme))"


def resource(name: str, file: str, modified: str = "2024-01-01T00:00:00", **more: Any) -> dict[str, Any]:
    address = f"https://ckan.example/dataset/p/resource/{name}/download/{file}"
    return {"id": name, "name": name, "url": address, "last_modified": modified, "state": "active", **more}


def names(resources: list[dict[str, Any]], match: str = MATCH, kind: str = "auto") -> list[str]:
    return [name for name, _, _ in choose(resources, match, kind)]


# -- CKAN ----------------------------------------------------------------------------------------------------
def test_files_come_in_order_of_their_time_stamp_however_it_is_written() -> None:
    found = names(
        [
            resource("b", "ttc-subway-delay-2020.xlsx", "2021-05-01 12:01:10.467496"),
            resource("c", "ttc-subway-delay-2019.xlsx", "2020-02-03T10:00:00"),
            resource("a", "ttc-subway-delay-2018.xlsx", "2021-05-01T12:01:10"),
        ]
    )
    assert found == ["ttc-subway-delay-2019.xlsx", "ttc-subway-delay-2018.xlsx", "ttc-subway-delay-2020.xlsx"]


def test_a_file_matches_by_its_resource_name_or_by_its_own() -> None:
    found = names(
        [
            resource("TTC Subway Delay Data since 2025", "subway.csv"),
            resource("x", "ttc-subway-delay-2019.xlsx"),
            resource("ttc-subway-delay-codes", "codes.xlsx"),
            resource("ttc-bus-delay-2019", "ttc-bus-delay-2019.xlsx"),
            resource("ttc-subway-delay-gone", "ttc-subway-delay-gone.xlsx", state="deleted"),
        ]
    )
    assert sorted(found) == ["subway.csv", "ttc-subway-delay-2019.xlsx"]


def test_of_the_copies_of_a_table_only_the_csv_file_is_taken() -> None:
    table = resource("Subway Delay 2025", "", format="CSV", datastore_active=True)
    table["url"] = "https://ckan.example/datastore/dump/Subway"
    copies = [
        resource(f"Subway Delay 2025.{kind}", f"subway-delay-2025.{kind}", is_datastore_cache_file=True,
                 datastore_resource_id=table["id"])
        for kind in ("csv", "xml", "json")
    ]  # fmt: skip
    assert names([table, *copies]) == ["subway-delay-2025.csv"]
    assert names([table]) == ["Subway Delay 2025.csv"]


def test_groups_of_the_match_are_kept_and_equal_file_names_kept_apart() -> None:
    hits = choose([resource("SR2024", "SR.zip"), resource("SR2025", "SR.zip")], r"^SR(?P<year>\d{4})", "csv")
    assert [(name, groups) for name, groups, _ in hits] == [
        ("SR.zip", {"year": "2024"}), ("SR2025 SR.zip", {"year": "2025"}),
    ]  # fmt: skip


# -- soundness -----------------------------------------------------------------------------------------------
def agreed(**read: Any) -> Contract:
    return Contract.model_validate(
        {
            "dataset": "d", "title": "T", "description": "D", "licence": None, "tier": 3,
            "owner": {"division": "A", "steward": "B"}, "privacy": {"class": "public"},
            "extract": {"connector": "drop_folder", "folder": "x", "match": "x", "read": read},
            "schedule": {"refresh": "daily", "warn_after": "1 day", "fail_after": "1 day"},
            "columns": [{"name": "a", "type": "text"}],
        }
    )  # fmt: skip


def packed() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", "a,b\n" * 100)
    return out.getvalue()


@pytest.mark.parametrize(
    ("read", "content", "says"),
    [
        ({"format": "csv"}, b"", "an empty file"),
        ({"format": "csv"}, b"\n\n <!doctype HTML><html>", "an HTML page"),
        ({"format": "json", "each": "a[]"}, b"<html><head>", "an HTML page"),
        ({"format": "json", "each": "a[]"}, b'{"a": [1, 2', "breaks off"),
        ({"format": "json", "each": "a[]"}, b"a,b\n1,2\n", "beginning 'a,b 1,2'"),
        ({"format": "csv"}, b'{"error": "no"}', "JSON beginning"),
        ({"format": "csv"}, packed(), "a zip archive"),
        ({"format": "csv", "inside_zip": True}, packed()[:-30], "breaks off"),
        ({"format": "csv", "inside_zip": True}, b"a,b\n", "beginning"),
        ({"format": "xlsx"}, b"a,b\n", "beginning"),
    ],
)
def test_what_cannot_be_the_file_is_named(
    tmp_path: Path, read: dict[str, Any], content: bytes, says: str
) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(Unsound) as caught:
        check_file(agreed(**read), "f", file)
    assert says in caught.value.found


@pytest.mark.parametrize(
    ("read", "content"),
    [
        ({"format": "csv"}, b"\xef\xbb\xbfa,b\n1,2"),
        ({"format": "csv", "inside_zip": True}, packed()),
        ({"format": "json", "each": "a[]"}, b' {"a": []}\n'),
        ({"format": "csv"}, gzip.compress(b"a,b\n", mtime=0)),
    ],
)
def test_what_can_be_the_file_passes(tmp_path: Path, read: dict[str, Any], content: bytes) -> None:
    file = tmp_path / "f"
    file.write_bytes(content)
    check_file(agreed(**read), "f", file)


@pytest.mark.parametrize("content", [b"", b"  ", b"<html>", b'{"a": 1', b"nonsense"])
def test_json_that_is_none_is_unsound(content: bytes) -> None:
    with pytest.raises(Unsound):
        parse_json(content)


def test_inflating_gives_all_bytes_in_small_pieces() -> None:
    content = b"0123456789" * 500_000
    inflate = zlib.decompressobj(wbits=47)
    pieces = list(_inflated(inflate, gzip.compress(content)))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 256 << 10
    assert inflate.eof


# -- where it may go -----------------------------------------------------------------------------------------
def live(tmp_path: Path, address: str = "93.184.216.34") -> Client:
    return Client(
        Settings(profile="live", home=tmp_path), date(2026, 1, 1), ("example.org",), patience=1,
        resolve=lambda host, port, **_: [(2, 1, 6, "", (address, port))],
    )  # fmt: skip


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1", "fd00::1"]
)
def test_a_name_that_leads_inside_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Refused, match="expected a public address"):
        live(tmp_path, address).fetch("https://example.org/x", Memory())


@pytest.mark.parametrize(
    "url",
    ["https://example.com/x", "https://example.org.evil.net/x", "file:///etc/passwd", "ftp://example.org/x"],
)
def test_only_agreed_hosts_are_reached(tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused, match="allow_hosts"):
        live(tmp_path).fetch(url, Memory())


def test_an_address_checked_again_after_connecting_must_be_public() -> None:
    """DNS may answer differently the second time: what counts is the peer that was reached."""
    from cityperf.extract.http import _checked, _PrivateAddress

    class Peer:
        closed = False

        def getpeername(self) -> tuple[str, int]:
            return ("127.0.0.1", 443)

        def close(self) -> None:
            self.closed = True

    peer = Peer()
    with pytest.raises(_PrivateAddress, match=r"127\.0\.0\.1"):
        _checked(type("C", (), {"host": "example.org"})(), peer)  # type: ignore[arg-type]
    assert peer.closed


def test_refusals_survive_the_way_through_another_process() -> None:
    """Airflow carries exceptions from the task's process by pickle."""
    refused = pickle.loads(pickle.dumps(Refused("a", "b", "c", "d")))  # noqa: S301
    assert isinstance(refused, SourceRefused)
    assert str(refused) == "expected a, found b; at c; d"
    held = pickle.loads(pickle.dumps(Quarantined("a", "b", "c", "d")))  # noqa: S301
    assert isinstance(held, FileQuarantined)
    assert held.remedy == "d"
