"""A workbook into a batch table against python-calamine alone on the same sheet.

    python tests/benchmarks/bench_xlsx.py [--rows 150000] [--rounds 5]

Makes a workbook of ten columns in the shape of the bus delays, starts a PostgreSQL of its own in a temporary home, and
runs both in turn: calamine opens it and gives every row to Python; the loader opens it, with all its checks, and fills
the batch's table. Prints rows per second, the ratio of the medians, and the loader's peak memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "include"))

from cityperf.config import Settings

NIGHT = dt.date(2026, 11, 20)
NAMES = [
    "Date",
    "Route",
    "Time",
    "Day",
    "Location",
    "Incident",
    "Min Delay",
    "Min Gap",
    "Direction",
    "Vehicle",
]


def make(path: Path, rows: int) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path) as book:
        sheet, day = book.add_worksheet("2024"), book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, NAMES)
        for n in range(rows):
            date = dt.datetime(2024, 1, 1) + dt.timedelta(days=n * 366 // rows)
            sheet.write_datetime(n + 1, 0, date, day)
            sheet.write_row(
                n + 1, 1, [n % 300, f"{n % 24:02d}:{n % 60:02d}", f"{date:%A}", f"KEELE AND {n % 5000}"]
            )
            sheet.write_row(n + 1, 5, ["Operations - Operator", n % 60, n % 90, "NESW"[n % 4], n % 9000])


def alone(path: Path) -> int:
    from python_calamine import CalamineWorkbook

    return sum(1 for _ in CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows()) - 1


def ours(settings: Settings, path: Path, number: int) -> int:
    from cityperf.db import connect
    from cityperf.load import ensure_raw_tables
    from cityperf.load.batch import Batch, fill
    from cityperf.load.readers import open_file
    from cityperf.sources import load_contracts

    agreed = load_contracts()["ttc_bus_delays"]
    with connect(settings, "loader", autocommit=True) as db:
        ensure_raw_tables(settings, {agreed.dataset: agreed}, db)
        batch = Batch(number, agreed, number, path.name, NIGHT)
        filled = fill(db, batch, open_file(agreed, path, path.name), None)
        db.execute(f"drop table raw.batch_{number}".encode())
        return filled.rows_in


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args()
    from cityperf import postgres

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=Path(folder) / "home")
        path = Path(folder) / "delays.xlsx"
        make(path, told.rows)
        postgres.start(settings)
        try:
            ours(settings, path, 1)  # imports and contracts
            seconds: dict[str, list[float]] = {"calamine alone": [], "into a batch table": []}
            for number in range(told.rounds):
                for label, times in seconds.items():
                    begun = time.perf_counter()
                    rows = alone(path) if label.startswith("cal") else ours(settings, path, number + 2)
                    times.append(time.perf_counter() - begun)
                    assert rows == told.rows
        finally:
            postgres.stop(settings)
    medians = {label: statistics.median(times) for label, times in seconds.items()}
    for label, median in medians.items():
        print(
            f"{label:20} {told.rows / median:>10,.0f} rows/s   {min(seconds[label]):.2f} to {max(seconds[label]):.2f} s"
        )
    print(
        f"ratio of the medians {medians['calamine alone'] / medians['into a batch table']:.2f} (0.70 is to be reached)"
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB")


if __name__ == "__main__":
    main()
