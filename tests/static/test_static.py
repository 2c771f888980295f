"""The rules that tools check: style, types, layers, SQL, and that dbt understands the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*command: str, **env: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"


def test_python_style() -> None:
    run(str(BIN / "ruff"), "check", ".")


def test_python_format() -> None:
    run(str(BIN / "ruff"), "format", "--check", ".")


def test_types_are_strict_in_the_package() -> None:
    run(str(BIN / "mypy"), "--no-error-summary")


def test_cityperf_never_imports_airflow_and_pandas_stays_out_of_the_load_path() -> None:
    run(str(BIN / "lint-imports"), PYTHONPATH=str(ROOT / "include"))


def test_sql_style() -> None:
    command = (sys.executable, "tests/static/lint_sql.py", "lint", "dbt_project/models")
    run(*command, "--disable-progress-bar")


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    words = [
        "pypi." + "org",
        "python" + "hosted",
        "registry." + "npmjs",
        "/work" + "/main",
        "/wo" + "rk/shared",
    ]
    found = [
        (name, word)
        for name in tracked
        if (ROOT / name).is_file()
        for word in words
        if word in (ROOT / name).read_text(encoding="utf-8", errors="ignore")
    ]
    assert not found


@pytest.mark.parametrize("name", ["requirements.lock", "include/superset/requirements.lock"])
def test_every_locked_package_has_a_hash_and_no_address(name: str) -> None:
    lines = (ROOT / name).read_text().splitlines()
    packages = [n for n, line in enumerate(lines) if "==" in line and not line.startswith((" ", "#"))]
    assert len(packages) > 150
    assert all("--hash=sha256:" in lines[n + 1] for n in packages)
    assert not [line for line in lines if "://" in line or "index-url" in line]


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their bare name: the second would stop the whole run."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
