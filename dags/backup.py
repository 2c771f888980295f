"""Backup: saves the profile every morning after the night, and restores it elsewhere on the first of the month to see."""

from __future__ import annotations

import os

from airflow.sdk import dag, task
from cityperf.config import Settings, tonight
from cityperf_airflow import RETRY_POLICY, nightly, runbook

SCHEDULE = nightly("07:00") if os.environ.get("CITYPERF_PROFILE") == "live" else None


@dag(
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=4,  # a second one ends at the lock of the folder and is tried again
    is_paused_upon_creation=False,
    doc_md=runbook("backup"),
    tags=["tier:1", "backup"],
    default_args={
        "owner": "Performance Office",
        "retries": 1,
        "retry_delay": 600,
        "retry_policy": RETRY_POLICY,
    },
)
def backup() -> None:
    @task(pool="night")
    def make() -> str:
        from cityperf import backup as backups

        settings = Settings.from_env()
        return str(backups.make(settings, backups.default_folder(settings), tonight()).folder)

    @task(pool="night")
    def drill(folder: str) -> str:
        from pathlib import Path

        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
        from cityperf import backup as backups

        if tonight().day != 1:
            raise AirflowSkipException("a drill is on the first of the month")
        found = backups.drill(Settings.from_env(), Path(folder), tonight())
        if not found.is_equal:
            raise AirflowFailException(found.found)
        return found.found

    drill(make())


backup()
