"""The first night of tests/real/replay.yml without Airflow: over HTTP, through the contracts, into raw and staging.

Asserted are the figures that the files are known by (sources.md 1.1 to 1.10) and the defects that they really have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.extract import extract
from cityperf.load import load_file
from cityperf.portal import deliver_drops
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.division import Replay
from tests.integration.test_portal import start

pytestmark = pytest.mark.real
NIGHT = date(2025, 10, 29)
Query = Callable[..., list[tuple[Any, ...]]]
One = Callable[[str], tuple[Any, ...]]

ROWS = {  # of all files of a data set that the night lists, together
    "catalogue_quality_inputs": 125,
    "catalogue_quality_scores": 125,
    "city_wards": 25,
    "community_councils": 4,
    "dashboard_measure_downloads": 294,
    "dashboard_measures": 7_518,
    "dashboard_targets": 670,
    "fir_schedule_22": 24_784 + 25_022,
    "mbncanada_measures": 533,
    "mbncanada_results": 62_744,
    "neighbourhood_crime_rates": 158,
    "neighbourhood_profiles_2016": 2_383,
    "neighbourhoods_140": 140,
    "open_data_portal_usage": 680,
    "operating_budget": 19_715,  # the last one is the control total
    "statcan_electricity_prices": 11_804,
    "statcan_indicators": 10,
    "statcan_railway_carloadings": 104_958,
    "toronto_311_by_ward": 26,
    "ttc_bus_delays": 246_078,
    "ttc_delay_codes_workbook": 200,
    "ttc_subway_delay_codes": 140,
    "ttc_subway_delays": 230_987,  # with the months that two files carry
}
UNLISTED = ("service_requests_311", "neighbourhood_profiles_2021", "statcan_cpi")


@pytest.fixture(scope="module")
def delivered(
    warehouse: Settings, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[int, int]]]:
    """Data set → rows that came and rows that are held; staging is built from them, its data tests have passed."""
    empty_warehouse(warehouse)
    process, port = start(
        tmp_path_factory.mktemp("portal"), "replay",
        CITYPERF_REPLAY=str(ROOT / "tests" / "real" / "replay.yml"), CITYPERF_REAL_DATA=str(real_data),
    )  # fmt: skip
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
            replayed = Replay(home=warehouse.home, database_url=warehouse.database_url)
            deliver_drops(replayed, NIGHT)
            contracts = load_contracts()
            found = {name: visit(replayed, name, contracts) for name in (*ROWS, *UNLISTED)}
        models = [f"source:raw.{name}+1,path:models/staging" for name in ROWS]
        built = dbt(
            warehouse, NIGHT, "build", "--select", *models,
            "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious",
        )  # fmt: skip
        assert {node: status for node, status in built.items() if status not in ("success", "pass")} == {}
        yield found
    finally:
        process.kill()
        process.wait()
        empty_warehouse(warehouse)


def visit(settings: Settings, name: str, contracts: dict[str, Any]) -> tuple[int, int]:
    files = extract(settings, NIGHT, contracts[name], patience=60)
    loaded = [
        load_file(settings, NIGHT, contracts[name], file["file_id"], gate=lambda *_: []) for file in files
    ]
    return sum(each.rows_in for each in loaded), sum(each.quarantined for each in loaded)


@pytest.fixture
def one(delivered: object, query: Query) -> One:
    """The single row of a query on staging."""
    return lambda text: query(text)[0]


def test_every_real_file_arrives_whole(delivered: dict[str, tuple[int, int]]) -> None:
    assert {name: delivered[name] for name in ROWS} == {name: (rows, 0) for name, rows in ROWS.items()}


@pytest.mark.parametrize("name", UNLISTED)
def test_a_source_that_is_not_listed_is_not_refused(one: One, name: str) -> None:
    assert one(f"select state from ops.fetch where dataset = '{name}'") == ("not_in_replay",)


# -- TTC: sources.md 1.3 -----------------------------------------------------------------------------------------
BUS = {  # year → records, exact repeats, records of 999 minutes and more
    2020: (36_151, 94, 70), 2022: (58_707, 367, 4), 2023: (56_207, 200, 0), 2024: (59_643, 198, 0),
    2025: (35_370, 74, 1),
}  # fmt: skip
SUBWAY = {  # 2019 counts once although two of its months came in files of their own as well
    2018: (20_737, 13, 0), 2019: (19_222, 79, 0), 2020: (14_782, 23, 0), 2021: (16_370, 22, 0),
    2022: (19_895, 14, 0), 2023: (22_949, 6, 0), 2024: (26_467, 17, 0), 2025: (14_708, 7, 0),
}  # fmt: skip


@pytest.mark.parametrize(("mode", "years"), [("bus", BUS), ("subway", SUBWAY)])
def test_delays_of_a_year_with_repeats_and_sentinels_flagged(
    query: Query, delivered: object, mode: str, years: dict[int, tuple[int, int, int]]
) -> None:
    found = query(
        "select extract(year from delay_date)::integer, count(*), count(*) filter (where is_repeat), "
        f"count(*) filter (where is_sentinel) from staging.stg_ttc__{mode}_delays group by 1"
    )
    assert {year: tuple(rest) for year, *rest in found if year in years} == years
    loaded = query(f"select left(_period, 4)::integer, count(*) from raw.ttc_{mode}_delays group by 1")
    assert {year: rows for year, rows in loaded if year in years} == {
        year: rows for year, (rows, *_) in years.items()
    }


def test_a_bus_record_has_words_or_a_code(one: One) -> None:
    assert one(
        "select count(*), max(min_delay), "
        "count(*) filter (where incident is not null and code is not null) from staging.stg_ttc__bus_delays"
    ) == (246_078, 1_214, 0)


def test_subway_records_as_a_whole(one: One) -> None:
    assert one(
        "select count(*), max(min_delay), count(*) filter (where is_sentinel), "
        "count(*) filter (where delay_date between '2017-06-01' and '2017-11-30') "
        "from staging.stg_ttc__subway_delays"
    ) == (227_661, 999, 1, 0)
    assert one(
        "select round(avg((min_delay = 0)::integer), 3) from staging.stg_ttc__subway_delays "
        "where extract(year from delay_date) between 2022 and 2024"
    ) == (Decimal("0.616"),)


def test_a_third_of_the_subway_codes_has_left_the_list(one: One) -> None:
    assert one("""
        with used as (
            select distinct code from staging.stg_ttc__subway_delays
            where extract(year from delay_date) between 2022 and 2024
        )
        select
            count(*),
            count(*) filter (where code not in (select code from staging.stg_ttc__delay_codes)),
            (select count(*) from staging.stg_ttc__delay_codes)
        from used
    """) == (191, 64, 140)


def test_the_older_code_list_stands_side_by_side(one: One) -> None:
    assert one(
        "select count(*) filter (where railway = 'subway'), count(*) filter (where railway = 'srt'), "
        "max(description) filter (where code = 'ERBO') from staging.stg_ttc__delay_codes_workbook"
    ) == (129, 71, "Body")


# -- Ontario FIR: 1.10 -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("year", "total"), [(2019, 6_629_036_215), (2022, 6_962_097_240)])
def test_torontos_levies_to_the_dollar(one: One, year: int, total: int) -> None:
    parts = "sum(amount) filter (where column_name = '{}')"
    whole, own, upper, school = one(
        f"select {parts.format('total_taxes')}, {parts.format('lower_single_tier_taxes')}, "
        f"coalesce({parts.format('upper_tier_taxes')}, 0), {parts.format('education_taxes')} "
        "from staging.stg_fir__schedule_22 "
        f"where year = {year} and municipality_id = '20002' and sheet = '22Total' and line = 9201"
    )
    assert (whole, own + upper + school) == (total, total)
    if year == 2019:
        assert (own, school) == (4_386_962_108, 2_242_074_107)


def test_tax_is_assessment_times_rate(one: One) -> None:
    amount = "max(amount) filter (where column_name = '{}')"
    assessment, rate, tax = one(
        f"select {amount.format('phase_in_assessment')}, {amount.format('lower_single_tier_rate')}, "
        f"{amount.format('lower_single_tier_taxes')} from staging.stg_fir__schedule_22 "
        "where year = 2019 and municipality_id = '20002' and sheet = '22GPL' and tax_class = 'RT' and line = 10"
    )
    assert (assessment, rate, tax) == (516_876_494_217, Decimal("0.00451568"), 2_334_048_847)
    assert round(assessment * rate) == tax


def test_a_return_has_a_date_of_its_own(one: One) -> None:
    assert one(
        "select distinct updated_on, file_updated_on from staging.stg_fir__schedule_22 "
        "where year = 2019 and municipality_id = '20002'"
    ) == (date(2021, 2, 9), date(2025, 9, 18))


# -- Statistics Canada: 1.6 --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "rows", "suppressed", "vector", "month", "value"),
    [
        ("electricity_prices", 11_804, 32, "107792869", "1981-01-01", Decimal("31.0")),
        ("railway_carloadings", 104_958, 936, "74804", "1999-01-01", 230_385),
    ],
)
def test_whole_tables_of_statistics_canada(
    one: One, model: str, rows: int, suppressed: int, vector: str, month: str, value: Decimal
) -> None:
    assert one(
        "select count(*), count(*) filter (where quality = 'suppressed' and value is null), "
        f"max(value) filter (where vector_id = '{vector}' and reference_month = '{month}') "
        f"from staging.stg_statcan__{model}"
    ) == (rows, suppressed, value)


# -- dashboard: 1.1 ----------------------------------------------------------------------------------------------
def test_a_download_and_the_feed_tell_the_same_ridership(one: One) -> None:
    """The feed of 29 October 2019 ends in June; the download has three months more and no other figure differs."""
    assert one("""
        select count(*), count(feed.value), count(*) filter (where downloads.value = feed.value), max(downloads.period_start)
        from staging.stg_dashboard__measure_downloads as downloads
        left join staging.stg_dashboard__measures as feed
            on feed.measure_id = '2.05' and downloads.period_start = feed.period_start
        where downloads.measure_name = 'TTC Monthly Ridership' and downloads.period_grain = 'month'
    """) == (141, 138, 138, date(2019, 9, 1))


# -- MBNCanada: 1.9 ----------------------------------------------------------------------------------------------
def test_benchmarks_are_their_own_ratio_nearly_always(one: One) -> None:
    """|result - n/d| <= 0.006 max(1, |n/d|) for 35,285 of the 35,740 rows that have all three."""
    assert one(
        "select count(*) filter (where is_own_ratio), count(is_own_ratio), count(*) filter (where result is null), "
        "count(distinct municipality_id) from staging.stg_mbncanada__results"
    ) == (35_285, 35_740, 10_462, 17)
    assert one("select count(*) from staging.stg_mbncanada__measures") == (533,)


# -- crime, geography, 311, catalogue: 1.2, 1.5 ------------------------------------------------------------------
@pytest.mark.parametrize(
    ("crime", "nulls"),
    [
        ("homicide", 110),
        ("shooting", 45),
        ("bike_theft", 4),
        ("theft_over", 2),
        ("robbery", 1),
        ("assault", 0),
    ],
)
def test_a_blank_count_of_crimes_means_none(one: One, crime: str, nulls: int) -> None:
    assert one(
        "select count(*), count(*) filter (where is_null_in_file and incidents = 0), "
        "count(*) filter (where incidents = 0 and not is_null_in_file) "
        f"from staging.stg_tps__neighbourhood_crime_rates where crime_year = 2023 and crime = '{crime}'"
    ) == (158, nulls, 0)


def test_wards_neighbourhoods_and_councils(one: One) -> None:
    assert one(
        "select count(*), min(ward_code), max(ward_code), max(ward_name) filter (where ward_code = '07') "
        "from staging.stg_clerk__wards"
    ) == (25, "01", "25", "Humber River-Black Creek")
    assert one(
        "select count(*), min(neighbourhood_code), max(neighbourhood_code), "
        "max(neighbourhood_name) filter (where neighbourhood_code = '094') "
        "from staging.stg_city_planning__neighbourhoods_140"
    ) == (140, "001", "140", "Wychwood")
    assert one(
        "select count(*), max(length(boundary)) > 100000, count(*) filter (where boundary::jsonb ->> 'type' = 'Polygon') "
        "from staging.stg_city_planning__neighbourhoods_140"
    ) == (140, True, 140)
    assert one("select count(distinct council_code) from staging.stg_city_planning__community_councils") == (
        4,
    )


def test_311_requests_by_ward(one: One) -> None:
    assert one(
        "select sum(requests), count(ward_code), sum(requests) filter (where ward_code is null) "
        "from staging.stg_311__by_ward"
    ) == (2_225_151, 25, 43)
    assert one(
        "select requests_still_open, requests_of_backlog_years, open_share "
        "from staging.stg_311__by_ward where ward_code = '10'"
    ) == (6_763, 57_054, Decimal("0.1185"))


def test_the_catalogue_and_who_looks_at_it(one: One) -> None:
    assert one("select count(*), count(distinct package) from staging.stg_open_data__quality_scores") == (
        125,
        78,
    )
    assert one("select count(*) from staging.stg_open_data__quality_inputs") == (125,)
    assert one(
        "select count(*), min(month_start), max(month_start), "
        "max(sessions) filter (where package_name = '3d-massing') from staging.stg_open_data__page_visits"
    ) == (680, date(2024, 11, 1), date(2024, 11, 1), 840)


# -- budget and profiles: 1.4, 1.5 -------------------------------------------------------------------------------
def test_the_budgets_control_total_is_not_a_line(one: One) -> None:
    count, total, expenses, revenues = one(
        "select count(*), sum(amount), round(sum(amount) filter (where flow = 'expense')), "
        "round(sum(amount) filter (where flow = 'revenue')) from staging.stg_finance__operating_budget"
    )
    assert (count, total) == (19_714, Decimal("-1003351699.34"))
    assert (expenses, revenues) == (14_225_060_133, -15_228_411_832)


def test_no_columns_of_the_budget_make_a_key(one: One) -> None:
    assert one(
        "select count(*) - count(distinct (program, service, activity, flow, category, sub_category, commitment_item)) "
        "from staging.stg_finance__operating_budget"
    ) == (1_246,)


def test_labels_of_the_profiles_repeat_and_are_indented(one: One) -> None:
    assert one(
        "select count(*) - count(distinct characteristic), count(*) filter (where characteristic like ' %') "
        "from raw.neighbourhood_profiles_2016"
    ) == (732, 2_187)
    assert one(
        "select count(distinct characteristic_id), count(*) filter (where is_percent and area_key <> 'city_of_toronto') "
        "from staging.stg_city_planning__neighbourhood_profiles_2016"
    ) == (2_383, 840)
