"""The operators that others may build on: the documented DAG, and each at work on a real warehouse and portal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cityperf import publish
from cityperf.config import ROOT, Settings

from tests.feeds import feeds
from tests.integration import candidate

DATASET, NIGHT = "bank_of_canada_rates", "2026-11-13"
FIRST = candidate.NIGHT.isoformat()

pytestmark = pytest.mark.usefixtures("dags")  # Airflow is set up before anything of it is imported


class Outlets(dict[Any, Any]):
    """Stands for a task's `outlet_events`: an event per asset, made when it is asked for."""

    class Event:
        extra: dict[str, Any]

    def __missing__(self, asset: Any) -> Outlets.Event:
        event = self[asset] = Outlets.Event()
        return event


@pytest.fixture
def here(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The warehouse of the tests is the one that operators find."""
    monkeypatch.setattr(Settings, "from_env", classmethod(lambda cls, profile=None: clean_warehouse))
    return clean_warehouse


def test_the_documented_dag_is_what_it_says() -> None:
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "plugins" / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102  (our own document, which has to run as it stands)
    dag = names["landed"].dag
    land, load = dag.get_task("land"), dag.get_task("load")
    assert dag.dag_id == "commitments_at_noon" and {task.owner for task in (land, load)} == {
        "Corporate Strategy"
    }
    assert (land.pool, load.pool) == ("sources", "load")
    assert load.upstream_task_ids == {"land"}
    assert [asset.uri for asset in load.outlets] == ["cityperf://raw/commitments"]
    assert land.on_failure_callback and land.retry_policy is not None and load.retry_policy is not None


def test_what_the_readme_names_is_there() -> None:
    import cityperf_airflow
    import cityperf_operators

    modules = {"cityperf_airflow": cityperf_airflow, "cityperf_operators": cityperf_operators}
    named = re.findall(r"^\| `(\w+)\.(\w+)", (ROOT / "plugins" / "README.md").read_text(), re.MULTILINE)
    assert len(named) == 9
    assert [each for each in named if not hasattr(modules[each[0]], each[1])] == []


def test_a_file_is_landed_and_loaded_once(here: Settings) -> None:
    from cityperf_airflow import raw_asset
    from cityperf_operators import LandOperator, LoadOperator

    land = LandOperator(task_id="land", dataset=DATASET, night=NIGHT)
    with feeds(here, [DATASET]):
        lots = land.execute({})
        outlets = Outlets()
        context: dict[str, Any] = {"outlet_events": outlets}
        for lot in lots:
            [result] = LoadOperator(task_id="load", dataset=DATASET, lot=lot).execute(context)
            assert result["loaded"] == result["rows_in"] > 0 and result["quarantined"] == 0
            again = LoadOperator(task_id="load", dataset=DATASET, lot=lot).execute(
                {"outlet_events": Outlets()}
            )
            assert again == [{**result, "message": "loaded before; nothing to do"}]
        assert len(lots) == 1 and context["label"] == lots[0]["label"]
        assert outlets[raw_asset(DATASET)].extra["night"] == NIGHT
        assert land.execute({}) == [], "nothing is new"


def test_a_candidate_is_gated_and_published_once(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowSkipException
    from cityperf import night as nights
    from cityperf.errors import GateClosed
    from cityperf_operators import GateOperator, PublishOperator

    with pytest.raises(AirflowSkipException, match="nothing new to publish"):
        GateOperator(task_id="gate", night=FIRST, built={"release_wanted": False}).execute({})

    def closed(settings: Settings, night: Any) -> None:
        raise GateClosed(f"{night} at {settings.profile}")

    monkeypatch.setattr(nights, "gate", closed)
    with pytest.raises(GateClosed, match=f"{FIRST} at sample"):
        GateOperator(task_id="gate", night=FIRST).execute({})

    candidate.write_manifest(here)
    candidate.build_candidate(here, publish.open_candidate(here, candidate.NIGHT))
    put_up = PublishOperator(task_id="publish", night=FIRST)
    assert (outcome := put_up.execute({}))["status"] == "released" and outcome["number"] == 1
    assert put_up.execute({})["number"] == 1 and len(publish.list_releases(here)) == 1


def test_who_must_know_is_told_of_how_it_stands(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from cityperf import notify
    from cityperf_operators import TellWhoMustKnow

    asked: list[Settings] = []
    monkeypatch.setattr(notify, "check", lambda settings, now: asked.append(settings))
    TellWhoMustKnow().notify({})
    assert asked == [here]
