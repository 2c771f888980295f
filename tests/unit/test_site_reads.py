"""What the site asks of the release's tables is what the exposures let out."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
import yaml
from cityperf.config import ROOT
from cityperf.impact.readers import SITE, Asked, read_by_site


@pytest.fixture(scope="module")
def asked() -> dict[str, Asked]:
    return read_by_site()


def questions() -> Iterator[tuple[str, int, int]]:
    """File, first and last line of every call of `rows` and `by` in the site's code."""
    for path in sorted(SITE.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        for call in calls if path.name != "model.py" else []:
            if isinstance(call.func, ast.Attribute) and call.func.attr in ("rows", "by"):
                yield str(path.relative_to(SITE)), call.lineno, call.end_lineno or call.lineno


def test_every_question_of_the_site_is_heard(asked: dict[str, Asked]) -> None:
    heard = {place for each in asked.values() for place in each.places}
    missed = [
        f"{file}:{first}"
        for file, first, last in questions()
        if not any(file == where and first <= line <= last for where, line in heard)
    ]
    assert missed == []
    assert len(heard) >= 50


def test_every_column_that_the_site_reads_is_on_the_allow_list_of_an_exposure(
    asked: dict[str, Asked],
) -> None:
    exposures = yaml.safe_load((ROOT / "dbt_project" / "models" / "exposures.yml").read_text("utf-8"))[
        "exposures"
    ]
    may = {
        (each["config"]["meta"]["table"], column)
        for each in exposures
        if f"ref('{each['config']['meta']['table']}')" in each["depends_on"]
        for column in each["config"]["meta"]["columns"]
    }
    reads = {
        (table, name) for each in asked.values() for table, names in each.columns.items() for name in names
    }
    assert reads <= may, sorted(reads - may)
