"""CSV into raw against its peers: `psql \\copy` into the same columns and defaults, pandas.to_sql, and dlt.

    ./cityperf bench load [--rows 2000000] [--rounds 3] [--no-peers]

Makes a file of nine text columns (about 280 MB at 2,000,000 rows), starts a PostgreSQL of its own in a
temporary home, and runs all ways in turn. `copy` is the loader's own COPY into the batch table; `load` is the
whole `load_file` with the contract's checks and the attach, without the Great Expectations gate. The slow
peers load the first 500,000 rows, once. dlt runs in an environment of its own, made from peers.lock.
Prints rows per second, the ratios of the medians, and the loader's peak memory.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "include"))

from cityperf.config import Settings

NIGHT = date(2026, 11, 20)
FEW = 500_000  # rows for the slow peers
CONTRACT = """\
dataset: bench_rows
title: Benchmark rows
description: Nine text columns.
owner: {division: Benchmarks, steward: Benchmarks}
licence: OGL-Toronto
privacy: {class: public}
tier: 3
extract:
  connector: ckan_files
  base_url: https://example.org
  package: bench
  match: '^SR(?P<year>\\d{4})'
  read: {format: csv}
partition: {from_name: year, grain: year}
schedule: {refresh: monthly, warn_after: 40 days, fail_after: 70 days}
columns:
"""
NAMES = [
    "creation_date",
    "status",
    "fsa",
    "street_1",
    "street_2",
    "ward",
    "request_type",
    "division",
    "section",
]


def make_file(path: Path, rows: int) -> None:
    """Rows like those of 311 requests; the same bytes each time."""
    dice = random.Random(7)
    wards = [f"Etobicoke North {n} ({n:02d})" for n in range(25)]
    kinds = [f"Property Standards {n}" for n in range(60)]
    lines = [
        f"2025-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d} 00:01:05.0000000,Completed,M{n % 9}Y,"
        f"Street {n % 997},,{wards[n % 25]},{kinds[n % 60]},Transportation Services,Road Operations\n"
        for n in range(10_000)
    ]
    with path.open("w") as handle:
        handle.write(",".join(NAMES) + "\n")
        for start in range(0, rows, len(lines)):
            handle.writelines(lines[: rows - start])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true", help="only psql and ours")
    parser.add_argument("--home", type=Path, help="a home whose PostgreSQL runs already; else one is started")
    options = parser.parse_args()

    from cityperf import postgres

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=options.home or Path(folder) / "home")
        if options.home is None:
            postgres.start(settings)
        try:
            measure(settings, Path(folder), options.rows, options.rounds, not options.no_peers)
        finally:
            if options.home is None:
                postgres.stop(settings)


def measure(settings: Settings, folder: Path, rows: int, rounds: int, peers: bool) -> None:
    from cityperf import landing
    from cityperf.db import connect
    from cityperf.load import ensure_raw_tables, load_file
    from cityperf.load.batch import Batch, fill
    from cityperf.load.readers import open_file
    from cityperf.postgres import find_pg_bin
    from cityperf.sources import read_contract

    contract_file = folder / "bench.yml"
    contract_file.write_text(
        CONTRACT + "".join(f"  - {{name: {name}, header: [{name}], type: text}}\n" for name in NAMES)
    )
    contract = read_contract(contract_file)
    file = folder / "SR2025.csv"
    make_file(file, rows)
    size = file.stat().st_size
    print(f"{rows:,} rows, {len(NAMES)} columns, {size / 1e6:.0f} MB")

    ensure_raw_tables(settings, {contract.dataset: contract})
    with connect(settings, "loader", autocommit=True) as db, landing.incoming(settings) as arriving:
        with file.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                arriving.write(chunk)
        stored = landing.keep(settings, arriving)
        file_id = landing.register(settings, db, NIGHT, contract.dataset, file.name, stored, url="bench")
    psql = find_pg_bin() / "psql"
    seconds: dict[str, list[float]] = {"psql": [], "copy": [], "load": []}

    def by_psql() -> None:
        columns = ", ".join(f"{name} text" for name in NAMES)
        with connect(settings, "loader", autocommit=True) as db:
            db.execute("drop table if exists raw.bench_psql")
            db.execute("drop sequence if exists raw.bench_psql_row")
            db.execute("create sequence raw.bench_psql_row cache 10000")
            db.execute(
                f"create table raw.bench_psql ({columns}, _file_id bigint not null default {file_id}, "
                "_row bigint not null default nextval('raw.bench_psql_row'), _sheet text, "
                f"_period text not null default '2025', _night date not null default '{NIGHT}')"
            )
        dsn = settings.dsn("loader")
        command = f"\\copy raw.bench_psql ({', '.join(NAMES)}) from '{file}' with (format csv, header true)"
        started = time.perf_counter()
        subprocess.run([psql, "-X", "-q", "-d", dsn, "-c", command], check=True)
        seconds["psql"].append(time.perf_counter() - started)

    def by_copy() -> None:
        with connect(settings, "loader", autocommit=True) as db:
            batch = Batch(10**9, contract, file_id, file.name, NIGHT)
            db.execute("drop table if exists raw.batch_1000000000")
            started = time.perf_counter()
            filled = fill(db, batch, open_file(contract, stored.path, file.name), "2025")
            seconds["copy"].append(time.perf_counter() - started)
            assert filled.rows_in == rows, filled.rows_in
            db.execute("drop table raw.batch_1000000000")

    def by_load() -> None:
        with connect(settings, "loader", autocommit=True) as db:
            db.execute("delete from ops.cursor where dataset = 'bench_rows'")
            db.execute("update ops.batch set state = 'failed' where dataset = 'bench_rows'")
            db.execute("drop table if exists raw.bench_rows__2025")
        started = time.perf_counter()
        result = load_file(settings, NIGHT, contract, file_id, gate=lambda *_: [])
        seconds["load"].append(time.perf_counter() - started)
        assert result.loaded == rows, result

    for _ in range(rounds):
        for way in (by_psql, by_copy, by_load):
            way()
            with connect(settings, "admin", autocommit=True) as db:
                db.execute("checkpoint")  # so that no way pays for the pages of the one before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rate = {way: rows / statistics.median(taken) for way, taken in seconds.items()}
    if peers:
        few = min(rows, FEW)
        small = folder / "few.csv"
        with file.open() as source, small.open("w") as handle:
            handle.writelines(line for line, _ in zip(source, range(few + 1), strict=False))
        rate["pandas"] = few / by_pandas(settings, small)
        python = peers_environment()
        for form in ("parquet", "csv"):
            rate[f"dlt {form}"] = few / by_dlt(settings, python, small, form)
    for way, each in rate.items():
        shown = ", ".join(f"{took:.2f}" for took in seconds.get(way, []))
        print(f"{way:12} {each:>9,.0f} rows/s   ratio to psql {each / rate['psql']:.2f}   seconds {shown}")
    print(f"peak memory of the loader {peak} MB, {os.cpu_count()} cores")
    if peers:
        best = max(rate["dlt parquet"], rate["dlt csv"])
        print(
            f"load is {rate['load'] / best:.1f} times dlt, {rate['load'] / rate['pandas']:.1f} times pandas.to_sql"
        )


def by_pandas(settings: Settings, file: Path) -> float:
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(settings.dsn("admin")))
    started = time.perf_counter()
    for chunk in pd.read_csv(file, dtype=str, keep_default_na=False, chunksize=50_000):
        chunk.to_sql("bench_pandas", engine, schema="raw", if_exists="append", index=False)
    return time.perf_counter() - started


def by_dlt(settings: Settings, python: Path, file: Path, form: str) -> float:
    script = Path(__file__).with_name("peer_dlt.py")
    parts = conninfo_to_dict(settings.dsn("admin"))
    address = f"postgresql://{parts['user']}:{quote(str(parts['password']))}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    done = subprocess.run([python, script, file, address, form], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"dlt ({form}) failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def peers_environment() -> Path:
    """The Python of an environment with the peers in it, made once beside the project's own."""
    lock = Path(__file__).with_name("peers.lock")
    root = Path(sys.prefix).parent / ".venv-peers" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    python = root / "bin" / "python"
    if not (root / "ready").exists():
        print("installing the peers (once)", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", root], check=True)
        install = [python, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", lock]
        subprocess.run(install, check=True)
        (root / "ready").touch()
    return python


if __name__ == "__main__":
    main()
