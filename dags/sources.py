"""One Airflow DAG per data set, made from its contract: fetch what is new, then load it, small files together."""

from __future__ import annotations

from airflow.sdk import dag, get_parsing_context
from cityperf.sources import Contract, load_contract, nightly_contracts
from cityperf_airflow import NIGHT_OPENED, RETRY_POLICY, runbook
from cityperf_operators import NIGHT_OF_EVENT, LandOperator, LoadOperator


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
        landed = LandOperator(
            task_id="extract", dataset=contract.dataset, night=NIGHT_OF_EVENT, retry_delay=60
        )
        LoadOperator.for_each(landed.output, dataset=contract.dataset, retry_delay=10)

    source()


# A task needs no DAG but its own, and reading one contract is a hundred times quicker than reading all.
only = get_parsing_context().dag_id
for each in [load_contract(only.removeprefix("source__"))] if only else nightly_contracts().values():
    source_dag(each)
