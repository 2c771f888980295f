"""Push the release: brings the portals of include/destinations.yml to the release that is up, whoever put it there."""

from __future__ import annotations

import os

from airflow.sdk import dag, task
from cityperf.config import Settings
from cityperf_airflow import RETRY_POLICY, nightly, runbook

SCHEDULE = nightly("06:30") if os.environ.get("CITYPERF_PROFILE") == "live" else None


@dag(
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=4,  # a second one ends at the lock of its portal and is tried again
    is_paused_upon_creation=False,
    doc_md=runbook("destinations"),
    tags=["tier:2", "release"],
    default_args={
        "owner": "Performance Office",
        "retries": 2,
        "retry_delay": 600,
        "retry_policy": RETRY_POLICY,
    },
)
def push_release() -> None:
    @task(pool="night")
    def push() -> list[dict]:
        from dataclasses import asdict

        from airflow.sdk.exceptions import AirflowSkipException
        from cityperf.publish.ckan import push, read_destinations

        places = read_destinations()
        if not places:
            raise AirflowSkipException("include/destinations.yml names no portal: nothing leaves")
        return [asdict(push(Settings.from_env(), place)) for place in places]

    push()


push_release()
