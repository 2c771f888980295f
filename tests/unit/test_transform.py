"""Which models a night builds: all that depend on something new, and nothing else."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from cityperf.transform import PUBLISH, Plan, _selection, choose, fingerprints, model_tree

NIGHT = date(2026, 11, 20)


def node(
    name: str, schema: str, parents: list[str], code: str = "select 1", **config: Any
) -> SimpleNamespace:
    settings = {"materialized": "table", "meta": {}, **config}
    return SimpleNamespace(
        name=name, alias=name, schema=schema, raw_code=code, description=name, columns={},
        checksum=SimpleNamespace(checksum=code),
        config=SimpleNamespace(materialized=settings["materialized"], to_dict=lambda: settings),
        depends_on=SimpleNamespace(nodes=parents, macros=[]),
    )  # fmt: skip


def project(**changes: SimpleNamespace) -> SimpleNamespace:
    """raw.delays → stg_delays → delays (mart) → publish_next.kpi; raw.budget → stg_budget; ops → publish_next.release."""
    nodes = {
        "model.p.stg_delays": node("stg_delays", "staging", ["source.p.raw.delays"]),
        "model.p.stg_budget": node("stg_budget", "staging", ["source.p.raw.budget"]),
        "model.p.delays": node("delays", "marts", ["model.p.stg_delays"]),
        "model.p.kpi": node("kpi", PUBLISH, ["model.p.delays", "model.p.stg_budget"]),
        "model.p.release": node("release", PUBLISH, ["source.p.ops.release"]),
    }
    nodes.update({f"model.p.{name}": changed for name, changed in changes.items()})
    sources = {
        f"source.p.{schema}.{name}": SimpleNamespace(name=name, schema=schema)
        for schema, name in (("raw", "delays"), ("raw", "budget"), ("ops", "release"))
    }
    return SimpleNamespace(nodes=nodes, sources=sources, macros={})


VERSIONS = {"delays": "7", "budget": "3", "ops": "x"}


def stored(manifest: Any, versions: dict[str, str] = VERSIONS) -> dict[str, str]:
    prints = fingerprints(manifest, versions, NIGHT, "sample")
    return {manifest.nodes[uid].name: value for uid, value in prints.items()}


def everything(manifest: Any, *, swapped: bool = True) -> set[tuple[str, str]]:
    """All relations there are; after a swap publish_next is empty."""
    return {(n.schema, n.name) for n in manifest.nodes.values() if not (swapped and n.schema == PUBLISH)}


def names(plan: Plan) -> set[str]:
    return {uid.rsplit(".", 1)[-1] for uid in plan.build}


def tonight(
    manifest: Any, versions: dict[str, str], before: dict[str, str], existing: set[tuple[str, str]]
) -> Plan:
    return choose(manifest, fingerprints(manifest, versions, NIGHT, "sample"), before, existing)


def test_the_first_night_builds_everything() -> None:
    plan = tonight(project(), VERSIONS, {}, set())
    assert names(plan) == {"stg_delays", "stg_budget", "delays", "kpi", "release"}
    assert plan.release_wanted


def test_nothing_new_builds_nothing_and_wants_no_release() -> None:
    manifest = project()
    plan = tonight(manifest, VERSIONS, stored(manifest), everything(manifest))
    assert names(plan) == set()
    assert not plan.release_wanted


def test_a_new_batch_rebuilds_its_descendants_and_the_whole_candidate_only() -> None:
    manifest = project()
    plan = tonight(manifest, {**VERSIONS, "delays": "8"}, stored(manifest), everything(manifest))
    assert names(plan) == {"stg_delays", "delays", "kpi", "release"}


def test_changed_sql_rebuilds_that_model_and_what_stands_on_it() -> None:
    before = stored(project())
    manifest = project(delays=node("delays", "marts", ["model.p.stg_delays"], code="select 2"))
    plan = tonight(manifest, VERSIONS, before, everything(manifest))
    assert names(plan) == {"delays", "kpi", "release"}


def test_a_held_candidate_is_gated_again_without_a_build() -> None:
    manifest = project()
    plan = tonight(manifest, VERSIONS, stored(manifest), everything(manifest, swapped=False))
    assert names(plan) == set()
    assert plan.release_wanted


def test_a_dropped_table_is_rebuilt_with_its_children() -> None:
    manifest = project()
    existing = everything(manifest) - {("staging", "stg_delays")}
    assert {"stg_delays", "delays", "kpi"} <= names(tonight(manifest, VERSIONS, stored(manifest), existing))


def test_only_a_model_that_says_so_depends_on_the_night() -> None:
    manifest = project(
        stg_budget=node("stg_budget", "staging", ["source.p.raw.budget"], meta={"depends_on_night": True})
    )
    one = fingerprints(manifest, VERSIONS, NIGHT, "sample")
    two = fingerprints(manifest, VERSIONS, date(2026, 11, 21), "sample")
    changed = {uid.rsplit(".", 1)[-1] for uid in one if one[uid] != two[uid]}
    assert changed == {"stg_budget", "kpi"}


def test_profiles_never_share_a_fingerprint() -> None:
    manifest = project()
    sample = fingerprints(manifest, VERSIONS, NIGHT, "sample")
    live = fingerprints(manifest, VERSIONS, NIGHT, "live")
    assert not set(sample.values()) & set(live.values())


@pytest.mark.parametrize("layer", ["staging", "intermediate", "kpis", "marts", "publish"])
def test_every_layer_has_models(layer: str) -> None:
    assert model_tree()[layer]


def test_dbt_is_told_the_shorter_list_and_never_a_test_that_reads_what_is_not_built() -> None:
    def at(name: str, *parents: str) -> SimpleNamespace:
        return SimpleNamespace(fqn=["p", name], depends_on=SimpleNamespace(nodes=parents))

    models = {f"model.p.{letter}": letter for letter in "abcd"}
    both = at("both", "model.p.a", "model.p.d")
    nodes = {uid: at(name) for uid, name in models.items()}
    manifest = SimpleNamespace(nodes=nodes | {"test.p.one": at("one", "model.p.a"), "test.p.both": both})
    assert _selection(manifest, list(models), models) == []
    assert _selection(manifest, ["model.p.a", "model.p.b", "model.p.c"], models) == [
        "--exclude",
        "p.both",
        "p.d",
    ]
    assert _selection(manifest, ["model.p.a"], models) == [
        "--select", "p.a", "--indirect-selection", "cautious",
    ]  # fmt: skip
