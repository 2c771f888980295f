"""Dead man's switch: looks in the morning whether all that should have run did, and tells those who must know."""

from __future__ import annotations

import os

from airflow.sdk import dag, task
from cityperf.config import TORONTO, Settings
from cityperf.night import follows_the_clock
from cityperf_airflow import RETRY_POLICY, nightly, runbook

SCHEDULE = nightly("06:15") if follows_the_clock(os.environ.get("CITYPERF_PROFILE")) else None


@dag(
    schedule=SCHEDULE,
    catchup=False,
    max_active_runs=4,  # one that hangs must not keep the next morning's from looking
    is_paused_upon_creation=False,
    doc_md=runbook("alerts"),
    tags=["tier:1", "alerts"],
    default_args={
        "owner": "Performance Office",
        "retries": 1,
        "retry_delay": 30,
        "retry_policy": RETRY_POLICY,
    },
)
def dead_man() -> None:
    @task(pool="night")
    def check() -> list[str]:
        from datetime import datetime

        from cityperf import notify

        found = notify.check(Settings.from_env(), datetime.now(TORONTO))
        return [alert.message for alert in found.alerts if alert.kind == "dead_man"]

    check()


dead_man()
