"""The Airflow side of cityperf: policies that DAGs share, tasks that wait or watch without a worker, a Warehouse page.

No business logic: every decision is a call into `cityperf`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import (
    Asset,
    BaseOperator,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)
from airflow.triggers.base import (
    BaseTrigger,
    StartTriggerArgs,
    TaskFailedEvent,
    TaskSkippedEvent,
    TaskSuccessEvent,
    TriggerEvent,
)
from cityperf.config import ROOT, TORONTO, Settings

NIGHT_OPENED = Asset("cityperf://night/opened")
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
    """The Toronto date of a logical date."""
    return moment.astimezone(TORONTO).date()


# -- tasks that live in the triggerer ------------------------------------------------------------------------


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


class _ModelStates:
    """One poll a second for all waiting model tasks of a night, however many there are."""

    seen: dict[str, dict[str, tuple[str, str | None]]]

    def __init__(self) -> None:
        self.seen, self._at, self._lock = {}, {}, asyncio.Lock()  # type: ignore[var-annotated]

    async def of(self, night: str, model: str) -> tuple[str, str | None] | None:
        async with self._lock:
            if time.monotonic() - self._at.get(night, 0.0) > 0.7:
                self.seen[night] = await asyncio.to_thread(self._read, night)
                self._at[night] = time.monotonic()
        states = self.seen[night]
        whole = states.get("*")
        mine = states.get(model)
        if mine and mine[0] in ("success", "error", "skipped"):
            return mine
        if whole and whole[0] in ("success", "error"):
            return ("error", f"dbt ended before this model: {whole[1] or whole[0]}")
        return None

    @staticmethod
    def _read(night: str) -> dict[str, tuple[str, str | None]]:
        from cityperf.db import connect

        with connect(Settings.from_env(), "transformer") as connection:
            rows = connection.execute(
                "select model, state, message from ops.model_run where night = %s", (night,)
            )
            return {model: (state, message) for model, state, message in rows}


class ModelTrigger(BaseTrigger):
    """Ends a model's task with the state that dbt reported for it."""

    states: _ModelStates | None = None

    def __init__(self, night: str, model: str) -> None:
        super().__init__()
        self.night, self.model = night, model

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{__name__}.ModelTrigger", {"night": self.night, "model": self.model}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        if ModelTrigger.states is None:
            ModelTrigger.states = _ModelStates()
        while True:
            found = await ModelTrigger.states.of(self.night, self.model)
            if found is not None:
                break
            await asyncio.sleep(0.8)
        state, message = found
        self.log.info("%s: %s %s", self.model, state, message or "")
        yield {"success": TaskSuccessEvent, "skipped": TaskSkippedEvent}.get(state, TaskFailedEvent)()


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


class DbtModel(_TriggererTask):
    """Shows one dbt model's state as a task of its own."""

    ui_color = "#f2e9dc"
    template_fields = ("night",)

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(task_id=model, **kwargs)
        self.model, self.night = model, NIGHT
        self._starts_with(ModelTrigger, timedelta(hours=2), night=NIGHT, model=model)


def _pages() -> list[dict[str, Any]]:
    """Pages for the API server alone: no other part should pay for importing its framework."""
    if "api-server" not in sys.argv:
        return []
    from warehouse_page import make_app

    return [{"app": make_app(), "url_prefix": "/warehouse", "name": "Warehouse"}]


class CityperfPlugin(AirflowPlugin):
    name = "cityperf"
    fastapi_apps = _pages()
    external_views = [  # noqa: RUF012  # Airflow's own plugin interface
        {"name": "Warehouse", "href": "/warehouse/", "destination": "nav", "url_route": "warehouse"}
    ]
