"""Staging and intermediate models on a real PostgreSQL: what becomes of rows as sources deliver them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from hashlib import sha256

import psycopg
import pytest
from cityperf.config import Settings
from cityperf.load import ensure_raw_tables
from cityperf.sources import load_contracts
from psycopg import sql

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt

MONDAY = date(2026, 1, 5)
TUESDAY = MONDAY + timedelta(days=1)
OURS = "path:seeds path:models/staging path:models/intermediate"

Query = Callable[..., list[tuple[object, ...]]]


def deliver(
    settings: Settings,
    dataset: str,
    name: str,
    night: date,
    columns: Sequence[str],
    rows: Sequence[Sequence[str | None]],
    period: str | None = None,
) -> int:
    """Put rows into raw as the loader does: text, with their file, and the cursor on that file."""
    columns = [*columns, "_file_id", "_row", "_night"]
    with psycopg.connect(settings.dsn("loader"), autocommit=True) as db:
        digest = sha256(repr((dataset, name, night, rows)).encode()).hexdigest()
        file_id = db.execute(
            "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) "
            "values (%s, %s, %s, 1, 'https://example.org', %s, %s) returning file_id",
            (dataset, name, digest, night, night),
        ).fetchone()[0]  # type: ignore[index]  # an insert that returns has a row
        table = sql.Identifier("raw", dataset)
        values: list[tuple[object, ...]] = [(*row, file_id, n, night) for n, row in enumerate(rows, 1)]
        if period is not None:
            columns.append("_period")
            values = [(*row, period) for row in values]
            db.execute(
                sql.SQL("create table if not exists {} partition of {} for values in ({})").format(
                    sql.Identifier("raw", f"{dataset}__{period}"), table, period
                )
            )
        wide = [name for name in columns if name not in _columns_of(db, dataset)]
        for column in wide:
            db.execute(sql.SQL("alter table {} add column {} text").format(table, sql.Identifier(column)))
        statement = sql.SQL("insert into {} ({}) values ({})").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        )
        db.cursor().executemany(statement, values)
        db.execute(
            "insert into ops.batch (dataset, file_id, night, state, periods) values (%s, %s, %s, 'loaded', %s)",
            (dataset, file_id, night, None if period is None else [period]),
        )
        db.execute(
            "insert into ops.cursor (dataset, name, file_id, night) values (%s, %s, %s, %s) "
            "on conflict (dataset, name) do update set file_id = excluded.file_id, night = excluded.night",
            (dataset, name, file_id, night),
        )
    return int(file_id)


def _columns_of(db: psycopg.Connection[tuple[object, ...]], dataset: str) -> set[object]:
    return {
        name
        for (name,) in db.execute(
            "select column_name from information_schema.columns "
            "where table_schema = 'raw' and table_name = %s",
            (dataset,),
        )
    }


def deliver_everything(settings: Settings) -> None:
    point = ("measure_id", "measure_name", "interval_type", "value_type", "ytd", "period_threshold")
    point += ("categories", "desired_direction", "year", "period", "value")
    bankruptcies = ("1.1", "Exports to\nU.S. &amp; beyond ", "m", "c", "True", "0.02", '["Economy"]', "Up")
    hours = ("2.35", "Hours Booked", "s", "n", "False", "0.04", '["Services"]', "None")
    deliver(
        settings,
        "dashboard_measures",
        "tpp_measures.json",
        MONDAY,
        point,
        [(*bankruptcies, "2019", "1", "100"), (*bankruptcies, "2019", "2", "90"), (*hours, "2019", "1", "5")],
    )
    deliver(
        settings,
        "dashboard_measures",
        "tpp_measures.json",
        TUESDAY,
        point,
        [
            (*bankruptcies, "2019", "1", "101"),
            (*bankruptcies, "2019", "2", "90"),
            (*hours, "2019", "1", None),
        ],
    )
    deliver(
        settings,
        "dashboard_targets",
        "tpp_measures.json",
        TUESDAY,
        ("measure_id", "year", "period", "target"),
        [("1.1", "2019", "2", "95"), ("1.1", "2019", "3", "97")],
    )
    delay = ("date", "time", "station", "code", "min_delay", "line")
    incident = ("2024-01-01", "02:00", "WARDEN STATION", "MUI", "4", "BD")
    deliver(
        settings, "ttc_subway_delays", "2024.xlsx", MONDAY, delay, [incident, incident, incident], "2024-01"
    )
    budget = ("program", "expense_revenue", "amount", "year")
    deliver(
        settings,
        "operating_budget",
        "operating-budget-2022.csv",
        MONDAY,
        budget,
        [
            ("311 Toronto", "Expenses", "64,884.78", "2022"),
            ("Shelter, Support & Housing Administration", "Revenues", "(1,049,252.00)", None),
            (None, None, "-$984,367.22", None),
        ],
        "2022",
    )
    request = ("creation_date", "status", "ward", "division")
    deliver(
        settings,
        "service_requests_311",
        "SR2025",
        MONDAY,
        request,
        [
            ("2025-01-01 00:01:05.0000000", "In Progress", "Etobicoke-Lakeshore (03)", "311 Toronto"),
            ("2025-01-31 09:00:00.0000000", "Closed", "Etobicoke-Lakeshore (03)", "Customer Experience"),
        ],
        "2025",
    )
    commitment = ("commitment_id", "goal", "commitment", "division", "status", "as_of")
    first = ("C-01", "Moving", "Build", "311 Toronto", "Underway - on track", "2025-09-30")
    second = ("C-02", "Moving", "Plan", "City Planning", "Underway with challenges", "2025-09-30")
    deliver(settings, "commitments", "commitments-q3.xlsx", MONDAY, commitment, [first, second])
    deliver(
        settings,
        "commitments",
        "commitments-q4.xlsx",
        TUESDAY,
        commitment,
        [("C-01", "Moving", "Build", "Customer Experience", "Completed - fully met", "2025-12-31")],
    )
    deliver(
        settings,
        "neighbourhood_crime_rates",
        "crime.geojson",
        MONDAY,
        ("area_name", "hood_id", "homicide_2023", "robbery_2023", "robbery_rate_2023", "population_2023"),
        [("Annex", "95", None, "30", "100.0", "30000")],
    )
    deliver(
        settings,
        "neighbourhood_profiles_2016",
        "neighbourhood-profiles-2016.csv",
        MONDAY,
        ("source_id", "characteristic", "city_of_toronto", "annex", "wychwood"),
        [
            ("1", "Neighbourhood Number", None, "95", "94"),
            ("3", "Population, 2016", "44,878", "30,526", "14,352"),
        ],
    )


@pytest.fixture(scope="module")
def staged(warehouse: Settings) -> Iterator[dict[str, dict[str, str]]]:
    """dbt's statuses on empty raw tables and again after the deliveries of two nights."""
    empty_warehouse(warehouse)
    ensure_raw_tables(warehouse, load_contracts())
    built = ("build", "--select", OURS, "--exclude-resource-type", "unit_test")
    statuses = {"empty": dbt(warehouse, MONDAY, *built)}
    deliver_everything(warehouse)
    statuses["delivered"] = dbt(warehouse, TUESDAY, *built)
    yield statuses
    empty_warehouse(warehouse)


@pytest.mark.parametrize("when", ["empty", "delivered"])
def test_models_build_and_their_tests_pass_with_and_without_data(
    staged: dict[str, dict[str, str]], when: str
) -> None:
    bad = {node: status for node, status in staged[when].items() if status not in ("success", "pass")}
    assert not bad
    assert sum(node.startswith("model.") for node in staged[when]) >= 30


def test_unit_tests_of_staging_and_intermediate_rules_pass(
    staged: dict[str, dict[str, str]], warehouse: Settings
) -> None:
    ours = "test_type:unit,path:models/staging test_type:unit,path:models/intermediate"
    found = dbt(warehouse, TUESDAY, "test", "--select", ours)
    assert len(found) >= 18
    assert {node for node, status in found.items() if status != "pass"} == set()


def test_only_the_standing_delivery_of_the_feed_counts(staged: object, query: Query) -> None:
    found = query(
        "select measure_id, period_start, value, _night from staging.stg_dashboard__measures order by 1, 2"
    )
    assert found == [
        ("1.10", date(2019, 1, 1), 101, TUESDAY),
        ("1.10", date(2019, 2, 1), 90, TUESDAY),
        ("2.35", date(2018, 12, 1), None, TUESDAY),
    ]


def test_name_of_a_measure_stands_on_one_line(staged: object, query: Query) -> None:
    found = query(
        "select distinct measure_name from staging.stg_dashboard__measures where measure_id = '1.10'"
    )
    assert found == [("Exports to U.S. & beyond",)]


def test_target_without_a_value_is_kept(staged: object, query: Query) -> None:
    found = query(
        "select period_start, value, target from intermediate.int_dashboard_points "
        "where measure_id = '1.10' order by 1"
    )
    assert found == [
        (date(2019, 1, 1), 101, None),
        (date(2019, 2, 1), 90, 95),
        (date(2019, 3, 1), None, 97),
    ]


def test_exact_repeats_are_kept_flagged_and_counted_once(staged: object, query: Query) -> None:
    kept = query("select count(*), count(*) filter (where is_repeat) from staging.stg_ttc__subway_delays")
    counted = query("select records, incidents, delay_minutes from intermediate.int_ttc_delays_monthly")
    assert (kept, counted) == ([(3, 2)], [(3, 1, 4)])


def test_control_total_is_no_budget_line(staged: object, query: Query) -> None:
    found = query("select count(*), sum(amount) from staging.stg_finance__operating_budget")
    assert [(count, float(str(total))) for count, total in found] == [(2, 64884.78 - 1049252.00)]


def test_former_name_of_a_division_leads_to_its_present_one(staged: object, query: Query) -> None:
    requests = "select division, sum(requests) from intermediate.int_service_requests_monthly group by 1"
    assert query(requests) == [("Customer Experience", 2)]
    assert query("select division_name from intermediate.int_budget_by_program order by 1") == [
        ("Customer Experience",),
        ("Toronto Shelter and Support Services",),
    ]


def test_commitment_that_leaves_the_tracker_stays_as_removed(staged: object, query: Query) -> None:
    found = query(
        "select commitment_id, status, previous_status from intermediate.int_commitments_history "
        "where is_latest order by 1"
    )
    assert found == [("C-01", "completed", "on_track"), ("C-02", "removed", "challenges")]


def test_null_count_is_zero_and_the_rate_is_count_by_population(staged: object, query: Query) -> None:
    found = query("select crime, incidents, rate::float8 from intermediate.int_crime_rates order by 1")
    assert found == [("homicide", 0, 0.0), ("robbery", 30, 100.0)]


def test_population_goes_to_the_neighbourhood_that_the_file_numbers(staged: object, query: Query) -> None:
    found = query(
        "select geography_code, population from intermediate.int_neighbourhood_population "
        "where geography_type = 'neighbourhood_140' order by 1"
    )
    assert found == [("094", 14352), ("095", 30526)]


def test_sixteen_neighbourhoods_were_split_and_their_parts_cover_them(staged: object, query: Query) -> None:
    found = query(
        "select count(*), min(covered), max(covered) from (select code_140, sum(share_of_140) as covered "
        "from reference.neighbourhood_140_to_158 where relation = 'split' group by 1) as parts"
    )
    assert found[0][0] == 16
    assert 0.98 < float(str(found[0][1])) <= float(str(found[0][2])) < 1.02


def test_every_model_and_column_has_a_comment_for_people(staged: object, query: Query) -> None:
    found = query(
        "select c.oid::regclass::text, a.attname "
        "from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        "where c.relnamespace::regnamespace::text in ('staging', 'intermediate', 'reference') "
        "and c.relkind in ('r', 'v') "
        "and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)"
    )
    assert found == []
