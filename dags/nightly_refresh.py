"""Nightly refresh: waits for tonight's sources, or for 04:00, then rebuilds, checks and publishes."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import AsyncCallback, DeadlineAlert, TaskGroup, dag, task
from cityperf.config import Settings
from cityperf.night import follows_the_clock
from cityperf.transform import model_tree
from cityperf_airflow import (
    NIGHT_OPENED,
    RELEASE_HELD,
    RETRY_POLICY,
    DbtModel,
    ModelTasks,
    PublishedBy,
    WaitForSources,
    night_of,
    nightly,
    not_published,
    runbook,
)
from cityperf_operators import GateOperator, PublishOperator

SCHEDULE = nightly("02:00") if follows_the_clock(os.environ.get("CITYPERF_PROFILE")) else None


@dag(
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=runbook("nightly_refresh"),
    deadline=DeadlineAlert(
        PublishedBy("06:30"), timedelta(0), AsyncCallback(not_published), name="published by 06:30"
    ),
    tags=["tier:1", "nightly"],
    default_args={
        "owner": "Performance Office",
        "retries": 1,
        "retry_delay": 30,
        "retry_policy": RETRY_POLICY,
    },
)
def nightly_refresh() -> None:
    @task(pool="night", outlets=[NIGHT_OPENED])
    def open_night(logical_date=None, outlet_events=None) -> None:
        from cityperf import night

        night.open_night(Settings.from_env(), night_of(logical_date))
        outlet_events[NIGHT_OPENED].extra = {"night": night_of(logical_date).isoformat()}

    @task(pool="night")
    def freshness(logical_date=None) -> None:
        from cityperf.quality import check_freshness
        from cityperf.sources import nightly_contracts

        check_freshness(Settings.from_env(), night_of(logical_date), nightly_contracts())

    @task(pool="night")
    def transform(logical_date=None, dag_run=None) -> dict:
        from dataclasses import asdict

        from cityperf.transform import transform as run

        with ModelTasks(dag_run.dag_id, dag_run.run_id) as tasks:
            return asdict(run(Settings.from_env(), night_of(logical_date), tasks.tell))

    @task(pool="night", trigger_rule="all_done")
    def close_night(logical_date=None) -> str:
        from cityperf import night

        return night.close_night(Settings.from_env(), night_of(logical_date))

    @task(pool="night", outlets=[RELEASE_HELD])
    def ask_for_approval(logical_date=None, outlet_events=None) -> None:
        from airflow.sdk.exceptions import AirflowSkipException
        from cityperf import night

        number = night.waiting_for_approval(Settings.from_env(), night_of(logical_date))
        if number is None:
            raise AirflowSkipException("no release of this night waits for an approval")
        outlet_events[RELEASE_HELD].extra = {"number": number}

    waiting = WaitForSources(task_id="wait_for_sources", pool="night")
    built = transform()
    open_night() >> waiting >> freshness() >> built
    with TaskGroup("models"):
        for layer, models in model_tree().items():
            with TaskGroup(layer):
                for model in models:
                    built >> DbtModel(model=model, pool="models")
    gate = GateOperator(task_id="quality_gate", built=built)
    gate >> PublishOperator(task_id="publish") >> close_night() >> ask_for_approval()


nightly_refresh()
