"""KPI rules on real figures: two real deliveries of the City's feed, real benchmarks, real crime rates.

Expected figures are the City's own or follow from the files by the rule a test names.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from cityperf import forecast
from cityperf.config import ROOT, Settings
from cityperf.load import ensure_raw_tables
from cityperf.quality.gate import TABLES
from cityperf.sources import load_contracts
from cityperf.transform import target_dir
from jinja2 import Environment
from psycopg import sql

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt

pytestmark = pytest.mark.real

MODELS = ROOT / "dbt_project" / "models"
FIRST = date(2026, 1, 5)
SECOND = FIRST + timedelta(days=1)
THIRD = FIRST + timedelta(days=2)
FROM_KPIS_ON = ("path:models/kpis", "path:models/marts", "path:models/publish")
FEED = ("int_dashboard_definitions", "int_dashboard_points")
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
DIMENSIONS = {
    "service_delivery", "quality_of_life", "neighbourhood", "customer_service", "corporate_performance",
}  # fmt: skip

Query = Callable[..., list[tuple[Any, ...]]]
Record = Sequence[str | None]


def deliver(
    settings: Settings, dataset: str, name: str, night: date, columns: Sequence[str], rows: Iterable[Record]
) -> None:
    """Put rows into raw as the loader does: text, with their file, its batch, and the cursor on it."""
    with psycopg.connect(settings.dsn("loader")) as db:
        row = db.execute(
            "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) "
            "values (%s, %s, %s, 1, 'https://example.org', %s, %s) returning file_id",
            (dataset, name, sha256(f"{dataset}{name}{night}".encode()).hexdigest(), night, night),
        ).fetchone()
        assert row is not None
        for column in columns:
            db.execute(
                sql.SQL("alter table {} add column if not exists {} text").format(
                    sql.Identifier("raw", dataset), sql.Identifier(column)
                )
            )
        into = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier("raw", dataset),
            sql.SQL(", ").join(map(sql.Identifier, [*columns, "_file_id", "_row", "_night"])),
        )
        loaded = 0
        with db.cursor() as cursor, cursor.copy(into) as copy:
            for number, record in enumerate(rows, 1):
                copy.write_row([*(value or None for value in record), row[0], number, night])
                loaded = number
        db.execute(
            "insert into ops.batch (dataset, file_id, night, state, rows_in, rows_loaded, ended_at) "
            "values (%s, %s, %s, 'loaded', %s, %s, %s)",
            (dataset, row[0], night, loaded, loaded, night),
        )
        db.execute(
            "insert into ops.cursor (dataset, name, file_id, night) values (%s, %s, %s, %s) "
            "on conflict (dataset, name) do update set file_id = excluded.file_id, night = excluded.night",
            (dataset, name, row[0], night),
        )


MEASURE = {
    "measure_id": "id", "measure_name": "m", "interval_type": "it", "value_type": "vt", "ytd": "ytd",
    "has_target": "ht", "period_threshold": "v", "year_threshold": "yv", "target_threshold": "bv",
    "decimals": "da", "desired_direction": "dd", "data_source": "ds", "city_perspective": "cp",
    "keywords": "kw",
}  # fmt: skip


def deliver_feed(settings: Settings, payload: dict[str, Any], night: date) -> None:
    measures = (
        [
            *(measure[key] for key in MEASURE.values()),
            json.dumps(measure["c"]),
            point["y"],
            point["p"],
            point["v"],
        ]
        for measure in payload["measures"]
        for point in measure["vs"]
    )
    columns = [*MEASURE, "categories", "year", "period", "value"]
    deliver(settings, "dashboard_measures", "tpp_measures.json", night, columns, measures)
    targets = (
        [measure_id, point["y"], point["p"], point["v"]]
        for block in payload["targets"]
        for measure_id, points in block.items()
        for point in points
    )
    columns = ["measure_id", "year", "period", "target"]
    deliver(settings, "dashboard_targets", "tpp_measures.json", night, columns, targets)


def read_feed(path: Path) -> dict[str, Any]:
    """The payload with its numbers as written: 1.1 stays '1.1'."""
    payload: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)
    return payload


def deliver_benchmarks(settings: Settings, path: Path, night: date) -> None:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        reader = csv.reader(handle)
        columns = next(reader)
        deliver(settings, "mbncanada_results", "mbnc_results.csv", night, columns, reader)


def deliver_crimes(settings: Settings, path: Path, night: date) -> None:
    features = json.loads(path.read_text(encoding="utf-8"), parse_float=str, parse_int=str)["features"]
    names = [name for name in features[0]["properties"] if name != "OBJECTID_1"]
    deliver(
        settings, "neighbourhood_crime_rates", "crime.geojson", night, [name.lower() for name in names],
        ([feature["properties"][name] for name in names] for feature in features),
    )  # fmt: skip


@pytest.fixture(scope="module")
def computed(warehouse: Settings, real_data: Path) -> Iterator[list[dict[str, str]]]:
    """dbt's statuses of two nights: the first in the sample profile, the second in the replay profile."""
    empty_warehouse(warehouse)
    ensure_raw_tables(warehouse, load_contracts())
    feed = real_data / "toronto-dashboard"
    deliver_feed(warehouse, read_feed(feed / "tpp_measures_2019-10-29.json"), FIRST)
    deliver_benchmarks(warehouse, real_data / "mbncanada" / "mbnc_results_2004-2018.csv.gz", FIRST)
    deliver_crimes(warehouse, real_data / "tps-crime" / "Neighbourhood_Crime_Rates_Open_Data.geojson", FIRST)
    nights = [dbt(warehouse, FIRST, "build", *WITHOUT_TESTS)]
    with psycopg.connect(warehouse.dsn("admin"), autocommit=True) as db:
        db.execute(
            "create table reference.first_comment as select obj_description('publish_next.kpi'::regclass)"
        )
    deliver_feed(warehouse, read_feed(feed / "tpp_measures_2019-11-19.json"), SECOND)
    tonight = ("build", "--exclude-resource-type", "unit_test", "--select", *FEED, *FROM_KPIS_ON)
    nights.append(dbt(warehouse, SECOND, *tonight, profile="replay"))
    yield nights
    empty_warehouse(warehouse)


def test_every_model_builds_and_every_test_passes(computed: list[dict[str, str]]) -> None:
    first, second = computed
    assert sum(node.startswith("model.") for node in first) >= 60
    assert sum(node.startswith("test.") for node in second) >= 20
    for night in computed:
        assert set(night.values()) <= {"success", "pass", "no-op"}


@pytest.mark.parametrize(
    ("kpi_id", "comparison", "current", "compared", "threshold", "change", "trend", "impact", "status"),
    [
        ("1.13", "ytd", "9709", "9907", "0.05", "-2.00", "stable", 0, "stable"),
        ("1.13", "period", "1227", "1255", "0.02", "-2.23", "down", 1, "favourable"),
        ("1.02", "year", "0.06884", "0.06152", "0.01", "0.73", "up", -1, "unfavourable"),
        ("1.02", "period", "0.06884", "0.06918", "0.01", "-0.03", "stable", 0, "stable"),
        ("2.05", "target", "53236000", "52899000", "0.01", "0.64", "stable", 0, "stable"),
        ("2.10", "target", "122355000", "124100000", "0.01", "-1.41", "down", -1, "unfavourable"),
        ("3.01", "ytd", "31633", "29410", "0.01", "7.56", "up", -1, "unfavourable"),
        ("2.42", "target", "1797996", "1982242", "0.01", "-9.29", "down", -1, "unfavourable"),
    ],
)
def test_city_trend_rule_on_the_feed_of_november_2019(
    computed: object, query: Query, kpi_id: str, comparison: str, current: str, compared: str, threshold: str,
    change: str, trend: str, impact: int, status: str,
) -> None:  # fmt: skip
    """Results of `analysis()` in the City's fepe_progress-dashboard, with the feed's own thresholds."""
    assert query(
        "select current_value, compared_value, threshold, round(change, 2), trend, impact, status "
        "from publish_next.kpi_comparison where kpi_id = %s and comparison = %s",
        (kpi_id, comparison),
    ) == [(Decimal(current), Decimal(compared), Decimal(threshold), Decimal(change), trend, impact, status)]


def test_any_earlier_period_can_be_compared_too(computed: object, query: Query) -> None:
    """May 2019, year to date of 1.13: a text in the City's mock-up says 3.9 per cent, the figures 3.39."""
    assert query(
        "select current_value, compared_value, periods, round(change, 2), status "
        "from marts.kpi_period_comparison "
        "where kpi_id = '1.13' and comparison = 'ytd' and period_start = '2019-05-01'"
    ) == [(6007, 6218, 5, Decimal("-3.39"), "stable")]


def test_shares_move_by_points_and_everything_else_by_per_cent(computed: object, query: Query) -> None:
    assert query(
        "select c.change_unit, bool_and(k.unit = 'percent'), count(*) > 0 "
        "from publish_next.kpi_comparison as c join publish_next.kpi as k using (kpi_id) "
        "group by 1 order by 1"
    ) == [("percent", False, True), ("pp", True, True)]


def test_direction_none_is_never_favourable_or_unfavourable(computed: object, query: Query) -> None:
    counts = dict(
        query(
            "select c.status, count(*) from marts.kpi_period_comparison as c "
            "join marts.kpi as k using (kpi_id) where k.direction = 'none' group by 1"
        )
    )
    assert counts["neutral"] > 100
    assert not counts.keys() & {"favourable", "unfavourable"}


def test_blank_thresholds_fall_back_to_the_period_s_and_then_to_zero(computed: object, query: Query) -> None:
    assert query(
        "select kpi_id, threshold_period, threshold_year, threshold_target from publish_next.kpi "
        "where kpi_id in ('1.02', '1.13', '1.16', '1.25') order by 1"
    ) == [
        ("1.02", Decimal("0.01"), Decimal("0.01"), Decimal("0.01")),
        ("1.13", Decimal("0.02"), Decimal("0.05"), Decimal("0.02")),
        ("1.16", 0, 0, 0),
        ("1.25", Decimal("0.4"), Decimal("0.4"), Decimal("0.4")),
    ]


def test_a_revised_figure_keeps_its_earlier_values(computed: object, query: Query) -> None:
    """29 October to 19 November 2019: 984 figures revised, 58 new, none removed."""
    feed = "join marts.kpi as k using (kpi_id) where k.origin = 'feed'"
    assert query(f"select vintage, count(*) from publish_next.kpi_value {feed} group by 1 order by 1") == [
        (FIRST, 7518),
        (SECOND, 984 + 58),
    ]
    assert query(f"select count(*), count(*) filter (where vintages = 2) from marts.kpi_current {feed}") == [
        (7576, 984)
    ]
    assert query(f"select count(*) from publish_next.kpi_value {feed} and is_withdrawn") == [(0,)]


def test_ids_are_text_and_keep_their_zero(computed: object, query: Query) -> None:
    ids = [row[0] for row in query("select kpi_id from publish_next.kpi where origin = 'feed' order by 1")]
    assert len(ids) == 69
    assert {"1.10", "2.30", "2.40", "1.051", "2.041", "2.042"} <= set(ids)
    assert not [each for each in ids if len(each.partition(".")[2]) < 2]


def test_every_measure_of_the_feed_is_registered(computed: object, query: Query) -> None:
    assert query(
        "select count(*), bool_and(is_registered), bool_and(is_active), bool_and(name_en <> name_fr), "
        "count(distinct name_en), count(distinct dimension) from publish_next.kpi where origin = 'feed'"
    ) == [(69, True, True, True, 69, 5)]


def test_winter_counts_to_the_year_of_its_january(computed: object, query: Query) -> None:
    assert query(
        "select c.period_start, c.compared_period_start from marts.kpi_period_comparison as c "
        "where c.kpi_id = '2.35' and c.comparison = 'period' and c.period_start = '2018-12-01'"
    ) == [(date(2018, 12, 1), date(2018, 9, 1))]
    assert query(
        "select period_year from marts.kpi_current where kpi_id = '2.35' and period_start = '2018-12-01'"
    ) == [(2019,)]


@pytest.mark.parametrize(
    ("measure", "reporters", "median", "value", "rank"),
    [
        ("ROAD307T", 16, "13167.50", "11809", 7),
        ("PLIB305T", 11, "1.88", "2.22", 7),
        ("EMDS430", 12, "0.7045", "0.86", 2),  # a share of calls reached in time: higher is better
    ],
)
def test_toronto_among_its_peers_in_2018(
    computed: object, query: Query, measure: str, reporters: int, median: str, value: str, rank: int
) -> None:
    assert query(
        "select reporters, median, value, rank from publish_next.benchmark "
        "where measure_code = %s and period_year = 2018 and municipality = 'Toronto'",
        (measure,),
    ) == [(reporters, Decimal(median), Decimal(value), rank)]


def test_ranks_count_reporters_only_and_quartiles_hold_a_quarter(computed: object, query: Query) -> None:
    assert query(
        "select count(*) > 50000, count(*) filter (where rank > reporters), "
        "count(*) filter (where direction = 'none' and rank is not null) from publish_next.benchmark"
    ) == [(True, 0, 0)]
    rows = query(
        "select quartile, count(*) from publish_next.benchmark "
        "where measure_code = 'ROAD307T' and period_year = 2018 group by 1 order by 1"
    )
    assert rows == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_crime_rates_use_their_own_year_s_residents(computed: object, query: Query, real_data: Path) -> None:
    """Rates of 2023 equal count by population times 100,000 within 2e-4; earlier years likewise."""
    path = real_data / "tps-crime" / "Neighbourhood_Crime_Rates_Open_Data.geojson"
    published = {
        (f"{int(each['properties']['HOOD_ID']):03}", year): each["properties"][f"ASSAULT_RATE_{year}"]
        for each in json.loads(path.read_text(encoding="utf-8"))["features"]
        for year in (2016, 2023)
    }
    computed_rates = query(
        "select geography_code, extract(year from period_start)::integer, value, numerator, denominator "
        "from marts.kpi_current where kpi_id = 'QL-CRM-01' and geography_type = 'neighbourhood_158' "
        "and period_start in ('2016-01-01', '2023-01-01')"
    )
    assert len(computed_rates) == 2 * 158
    for code, year, value, _, _ in computed_rates:
        # the population of earlier years is rounded back from a rate: a few parts in 100,000
        tolerance = 2e-4 if year == 2023 else 1e-4 * float(value)
        assert abs(float(value) - published[code, year]) <= tolerance, (code, year)
    city = query(
        "select value, numerator, denominator from marts.kpi_current where kpi_id = 'QL-CRM-01' "
        "and geography_type = 'city' and period_start = '2023-01-01'"
    )
    latest = [row for row in computed_rates if row[1] == 2023]
    total, residents = sum(row[3] for row in latest), sum(row[4] for row in latest)
    assert [(round(row[0], 9), row[1], row[2]) for row in city] == [
        (round(total * 100000 / residents, 9), total, residents)
    ]


def test_revisions_between_two_real_deliveries_are_counted_and_averaged(
    computed: object, query: Query
) -> None:
    """sources.md 1.1: 984 values were revised between October and November 2019."""
    assert query("select sum(figures_revised) from marts.kpi_revision where kpi_id ~ '^[0-9]'") == [(984,)]
    ((figures, revised, mean, absolute),) = query(
        "select figures, figures_revised, mean_revision, mean_absolute_revision "
        "from marts.kpi_revision where kpi_id = '1.02'"
    )
    assert (figures, revised) == (154, 153)
    assert (round(mean * 154, 9), round(absolute * 154, 9)) == (
        Decimal("0.000708269"),
        Decimal("0.014797925"),
    )


def test_a_composite_index_can_be_worked_out_again_from_its_parts(computed: object, query: Query) -> None:
    assert query(
        "select count(*), count(distinct geography_code), min(rank), max(components) from marts.composite_index "
        "where index_code = 'neighbourhood_safety'"
    ) == [(1580, 158, 1, 9)]
    ((worst,),) = query(
        "select max(abs(i.arithmetic - p.arithmetic)) from marts.composite_index as i inner join ("
        "select geography_code, period_year, sum(scaled * weight) / sum(weight) as arithmetic "
        "from marts.composite_component group by 1, 2) as p using (geography_code, period_year)"
    )
    assert worst < Decimal("1e-7")


def test_skewness_and_kurtosis_are_those_that_coinr_prints(real_data: Path, query: Query) -> None:
    """kpi-rules 3.7 on the ASEM data: COINr's pages on Treat and qTreat; of two the logarithm (log_CT) as well."""
    file = real_data / "worked-examples" / "coinr_ASEM_iData.csv"
    with file.open(encoding="utf-8", newline="") as handle:
        units = list(csv.DictReader(handle))
    shapes = Environment().from_string(  # noqa: S701 - SQL
        (ROOT / "dbt_project" / "macros" / "kpi" / "composite.sql").read_text("utf-8")
        + "select round({{ sample_skewness('x') }}, 7), round({{ sample_kurtosis('x') }}, 7), {{ has_outliers('x') }}"
        " from unnest(%s::numeric[]) as x"
    )
    printed = {
        "LPI": ("-0.3042681", "-0.6567514"), "Flights": ("2.1032872", "4.5088794"),
        "Bord": ("2.1482360", "5.7914905"), "Elec": ("2.2252736", "5.7910268"),
        "Gas": ("2.8294486", "10.3346494"), "log Flights": ("-0.0950264", "-0.8305217"),
        "log Goods": ("0.0310400", "-0.8888965"),
    }  # fmt: skip
    for name, expected in printed.items():
        x = [Decimal(unit[name.removeprefix("log ")]) for unit in units]
        if name.startswith("log "):
            x = [(each - min(x) + Decimal("0.01") * (max(x) - min(x))).ln() for each in x]
        ((skewness, kurtosis, outliers),) = query(shapes.render(), (x,))
        assert (skewness, kurtosis) == (Decimal(expected[0]), Decimal(expected[1])), name
        assert outliers == (abs(skewness) > 2 and kurtosis > Decimal("3.5")), name


def test_the_city_s_residents_turn_its_crimes_into_rates(computed: object, query: Query) -> None:
    """kpi-rules 3.6: counts of the feed by residents of the same year; of Ontario's bankruptcies there is no such rate."""
    rows = query(
        "select v.value, v.view_value, v.base_value, p.population from marts.kpi_view as v "
        "inner join intermediate.int_population as p on p.geography_type = 'city' and p.population_year = 2018 "
        "where v.kpi_id = '3.01' and v.kpi_view = 'per_100000' and v.period_start = '2018-06-01'"
    )
    assert [(round(value * 100000 / residents, 9), base) for value, _, base, residents in rows] == [
        (round(rows[0][1], 9), rows[0][3])
    ]
    assert query(
        "select count(*) from marts.kpi_view where kpi_view = 'per_100000' and kpi_id in ('1.12', '1.13')"
    ) == [(0,)]


def test_forecasts_of_the_real_feed_are_shown_only_where_they_helped(
    computed: object, warehouse: Settings, query: Query
) -> None:
    """The feed of November 2019: monthly, quarterly and seasonal series of up to nineteen years."""
    done = forecast.refresh(warehouse)
    assert forecast.refresh(warehouse) == 0
    ((series, shown, better, coverage),) = query(
        "select count(*), count(*) filter (where is_shown), count(*) filter (where mean_error < naive_error), "
        "avg(coverage) from forecast.series"
    )
    assert done == series > 40
    assert 10 < shown == better < series
    assert 0.7 < coverage < 0.9, "an interval meant to hold four fifths"
    assert query(
        "select count(*), count(*) filter (where low <= value and value <= high), min(steps), max(steps) from "
        "(select *, count(*) over (partition by kpi_id, geography_code) as steps from forecast.step) as each"
    ) == [(4 * shown, 4 * shown, 4, 4)]
    with psycopg.connect(warehouse.dsn("transformer")) as db:
        db.execute("delete from forecast.series")  # the night that other tests repeat was built without


def test_the_sample_says_so_in_every_table_s_comment_and_the_replay_does_not(
    computed: object, query: Query
) -> None:
    [(sample,)] = query("select * from reference.first_comment")
    assert sample.startswith("SAMPLE — invented figures. Registry of KPIs")
    assert query(
        "select count(*), bool_or(coalesce(obj_description(oid, 'pg_class'), '') ilike '%%sample%%'), "
        "bool_and(length(obj_description(oid, 'pg_class')) > 0) "
        "from pg_class where relnamespace = 'publish_next'::regnamespace and relkind = 'r'"
    ) == [(len(TABLES), False, True)]


def test_every_published_column_is_explained(computed: object, query: Query) -> None:
    assert (
        query(
            "select c.relname, a.attname from pg_class as c join pg_attribute as a on a.attrelid = c.oid "
            "where c.relnamespace = 'publish_next'::regnamespace and c.relkind = 'r' and a.attnum > 0 "
            "and not a.attisdropped and col_description(c.oid, a.attnum) is null"
        )
        == []
    )


def test_example_queries_of_the_catalogue_run_and_its_counts_are_right(
    computed: object, query: Query
) -> None:
    rows = query(
        "select table_name, row_count, example_query, grain, description from publish_next.catalogue"
    )
    assert len(rows) == len(TABLES)
    for table, count, example, grain, description in rows:
        assert grain and description
        query(example.replace("publish.", "publish_next."))
        if table != "release":
            assert query(f"select count(*) from publish_next.{table}") == [(count,)], table


def test_queries_of_the_analysts_page_run(computed: object, query: Query) -> None:
    page = (ROOT / "docs" / "star_schema.md").read_text(encoding="utf-8")
    examples = [
        each for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) for each in block.split(";")
    ]
    asked = [each.replace("publish.", "publish_next.") for each in examples if each.strip()]
    assert len(asked) > 5
    for each in asked:
        query(each)


def test_every_figure_joins_every_dimension(computed: object, query: Query) -> None:
    assert query(
        "select count(*) from publish_next.kpi_value as v "
        "left join publish_next.kpi as k using (kpi_id) "
        "left join publish_next.period as p on (p.period_grain, p.period_start) = (v.period_grain, v.period_start) "
        "left join publish_next.geography as g using (geography_type, geography_code) "
        "left join publish_next.vintage as n using (vintage) "
        "left join publish_next.organisation as o on o.organisation_name = k.owner "
        "where k.kpi_id is null or p.label_en is null or g.geography_name is null or n.figures is null "
        "or o.division_name is null"
    ) == [(0,)]


def test_a_figure_s_files_are_named_down_to_their_hash(computed: object, query: Query) -> None:
    rows = query(
        "select dataset, delivered_night, is_current, length(sha256) from publish_next.provenance "
        "where subject_type = 'kpi' and subject = '2.05' and dataset = 'dashboard_measures' order by 2"
    )
    assert rows == [("dashboard_measures", FIRST, False, 64), ("dashboard_measures", SECOND, True, 64)]


def test_a_night_repeated_publishes_the_same_again(
    computed: object, warehouse: Settings, query: Query
) -> None:
    """Built a second time, vintages and every published table are the same: nothing looks at the clock."""
    published = query("select table_name from publish_next.catalogue order by 1")

    def fingerprints() -> dict[str, Any]:
        return {
            name: query(f"select md5(string_agg(t::text, '|' order by t::text)) from {name} as t")
            for name in ("marts.kpi_value", *(f"publish_next.{table}" for (table,) in published))
        }

    before = fingerprints()
    again = dbt(warehouse, SECOND, "run", "--select", *FROM_KPIS_ON[1:], profile="replay")
    assert set(again.values()) == {"success"}
    assert fingerprints() == before


def limits(values: list[Decimal]) -> tuple[Decimal, Decimal, Decimal]:
    """Mean and average moving range, screened once, by the arithmetic of the NHS-R package."""
    mean = sum(values, Decimal(0)) / len(values)
    ranges = [abs(b - a) for a, b in itertools.pairwise(values)]
    average = sum(ranges, Decimal(0)) / len(ranges)
    kept = [each for each in ranges if each < Decimal("3.267") * average] or [Decimal(0)]
    reach = Decimal("2.66") * sum(kept, Decimal(0)) / len(kept)
    return mean, mean - reach, mean + reach


def special_causes(values: list[Decimal]) -> list[str | None]:
    """The four rules by looking at every window of points, the way a person would."""

    def sign(number: Decimal) -> int:
        return (number > 0) - (number < 0)

    mean, low, high = limits(values)
    third = (high - mean) * 2 / 3
    outside = [not low <= value <= high for value in values]
    sides = [sign(round(value - mean, 12)) for value in values]
    close = [not beyond and abs(value - mean) > third for beyond, value in zip(outside, values, strict=True)]
    found: list[set[str]] = [set() for _ in values]
    for at in range(len(values)):
        seven = range(at, at + 7)
        if at + 7 <= len(values):
            if abs(sum(sign(values[n + 1] - values[n]) for n in seven[:-1])) == 6:
                for n in seven:
                    found[n].add("seven_point_trend")
            if abs(sum(sides[n] for n in seven)) == 7:
                for n in seven:
                    found[n].add("seven_on_one_side")
        three = range(at, at + 3)
        if at + 3 <= len(values) and abs(sum(sides[n] for n in three)) == 3:
            near = [n for n in three if close[n]]
            if len(near) >= 2:
                for n in near:
                    found[n].add("two_of_three_near_limit")
    order = ("outside_limits", "seven_point_trend", "two_of_three_near_limit", "seven_on_one_side")
    return [
        next((rule for rule in order if rule in names or (rule == order[0] and beyond)), None)
        for names, beyond in zip(found, outside, strict=True)
    ]


def test_signals_equal_the_rules_on_every_real_series(computed: object, query: Query) -> None:
    """XmR by kpi-rules 3.5: every point of every real series, against the rules written a second time."""
    series: dict[tuple[Any, ...], list[tuple[Decimal, Decimal, str | None]]] = {}
    for *key, charted, upper, cause in query(
        "select kpi_id, geography_code, period_grain, charted, upper_limit, special_cause "
        "from marts.kpi_signal order by kpi_id, geography_code, period_grain, period_start"
    ):
        series.setdefault(tuple(key), []).append((charted, upper, cause))
    assert len(series) > 50
    named: Counter[str] = Counter()
    for key, points in series.items():
        values = [charted for charted, _, _ in points]
        assert [cause for _, _, cause in points] == special_causes(values), key
        assert all(
            abs(upper - limits(values)[2]) < Decimal("1e-9") * max(1, abs(upper)) for _, upper, _ in points
        ), key
        named.update(cause for _, _, cause in points if cause)
    assert set(named) == {
        "outside_limits", "seven_point_trend", "two_of_three_near_limit", "seven_on_one_side"
    }  # fmt: skip


def test_what_cannot_be_a_signal_says_why(computed: object, query: Query) -> None:
    unsuited = query(
        "select kpi_id, variation, reason_en, reason_fr from marts.kpi_assessment "
        "where variation = 'not_suitable' and geography_type = 'city'"
    )
    assert {"1.01", "1.02", "1.16", "2.041"} <= {kpi for kpi, *_ in unsuited}
    assert all(english and french and english != french for _, _, english, french in unsuited)
    assert not query(
        "select kpi_id from marts.kpi_signal where charted = value and signal_basis = 'same_season' "
        "and value <> 0 limit 1"
    )


@pytest.fixture(scope="module")
def third_night(computed: object, warehouse: Settings) -> dict[str, str]:
    """A live night on which the feed has one measure, a new one."""
    measure = dict.fromkeys(MEASURE.values(), "") | {
        "id": "9.9", "m": "Potholes", "it": "m", "vt": "n", "ytd": "True", "dd": "Down", "c": ["Services"],
        "vs": [{"y": "2019", "p": "1", "v": "10"}, {"y": "2019", "p": "2", "v": "12"}],
    }  # fmt: skip
    deliver_feed(warehouse, {"measures": [measure], "targets": []}, THIRD)
    return dbt(
        warehouse, THIRD, "run", "--select", *FEED, "dashboard_feed", "mart_kpi", "kpi_point",
        "mart_kpi_value", "kpi_current", "kpi_target", "kpi_comparison_pair", "kpi_period_comparison",
        "mart_kpi_comparison", "benchmark", profile="live",
    )  # fmt: skip


def test_a_measure_without_an_entry_is_published_as_unregistered(
    third_night: dict[str, str], query: Query
) -> None:
    assert set(third_night.values()) == {"success"}
    assert query(
        "select name_en, dimension, is_registered, is_active, unit from marts.kpi where kpi_id = '9.90'"
    ) == [("Potholes", "service_delivery", False, True, "number")]
    assert query(
        "select comparison, trend, status from marts.kpi_comparison "
        "where kpi_id = '9.90' and comparison = 'period'"
    ) == [("period", "up", "unfavourable")]


def test_a_measure_that_left_the_feed_stays_with_its_figures(third_night: object, query: Query) -> None:
    assert query("select count(*), bool_or(is_active) from marts.kpi where kpi_id < '9'") == [(69, False)]
    assert query("select count(*) from marts.kpi_value where vintage = %s", (THIRD,)) == [(2,)]
    assert query("select count(*) from marts.kpi_current where kpi_id = '1.13'") == [(152,)]


def test_unlicensed_results_never_reach_a_live_release(third_night: object, query: Query) -> None:
    assert query("select count(*) from publish_next.benchmark") == [(0,)]
    assert query("select count(*) > 50000 from marts.benchmark") == [(True,)]


def test_no_target_is_made_of_unlicensed_results_outside_the_sample(
    third_night: object, warehouse: Settings, query: Query
) -> None:
    """ADR 0009: nothing published of a comparison may say what the peers' median is."""
    compiled = target_dir(warehouse) / "compiled" / "cityperf" / "models" / "marts" / "kpi_target.sql"
    assert '"marts"."benchmark"' not in compiled.read_text("utf-8")
    assert query("select count(*) from marts.kpi_target where target_type = 'peer_median'") == [(0,)]


def own_kpis() -> list[dict[str, Any]]:
    found = []
    for path in (MODELS / "kpis").rglob("*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            meta = model["config"]["meta"]
            if "kpi" in meta:
                found.append({**meta["kpi"], "folder": path.parent.name, "model": model["name"]})
    return found


def test_there_are_own_kpis_in_each_dimension_fully_described() -> None:
    kpis = own_kpis()
    assert len(kpis) == len({kpi["id"] for kpi in kpis}) >= 14
    for dimension in DIMENSIONS:
        assert sum(kpi["dimension"] == kpi["folder"] == dimension for kpi in kpis) >= 2
    for kpi in kpis:
        for text in (kpi["name"], kpi["definition"]):
            assert text["en"] and text["fr"] and text["en"] != text["fr"]
        assert kpi["direction"] in ("up", "down", "none", "range")
        assert isinstance(kpi["id"], str) and kpi["owner"] and kpi["steward"] and kpi["version"] >= 1
        # shares are stored as fractions, so that percentage points need no knowledge of a multiplier
        assert kpi["multiplier"] == 1 or kpi["unit"] != "percent"


def test_a_kpi_names_exactly_the_data_sets_it_is_made_of(computed: object, query: Query) -> None:
    lineage = dict(
        query("select subject, array_agg(dataset order by dataset) from marts.lineage "
              "where subject_type = 'kpi' group by 1")
    )  # fmt: skip
    for kpi in own_kpis():
        assert sorted(kpi["sources"]) == lineage[kpi["id"]], kpi["id"]


def test_an_exposure_lists_every_column_of_its_table_and_no_other() -> None:
    """The allow-list is written out, so that a new column leaves only when somebody adds it here."""
    tables = {
        model["name"]: [column["name"] for column in model["columns"]]
        for path in (MODELS / "publish").glob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    }
    exposures = yaml.safe_load((MODELS / "exposures.yml").read_text(encoding="utf-8"))["exposures"]
    assert {
        each["config"]["meta"]["table"]: each["config"]["meta"]["columns"] for each in exposures
    } == tables
