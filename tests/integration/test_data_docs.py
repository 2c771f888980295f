"""The pages that say what every suite found, as an Airflow user sees them."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.quality import docs
from cityperf.quality.results import CheckResult, record

from tests.integration.candidate import NIGHT

RESULT = CheckResult(
    border="publish",
    suite="publish.kpi",
    check="names_filled",
    subject="kpi",
    severity="block",
    status="pass",
    expected="a name in both languages",
    found="all of 157 rows as expected",
    location="column name_fr",
    message="kpi: expected a name in both languages, found all of them",
    owner="Performance Office",
    runbook="publish.md#values",
)


@pytest.fixture
def judged(clean_warehouse: Settings) -> Settings:
    """Three nights of a suite, the last of which failed, and a suite of another border that passed."""
    landing = replace(RESULT, border="landing", suite="landing.roads", subject="roads", severity="warn")
    bad = replace(RESULT, status="fail", found="3 rows, such as <b>nom</b>")
    with connect(clean_warehouse, "publisher", autocommit=True) as connection:
        for days, result in ((0, RESULT), (1, replace(RESULT, status="known")), (2, bad)):
            record(connection, NIGHT + timedelta(days=days), [result])
        record(connection, NIGHT, [landing])
    return clean_warehouse


def test_suites_that_failed_come_first_with_their_counts(judged: Settings) -> None:
    found = docs.suites(judged)
    assert [(each["suite"], each["night"], each["failed"], each["passed"]) for each in found] == [
        ("publish.kpi", NIGHT + timedelta(days=2), 1, 0),
        ("landing.roads", NIGHT, 0, 1),
    ]


def test_a_check_has_its_last_result_and_its_nights(judged: Settings) -> None:
    (check,) = docs.checks(judged, "publish.kpi")
    assert (check["status"], check["statuses"]) == ("fail", ["pass", "known", "fail"])
    assert check["nights"] == [NIGHT + timedelta(days=days) for days in range(3)]
    assert docs.checks(judged, "publish.nothing") == []


def test_the_pages_show_it_and_only_to_who_is_signed_in(
    judged: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYPERF_HOME", str(judged.home))
    monkeypatch.setattr(sys, "path", [str(ROOT / "plugins"), *sys.path])
    import warehouse_page
    from starlette.testclient import TestClient

    app: Any = warehouse_page.make_app()
    (signed_in,) = app.router.dependencies
    app.dependency_overrides[signed_in.dependency] = lambda: None
    client = TestClient(app)
    index = client.get("/checks").text
    assert (
        index.index("publish.kpi") < index.index("landing.roads") and "/warehouse/checks/publish.kpi" in index
    )
    page = client.get("/checks/publish.kpi").text
    assert ".kF" in page and "column name_fr" in page and "publish.md#values" in page
    assert "&lt;b&gt;nom" in page, "what a source sent is text, never markup"
    assert client.get("/checks/publish.nothing").status_code == 404
    assert "/warehouse/checks" in client.get("/").text
