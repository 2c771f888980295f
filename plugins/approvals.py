"""The Airflow side of approvals: a question put to those who may answer it, and only to them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from cityperf.config import Settings

log = logging.getLogger(__name__)

APPROVE, REJECT = "Approve", "Reject"
TIME_TO_ANSWER = timedelta(hours=20)  # then it is a no, and the next night's candidate is near


class AskApprovers(HITLOperator):
    """Waits for a yes or a no to the held release `asked` (number, subject, body); no answer in time is a no.

    Asked are the approvers who have an account in Airflow, but for the change's own authors.
    """

    def __init__(self, *, asked: Any, **kwargs: Any) -> None:
        super().__init__(
            subject=asked["subject"],
            body=asked["body"],
            options=[APPROVE, REJECT],
            defaults=REJECT,
            params={"reason": Param("", type="string", description="Why; it is kept with the decision.")},
            response_timeout=TIME_TO_ANSWER,
            **kwargs,
        )
        self.number = asked["number"]

    template_fields = (*HITLOperator.template_fields, "number")

    def execute(self, context: Any) -> Any:
        from airflow.sdk.exceptions import AirflowFailException
        from cityperf.publish.approval import able

        people = able(Settings.from_env(), int(self.number))
        self.assigned_users = [{"id": each.airflow, "name": each.name} for each in people if each.airflow]
        if not self.assigned_users:
            raise AirflowFailException(
                f"expected an approver of release {self.number} with an account in Airflow, found none in "
                f"include/approvers.yml; decide in a terminal: ./cityperf release approve {self.number} --by NAME"
            )
        return super().execute(context)


def end_older(dag_id: str, run_id: str, task_id: str) -> None:
    """Skip the same question in earlier runs: what they ask about has been superseded."""
    from cityperf.stack import AirflowApi, ApiError

    api = AirflowApi(Settings.from_env(), patience=20)
    runs = f"/dags/{quote(dag_id)}/dagRuns"
    try:
        for run in api.get(runs, state="running")["dag_runs"]:
            if run["dag_run_id"] != run_id:
                api.patch(
                    f"{runs}/{quote(run['dag_run_id'])}/taskInstances/{task_id}", {"new_state": "skipped"}
                )
    except ApiError as problem:
        log.warning("older questions stay in Airflow until their time is over: %s", problem)
