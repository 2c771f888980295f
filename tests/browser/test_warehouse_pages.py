"""The Warehouse pages of Airflow: what they show, to whom, how fast, and whether everybody can read them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.sources import nightly_contracts
from starlette.testclient import TestClient

from tests.browser.accessibility import violations
from tests.browser.pages import chromium, shoot

NIGHT = date(2026, 11, 20)
KPIS, TABLES = 5_000, 60
BLOCKED = "kpi: expected names in both languages, found 3 without <b>nom</b>"


def manifest(settings: Settings) -> None:
    """As dbt leaves it: every data set with its staging, thousands of KPIs, all of them in every published table."""
    datasets = list(nightly_contracts())
    sources = {
        f"source.cityperf.raw.{name}": {"name": name, "source_name": "raw", "schema": "raw"}
        for name in datasets
    }
    nodes: dict[str, Any] = {
        f"model.cityperf.kpi_{n}": {
            "name": f"kpi_{n}", "resource_type": "model", "schema": "kpis",
            "meta": {"kpi": {"id": f"K-{n}", "steward": "S"}},
            "depends_on": {"nodes": [f"source.cityperf.raw.{datasets[n % len(datasets)]}"]},
        }
        for n in range(KPIS)
    }  # fmt: skip
    for n in range(TABLES):
        nodes[f"model.cityperf.table_{n}"] = {
            "name": "kpi" if n == 0 else f"table_{n}", "resource_type": "model", "schema": "publish_next",
            "depends_on": {"nodes": list(nodes)[:KPIS]},
        }  # fmt: skip
    path = settings.base / "dbt" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nodes": nodes, "sources": sources, "exposures": {}}))


@pytest.fixture
def bad_night(clean_warehouse: Settings) -> Settings:
    """A night on which all sorts went wrong, after one on which nothing did."""
    manifest(clean_warehouse)
    datasets = list(nightly_contracts())
    assert len(datasets) >= 100
    with connect(clean_warehouse, "admin", autocommit=True) as db, db.cursor() as cursor:
        for days, state in ((1, "released"), (0, "held")):
            cursor.execute(
                "insert into ops.night (night, state, closed_at, note) values (%s, %s, now(), 'as it went')",
                (NIGHT - timedelta(days=days), state),
            )
        cursor.executemany(
            "insert into ops.fetch (night, dataset, state, message) values (%s, %s, %s, %s)",
            [
                (NIGHT, name, "late" if place < 3 else "unchanged", f"expected {name}, found 503" if place < 3 else None)
                for place, name in enumerate(datasets)
            ],
        )  # fmt: skip
        cursor.executemany(
            "insert into ops.check_result (night, border, suite, check_name, subject, severity, status, expected, found, "
            "message, owner, runbook) values (%s, 'publish', %s, %s, 'kpi', %s, %s, 'e', 'f', %s, "
            "'Performance Office', 'docs/runbooks/publish.md#values')",
            [
                *(
                    (
                        NIGHT,
                        f"publish.table_{n % TABLES}",
                        f"check_{n}",
                        ("block", "warn", "info")[n % 3],
                        "pass",
                        "well",
                    )
                    for n in range(3_000)
                ),
                (NIGHT, "publish.kpi", "names_filled", "block", "fail", BLOCKED),
            ],
        )
        cursor.executemany(
            "insert into quarantine.rows (dataset, file_id, batch_id, night, expected, reason, record) "
            "values (%s, 1, 1, %s, 'a ward', 'no ward', '')",
            [(datasets[5], NIGHT)] * 7,
        )
        cursor.executemany(
            "insert into ops.known_issue values (%s, 'kpi', 'the file lacks it', 'Anna', %s)",
            [("soon_over", NIGHT + timedelta(days=3)), ("over", NIGHT - timedelta(days=2))],
        )
    return clean_warehouse


@pytest.fixture
def app(bad_night: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CITYPERF_HOME", str(bad_night.home))
    monkeypatch.setattr(sys, "path", [str(ROOT / "plugins"), *sys.path])
    import warehouse_page

    return warehouse_page.make_app()


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    """Signed in as somebody who may look."""
    for each in app.router.dependencies:
        app.dependency_overrides[each.dependency] = lambda: None
    yield TestClient(app)


def test_the_page_says_what_went_wrong_how_far_it_reaches_and_where_to_read_on(client: TestClient) -> None:
    page = client.get("/").text
    late = next(iter(nightly_contracts()))
    reached = sum(n % len(nightly_contracts()) == 0 for n in range(KPIS))
    row = next(each for each in page.split("<tr>") if f"{late} did not come" in each)
    assert f">{reached} KPIs</span>, {TABLES} tables" in row
    assert "names in both languages" in page and "&lt;b&gt;nom" in page and "<b>nom" not in page
    assert re.search(r"<b>3</b>\s*data sets late", page)
    assert re.search(r"<b>7</b>\s*rows in quarantine", page)
    assert "3 days left" in page and "expired 2 days ago" in page
    for severity, status in (("block", "1,000"), ("warn", "1,000")):
        assert re.search(rf'<th scope="row">{severity}</th><td class="n">{status}</td>', page)
    for link in re.findall(r'href="(/warehouse/runbooks/[a-z_]+\.md)', page):
        assert client.get(link.removeprefix("/warehouse")).status_code == 200
    assert page.count('href="/dags/source__') == len(nightly_contracts())


def test_a_runbook_is_read_at_its_section_and_nothing_else_is_served(client: TestClient) -> None:
    page = client.get("/runbooks/publish.md").text
    assert '<h2 id="known-issues">' in page and page.count("<h1") == 1
    for name in ("nothing.md", "..%2F..%2FREADME.md", "publish"):
        assert client.get(f"/runbooks/{name}").status_code == 404


def test_a_hundred_sources_and_five_thousand_kpis_take_under_300_ms(client: TestClient) -> None:
    took: list[float] = []
    # Nights of other tests have the processor at times: a moment without them is waited for.
    patience = time.monotonic() + 180
    while min(took[1:], default=1) >= 0.3 and time.monotonic() < patience:
        time.sleep(min(len(took), 5))
        began = time.perf_counter()
        assert client.get("/").status_code == 200
        took.append(time.perf_counter() - began)
    assert min(took[1:]) < 0.3, took


def test_who_is_not_signed_in_sees_nothing(app: Any) -> None:
    anybody = TestClient(app, raise_server_exceptions=False)
    for path in ("/", "/checks", "/checks/publish.kpi", "/runbooks/publish.md", "/approvals/1"):
        assert anybody.get(path).status_code in (401, 403), path


def test_everybody_can_read_the_pages(client: TestClient, tmp_path: Any) -> None:
    with chromium() as page:
        for name, path in (
            ("warehouse", "/"), ("suites", "/checks"), ("suite", "/checks/publish.kpi"), ("runbook", "/runbooks/publish.md"),
        ):  # fmt: skip
            saved = tmp_path / f"{name}.html"
            saved.write_text(client.get(path).text)
            for scheme in ("light", "dark"):
                page.execute_cdp_cmd(
                    "Emulation.setEmulatedMedia",
                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
                )
                page.get(saved.as_uri())
                shoot(page, tmp_path / f"{name}-{scheme}.png")
                assert violations(page) == [], (name, scheme)
