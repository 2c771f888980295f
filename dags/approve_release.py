"""Approve a release: a held candidate asks those who may decide, waits for a yes or a no, and carries it out."""

from __future__ import annotations

from airflow.sdk import dag, task
from approvals import APPROVE, AskApprovers, end_older
from cityperf.config import Settings, tonight
from cityperf_airflow import RELEASE_HELD, RETRY_POLICY, runbook


@dag(
    schedule=[RELEASE_HELD],
    catchup=False,
    max_active_runs=4,  # a newer candidate must not wait behind the question that it supersedes
    is_paused_upon_creation=False,
    doc_md=runbook("release"),
    tags=["tier:1", "release"],
    default_args={
        "owner": "Performance Office",
        "retries": 1,
        "retry_delay": 30,
        "retry_policy": RETRY_POLICY,
    },
)
def approve_release() -> None:
    @task(pool="night")
    def ask(triggering_asset_events=None, dag_run=None) -> dict:
        from cityperf.publish import approval

        end_older(dag_run.dag_id, dag_run.run_id, "decide")
        number = triggering_asset_events[RELEASE_HELD][-1].extra["number"]
        return approval.question(Settings.from_env(), number)

    @task(pool="night")
    def carry_out(asked: dict, answered: dict) -> str:
        from airflow.sdk.exceptions import AirflowSkipException
        from cityperf.publish import approval

        person = answered["responded_by_user"]
        said = "approved" if APPROVE in answered["chosen_options"] else "rejected"
        try:
            return approval.answer(
                Settings.from_env(),
                asked["number"],
                by=person["id"] if person else None,
                decision=said if person else "timed_out",
                reason=answered["params_input"].get("reason"),
                on=tonight(),
            )
        except approval.NothingAsked as closed:
            raise AirflowSkipException(str(closed)) from closed

    asked = ask()
    decided = AskApprovers(task_id="decide", asked=asked, pool="night")
    carry_out(asked, decided.output)


approve_release()
