"""Land, load, gate and publish as operators: for DAGs of one's own, and for those of this project.

Each makes one call into `cityperf`, gives the same result when it is run again for the same night, and leaves errors to
RETRY_POLICY. What they take and give is in plugins/README.md, with a DAG to begin with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.notifier import BaseNotifier
from cityperf.config import TORONTO, Settings
from cityperf_airflow import NIGHT, RETRY_POLICY, raw_asset

# The night that an asset event opened, for a DAG that such an event starts.
NIGHT_OF_EVENT = "{{ (triggering_asset_events.values() | first | last).extra.night }}"


class _NightOperator(BaseOperator):
    """Works for one night: by default the Toronto date of the run; `night` takes a template or an ISO date."""

    template_fields: Sequence[str] = ("night",)

    def __init__(self, *, night: str = NIGHT, retry_policy: Any = RETRY_POLICY, **kwargs: Any) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.night = night

    def day(self) -> date:
        return date.fromisoformat(self.night)


class LandOperator(_NightOperator):
    """Visit a data set's source and land what is new, byte for byte; gives the lots for LoadOperator, which may be none.

    `dataset`: the name of a contract. Raises SourceUnavailable (tried again), SourceRefused (not tried again).
    """

    def __init__(self, *, dataset: str, pool: str = "sources", **kwargs: Any) -> None:
        super().__init__(pool=pool, **kwargs)
        self.dataset = dataset

    def execute(self, context: Any) -> list[dict[str, Any]]:
        from cityperf.extract import extract
        from cityperf.load import lots
        from cityperf.sources import load_contract

        settings = Settings.from_env()
        landed = extract(settings, self.day(), load_contract(self.dataset))
        names = {file["file_id"]: file["name"] for file in landed}
        return [
            {
                "night": self.night,
                "file_ids": lot,
                "label": names[lot[0]] + (f" and {len(lot) - 1} more" if len(lot) > 1 else ""),
            }
            for lot in lots(settings, list(names))
        ]


class LoadOperator(BaseOperator):
    """Load one lot of landed files through the landing gate into `raw`; gives for each file how many rows became what.

    Made by `for_each`. The event of the asset cityperf://raw/<dataset> carries rows, periods and hashes. Raises
    FileQuarantined (not tried again).
    """

    template_fields: Sequence[str] = ("lot",)

    def __init__(self, *, dataset: str, lot: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dataset = dataset
        self.lot = lot

    @classmethod
    def for_each(cls, lots: Any, *, dataset: str, task_id: str = "load", **kwargs: Any) -> Any:
        """A task for each lot that LandOperator gives (its `output`), named after the lot's file."""
        usual = {"pool": "load", "retry_policy": RETRY_POLICY, "map_index_template": "{{ label }}"}
        outlets = [raw_asset(dataset)]
        told = {**usual, **kwargs, "task_id": task_id, "dataset": dataset, "outlets": outlets}
        return cls.partial(**told).expand(lot=lots)

    def execute(self, context: Any) -> list[dict[str, Any]]:
        from cityperf.load import brought, load_files
        from cityperf.sources import load_contract

        context["label"] = self.lot["label"]
        settings, night = Settings.from_env(), date.fromisoformat(self.lot["night"])
        results = load_files(settings, night, load_contract(self.dataset), self.lot["file_ids"])
        context["outlet_events"][raw_asset(self.dataset)].extra = brought(settings, night, results)
        return [asdict(result) for result in results]


class GateOperator(_NightOperator):
    """Check the candidate release at the publish border. Skipped where there is nothing to publish: `built` is what the
    transformation gave, of which `release_wanted` counts; without it there always is. Raises GateClosed: the candidate
    is held, the release that is up stays.
    """

    template_fields: Sequence[str] = ("night", "built")

    def __init__(self, *, built: Mapping[str, Any] | None = None, pool: str = "night", **kwargs: Any) -> None:
        super().__init__(pool=pool, **kwargs)
        self.built = built

    def execute(self, context: Any) -> None:
        from airflow.sdk.exceptions import AirflowSkipException
        from cityperf import night

        if self.built is not None and not self.built["release_wanted"]:
            raise AirflowSkipException("nothing new to publish: the release that is up stays")
        night.gate(Settings.from_env(), self.day())


class PublishOperator(_NightOperator):
    """Put the gated candidate up as a numbered release, in one moment; gives its number, state and what it restated."""

    def __init__(self, *, pool: str = "night", **kwargs: Any) -> None:
        super().__init__(pool=pool, **kwargs)

    def execute(self, context: Any) -> dict[str, Any]:
        from cityperf.publish import release

        return asdict(release(Settings.from_env(), self.day()))


class TellWhoMustKnow(BaseNotifier):
    """For `on_failure_callback`: looks how the warehouse stands and sends what cannot wait, each thing once."""

    def notify(self, context: Any) -> None:
        from cityperf import notify

        notify.check(Settings.from_env(), datetime.now(TORONTO))
