"""The four queries of a dashboard on many figures, from many clients at once: `./cityperf bench query`

    python tests/benchmarks/bench_query.py [--rows 10000000] [--clients 20] [--seconds 10]

Starts a PostgreSQL of its own in a temporary home and fills tables with the columns, keys and indexes that
dbt_project/models/publish declares for kpi, kpi_value and scorecard: 120 KPIs, 184 areas (city, wards and 158
neighbourhoods), three vintages of every figure, months until there are enough rows. Each client is a process
that asks for something else each time, as fast as it is answered. Prints median and 95th percentile in
milliseconds and queries a second; promised are 100 ms for the 95th percentile.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import re
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

KPIS = 120
WARDS = 25
NEIGHBOURHOODS = 158
VINTAGES = 3
FIRST = date(2000, 1, 1)
PROMISED = 100  # milliseconds
TEXT, DATE = 25, 1082  # PostgreSQL's numbers for the types of the queries' parameters

QUERIES = {  # $1 KPI, $2 and $3 area, $4 period
    "one KPI's series in one area": """
        select period_start, value from publish.kpi_value
        where kpi_id = $1 and geography_type = $2 and geography_code = $3 and is_latest
        order by period_start
    """,
    "all KPIs' latest in one area": """
        select k.kpi_id, k.name_en, latest.period_start, latest.value
        from publish.kpi as k
        cross join lateral (
            select v.period_start, v.value from publish.kpi_value as v
            where
                v.kpi_id = k.kpi_id and v.geography_type = $2 and v.geography_code = $3
                and v.period_grain = k.period_grain and v.is_latest
            order by v.period_start desc
            limit 1
        ) as latest
        order by k.kpi_id
    """,
    "one KPI over all wards in one period": """
        select geography_code, value from publish.kpi_value
        where kpi_id = $1 and geography_type = 'ward' and period_start = $4 and is_latest
        order by geography_code
    """,
    "the scorecard": """
        select
            kpi_id, name_en, dimension, unit, decimals, period_label_en, value, change, change_unit, trend,
            status, target_value, is_target_met, variation, assurance, recent_values
        from publish.scorecard
        order by dimension, kpi_id
    """,
}


def kpi_id(number: int) -> str:
    return f"SD-BNC-{number:03d}"


def months(rows: int) -> int:
    return math.ceil(rows / (KPIS * (1 + WARDS + NEIGHBOURHOODS) * VINTAGES))


def month(number: int) -> date:
    return date(FIRST.year + number // 12, number % 12 + 1, 1)


def create(connection: psycopg.Connection[Any], name: str) -> dict[str, Any]:
    """An empty table as the publish model declares it, without key and indexes; returns the declaration."""
    from tests.integration.candidate import shapes

    model: dict[str, Any] = shapes()[name]
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c["name"]), sql.SQL(c["data_type"])) for c in model["columns"]
    )
    connection.execute(sql.SQL("create table publish.{} ({})").format(sql.Identifier(name), columns))
    return model


def index(connection: psycopg.Connection[Any], name: str, model: dict[str, Any]) -> None:
    from tests.integration.candidate import key_of

    def listed(columns: list[str]) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, columns))

    table = sql.Identifier("publish", name)
    connection.execute(sql.SQL("alter table {} add primary key ({})").format(table, listed(key_of(model))))
    for each in model["config"].get("indexes", []):
        connection.execute(sql.SQL("create index on {} ({})").format(table, listed(each["columns"])))
    connection.execute(sql.SQL("analyze {}").format(table))


def fill(connection: psycopg.Connection[Any], rows: int) -> None:
    """In the order in which the publish model writes: point by point."""
    value = create(connection, "kpi_value")
    connection.execute(
        """
        insert into publish.kpi_value
            (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start, vintage,
             value, numerator, denominator, is_withdrawn, is_latest)
        select
            'SD-BNC-' || lpad(k::text, 3, '0'), 1, area.kind, area.code, 'month',
            (%(first)s::date + make_interval(months => m))::date, date '2026-01-01' + v,
            figure, figure, null, false, v = %(vintages)s - 1
        from generate_series(0, %(kpis)s - 1) as k
        cross join (
            select 'city' as kind, 'toronto' as code
            union all
            select 'ward', lpad(w::text, 2, '0') from generate_series(1, %(wards)s) as w
            union all
            select 'neighbourhood_158', lpad(n::text, 3, '0') from generate_series(1, %(places)s) as n
        ) as area
        cross join generate_series(0, %(months)s - 1) as m
        cross join generate_series(0, %(vintages)s - 1) as v
        cross join lateral (select round((k * 1000 + m + v / 10.0)::numeric, 2) as figure) as made
        order by k, area.kind, area.code, m, v
        """,
        {
            "first": FIRST, "kpis": KPIS, "wards": WARDS, "places": NEIGHBOURHOODS, "months": months(rows),
            "vintages": VINTAGES,
        },
    )  # fmt: skip
    index(connection, "kpi_value", value)
    for name in ("kpi", "scorecard"):
        model = create(connection, name)
        made = {
            "text": "column_name || ' ' || k", "numeric": "(k + 0.25)::numeric", "integer": "k",
            "boolean": "k % 2 = 0", "date": "date '2026-01-01' + k",
        }  # fmt: skip
        special = {"kpi_id": "'SD-BNC-' || lpad(k::text, 3, '0')", "period_grain": "'month'"}
        values = ", ".join(
            special.get(c["name"], made[c["data_type"]].replace("column_name", f"'{c['name']}'"))
            for c in model["columns"]
        )
        connection.execute(
            f"insert into publish.{name} select {values} from generate_series(0, {KPIS - 1}) as k"
        )
        index(connection, name, model)


def client(dsn: str, query: str, seconds: float, rows: int, seed: int, begin: Any) -> list[float]:
    """Milliseconds until each answer lay whole with the client, while the time lasts.

    The answers stay as libpq received them: twenty BI servers turn them into their own values on machines of theirs.
    """
    chance = random.Random(seed)
    took = []
    given = max(int(number) for number in re.findall(r"[$](\d)", query) or "0")
    types = [TEXT, TEXT, TEXT, DATE][:given]
    with psycopg.connect(dsn, autocommit=True) as connection:
        server = connection.pgconn
        server.prepare(b"asked", query.encode(), types)
        begin.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            kind, places = chance.choice((("ward", WARDS), ("neighbourhood_158", NEIGHBOURHOODS)))
            values = [
                kpi_id(chance.randrange(KPIS)),
                kind,
                str(chance.randint(1, places)).zfill(2 if kind == "ward" else 3),
                month(chance.randrange(months(rows))).isoformat(),
            ]
            began = time.perf_counter()
            answer = server.exec_prepared(b"asked", [each.encode() for each in values[:given]])
            took.append((time.perf_counter() - began) * 1000)
            if answer.ntuples < 1:
                raise SystemExit(f"expected rows, found {answer.error_message!r}, with {values[:given]}")
    return took


def work(arguments: tuple[Any, ...]) -> list[float]:
    return client(*arguments)


def measure(dsn: str, query: str, clients: int, seconds: float, rows: int) -> list[float]:
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager, context.Pool(clients) as pool:
        begin = manager.Barrier(clients)
        asked = [(dsn, query, seconds, rows, seed, begin) for seed in range(clients)]
        return [each for took in pool.map(work, asked, chunksize=1) for each in took]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    from cityperf import postgres
    from cityperf.config import Settings

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as home:
        Path(home).chmod(0o755)
        settings = Settings(profile="sample", home=Path(home))
        postgres.start(settings)
        try:
            began = time.perf_counter()
            with psycopg.connect(settings.dsn("admin"), autocommit=True) as connection:
                fill(connection, asked.rows)
                connection.execute("grant select on all tables in schema publish to bi_reader")
                row = connection.execute(
                    "select count(*), pg_table_size('publish.kpi_value') >> 20, "
                    "pg_indexes_size('publish.kpi_value') >> 20 from publish.kpi_value"
                ).fetchone()
            assert row is not None
            print(
                f"{row[0]:,} figures, {row[1]:,} MB and {row[2]:,} MB of indexes, filled in "
                f"{time.perf_counter() - began:,.0f} s; {asked.clients} clients, "
                f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before"
            )
            print(f"{'query':<40}{'median ms':>10}{'p95 ms':>10}{'queries/s':>11}")
            for name, query in QUERIES.items():
                took = measure(settings.dsn("bi_reader"), query, asked.clients, asked.seconds, asked.rows)
                slow = statistics.quantiles(took, n=20)[-1]
                print(
                    f"{name:<40}{statistics.median(took):>10.1f}{slow:>10.1f}{len(took) / asked.seconds:>11,.0f}"
                    + ("" if slow < PROMISED else f"  more than the {PROMISED} ms promised")
                )
        finally:
            postgres.stop(settings)


if __name__ == "__main__":
    main()
