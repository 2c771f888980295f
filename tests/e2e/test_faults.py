"""What a night survives: portals that send what portals really send.

A fault is refused by name, the other sources go on, nothing loaded is touched.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import quote

import pytest
from cityperf import stack
from cityperf.config import Settings

from tests.e2e.conftest import Home, Released, states
from tests.e2e.dashboard import dashboard

pytestmark = pytest.mark.fault
# A Saturday, on which the feed has nothing new, and a Friday by which a feed that comes daily is late.
NEXT, AFTER = "2026-11-14", "2026-11-20"

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
def home(released: Released) -> Home:
    return released.home


@pytest.fixture(scope="module")
def bad_night(home: Home) -> dict[str, Any]:
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


def test_the_dashboard_tells_which_figures_a_refused_delivery_left_behind(
    home: Home, bad_night: dict[str, Any]
) -> None:
    """Two files were refused at the gate: their measures say so, in the list too; others do not."""
    stale = "select kpi_id, sources from publish.scorecard join publish.kpi using (kpi_id) where stale_reason_en is not null"
    held = dict(home.query(stale))
    assert held and all("dashboard_measures" in said or "operating_budget" in said for said in held.values())
    [(well,)] = home.query(
        "select kpi_id from publish.scorecard where stale_reason_en is null order by 1 limit 1"
    )
    with dashboard(home) as site:
        assert site.notices() == {}, "the release as a whole is the newest"
        of = {row[0]: row for row in site.rows("en/quality.html", "data_quality")}
        for dataset in ("dashboard_measures", "operating_budget"):
            assert "Delivery of 2026-11-14 held back; last good one of 2026-11-1" in of[dataset][-1]
        assert of["service_requests_311"][-1] == ""
        ill = min(held)
        page = site.text(f"en/kpi/{ill}.html")
        assert "A newer figure is held back" in page and "Delivery of 2026-11-14 held back" in page
        assert "Un chiffre plus récent est retenu" in site.text(f"fr/kpi/{ill}.html")
        assert "held back" not in site.text(f"en/kpi/{well}.html")
        listed = site.text("en/kpis/late.html")
        names = home.query("select name_en from publish.kpi where kpi_id = any(%s)", list(held))
        assert all(name in listed for (name,) in names)


def test_the_next_attempt_mends_itself(home: Home, bad_night: dict[str, Any]) -> None:
    code, (summary,) = home.refresh("--night", NEXT)
    assert code == 0, summary
    assert not {"refused", "late", "failed"} & set(states(summary).values())


def test_a_held_night_asks_in_airflow_and_is_published_when_somebody_says_yes(
    home: Home, bad_night: dict[str, Any]
) -> None:
    """What is up was put there by a rollback, so that the next candidate waits for a person."""
    [(up,)] = home.query("select max(number) from publish.release")
    back = home.cityperf("release", "rollback", str(up - 1), "--by", "k.nakamura", "--reason", "a drill")
    assert back.returncode == 0, back.stderr
    with dashboard(home) as site:
        assert list(site.notices()) == ["repeated"] and "a drill" in site.notices()["repeated"]
        assert site.as_of("number") == str(up + 1)
    late = {"rules": [{"match": "*tpp_measures*", "fault": "status", "status": 500, "times": 1000}]}
    (home.base / "faults.json").write_text(json.dumps(late))
    code, (summary,) = home.refresh("--night", AFTER)
    (home.base / "faults.json").unlink()
    assert (code, summary["state"], summary["release"]) == (3, "held", up + 1), summary
    with dashboard(home) as site:
        assert set(site.notices()) == {"repeated", "stale"}, "newer figures wait, and readers are told"
        assert site.as_of("number") == str(up + 1)

    api = stack.api(Settings(profile="sample", home=home.path))
    runs = "/dags/approve_release/dagRuns"
    deadline = time.monotonic() + 180
    asked: dict[str, Any] = {}
    while asked.get("state") != "awaiting_input" and time.monotonic() < deadline:
        time.sleep(1)
        for run in api.get(runs)["dag_runs"]:
            asked = api.get(f"{runs}/{quote(run['dag_run_id'])}/taskInstances/decide")
    assert asked.get("state") == "awaiting_input", asked
    where = f"{runs}/{quote(asked['dag_run_id'])}"
    time.sleep(
        5
    )  # an answer in the second in which the task is parked looks like a failed worker: it asks again
    question = api.get(f"{where}/taskInstances/decide/-1/hitlDetails")
    assert question["subject"] == f"May release {up + 2} go up?"
    assert [each["id"] for each in question["assigned_users"]] == ["admin"]
    assert (home.base / "approvals" / f"{up + 2}.html").exists()

    answer = {"chosen_options": ["Approve"], "params_input": {"reason": "the drill is over"}}
    api.patch(f"{where}/taskInstances/decide/-1/hitlDetails", answer)
    deadline = time.monotonic() + 180
    while api.get(where)["state"] not in ("success", "failed") and time.monotonic() < deadline:
        time.sleep(1)
    assert api.get(where)["state"] == "success"
    assert home.one("select max(number) from publish.release")[0] == up + 2
    decisions = "select decision, decided_by, note from ops.approval where subject = %s"
    assert home.query(decisions, f"release {up + 2}", role="publisher") == [
        ("approved", "m.osei", "the drill is over")
    ]
    assert home.cityperf("release", "verify").returncode == 0
    with dashboard(home) as site:
        assert site.notices() == {} and site.as_of("number") == str(up + 2)
        [(number_late, in_all)] = home.query(
            "select count(*) filter (where late_by_days > 0), count(*) from publish.data_quality"
        )
        assert site.as_of("late") == f"{number_late} of {in_all} late" and number_late > 0
        row = next(r for r in site.rows("en/quality.html", "data_quality") if r[0] == "dashboard_measures")
        [(days,)] = home.query(
            "select late_by_days from publish.data_quality where dataset = 'dashboard_measures'"
        )
        # What the mended night brought anew depends on the nights before; of the file refused then nobody has decided.
        assert int(row[4]) == days > 0 and re.search("not here; last delivery|held back; last good", row[-1])
        [(kpi_id,)] = home.query(
            "select kpi_id from publish.scorecard join publish.kpi using (kpi_id) "
            "where sources ~ 'dashboard_measures' and late_by_days > 0 order by 1 limit 1"
        )
        assert "Late: due" in site.text(f"en/kpi/{kpi_id}.html")
