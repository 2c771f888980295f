"""Counts that are kept by period: after nights in any shape they are what building everything at once gives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.load import ensure_raw_tables
from cityperf.sources import load_contracts

from tests.integration.builds import dbt
from tests.integration.publisher import NIGHT, deliver

Query = Callable[..., list[tuple[Any, ...]]]

SR, TTC = "service_requests_311", "ttc_bus_delays"
KEPT = ("int_service_requests_counted", "int_ttc_bus_delays_daily", "int_ttc_subway_delays_daily")
BUILT = ("run", "--select", *(f"+{name}" for name in KEPT))
HEADER = "Creation Date,Status,First 3 Chars of Postal Code,Intersection Street 1,Intersection Street 2,Ward,"
HEADER += "Service Request Type,Division,Section\n"
BUS = "Date,Line,Time,Day,Station,Code,Min Delay,Min Gap,Bound,Vehicle\n"


def requests(*rows: tuple[str, str]) -> bytes:
    """A year of 311: moment and status of each request, zipped as the City sends them."""
    lines = "".join(
        f"{moment},{status},M4C,,,Davenport (09),Pot hole,Transportation Services,Roads\n"
        for moment, status in rows
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("SR.csv", (HEADER + lines).encode("cp1252"))
    return packed.getvalue()


def delays(*rows: tuple[str, int]) -> bytes:
    lines = "".join(
        f"{day},7 BATHURST,0{n}:15,Monday,BATHURST STATION,MFSH,{minutes},{minutes + 5},N,8{n:03}\n"
        for n, (day, minutes) in enumerate(rows)
    )
    return (BUS + lines).encode()


# Each night: data set, file, content. In order a first load, a new month and year, a correction of an earlier period, a row
# that is gone, a file of an earlier year that comes late, and a night on which nothing differs.
NIGHTS = [
    [
        (SR, "SR2024.zip", requests(("2024-03-01 10:00:00", "Completed"), ("2024-04-02 11:00:00", "New"))),
        (TTC, "bus-delay-2024.csv", delays(("2024-01-03", 4), ("2024-01-03", 40), ("2024-02-05", 9))),
    ],
    [
        (SR, "SR2025.zip", requests(("2025-01-05 09:00:00", "New"), ("2025-01-06 09:00:00", "New"))),
        (TTC, "bus-delay-2024.csv", delays(
            ("2024-01-03", 4), ("2024-01-03", 40), ("2024-02-05", 9), ("2024-03-07", 31),
        )),
    ],
    [
        (SR, "SR2024.zip", requests(("2024-03-01 10:00:00", "Cancelled"), ("2024-04-02 11:00:00", "Closed"))),
        (TTC, "bus-delay-2024.csv", delays(
            ("2024-01-03", 5), ("2024-01-03", 40), ("2024-02-05", 9), ("2024-03-07", 31),
        )),
    ],
    [
        (SR, "SR2025.zip", requests(("2025-01-05 09:00:00", "Completed"))),
        (TTC, "bus-delay-2024.csv", delays(("2024-01-03", 5), ("2024-02-05", 9), ("2024-03-07", 31))),
    ],
    [(SR, "SR2019.zip", requests(("2019-06-01 08:00:00", "Completed")))],
    [(SR, "SR2025.zip", requests(("2025-01-05 09:00:00", "Completed")))],
]  # fmt: skip


def contents(query: Query) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: query(f"select t::text from intermediate.{name} as t order by 1", role="transformer")
        for name in KEPT
    }


@pytest.fixture
def prepared(clean_warehouse: Settings) -> Settings:
    ensure_raw_tables(clean_warehouse, load_contracts())
    return clean_warehouse


def drop(settings: Settings) -> None:
    with connect(settings, "transformer") as connection:
        for name in KEPT:
            connection.execute(f"drop table if exists intermediate.{name} cascade".encode())


def test_nights_in_order_keep_what_a_full_build_counts(prepared: Settings, query: Query) -> None:
    contracts = load_contracts()
    drop(prepared)
    counted_again = []
    for number, files in enumerate(NIGHTS):
        night = NIGHT + timedelta(days=number)
        for dataset, name, data in files:
            deliver(prepared, contracts[dataset], data, name, night, f"{night}T01:00:00.000000")
        before = set(contents(query)[KEPT[0]]) if number else set()
        outcome = dbt(prepared, night, *BUILT)
        assert {name: how for name, how in outcome.items() if how not in ("success", "pass")} == {}
        after = contents(query)
        counted_again.append(len(set(after[KEPT[0]]) - before))
    drop(prepared)
    dbt(prepared, NIGHT + timedelta(days=len(NIGHTS)), *BUILT)
    assert contents(query) == after
    assert counted_again == [2, 1, 2, 1, 1, 0], "only what is new or corrected is counted"
    assert query(
        "select sum(requests), count(distinct _period) from intermediate.int_service_requests_counted"
    ) == [(4, 3)]
    assert query(
        "select sum(delayed_incidents), sum(half_hour_delays), sum(delay_minutes) from intermediate.int_ttc_bus_delays_daily"
    ) == [(3, 1, 45)]


def test_a_period_that_stands_no_more_is_forgotten(prepared: Settings, query: Query) -> None:
    contracts = load_contracts()
    drop(prepared)
    for year in ("2024", "2025"):
        deliver(
            prepared,
            contracts[SR],
            requests((f"{year}-03-01 10:00:00", "New")),
            f"SR{year}.zip",
        )
    dbt(prepared, NIGHT, *BUILT)
    with connect(
        prepared, "admin"
    ) as connection:  # as the undoing of a backfill that brought a year leaves it
        connection.execute(
            "alter table raw.service_requests_311 detach partition raw.service_requests_311__2024"
        )
        connection.execute("drop table raw.service_requests_311__2024")
        connection.execute(
            "update ops.batch set state = 'superseded', periods = '{}' where periods = '{2024}'"
        )
    dbt(prepared, NIGHT, *BUILT)
    assert query("select _period, requests from intermediate.int_service_requests_counted") == [("2025", 1)]
