"""Contracts: a mistake is found before any run, and told with file and line."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cityperf.config import ROOT
from cityperf.sources import CONTRACTS, ContractError, load_contracts, read_contract

GOOD = """\
dataset: readings
title: Readings
description: What a meter read.
owner: {division: Water, steward: Meters}
licence: OGL-Toronto
privacy: {class: public}
tier: 2
extract:
  connector: http_file
  url: https://example.org/readings.csv
  name: readings.csv
  read: {format: csv}
schedule: {refresh: daily, warn_after: 40 days, fail_after: 10 weeks}
keys: [meter]
columns:
  - {name: meter, header: [Meter], type: text, required: true}
  - {name: read_on, header: [Read on], type: date}
drift: {new_column: warn, missing_column: quarantine_file, type_error: quarantine_row}
"""


def refused(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    file = tmp_path / "readings.yml"
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)
    return str(caught.value)


def test_every_contract_of_the_project_is_sound() -> None:
    contracts = load_contracts()
    assert set(contracts) >= {"dashboard_measures", "ttc_subway_delays", "operating_budget"}
    for contract in contracts.values():
        assert contract.owner.division
        assert contract.owner.steward
        assert contract.path.is_relative_to(CONTRACTS)


def test_durations_are_read_as_time(tmp_path: Path) -> None:
    (tmp_path / "readings.yml").write_text(GOOD)
    schedule = load_contracts(tmp_path)["readings"].schedule
    assert schedule.warn_after == timedelta(days=40)
    assert schedule.fail_after == timedelta(weeks=10)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("tier: 2", "teir: 2", 7, "no such key; did you mean 'tier'?"),
        ("tier: 2", "tier: 9", 7, "1, 2 or 3"),
        ("steward: Meters", "stewart: Meters", 4, "did you mean 'steward'?"),
        ("connector: http_file", "connector: http_fle", 9, "did you mean 'http_file'?"),
        ("  url: https", "  uri: https", 10, "takes no argument 'uri'; did you mean 'url'?"),
        ("  name: readings.csv", "  name: [readings.csv]", 11, "valid string"),
        ("40 days", "forty days", 13, "expected a duration such as '40 days'"),
        ("fail_after: 10 weeks", "fail_after: 3 days", 13, "fail_after is shorter than warn_after"),
        ("keys: [meter]", "keys: [metre]", 1, "keys: no column is named metre"),
        ("type: date", "type: dat", 17, "'date'"),
        ("name: read_on", "name: meter", 1, "columns named twice: meter"),
        ("format: csv", "format: json", 12, "needs `each`"),
        ("format: csv", "format: csv, encoding: utf-7000", 12, "encoding 'utf-7000' is not known"),
        ("tier: 2", "tier: 2\ntier: 3", 8, "'tier' stands here a second time"),
        ("tier: 2", "tier: [2", 8, "not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    told = [each for each in refused(tmp_path, old, new).splitlines() if says in each]
    assert len(told) == 1
    assert told[0].startswith(f"readings.yml:{line}: ")


def test_an_argument_that_the_connector_needs_is_asked_for(tmp_path: Path) -> None:
    message = refused(tmp_path, "  name: readings.csv\n", "")
    assert message == "readings.yml:9: connector http_file needs the argument 'name'"


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(GOOD.replace("tier: 2", "tier: 9"))
    (tmp_path / "two.yml").write_text(GOOD.replace("licence:", "license:"))
    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)
    assert "one.yml:7" in str(caught.value)
    assert "two.yml:5" in str(caught.value)


def test_a_contract_is_named_after_its_data_set(tmp_path: Path) -> None:
    (tmp_path / "meters.yml").write_text(GOOD)
    with pytest.raises(ContractError, match=r"meters\.yml:1: .*readings\.yml"):
        load_contracts(tmp_path)


def test_a_dataset_is_defined_once(tmp_path: Path) -> None:
    (tmp_path / "readings.yml").write_text(GOOD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "readings.yml").write_text(GOOD)
    with pytest.raises(
        ContractError, match=r"sub/readings\.yml:1: dataset 'readings' is defined already in readings\.yml"
    ):
        load_contracts(tmp_path)


def test_a_partition_by_name_needs_its_group_in_match(tmp_path: Path) -> None:
    file = tmp_path / "readings.yml"
    file.write_text(
        GOOD.replace(
            "  connector: http_file\n  url: https://example.org/readings.csv\n  name: readings.csv\n",
            "  connector: drop_folder\n  folder: meters\n  match: '^readings'\n",
        ).replace("keys: [meter]", "partition: {from_name: year, grain: year}")
    )
    with pytest.raises(ContractError, match=r"no group \(\?P<year>"):
        read_contract(file)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "readings.yml"
    file.write_text(GOOD)
    assert load_contracts(tmp_path)["readings"].tier == 2
    file.write_text(GOOD.replace("tier: 2", "tier: 1") + "\n")
    assert load_contracts(tmp_path)["readings"].tier == 1


def test_reading_contracts_loads_no_heavy_library() -> None:
    """DAG files import this module, and a DAG file may not take seconds to parse."""
    heavy = ("requests", "psycopg", "ijson", "python_calamine", "pandas", "great_expectations")
    code = (
        "import sys; from cityperf.sources import load_contracts; load_contracts(); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "include")},
    )  # fmt: skip
    assert found.stdout.strip() == "[]"
