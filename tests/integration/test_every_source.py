"""Every data set of the sample, on two nights: over HTTP into landing, through its contract into raw, through staging."""

from __future__ import annotations

import psycopg
import pytest
from cityperf.sources import load_contracts

from tests.integration.builds import dbt
from tests.integration.conftest import SECOND, Sample


@pytest.mark.parametrize("dataset", sorted(load_contracts()))
def test_a_data_set_of_the_sample_arrives_whole(sample: Sample, dataset: str) -> None:
    first, second = sample.visited(dataset)
    assert isinstance(first, dict), f"first night: {first}"
    assert isinstance(second, dict), f"second night: {second}"
    assert first["files"] and first["rows"]
    assert first["held"] == 0, first["notes"]


def test_staging_reads_every_data_set(sample: Sample) -> None:
    for dataset in load_contracts():
        sample.visited(dataset)
    outcome = dbt(
        sample.warehouse,
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
    with psycopg.connect(sample.warehouse.dsn("transformer")) as db:
        views = db.execute(
            "select table_name from information_schema.views where table_schema = 'staging' order by 1"
        ).fetchall()
        empty = [
            view
            for (view,) in views
            if not db.execute(f'select 1 from staging."{view}" limit 1'.encode()).fetchone()
        ]
    assert empty == ["stg_warehouse__held_rows"], (
        "nothing of a sound sample is held, and nothing else is empty"
    )
