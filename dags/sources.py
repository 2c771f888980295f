"""One Airflow DAG per data set, made from its contract: fetch what is new, then load it, small files together."""

from __future__ import annotations

from airflow.sdk import dag, get_parsing_context, task
from cityperf.config import Settings
from cityperf.sources import Contract, load_contract, nightly_contracts
from cityperf_airflow import NIGHT_OPENED, RETRY_POLICY, raw_asset, runbook


def source_dag(contract: Contract) -> None:
    """Register the DAG of one data set; it starts when a night is opened."""

    @dag(
        dag_id=f"source__{contract.dataset}",
        description=contract.title,
        schedule=[NIGHT_OPENED],
        catchup=False,
        max_active_runs=4,  # a visit that waits for its retry must not hold up the next night's; loads lock by data set
        is_paused_upon_creation=False,
        doc_md=f"### {contract.title}\n{contract.description}\n\n{runbook('source')}",
        tags=[f"tier:{contract.tier}", "source"],
        default_args={"owner": contract.owner.division, "retries": 2, "retry_policy": RETRY_POLICY},
    )
    def source() -> None:
        @task(pool="sources", retry_delay=60)
        def extract(triggering_asset_events=None) -> list[dict]:
            from datetime import date

            from cityperf.extract import extract as fetch
            from cityperf.load import lots

            night = date.fromisoformat(triggering_asset_events[NIGHT_OPENED][-1].extra["night"])
            settings = Settings.from_env()
            names = {file["file_id"]: file["name"] for file in fetch(settings, night, contract)}
            return [
                {
                    "night": night.isoformat(),
                    "file_ids": lot,
                    "label": names[lot[0]] + (f" and {len(lot) - 1} more" if len(lot) > 1 else ""),
                }
                for lot in lots(settings, list(names))
            ]

        @task(
            pool="load",
            retry_delay=10,
            map_index_template="{{ label }}",
            outlets=[raw_asset(contract.dataset)],
        )
        def load(lot: dict, outlet_events=None) -> list[dict]:
            from dataclasses import asdict
            from datetime import date

            from airflow.sdk import get_current_context
            from cityperf.load import brought, load_files

            get_current_context()["label"] = lot["label"]
            night = date.fromisoformat(lot["night"])
            settings = Settings.from_env()
            results = load_files(settings, night, contract, lot["file_ids"])
            outlet_events[raw_asset(contract.dataset)].extra = brought(settings, night, results)
            return [asdict(result) for result in results]

        load.expand(lot=extract())

    source()


# A task needs no DAG but its own, and reading one contract is a hundred times quicker than reading all.
only = get_parsing_context().dag_id
for each in [load_contract(only.removeprefix("source__"))] if only else nightly_contracts().values():
    source_dag(each)
