"""The KPI registry: what each rule refuses, with file and line, and that a new KPI is two files."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from cityperf.cli import main
from cityperf.config import ROOT
from cityperf.registry import NotRegistered, Registry, read_registry
from cityperf.registry.card import Paragraph, as_html, as_markdown, make_card
from cityperf.registry.definition import TARGET_KEYS, Dimension, FeedKpi, Kpi, TargetType
from cityperf.registry.lineage import read_project, upstream
from cityperf.registry.rollup import rolls_up
from cityperf.registry.scaffold import USUAL, NotDrafted, draft

from tests.potholes import CONTRACT

STAGING = "with source as (\n    {{ deliveries_of('potholes') }}\n)\n\nselect day::date as repaired_on from source\n"
STAGING_YML = """
models:
  - name: stg_transportation__potholes
    description: One row per repair.
    columns:
      - {name: crew, data_type: text, description: Crew.}
      - {name: _night, data_type: date, description: Night.}
      - {name: repaired_on, data_type: date, description: Day.}
    data_tests:
      - grain: {arguments: {columns: [crew, repaired_on]}}
unit_tests:
  - name: a_repair_counts_once
    model: stg_transportation__potholes
    given: []
    expect: {rows: []}
"""
MACROS = """{% macro deliveries_of(dataset) -%}
select * from {{ source('raw', dataset) }}
{%- endmacro %}
{% macro monthly(kpi_id) -%}
select '{{ kpi_id }}' as kpi_id, 'month' as period_grain from {{ ref('int_potholes') }}
{%- endmacro %}
"""
SQL = """-- Potholes by month. A comment may name 'SD-XX-99' as kpi_id.
select
    'SD-RD-01' as kpi_id,
    'month' as period_grain,
    count(*)::numeric as numerator
from {{ ref('int_potholes') }}
"""
COMMON: dict[str, Any] = {
    "name": {"en": "Potholes repaired", "fr": "Nids-de-poule réparés"},
    "definition": {"en": "Potholes that crews repaired.", "fr": "Nids-de-poule que les équipes ont réparés."},
    "dimension": "service_delivery",
    "report_section": "customer_service",
    "objective": "serve_on_time",
    "measure_type": "service_level",
    "logic_level": "output",
    "unit": "number",
    "direction": "up",
    "interval": "month",
    "flow": True,
    "multiplier": 1,
    "owner": "Transportation Services",
    "steward": "Road Operations",
    "sources": ["potholes"],
    "privacy_class": "public",
    "version": 1,
    "suitable_for_signals": True,
}
KPI: dict[str, Any] = {
    "id": "SD-RD-01",
    **COMMON,
    "decimals": 0,
    "thresholds": {"period": 0.02, "year": 0.02, "target": 0.01},
    "target_type": "none",
}
FEED_KPI: dict[str, Any] = {
    "id": "1.10",
    **COMMON,
    "name": {"en": "Exports", "fr": "Exportations"},
    "definition": {"en": "Exports by month.", "fr": "Exportations, par mois."},
}
NOTE = {"en": "Counts both sides of the street.", "fr": "Compte les deux côtés de la rue."}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one KPI of its own, one of the feed, and what they are made of."""
    files = {
        "models/staging/transportation/stg_transportation__potholes.sql": STAGING,
        "models/staging/transportation/transportation.yml": STAGING_YML,
        "models/intermediate/int_potholes.sql": "select * from {{ ref('stg_transportation__potholes') }}",
        "models/kpis/service_delivery/potholes_repaired.sql": SQL,
        "models/kpis/dashboard_feed/dashboard_feed.sql": "select * from {{ ref('int_potholes') }}",
        "macros/potholes.sql": MACROS,
        "contracts/transportation/potholes.yml": CONTRACT,
        "tests/none.sql": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "seeds").mkdir()
    for seed in ("objectives.csv", "divisions.csv"):
        shutil.copy(ROOT / "dbt_project" / "seeds" / seed, tmp_path / "seeds")
    define(tmp_path, KPI)
    define_feed(tmp_path, FEED_KPI)
    return tmp_path


def write(path: Path, model: str, meta: dict[str, Any]) -> None:
    content = {"models": [{"name": model, "description": "By month.", "config": {"meta": meta}}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def define(
    project: Path, kpi: dict[str, Any], model: str = "potholes_repaired", folder: str = "service_delivery"
) -> Path:
    path = project / "models" / "kpis" / folder / f"{model}.yml"
    write(path, model, {"owner": "Transportation Services", "kpi": kpi})
    return path


def define_feed(project: Path, *kpis: dict[str, Any]) -> Path:
    path = project / "models" / "kpis" / "dashboard_feed" / "dashboard_feed.yml"
    write(path, "dashboard_feed", {"owner": "City Manager's Office", "kpis": list(kpis)})
    return path


def read(project: Path) -> Registry:
    return read_registry(project, project / "contracts")


def said(project: Path) -> str:
    return "\n".join(map(str, read(project).mistakes))


def line_with(path: Path, text: str) -> int:
    """The last line of the file that has `text`."""
    return max(n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)


def test_every_kpi_of_the_project_is_sound() -> None:
    registry = read_registry()
    assert [str(mistake) for mistake in registry.mistakes] == []
    assert len(registry.kpis) >= 87
    assert sum(entry.is_feed for entry in registry.kpis.values()) == 69


def test_a_sound_registry_has_no_mistakes(project: Path) -> None:
    registry = read(project)
    assert registry.mistakes == ()
    assert {kpi_id: entry.is_feed for kpi_id, entry in registry.kpis.items()} == {
        "1.10": True,
        "SD-RD-01": False,
    }


NOWHERE = "nothing of it stands in the file"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    # what the definition says instead, the key whose line is told, what the message says
    ({"id": 1.10}, "id:", "id: expected text in quotes, found 1.1: as a number 1.10 is 1.1"),
    ({"id": "1.10"}, "id:", "is taken by"),
    ({"id": "sd-1"}, "id:", "id: String should match pattern"),
    ({"colour": "green"}, "colour:", "colour: no such key"),
    ({"target_value": 1}, "target_value:", "target_value: no such key; did you mean 'target_type'?"),
    ({"objective": None}, "objective:", "objective: Input should be a valid string"),
    ({"objective": "serve_on_tme"}, "objective:", "did you mean 'serve_on_time'?"),
    ({"name": {"en": "Potholes repaired"}}, "name:", "name.fr: is missing; add it"),
    ({"name": {"en": "Potholes repaired", "fr": " "}}, "fr: ' '", "name.fr: expected a text, found nothing"),
    ({"definition": {"en": "Same.", "fr": "Same."}}, "definition:", "the French is a copy of the English"),
    (
        {"definition": {"en": "To be written.", "fr": "À rédiger."}},
        "definition:",
        "active KPI has its definition",
    ),
    ({"dimension": "weather"}, "dimension:", "found 'weather'"),
    ({"dimension": "neighbourhood"}, "dimension:", "expected that of its folder, service_delivery"),
    ({"report_section": "money"}, "report_section:", "found 'money'"),
    ({"measure_type": "outcome"}, "measure_type:", "found 'outcome'"),
    ({"logic_level": "efficiency"}, "logic_level:", "found 'efficiency'"),
    ({"interval": "week"}, "interval:", "found 'week'"),
    ({"decimals": 9}, "decimals:", "found 9"),
    ({"thresholds": {"period": 2, "year": 0.02, "target": 0.01}}, "period:", "thresholds.period:"),
    ({"thresholds": {"period": 0.02, "year": 0.02}}, "thresholds:", "thresholds.target: is missing"),
    ({"thresholds": {"period": -0.1, "year": 0.02, "target": 0}}, "period:", "found -0.1"),
    ({"multiplier": 0}, "multiplier:", "found 0"),
    ({"unit": "percent", "multiplier": 100}, "multiplier:", "kept as fractions"),
    ({"owner": ""}, "owner: ''", "owner: expected a text, found nothing"),
    (
        {"owner": "Transport Services"},
        "owner:",
        "not in seeds/divisions.csv; did you mean 'Transportation Services'?",
    ),
    ({"rollup": {"geography": "sum"}}, "geography:", "found 'sum'"),
    ({"rollup": {"time": "not_additive"}}, "rollup:", "not_additive says why: add `reason`"),
    ({"rollup": {"time": "ratio", "reason": NOTE}}, "rollup:", "neither geography nor time is not_additive"),
    ({"rollup": {"time": "not_additive", "reason": {"en": "A median."}}}, "reason:", "reason.fr: is missing"),
    ({"sources": []}, "sources:", "sources:"),
    ({"sources": ["potholes", "potholes"]}, "sources:", "expected each data set once"),
    ({"sources": ["pothole"]}, "sources:", "no contract is named pothole; did you mean 'potholes'?"),
    ({"privacy_class": "secret"}, "privacy_class:", "found 'secret'"),
    ({"target_type": "floor"}, NOWHERE, "target: target_type floor has value; found nothing"),
    ({"target": {"value": 5}}, "target:", "target_type none has no target; found value"),
    ({"target_type": "floor", "target": {"low": 1, "high": 2}}, "target:", "found high, low"),
    (
        {"target_type": "floor", "target": {"value": 5}, "direction": "down"},
        "target_type:",
        "fits direction up",
    ),
    ({"target_type": "ceiling", "target": {"value": 5}}, "target_type:", "fits direction down"),
    ({"target_type": "floor", "target": {"value": 5}, "direction": "none"}, "target_type:", "from one side"),
    ({"direction": "range"}, "direction:", "range needs target_type range with"),
    ({"target_type": "range", "target": {"low": 1}}, "target:", "target_type range has high, low; found low"),
    (
        {"target_type": "range", "target": {"low": 3, "high": 1}, "direction": "range"},
        "target:",
        "expected low below high",
    ),
    ({"unit": "percent", "target_type": "floor", "target": {"value": 90}}, "value:", "0.9 is 90 per cent"),
    ({"target_type": "historical_baseline"}, NOWHERE, "historical_baseline has years"),
    ({"target_type": "floor", "target": {"value": 5}}, NOWHERE, "target_note: a target that somebody set"),
    ({"target_note": NOTE}, "target_note:", "there is none here"),
    (
        {"target_type": "peer_median", "crosswalk": {"mbncanada": "PLIB145"}},
        "target_type:",
        "needs interval year and crosswalk.mbncanada",
    ),
    ({"target_type": "peer_median", "direction": "none"}, "target_type:", "from one side"),
    (
        {
            "target_type": "trajectory",
            "target": {"steps": [{"from": "2026-01-01", "value": 2}, {"from": "2025-01-01", "value": 3}]},
        },
        "target:",
        "steps in the order of their days",
    ),
    ({"version": 2}, NOWHERE, "versions: version 2 says since when"),
    (
        {"version": 1, "versions": [{"version": 2, "effective": "2026-01-01", "note": NOTE}]},
        "version: 1",
        "expected 2, the last of `versions`, found 1",
    ),
    (
        {
            "version": 3,
            "versions": [
                {"version": 1, "effective": "2024-01-01", "note": NOTE},
                {"version": 3, "effective": "2026-01-01", "note": NOTE},
            ],
        },
        "versions:",
        "expected numbers that rise by one, found 1, 3",
    ),
    (
        {
            "version": 2,
            "versions": [
                {"version": 1, "effective": "2026-01-01", "note": NOTE},
                {"version": 2, "effective": "2024-01-01", "note": NOTE},
            ],
        },
        "versions:",
        "in the order of their effective days",
    ),
    (
        {"version": 2, "versions": [{"version": 2, "effective": "2026-01-01", "note": {"en": "Wider."}}]},
        "note:",
        "note.fr: is missing",
    ),
    ({"lifecycle": {"state": "retired", "since": "2026-01-01"}}, "lifecycle:", "says since when"),
    ({"lifecycle": {"state": "retired", "note": NOTE}}, "lifecycle:", "says since when"),
    ({"lifecycle": {"state": "dormant"}}, "state:", "found 'dormant'"),
    ({"crosswalk": {}}, "crosswalk:", "expected at least one of"),
    ({"crosswalk": {"iso_37120": 5.1}}, "iso_37120:", "expected text in quotes, found 5.1"),
    ({"crosswalk": {"mbncanada": "road"}}, "mbncanada:", "found 'road'"),
    ({"suitable_for_signals": False}, NOWHERE, "signals: a KPI that is not suitable for signals says why"),
    ({"signals": {"reason": NOTE}}, "signals:", "this one is said to be suitable"),
    ({"signals": {"basis": "weekday"}}, "basis:", "found 'weekday'"),
    ({"signals": {"baseline_points": 6}}, "baseline_points:", "found 6"),
    (
        {
            "signals": {
                "rebase": [{"from": "2026-01-01", "reason": NOTE}, {"from": "2025-01-01", "reason": NOTE}]
            }
        },
        "signals:",
        "rebase in the order of its days",
    ),
]


@pytest.mark.parametrize(("change", "line", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_a_wrong_definition_is_told_with_its_file_and_line(
    project: Path, change: dict[str, Any], line: str, message: str
) -> None:
    path = define(project, {**KPI, **change})
    nothing_there = line == NOWHERE  # then the definition itself is named
    number = line_with(path, "kpi:" if nothing_there else f" {line}")
    found = [str(mistake) for mistake in read(project).mistakes]
    assert len(found) == 1, found
    assert found[0].startswith(f"models/kpis/service_delivery/potholes_repaired.yml:{number}: "), found
    assert message in found[0]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2, "versions": [{"version": 2, "effective": "2026-01-01", "note": NOTE}]},
        {"lifecycle": {"state": "retired", "since": "2026-01-01", "note": NOTE}},
        {"lifecycle": {"state": "proposed"}, "definition": {"en": "To be written.", "fr": "À rédiger."}},
        {"crosswalk": {"mbncanada": "SWST311T", "iso_37120": "5.1", "report_card": "Cities: air"}},
        {
            "target_type": "range",
            "target": {"low": 1, "high": 3},
            "target_note": NOTE,
            "direction": "range",
        },
        {"target_type": "service_standard", "target": {"value": 90}, "target_note": NOTE},
        {"target_type": "historical_baseline", "target": {"years": 3}},
        {
            "target_type": "trajectory",
            "target": {"steps": [{"from": "2025-01-01", "value": 2}, {"from": "2026-01-01", "value": 3}]},
            "target_note": NOTE,
        },
        {"suitable_for_signals": False, "signals": {"reason": NOTE}},
        {"signals": {"basis": "same_season", "rebase": [{"from": "2025-01-01", "reason": NOTE}]}},
        {"rollup": {"geography": "ratio", "time": "ratio"}},
        {"rollup": {"time": "not_additive", "reason": NOTE}},
        {"owner": "Municipal Licensing and Standards"},
    ],
)
def test_a_right_definition_passes(project: Path, change: dict[str, Any]) -> None:
    define(project, {**KPI, **change})
    assert said(project) == ""


def test_a_measure_of_the_feed_says_nothing_that_the_feed_says(project: Path) -> None:
    path = define_feed(project, FEED_KPI, {**FEED_KPI, "id": "1.11", "decimals": 2})
    assert f"dashboard_feed.yml:{line_with(path, 'decimals:')}: 1.11: decimals: no such key" in said(project)


def test_a_measure_of_the_feed_is_checked_by_its_own_lines(project: Path) -> None:
    other = {**FEED_KPI, "id": "1.11", "name": {"en": "Imports", "fr": "Importations"}}
    other["definition"] = {"en": "Imports.", "fr": "Importations."}
    path = define_feed(project, FEED_KPI, {**other, "objective": "win"})
    assert f"dashboard_feed.yml:{line_with(path, 'objective: win')}: 1.11: objective: 'win' is not" in said(
        project
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "'SD-RD-01' as",
            "'SD-RD-02' as",
            3,
            "expected the id of potholes_repaired.yml, 'SD-RD-01', found 'SD-RD-02'",
        ),
        ("'SD-RD-01' as kpi_id", "upper('x') as kpi", 1, "expected 'SD-RD-01' as kpi_id, found it nowhere"),
        ("'month' as period_grain", "'year' as period_grain", 4, "expected 'month', the interval of"),
        (
            "ref('int_potholes')",
            "ref('objectives')",
            1,
            "names potholes, which this SQL does not read; it reads none",
        ),
        (
            "count(*)",
            "count('1.10')",
            5,
            "'1.10' is the id of another KPI (dashboard_feed.yml); use 'SD-RD-01'",
        ),
    ],
)
def test_the_sql_speaks_of_its_own_kpi(project: Path, old: str, new: str, line: int, message: str) -> None:
    path = project / "models/kpis/service_delivery/potholes_repaired.sql"
    path.write_text(SQL.replace(old, new), encoding="utf-8")
    (found,) = map(str, read(project).mistakes)
    assert found.startswith(f"models/kpis/service_delivery/potholes_repaired.sql:{line}: ")
    assert message in found


def test_every_data_set_that_the_sql_reads_is_named(project: Path) -> None:
    (project / "contracts/transportation/cracks.yml").write_text(CONTRACT.replace("potholes", "cracks"))
    staging = "{{ deliveries_of('cracks') }} -- {{ deliveries_of('unheard_of') }}"
    (project / "models/staging/transportation/stg_transportation__cracks.sql").write_text(staging)
    path = project / "models/kpis/service_delivery/potholes_repaired.sql"
    path.write_text(
        SQL + "union all select * from {{ ref('stg_transportation__cracks') }}\n", encoding="utf-8"
    )
    line = line_with(path.with_suffix(".yml"), "sources:")
    assert f"potholes_repaired.yml:{line}: sources: potholes_repaired.sql reads cracks as well" in said(
        project
    )


def test_an_id_may_be_handed_to_a_macro(project: Path) -> None:
    path = project / "models/kpis/service_delivery/potholes_repaired.sql"
    path.write_text("{{ monthly('SD-RD-01') }}\n", encoding="utf-8")
    assert said(project) == ""


def test_sql_and_yaml_stand_side_by_side(project: Path) -> None:
    folder = project / "models/kpis/service_delivery"
    (folder / "lonely.sql").write_text("select 1")
    (folder / "potholes_repaired.sql").unlink()
    assert "lonely.sql:1: expected its definition beside it, lonely.yml" in said(project)
    assert "potholes_repaired.yml:1: expected its SQL beside it, potholes_repaired.sql" in said(project)


def test_a_kpi_lies_in_the_folder_of_its_dimension(project: Path) -> None:
    define(project, {**KPI, "id": "SD-RD-02"}, folder="weather")
    assert "potholes_repaired.yml:1: expected it in the folder of its dimension" in said(project)


def _second(project: Path, **more: Any) -> None:
    fresh = {"name": {"en": "Cracks", "fr": "Fissures"}, "definition": {"en": "Cracks.", "fr": "Fissures."}}
    define(project, {**KPI, "id": "SD-RD-02", **fresh, **more}, model="cracks")
    path = project / "models/kpis/service_delivery/cracks.sql"
    path.write_text(SQL.replace("SD-RD-01", "SD-RD-02").replace("count(*)", "2 * count(*)"), encoding="utf-8")


def test_no_kpi_is_a_copy_of_another(project: Path) -> None:
    _second(project)
    assert said(project) == ""
    _second(project, name=KPI["name"])
    assert "has the same name as" in said(project)
    _second(project, definition={**KPI["definition"], "fr": "Autre."})
    assert "has the same definition as" in said(project)
    _second(project)
    path = project / "models/kpis/service_delivery/cracks.sql"
    path.write_text("-- Mine.\n" + SQL.replace("SD-RD-01", "SD-RD-02"), encoding="utf-8")
    assert "cracks.sql:1: computes what" in said(project) or "potholes_repaired.sql:1: computes what" in said(
        project
    )


def test_a_model_is_named_as_its_files(project: Path) -> None:
    path = define(project, KPI)
    path.write_text(
        path.read_text("utf-8").replace("name: potholes_repaired", "name: potholes"), encoding="utf-8"
    )
    assert "potholes_repaired.yml:2: expected the model potholes_repaired" in said(project)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [\n", "not YAML"),
        ("- a\n", "expected a mapping with `models:`, found a list"),
        ("models: []\n", "expected exactly one model"),
        ("models:\n  - name: potholes_repaired\n    name: twice\n", "'name' stands here a second time"),
        ("models:\n  - name: potholes_repaired\n    description: x\n", "config.meta: expected `kpi:`"),
    ],
)
def test_a_file_that_is_no_kpi_is_told(project: Path, text: str, message: str) -> None:
    (project / "models/kpis/service_delivery/potholes_repaired.yml").write_text(text)
    assert message in said(project)


def test_lineage_goes_through_macros_to_the_data_sets(project: Path) -> None:
    found = upstream("{{ monthly('x') }}", read_project(project, project / "contracts"))
    assert found.models == ("int_potholes", "stg_transportation__potholes")
    assert found.datasets == ("potholes",)


def test_every_type_of_target_is_that_of_a_kpi() -> None:
    """kpi-rules 3.4: all eight types are in use, and what nobody judges has none."""
    kpis = [entry.definition for entry in read_registry().kpis.values()]
    assert {kpi.target_type for kpi in kpis if isinstance(kpi, Kpi)} == {*get_args(TargetType)}
    assert {kpi.target_type for kpi in kpis if isinstance(kpi, Kpi) and kpi.direction == "none"} == {"none"}


def test_what_has_a_better_way_has_a_target() -> None:
    """Open requests have none: of recent months more are open, whatever the service does, so that neither their own past
    nor a number is a fair one."""
    kpis = [entry.definition for entry in read_registry().kpis.values()]
    without = {
        kpi.id
        for kpi in kpis
        if kpi.direction != "none"
        and (kpi.target_type == "none" if isinstance(kpi, Kpi) else getattr(kpi, "baseline_years", 1) is None)
    }
    assert without == {"CS-311-02"}


@pytest.mark.real
def test_a_crosswalk_names_what_is_there(real_data: Path) -> None:
    """MBNCanada's measures have results in the real files and in the sample; report cards are among the reviewed ones."""

    def column(file: Path, name: str, opened: Callable[..., Any] = open) -> set[str]:
        with opened(file, "rt", encoding="utf-8", newline="") as handle:
            return {row[name] for row in csv.DictReader(handle) if row.get("result", "x")}

    results = real_data / "mbncanada" / "mbnc_results_2004-2018.csv.gz"
    benchmarks = ROOT / "include" / "cityperf" / "portal" / "tables" / "benchmarks.csv"
    cards = ROOT / "include" / "sources" / "external" / "report_cards.csv"
    found = [entry.definition.crosswalk for entry in read_registry().kpis.values()]
    named = [crosswalk for crosswalk in found if crosswalk]
    measures = {each.mbncanada for each in named if each.mbncanada}
    assert measures
    assert measures <= column(results, "measure_number", gzip.open)
    assert measures <= column(benchmarks, "measure")
    assert {each.report_card for each in named if each.report_card} <= column(cards, "indicator")
    assert {each.iso_37120 for each in named if each.iso_37120} <= {"5.1", "5.4"}


def test_every_type_of_target_has_its_keys_and_every_dimension_its_usual_place() -> None:
    assert set(TARGET_KEYS) == {*get_args(TargetType)}
    assert set(USUAL) == {*get_args(Dimension)}


def _draft(project: Path, **more: Any) -> Any:
    given = {
        "kpi_id": "SD-RD-09",
        "dimension": "service_delivery",
        "name_en": "Potholes d’été: “big” ones",
        "name_fr": "Nids-de-poule d’été",
        "dataset": "potholes",
    }
    return draft(read(project), **{**given, **more}, project_folder=project, contracts=project / "contracts")


def test_a_new_kpi_is_two_files_that_pass(project: Path) -> None:
    before = {path for path in project.rglob("*") if path.is_file()}
    made = _draft(project)
    made.write()
    assert {path for path in project.rglob("*") if path.is_file()} - before == {made.sql_path, made.yaml_path}
    assert made.sql_path.name == "potholes_d_ete_big_ones.sql" or made.sql_path.stem == made.yaml_path.stem
    registry = read(project)
    assert [str(mistake) for mistake in registry.mistakes] == []
    kpi = registry.get("SD-RD-09").definition
    assert (kpi.lifecycle.state, kpi.owner, kpi.objective) == (
        "proposed",
        "Transportation Services",
        "serve_on_time",
    )
    assert "date_trunc('month', repaired_on)" in made.sql
    text = made.yaml_path.read_text("utf-8").replace("{state: proposed}", "{state: active}")
    made.yaml_path.write_text(text, encoding="utf-8")
    assert "an active KPI has its definition written" in said(project)


def test_a_new_kpi_overwrites_nothing(project: Path) -> None:
    made = _draft(project)
    made.yaml_path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="left as it is"):
        made.write()
    assert made.yaml_path.read_text("utf-8") == "mine"
    assert not made.sql_path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kpi_id": "sd 1"}, "expected an id of capitals"),
        ({"kpi_id": "SD-RD-01"}, "is taken by"),
        ({"name_en": "Potholes Repaired"}, "is taken by SD-RD-01"),
        ({"name_en": "Int potholes"}, "a model is named int_potholes already"),
        ({"name_en": "311"}, "begins with a letter"),
        ({"name_fr": " "}, "and in French"),
        ({"dataset": "pothole"}, "did you mean 'potholes'?"),
        ({"objective": "win"}, "is not in seeds/objectives.csv"),
    ],
)
def test_a_kpi_that_cannot_be_made_is_refused(project: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(NotDrafted, match=message.replace("?", r"\?")):
        _draft(project, **change)


def test_a_source_without_a_day_gives_sql_that_a_person_must_finish(project: Path) -> None:
    path = project / "models/staging/transportation/transportation.yml"
    path.write_text(STAGING_YML.replace("data_type: date", "data_type: text"), encoding="utf-8")
    made = _draft(project)
    assert "null::date as period_start" in made.sql
    assert "where false" in made.sql
    made.write()
    assert said(project) == ""


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.opened.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_card_tells_what_its_files_say(project: Path) -> None:
    define(
        project,
        {
            **KPI,
            "version": 2,
            "versions": [{"version": 2, "effective": "2026-01-01", "note": NOTE}],
            "target_type": "floor",
            "target": {"value": 12},
            "target_note": NOTE,
            "crosswalk": {"iso_37120": "5.1"},
        },
    )
    registry = read(project)
    card = make_card(registry, registry.get("SD-RD-01"), [Paragraph("No release <yet>.")], project)
    text = as_markdown(card)
    for part in (
        "# SD-RD-01  Potholes repaired",
        "Nids-de-poule que les équipes ont réparés.",
        "| objective | Serve residents on time (customer) |",
        "| target | at least 12 |",
        f"| who set it | {NOTE['en']} |",
        "ISO 37120 5.1",
        "No release <yet>.",
        "int_potholes (models",
        "| unit test | stg_transportation__potholes | a repair counts once |",
        "| data test | stg_transportation__potholes | grain |",
        "| 2 | 2026-01-01 | Counts both sides of the street. | Compte les deux côtés de la rue. |",
        "```sql\n" + SQL.rstrip(),
    ):
        assert part in text.replace("(int_potholes.sql)", "(models"), part
    page = Tags()
    page.feed(as_html(card))
    assert page.opened[0] == "html"
    assert page.opened.count("h1") == 1
    assert "No release <yet>." in page.text
    assert '<p lang="fr">' in as_html(card)
    assert "script" not in page.opened


def test_a_card_of_every_kpi_of_the_project_can_be_made() -> None:
    registry = read_registry()
    for kpi_id in ("1.02", "CP-BUD-02", "SD-TTC-02", "QL-CRM-01"):
        assert f"# {kpi_id} " in as_markdown(make_card(registry, registry.get(kpi_id), []))
    with pytest.raises(NotRegistered, match="did you mean"):
        registry.get("1.2")


def test_the_command_says_what_is_wrong_and_ends_with_1(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cityperf.registry.read_registry", partial(read, project))
    assert main(["kpi", "check"]) == 0
    assert "2 KPIs, all sound" in capsys.readouterr().out
    define(project, {**KPI, "objective": "win"})
    with pytest.raises(SystemExit) as ended:
        main(["kpi", "check", "--json"])
    assert ended.value.code == 1
    (mistake,) = json.loads(capsys.readouterr().out)["mistakes"]
    assert mistake["file"].endswith("potholes_repaired.yml")
    assert mistake["line"] > 1


def test_the_check_needs_neither_dbt_nor_a_database() -> None:
    program = (
        "import contextlib, sys; from cityperf.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['kpi', 'check', '--json'])\n"
        "print([name for name in ('dbt', 'psycopg', 'pandas', 'great_expectations') if name in sys.modules], "
        "file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip().splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize(
    ("unit", "flow", "feed", "expected"),
    [
        ("number", True, False, ("additive", "additive", None)),
        ("number", False, False, ("additive", "not_additive", "level")),
        ("cad", True, True, ("additive", "additive", None)),
        ("percent", False, False, ("ratio", "ratio", None)),
        ("percent", False, True, ("not_additive", "not_additive", "finished figure")),
        ("per_day", True, False, ("additive", "ratio", None)),
    ],
)
def test_how_figures_roll_up_follows_from_unit_and_flow(
    unit: str, flow: bool, feed: bool, expected: tuple[str, str, str | None]
) -> None:
    """Counts add up; a level does not over time; a quotient is put together from its parts, which the feed has not;
    requests a day share their days, so wards add up."""
    said = {**(FEED_KPI if feed else KPI), "unit": unit, "flow": flow}
    found = rolls_up((FeedKpi if feed else Kpi).model_validate(said))
    assert (found.geography, found.time) == expected[:2]
    assert (
        (found.reason is None) if expected[2] is None else (found.reason and expected[2] in found.reason.en)
    )


def test_what_a_kpi_declares_of_its_rollup_comes_first() -> None:
    declared = {"geography": "not_additive", "time": "not_additive", "reason": NOTE}
    found = rolls_up(Kpi.model_validate({**KPI, "unit": "days", "rollup": declared}))
    assert (found.geography, found.time) == ("not_additive", "not_additive")
    assert found.reason is not None
    assert found.reason.fr == NOTE["fr"]


@pytest.mark.parametrize(
    ("denominator", "change", "message"),
    [
        ("null::numeric", {"unit": "days"}, "the SQL gives no denominator"),
        ("count(*)::numeric", {}, "the SQL divides, so figures do not add up as number does"),
        ("null::numeric", {}, ""),
        ("count(*)::numeric", {"rollup": {"geography": "ratio", "time": "ratio"}}, ""),
        ("count(*)::numeric", {"unit": "days"}, ""),
    ],
)
def test_a_rollup_fits_what_the_sql_gives(
    project: Path, denominator: str, change: dict[str, Any], message: str
) -> None:
    path = define(project, {**KPI, **change})
    sql = path.with_suffix(".sql")
    sql.write_text(
        SQL.replace("as numerator", f"as numerator,\n    {denominator} as denominator"), encoding="utf-8"
    )
    found = said(project)
    assert message in found if message else found == ""
