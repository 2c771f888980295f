"""`./cityperf explain` on a published candidate: late, restated, signal and target, in both languages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from cityperf.cli import main
from cityperf.config import Settings
from cityperf.explain import explain
from cityperf.publish.trace import NotPublished

from tests.conftest import empty_warehouse
from tests.integration.candidate import NIGHT, charted, write_manifest
from tests.integration.trust import put_up

PERIOD = {"geography_type": "city", "geography_code": "toronto", "period_grain": "month"}
NOW = {**PERIOD, "period_start": date(2024, 1, 1)}
CARD: dict[str, Any] = {
    **NOW,
    "kpi_id": "2.05",
    "name_en": "Ridership",
    "name_fr": "Achalandage",
    "unit": "number",
    "decimals": 0,
    "direction": "up",
    "value": "130",
    "status": "favourable",
    "variation": "improvement",
    "special_cause": "outside_limits",
    "assurance": "consistent_pass",
    "target_value": "90",
    "is_target_met": True,
    "late_by_days": 3,
    "previous_value": "110",
}
ASSESSED = {
    **NOW,
    "kpi_id": "2.05",
    "kpi_version": 1,
    "value": "130",
    "variation": "improvement",
    "special_cause": "outside_limits",
    "signal_basis": "value",
    "phase_points": 24,
    "is_trial": False,
    "mean": "110",
    "lower_limit": "100",
    "upper_limit": "120",
    "assurance": "consistent_pass",
}


@pytest.fixture(scope="module")
def published(warehouse: Settings) -> Iterator[Settings]:
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    put_up(
        warehouse,
        scorecard=[
            CARD,
            {"kpi_id": "1.02", "direction": "down", "name_en": "Rate"},
            {"kpi_id": "1.10", "direction": "none", "name_en": "Prices"},
        ],
        kpi_assessment=[ASSESSED],
        kpi_signal=[{**charted("2.05"), "charted": "130", "mean": "110"}],
        restatement=[
            {
                **NOW,
                "kpi_id": "2.05",
                "vintage": NIGHT,
                "release_number": 1,
                "old_value": "125",
                "new_value": "130",
                "cause": "revision",
            }
        ],
    )
    yield warehouse
    empty_warehouse(warehouse)


def test_the_paragraph_says_signal_target_and_every_doubt(published: Settings) -> None:
    said = explain(published, "2.05").paragraph
    assert "above the upper limit of 120." in said
    assert "signal of improvement: unlikely to be chance alone" in said
    assert "The usual range of 100 to 120 meets the target of 90 throughout." in said
    assert "late by 3 days" in said
    assert "before, it was 125." in said


def test_french_and_json_carry_the_same_numbers(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cityperf.cli.explain.settings", lambda: published)
    assert main(["explain", "2.05", "--lang", "fr", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "signal d’amélioration" in " ".join(found["sentences"])
    numbers = found["numbers"]
    assert (numbers["value"], numbers["upper_limit"], numbers["rule"]) == (130, 120, "outside_limits")
    assert (numbers["restated_from"], numbers["late_by_days"], numbers["release"]) == (125, 3, 1)


def test_a_kpi_without_a_figure_is_not_given_one(published: Settings) -> None:
    assert explain(published, "1.02").sentences == ("There is no figure yet.",)


def test_an_unknown_kpi_names_those_near_it(published: Settings) -> None:
    with pytest.raises(NotPublished, match=r"near it: 2\.05"):
        explain(published, "2.0")
