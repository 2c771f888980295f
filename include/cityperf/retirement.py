"""A data set leaves only with a date and a reason: include/sources/retired.yaml, held against the tree's history."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cityperf.config import ROOT
from cityperf.sources import CONTRACTS

RETIRED: Final = CONTRACTS / "retired.yaml"


class Retired(BaseModel):
    """One data set that is gone, why, and what stands in its place."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dataset: str
    retired: date
    reason: str
    replaced_by: str | None = None


def read_retired(file: Path = RETIRED) -> list[Retired]:
    """The entries of the list. Raises ValueError with the file's name and what is wrong."""
    try:
        return TypeAdapter(list[Retired]).validate_python(yaml.safe_load(file.read_text("utf-8")) or [])
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{file.name}: entry {place}: {first['msg']}, found {first['input']!r}") from None


def mistakes(there: Iterable[str], root: Path = ROOT) -> Iterator[str]:
    """What does not agree between contracts, history and the list, a line each.

    `there` are the data sets that have a contract. Without git, or in a copy without history, only the list
    is looked at.
    """
    file = root / "include" / "sources" / RETIRED.name
    names = set(there)
    try:
        gone = read_retired(file)
    except ValueError as problem:
        yield str(problem)
        return
    for entry in gone:
        if entry.dataset in names:
            yield f"{file.name}: {entry.dataset} is retired and has a contract: remove one of the two"
        if entry.replaced_by and entry.replaced_by not in names:
            yield f"{file.name}: {entry.dataset} is replaced by {entry.replaced_by}, which has no contract"
    listed = {entry.dataset for entry in gone}
    for dataset in sorted(_ever(root) - names - listed):
        yield f"{file.name}: {dataset} had a contract once and has none now: say here since when and why"


def _ever(root: Path) -> set[str]:
    """Every data set that a commit ever had: a contract's file is named after it."""
    command = ["git", "-C", str(root), "log", "--format=", "--name-only", "--diff-filter=A", "--no-renames"]
    try:
        done = subprocess.run([*command, "--", "include/sources"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return set()
    paths = [PurePosixPath(line) for line in done.stdout.splitlines()]
    return {path.stem for path in paths if path.suffix == ".yml"}
