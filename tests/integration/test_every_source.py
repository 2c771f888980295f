"""Every data set of the sample, on two nights: over HTTP into landing, through its contract into raw, through staging."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from cityperf.config import Settings
from cityperf.extract import extract
from cityperf.load import load_file
from cityperf.portal import deliver_drops
from cityperf.sources import Contract, load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.test_portal import start

FIRST, SECOND = date(2026, 11, 19), date(2026, 11, 20)
Query = Callable[..., list[tuple[object, ...]]]
Visited = Callable[[str], list[object]]


@pytest.fixture(scope="module")
def visited(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visited]:
    """`visited(data set)` → what its two nights came to; each is visited once."""
    empty_warehouse(warehouse)
    process, port = start(tmp_path_factory.mktemp("portal"), "sample", scale="0.05")
    contracts = load_contracts()

    @functools.cache
    def both(dataset: str) -> list[object]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
            found = []
            for night in (FIRST, SECOND):
                if folder := contracts[dataset].extract.arguments.get("folder"):
                    deliver_drops(warehouse, night, {folder: dataset})
                found.append(visit(warehouse, contracts[dataset], night))
        return found

    try:
        yield both
    finally:
        process.kill()
        process.wait()
        empty_warehouse(warehouse)


def visit(settings: Settings, contract: Contract, night: date) -> object:
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


@pytest.mark.parametrize("dataset", sorted(load_contracts()))
def test_a_data_set_of_the_sample_arrives_whole(visited: Visited, dataset: str) -> None:
    first, second = visited(dataset)
    assert isinstance(first, dict), f"first night: {first}"
    assert isinstance(second, dict), f"second night: {second}"
    assert first["files"] and first["rows"]
    assert first["held"] == 0, first["notes"]


def test_staging_reads_every_data_set(visited: Visited, warehouse: Settings, query: Query) -> None:
    for dataset in load_contracts():
        visited(dataset)
    outcome = dbt(
        warehouse,
        SECOND,
        "build",
        "--select",
        "path:models/staging",
        "--exclude-resource-type",
        "unit_test",
        "--indirect-selection",
        "cautious",
    )
    assert {
        name: status for name, status in outcome.items() if status not in ("success", "pass", "warn")
    } == {}
    views = query("select table_name from information_schema.views where table_schema = 'staging' order by 1")
    empty = [
        view for (view,) in views if not query(f'select 1 from staging."{view}" limit 1', role="transformer")
    ]
    assert empty == ["stg_warehouse__held_rows"], (
        "nothing of a sound sample is held, and nothing else is empty"
    )
