"""Backfill: deliveries of a range of periods or nights are read again from landing, each in a task of its own."""

from __future__ import annotations

from airflow.sdk import Param, dag, task
from cityperf.config import Settings
from cityperf_airflow import RETRY_POLICY, runbook


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=4,
    is_paused_upon_creation=False,
    doc_md=runbook("backfill"),
    tags=["tier:2", "backfill"],
    params={
        "dataset": Param("", type="string", description="Name of the data set."),
        "period": Param(None, type=["null", "string"], description="2023, 2023-01 or 2023-01:2023-06"),
        "nights": Param(None, type=["null", "string"], description="2026-11-01:2026-11-20"),
        "fetch": Param(False, type="boolean", description="Visit the source first."),
        "night": Param(
            None,
            type=["null", "string"],
            description="Toronto date of the backfill; the day it was asked for.",
        ),
    },
    default_args={"owner": "Performance Office", "retries": 2, "retry_policy": RETRY_POLICY},
)
def backfill() -> None:
    @task(pool="sources", retry_delay=60)
    def choose(params=None, dag_run=None) -> list[dict]:
        from cityperf.load.backfill import choose as chosen
        from cityperf_airflow import night_of

        asked = {**params, "night": params["night"] or night_of(dag_run.run_after).isoformat()}
        return chosen(Settings.from_env(), **asked)

    @task(pool="load", retry_delay=10, map_index_template="{{ label }}")
    def reload(asked: dict) -> dict:
        from airflow.sdk import get_current_context
        from cityperf.load.backfill import reload_chosen

        get_current_context()["label"] = asked["label"]
        return reload_chosen(Settings.from_env(), asked)

    reload.expand(asked=choose())


backfill()
