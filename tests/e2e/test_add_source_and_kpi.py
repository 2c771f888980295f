"""A new data set is one YAML and one staging model, a new KPI one SQL and one YAML: no Python is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import CORE, ROOT, Home, Released, states
from tests.potholes import CONTRACT

STAGING = """
with source as (
    select * from {{ source('raw', 'potholes') }}
)

select
    day::date as repaired_on,
    ward as ward_code,
    repaired::integer as potholes_repaired
from source
"""

KPI_SQL = """
select
    'SD-RD-01' as kpi_id,
    date_trunc('month', repaired_on)::date as period_start,
    'month' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(potholes_repaired)::numeric as numerator,
    null::numeric as denominator
from {{ ref('stg_transportation__potholes') }}
group by 1, 2, 3, 4, 5
"""

# What a person writes into the draft.
WRITTEN = {
    "To be written: what is counted, divided by what, from which data, and what is left out.": "Potholes repaired.",
    "À rédiger : ce qui est compté, divisé par quoi, à partir de quelles données, et ce qui est exclu.": "Réparations.",
    "direction: none": "direction: up",
    "{state: proposed}": "{state: active, since: 2026-11-01}",
    "version: 1\n": (
        "version: 1\n"
        "          versions:\n"
        '            - {version: 1, effective: 2026-01-01, note: {en: "The City\'s own.", fr: "Celle de la Ville."}}\n'
    ),
}


def contents(home: Home) -> dict[Path, bytes]:
    """Every file of the project below the folders that people write in."""
    folders = ("dbt_project", "include", "expectations", "dags", "plugins", "tests", "docs")
    return {
        path: path.read_bytes()
        for folder in folders
        for path in (home.root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def copy(killed: Released, tmp_path: Path) -> Iterator[Home]:
    """A copy of the project that goes on in the home where the project itself was at work."""
    tree = tmp_path / "project"
    shutil.copytree(
        ROOT, tree,
        ignore=shutil.ignore_patterns(".git", ".venv", ".cache", ".cityperf", "__pycache__", "target", ".*_cache"),
    )  # fmt: skip
    killed.home.down()
    env = killed.home.env | {"CITYPERF_SOURCES": f"{CORE},potholes"}
    home = Home(killed.home.path, env=env, root=tree)
    yield home
    home.down()


def test_a_data_set_and_a_kpi_are_added_without_python(copy: Home) -> None:
    dbt = copy.root / "dbt_project" / "models"
    (copy.root / "include" / "sources" / "transportation").mkdir(exist_ok=True)
    (copy.root / "include" / "sources" / "transportation" / "potholes.yml").write_text(CONTRACT)
    (dbt / "staging" / "transportation").mkdir(exist_ok=True)
    (dbt / "staging" / "transportation" / "stg_transportation__potholes.sql").write_text(STAGING)
    before = contents(copy)
    named = ("--name", "Potholes repaired", "--name-fr", "Nids-de-poule réparés", "--source", "potholes")
    made = copy.cityperf("kpi", "new", "SD-RD-01", "--dimension", "service_delivery", *named)
    assert made.returncode == 0, made.stderr
    after = contents(copy)
    sql, properties = (
        dbt / "kpis" / "service_delivery" / f"potholes_repaired.{kind}" for kind in ("sql", "yml")
    )
    assert {path for path in after if after[path] != before.get(path)} == {sql, properties}
    assert copy.cityperf("kpi", "check").returncode == 0
    sql.write_text(KPI_SQL)
    definition = properties.read_text()
    for said, instead in WRITTEN.items():
        assert said in definition, said
        definition = definition.replace(said, instead)
    properties.write_text(definition)
    checked = copy.cityperf("kpi", "check")
    assert checked.returncode == 0, checked.stderr
    drop = copy.base / "drop" / "potholes"
    drop.mkdir(parents=True)
    rows = [
        f"2026-{month:02d}-{day:02d},{ward},{day % 5}"
        for month in range(1, 11)
        for day in (3, 17)
        for ward in (1, 2)
    ]
    (drop / "potholes.csv").write_text("Day,Ward,Repaired\n" + "\n".join(rows) + "\n")

    code, (summary,) = copy.refresh("--night", "2026-11-21")
    assert code == 0, summary
    assert states(summary)["potholes"] == "loaded"
    published = copy.query(
        "select count(*), sum(value) from publish.kpi_value where kpi_id = 'SD-RD-01' and geography_type = 'city'"
    )
    assert published == [(10, 10 * 2 * (3 + 2))]
    shown = copy.cityperf("kpi", "show", "SD-RD-01", "--json")
    assert "Potholes repaired" in json.dumps(json.loads(shown.stdout))
    assert copy.query(
        "select lifecycle_state, lifecycle_since::text, objective, version_effective_on::text from publish.kpi "
        "where kpi_id = 'SD-RD-01'"
    ) == [("active", "2026-11-01", "serve_on_time", "2026-01-01")]
    assert copy.query(
        "select kpi_version, is_current, is_break, note_en from publish.kpi_version where kpi_id = 'SD-RD-01'"
    ) == [(1, True, False, "The City's own.")]
    card = copy.cityperf("kpi", "card", "SD-RD-01", "--format", "md").stdout
    assert "| 2026-10 | 10 |" in card
    assert "sum(potholes_repaired)" in card
