"""What one changed period in fifty costs, against loading all of it.

    python tests/benchmarks/bench_partition.py [--rows 2000000] [--rounds 3]

Fifty yearly periods of nine text columns, in two shapes: fifty files, of which a publisher on loopback serves one
anew (visit, landing and load are timed; the others are told by their ETag), and one file that holds all fifty
periods, of which one differs (landing and load; the other forty-nine partitions are compared and left untouched).
Starts a PostgreSQL of its own in a temporary home. Prints seconds of the medians and the share.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

NIGHT = date(2026, 11, 20)
PERIODS = 50
NAMES = [
    "creation_date", "status", "fsa", "street_1", "street_2", "ward", "request_type", "division", "section",
]  # fmt: skip


def year(number: int, rows: int, mark: str = "") -> bytes:
    """The rows of one year; `mark` makes them differ in one."""
    lines = [
        f"{1970 + number}-{n % 12 + 1:02d}-{n % 28 + 1:02d} 00:01:05,Completed,M{n % 9}Y,Street {n % 997},,"
        f"Etobicoke North {n % 25} ({n % 25:02d}),Property Standards {n % 60},Transportation Services,"
        f"Road {n}{mark if n == 7 else ''}\n"
        for n in range(rows)
    ]
    return "".join(lines).encode()


def contract(connector: dict[str, Any], partition: dict[str, str], dataset: str) -> Any:
    from cityperf.sources import Contract

    types = ["timestamp", *["text"] * (len(NAMES) - 1)]
    return Contract.model_validate(
        {
            "dataset": dataset, "title": "Benchmark rows", "description": "Nine columns.",
            "owner": {"division": "Benchmarks", "steward": "Benchmarks"}, "licence": "OGL-Toronto",
            "privacy": {"class": "public"}, "tier": 3, "partition": {**partition, "grain": "year"},
            "schedule": {"refresh": "monthly", "warn_after": "40 days", "fail_after": "70 days"},
            "extract": {**connector, "read": {"format": "csv"}},
            "columns": [{"name": n, "header": [n], "type": t} for n, t in zip(NAMES, types, strict=True)],
        }
    )  # fmt: skip


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def fifty_files(settings: Any, rows: int, rounds: int) -> tuple[float, list[float]]:
    """Seconds of the first night, which brings all, and of nights on which one file is new."""
    import json

    from cityperf.extract import extract
    from cityperf.load import load_file

    from tests.integration.publisher import Answer, open_gate, publisher

    header = ",".join(NAMES).encode() + b"\n"
    with publisher() as there:
        os.environ["CITYPERF_PORTAL_URL"] = there.url
        agreed = contract(
            {
                "connector": "ckan_files",
                "base_url": "https://example.org",
                "package": "bench",
                "match": r"^SR(?P<year>\d{4})",
            },
            {"from_name": "year"},
            "bench_files",
        )

        tags: dict[int, str] = {}

        def package(marks: dict[int, str]) -> None:
            resources = []
            for number in range(PERIODS):
                mark = marks.get(number, "")
                path = f"/SR{1970 + number}.csv"
                # a real server knows its tags: they are made outside of what is timed
                if (told := Answer(header + year(number, rows // PERIODS, mark))).tag != tags.get(number):
                    there.says("/example.org" + path, told)
                    tags[number] = told.tag
                resources.append(
                    {
                        "id": str(number), "name": path[1:-4], "url": "https://example.org" + path, "format": "CSV",
                        "last_modified": f"2026-01-0{1 + len(mark)}T00:00:00",
                    }
                )  # fmt: skip
            answer = {"success": True, "result": {"resources": resources}}
            there.says("/example.org/api/3/action/package_show", json.dumps(answer).encode())

        def a_night(night: date) -> None:
            for file in extract(settings, night, agreed):
                load_file(settings, night, agreed, file["file_id"], gate=open_gate)

        package({})
        full = timed(lambda: a_night(NIGHT))
        changed = []
        for number in range(1, rounds + 1):
            package(dict.fromkeys(range(number), "x"))
            changed.append(timed(lambda number=number: a_night(NIGHT + timedelta(days=number))))
    return full, changed


def one_file(settings: Any, rows: int, rounds: int) -> tuple[float, list[float], int]:
    """Seconds to load the file at first, and with one period changed; bytes written to WAL by the latter."""
    import psycopg

    from tests.integration.publisher import deliver

    agreed = contract(
        {"connector": "drop_folder", "folder": "bench", "match": "x"},
        {"column": "creation_date"},
        "bench_file",
    )
    header = ",".join(NAMES).encode() + b"\n"

    def file(mark: str) -> bytes:
        return header + b"".join(
            year(number, rows // PERIODS, mark if number == 9 else "") for number in range(PERIODS)
        )

    first = file("")
    full = timed(lambda: deliver(settings, agreed, first))
    changed = []
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as db:
        for number in range(1, rounds + 1):
            data = file("x" * number)
            before = db.execute("select pg_current_wal_lsn()").fetchone()
            night = NIGHT + timedelta(days=number)
            changed.append(timed(lambda data=data, night=night: deliver(settings, agreed, data, night=night)))
            row = db.execute("select pg_current_wal_lsn() - %s::pg_lsn", before).fetchone()
    return full, changed, int(row[0]) if row else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    from cityperf import postgres
    from cityperf.config import Settings

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as home:
        Path(home).chmod(0o755)
        settings = Settings(profile="sample", home=Path(home))
        postgres.start(settings)
        try:
            full, changed = fifty_files(settings, asked.rows, asked.rounds)
            middle = statistics.median(changed)
            print(f"fifty files: all {full:.2f} s, one changed {middle:.2f} s = {middle / full:.1%}")
            full, changed, wal = one_file(settings, asked.rows, asked.rounds)
            middle = statistics.median(changed)
            print(
                f"one file: all {full:.2f} s, one period changed {middle:.2f} s = {middle / full:.1%}; "
                f"{wal >> 20} MB of WAL"
            )
        finally:
            postgres.stop(settings)


if __name__ == "__main__":
    main()
