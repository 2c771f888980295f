"""Policies that every DAG keeps: who owns it, how much it matters, where its runbook is, what is retried and where."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_every_contract_has_a_dag_and_there_is_one_night(dags: dict[str, Any]) -> None:
    from cityperf.sources import load_contracts

    assert set(dags) == {f"source__{name}" for name in load_contracts()} | {
        "nightly_refresh",
        "approve_release",
        "backfill",
        "dead_man",
        "push_release",
        "backup",
    }


def test_only_the_night_and_the_look_whether_it_ran_follow_the_clock(dags: dict[str, Any]) -> None:
    timed = [name for name, dag in dags.items() if "Cron" in type(dag.timetable).__name__]
    assert sorted(timed) == ["dead_man", "nightly_refresh"]


def test_every_dag_has_an_owner_a_tier_and_documentation(dags: dict[str, Any]) -> None:
    for name, dag in dags.items():
        assert dag.doc_md and len(dag.doc_md) > 100, name
        assert any(tag.startswith("tier:") for tag in dag.tags), name
        assert dag.owner and "airflow" not in dag.owner.split(", "), name
        assert dag.max_active_runs == (1 if name == "nightly_refresh" else 4), name
        assert dag.catchup is False, name


def test_every_task_has_a_pool_and_work_tasks_are_retried_by_class(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert task.pool in {"sources", "load", "night", "models"}, task.task_id
            if not task.start_from_trigger:
                assert task.retries >= 1, task.task_id
                assert task.retry_policy is not None, task.task_id


def test_the_night_knows_how_often_a_load_is_tried(dags: dict[str, Any]) -> None:
    from cityperf.night import LOAD_ATTEMPTS

    tried = {dag.get_task("load").retries + 1 for name, dag in dags.items() if name.startswith("source__")}
    assert tried == {LOAD_ATTEMPTS}


def test_every_dbt_model_shows_as_a_task_of_its_own(dags: dict[str, Any]) -> None:
    models = {path.stem for path in (ROOT / "dbt_project" / "models").rglob("*.sql")}
    shown = {
        task.task_id.rsplit(".", 1)[-1]
        for task in dags["nightly_refresh"].tasks
        if task.task_id.startswith("models.")
    }
    assert shown == models


def test_dag_files_do_no_work_and_load_nothing_heavy_at_import() -> None:
    """Great Expectations, dbt, pandas and a database connection belong inside tasks."""
    probe = textwrap.dedent(
        """
        import sys
        sys.path[:0] = ["plugins", "include"]
        import psycopg
        def refuse(*a, **k): raise AssertionError("a DAG file opened a database connection")
        psycopg.connect = refuse
        import runpy
        for name in ("sources", "nightly_refresh", "approve_release", "backfill", "dead_man", "push_release", "backup"):
            runpy.run_path(f"dags/{name}.py")
        heavy = [m for m in ("great_expectations", "dbt", "pandas", "pyarrow", "requests_mock") if m in sys.modules]
        assert not heavy, heavy
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_dag_files_stay_short() -> None:
    for path in (ROOT / "dags").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 150, path.name


def test_import_of_the_dag_folder_takes_no_time_worth_mentioning(dags: dict[str, Any]) -> None:
    """Not a benchmark (that is tests/benchmarks/bench_dags.py with 50 sources); it catches a parse that hangs."""
    from airflow.dag_processing.dagbag import DagBag

    began = time.monotonic()
    DagBag(ROOT / "dags")
    assert time.monotonic() - began < 20


def test_only_a_held_release_asks_and_only_approvers_are_asked(dags: dict[str, Any]) -> None:
    from cityperf_airflow import RELEASE_HELD

    asking = dags["approve_release"]
    assert [each.uri for each in asking.timetable.asset_condition.objects] == [RELEASE_HELD.uri]
    decide = asking.get_task("decide")
    assert type(decide).__name__ == "AskApprovers"
    assert decide.upstream_task_ids == {"ask"} and decide.downstream_task_ids == {"carry_out"}
    night = dags["nightly_refresh"].get_task("ask_for_approval")
    assert [outlet.uri for outlet in night.outlets] == [RELEASE_HELD.uri]
    assert night.upstream_task_ids == {"close_night"}


def test_no_answer_in_time_means_no_and_is_over_before_the_next_night(dags: dict[str, Any]) -> None:
    decide = dags["approve_release"].get_task("decide")
    assert decide.defaults == ["Reject"]
    assert timedelta(hours=8) <= decide.response_timeout < timedelta(days=1)


def test_the_night_of_a_run_is_a_plain_date(dags: dict[str, Any]) -> None:
    """Airflow's moments are pendulum's, whose dates cannot be written into a ticket."""
    from datetime import date

    import pendulum
    from cityperf_airflow import night_of

    night = night_of(pendulum.datetime(2026, 11, 14, 4, 30, tz="UTC"))
    assert type(night) is date and night == date(2026, 11, 13)


@pytest.mark.parametrize(
    ("started", "due"),
    [
        ("2026-07-14T06:00Z", "2026-07-14T10:30Z"),
        ("2026-01-14T07:00Z", "2026-01-14T11:30Z"),
        ("2026-03-08T07:00Z", "2026-03-08T10:30Z"),  # the night that has no 02:00 begins at 03:00
        ("2026-11-01T07:00Z", "2026-11-01T11:30Z"),  # clocks were put back an hour before
    ],
)
def test_the_night_promises_to_be_out_by_half_past_six_all_year(
    dags: dict[str, Any], started: str, due: str
) -> None:
    (promise,) = dags["nightly_refresh"].deadline
    begun = datetime.fromisoformat(started.replace("Z", "+00:00"))
    assert promise.reference.due(begun) == datetime.fromisoformat(due.replace("Z", "+00:00"))
    assert promise.interval == timedelta(0)
    assert promise.callback.path == "cityperf_airflow.not_published"
