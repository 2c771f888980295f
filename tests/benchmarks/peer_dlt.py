"""dlt loads a CSV into PostgreSQL; run by bench_load.py in the peers' own environment (peers.lock).

    python peer_dlt.py CSV DSN FORMAT

Streams the file through pyarrow as text columns, the fastest way that dlt documents; prints the seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import pyarrow as pa
from pyarrow import csv


def main() -> None:
    path, dsn, form = sys.argv[1:]
    with open(path, encoding="utf-8") as handle:  # noqa: PTH123 - this file stands alone
        names = handle.readline().strip().split(",")

    @dlt.resource(name=f"bench_dlt_{form}", write_disposition="replace")
    def rows() -> Iterator[Any]:
        convert = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        with csv.open_csv(
            path, convert_options=convert, read_options=csv.ReadOptions(block_size=8 << 20)
        ) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(dsn),
            dataset_name="bench_dlt",
        )
        started = time.perf_counter()
        pipeline.run(rows(), loader_file_format=form)
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
