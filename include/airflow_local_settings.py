"""Airflow imports this at its start. In the scheduler (CITYPERF_PRELOAD) it loads what tasks will need.

Every part makes hundreds of thousands of objects that stay as it starts, and Python's collector of cycles walks them again
and again: with rarer walks the API server is up after two thirds of the time.

LocalExecutor forks its workers, and they fork a process for each task: what is loaded here is there at once
in every task, and its memory is shared. Great Expectations alone takes seconds to import.
"""

import gc
import importlib
import os
import time
from pathlib import Path

PRELOADED = (
    "psycopg",
    "psycopg_binary",
    "requests",
    "yaml",
    "pydantic",
    "pyarrow",
    "great_expectations",
    "dbt.cli.main",
    "dbt.adapters.postgres",
    "cityperf.sources",
    "cityperf.extract",
    "cityperf.extract.http",
    "cityperf.extract.visit",
    "cityperf.landing",
    "cityperf.load",
    "cityperf.load.attach",
    "cityperf.load.checks",
    "cityperf.load.readers",
    "cityperf.quality.landing",
    "cityperf.quality.suites",
)

gc.set_threshold(50_000, 20, 100)

if os.environ.pop("CITYPERF_PRELOAD", "0") == "1":
    for module in PRELOADED:
        importlib.import_module(module)
    importlib.import_module("cityperf.sources").load_contracts()
    gc.collect()
    gc.freeze()  # what is loaded now stays in pages that all forks share

# In a new installation the tables are still being made meanwhile; the file tells when they are there.
ready = os.environ.pop("CITYPERF_WAIT_FOR", None)
while ready and not Path(ready).exists():
    time.sleep(0.05)
