"""Three nights of the sample: a first one, the same again, and the next."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.stack import AirflowApi
from cityperf.transform import model_tree

from tests.e2e.conftest import FIRST_NIGHT, Home, Released, states
from tests.e2e.dashboard import dashboard

NIGHT, NEXT = FIRST_NIGHT, "2026-11-13"


def tree_hash(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def home(released: Released) -> Home:
    return released.home


@pytest.fixture(scope="module")
def first(released: Released) -> dict[str, Any]:
    return released.summary


@pytest.fixture(scope="module")
def again(home: Home, first: dict[str, Any], shown_first: dict[str, dict[str, Any]]) -> dict[str, Any]:
    before = tree_hash(home.base / "releases" / "1")
    landed = home.one("select count(*), max(file_id) from ops.landed_file", role="loader")
    batches = home.one("select count(*) from ops.batch", role="loader")
    code, (summary,) = home.refresh("--night", NIGHT)
    assert code == 0, summary
    summary["same_files"] = before == tree_hash(home.base / "releases" / "1")
    summary["same_landing"] = landed == home.one(
        "select count(*), max(file_id) from ops.landed_file", role="loader"
    )
    summary["tasks"] = model_tasks(home)
    summary["same_batches"] = batches == home.one("select count(*) from ops.batch", role="loader")
    return summary


@pytest.fixture(scope="module")
def tomorrow(home: Home, again: dict[str, Any]) -> dict[str, Any]:
    code, (summary,) = home.refresh("--night", NEXT)
    assert (code, summary["state"]) == (0, "released"), summary
    return summary


def test_every_source_is_loaded_on_the_first_night(first: dict[str, Any]) -> None:
    assert set(states(first).values()) == {"loaded"}
    assert all(source["rows_in"] > 0 for source in first["sources"])
    assert first["release"] == 1


def test_every_dimension_has_kpis_and_every_check_ran(home: Home, first: dict[str, Any]) -> None:
    assert len({row["dimension"] for row in first["kpis"]}) == 5
    assert first["checks"]["fail"] == 0
    borders = {b for (b,) in home.query("select distinct border from ops.check_result", role="loader")}
    assert borders == {"landing", "freshness", "transform", "publish"}


def model_tasks(home: Home) -> dict[str, dict[str, Any]]:
    """Model → its task in the newest run, as Airflow's API tells it."""
    api = AirflowApi(Settings(profile="sample", home=home.path))
    (run,) = api.get("/dags/nightly_refresh/dagRuns", order_by="-run_after", limit=1)["dag_runs"]
    path = f"/dags/nightly_refresh/dagRuns/{run['dag_run_id']}/taskInstances"
    found: dict[str, dict[str, Any]] = {}
    while page := api.get(path, pool="models", limit=100, offset=len(found))["task_instances"]:
        found |= {task["task_id"].rsplit(".", 1)[-1]: task for task in page}
    return found


@pytest.fixture(scope="module")
def shown_first(home: Home, first: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return model_tasks(home)


def test_the_airflow_run_shows_every_model(
    home: Home, first: dict[str, Any], shown_first: dict[str, dict[str, Any]]
) -> None:
    """Each has its task, set by `transform`: its state, dbt's words, and dbt's seconds as its duration."""
    models = {model for layer in model_tree().values() for model in layer}
    assert set(shown_first) == models
    assert {task["state"] for task in shown_first.values()} == {"success"}
    assert all(task["hostname"] == "" for task in shown_first.values()), "no worker ran them"
    took = dict(
        home.query("select model, seconds::float8 from ops.model_run where state = 'success'", role="loader")
    )
    assert all(abs(task["duration"] - took[model]) < 0.01 for model, task in shown_first.items())
    assert shown_first["kpi_value"]["note"].startswith("INSERT 0 ")


def test_readers_see_documented_tables_and_nothing_else(home: Home, first: dict[str, Any]) -> None:
    tables = {t for (t,) in home.query("select table_name from publish.catalogue")}
    there = {t for (t,) in home.query("select tablename from pg_tables where schemaname = 'publish'")}
    assert tables == there
    assert {
        "kpi",
        "kpi_version",
        "balanced_scorecard",
        "kpi_value",
        "kpi_comparison",
        "kpi_signal",
        "kpi_assessment",
        "scorecard",
        "benchmark",
        "report_card",
        "commitment",
    } <= tables
    for name, query in home.query("select table_name, example_query from publish.catalogue"):
        assert home.query(query) is not None, name
    undocumented = home.query(
        "select c.table_name, c.column_name from information_schema.columns as c where c.table_schema = 'publish' "
        "and col_description((c.table_schema || '.' || c.table_name)::regclass, c.ordinal_position) is null"
    )
    assert undocumented == []


def test_the_sample_says_sample_everywhere(home: Home, first: dict[str, Any]) -> None:
    for table, comment in home.query(
        "select relname, obj_description(oid) from pg_class where relnamespace = 'publish'::regnamespace and relkind = 'r'"
    ):
        assert "SAMPLE" in (comment or ""), table
    package = json.loads((home.base / "releases" / "current" / "datapackage.json").read_text())
    assert "SAMPLE" in package["title"]


def test_the_same_night_again_does_nothing(again: dict[str, Any]) -> None:
    assert again["state"] == "unchanged"
    assert again["release"] == 1
    assert set(states(again).values()) == {"unchanged"}
    assert again["models"].get("success", 0) == 0
    assert {task["state"] for task in again["tasks"].values()} == {"skipped"}
    assert again["same_files"] and again["same_landing"] and again["same_batches"]


def test_the_next_night_restates_and_keeps_what_was_known(home: Home, tomorrow: dict[str, Any]) -> None:
    assert tomorrow["release"] == 2
    vintages = [str(v) for (v,) in home.query("select distinct vintage from publish.kpi_value order by 1")]
    assert vintages == [NIGHT, NEXT]
    revised = home.one(
        "select count(*) from publish.kpi_value as new join publish.kpi_value as old "
        "using (kpi_id, geography_type, geography_code, period_start) where new.vintage > old.vintage"
    )
    assert revised[0] > 0
    figures = "kpi_id, geography_type, geography_code, period_start, old_value, new_value"
    recorded = home.query(
        f"select {figures} from ops.restatement where number = 2 order by 1, 2, 3, 4", role="publisher"
    )
    shown = home.query(
        f"select {figures} from publish.restatement where release_number = 2 order by 1, 2, 3, 4"
    )
    assert shown == recorded and shown
    seen = home.query("select vintage::text, release_number from publish.vintage order by 1")
    assert seen == [(NIGHT, 1), (NEXT, 2)]
    assert "unchanged" in states(tomorrow).values()


def test_the_dashboard_of_the_next_night_tells_what_changed_and_what_was_restated(
    home: Home, tomorrow: dict[str, Any]
) -> None:
    came = home.one(
        "select sum(figures_new), sum(figures_changed), sum(figures_withdrawn) from publish.vintage where vintage > %s",
        NIGHT,
    )
    restated = home.query(
        "select distinct kpi_id from publish.restatement where release_number = 2 and geography_type = 'city' order by 1"
    )
    kpi_id, period, old, new, decimals = home.one(
        "select r.kpi_id, r.period_start::text, r.old_value, r.new_value, k.decimals from publish.restatement as r "
        "join publish.kpi as k using (kpi_id) where r.release_number = 2 and r.geography_type = 'city' "
        "and k.unit = 'number' and r.new_value > 1000 order by r.kpi_id, r.period_start desc limit 1"
    )
    with dashboard(home) as site:
        assert (site.as_of("number"), site.notices()) == ("2", {})
        first_page = site.text("en/index.html")
        assert "What changed since release 1 of 12 November 2026" in first_page
        assert "Figures: {:,} new, {:,} changed, {:,} withdrawn.".format(*map(int, came)) in first_page
        assert "restated. The first figure" in first_page
        count = home.one("select count(*) from publish.restatement where release_number = 2")[0]
        assert site.as_of("restated").startswith(f"{count:,}")
        shown = site.rows("en/restatements.html", "restatement")
        assert {row[0] for row in shown} >= {kpi for (kpi,) in restated}
        page = site.text(f"en/kpi/{kpi_id}.html")
        assert f"{old:,.{decimals}f}" in page and f"{new:,.{decimals}f}" in page, (kpi_id, period)
        assert "Ce qui a changé depuis la publication 1 du 12 novembre 2026" in site.text("fr/index.html")


def test_an_edition_keeps_its_figures_and_shows_what_the_next_night_restated(
    home: Home, tomorrow: dict[str, Any]
) -> None:
    editions = home.query(
        "select release_number, kpis > 0, figures <= kpis from publish.report_edition order by 1"
    )
    assert editions == [(1, True, True), (2, True, True)], "the second is of the second night's date"
    untrue = home.query(
        "select f.edition_id, f.kpi_id, r.cause, f.restatement_cause from publish.report_edition_figure as f "
        "join publish.restatement as r using (kpi_id, geography_type, geography_code, period_grain, period_start) "
        "join publish.report_edition as e using (edition_id) "
        "where e.release_number = 1 and r.release_number = 2 "
        "and (f.value, f.latest_value, f.restatement_cause, f.restated_in_release) "
        "is distinct from (r.old_value, r.new_value, r.cause, 2)"
    )
    assert untrue == []


def test_a_number_walks_back_to_its_landed_file(home: Home, tomorrow: dict[str, Any]) -> None:
    done = home.cityperf("kpi", "trace", "2.05", "--json")
    assert done.returncode == 0, done.stderr
    traced = json.loads(done.stdout)
    shas = [f["sha256"] for f in traced["files"]]
    assert shas
    for sha in shas:
        stored = home.base / "landing" / sha[:2] / sha
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha


def test_listings_speak_json(home: Home, tomorrow: dict[str, Any]) -> None:
    for command in (("status",), ("kpi", "list"), ("release", "list"), ("source", "list")):
        done = home.cityperf(*command, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def test_the_reader_can_neither_write_nor_look_behind(home: Home, first: dict[str, Any]) -> None:
    import psycopg

    for statement in (
        "select count(*) from raw.dashboard_measures",
        "select count(*) from ops.release",
        "create table publish.mine (a int)",
        "delete from publish.kpi",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
            home.query(statement)


def test_people_see_the_night_in_a_real_browser(home: Home, first: dict[str, Any]) -> None:
    """The Airflow UI shows the night's steps and the Warehouse page shows the release, once somebody signed in."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.browser.pages import chromium, sign_in

    ports = json.loads((home.base / "run" / "ports.json").read_text())
    password = json.loads((home.path / "secrets.json").read_text())["airflow_admin"]
    url = f"http://127.0.0.1:{ports['airflow']}"
    with chromium() as page:
        page.get(f"{url}/warehouse/")
        assert "Release" not in page.find_element(By.TAG_NAME, "body").text
        sign_in(page, url, password)
        page.get(f"{url}/warehouse/")
        text = page.find_element(By.TAG_NAME, "body").text
        assert "is up" in text
        assert "service_requests_311" in text
        page.get(f"{url}/dags/nightly_refresh")
        wanted = ("open_night", "wait_for_sources", "models", "quality_gate", "publish")
        WebDriverWait(page, 60).until(
            lambda p: all(word in p.find_element(By.TAG_NAME, "body").text for word in wanted)
        )
