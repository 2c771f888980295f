"""Registers of engagement, surveys, oversight, innovation and resources: from rows as handed in to marts and KPIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest
from cityperf.config import Settings
from cityperf.load import ensure_raw_tables
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.test_staging import deliver

FIRST, SECOND, THIRD = date(2026, 1, 20), date(2026, 1, 22), date(2026, 4, 20)
REGISTERS = (
    "engagement_activities", "communications", "partnerships", "opportunities", "survey_instruments",
    "survey_waves", "survey_answers", "risk_register", "audit_recommendations", "service_reviews",
    "innovation_stints", "unit_resources", "report_card_views", "training",
)  # fmt: skip
MARTS = (
    "mart_engagement_total", "mart_communication_total", "mart_partnership_total", "mart_opportunity",
    "mart_survey_result", "mart_survey_quarter", "mart_survey_conformance", "mart_risk", "mart_risk_trend",
    "mart_audit_recommendation", "mart_audit_ageing", "mart_service_review", "mart_service_savings",
    "mart_innovation_stint", "mart_stint_outcome", "mart_unit_resource", "mart_report_card_view",
    "mart_training_total",
)  # fmt: skip
KPIS = (
    "audit_recommendations_on_time", "stints_within_112_days", "unit_budget_spent", "public_satisfaction",
)  # fmt: skip

Query = Callable[..., list[tuple[object, ...]]]


def hand_in(
    settings: Settings, dataset: str, division: str, as_of: str, night: date, *rows: dict[str, object]
) -> None:
    """One division's sheet of one date, as the loader puts it into raw."""
    columns = ["division", "as_of", "template", *dict.fromkeys(name for row in rows for name in row)]
    told = {"division": division, "as_of": as_of, "template": f"{dataset} v1"}
    lines = [
        [None if (value := {**told, **row}.get(name)) is None else str(value) for name in columns]
        for row in rows
    ]
    name = f"{dataset}_{division.lower().replace(' ', '-')}_{as_of}.xlsx"
    deliver(settings, dataset, name, night, columns, lines)


def risk(number: str, likelihood: int, impact: int, status: str = "Open") -> dict[str, object]:
    return {
        "risk_id": number, "risk": "Flood", "category": "Operational", "likelihood": likelihood,
        "impact": impact, "owner_role": "Director", "treatment": "Reduce", "status": status,
    }  # fmt: skip


def recommendation(number: str, due: str, status: str, done: str | None = None) -> dict[str, object]:
    return {
        "recommendation_id": number, "report": "Payroll", "source": "Internal Audit", "recommendation": "Check",
        "priority": "High", "made_on": "2025-01-15", "due_date": due, "status": status, "implemented_on": done,
    }  # fmt: skip


def deliver_registers(settings: Settings) -> None:
    """Two divisions, one of which is renamed between its hand-ins and corrects the first one."""
    old, new, water = "311 Toronto", "Customer Experience", "Toronto Water"
    hand_in(settings, "risk_register", old, "2025-12-31", FIRST, risk("R1", 1, 1), risk("R2", 2, 2))
    hand_in(settings, "risk_register", old, "2025-12-31", SECOND, risk("R1", 3, 4), risk("R2", 2, 2))
    hand_in(settings, "risk_register", new, "2026-03-31", THIRD, risk("R1", 4, 4))
    hand_in(
        settings, "risk_register", water, "2026-03-31", THIRD, risk("R1", 5, 5), risk("R9", 1, 2, "Closed")
    )
    hand_in(
        settings, "audit_recommendations", water, "2026-03-31", THIRD,
        recommendation("A1", "2026-01-31", "Implemented", "2026-01-31"),
        recommendation("A2", "2026-02-28", "Implemented", "2026-03-15"),
        recommendation("A3", "2026-03-01", "In progress"),
        recommendation("A4", "2026-06-30", "Not started"),
    )  # fmt: skip
    instrument = {
        "instrument_id": "SI-01", "instrument": "Residents", "audience": "Public", "recruitment": "Sample",
        "purpose": "Review", "status": "Approved", "purpose_stated": "Yes", "privacy_notice": "Yes",
        "accessible": "Yes", "plain_language": "No", "pretested": "Yes", "sampling_plan": "Yes",
        "retention_rule": "Yes", "results_published": "Yes",
    }  # fmt: skip
    wave = {
        "wave_id": "SW-01", "instrument_id": "SI-01", "field_from": "2026-02-01", "field_to": "2026-02-20",
        "mode": "Online", "design": "Simple random", "population": "3000000", "invited": "100",
    }  # fmt: skip
    given = ["5"] * 10 + ["4"] * 14 + ["3"] * 16 + ["Don't know"] * 5
    answers = [
        {"answer_id": f"A{n}", "wave_id": "SW-01", "question_id": "Q1", "scale": 5, "answer": answer}
        for n, answer in enumerate(given)
    ]
    hand_in(settings, "survey_instruments", water, "2026-03-31", THIRD, instrument)
    hand_in(settings, "survey_waves", water, "2026-03-31", THIRD, wave)
    hand_in(settings, "survey_answers", water, "2026-03-31", THIRD, *answers)
    stint = {"challenge": "Queues", "team": "Queue Lab", "evidence_metric": "Minutes", "status": "Closed"}
    hand_in(
        settings, "innovation_stints", water, "2026-03-31", THIRD,
        {**stint, "stint_id": "S1", "started_on": "2025-10-01", "ended_on": "2026-01-21", "outcome": "Failed"},
        {**stint, "stint_id": "S2", "started_on": "2025-10-01", "ended_on": "2026-01-22", "outcome": "Worked"},
    )  # fmt: skip
    unit = {"fiscal_year": 2026, "fiscal_month": 1, "fte_budget": 10, "fte_actual": "8", "workload": "400"}
    for division, actual in ((new, "9,500.00"), (water, "$10,000")):
        spent = {**unit, "unit": "Crews", "workload_unit": "Orders", "budget": "10000", "actual": actual}
        hand_in(settings, "unit_resources", division, "2026-03-31", THIRD, spent)


@pytest.fixture(scope="module")
def built(warehouse: Settings) -> Iterator[dict[str, dict[str, str]]]:
    """dbt's statuses: of the models and their tests on empty registers and on the hand-ins, and of the unit tests."""
    empty_warehouse(warehouse)
    ensure_raw_tables(warehouse, load_contracts())
    models = ("build", "--select", *(f"+{name}" for name in (*MARTS, *KPIS)))
    data = ("--exclude-resource-type", "unit_test")
    statuses = {"empty": dbt(warehouse, FIRST, *models, *data)}
    deliver_registers(warehouse)
    statuses["handed in"] = dbt(warehouse, THIRD, *models, *data)
    ours = (*MARTS, "int_survey_results", "int_recommendation_quarters", "int_stint_outcomes")
    chosen = [f"test_type:unit,{name}" for name in ours]
    statuses["rules"] = dbt(warehouse, THIRD, "test", "--select", *chosen)
    yield statuses
    empty_warehouse(warehouse)


@pytest.mark.parametrize("when", ["empty", "handed in"])
def test_marts_of_registers_build_and_their_tests_pass(built: dict[str, dict[str, str]], when: str) -> None:
    bad = {node: status for node, status in built[when].items() if status not in ("success", "pass")}
    assert bad == {}
    names = {node.rsplit(".", 1)[-1] for node in built[when]}
    assert {*MARTS, *KPIS} <= names


def test_worked_figures_of_the_rules_come_out(built: dict[str, dict[str, str]]) -> None:
    assert len(built["rules"]) >= 20
    assert set(built["rules"].values()) == {"pass"}


def test_every_register_here_has_a_template_s_words_in_both_languages() -> None:
    contracts = load_contracts()
    for name in REGISTERS:
        register = contracts[name].register
        assert register is not None and register.title.en and register.title.fr
        for column in contracts[name].named_columns:
            assert column.label is not None and column.label.fr, (name, column.name)
            assert column.above or column.description, (name, column.name)


def test_a_hand_in_of_the_same_day_replaces_the_earlier_one(built: object, query: Query) -> None:
    found = query(
        "select risk_id, likelihood, hand_in from staging.stg_oversight__risk_register "
        "where division = '311 Toronto' order by 1"
    )
    assert found == [("R1", 3, 1), ("R2", 2, 1)]


def test_a_renamed_division_keeps_its_past(built: object, query: Query) -> None:
    found = query(
        "select risk_id, score, previous_score, trend from marts.risk "
        "where division = 'Customer Experience' order by 1"
    )
    assert found == [("R1", 16, 12, "rising"), ("R2", 4, 4, "removed")]


def test_a_register_can_be_shown_as_of_a_day(built: object, query: Query) -> None:
    as_of = (
        "select risk_id, likelihood, status from intermediate.int_risk_register_history "
        "where division = 'Customer Experience' and valid_from <= %s and valid_to > %s order by 1"
    )
    assert query(as_of, (date(2026, 3, 30),) * 2) == [("R1", 3, "open"), ("R2", 2, "open")]
    assert query(as_of, (date(2026, 3, 31),) * 2) == [("R1", 4, "open"), ("R2", 2, "removed")]


def test_the_register_of_all_divisions_is_that_of_each(built: object, query: Query) -> None:
    found = query(
        "select division, open_risks, extreme, rising, new_risks from marts.risk_trend "
        "where quarter_start = '2026-01-01' order by 1"
    )
    assert found == [
        ("All divisions", 2, 2, 1, 1),
        ("Customer Experience", 1, 1, 1, 0),
        ("Toronto Water", 1, 1, 0, 1),
    ]


def test_top_two_box_of_a_wave_and_its_margin_of_error(built: object, query: Query) -> None:
    """24 of 40 valid answers; 1.96 * sqrt(0.25 / 40) * 100 = 15.50."""
    found = query(
        "select answers, valid_answers, top_two_share::float8, margin_of_error::float8, response_rate::float8 "
        "from marts.survey_result"
    )
    assert found == [(45, 40, 0.6, 15.5, 0.45)]


def test_no_respondent_reaches_a_model(built: object, query: Query) -> None:
    answers = load_contracts()["survey_answers"]
    assert [c.name for c in answers.named_columns if c.personal] == ["respondent_id"]
    assert answers.privacy.level == "person_level"
    found = query(
        "select table_schema, table_name from information_schema.columns "
        "where column_name = 'respondent_id' and table_schema in ('staging', 'intermediate', 'marts')"
    )
    assert found == []


def test_a_kpi_stands_for_what_was_handed_in(built: object, query: Query) -> None:
    points = "select period_start, numerator::float8, denominator::float8 from kpis."
    assert query(points + "audit_recommendations_on_time") == [(date(2026, 1, 1), 1.0, 3.0)]
    assert query(points + "stints_within_112_days") == [(date(2026, 1, 1), 1.0, 2.0)]
    assert query(points + "unit_budget_spent") == [(date(2026, 1, 1), 19500.0, 20000.0)]
    assert query(points + "public_satisfaction") == [(date(2026, 1, 1), 24.0, 40.0)]


def test_unit_cost_of_all_divisions_is_a_ratio_of_sums(built: object, query: Query) -> None:
    """19,500 dollars for 800 orders by 16 FTE."""
    found = query(
        "select unit_cost::float8, workload_per_fte::float8, variance::float8 from marts.unit_resource "
        "where division = 'All divisions'"
    )
    assert found == [(24.375, 50.0, -500.0)]
