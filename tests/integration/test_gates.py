"""Both borders on a real database: what each rule is there to catch, it catches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from cityperf import publish
from cityperf.cli.refresh import gates_share
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.load import ensure_raw_tables
from cityperf.night import summarise
from cityperf.quality import check_batch, check_freshness, check_publish
from cityperf.quality.known import KnownIssue
from cityperf.quality.results import CheckResult, Gate
from cityperf.sources import Contract, load_contracts
from cityperf.transform import target_dir
from psycopg import sql

from tests.integration.candidate import (
    NIGHT,
    Row,
    assessed,
    build_candidate,
    charted,
    comparison,
    edition,
    edition_figure,
    expected,
    node,
    on_trial,
    sound_rows,
    value,
    write_manifest,
)

Query = Callable[..., list[tuple[Any, ...]]]


BEFORE = NIGHT - timedelta(days=30)  # of the deliveries that one of NIGHT is held against


# -- landing
# --------------------------------------------------------------------------------------------------
def batch(
    settings: Settings, contract: Contract, rows: list[Row], periods: list[str] | None = None
) -> tuple[str, int]:
    """A committed, unattached batch table as the loader makes it."""
    number = 1
    with connect(settings, "loader") as connection:
        file = connection.execute(
            "insert into ops.landed_file (dataset, name, sha256, bytes, url, night, retrieved_at) "
            "values (%s, 'file.csv', md5(random()::text) || md5(random()::text), 1, 'https://example.org', "
            "%s, now()) "
            "returning file_id",
            (contract.dataset, NIGHT),
        ).fetchone()
        made = connection.execute(
            "insert into ops.batch (dataset, file_id, night, state) values (%s, %s, %s, 'loading') "
            "returning batch_id",
            (contract.dataset, file and file[0], NIGHT),
        ).fetchone()
        assert made is not None
        number = made[0]
        table = sql.Identifier("raw", f"batch_{number}")
        columns = [str(c.name) for c in contract.named_columns]
        connection.execute(
            sql.SQL(
                "create table {} ({}, _file_id bigint, _row bigint, _sheet text, _period text, _night date)"
            ).format(table, sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(c)) for c in columns))
        )
        for place, row in enumerate(rows, 1):
            full = {**row, "_row": place, "_period": (periods or [None] * len(rows))[place - 1]}
            connection.execute(
                sql.SQL("insert into {} ({}) values ({})").format(
                    table,
                    sql.SQL(", ").join(map(sql.Identifier, full)),
                    sql.SQL(", ").join(sql.Placeholder() * len(full)),
                ),
                list(full.values()),
            )
    return f"raw.batch_{number}", number


def check(
    settings: Settings, dataset: str, rows: list[Row], periods: list[str] | None = None
) -> dict[str, CheckResult]:
    contract = load_contracts()[dataset]
    table, number = batch(settings, contract, rows, periods)
    with connect(settings, "loader", autocommit=True) as connection:
        results = check_batch(settings, NIGHT, contract, table, number, connection)
    return {result.check: result for result in results}


def point(measure: str, **more: Any) -> Row:
    return {
        "measure_id": measure,
        "measure_name": "m",
        "interval_type": "m",
        "value_type": "n",
        "year": "2019",
        "period": "8",
        "desired_direction": "Down",
        "value": "1",
        **more,
    }


def test_a_sound_batch_passes_every_blocking_check_and_leaves_results(
    clean_warehouse: Settings, query: Query
) -> None:
    found = check(clean_warehouse, "dashboard_measures", [point(str(n)) for n in range(60)])
    assert {r.status for r in found.values()} == {"pass"}
    assert query(
        "select count(*), count(distinct batch_id) from ops.check_result where border = 'landing'"
    ) == [(len(found), 1)]


@pytest.mark.parametrize(
    ("rows", "broken", "says"),
    [
        ([point("1"), point("1")], "key_unique", "measure_id 1, year 2019, period 8, times 2"),
        ([point("1"), point("2", measure_name=None)], "required.measure_name", "1 of 2 rows otherwise"),
        ([point("1", interval_type="w", period="2")], "allowed.interval_type", "such as 'w'"),
        ([point("1", period="13")], "range.period", "period 13"),
        ([point("1", interval_type="q", period="5")], "range.period", "period 5"),
        ([], "not_empty", "found 0"),
    ],
)
def test_what_breaks_the_contract_blocks_and_says_where(
    clean_warehouse: Settings, rows: list[Row], broken: str, says: str
) -> None:
    found = check(clean_warehouse, "dashboard_measures", rows)
    assert found[broken].blocks
    assert says in found[broken].message
    assert [c for c, r in found.items() if r.blocks] == [broken]


def test_a_hand_ins_values_are_checked_in_one_rule(clean_warehouse: Settings) -> None:
    milestones = load_contracts()["milestones"]
    status = next(column for column in milestones.columns if column.name == "status")
    odd = status.model_copy(update={"allowed": (*(status.allowed or ()), "It's :late {so}")})
    others = tuple(column for column in milestones.columns if column.name != "status")
    contract = milestones.model_copy(update={"columns": (*others, odd)})
    whole = {str(c.name): (c.allowed or ("2026-01-01",))[-1] for c in contract.named_columns}
    table, number = batch(
        clean_warehouse,
        contract,
        [
            whole | {"milestone_id": "M-1"},
            whole | {"milestone_id": None},
            whole | {"milestone_id": "M-3", "status": "Nearly"},
        ],
    )
    with connect(clean_warehouse, "loader", autocommit=True) as connection:
        results = check_batch(clean_warehouse, NIGHT, contract, table, number, connection)
    (broken,) = [result for result in results if result.blocks]
    assert broken.check == "contract_values"
    assert "milestone_id is empty" in broken.message
    assert "status is not in its list" in broken.message
    assert "2 rows" in broken.message or "found 2" in broken.message


def test_yearly_points_may_repeat_the_year_as_their_period(clean_warehouse: Settings) -> None:
    found = check(
        clean_warehouse, "dashboard_measures", [point("1", interval_type="y", year="2018", period="2018")]
    )
    assert found["range.period"].status == "pass"


def line(amount: str, program: str | None = "Parks") -> Row:
    return {"program": program, "expense_revenue": "Expenses" if program else None, "amount": amount}


@pytest.mark.parametrize(
    ("rows", "ok"),
    [
        ([line("1,000.50"), line("(2,000.00)"), line("-$999.50", None)], True),
        ([line("1,000.50"), line("(2,000.00)"), line("-$999.40", None)], False),
        ([line("1,000.50"), line("7")], True),  # a year whose file has no total
    ],
)
def test_budget_lines_add_up_to_the_control_total_or_the_file_is_refused(
    clean_warehouse: Settings, rows: list[Row], ok: bool
) -> None:
    found = check(clean_warehouse, "operating_budget", rows, ["2022"] * len(rows))
    assert found["control_total"].blocks is not ok
    if not ok:
        assert "lines -999.50, control_total -999.40" in found["control_total"].found


def test_a_delay_longer_than_a_day_warns_and_the_file_is_let_in(clean_warehouse: Settings) -> None:
    rows = [
        {"date": "2024-01-01", "time": "25:10", "min_delay": "1441"},
        {"date": "2035-01-01", "min_delay": "5"},
    ]
    found = check(clean_warehouse, "ttc_subway_delays", rows, ["2024-01", "2035-01"])
    for name in ("range.min_delay", "range.date", "range.time"):
        assert (found[name].status, found[name].blocks) == ("warn", False)


def test_a_delivery_much_smaller_than_the_one_before_warns(clean_warehouse: Settings, query: Query) -> None:
    contract = load_contracts()["dashboard_targets"]
    rows = [{"measure_id": str(n), "year": "2019", "period": "1", "target": "1"} for n in range(100)]
    _, first = batch(clean_warehouse, contract, rows)
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 100, night = %s where batch_id = %s",
        (BEFORE, first),
    )
    assert check(clean_warehouse, "dashboard_targets", rows[:90])["row_count"].status == "pass"
    small = check(clean_warehouse, "dashboard_targets", rows[:50])["row_count"]
    assert (small.status, small.severity) == ("warn", "warn")
    assert f"the delivery of {BEFORE}: 100" in small.message


def test_files_of_one_night_are_not_held_against_one_another(clean_warehouse: Settings, query: Query) -> None:
    """A first load brings files of many years at once; none of them is the past of another."""
    contract = load_contracts()["service_requests_311"]
    row = {"creation_date": "2022-01-02 10:00:00", "status": "Closed"}
    _, year = batch(clean_warehouse, contract, [row], ["2022"])
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 100, periods = '{2022}' where batch_id = %s",
        (year,),
    )
    tonight = check(clean_warehouse, "service_requests_311", [row] * 10, ["2023"] * 10)
    assert not {"row_count", "shape_as_before", "same_unit"} & set(tonight)
    query("update ops.batch set night = %s where batch_id = %s", (BEFORE, year))
    later = check(clean_warehouse, "service_requests_311", [row] * 10, ["2023"] * 10)
    assert later["row_count"].status == "warn"
    assert "shape_as_before" in later


def test_a_delivery_whose_periods_were_replaced_since_counts_with_all_that_it_brought(
    clean_warehouse: Settings, query: Query
) -> None:
    """The yearly workbook takes eleven months over from the file before it; that file's rows were those of twelve."""
    contract = load_contracts()["ttc_subway_delays"]
    _, year = batch(clean_warehouse, contract, [{"date": "2023-01-01"}], ["2023-01"])
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 1200, periods = '{2023-12}', periods_in = %s, night = %s "
        "where batch_id = %s",
        ([f"2023-{n:02d}" for n in range(1, 13)], BEFORE, year),
    )
    query("update ops.landed_file set name = 'another.csv'")
    rows = [{"date": "2024-01-01", "min_delay": "5", "time": "01:00"}] * 100
    count = check(clean_warehouse, "ttc_subway_delays", rows, ["2024-01"] * 100)["row_count"]
    assert count.status == "pass"
    assert "1 periods at the average of 12 earlier ones: 100" in count.expected


@pytest.fixture
def last_years_budget(clean_warehouse: Settings, query: Query) -> list[Row]:
    """Forty lines of a budget that was loaded a month ago: three programmes, one of them on two lines only."""
    contract = load_contracts()["operating_budget"]
    programs = ["Fire Services"] * 20 + ["Toronto Zoo"] * 18 + ["Heritage Toronto"] * 2
    lines = [
        {"program": p, "service": f"{p} service", "amount": str(100 + n)} for n, p in enumerate(programs)
    ]
    ensure_raw_tables(clean_warehouse, {contract.dataset: contract})
    _, loaded = batch(clean_warehouse, contract, lines, ["2023"] * len(lines))
    query(f"create table raw.of_2023 partition of raw.{contract.table} for values in ('2023')", role="loader")
    query(
        f"insert into raw.{contract.table} (program, service, amount, _row, _period, _file_id, _night) "
        f"select program, service, amount, _row, _period, 1, %s from raw.batch_{loaded}",
        (BEFORE,),
        role="loader",
    )
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 40, periods = '{2023}', night = %s where batch_id = %s",
        (BEFORE, loaded),
    )
    return lines


def test_a_programme_that_is_gone_is_told_by_name_however_small(
    clean_warehouse: Settings, last_years_budget: list[Row]
) -> None:
    def kept(lines: list[Row]) -> CheckResult:
        return check(clean_warehouse, "operating_budget", lines, ["2024"] * len(lines))["values_kept"]

    assert (
        kept([{**line, "program": f" {line['program'].upper()}"} for line in last_years_budget]).status
        == "pass"
    )
    gone = kept(last_years_budget[:38])
    assert (gone.status, gone.blocks) == ("warn", False)
    assert gone.found == (
        "2 rows, such as column_name program, gone Heritage Toronto, rows_before 2; "
        "column_name service, gone Heritage Toronto service, rows_before 2"
    )


def test_shape_and_unit_are_judged_by_one_query_and_each_tells_its_own(
    clean_warehouse: Settings, last_years_budget: list[Row]
) -> None:
    def judged(**change: Any) -> tuple[CheckResult, CheckResult]:
        lines = [{**line, **change} for line in last_years_budget]
        found = check(clean_warehouse, "operating_budget", lines, ["2024"] * len(lines))
        return found["same_unit"], found["shape_as_before"]

    assert [each.status for each in judged()] == ["pass", "pass"]
    unit, shape = judged(amount="2000")
    assert (unit.blocks, shape.status) == (True, "pass")
    assert (
        unit.found
        == "1 row, such as column_name amount, problem another unit, before middle 119.5, now middle 2000"
    )
    unit, shape = judged(service=None)
    assert (unit.status, shape.status) == ("pass", "warn")
    assert shape.found.startswith("1 row, such as column_name service, problem empty more often")
    assert unit.found == "no such row"


def test_when_a_gate_was_at_work_is_written_down(clean_warehouse: Settings, query: Query) -> None:
    """The gates' share of a night is that of the moments at which any of them was at work."""
    began = datetime.now(UTC)
    check(clean_warehouse, "dashboard_measures", [point("2.05")])
    ((border, subject, first, last),) = query("select border, subject, began_at, ended_at from ops.gate_run")
    assert (border, subject) == ("landing", "dashboard_measures")
    assert began <= first < last <= datetime.now(UTC)
    query("delete from ops.gate_run")
    query(
        "insert into ops.night (night, state, opened_at, closed_at) values (%s, 'released', '2026-01-01 02:00', "
        "'2026-01-01 02:10')",
        (NIGHT,),
    )
    for border, start, end in (("landing", "02:01:00", "02:02:00"), ("landing", "02:01:30", "02:02:30"),
                               ("publish", "02:09:00", "02:09:30")):  # fmt: skip
        query(
            "insert into ops.gate_run values (%s, %s, 'x', %s, %s)",
            (NIGHT, border, f"2026-01-01 {start}", f"2026-01-01 {end}"),
        )
    summary = summarise(clean_warehouse, NIGHT)
    assert summary.gates == {"runs": 3, "seconds": 150.0, "at_work": 120.0}
    assert (
        gates_share(summary) == "gates were at work for 120 s of 600 s (20%): 3 runs, 150 s one after another"
    )


def test_a_month_is_compared_with_months_and_not_with_the_whole_year_before_it(
    clean_warehouse: Settings, query: Query
) -> None:
    contract = load_contracts()["ttc_subway_delays"]
    _, year = batch(clean_warehouse, contract, [{"date": "2023-01-01"}], ["2023-01"])
    months = [f"2023-{n:02d}" for n in range(1, 13)]
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 1200, periods = %s, night = %s where batch_id = %s",
        (months, BEFORE, year),
    )
    rows = [{"date": "2024-01-01", "min_delay": "5", "time": "01:00"}] * 100
    assert check(clean_warehouse, "ttc_subway_delays", rows, ["2024-01"] * 100)["row_count"].status == "pass"
    assert (
        check(clean_warehouse, "ttc_subway_delays", rows[:10], ["2024-01"] * 10)["row_count"].status == "warn"
    )


def test_a_year_that_still_fills_is_not_held_against_whole_years_but_an_ended_one_is(
    clean_warehouse: Settings, query: Query
) -> None:
    contract = load_contracts()["service_requests_311"]
    row = {"creation_date": "2024-01-02 10:00:00", "status": "Closed"}
    _, whole = batch(clean_warehouse, contract, [row], ["2022"])
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 100, periods = '{2022}', night = %s where batch_id = %s",
        (BEFORE, whole),
    )
    young = check(clean_warehouse, "service_requests_311", [row] * 10, ["2024"] * 10)["row_count"]
    assert (young.status, young.expected) == (
        "pass",
        "161 rows at most (1 periods at the average of 1 earlier ones: 100)",
    )
    assert (
        check(clean_warehouse, "service_requests_311", [row] * 10, ["2023"] * 10)["row_count"].status
        == "warn"
    )
    assert (
        check(clean_warehouse, "service_requests_311", [row] * 200, ["2024"] * 200)["row_count"].status
        == "warn"
    )
    _, filling = batch(clean_warehouse, contract, [row], ["2024"])
    query(
        "update ops.batch set state = 'loaded', rows_loaded = 10, periods = '{2024}', night = %s where batch_id = %s",
        (BEFORE, filling),
    )
    grown = check(clean_warehouse, "service_requests_311", [row] * 60, ["2024"] * 60)["row_count"]
    assert grown.status == "pass", "six times the rows of a delivery from within the year"
    assert (
        check(clean_warehouse, "service_requests_311", [row] * 5, ["2024"] * 5)["row_count"].status == "warn"
    )


def test_rates_that_do_not_fit_their_counts_are_refused(clean_warehouse: Settings) -> None:
    contract = load_contracts()["neighbourhood_crime_rates"]

    def of(per: int) -> CheckResult:
        rows = [{"area_name": f"Area {n}", "hood_id": f"{n:03d}"} for n in range(1, 6)]
        table, number = batch(clean_warehouse, contract, rows)
        schema, name = (part.strip('"') for part in table.split("."))
        with connect(clean_warehouse, "loader") as connection:
            place = sql.Identifier(schema, name)
            connection.execute(
                sql.SQL(
                    "alter table {} add column assault_2022 text, add column assault_rate_2022 text, "
                    "add column population_2024 text"
                ).format(place)
            )
            connection.execute(
                sql.SQL(
                    "update {} set assault_2022 = '50', population_2024 = '20000', assault_rate_2022 = %s"
                ).format(place),
                (str(50 / 19000 * per),),
            )
        with connect(clean_warehouse, "loader") as connection:
            results = check_batch(clean_warehouse, NIGHT, contract, table, number, connection)
        return next(each for each in results if each.check == "rates_match_counts")

    assert of(100_000).status == "pass"
    wrong = of(1_000)
    assert wrong.blocks
    assert "rate_by_count 0.01" in wrong.found


def test_a_repeat_of_a_file_replaces_its_results_and_another_file_stands_beside_it(
    clean_warehouse: Settings, query: Query
) -> None:
    contract = load_contracts()["dashboard_targets"]
    rows = [{"measure_id": "1", "year": "2019", "period": "1", "target": "1"}]
    table, number = batch(clean_warehouse, contract, rows)
    with connect(clean_warehouse, "loader", autocommit=True) as connection:
        for _ in range(2):
            check_batch(clean_warehouse, NIGHT, contract, table, number, connection)
    [(once,)] = query("select count(*) from ops.check_result")
    other, second = batch(clean_warehouse, contract, rows)
    with connect(clean_warehouse, "loader", autocommit=True) as connection:
        check_batch(clean_warehouse, NIGHT, contract, other, second, connection)
    assert query("select count(*), count(distinct batch_id) from ops.check_result") == [(2 * once, 2)]


def test_results_of_a_refused_batch_outlive_the_loaders_rollback(
    clean_warehouse: Settings, query: Query
) -> None:
    contract = load_contracts()["dashboard_targets"]
    table, number = batch(clean_warehouse, contract, [])
    with connect(clean_warehouse, "loader") as connection:
        assert any(r.blocks for r in check_batch(clean_warehouse, NIGHT, contract, table, number, connection))
        connection.rollback()
    assert query("select count(*) from ops.check_result where status = 'fail'") == [(1,)]


def test_great_expectations_leaves_no_connection_behind(clean_warehouse: Settings, query: Query) -> None:
    check(clean_warehouse, "dashboard_targets", [{"measure_id": "1", "year": "2019", "period": "1"}])
    assert query("select count(*) from pg_stat_activity where usename = 'loader'") == [(0,)]


# -- freshness
# ------------------------------------------------------------------------------------------------
def test_dbt_judges_freshness_at_the_night_by_the_limits_of_each_contract(
    clean_warehouse: Settings, query: Query
) -> None:
    contracts = load_contracts()
    on_the_limit, late, stale, landed_only, after_tonight, unlisted, never = list(contracts.values())[:7]
    delivered = {
        on_the_limit.dataset: NIGHT - on_the_limit.schedule.warn_after,
        late.dataset: NIGHT - late.schedule.warn_after - timedelta(days=1),
        stale.dataset: NIGHT - stale.schedule.fail_after - timedelta(days=1),
        landed_only.dataset: NIGHT,
        after_tonight.dataset: NIGHT + timedelta(days=1),
    }
    with connect(clean_warehouse, "loader") as connection:
        for number, (dataset, night) in enumerate(delivered.items(), 1):
            connection.execute(
                "with landed as (insert into ops.landed_file (dataset, name, sha256, bytes, url, night, "
                "retrieved_at) values (%s, 'file.csv', %s, 1, 'https://example.org', %s, now()) "
                "returning dataset, file_id, night) insert into ops.batch (dataset, file_id, night, state) "
                "select *, %s from landed",
                (dataset, f"{number:064x}", night, "failed" if dataset == landed_only.dataset else "loaded"),
            )
        connection.execute(
            "insert into ops.fetch (night, dataset, state) values (%s, %s, 'not_in_replay')",
            (NIGHT, unlisted.dataset),
        )
    found = {each.subject: each for each in check_freshness(clean_warehouse, NIGHT, contracts)}
    names = [*delivered, unlisted.dataset, never.dataset]
    assert {name: found[name].status for name in names} == {
        on_the_limit.dataset: "pass",
        late.dataset: "warn",
        stale.dataset: "fail",
        landed_only.dataset: "fail",
        after_tonight.dataset: "fail",
        unlisted.dataset: "pass",
        never.dataset: "fail",
    }
    assert found[landed_only.dataset].found == found[after_tonight.dataset].found == "none so far"
    assert f"{(NIGHT - delivered[stale.dataset]).days} days ago" in found[stale.dataset].message
    assert query("select count(*) from ops.check_result where border = 'freshness'") == [(len(contracts),)]
    kept = json.loads((target_dir(clean_warehouse) / "sources.json").read_text())
    assert {each["status"] for each in kept["results"]} == {"pass", "warn", "error"}, "dbt's own record"


# -- publish
# --------------------------------------------------------------------------------------------------
@pytest.fixture
def home(clean_warehouse: Settings) -> Iterator[Settings]:
    write_manifest(clean_warehouse)
    yield clean_warehouse


def gate_on(settings: Settings, night: date = NIGHT, **change: list[Row]) -> Gate:
    number = publish.open_candidate(settings, night)
    build_candidate(settings, number, night=night, change=change)
    return check_publish(settings, night)


def broken(gate: Gate) -> list[str]:
    return sorted(f"{r.subject}.{r.check}" for r in gate.results if r.status != "pass")


def with_first(table: str, **more: Any) -> list[Row]:
    rows = sound_rows(1)[table]
    return [{**rows[0], **more}, *rows[1:]]


def test_a_sound_candidate_passes_and_its_results_are_kept_once(home: Settings, query: Query) -> None:
    assert broken(gate_on(home)) == []
    gate = check_publish(home, NIGHT)
    assert gate.ok
    assert query("select count(*) from ops.check_result where border = 'publish'") == [(len(gate.results),)]
    assert query("select count(*) from ops.gate_run where border = 'publish'") == [(2,)], (
        "each time that it was at work"
    )


def judged(kpi_id: str, kind: str, status: str | None, was: str, now: str, trend: str, **more: Any) -> Row:
    """A comparison of kind `kind` that is nobody's headline."""
    return comparison(
        kpi_id,
        comparison=kind,
        status=status,
        compared_value=was,
        current_value=now,
        trend=trend,
        threshold="0.01",
        is_headline=False,
        **more,
    )


# One candidate that breaks every rule at once: check → what its message must show of the offender.
USES = ("ideas", "pilots", "in_use", "ended")
SURVEYED: Row = {
    "division": "Transit",
    "wave_id": "W1",
    "question_id": "Q1",
    "valid_answers": 500,
    "is_suppressed": False,
    "is_open_link": False,
}


def restated(kpi_id: str, cause: str, old: str, new: str) -> Row:
    """A restatement of the city's January 2024, under one definition."""
    area = {"geography_type": "city", "geography_code": "toronto", "period_grain": "month"}
    versions = {"old_version": 1, "new_version": 1, "old_value": old, "new_value": new}
    return {
        "kpi_id": kpi_id,
        "period_start": date(2024, 1, 1),
        "vintage": NIGHT,
        "cause": cause,
        **area,
        **versions,
    }


def without(row: Row, *columns: str) -> Row:
    return {name: value for name, value in row.items() if name not in columns}


JANUARY: Row = {
    "kpi_id": "2.05",
    "geography_type": "city",
    "geography_code": "toronto",
    "period_grain": "month",
    "period_start": date(2024, 1, 1),
}
SAFETY: Row = {
    "index_code": "neighbourhood_safety",
    "geography_type": "neighbourhood_158",
    "geography_code": "001",
    "period_year": 2024,
}
ALL_WRONG: dict[str, list[Row]] = {
    "kpi": [
        *({**row, "privacy_class": "person_level"} for row in sound_rows(1)["kpi"]),
        {**sound_rows(1)["kpi"][0], "kpi_id": "1.1"},
        {**sound_rows(1)["kpi"][0], "kpi_id": "3.01", "dimension": "weather"},
        {**sound_rows(1)["kpi"][0], "kpi_id": "3.02", "owner": None, "direction": "sideways"},
    ],
    "kpi_version": [
        {**sound_rows(1)["kpi_version"][0], "is_current": False},
        {**sound_rows(1)["kpi_version"][1], "is_break": True},
    ],
    "balanced_scorecard": [
        *with_first("balanced_scorecard", attainment="1.8")[:3],
        node("kpi", "1.02", "serve_on_time", "0.5"),
    ],
    "kpi_value": [
        value("1.02", date(2024, 1, 1), "NaN"),
        value("1.10", date(2024, 1, 1), "5", is_withdrawn=True),
        value("9.99", date(2024, 1, 1), "5"),
        value("2.05", date(2024, 1, 1), None, geography_type="ward", geography_code="01"),
        value("1.02", date(2024, 2, 1), "5", NIGHT + timedelta(days=1)),
        value("1.02", date(2024, 3, 1), "5", period_grain="week"),
    ],
    "kpi_comparison": [
        judged("1.10", "year", "unfavourable", "1", "2", "up"),
        judged("1.02", "year", "favourable", "1", "2", "up"),
        judged("2.05", "year", "favourable", "100", "100.5", "up"),
        judged("2.05", "period", "good", "1", "1", "stable"),
        judged("1.02", "period", None, "1", "1", "stable"),
        comparison("1.10", comparison="ytd", status="no_comparison"),
        comparison("1.10", comparison="target", status="no_comparison"),
    ],
    "kpi_signal": [
        charted("2.05", special_cause="outside_limits"),
        charted("2.05", mean="20", period_start=date(2024, 2, 1)),
        charted("1.02"),
    ],
    "kpi_view": [{**JANUARY, "kpi_view": "wilson", "view_value": 2, "lower_bound": 0, "upper_bound": 1}],
    "rollup_reconciliation": [
        {
            **without(JANUARY, "geography_type", "geography_code"),
            "part_type": "ward",
            "parts_value": parts,
            "whole_value": 100,
            "verdict": verdict,
            "kpi_id": kpi_id,
        }
        for kpi_id, parts, verdict in (
            ("2.05", 99, "differs"),
            ("1.02", 98, "must_not_be_summed"),
            ("1.10", 100, "reconciles"),
        )
    ],
    "equity_cut": [
        {
            **without(JANUARY, "geography_code"),
            "kpi_version": 1,
            "geography_type": "neighbourhood_158",
            "improvement_areas": 100,
            "other_areas": 100,
        }
    ],
    "kpi_revision": [
        {**without(JANUARY, "geography_code", "period_start"), "figures": 1, "figures_revised": 2}
    ],
    "composite_index": [{**SAFETY, "arithmetic": 1, "geometric": 2, "harmonic": 3}],
    "composite_component": [{**SAFETY, "component": "crime:assault", "between_goalposts": 2}],
    "quality_grade": [
        {"origin": "catalogue", "package": "p", "resource": "r", "score": "0.6", "grade": "Silver"},
    ],
    "cityscore": [{"score_date": date(2024, 1, 31), "kpis": 1, "great": 1, "below_target": 1}],
    "cityscore_metric": [{**without(JANUARY, "geography_type", "geography_code"), "month_score": "0.805"}],
    "process_improvement": [
        {
            "process": "request",
            "subject": "Transit",
            "quarter_start": date(2024, 1, 1),
            "yield": "0.5",
            "first_time_yield": "0.9",
        }
    ],
    "kpi_forecast": [
        expected("2.05", high="9.5"),
        expected("1.02", period_start=date(2024, 1, 1)),
        expected("1.10"),
    ],
    "kpi_forecast_trial": [
        on_trial("2.05", "0.5", is_shown=True),
        on_trial("1.02", "0.5", is_shown=True),
        on_trial("1.10", "2", is_shown=True),
    ],
    "kpi_assessment": [
        assessed("2.05", "not_suitable", "Said where it is not so."),
        assessed("1.10", "improvement"),
        assessed("1.02", "not_suitable"),
    ],
    "period": with_first("period", period_end=date(2023, 11, 30))[:1],
    "geography": [{**sound_rows(1)["geography"][1], "geography_code": "ottawa"}],
    "organisation": with_first("organisation", organisation_name="Roads", is_current_name=False),
    "vintage": with_first("vintage", figures=4),
    "restatement": [
        restated("1.02", "error", "1", "2"),
        restated("2.05", "revision", "1", "1"),
    ],
    "scorecard": with_first("scorecard", direction="none", status="favourable")[:2],
    "dimension_scorecard": with_first("dimension_scorecard", favourable=3, targets_met=2, targets_set=1),
    "neighbourhood_indicator": [
        {
            "kpi_id": "1.02",
            "geography_type": "neighbourhood_158",
            "geography_code": "001",
            "period_grain": "year",
            "rank": 159,
            "neighbourhoods": 158,
        },
    ],
    "survey_result": [
        {**SURVEYED, "valid_answers": 29, "is_suppressed": True, "top_two_share": "0.8"},
        {**SURVEYED, "wave_id": "W2", "is_open_link": True, "margin_of_error": "4.4"},
    ],
    "engagement": [
        {
            "division": "Transit",
            "method": "Virtual",
            "month_start": date(2024, 1, 1),
            "satisfaction": "4.5",
            "satisfaction_answers": 29,
        },
    ],
    "training_result": [
        {"division": "Transit", "course": "Data", "held_year": 2023, "tested": 10, "pre_score": "50"},
    ],
    "risk": [
        {
            "division": "Transit",
            "quarter_start": date(2024, 1, 1),
            "open_risks": 5,
            "extreme": 1,
            "high": 1,
            "medium": 1,
            "low": 1,
        },
    ],
    "audit_ageing": [
        {
            "division": "Transit",
            "quarter_start": date(2024, 1, 1),
            "open_recommendations": 2,
            "not_due": 1,
            "past_due_0_30": 0,
            "past_due_31_90": 0,
            "past_due_91_365": 0,
            "past_due_over_365": 0,
        },
    ],
    "ai_inventory": [{"division": "Transit", "risk_class": "High", "use_cases": 2, **dict.fromkeys(USES, 1)}],
    "commitment_progress": [
        {"division": "Transit", "hand_in": 1, "status": "on_track", "share": "0.9"},
    ],
    "communication": [
        {
            "division": "Transit",
            "channel": "Intranet",
            "month_start": date(2024, 1, 1),
            "items": 1,
            "open_items": 2,
        },
    ],
    "innovation_stint": [{"division": "Transit", "start_year": 2023, "stints": 3, "ended": 1, "running": 1}],
    "milestone_progress": [
        {
            "division": "Transit",
            "as_of": date(2024, 1, 1),
            "milestones": 9,
            "due": 3,
            "on_time": 1,
            "late": 1,
            "overdue": 0,
        },
    ],
    "partnership": [{"division": "Transit", "kind": "Business", "partnerships": 1, "active": 2}],
    "project": [
        {
            "division": "Transit",
            "project_id": "P-1",
            "is_active": True,
            "health": "green",
            "schedule_health": "red",
            "risk_health": "green",
            "cost_health": "green",
        },
    ],
    "request_response": [
        {
            "division": "Transit",
            "request_type": "Concern",
            "quarter_due": date(2024, 1, 1),
            "requests": 2,
            "judged": 3,
            "within_standard": 1,
        },
    ],
    "action_item_ageing": [
        {
            "division": "Transit",
            "as_of": date(2024, 1, 1),
            "items": 9,
            "open": 4,
            "overdue": 3,
            "overdue_to_30_days": 1,
            "overdue_31_to_90_days": 1,
            "overdue_over_90_days": 0,
        }
    ],
    "solution_adoption": [
        {
            "division": "Transit",
            "month": date(2024, 1, 1),
            "users": 5,
            "active_users": 6,
        },
    ],
    "suppression_log": [{"table_name": "training_result", "measure": "tested", "cells": 2, "hidden": 3}],
    "poc_outcome": [
        {
            "division": "Transit",
            "proofs": 5,
            "under_way": 1,
            "scaled": 1,
            "extended": 0,
            "stopped": 1,
            "abandoned": 1,
            "undecided": 0,
            "target_met": 1,
            "target_missed": 1,
            "scaled_below_target": 0,
        }
    ],
    "service_savings": [{"division": "Transit", "review_year": 2023, "reviews": 1, "completed": 2}],
    "survey_conformance": [
        {
            "division": "Transit",
            "instrument_id": "S-1",
            "checks_met": 7,
            "checks_missed": 1,
            "is_conformant": True,
        },
    ],
    "budget_variance": [
        {"division": division, "unit": "All units", "month_start": date(2024, 1, 1), "actual": actual}
        for division, actual in (("Transit", 5), ("All divisions", 6))
    ],
    "benchmark": [
        {**sound_rows(1)["benchmark"][0], "rank": 17, "quartile": 5, "value": None},
        {**sound_rows(1)["benchmark"][1], "period_year": 2017},
    ],
    "report_card": with_first("report_card", rank=10, url=None),
    "report_edition": [edition("CPR-2024-Q1", kpis=3, as_of=NIGHT + timedelta(days=1))],
    "report_edition_figure": [
        edition_figure("CPR-2024-Q1", "2.05", value="10", latest_value="11"),
        edition_figure("CPR-2023-Q4", "2.05"),
        edition_figure("CPR-2024-Q1", "1.02", is_restated=True, latest_value="11", restatement_cause="news"),
    ],
    "commitment": [
        {**sound_rows(1)["commitment"][0], "status": "late"},
        {**sound_rows(1)["commitment"][1], "status": None},
    ],
    "provenance": with_first("provenance", sha256="abc")[:1],
    "catalogue": [{**sound_rows(1)["catalogue"][0], "grain": ""}],
    "data_quality": with_first(
        "data_quality", rows_quarantined=-1, last_delivery_night=NIGHT + timedelta(days=1)
    ),
    "release": [{"number": 99, "night": NIGHT}],
}
CAUGHT = {
    "kpi.identifier_form": "kpi_id 1.1,",
    "kpi.allowed.dimension": "'weather'",
    "kpi.allowed.direction": "'sideways'",
    "kpi.named_and_owned": "kpi_id 3.02",
    "kpi_version.one_current_version": "kpi_id 1.02",
    "kpi_version.a_break_says_what_changed": "kpi_id 2.05",
    "balanced_scorecard.attainment_0_to_1": "attainment 1.8",
    "balanced_scorecard.parent_is_made_of_its_children": "of_children",
    "balanced_scorecard.every_active_kpi_has_its_place": "kpi_id",
    "kpi_value.finite_values": "value NaN",
    "kpi_value.withdrawn_has_no_value": "kpi_id 1.10",
    "kpi_value.registered": "kpi_id 9.99",
    "kpi_value.person_level_is_city_wide": "geography_type ward",
    "kpi_value.values_present": "kpi_id 2.05",
    "kpi_value.no_vintage_after_the_night": "kpi_id 1.02",
    "kpi_value.allowed.period_grain": "'week'",
    "kpi_comparison.direction_none_is_never_judged": "kpi_id 1.10",
    "kpi_comparison.status_follows_direction": "kpi_id 1.02",
    "kpi_comparison.stable_within_threshold": "kpi_id 2.05",
    "kpi_comparison.allowed.status": "'good'",
    "kpi_comparison.status_present": "1 of 7 rows",
    "kpi_comparison.one_headline": "headlines 2",
    "kpi_signal.type_follows_cause": "outside_limits",
    "kpi_signal.limits_around_the_mean": "mean 20",
    "kpi_signal.suitable_only": "kpi_id 1.02",
    "kpi_forecast_trial.shown_or_said_why": "kpi_id 1.10",
    "kpi_view.interval_around_the_share": "kpi_id 2.05",
    "rollup_reconciliation.parts_make_the_whole": "parts_value 99",
    "rollup_reconciliation.not_summed_says_why": "kpi_id 1.02",
    "equity_cut.no_more_areas_than_there_are": "other_areas 100",
    "kpi_revision.revised_within_figures": "figures_revised 2",
    "composite_index.means_keep_their_order": "harmonic 3",
    "composite_component.between_goalposts": "between_goalposts 2",
    "quality_grade.grade_is_that_of_its_score": "grade Silver",
    "cityscore.standings_within_kpis": "below_target 1",
    "cityscore_metric.scores_are_whole_hundredths": "month_score 0.805",
    "process_improvement.first_time_within_yield": "first_time_yield 0.9",
    "kpi_forecast.interval_holds_the_figure": "kpi_id 2.05",
    "kpi_forecast.lies_ahead": "kpi_id 1.02",
    "kpi_forecast.helped_on_its_past": "kpi_id 1.10",
    "kpi_assessment.unsuitable_is_said": "kpi_id 2.05",
    "kpi_assessment.no_better_direction_is_not_judged": "kpi_id 1.10",
    "kpi_assessment.reason_present": "kpi_id 1.02",
    "period.every_figure_joins": "period_grain week",
    "period.first_day_before_last": "period_end 2023-11-30",
    "geography.every_figure_joins": "geography_code",
    "geography.parents_are_there": "parent_code canada",
    "organisation.one_present_name": "names 0",
    "organisation.every_owner_joins": "owner Transit",
    "vintage.every_figure_joins": "figures 4",
    "vintage.kinds_add_up": "figures 4",
    "restatement.allowed.cause": "'error'",
    "restatement.cause_fits": "kpi_id 2.05",
    "scorecard.every_kpi_once": "is_registered",
    "scorecard.direction_none_is_never_judged": "kpi_id 1.02",
    "dimension_scorecard.statuses_add_up": "service_delivery",
    "dimension_scorecard.targets_met_within_set": "targets_met 2",
    "neighbourhood_indicator.rank_within_neighbourhoods": "rank 159",
    "survey_result.small_bases_are_suppressed": "question_id Q1",
    "survey_result.small_counts_hidden": "valid_answers of wave_id W1, division Transit, question_id Q1",
    "survey_result.open_links_are_no_sample": "wave_id W2",
    "engagement.small_bases_are_suppressed": "division Transit",
    "engagement.small_counts_hidden": "satisfaction_answers of method Virtual, division Transit",
    "training_result.small_groups_are_suppressed": "division Transit",
    "training_result.small_counts_hidden": "tested of course Data, division Transit, held_year 2023",
    "risk.levels_add_up": "open_risks 5",
    "audit_ageing.ages_add_up": "open_recommendations 2",
    "budget_variance.divisions_add_up": "month_start 2024-01-01",
    "ai_inventory.statuses_add_up_to_all": "use_cases 2",
    "commitment_progress.shares_make_one": "shares 0.9",
    "communication.part_within_whole": "open_items 2",
    "innovation_stint.statuses_add_up_to_all": "stints 3",
    "milestone_progress.statuses_add_up_to_all": "due 3",
    "partnership.part_within_whole": "active 2",
    "project.health_is_the_worst_part": "project_id P-1",
    "request_response.part_within_whole": "judged 3",
    "action_item_ageing.ages_add_up": "overdue 3",
    "solution_adoption.part_within_whole": "active_users 6",
    "solution_adoption.small_counts_hidden": "users of month 2024-01-01, division Transit",
    "suppression_log.part_within_whole": "hidden 3",
    "poc_outcome.outcomes_add_up": "proofs 5",
    "service_savings.part_within_whole": "completed 2",
    "survey_conformance.checks_counted": "checks_missed 1",
    "benchmark.rank_within_reporters": "rank 17",
    "benchmark.reporters_counted": "reporters 2, rows 1",
    "benchmark.quartile_1_to_4": "5",
    "benchmark.value_present": "1 of 2 rows",
    "report_card.rank_within_peers": "rank 10",
    "report_edition.counts_its_figures": "kpis 3",
    "report_edition.frozen_on_or_after_its_date": "as_of 2024-03-16",
    "report_edition_figure.allowed.restatement_cause": "'news'",
    "report_edition_figure.restated_where_it_differs": "latest_value 11",
    "report_edition_figure.of_an_edition": "edition_id CPR-2023-Q4",
    "report_card.address_present": "1 of 1 rows",
    "commitment.allowed.status": "'late'",
    "commitment.status_present": "1 of 2 rows",
    "provenance.sha256_form": "sha256 abc",
    "provenance.every_figure_has_a_way_back": "kpi_id",
    "catalogue.lists_every_table": "is_there True",
    "catalogue.described": "table_name",
    "data_quality.no_negative_counts": "rows_quarantined -1",
    "data_quality.delivered_by_the_night": "dashboard_measures",
    "release.names_the_candidate": "found 99",
}


def test_each_rule_catches_what_it_is_there_for_and_shows_it(home: Settings) -> None:
    gate = gate_on(home, **ALL_WRONG)
    assert not gate.ok
    assert set(broken(gate)) == set(CAUGHT)
    for result in gate.results:
        name = f"{result.subject}.{result.check}"
        if name in CAUGHT:
            assert CAUGHT[name] in result.message, result.message
            assert "could not be checked" not in result.message


def test_an_empty_table_blocks_unless_it_may_be_empty(home: Settings) -> None:
    gate = gate_on(home, data_quality=[], benchmark=[], commitment=[])
    assert broken(gate) == ["data_quality.not_empty"]


def test_a_candidate_is_compared_with_the_release_that_is_up(home: Settings) -> None:
    assert gate_on(home).ok
    publish.release(home, NIGHT)
    later = NIGHT + timedelta(days=1)
    rows = sound_rows(2, later)
    gate = gate_on(
        home, later, kpi=rows["kpi"][1:], kpi_value=rows["kpi_value"][1:], commitment=rows["commitment"][:1]
    )
    assert {
        "kpi.no_kpi_vanished",
        "kpi.row_count",
        "kpi_value.row_count",
        "kpi_value.history_kept",
        "commitment.row_count",
    } <= set(broken(gate))
    vanished = next(r for r in gate.results if r.check == "no_kpi_vanished")
    assert "kpi_id 1.02" in vanished.found
    with connect(home, "transformer") as connection:
        build_candidate(home, 2, night=later)
        connection.execute("alter table publish_next.kpi drop column name_fr")
    assert "kpi.columns_kept" in broken(check_publish(home, later))


def test_a_frozen_edition_that_reads_otherwise_now_is_held_back(home: Settings) -> None:
    assert gate_on(home).ok
    publish.release(home, NIGHT)
    figures = [edition_figure("CPR-2024-Q1", "2.05", value="53236001", latest_value="53236001")]
    gate = gate_on(
        home,
        NIGHT + timedelta(days=1),
        report_edition=[edition("CPR-2024-Q1", kpis=1, figures=1, figures_restated=0, signed_off_by="Me")],
        report_edition_figure=figures,
    )
    assert {
        "report_edition.frozen_stays_frozen",
        "report_edition_figure.frozen_stays_frozen",
    } == {each for each in broken(gate) if each.startswith("report_edition")}
    assert "was 53236000, is_now 53236001" in str([each.found for each in gate.results])


def test_a_missing_table_blocks(home: Settings) -> None:
    build_candidate(home, publish.open_candidate(home, NIGHT))
    with connect(home, "transformer") as connection:
        connection.execute("drop table publish_next.scorecard")
    gate = check_publish(home, NIGHT)
    assert "scorecard.table_present" in broken(gate)
    assert not gate.ok


def test_a_known_issue_lets_a_candidate_pass_in_amber_until_it_expires(
    home: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = KnownIssue("rank_within_reporters", "benchmark", "two cities merged", "Performance Office", NIGHT)
    monkeypatch.setattr("cityperf.quality.known.read_known_issues", lambda path=None: [entry])
    change = {"benchmark": with_first("benchmark", rank=17)}
    gate = gate_on(home, **change)
    assert gate.ok
    assert query("select check_name, status from ops.check_result where status <> 'pass'") == [
        ("rank_within_reporters", "known")
    ]
    assert query("select check_name, expires from ops.known_issue") == [("rank_within_reporters", NIGHT)]
    assert not gate_on(home, NIGHT + timedelta(days=1), **change).ok


def test_sample_tables_that_lost_their_mark_block(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cityperf.quality.gate.mark", lambda settings, connection: None)
    assert broken(gate_on(home)) == ["release.sample_says_so"]


def test_the_gate_reads_as_publisher_and_changes_no_figure(home: Settings) -> None:
    build_candidate(home, publish.open_candidate(home, NIGHT))
    with connect(home, "publisher") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("update publish_next.kpi_value set value = 0")


def test_a_closed_gate_holds_the_release_and_says_why(home: Settings, query: Query) -> None:
    assert gate_on(home).ok
    publish.release(home, NIGHT)
    later = NIGHT + timedelta(days=1)
    gate = gate_on(home, later, benchmark=with_first("benchmark", rank=17))
    assert publish.release(home, later).status == "held"
    [(reason,)] = query("select stale_reason from publish.release")
    assert gate.blocking[0].message in reason
