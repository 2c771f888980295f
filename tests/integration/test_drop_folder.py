"""A drop folder that people write into while the night visits it."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.errors import SourceUnavailable
from cityperf.extract import extract
from cityperf.load import load_file

from tests.integration.division import Live
from tests.integration.publisher import NIGHT, contract, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
CSV = b"id,station,minutes\n1,BATHURST,5\n"
AGREED = contract(
    extract={
        "connector": "drop_folder", "folder": "delays", "match": r"^delays.*\.csv$", "read": {"format": "csv"},
    },
    keys=["id"],
)  # fmt: skip


@pytest.fixture
def live(clean_warehouse: Settings) -> Iterator[Settings]:
    settings = Live(home=clean_warehouse.home, database_url=clean_warehouse.database_url)
    (settings.drop / "delays").mkdir(parents=True)
    yield settings
    shutil.rmtree(settings.base, ignore_errors=True)


def put(settings: Settings, name: str, content: bytes = CSV, age: float = 3600.0) -> Path:
    path = settings.drop / "delays" / name
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


def visit(settings: Settings, days: int = 0) -> list[str]:
    night = NIGHT + timedelta(days=days)
    files = extract(settings, night, AGREED)
    for file in files:
        load_file(settings, night, AGREED, file["file_id"], gate=open_gate)
    return [file["name"] for file in files]


def test_a_file_that_is_still_being_written_is_left_for_the_next_visit(live: Settings, query: Query) -> None:
    growing = put(live, "delays-growing.csv", age=0)
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.2):
            with growing.open("ab") as out:
                out.write(b"9,KIPLING,1\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(SourceUnavailable, match=r"found delays-growing\.csv \(still being written\)"):
            extract(live, NIGHT, AGREED)
        put(live, "delays-whole.csv")
        assert visit(live) == ["delays-whole.csv"]
    finally:
        over.set()
        writer.join()
    assert "left for the next visit: delays-growing.csv" in query("select message from ops.fetch")[0][0]


def test_a_fresh_file_that_rests_is_taken_at_once(live: Settings) -> None:
    put(live, "delays.csv", age=0)
    for name in ("delays.csv.part", "delays.csv.filepart", ".delays.csv", "~$delays.csv", "delays.csv~"):
        put(live, name)
    assert visit(live) == ["delays.csv"]


def test_deliveries_count_in_the_order_of_their_times_and_a_repeat_changes_nothing(
    live: Settings, query: Query
) -> None:
    put(live, "delays-1.csv", CSV + b"2,NEWER,1\n", age=1000)
    put(live, "delays-2.csv", CSV + b"2,OLDER,1\n", age=9000)
    assert visit(live) == ["delays-2.csv", "delays-1.csv"]
    put(live, "delays-2.csv", CSV + b"2,OLDER,1\n", age=10)  # dropped once more, byte for byte
    assert visit(live, 1) == []
    assert query("select count(*) from raw.delays") == [(4,)]
