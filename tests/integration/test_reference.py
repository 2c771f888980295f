"""The reference as it is built from the project and a running warehouse."""

from __future__ import annotations

import re
from datetime import date
from html import unescape
from pathlib import Path

import pytest
from cityperf import reference
from cityperf.config import Settings
from cityperf.errors import CityperfError
from cityperf.sources import load_contracts

NIGHT = date(2026, 11, 19)


@pytest.fixture(scope="module")
def built(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, reference.Built]:
    folder = tmp_path_factory.mktemp("reference") / "docs"
    return folder, reference.build(warehouse, folder, NIGHT)


def test_every_column_that_arrives_or_is_published_is_in_the_dictionary(
    built: tuple[Path, reference.Built],
) -> None:
    folder, counts = built
    page = (folder / "dictionary.html").read_text("utf-8")
    for contract in load_contracts().values():
        section = page.split(f'<h3 id="raw.{contract.dataset}">')[1].split("<h3 ")[0]
        found = re.findall(r'<th scope="row">(.+?)</th>', section)
        assert found == [column.name or "many, by pattern" for column in contract.columns], contract.dataset
    described = re.findall(r"<tr><th scope=\"row\">.+?</th><td>.*?</td><td>(.+?)</td></tr>", page)
    assert len(described) == counts.published_columns > 900, "each with its meaning"


def test_dbt_documents_every_model_in_one_file(built: tuple[Path, reference.Built]) -> None:
    folder, counts = built
    page = (folder / reference.DBT).read_text("utf-8")
    assert counts.models > 300
    assert all(f"model.cityperf.{name}" in page for name in ("mart_kpi", "kpi_value", "mart_kpi_signal"))


def test_every_link_within_leads_to_a_page(built: tuple[Path, reference.Built]) -> None:
    folder, counts = built
    pages = [path for path in folder.rglob("*.html") if path.name != reference.DBT]
    assert len(pages) + 1 == counts.pages > 40
    dead = []
    for page in pages:
        for link in re.findall(r'href="([^"]+)"', page.read_text("utf-8")):
            target = unescape(link).partition("#")[0]
            outside = re.match(r"[a-z]+:", target) or not target
            if not outside and not (page.parent / target).resolve().exists():
                dead.append(f"{page.relative_to(folder)} → {target}")
    assert dead == []


def test_a_folder_with_something_else_in_it_is_left_alone(warehouse: Settings, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("three years")
    with pytest.raises(CityperfError, match="expected a new or empty folder"):
        reference.build(warehouse, tmp_path, NIGHT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
