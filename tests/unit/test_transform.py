"""Which models a night builds: all that depend on something new, and nothing else."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from cityperf.transform import PUBLISH, Plan, _after_python, _tag, choose, fingerprints, model_tree

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


def test_the_list_of_editions_is_new_on_the_night_that_one_is_due() -> None:
    due = {"editions": [{"as_of": date(2026, 11, 21)}, {"as_of": date(2027, 2, 12)}]}
    manifest = project(stg_budget=node("stg_budget", "staging", ["source.p.raw.budget"], meta=due))
    prints = [
        fingerprints(manifest, VERSIONS, date(2026, 11, day), "sample")["model.p.stg_budget"]
        for day in (19, 20, 21, 22)
    ]
    assert prints[0] == prints[1] != prints[2] == prints[3]


def test_what_names_the_release_being_built_is_built_with_each_and_is_a_reason_for_none() -> None:
    edition = node("report_edition_standing", "marts", ["source.p.ops.release"])
    manifest = project(report_edition_standing=edition)
    before = stored(manifest)
    quiet = tonight(manifest, VERSIONS, {**before, "report_edition_standing": "old"}, everything(manifest))
    assert names(quiet) == set()
    busy = tonight(manifest, {**VERSIONS, "budget": "4"}, before, everything(manifest))
    assert names(busy) == {"stg_budget", "kpi", "release", "report_edition_standing"}


def test_profiles_never_share_a_fingerprint() -> None:
    manifest = project()
    sample = fingerprints(manifest, VERSIONS, NIGHT, "sample")
    live = fingerprints(manifest, VERSIONS, NIGHT, "live")
    assert not set(sample.values()) & set(live.values())


@pytest.mark.parametrize("layer", ["staging", "intermediate", "kpis", "marts", "publish"])
def test_every_layer_has_models(layer: str) -> None:
    assert model_tree()[layer]


def test_dbt_builds_what_has_the_nights_tag_and_runs_no_test_that_reads_anything_else() -> None:
    def at(*parents: str) -> SimpleNamespace:
        return SimpleNamespace(tags=["mart"], depends_on=SimpleNamespace(nodes=parents))

    models = {f"model.p.{letter}": letter for letter in "abcd"}
    nodes = {uid: at() for uid in models}
    nodes |= {
        "test.p.one": at("model.p.a"),
        "test.p.both": at("model.p.a", "model.p.d"),
        "test.p.with_raw": at("model.p.b", "source.p.raw.budget"),
        "test.p.raw": at("source.p.raw.budget"),
    }
    manifest = SimpleNamespace(nodes=nodes)

    def chosen(*letters: str) -> set[str]:
        said = _tag(manifest, [f"model.p.{letter}" for letter in letters], models)
        assert said == ["--select", "tag:tonight", "--indirect-selection", "empty"]
        assert all(each.tags[0] == "mart" and len(each.tags) <= 2 for each in nodes.values())
        return {uid.split(".")[-1] for uid, each in nodes.items() if "tonight" in each.tags}

    assert chosen("a", "b", "c") == {"a", "b", "c", "one", "with_raw"}
    assert chosen("a", "d") == {"a", "d", "one", "both"}, (
        "what another run of the night was to build is not built again"
    )


def counting(code: str = "select 1") -> SimpleNamespace:
    """The project whose mart keeps its counts by period and reads the registry of batches."""
    parents = ["model.p.stg_delays", "source.p.ops.batch"]
    manifest = project(
        delays=node(
            "delays", "marts", parents, code, meta={"periods_of": "delays"}, materialized="incremental"
        )
    )
    manifest.sources["source.p.ops.batch"] = SimpleNamespace(name="batch", schema="ops")
    return manifest


def test_counts_kept_by_period_are_new_with_their_own_data_set_only_and_go_on_from_what_stands() -> None:
    manifest = counting()
    before, there = stored(manifest), everything(manifest)
    other = tonight(manifest, {**VERSIONS, "budget": "4", "ops": "y"}, before, there)
    own = tonight(manifest, {**VERSIONS, "delays": "8", "ops": "z"}, before, there)
    assert "delays" not in names(other)
    assert "delays" in names(own) and own.afresh == ()


def test_counts_kept_by_period_are_made_afresh_when_defined_anew_or_left_unfinished() -> None:
    manifest = counting()
    before, there = stored(manifest), everything(manifest)
    unfinished = {model: print_ for model, print_ in before.items() if model != "delays"}
    assert tonight(counting("select 2"), VERSIONS, before, there).afresh == ("model.p.delays",)
    assert tonight(manifest, VERSIONS, unfinished, there).afresh == ("model.p.delays",)


def test_what_is_hidden_is_decided_after_the_marts_and_is_no_news_by_itself() -> None:
    published = node("kpi", PUBLISH, ["model.p.delays", "model.p.mart_disclosure"])
    manifest = project(
        mart_disclosure=node("mart_disclosure", "marts", ["source.p.ops.disclosure"]), kpi=published
    )
    manifest.sources["source.p.ops.disclosure"] = SimpleNamespace(name="disclosure", schema="ops")
    after = _after_python(manifest)
    assert {"model.p.mart_disclosure", "model.p.kpi"} <= after
    assert "model.p.delays" not in after
    before = stored(manifest)
    assert not tonight(manifest, VERSIONS | {"ops": "y"}, before, everything(manifest)).build
