"""A data set that leaves must say since when and why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cityperf.retirement import mistakes

CONTRACT = "include/sources/water/readings.yml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository that had a contract once."""
    file = tmp_path / CONTRACT
    file.parent.mkdir(parents=True)
    file.write_text("dataset: readings\n")
    retired(tmp_path, "[]")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True)
    file.unlink()
    subprocess.run([*git, "commit", "-qam", "two"], check=True)
    return tmp_path


def retired(tree: Path, text: str) -> None:
    (tree / "include" / "sources" / "retired.yaml").write_text(text)


def test_a_contract_that_vanished_is_told(tree: Path) -> None:
    (found,) = mistakes([], tree)
    assert "readings had a contract once" in found


def test_moving_a_contract_to_another_folder_retires_nothing(tree: Path) -> None:
    assert list(mistakes(["readings"], tree)) == []


def test_a_date_and_a_reason_settle_it(tree: Path) -> None:
    retired(tree, "- {dataset: readings, retired: 2026-11-22, reason: The meter was taken down.}")
    assert list(mistakes([], tree)) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("- {dataset: readings, retired: 2026-11-22}", "reason"),
        ("- {dataset: readings, retired: soon, reason: x}", "retired"),
        ("- {dataset: readings, retired: 2026-11-22, reason: x, replaced_by: none}", "no contract"),
    ],
)
def test_an_incomplete_entry_is_refused(tree: Path, entry: str, said: str) -> None:
    retired(tree, entry)
    assert said in "\n".join(mistakes([], tree))


def test_a_data_set_is_not_retired_and_in_use(tree: Path) -> None:
    retired(tree, "- {dataset: readings, retired: 2026-11-22, reason: x}")
    (found,) = mistakes(["readings"], tree)
    assert "remove one of the two" in found


def test_the_project_has_retired_what_it_lost() -> None:
    from cityperf.sources import load_contracts

    assert list(mistakes(load_contracts())) == []
