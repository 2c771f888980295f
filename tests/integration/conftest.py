"""What several files of integration tests share."""

from __future__ import annotations

import functools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from cityperf import postgres
from cityperf.config import Settings
from cityperf.extract import extract
from cityperf.load import ensure_raw_tables, load_file
from cityperf.portal import deliver_drops
from cityperf.sources import Contract, load_contracts

from tests.conftest import empty_warehouse
from tests.integration.candidate import write_manifest
from tests.integration.test_portal import start
from tests.integration.trust import figure, put_up

FIRST, SECOND = date(2026, 11, 19), date(2026, 11, 20)


@dataclass(frozen=True)
class Sample:
    """A warehouse of its own and the portal of the sample. `visited(data set)` → what its two nights came to; each is
    visited once, by whichever test asks first.
    """

    warehouse: Settings
    visited: Callable[[str], list[object]]


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    home = Path(tempfile.mkdtemp(prefix="cityperf-sample-"))
    home.chmod(0o755)
    settings = Settings(profile="sample", home=home)
    postgres.start(settings)
    process, port = start(tmp_path_factory.mktemp("portal"), "sample", scale="0.05")
    contracts = load_contracts()
    ensure_raw_tables(settings, contracts)

    @functools.cache
    def both(dataset: str) -> list[object]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
            found = []
            for night in (FIRST, SECOND):
                if folder := contracts[dataset].extract.arguments.get("folder"):
                    deliver_drops(settings, night, {folder: dataset})
                found.append(_visit(settings, contracts[dataset], night))
        return found

    try:
        yield Sample(settings, both)
    finally:
        process.kill()
        process.wait()
        postgres.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


def _visit(settings: Settings, contract: Contract, night: date) -> object:
    """Rows loaded and held, seconds; or the error, so that one data set does not hide the others."""
    begun = time.monotonic()
    try:
        results = [
            load_file(settings, night, contract, file["file_id"], gate=lambda *_: [])
            for file in extract(settings, night, contract, patience=60)
        ]
    except Exception as problem:
        return problem
    return {
        "files": len(results),
        "rows": sum(each.loaded for each in results),
        "held": sum(each.quarantined for each in results),
        "notes": "; ".join(each.message for each in results if each.message),
        "seconds": round(time.monotonic() - begun, 2),
    }


@pytest.fixture(scope="module")
def published(warehouse: Settings) -> Iterator[Settings]:
    """Two releases, which the tests only read: on the second night a figure of 2.05 is revised."""
    first = figure("2.05", date(2024, 1, 1), "53236000")
    others = [figure("1.02", date(2024, 1, 1), "0.06884"), figure("1.02", date(2024, 2, 1), None)]
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    put_up(warehouse, kpi_value=[*others, first])
    revised = [{**first, "is_latest": False}, figure("2.05", date(2024, 1, 1), "53236001.5", 1)]
    put_up(warehouse, 1, kpi_value=[*others, *revised])
    yield warehouse
    empty_warehouse(warehouse)
