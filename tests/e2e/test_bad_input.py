"""What portals really send: each fault is refused by name, the other sources go on, nothing loaded is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import FEW, Home, states

pytestmark = pytest.mark.fault
ENV = {"CITYPERF_SCALE": "0.03", "CITYPERF_SOURCES": FEW, "CITYPERF_HTTP_PATIENCE": "6"}
NIGHT, NEXT = "2026-11-19", "2026-11-20"

COUNTS = {
    "bank_of_canada_rates": "raw.bank_of_canada_rates",
    "dashboard_measures": "raw.dashboard_measures",
    "operating_budget": "raw.operating_budget",
    "statcan_indicators": "raw.statcan_indicators",
}


def counts(home: Home) -> dict[str, int]:
    return {
        name: home.one(f"select count(*) from {table}", role="loader")[0] for name, table in COUNTS.items()
    }


@pytest.fixture(scope="module")
def bad_night(home: Home) -> dict[str, Any]:
    code, (summary,) = home.refresh("--night", NIGHT)
    assert code == 0, summary
    before = counts(home)
    faults = {
        "rules": [
            {"match": "*www.toronto.ca/app_content/tpp_measures*", "fault": "html"},
            {"match": "*bankofcanada.ca*", "fault": "status", "status": 500, "times": 1000},
            {"match": "*statcan.gc.ca*", "fault": "half_body"},
            {"match": "*operating*budget*download*", "fault": "changed_header"},
        ]
    }
    (home.base / "faults.json").write_text(json.dumps(faults))
    code, (summary,) = home.refresh("--night", NEXT)
    (home.base / "faults.json").unlink()
    return {"code": code, "summary": summary, "before": before, "after": counts(home)}


def test_the_night_is_released_and_says_that_sources_were_refused(bad_night: dict[str, Any]) -> None:
    assert bad_night["code"] == 4
    assert bad_night["summary"]["state"] in ("released", "unchanged")


def test_each_fault_is_named_with_what_was_expected(bad_night: dict[str, Any]) -> None:
    found = states(bad_night["summary"])
    assert found["dashboard_measures"] == "refused"
    assert found["operating_budget"] == "refused"
    assert found["bank_of_canada_rates"] == "late"
    assert found["statcan_indicators"] == "late"
    messages = {s["dataset"]: s["message"] for s in bad_night["summary"]["sources"]}
    assert "HTML" in messages["dashboard_measures"]
    for name in COUNTS:
        assert "expected" in messages[name].lower(), messages[name]


def test_other_sources_went_on(bad_night: dict[str, Any]) -> None:
    found = states(bad_night["summary"])
    assert found["service_requests_311"] in ("loaded", "unchanged")
    assert found["ttc_subway_delays"] in ("loaded", "unchanged")


def test_nothing_already_loaded_was_touched(bad_night: dict[str, Any]) -> None:
    assert bad_night["after"] == bad_night["before"]


def test_the_next_attempt_mends_itself(home: Home, bad_night: dict[str, Any]) -> None:
    code, (summary,) = home.refresh("--night", NEXT)
    assert code == 0, summary
    assert not {"refused", "late", "failed"} & set(states(summary).values())
