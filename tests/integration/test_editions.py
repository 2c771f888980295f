"""Editions of the Corporate Performance Report: frozen once, with the release that is up, and never again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from cityperf import publish
from cityperf.cli import cli
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.marked import read_yaml
from click.testing import CliRunner
from psycopg import sql

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.candidate import (
    NIGHT,
    Row,
    build_candidate,
    edition,
    edition_figure,
    write_manifest,
)
from tests.integration.test_kpi_rules import WITHOUT_TESTS
from tests.integration.test_swap import run_killed_at

Query = Callable[..., list[tuple[Any, ...]]]
EARLY, DUE, LATER, REDEFINED, WITHDRAWN = (
    date(2026, 8, day) for day in (13, 14, 20, 21, 22)
)  # CPR-2026-Q2 is of 14 August
JUNE = {
    "geography_type": "city",
    "geography_code": "toronto",
    "period_grain": "month",
    "period_start": date(2026, 6, 1),
}
RIDERSHIP: Row = {
    "kpi_id": "2.05",
    "name_en": "Ridership",
    "name_fr": "Achalandage",
    "definition_en": "Trips.",
    "definition_fr": "Déplacements.",
    "dimension": "service_delivery",
    "report_section": "customer_service",
    "objective": "serve_on_time",
    "unit": "number",
    "decimals": 0,
    "direction": "up",
    "period_grain": "month",
    "is_flow": False,
    "threshold_period": "0.01",
    "threshold_year": "0.01",
    "threshold_target": "0.01",
    "target_type": "none",
    "multiplier": 1,
    "owner": "Toronto Transit Commission",
    "version": 1,
    "suitable_for_signals": False,
    "signal_basis": "value",
    "lifecycle_state": "active",
    "is_active": True,
    "is_registered": True,
}
LATE: Row = {**RIDERSHIP, "kpi_id": "CS-311-02", "name_en": "Requests still open", "direction": "down"}
PROPOSED: Row = {**RIDERSHIP, "kpi_id": "CS-311-09", "lifecycle_state": "proposed"}


def figure(kpi_id: str, value: str | None, vintage: date, **more: Any) -> Row:
    """A figure of the city's June 2026."""
    return {
        **JUNE,
        "kpi_id": kpi_id,
        "kpi_version": 1,
        "value": value,
        "numerator": value,
        "vintage": vintage,
        "is_withdrawn": False,
        **more,
    }


GIVEN = {  # table of marts → model; what editions are made of, and what is made here from these
    "kpi": "mart_kpi",
    "kpi_value": "mart_kpi_value",
    "kpi_version": "mart_kpi_version",
    "kpi_signal": "mart_kpi_signal",
    "kpi_target": "kpi_target",
    "period": "mart_period",
}
BUILT = ("objectives", "kpi_current", "kpi_comparison_pair", "kpi_period_comparison", "mart_release")
TABLES = ("report_edition", "report_edition_figure")


def put(settings: Settings, **rows: list[Row]) -> None:
    """Make the given tables of marts anew, in the shapes that the project's YAML gives them."""
    shapes = {
        model["name"]: model["columns"]
        for path in (ROOT / "dbt_project" / "models" / "marts").glob("*.yml")
        for model in read_yaml(path.read_text()).get("models", [])
    }
    with connect(settings, "transformer") as connection:
        connection.execute("create schema if not exists marts")
        for name, model in GIVEN.items():
            table = sql.Identifier("marts", name)
            [there] = connection.execute("select to_regclass(%s)", (f"marts.{name}",)).fetchone() or [None]
            if there and name not in rows:
                continue
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(c["name"]), sql.SQL(c["data_type"]))
                for c in shapes[model]
            )
            connection.execute(sql.SQL("drop table if exists {} cascade").format(table))
            connection.execute(sql.SQL("create table {} ({})").format(table, columns))
            for row in rows.get(name, []):
                connection.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        table,
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join(sql.Placeholder() * len(row)),
                    ),
                    list(row.values()),
                )


def build(settings: Settings, night: date) -> int:
    """A candidate whose editions dbt has made; all other tables are sound ones. Returns its number."""
    number = publish.open_candidate(settings, night)
    build_candidate(settings, number, night=night, marker=number, change={name: [] for name in TABLES})
    statuses = dbt(
        settings, night, "build", *WITHOUT_TESTS, "--select", *BUILT, "report_edition_plan+", "--exclude", "catalogue"
    )  # fmt: skip
    assert set(statuses.values()) <= {"success", "no-op"}, statuses  # an exposure is nothing to build
    return number


def release(settings: Settings, night: date) -> int:
    build(settings, night)
    outcome = publish.release(settings, night)
    assert outcome.status == "released", outcome
    return outcome.number


def frozen(query: Query) -> list[tuple[Any, ...]]:
    return query("select e.*, f.* from ops.report_edition as e join ops.report_edition_figure as f using (edition_id) "
                 "order by f.place")  # fmt: skip


def beside(query: Query) -> dict[str, tuple[Any, ...]]:
    """KPI → frozen and latest figure, by how much it was restated, why and by which release, and its versions."""
    rows = query(
        "select kpi_id, value, latest_value, restated_by, restated_by_percent, restatement_cause, "
        "restated_in_release, kpi_version, latest_version, is_redefined from publish.report_edition_figure"
    )
    return {str(row[0]): row[1:] for row in rows}


@pytest.fixture(scope="module")
def told(warehouse: Settings) -> Iterator[dict[date, dict[str, Any]]]:
    """Five nights of one edition: before its date, on it, revised, redefined, withdrawn; what each night showed."""
    empty_warehouse(warehouse)
    shown: dict[date, dict[str, Any]] = {}

    def query(text: str) -> list[tuple[Any, ...]]:
        with connect(warehouse, "publisher") as connection:
            return connection.execute(text.encode()).fetchall()

    def night(day: date) -> None:
        number = release(warehouse, day)
        shown[day] = {
            "number": number,
            "frozen": frozen(query),
            "beside": beside(query),
            "published": query("select * from publish.report_edition"),
            "counts": query("select kpis, figures, figures_restated, kpis_redefined from publish.report_edition"),
        }  # fmt: skip

    months = [
        {"period_grain": "month", "period_start": date(2026, m, 1), "period_end": end, "label_en": f"{m}/2026"}
        for m, end in ((5, date(2026, 5, 31)), (6, date(2026, 6, 30)), (7, date(2026, 7, 31)))
    ]  # fmt: skip
    year_before = figure("2.05", "80", EARLY, period_start=date(2025, 6, 1))
    july = figure("2.05", "999", EARLY, period_start=date(2026, 7, 1))
    first = [year_before, july, figure("2.05", "100", EARLY)]
    kpis = [RIDERSHIP, LATE, PROPOSED]
    put(warehouse, kpi=kpis, kpi_value=first, period=months)
    night(EARLY)
    night(DUE)
    second = [*first, figure("2.05", "110", LATER), figure("CS-311-02", "0.5", LATER)]
    put(warehouse, kpi_value=second)
    night(LATER)
    new = {**RIDERSHIP, "version": 2, "definition_en": "Trips and transfers."}
    version = {
        "kpi_id": "2.05",
        "kpi_version": 2,
        "is_current": True,
        "is_break": True,
        "note_en": "Counts transfers.",
    }
    third = [*second, figure("2.05", "250", REDEFINED, kpi_version=2)]
    put(warehouse, kpi=[new, LATE, PROPOSED], kpi_value=third, kpi_version=[version])
    night(REDEFINED)
    put(
        warehouse,
        kpi_value=[
            *third,
            figure("2.05", None, WITHDRAWN, is_withdrawn=True),
            figure("CS-311-02", None, WITHDRAWN, is_withdrawn=True),
        ],
    )
    night(WITHDRAWN)
    yield shown
    empty_warehouse(warehouse)


def test_an_edition_freezes_with_the_first_release_of_its_date(told: dict[date, dict[str, Any]]) -> None:
    assert told[EARLY]["published"] == told[EARLY]["frozen"] == []
    [edition_row] = told[DUE]["published"]
    assert edition_row[0] == "CPR-2026-Q2"
    assert DUE in edition_row
    assert {row[11] for row in told[DUE]["frozen"]} == {told[DUE]["number"]} == {2}


def test_an_edition_reports_active_kpis_in_the_last_period_that_it_covers(
    told: dict[date, dict[str, Any]],
) -> None:
    assert told[DUE]["beside"] == {
        "2.05": (100, 100, None, None, None, None, 1, 1, False),  # not July's 999, and not the proposed KPI
        "CS-311-02": (None, None, None, None, None, None, 1, 1, False),
    }
    assert told[DUE]["counts"] == [(2, 1, 0, 0)]


def test_what_was_frozen_never_changes(told: dict[date, dict[str, Any]]) -> None:
    assert told[DUE]["frozen"]
    for night in (LATER, REDEFINED, WITHDRAWN):
        assert told[night]["frozen"] == told[DUE]["frozen"]


def test_a_revised_figure_and_a_late_one_show_beside_the_frozen_one(told: dict[date, dict[str, Any]]) -> None:
    assert told[LATER]["beside"] == {
        "2.05": (100, 110, 10, 10, "revision", 3, 1, 1, False),
        "CS-311-02": (None, Decimal("0.5"), None, None, "late_data", 3, 1, 1, False),
    }
    assert told[LATER]["counts"] == [(2, 1, 2, 0)]


def test_a_new_version_of_a_definition_is_never_called_a_revision(told: dict[date, dict[str, Any]]) -> None:
    assert told[REDEFINED]["beside"]["2.05"] == (100, 250, 150, 150, "definition", 4, 1, 2, True)
    assert told[REDEFINED]["counts"] == [(2, 1, 2, 1)]


def test_a_figure_that_was_taken_back_is_shown_as_withdrawn(told: dict[date, dict[str, Any]]) -> None:
    # CS-311-02 had no figure when it was frozen and has none again: nothing to restate.
    assert told[WITHDRAWN]["beside"]["CS-311-02"][4:6] == (None, None)
    # 2.05 counts under version 2, whose figure stands, whatever became of version 1.
    assert told[WITHDRAWN]["beside"]["2.05"][1] == 250


def test_the_frozen_row_is_the_published_row(
    told: dict[date, dict[str, Any]], warehouse: Settings, query: Query
) -> None:
    for table in TABLES:
        columns = [
            name
            for (name,) in query(
                "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0",
                (f"ops.{table}",),
            )
        ]
        wanted = ", ".join(map(str, columns))
        assert query(f"select {wanted} from ops.{table} except select {wanted} from publish.{table}") == []
        assert query(f"select {wanted} from publish.{table} except select {wanted} from ops.{table}") == []


def test_a_rebuilt_warehouse_shows_what_was_frozen(
    told: dict[date, dict[str, Any]], warehouse: Settings, query: Query
) -> None:
    """Marts and publish are lost; ops comes back from its backup, and the figures are another history."""
    with psycopg.connect(warehouse.dsn("admin"), autocommit=True) as connection:
        connection.execute("set client_min_messages = warning; drop schema marts cascade")
    put(warehouse, kpi=[RIDERSHIP, LATE])
    build(warehouse, date(2026, 8, 30))
    rows = query("select kpi_id, value, latest_value, restatement_cause from publish_next.report_edition_figure "
                 "order by place")  # fmt: skip
    assert rows == [("2.05", 100, None, "withdrawal"), ("CS-311-02", None, None, None)]
    assert frozen(query) == told[DUE]["frozen"]


def test_people_read_what_was_frozen_and_what_has_become_of_it(
    told: dict[date, dict[str, Any]], warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: warehouse))

    def command(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["edition", *arguments])

    listed = json.loads(command("list", "--json").output)
    assert [(each["edition_id"], each["state"]) for each in listed] == [
        ("CPR-2026-Q2", "frozen"),
        ("CPR-2026-Q3", "planned"),
    ]
    shown = command("show", "CPR-2026-Q2").output
    assert "SAMPLE - invented figures" in shown
    assert "2.05: restated by release 4 (definition): 100 became 250" in shown
    assert "2.05: redefined since, version 1 became 2: Counts transfers." in shown
    assert "2.05: Weekday trips still lag behind weekends" in shown
    both = json.loads(command("show", "CPR-2026-Q2", "--json").output)
    assert [each["kpi_id"] for each in both["figures"]] == ["2.05", "CS-311-02"]
    assert both["figures"][0]["note_fr"].startswith("Les déplacements en semaine")
    unknown = command("show", "CPR-1999")
    assert "found 'CPR-1999'; there are CPR-2026-Q2" in str(unknown.exception)


# -- without dbt
# ----------------------------------------------------------------------------------------------
@pytest.fixture
def home(clean_warehouse: Settings) -> Iterator[Settings]:
    write_manifest(clean_warehouse)
    yield clean_warehouse


def with_edition(settings: Settings, number: int, value: str = "53236000", **more: Any) -> None:
    """A sound candidate that is the first with the edition CPR-2024-Q2, of one figure."""
    change = {
        "report_edition": [edition("CPR-2024-Q2", release_number=number, kpis=1, figures=1, figures_restated=0)],
        "report_edition_figure": [edition_figure("CPR-2024-Q2", "2.05", value=value, latest_value=value, **more)],
    }  # fmt: skip
    build_candidate(settings, number, marker=number, change=change)


FROZEN = (
    "select e.release_number, f.value "
    "from ops.report_edition as e join ops.report_edition_figure as f using (edition_id)"
)


def test_nobody_changes_or_takes_back_what_was_frozen(home: Settings, query: Query) -> None:
    with_edition(home, publish.open_candidate(home, NIGHT))
    publish.release(home, NIGHT)
    before = query(FROZEN)
    for attempt in (
        "update ops.report_edition_figure set value = 1",
        "update ops.report_edition set title_en = 'Better'",
        "delete from ops.report_edition_figure",
        "delete from ops.report_edition",
    ):
        for role in ("publisher", "transformer", "loader"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                query(attempt, role=role)
        with pytest.raises(
            psycopg.errors.IntegrityConstraintViolation,
            match=r"expected edition CPR-2024-Q2 to stay as it was frozen, found an attempt to (update|delete)",
        ):
            query(attempt)
    assert query(FROZEN) == before == [(1, 53236000)]


def test_a_held_candidate_freezes_nothing(home: Settings, query: Query) -> None:
    number = publish.open_candidate(home, NIGHT)
    with_edition(home, number)
    publish.hold(home, NIGHT, "the gate is closed")
    assert query(FROZEN) == []


@pytest.mark.fault
def test_killed_between_freezing_and_the_swap_nothing_is_frozen_and_the_next_run_freezes_the_same(
    home: Settings, query: Query
) -> None:
    with_edition(home, publish.open_candidate(home, NIGHT))
    assert run_killed_at(home, "swap.frozen") == -signal.SIGKILL
    assert query(FROZEN) == []
    assert query("select state from ops.release") == [("candidate",)]
    # Killed once more, just after it went up, it is frozen, and the run after that changes nothing.
    assert run_killed_at(home, "swap.committed") == -signal.SIGKILL
    assert query(FROZEN) == [(1, 53236000)]
    assert publish.release(home, NIGHT).status == "unchanged"
    assert query(FROZEN) == [(1, 53236000)]
