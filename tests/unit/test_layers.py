"""Data flows one way: which layer of the dbt project may read which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "dbt_project"
LAYERS = ("staging", "intermediate", "kpis", "marts", "publish")
MODELS = {path.stem: path for layer in LAYERS for path in (PROJECT / "models" / layer).rglob("*.sql")}
SEEDS = {path.stem for path in (PROJECT / "seeds").rglob("*.csv")}
MAY_READ = {
    "staging": set(),
    "intermediate": {"staging", "intermediate", "seed"},
    "kpis": {"staging", "intermediate", "seed"},
    "marts": {"intermediate", "kpis", "marts", "seed"},
    "publish": {"marts", "publish"},
}
SOURCES = {  # schemas that a layer may read directly
    "staging": {"raw", "ops", "quarantine"},
    "intermediate": set(),
    "kpis": set(),
    "marts": {"ops", "quarantine", "forecast"},
    "publish": set(),
}


def layer_of(name: str) -> str:
    if name in SEEDS:
        return "seed"
    return MODELS[name].relative_to(PROJECT / "models").parts[0]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_reads_only_the_layers_before_it(name: str) -> None:
    text = MODELS[name].read_text()
    layer = layer_of(name)
    for parent in re.findall(r"ref\(\s*['\"](\w+)['\"]\s*\)", text):
        assert layer_of(parent) in MAY_READ[layer], f"{name} ({layer}) reads {parent} ({layer_of(parent)})"
    for schema in re.findall(r"source\(\s*['\"](\w+)['\"]", text):
        assert schema in SOURCES[layer], f"{name} ({layer}) reads source {schema}"


def test_no_kpi_reads_another_kpis_table() -> None:
    kpis = {name for name in MODELS if layer_of(name) == "kpis"}
    for name in kpis:
        assert not kpis & set(re.findall(r"ref\(\s*['\"](\w+)['\"]\s*\)", MODELS[name].read_text()))


def test_every_model_has_a_yaml_description() -> None:
    import yaml

    described = {
        model["name"]
        for path in (PROJECT / "models").rglob("*.yml")
        for model in (yaml.load(path.read_text(), Loader=yaml.CSafeLoader) or {}).get("models", [])
        if model.get("description")
    }
    assert set(MODELS) <= described, set(MODELS) - described
