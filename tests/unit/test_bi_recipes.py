"""docs/bi.md names tables and columns that are published, so that a recipe cannot outlive what it speaks of."""

from __future__ import annotations

import re

import yaml
from cityperf.config import ROOT

RECIPES = (ROOT / "docs" / "bi.md").read_text("utf-8")
SCHEMAS = ("publish", "as_of")


def published() -> dict[str, set[str]]:
    """Table → its columns, by the contracts of the publish models."""
    found = {}
    for path in (ROOT / "dbt_project" / "models" / "publish").glob("*.yml"):
        for model in yaml.safe_load(path.read_text("utf-8")).get("models") or ():
            found[model["name"]] = {column["name"] for column in model.get("columns") or ()}
    return found


def test_every_table_and_column_that_a_recipe_names_is_published() -> None:
    tables = published()
    words = {word.removeprefix("publish.") for word in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", RECIPES)}
    wrong = []
    for word in words:
        table, _, column = word.partition(".")
        if column and not column.startswith(("xlsx", "csv")) and column not in tables.get(table, ()):
            wrong.append(word)
        if not column and table not in tables:
            wrong.append(word)
    assert len(words) > 12 and not wrong, wrong


def test_every_tool_that_people_use_has_its_recipe() -> None:
    titles = set(re.findall(r"^## (.+)$", RECIPES, re.MULTILINE))
    assert {"Power BI", "Tableau", "Metabase", "Excel", "R"} <= titles
