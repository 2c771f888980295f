"""What the dbt project promises whatever the data: sources in step with contracts, columns explained."""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cityperf import dbt_sources
from cityperf.config import ROOT

PROJECT = ROOT / "dbt_project"
LAYERS = ("staging", "intermediate")
# City of Toronto, note on the neighbourhood profiles: split when the 158 model came
RETIRED_IN_2022 = {
    int(code)
    for code in [
        "14",
        "17",
        "26",
        "45",
        "51",
        "75",
        "76",
        "77",
        "82",
        "93",
        "104",
        "117",
        "127",
        "131",
        "132",
        "137",
    ]
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def described(layer: str) -> dict[str, dict[str, Any]]:
    """Model name → its YAML entry."""
    entries: dict[str, dict[str, Any]] = {}
    for path in (PROJECT / "models" / layer).rglob("*.yml"):
        for model in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader).get("models", []):
            entries[model["name"]] = model
    return entries


def seed(name: str) -> list[dict[str, str]]:
    with (PROJECT / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_sources_of_dbt_are_the_contracts() -> None:
    assert dbt_sources.TARGET.read_text(encoding="utf-8") == dbt_sources.render(dbt_sources.read_contracts())


def test_every_contract_has_a_staging_model() -> None:
    sql = "\n".join(
        path.read_text(encoding="utf-8") for path in (PROJECT / "models" / "staging").rglob("*.sql")
    )
    lacking = [
        contract["dataset"]
        for contract in dbt_sources.read_contracts()
        if f"'{contract['dataset']}'" not in sql
    ]
    assert lacking == []


@pytest.mark.parametrize("layer", LAYERS)
def test_every_model_and_column_is_described_and_owned(layer: str) -> None:
    models = described(layer)
    assert set(models) == {path.stem for path in (PROJECT / "models" / layer).rglob("*.sql")}
    for name, model in models.items():
        assert model["description"], name
        assert model["config"]["meta"]["owner"], name
        assert all(column["description"] and column["data_type"] for column in model["columns"]), name


def test_staging_joins_no_other_model() -> None:
    offenders = [
        path.name
        for path in (PROJECT / "models" / "staging").rglob("*.sql")
        if "ref(" in path.read_text(encoding="utf-8")
    ]
    assert offenders == []


def test_no_model_reads_the_wall_clock() -> None:
    clocks = ("now()", "current_date", "current_timestamp", "clock_timestamp", "localtimestamp")
    offenders = [
        path.name
        for path in (PROJECT / "models").rglob("*.sql")
        if any(clock in path.read_text(encoding="utf-8").lower() for clock in clocks)
    ]
    assert offenders == []


def test_geography_seeds_hold_25_wards_and_both_neighbourhood_models() -> None:
    old = {row["neighbourhood_code"] for row in seed("neighbourhoods_140")}
    new = {row["neighbourhood_code"] for row in seed("neighbourhoods_158")}
    assert (len(seed("wards_25")), len(old), len(new)) == (25, 140, 158)
    assert len(old & new) == 124
    assert {int(code) for code in old - new} == RETIRED_IN_2022
    assert {int(code) for code in new - old} == set(range(141, 175))


def test_conformance_covers_every_neighbourhood_once() -> None:
    rows = seed("neighbourhood_140_to_158")
    assert Counter(row["relation"] for row in rows) == {"same": 123, "renamed": 1, "split": 34}
    assert {row["code_140"] for row in rows} == {
        row["neighbourhood_code"] for row in seed("neighbourhoods_140")
    }
    assert {row["code_158"] for row in rows} == {
        row["neighbourhood_code"] for row in seed("neighbourhoods_158")
    }


def test_calendar_seeds_come_from_their_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_calendar = script("make_calendar")
    monkeypatch.setattr(make_calendar, "SEEDS", tmp_path)
    make_calendar.write("fiscal_periods", make_calendar.fiscal_periods())
    make_calendar.write("ontario_holidays", make_calendar.ontario_holidays())
    for name in ("fiscal_periods.csv", "ontario_holidays.csv"):
        assert (tmp_path / name).read_bytes() == (PROJECT / "seeds" / name).read_bytes()


def test_family_day_is_a_holiday_since_2008_only() -> None:
    years = {
        row["holiday_date"][:4] for row in seed("ontario_holidays") if row["holiday_name"] == "Family Day"
    }
    assert min(years) == "2008"


def test_every_division_has_exactly_one_name_in_use() -> None:
    rows = seed("divisions")
    current = Counter(row["division_code"] for row in rows if row["name_role"] == "current")
    assert set(current) == {row["division_code"] for row in rows}
    assert set(current.values()) == {1}


def test_wards_are_numbered_without_a_gap_in_both_models() -> None:
    for count in (25, 44):
        assert [row["ward_code"] for row in seed(f"wards_{count}")] == [
            f"{n:02d}" for n in range(1, count + 1)
        ]


def test_metrics_are_made_of_columns_that_are_there() -> None:
    """dbt checks that a metric names a measure, not that the measure's column is in its model."""
    semantic = yaml.safe_load((PROJECT / "models" / "semantic.yml").read_text(encoding="utf-8"))
    models = described("intermediate")
    for each in semantic["semantic_models"]:
        columns = {column["name"] for column in models[each["model"].split("'")[1]]["columns"]}
        used = {part["name"] for part in each["dimensions"] + each["measures"]}
        assert used <= columns, (each["name"], used - columns)


def test_what_stands_on_forecasts_is_new_when_the_figures_are() -> None:
    """The source of forecasts has no version of its own: its tables are made of kpi_current in the middle of the run."""
    readers = [
        path
        for path in (ROOT / "dbt_project" / "models").rglob("*.sql")
        if "source('forecast'" in path.read_text("utf-8")
    ]
    assert len(readers) == 2
    assert [path.name for path in readers if "ref('kpi_current')" not in path.read_text("utf-8")] == []
