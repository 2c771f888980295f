"""Real files of the real portals, replayed over real HTTP: the figures that the City's own documents give."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Home, states

pytestmark = pytest.mark.real
PROFILE = "replay"
LISTED = (
    "catalogue_quality_inputs", "catalogue_quality_scores", "city_wards", "community_councils",
    "dashboard_measure_downloads", "dashboard_measures", "dashboard_targets", "fir_schedule_22",
    "mbncanada_measures", "mbncanada_results", "neighbourhood_crime_rates", "neighbourhood_profiles_2016",
    "neighbourhoods_140", "open_data_portal_usage", "operating_budget", "statcan_electricity_prices",
    "statcan_indicators", "statcan_railway_carloadings", "toronto_311_by_ward", "ttc_bus_delays",
    "ttc_delay_codes_workbook", "ttc_subway_delay_codes", "ttc_subway_delays",
)  # fmt: skip
# no address of the first is listed; of the others' package and service only other files and tables are
UNLISTED = ("service_requests_311", "neighbourhood_profiles_2021", "statcan_cpi")
ENV = {"CITYPERF_SOURCES": ",".join([*LISTED, *UNLISTED])}
REAL = Path(os.environ.get("CITYPERF_REAL_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="module")
def nights(home: Home) -> list[dict[str, Any]]:
    if not REAL.is_dir():
        pytest.skip(f"the real files are not at hand (CITYPERF_REAL_DATA={REAL})")
    home.env["CITYPERF_REAL_DATA"] = str(REAL)
    code, summaries = home.refresh("--replay", "tests/real/replay.yml")
    assert code == 0, summaries
    assert [s["state"] for s in summaries] == ["released", "released"]
    return summaries


def test_every_listed_source_loads_and_others_say_that_they_are_not_listed(
    nights: list[dict[str, Any]],
) -> None:
    expected = dict.fromkeys(LISTED, "loaded") | dict.fromkeys(UNLISTED, "not_in_replay")
    assert {name: states(nights[0])[name] for name in expected} == expected


def test_the_second_night_loads_only_what_is_new(nights: list[dict[str, Any]]) -> None:
    """The feed alone has a new edition; measures and targets ride in it."""
    found = {name for name, state in states(nights[1]).items() if state == "loaded"}
    assert found == {"dashboard_measures", "dashboard_targets"}


def test_figures_of_the_staged_files(home: Home, nights: list[dict[str, Any]]) -> None:
    """A few of many: tests/integration/test_real_staging.py has the others."""

    def one(text: str) -> Any:
        return home.one(text, role="transformer")[0]

    bus = home.query(
        "select extract(year from delay_date)::integer, count(*) from staging.stg_ttc__bus_delays group by 1 order by 1",
        role="transformer",
    )
    assert bus == [(2020, 36151), (2022, 58707), (2023, 56207), (2024, 59643), (2025, 35370)]
    assert one(
        "select amount from staging.stg_fir__schedule_22 where year = 2022 and municipality_id = '20002' "
        "and sheet = '22Total' and line = 9201 and column_name = 'total_taxes'"
    ) == Decimal(6962097240)
    assert one("select sum(requests) from staging.stg_311__by_ward") == 2225151
    assert one("select count(*) from staging.stg_statcan__railway_carloadings") == 104958


def test_two_vintages_of_the_dashboard_984_revised_and_58_new(
    home: Home, nights: list[dict[str, Any]]
) -> None:
    per_night = [{s["dataset"]: s for s in summary["sources"]}["dashboard_measures"] for summary in nights]
    assert [n["rows_in"] for n in per_night] == [7518, 7576]
    assert (per_night[1]["rows_changed"], per_night[1]["rows_new"]) == (984, 58)
    feed = (
        "select vintage, count(*) from publish.kpi_value as v join publish.kpi as k using (kpi_id) "
        "where k.origin = 'feed' group by 1 order by 1"
    )
    assert [n for _, n in home.query(feed)] == [7518, 984 + 58]


def test_subway_delays_are_reconciled_across_overlapping_files(
    home: Home, nights: list[dict[str, Any]]
) -> None:
    assert home.one("select count(*) from raw.ttc_subway_delays", role="loader") == (227661,)
    counted = home.one(
        "select count(*), count(*) filter (where is_repeat) from staging.stg_ttc__subway_delays",
        role="transformer",
    )
    assert counted[0] == 227661
    assert counted[1] > 0


def test_budget_lines_sum_to_the_control_total_which_is_not_data(
    home: Home, nights: list[dict[str, Any]]
) -> None:
    count, total = home.one(
        "select count(*), sum(amount) from staging.stg_finance__operating_budget", role="transformer"
    )
    assert (count, total) == (19714, Decimal("-1003351699.34"))
    assert home.one(
        "select control_total from ops.batch where dataset = 'operating_budget' and state = 'loaded'",
        role="loader",
    ) == (Decimal("-1003351699.34"),)


def test_crime_rates_of_2023_are_count_over_population(home: Home, nights: list[dict[str, Any]]) -> None:
    row = home.one(
        "select count(*), max(abs(c.published_rate - c.incidents / c.population::numeric * 100000)) "
        "from staging.stg_tps__neighbourhood_crime_rates as c where c.crime_year = 2023 and not c.is_null_in_file",
        role="transformer",
    )
    assert row[0] > 1000
    assert row[1] < Decimal("0.0002")
    homicides = home.one(
        "select count(*) filter (where incidents = 0 and is_null_in_file), count(*) filter (where incidents is null) "
        "from staging.stg_tps__neighbourhood_crime_rates where crime_year = 2023 and crime = 'homicide'",
        role="transformer",
    )
    assert homicides == (110, 0)


def test_neighbourhood_population_2016_sums_to_the_city(home: Home, nights: list[dict[str, Any]]) -> None:
    total = home.one(
        "select sum(population) from intermediate.int_neighbourhood_population "
        "where population_year = 2016 and geography_type = 'neighbourhood_140'",
        role="transformer",
    )
    assert total == (2731571,)


@pytest.mark.parametrize(
    ("measure", "reporters", "median", "toronto", "rank"),
    [
        ("ROAD307T", 16, "13167.50", "11809", 7),
        ("PLIB305T", 11, "1.88", "2.22", 7),
        ("EMDS430", 12, "0.7045", "0.86", 2),
    ],
)
def test_published_benchmarks_of_2018(
    home: Home,
    nights: list[dict[str, Any]],
    measure: str,
    reporters: int,
    median: str,
    toronto: str,
    rank: int,
) -> None:
    row = home.one(
        "select reporters, median, value, rank from publish.benchmark "
        "where measure_code = %s and period_year = 2018 and municipality = 'Toronto'",
        measure,
    )
    assert row == (reporters, Decimal(median), Decimal(toronto), rank)


def test_unlicensed_benchmarks_stay_out_of_every_file(home: Home, nights: list[dict[str, Any]]) -> None:
    files = [p.name for p in (home.base / "releases" / "current").rglob("*") if p.is_file()]
    assert any(name.startswith("kpi_value") for name in files)
    assert not [name for name in files if name.startswith("benchmark.")]


GOLDEN = [  # kpi-rules 3.1, computed from the feed of 19 November 2019
    ("1.13", "ytd", "9709", "9907", "stable", 0),
    ("1.13", "period", "1227", "1255", "down", 1),
    ("1.02", "period", "0.06884", "0.06918", "stable", 0),
    ("1.02", "year", "0.06884", "0.06152", "up", -1),
    ("2.05", "target", "53236000", "52899000", "stable", 0),
    ("2.10", "target", "122355000", "124100000", "down", -1),
    ("3.01", "ytd", "31633", "29410", "up", -1),
    ("2.42", "target", "1797996", "1982242", "down", -1),
]


@pytest.mark.parametrize(("kpi", "comparison", "current", "previous", "trend", "impact"), GOLDEN)
def test_golden_comparisons(
    home: Home,
    nights: list[dict[str, Any]],
    kpi: str,
    comparison: str,
    current: str,
    previous: str,
    trend: str,
    impact: int,
) -> None:
    row = home.one(
        "select current_value, compared_value, trend, impact from publish.kpi_comparison "
        "where kpi_id = %s and comparison = %s and geography_type = 'city'",
        kpi, comparison,
    )  # fmt: skip
    assert (round(row[0], 5), round(row[1], 5)) == (Decimal(current), Decimal(previous))
    assert row[2:] == (trend, impact)
