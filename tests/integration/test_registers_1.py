"""Registers of plans, projects, AI, action items and requests: what was handed in stands as of its day, for good.

The rows are the sample's, put into raw as the loader does, so that what must come out can be counted in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from statistics import median
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.handin import division_key
from cityperf.load import ensure_raw_tables
from cityperf.portal.sample import registers
from cityperf.portal.sample.world import Cache, World
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.test_staging import deliver

Query = Callable[..., list[tuple[Any, ...]]]
DAYS = (date(2026, 3, 31), date(2026, 6, 30), date(2026, 9, 30))
NIGHT = date(2026, 11, 20)
DATASETS = [
    "goals",
    "priorities",
    "work_plans",
    "plan_indicators",
    "action_items",
    "requests",
    "projects",
    "milestones",
    "deliverables",
    "project_risks",
    "objective_links",
    "adoption",
    "ai_use_cases",
    "proofs_of_concept",
]
MARTS = [
    "commitment_progress",
    "plan",
    "milestone",
    "milestone_progress",
    "project",
    "project_health",
    "adoption",
    "request_response",
    "action_item_ageing",
    "proof_of_concept",
    "poc_outcome",
    "ai_inventory",
]
KPIS = ["milestones_on_time", "requests_within_standard", "overdue_action_items", "ai_uses_assessed"]
RENAMED, FORMERLY = "Technology Services", "Information & Technology"  # as seeds/divisions.csv has it
CONTRACTS = load_contracts()


class HandIns:
    """What two divisions of each register handed in on three days, and again where a correction came."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stands: dict[tuple[str, str, date], list[dict[str, Any]]] = {}
        self.corrected: dict[str, Any] = {}

    def deliver_all(self, settings: Settings) -> None:
        for dataset in DATASETS:
            for division in registers.divisions(CONTRACTS[dataset])[:2]:
                for number, day in enumerate(DAYS):
                    rows = [
                        dict(row) for row in registers.rows(self.world, CONTRACTS[dataset], division, day)
                    ]
                    written = FORMERLY if (division, number) == (RENAMED, 0) else division
                    self.deliver(settings, dataset, written, day, rows, day + timedelta(days=14))
                    self.stands[dataset, division, day] = rows

    def correct(self, settings: Settings, dataset: str, division: str, day: date) -> None:
        """The hand-in of a day once more, without its first row, which is kept as `corrected`."""
        self.corrected, *rest = self.stands[dataset, division, day]
        self.deliver(settings, dataset, division, day, rest, NIGHT)
        self.stands[dataset, division, day] = rest

    def deliver(
        self,
        settings: Settings,
        dataset: str,
        division: str,
        day: date,
        rows: list[dict[str, Any]],
        night: date,
    ) -> None:
        columns = [str(each.name) for each in CONTRACTS[dataset].named_columns if not each.above]
        written = [
            (division, str(day), *(None if row[name] is None else str(row[name]) for name in columns))
            for row in rows
        ]
        name = f"{dataset}_{division_key(division)}_{day}.xlsx"
        deliver(settings, dataset, name, night, ("division", "as_of", *columns), written)

    def keys(self, dataset: str, division: str, day: date) -> list[tuple[str, ...]]:
        names = CONTRACTS[dataset].keys[1:]
        return sorted(tuple(str(row[name]) for name in names) for row in self.stands[dataset, division, day])


@pytest.fixture(scope="module")
def handed_in(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandIns]:
    empty_warehouse(warehouse)
    ensure_raw_tables(warehouse, CONTRACTS)
    made = HandIns(World(42, 1.0, Cache(tmp_path_factory.mktemp("cache"), 42, 1.0)))
    made.deliver_all(warehouse)
    made.correct(warehouse, "milestones", RENAMED, DAYS[1])
    select = [f"+mart_{mart}" for mart in MARTS] + KPIS
    statuses = dbt(warehouse, NIGHT, "build", "--select", *select, "--exclude-resource-type", "unit_test")
    assert {node: status for node, status in statuses.items() if status not in ("success", "pass")} == {}
    yield made
    empty_warehouse(warehouse)


@pytest.mark.parametrize("dataset", DATASETS)
def test_any_register_can_be_shown_as_of_a_day(handed_in: HandIns, query: Query, dataset: str) -> None:
    keys = ", ".join(f"{name}::text" for name in CONTRACTS[dataset].keys[1:])
    for division in registers.divisions(CONTRACTS[dataset])[:2]:
        for day in DAYS:
            for shown in (day, day + timedelta(days=40)):  # it holds until the next hand-in
                found = query(
                    f"select {keys} from intermediate.int_{dataset}_history "
                    "where division = %s and valid_from <= %s and %s < valid_to and not is_removed",
                    (division, shown, shown),
                )
                assert sorted(found) == handed_in.keys(dataset, division, day), (division, shown)


def test_a_row_that_left_stays_as_removed_with_what_was_last_said(handed_in: HandIns, query: Query) -> None:
    division = registers.divisions(CONTRACTS["milestones"])[1]
    before, after = ({*handed_in.keys("milestones", division, day)} for day in DAYS[1:])
    assert before - after
    found = query(
        "select milestone_id, baseline_date, status, previous_status from intermediate.int_milestones_history "
        "where division = %s and is_removed and as_of = %s",
        (division, DAYS[2]),
    )
    assert {(row[0],) for row in found} == before - after
    said = {row["milestone_id"]: row for row in handed_in.stands["milestones", division, DAYS[1]]}
    for milestone, baseline, status, previous in found:
        assert (baseline, status) == (said[milestone]["baseline_date"], "removed")
        assert previous == said[milestone]["status"].lower()
    marts = query("select milestone_id from marts.milestone where division = %s and is_removed", (division,))
    assert {(row[0],) for row in found} <= {*marts}


def test_a_renamed_division_keeps_its_past(handed_in: HandIns, query: Query) -> None:
    found = query(
        "select distinct history.division, history.hand_in, staged.division from "
        "intermediate.int_action_items_history as history join staging.stg_strategy__action_items as staged "
        "using (_file_id) where staged.division in (%s, %s) order by 2",
        (RENAMED, FORMERLY),
    )
    assert found == [(RENAMED, 1, FORMERLY), (RENAMED, 2, RENAMED), (RENAMED, 3, RENAMED)]


def test_a_day_handed_in_again_replaces_what_was_said_of_it(handed_in: HandIns, query: Query) -> None:
    row = handed_in.corrected
    found = query(
        "select is_removed, _night from intermediate.int_milestones_history "
        "where division = %s and milestone_id = %s and as_of = %s",
        (RENAMED, row["milestone_id"], DAYS[1]),
    )
    assert found == [(True, NIGHT)]
    assert query(
        "select count(distinct _file_id) from raw.milestones where division = %s and as_of = %s",
        (RENAMED, str(DAYS[1])),
    ) == [(2,)]


def test_milestone_figures_are_those_counted_by_hand(handed_in: HandIns, query: Query) -> None:
    both = registers.divisions(CONTRACTS["milestones"])[:2]
    stated = [row for name in both for row in handed_in.stands["milestones", name, DAYS[2]]]
    counted = [row for row in stated if row["status"] != "Cancelled"]
    due = [row for row in counted if row["baseline_date"] <= DAYS[2]]
    on_time = [row for row in due if row["actual_date"] and row["actual_date"] <= row["baseline_date"]]
    slips = [((row["actual_date"] or row["forecast_date"]) - row["baseline_date"]).days for row in counted]
    assert due and on_time
    found = query(
        "select milestones, due, on_time, on_time_share::float8, median_slip_days::float8 "
        "from marts.milestone_progress where division = 'All divisions' and as_of = %s",
        (DAYS[2],),
    )
    share = pytest.approx(len(on_time) / len(due))
    assert found == [(len(counted), len(due), len(on_time), share, median(slips))]


def test_request_figures_are_those_counted_by_hand(handed_in: HandIns, query: Query) -> None:
    last: dict[tuple[str, str], dict[str, Any]] = {}
    for day in DAYS:
        for division in registers.divisions(CONTRACTS["requests"])[:2]:
            for row in handed_in.stands["requests", division, day]:
                last[division, row["request_id"]] = row
    due = {
        key: row["received_on"] + timedelta(days=int(row["standard_days"]))
        for key, row in last.items()
        if row["status"] != "Withdrawn"
    }
    quarter = {key for key, day in due.items() if date(2026, 4, 1) <= day <= DAYS[1]}
    within = [key for key in quarter if last[key]["answered_on"] and last[key]["answered_on"] <= due[key]]
    assert within
    assert query(
        "select numerator::int, denominator::int from kpis.requests_within_standard where period_start = %s",
        (date(2026, 4, 1),),
    ) == [(len(within), len(quarter))]
    assert query(
        "select within_standard, requests from marts.request_response "
        "where division = 'All divisions' and request_type = 'All types' and quarter_due = %s",
        (date(2026, 4, 1),),
    ) == [(len(within), len(quarter))]


@pytest.mark.parametrize(
    ("mart", "figure", "grain"),
    [
        ("milestone_progress", "due", "as_of"),
        ("action_item_ageing", "open", "as_of"),
        ("request_response", "answered", "request_type || quarter_due"),
        ("ai_inventory", "use_cases", "risk_class"),
        ("poc_outcome", "stopped", "''"),
        ("project_health", "red", "''"),
    ],
)
def test_all_divisions_are_the_sum_of_the_divisions(
    handed_in: HandIns, query: Query, mart: str, figure: str, grain: str
) -> None:
    found = query(
        f"select {grain}, sum({figure}) filter (where division = 'All divisions') as whole, "
        f"sum({figure}) filter (where division <> 'All divisions') as parts from marts.{mart} group by 1"
    )
    assert found
    assert [row for row in found if row[1] != row[2]] == []
