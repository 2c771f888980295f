"""Superset as a client of the warehouse: served as people serve it, its three dashboards opened in a browser."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import yaml
from cityperf import postgres, superset
from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError
from cityperf.site.browser import resize

from tests.browser.pages import chromium, shoot
from tests.conftest import empty_warehouse
from tests.integration.candidate import NIGHT, sound_rows, write_manifest
from tests.integration.trust import figure, put_up

WARDS = {"10": ("Spadina-Fort York", "478"), "14": ("Toronto-Danforth", "443.5")}
PATIENCE = 180  # seconds, for a machine on which much else runs
REQUESTS = "311 requests created"
# What its pages ask for before they ask for charts; what they are answered is written down.
LISTEN = """
window.answers = [];
const plain = window.fetch;
window.fetch = async (...asked) => {
  const answer = await plain(...asked);
  const path = String(asked[0].url || asked[0]);
  if (path.includes('/api/v1/chart/data')) {
    const form = JSON.parse((asked[1] || {}).body || '{}').form_data || {};
    const said = await answer.clone().json();
    window.answers.push({chart: form.slice_id || null, status: answer.status, said: said.errors || said.message || '',
      rows: (said.result || []).map(each => each.rowcount)});
  }
  return answer;
};
"""


@dataclass(frozen=True)
class Served:
    """A running Superset."""

    settings: Settings
    process: subprocess.Popen[str]
    url: str
    said: str


@pytest.fixture(scope="module")
def served(warehouse: Settings) -> Iterator[Served]:
    """Two releases with something in every table that a dashboard shows, and Superset on them."""
    empty_warehouse(warehouse)
    write_manifest(warehouse)
    put_up(warehouse, **rows("53236000"))
    put_up(warehouse, 1, **rows("53236001.5", "53236000"))
    port = postgres.free_port(set())
    process = subprocess.Popen(
        [sys.executable, "-m", "cityperf.cli", "superset", "serve", "--port", str(port)],
        env=os.environ
        | {"CITYPERF_HOME": str(warehouse.home), "CITYPERF_PROFILE": warehouse.profile, "PYTHONPATH": str(ROOT / "include")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    url, said = f"http://127.0.0.1:{port}", []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline and not answers(url):
            time.sleep(0.2)
        assert answers(url), ["".join(said), (warehouse.logs / "superset.log").read_text()[-3000:]]
        yield Served(warehouse, process, url, "".join(said))
    finally:
        process.terminate()
        process.wait(PATIENCE)
        empty_warehouse(warehouse)


def rows(ridership: str, before: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Tables of a release; `before` is the figure that the ridership had in the one before."""
    sound = sound_rows(1)
    month = {"period_start": date(2024, 1, 1)}
    city = {"geography_type": "city", "geography_code": "toronto", "period_grain": "month", **month}
    requests_ = figure("CS-311-01", month["period_start"], "9379")
    wards = [
        figure("CS-311-01", month["period_start"], value, geography_type="ward", geography_code=code)
        for code, (_, value) in WARDS.items()
    ]
    newest = [figure("2.05", month["period_start"], ridership, int(before is not None))]
    older = [figure("2.05", month["period_start"], before, latest=False)] if before else []
    tile = {
        **sound["scorecard"][1],
        **city,
        "name_en": "Ridership",
        "dimension": "service_delivery",
        "unit": "number",
    }
    share = {
        **sound["scorecard"][0],
        **city,
        "name_en": "Unemployment",
        "dimension": "quality_of_life",
        "unit": "percent",
    }
    return {
        "kpi": [
            {**each, "period_grain": "month"}
            for each in (*sound["kpi"], {**sound["kpi"][0], "kpi_id": "CS-311-01", "name_en": REQUESTS})
        ],
        "kpi_version": [
            *sound["kpi_version"],
            {"kpi_id": "CS-311-01", "kpi_version": 1, "is_current": True, "is_break": False},
        ],
        "kpi_value": [figure("1.02", month["period_start"], "0.06884"), requests_, *wards, *older, *newest],
        "geography": [
            {**sound["geography"][1], "geography_name": "City of Toronto"},
            *(
                {"geography_type": "ward", "geography_code": code, "geography_name": name}
                for code, (name, _) in WARDS.items()
            ),
        ],
        "scorecard": [
            {**tile, "decimals": 1, "value": ridership, "target_value": "52000000", "is_target_met": True},
            {**share, "decimals": 1, "value": "0.06884", "target_value": "0.0612", "is_target_met": False},
        ],
        "dimension_scorecard": [{**sound["dimension_scorecard"][0], "comparison": "headline"}],
        "quality_grade": [
            {"origin": "warehouse", "package": "dashboard_measures", "resource": "dashboard_measures",
             "division": "Transit", "score": "0.913", "grade": "Gold", "explanation_en": "Column names are unclear"},
        ],
        "restatement": [
            {"kpi_id": "2.05", **city, "vintage": NIGHT, "release_number": 2, "old_vintage": NIGHT, "cause": "revision",
             "old_value": before or "1", "new_value": ridership, "change": "1.5"},
        ],
    }  # fmt: skip


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=PATIENCE).ok  # it takes connections before it can answer
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def page(served: Served) -> Iterator[Any]:
    """A browser that is signed in with what the command printed."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with chromium() as browser:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
        resize(browser, 1600, 3_000)  # charts that nobody can see are not asked for
        browser.get(f"{served.url}/login/?next=/static/assets/images/favicon.png")  # no page to wait for
        wait = WebDriverWait(browser, PATIENCE)
        wait.until(lambda p: p.find_elements(By.ID, "username"))[0].send_keys("admin")
        [password] = re.findall(r"user admin, password (\S+)", served.said)
        browser.find_element(By.ID, "password").send_keys(password)
        browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda p: "/login" not in p.current_url)
        yield browser


SHOWN = {
    "city-scorecard": ("53,236,001.5", "6.9 %", "6.1 %", "favourable", "service_delivery"),
    "kpi-series": (REQUESTS, "9,379", "Spadina-Fort York (ward 10)", "478", "443.5", "Jan 2024"),
    "data-trust": ("dashboard_measures", "fresh", "Column names are unclear", "53,236,000", "53,236,001.5", "revision"),
}  # fmt: skip


@pytest.mark.parametrize("slug", SHOWN)
def test_a_dashboard_opens_with_every_chart_answered_and_the_releases_figures_on_it(
    served: Served, page: Any, query: Callable[..., list[tuple[Any, ...]]], slug: str, tmp_path: Path
) -> None:
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    path = superset.BUNDLE / "dashboards" / f"{slug.replace('-', '_')}.yaml"
    parts = yaml.safe_load(path.read_text("utf-8"))["position"].values()
    charts = sum(isinstance(part, dict) and part["type"] == "CHART" for part in parts)
    page.get_log("browser")
    page.get(f"{served.url}/superset/dashboard/{slug}/")

    def answered(browser: Any) -> list[dict[str, Any]]:
        heard = [each for each in browser.execute_script("return window.answers") if each["chart"]]
        busy = browser.find_elements(By.CSS_SELECTOR, "[data-test=loading-indicator]")
        return heard if len({each["chart"] for each in heard}) == charts and not busy else []

    heard = WebDriverWait(page, PATIENCE).until(answered)
    assert [each for each in heard if each["status"] != 200 or each["said"] or 0 in each["rows"]] == []

    [(number, night)] = query("select number, night from publish.release order by number desc limit 1")
    wanted = ("SAMPLE: invented figures", str(number), str(night), *SHOWN[slug])

    def missing(browser: Any) -> list[str]:
        text = browser.find_element(By.TAG_NAME, "body").text
        return [each for each in wanted if each not in text]

    with contextlib.suppress(TimeoutException):
        WebDriverWait(page, PATIENCE, 1).until(lambda browser: not missing(browser))
    assert missing(page) == []
    shoot(page, tmp_path / f"{slug}.png")
    assert page.find_elements(By.CSS_SELECTOR, "[role=alert], .ant-alert-error") == []

    # The one request to somebody else, built into its pages, is refused by our policy, and nothing else goes wrong.
    errors = [each["message"] for each in page.get_log("browser") if each["level"] == "SEVERE"]
    pixel = "gateway.scarf.sh"
    assert [e for e in errors if pixel not in e or "Content Security Policy" not in e] == []
    asked = page.execute_script(
        "return performance.getEntriesByType('resource').map(e => [e.name, e.responseStatus])"
    )
    assert {
        name.split("/")[2] for name, status in asked if not name.startswith(served.url) and status
    } == set()


def test_sql_lab_reads_and_cannot_write(page: Any) -> None:
    def run(sql: str) -> dict[str, Any]:
        found: dict[str, Any] = page.execute_async_script(
            """
            const [sql, done] = arguments;
            (async () => {
              const token = await (await fetch('/api/v1/security/csrf_token/')).json();
              const databases = await (await fetch('/api/v1/database/')).json();
              const answer = await fetch('/api/v1/sqllab/execute/', {
                method: 'POST', headers: {'Content-Type': 'application/json', 'X-CSRFToken': token.result},
                body: JSON.stringify({database_id: databases.result[0].id, sql, runAsync: false, schema: 'publish'}),
              });
              done({status: answer.status, said: await answer.json()});
            })();
            """,
            sql,
        )
        return found

    read = run("select value from publish.kpi_value where kpi_id = '2.05' and is_latest")
    assert read["status"] == 200 and float(read["said"]["data"][0]["value"]) == 53236001.5
    written = run("delete from publish.kpi_value")
    assert written["said"]["errors"][0]["error_type"] == "DML_NOT_ALLOWED_ERROR"
    inside = run("select * from ops.night")
    assert "permission denied for schema ops" in inside["said"]["errors"][0]["message"]


def test_it_is_alone_listens_on_the_loopback_only_and_stops_on_ctrl_c(served: Served) -> None:
    with pytest.raises(CityperfError, match="no Superset of profile sample to run, found one"):
        superset.serve(served.settings, postgres.free_port(set()), pytest.fail)
    parts = [psutil.Process(served.process.pid), *psutil.Process(served.process.pid).children()]
    listening = {
        each.laddr.ip
        for part in parts
        for each in part.net_connections()
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    served.process.send_signal(signal.SIGINT)
    served.process.wait(timeout=PATIENCE)
    assert not answers(served.url)


def test_another_start_takes_the_bundle_as_it_lies_and_leaves_peoples_work(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = served.settings.base / "superset" / "metadata.db"

    def known(what: str, table: str) -> set[Any]:
        with sqlite3.connect(metadata) as connection:
            return {value for (value,) in connection.execute(f"select {what} from {table}").fetchall()}

    charts = known("slice_name", "slices")
    assert known("slug", "dashboards") == set(SHOWN) and len(charts) == 21
    with sqlite3.connect(metadata) as connection:
        connection.execute(
            "insert into dashboards (dashboard_title, uuid, is_managed_externally, published, created_on, changed_on) "
            "values ('Mine', ?, 0, 0, datetime(), datetime())",
            (os.urandom(16),),
        )
    fewer = tmp_path / "bundle"
    subprocess.run(["cp", "-r", superset.BUNDLE, fewer], check=True)
    (fewer / "dashboards" / "data_trust.yaml").unlink()
    monkeypatch.setattr(superset, "BUNDLE", fewer)
    python = superset.environment(pytest.fail)  # it is there already
    superset.prepare(served.settings, python, tmp_path / "log")
    assert known("dashboard_title", "dashboards") == {
        "City scorecard",
        "One KPI over time and by area",
        "Mine",
    }
    assert known("slice_name", "slices") == charts
    for table in ("dbs", "ab_user"):
        assert len(known("id", table)) == 1
