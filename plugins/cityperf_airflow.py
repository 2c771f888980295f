"""The Airflow side of cityperf: policies that DAGs share, waiting without a worker, a task a model, a Warehouse page.

No business logic: every decision is a call into `cityperf`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import (
    Asset,
    BaseOperator,
    BaseOperatorLink,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)
from airflow.sdk.definitions.deadline import BaseDeadlineReference
from airflow.triggers.base import (
    BaseTrigger,
    StartTriggerArgs,
    TaskSuccessEvent,
    TriggerEvent,
)
from cityperf.config import ROOT, TORONTO, Settings

log = logging.getLogger(__name__)

MODEL_STATES = "/model_states"
NIGHT_OPENED = Asset("cityperf://night/opened")
RELEASE_HELD = Asset("cityperf://release/held")
NIGHT = "{{ dag_run.logical_date.astimezone(macros.dateutil.tz.gettz('America/Toronto')).date() }}"

# What will be the same tomorrow is not tried again tonight; what may pass is.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["cityperf.errors.SourceRefused", "cityperf.errors.FileQuarantined"],
            action=RetryAction.FAIL,
            reason="the source sent something that breaks its contract; sending it again will not mend it",
        ),
        RetryRule(
            exception="cityperf.errors.SourceUnavailable",
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=10),
            reason="the source could not be reached",
        ),
        RetryRule(
            exception=[
                "cityperf.transform.TransformFailed",
                "cityperf.errors.GateClosed",
                "cityperf.errors.NightFailed",
                "cityperf.publish.approvers.NotAllowed",
            ],
            action=RetryAction.FAIL,
            reason="the same inputs would fail the same way",
        ),
    ]
)


def raw_asset(dataset: str) -> Asset:
    """The raw table of a data set, for lineage in the Airflow UI."""
    return Asset(f"cityperf://raw/{dataset}")


def nightly(at: str) -> CronTriggerTimetable:
    """Every night at wall time `at` (HH:MM) in Toronto; a new installation starts with the next night."""
    hour, minute = at.split(":")
    return CronTriggerTimetable(f"{int(minute)} {int(hour)} * * *", timezone="America/Toronto")


def runbook(name: str) -> str:
    """A runbook's text, shown as the DAG's documentation."""
    return (ROOT / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8")


def night_of(moment: Any) -> date:
    """The Toronto date of a logical date: a plain one, for Airflow's own kind is nothing that YAML knows to write."""
    there = moment.astimezone(TORONTO)
    return date(there.year, there.month, there.day)


# -- a promise about time ---------------------------------------------------------------------------------------


class PublishedBy(BaseDeadlineReference):
    """A wall time (HH:MM) in Toronto, on the morning of a run's night. Only runs that the clock started promise it: who
    asks for a night by hand, by day or for a day long past, looks at it himself.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def __init__(self, at: str) -> None:
        self.at = at

    def serialize_reference(self) -> dict[str, Any]:
        return {"reference_type": self.reference_name, "at": self.at}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> PublishedBy:
        return cls(reference_data["at"])

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        return self.due(run.logical_date) if run and run.run_type == "scheduled" else None

    def due(self, moment: datetime) -> datetime:
        """When the run of this logical date should have published."""
        return datetime.combine(night_of(moment), time.fromisoformat(self.at), TORONTO)


async def not_published(**_: Any) -> None:
    """Looks how the night stands, and tells those who must know: what Airflow calls when the time of a promise has come."""
    from cityperf import notify

    await asyncio.to_thread(notify.check, Settings.from_env(), datetime.now(TORONTO))


# -- a task that lives in the triggerer ----------------------------------------------------------------------


class SourcesTrigger(BaseTrigger):
    """Fires when tonight's sources are in, or when the night may go on without the rest."""

    def __init__(self, night: str) -> None:
        super().__init__()
        self.night = night

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.SourcesTrigger", {"night": self.night}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from cityperf import night

        seen = await asyncio.to_thread(night.wait, Settings.from_env(), date.fromisoformat(self.night))
        self.log.info("going on; sources: %s", seen.states)
        yield TaskSuccessEvent()


class _TriggererTask(BaseOperator):
    """A task that starts and ends in the triggerer: it costs no worker and no process."""

    start_from_trigger = True

    def _starts_with(self, trigger: type[BaseTrigger], timeout: timedelta, **kwargs: Any) -> None:
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{trigger.__module__}.{trigger.__name__}",
            trigger_kwargs=kwargs,
            next_method="execute_complete",
            next_kwargs=None,
            timeout=timeout,
        )

    def execute(self, context: Any) -> None:
        raise RuntimeError(f"{self.task_id} runs in the triggerer; is the triggerer up?")

    def execute_complete(self, context: Any, event: Any = None) -> None:
        return None


class WaitForSources(_TriggererTask):
    """Waits for tonight's sources or for the deadline, whichever is first."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.night = NIGHT
        self._starts_with(SourcesTrigger, timedelta(hours=4), night=NIGHT)

    template_fields = ("night",)


# -- a task for each dbt model -------------------------------------------------------------------------------


class DbtModel(BaseOperator):
    """Shows one dbt model's state as a task of its own.

    It stands behind `transform`, which sets its state through `ModelTasks` while dbt runs, so that as a rule it never
    runs. What could not be told (Airflow's API was away) it looks up itself.
    """

    ui_color = "#f2e9dc"

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(task_id=model, **kwargs)
        self.model = model

    def execute(self, context: Any) -> None:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
        from cityperf.transform import model_state

        state, message = model_state(Settings.from_env(), night_of(context["logical_date"]), self.model)
        if state == "skipped":
            raise AirflowSkipException(message)
        if state != "success":
            raise AirflowFailException(message or f"dbt left this model {state}")


class ModelTasks:
    """Sets the tasks of a run's models to the states that dbt reports, once a second, through the API server.

    Use it as a context: leaving it tells what is still untold. What the API server does not take is logged and left to
    the tasks themselves.
    """

    STATES = MappingProxyType({"success": "success", "skipped": "skipped", "error": "failed"})

    def __init__(self, dag_id: str, run_id: str) -> None:
        from cityperf.stack import AirflowApi
        from cityperf.transform import model_tree

        self._path = f"/{quote(dag_id)}/{quote(run_id)}"
        self._api = AirflowApi(Settings.from_env(), patience=20, root=MODEL_STATES)
        self._task = {m: f"models.{layer}.{m}" for layer, models in model_tree().items() for m in models}
        self._untold: dict[str, dict[str, Any]] = {}
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-tasks", daemon=True)

    def __enter__(self) -> ModelTasks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def tell(self, model: str, state: str, message: str | None, seconds: float | None) -> None:
        """Notes one model's state; returns at once. States on the way (planned, running) are not shown."""
        if state in self.STATES and model in self._task:
            told = {"state": self.STATES[state], "note": (message or "")[:1000], "seconds": seconds or 0.0}
            with self._lock:
                self._untold[self._task[model]] = told

    def _run(self) -> None:
        while not self._end.wait(1.0):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        from cityperf.stack import ApiError

        with self._lock:
            told, self._untold = self._untold, {}
        if told:
            try:
                self._api.patch(self._path, told)
            except ApiError as problem:
                log.warning("the tasks of models look up their states themselves: %s", problem)


class DataLink(BaseOperatorLink):
    """From a task to what it did to the data: a data set's checks, else how the warehouse stands."""

    name = "Data and checks"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        dataset = str(ti_key.dag_id).removeprefix("source__")
        return f"/warehouse/checks/landing.{dataset}" if dataset != ti_key.dag_id else "/warehouse/"


def _pages() -> list[dict[str, Any]]:
    """Pages for the API server alone: no other part should pay for importing its framework."""
    if "api-server" not in sys.argv:
        return []
    import model_states
    import warehouse_page

    return [
        {"app": warehouse_page.make_app(), "url_prefix": "/warehouse", "name": "Warehouse"},
        {"app": model_states.make_app(), "url_prefix": MODEL_STATES, "name": "Model states"},
    ]


class CityperfPlugin(AirflowPlugin):
    name = "cityperf"
    deadline_references = [PublishedBy]  # noqa: RUF012  # Airflow's own plugin interface
    global_operator_extra_links = [DataLink()]  # noqa: RUF012  # likewise
    fastapi_apps = _pages()
    external_views = [  # noqa: RUF012  # Airflow's own plugin interface
        {"name": "Warehouse", "href": "/warehouse/", "destination": "nav", "url_route": "warehouse"}
    ]
