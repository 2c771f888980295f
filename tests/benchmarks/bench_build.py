"""Every model from ten million rows of events, against the same tables by hand: `./cityperf bench build`

    python tests/benchmarks/bench_build.py [--rows 10000000] [--rounds 2] [--home FOLDER]

Starts a PostgreSQL of its own in a temporary home and loads the sample, all data sets of it. The events (311 requests
since 2010, delays of buses, streetcars and trains, crimes, building permits) are the sample's own rows, repeated with
other dates up to `--rows`, delivered as files and loaded by the loader: a year's file at a time. Then, in turn:

by hand     what a person without dbt would run: each model's select, compiled, as `create view` or `create table as`, in
            the order of dependence, over as many connections as dbt uses; the keys and indexes that the tables have;
            seeds stand already, forecasts are made by the same Python. No tests, no contracts, no comments, no record.
transform   the night's own step on a database without any model: dbt with all of these.

At last a night brings 1 % new rows: two more months of 311 and of the TTC, in files that replace the year's.

Each is measured by the clock and by the seconds of processor that Python and PostgreSQL took together, which a busy
machine blurs less. Promised: transform at most 1.5 times by hand, the night at most 10 % of transform.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import date
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

FIRST, SECOND = date(2026, 11, 19), date(2026, 11, 20)
STANDS = date(2026, 8, 1)  # the newest month of the first night
NEW = date(2026, 10, 1)  # ... and of the second
SLOWER, SHARE = 1.5, 0.1  # promised
LAYERS = ("staging", "intermediate", "kpis", "marts", "publish_next")


@dataclass(frozen=True)
class Events:
    """A data set's share of the rows, its first year, its file, and what is not as in the sample's rows: `moment` is the
    time of the event, `n` its number. Without a year in its name it is one file, which the second night leaves alone.
    """

    share: float
    since: int
    file: str
    told: dict[str, str]


DELAY = {
    "date": "to_char(moment, 'YYYY-MM-DD')",
    "time": "to_char(moment, 'HH24:MI')",
    "day": "to_char(moment, 'FMDay')",
}
IN_MILLISECONDS = "(extract(epoch from moment) * 1000)::bigint::text"
DAY = "to_char(moment - {} * interval '1 day', 'YYYY-MM-DD')"
EVENTS = {
    "service_requests_311": Events(
        0.8, 2010, "SR{year}.zip", {"creation_date": "to_char(moment, 'YYYY-MM-DD HH24:MI:SS.MS')"}
    ),
    "ttc_bus_delays": Events(0.1, 2014, "ttc-bus-delay-data-{year}.csv", DELAY),
    "ttc_streetcar_delays": Events(0.03, 2014, "ttc-streetcar-delay-data-{year}.csv", DELAY),
    "ttc_subway_delays": Events(0.03, 2018, "ttc-subway-delay-data-{year}.csv", DELAY),
    "major_crime_indicators": Events(
        0.02,
        2014,
        "major_crime_indicators.geojson",
        {
            "event_unique_id": "'GO-' || n",
            "report_date": IN_MILLISECONDS,
            "occ_date": IN_MILLISECONDS,
        },
    ),
    "building_permits_cleared": Events(
        0.02,
        2017,
        "Cleared Building Permits since 2017.csv",
        {
            "permit_num": "n || ' BLD'",
            "application_date": DAY.format("(90 + n % 200)"),
            "issued_date": DAY.format("(n % 90)"),
            "completed_date": DAY.format("0"),
        },
    ),
}


def months(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month + 1


def content(
    db: psycopg.Connection[Any], contract: Any, events: Events, rows: int, since: date, until: date
) -> bytes:
    """The file's bytes: `rows` a month, from the month of `since` to that of `until`."""
    told = [
        sql.SQL("{} as {}").format(
            sql.SQL(events.told[each.name]) if each.name in events.told else sql.Identifier(each.name),
            sql.Identifier(each.header[0]),
        )
        for each in contract.columns
    ]
    query = sql.SQL(
        """
        with given as (select *, row_number() over (order by _file_id, _row) - 1 as place from bench.{table})
        select {told} from (
            select given.*, n, month + n * 7919 %% 40319 * interval '1 minute' as moment
            from generate_series({since}::date, {until}, interval '1 month') as month
            cross join generate_series(1, {rows}) as number
            cross join lateral (select extract(epoch from month)::bigint / 100 + number as n) as numbered
            join given on place = n %% (select count(*) from bench.{table})
        ) as made order by moment, n
        """.replace("%%", "%")
    ).format(
        table=sql.Identifier(contract.dataset),
        told=sql.SQL(", ").join(told),
        since=sql.Literal(since),
        until=sql.Literal(until),
        rows=sql.Literal(rows),
    )
    if events.file.endswith(".geojson"):
        row = db.execute(
            sql.SQL(
                "select json_build_object('type', 'FeatureCollection', 'features', json_agg(json_build_object("
                "'type', 'Feature', 'geometry', null, 'properties', row_to_json(made))))::text from ({}) as made"
            ).format(query)
        ).fetchone()
        assert row is not None
        return str(row[0]).encode()
    with db.cursor().copy(sql.SQL("copy ({}) to stdout (format csv, header true)").format(query)) as copy:
        data = b"".join(bytes(each) for each in copy)
    if not events.file.endswith(".zip"):
        return data
    data = data.decode().encode("cp1252", "replace")  # as the City writes them
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(events.file.replace("zip", "csv"), data)
    return packed.getvalue()


def deliver_events(settings: Any, rows: int, night: date) -> int:
    """The files of a night: all on the first, the newest year's on the second. Returns the rows that are new."""
    from cityperf.sources import load_contracts

    from tests.integration.publisher import deliver

    contracts, brought = load_contracts(), 0
    for dataset, events in EVENTS.items():
        whole = "{year}" not in events.file
        a_month = int(rows * events.share / months(date(events.since, 1, 1), STANDS))
        newest = STANDS if night == FIRST else NEW
        for year in [events.since] if whole else range(events.since, newest.year + 1):
            if night != FIRST and (whole or year < newest.year):
                continue
            with psycopg.connect(settings.dsn("admin")) as db:
                data = content(
                    db,
                    contracts[dataset],
                    events,
                    a_month,
                    date(year, 1, 1),
                    newest if whole else min(newest, date(year, 12, 1)),
                )
            loaded = deliver(
                settings,
                contracts[dataset],
                data,
                events.file.format(year=year),
                night,
                f"{night}T01:00:00.000000",
            )
            brought += loaded.new
    return brought


def sample(settings: Any) -> None:
    """Every data set of the sample as on a first night, and its events kept aside to be repeated."""
    from cityperf.db import connect
    from cityperf.extract import extract
    from cityperf.load import ensure_raw_tables, load_file
    from cityperf.portal import deliver_drops
    from cityperf.sources import load_contracts

    from tests.integration.publisher import open_gate
    from tests.integration.test_portal import start

    contracts = load_contracts()
    ensure_raw_tables(settings, contracts)
    process, port = start(settings.home, "sample", scale="0.05")
    os.environ["CITYPERF_PORTAL_URL"] = f"http://127.0.0.1:{port}"
    try:
        deliver_drops(settings, FIRST)
        for contract in contracts.values():
            for file in extract(settings, FIRST, contract, patience=60):
                load_file(settings, FIRST, contract, file["file_id"], gate=open_gate)
    finally:
        process.kill()
        process.wait()
    with connect(settings, "admin", autocommit=True) as db:
        db.execute("create schema bench")
        for dataset in EVENTS:
            db.execute(
                sql.SQL("create table bench.{0} as select * from raw.{0}").format(sql.Identifier(dataset))
            )


def forget(settings: Any) -> None:
    """Takes every model away, and what is known of them."""
    from cityperf.db import connect

    with connect(settings, "admin", autocommit=True) as db:
        relations = db.execute(
            "select n.nspname, c.relname, c.relkind::text from pg_class as c join pg_namespace as n "
            "on n.oid = c.relnamespace where n.nspname = any(%s) and c.relkind in ('r', 'v')",
            (list(LAYERS),),
        ).fetchall()
        for schema, name, kind in relations:
            db.execute(
                sql.SQL("drop {} if exists {} cascade").format(
                    sql.SQL("view" if kind == "v" else "table"), sql.Identifier(schema, name)
                )
            )
        db.execute("truncate ops.model_state")
        db.execute("truncate forecast.series cascade")
        db.execute("checkpoint")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of the processor: Python's and PostgreSQL's."""

    wall: float
    python: float
    server: float

    @property
    def cpu(self) -> float:
        return self.python + self.server

    def __str__(self) -> str:
        return (
            f"{self.wall:7.1f} s by the clock {self.cpu:7.1f} s of processor "
            f"(Python {self.python:.1f}, PostgreSQL {self.server:.1f})"
        )


def measured(settings: Any, work: Callable[[], Any]) -> Cost:
    def server() -> float:
        """Of the server and of all that it has started; those that have ended count with it."""
        from cityperf import postgres

        pid = postgres.server_pid(settings)
        assert pid is not None
        top = psutil.Process(pid)
        total = 0.0
        for process in (top, *top.children(recursive=True)):
            try:
                took = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += took.user + took.system + (took.children_user + took.children_system) * (process == top)
        return total

    wall, python, before = time.perf_counter(), time.process_time(), server()
    work()
    time.sleep(0.2)  # the last connections end
    return Cost(time.perf_counter() - wall - 0.2, time.process_time() - python, max(server() - before, 0.0))


# -- by hand -------------------------------------------------------------------------------------------------
def compiled(settings: Any) -> dict[str, Any]:
    """Every model that makes a table or a view, with its select, by dbt's id; the database knows none of them yet."""
    from cityperf.transform import parse, run_dbt

    manifest = parse(settings, FIRST)
    for arguments in (["seed"], ["compile", "--select", "resource_type:model"]):
        outcome = run_dbt(settings, FIRST, arguments, manifest=manifest)
        assert outcome.success, outcome.exception
    return {uid: node for uid, node in manifest.nodes.items() if uid.startswith("model.")}


def statements(node: Any) -> list[str]:
    table = f'"{node.schema}"."{node.alias}"'
    if node.config.materialized == "view":
        return [f"create view {table} as {node.compiled_code}"]
    made = [f"create table {table} as {node.compiled_code}"]
    for constraint in node.constraints:
        if constraint.type.value == "primary_key":
            made.append(f"alter table {table} add primary key ({', '.join(constraint.columns)})")
    for index in node.config.get("indexes") or []:
        made.append(f"create index on {table} ({', '.join(index['columns'])})")
    return made


def by_hand(settings: Any, models: dict[str, Any], threads: int) -> dict[str, float]:
    """Runs them as soon as what they depend on stands; the forecast is made between the models before and behind it.
    Returns each model's seconds.
    """
    from cityperf import forecast
    from cityperf.publish import open_candidate

    behind = {uid for uid, node in models.items() if any(".forecast." in p for p in node.depends_on.nodes)}
    order = TopologicalSorter(
        {uid: [p for p in node.depends_on.nodes if p in models] for uid, node in models.items()}
    )
    for uid in behind:
        order.add(uid, "forecast")
    order.add("forecast", *(uid for uid, node in models.items() if node.name in ("mart_kpi", "kpi_current")))
    order.prepare()
    open_candidate(settings, FIRST)
    with psycopg.connect(settings.dsn("transformer"), autocommit=True) as connection:
        for layer in LAYERS:
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(layer)))
    took: dict[str, float] = {}
    connections = [psycopg.connect(settings.dsn("transformer"), autocommit=True) for _ in range(threads)]
    idle = list(connections)

    def run(uid: str) -> str:
        began = time.perf_counter()
        if uid == "forecast":
            forecast.refresh(settings)
        else:
            connection = idle.pop()
            try:
                with connection.transaction():
                    for each in statements(models[uid]):
                        connection.execute(each.encode())
            finally:
                idle.append(connection)
        took[uid] = time.perf_counter() - began
        return uid

    with ThreadPoolExecutor(threads) as workers:
        pending: set[Future[str]] = set()
        while order.is_active():
            pending |= {workers.submit(run, uid) for uid in order.get_ready()}
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for each in done:
                order.done(each.result())
    for connection in connections:
        connection.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=2, help="by hand and transform so many times in turn")
    parser.add_argument("--home", type=Path, help="an empty folder that stays, or one that a run has filled")
    asked = parser.parse_args()
    from cityperf import postgres
    from cityperf.config import Settings

    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=asked.home or Path(folder))
        filled = postgres.data_directory(settings).exists()
        postgres.start(settings)
        try:
            measure(settings, asked.rows, asked.rounds, filled)
        finally:
            postgres.stop(settings)


def measure(settings: Any, rows: int, rounds: int, filled: bool) -> None:
    from cityperf.db import connect
    from cityperf.transform import transform

    began = time.perf_counter()
    if not filled:
        sample(settings)
        with_events = deliver_events(settings, rows, FIRST)
        with connect(settings, "admin", autocommit=True) as db:
            db.execute("vacuum analyze")
        print(f"{with_events:,} rows of events loaded in {time.perf_counter() - began:,.0f} s", flush=True)
    forget(settings)
    models = compiled(settings)
    print(f"{len(models)} models, load {os.getloadavg()[0]:.1f} before", flush=True)
    hand, full = [], []
    for _ in range(rounds):
        forget(settings)
        hand.append(measured(settings, lambda: by_hand(settings, models, 4)))
        print(f"by hand     {hand[-1]}", flush=True)
        forget(settings)
        full.append(measured(settings, lambda: transform(settings, FIRST)))
        print(f"transform   {full[-1]}", flush=True)
    new = deliver_events(settings, rows, SECOND)
    night = measured(settings, lambda: transform(settings, SECOND))
    print(f"a night     {night}   {new:,} rows were new", flush=True)
    for what, of, to, promised in (
        ("transform to by hand", full, hand, SLOWER),
        ("a night to transform", [night], full, SHARE),
    ):
        for kind in ("wall", "cpu"):
            ratio = statistics.median(getattr(c, kind) for c in of) / statistics.median(
                getattr(c, kind) for c in to
            )
            print(
                f"{what} by {'the clock' if kind == 'wall' else 'processor'}: {ratio:.2f}"
                + (f", {promised} promised" if ratio <= promised else f"  MORE than the {promised} promised")
            )


if __name__ == "__main__":
    main()
