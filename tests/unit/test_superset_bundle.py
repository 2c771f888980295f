"""The dashboards in include/superset name what is published, and say where they do not; no Superset is needed for that."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from cityperf import superset
from cityperf.cli import main
from cityperf.config import ROOT

MODELS = ROOT / "dbt_project" / "models"
DATASETS = "datasets/warehouse"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(superset.BUNDLE, tmp_path / "bundle"))


def exposures(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((MODELS / file).read_text("utf-8"))["exposures"]
    return found


def test_the_bundle_is_as_the_contracts_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert superset.problems() == []
    with pytest.raises(SystemExit) as done:
        main(["superset", "check", "--json"])
    assert (done.value.code, capsys.readouterr().out.strip()) == (0, "[]")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            f"{DATASETS}/data_quality.yaml",
            "column_name: tier,",
            "column_name: rank,",
            r"rank: the contract of publish\.data_quality has no such column",
        ),
        (
            f"{DATASETS}/data_quality.yaml",
            "column_name: tier, verbose_name: Tier, type: INTEGER",
            "column_name: tier, verbose_name: Tier, type: TEXT",
            "tier: expected type INTEGER, found TEXT",
        ),
        (
            f"{DATASETS}/data_quality.yaml",
            "sum(checks_failed)",
            "sum(checks_broken)",
            "failed_checks: expected columns of the dataset, found checks_broken",
        ),
        (
            f"{DATASETS}/data_quality.yaml",
            "table_name: data_quality",
            "table_name: data_qualities",
            r"table_name: expected a published table, found publish\.data_qualities",
        ),
        (
            f"{DATASETS}/kpi_series.yaml",
            "v.mark",
            "v.remark",
            r"sql: names what the contracts do not have: column v\.remark",
        ),
        (
            f"{DATASETS}/kpi_series.yaml",
            "publish.kpi_value as v",
            "marts.kpi_point as v",
            r"sql: expected published tables, found marts\.kpi_point",
        ),
        (
            f"{DATASETS}/kpi_series.yaml",
            "column_name: vintage, verbose_name: Stands since, type: DATE",
            "column_name: vintage, verbose_name: Stands since, type: NUMERIC",
            "vintage: expected type DATE, found NUMERIC",
        ),
        (
            f"{DATASETS}/kpi_series.yaml",
            "column_name: mark,",
            "column_name: note,",
            "note: its SQL has no such column",
        ),
        (
            "charts/kpi_wards.yaml",
            "subject: is_newest_period",
            "subject: is_last_period",
            "adhoc_filters: .*kpi_series.yaml has no column is_last_period",
        ),
        (
            "charts/kpi_series.yaml",
            "metrics: [figure]",
            "metrics: [figures]",
            "metrics: .*kpi_series.yaml has no metric figures",
        ),
        (
            "dashboards/kpi_series.yaml",
            "column: {name: area}",
            "column: {name: ward}",
            "Areas: expected a column of a dataset of the bundle, found ward",
        ),
    ],
)
def test_what_is_not_published_is_told_with_file_and_column(
    bundle: Path, file: str, old: str, new: str, said: str
) -> None:
    path = bundle / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    told = [str(each) for each in superset.problems(bundle)]
    assert any(re.match(f"{re.escape(file)}: {said}", each) for each in told), told


def test_a_column_that_leaves_a_contract_is_missed_where_it_is_used() -> None:
    tables = {name: dict(columns) for name, columns in superset.contracts().items()}
    del tables["restatement"]["cause"]
    del tables["dimension_scorecard"]["targets_met"]
    told = {(each.file, each.place) for each in superset.problems(tables=tables)}
    assert told == {
        (f"{DATASETS}/restatement.yaml", "sql"),
        (f"{DATASETS}/dimension_scorecard.yaml", "targets_met"),
    }


def test_a_dashboard_shows_only_charts_of_the_bundle(bundle: Path) -> None:
    (bundle / "charts" / "releases.yaml").unlink()
    [told] = superset.problems(bundle)
    assert (told.file, told.place) == ("dashboards/data_trust.yaml", "position")


def test_every_dashboard_begins_with_the_release_and_whether_it_is_a_sample() -> None:
    chart = yaml.safe_load((superset.BUNDLE / "charts" / "release_up.yaml").read_text("utf-8"))
    assert {"standing", "release_number", "night"} <= set(chart["params"]["all_columns"])
    dashboards = [
        yaml.safe_load(path.read_text("utf-8"))["position"]
        for path in (superset.BUNDLE / "dashboards").iterdir()
    ]
    assert len(dashboards) == 3
    for position in dashboards:
        first = position[position["GRID_ID"]["children"][0]]["children"][0]
        assert position[first]["meta"]["uuid"] == chart["uuid"]


def test_identifiers_are_fixed_and_nobodys_twice() -> None:
    said = [yaml.safe_load(path.read_text("utf-8")) for path in superset.BUNDLE.rglob("*.yaml")]
    known = [each["uuid"] for each in said if "uuid" in each]
    assert len(known) == len(set(known)) == len(said) - 1  # metadata.yaml has none


def test_the_kpi_that_is_shown_first_is_in_the_registry() -> None:
    text = (superset.BUNDLE / "dashboards" / "kpi_series.yaml").read_text("utf-8")
    [first] = yaml.safe_load(text)["metadata"]["native_filter_configuration"][0]["defaultDataMask"][
        "filterState"
    ]["value"]
    registry = [path.read_text("utf-8") for path in (MODELS / "kpis").rglob("*.yml")]
    assert sum(f'en: "{first}"\n' in text for text in registry) == 1


def test_dashboards_are_exposures_that_name_what_is_read_and_read_only_what_may_leave() -> None:
    reads = superset.reads_of_dashboards()
    named = {
        each["name"]: set(re.findall(r"ref\('(\w+)'\)", " ".join(each["depends_on"])))
        for each in exposures("dashboards.yml")
    }
    read = {
        f"{slug.replace('-', '_')}_dashboard": {table.removeprefix("publish.") for table, _ in columns}
        for slug, columns in reads.items()
    }
    assert named == read
    may = {
        (f"publish.{meta['table']}", column)
        for meta in (each["config"]["meta"] for each in exposures("exposures.yml"))
        for column in meta["columns"]
    }
    assert frozenset().union(*reads.values()) <= may
