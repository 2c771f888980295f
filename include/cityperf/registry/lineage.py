"""What a dbt model is made of, read from the SQL files: the models, macros and data sets above it. dbt is not asked,
which would take half a minute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityperf.config import ROOT
from cityperf.sources import CONTRACTS

PROJECT: Final = ROOT / "dbt_project"
_REF: Final = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
_NAME: Final = re.compile(r"""['"](\w+)['"]""")
_CALL: Final = re.compile(r"\b([a-z]\w*)\(")
_MACRO: Final = re.compile(r"\{%-?\s*macro\s+(\w+)\(.*?\{%-?\s*endmacro\s*-?%\}", re.DOTALL)
_COMMENT: Final = re.compile(r"--[^\n]*|\{#.*?#\}|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Project:
    """Models and seeds by name, the text of each macro, and the data sets that have a contract."""

    models: Mapping[str, Path]
    seeds: Mapping[str, Path]
    macros: Mapping[str, str]
    datasets: frozenset[str]


@dataclass(frozen=True)
class Lineage:
    """What stands above a model: other models nearest first, then seeds, and the data sets."""

    models: tuple[str, ...]
    seeds: tuple[str, ...]
    datasets: tuple[str, ...]


def read_project(folder: Path = PROJECT, contracts: Path = CONTRACTS) -> Project:
    """The project's files as they lie there. A contract's file is named after its data set."""
    macros: dict[str, str] = {}
    for path in sorted((folder / "macros").rglob("*.sql")):
        for found in _MACRO.finditer(path.read_text("utf-8")):
            macros[found[1]] = found[0]
    return Project(
        {path.stem: path for path in sorted((folder / "models").rglob("*.sql"))},
        {path.stem: path for path in sorted((folder / "seeds").rglob("*.csv"))},
        macros,
        frozenset(path.stem for path in contracts.rglob("*.yml")),
    )


def without_comments(sql: str) -> str:
    """The SQL with as many lines as before and no comments."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), sql)


def upstream(sql: str, project: Project) -> Lineage:
    """Everything that `sql` is made of, however far up, macros' own reads included.

    Only staging reads data sets, each by its name in quotes, whatever macro the name is handed to.
    """
    models: dict[str, None] = {}
    seeds: set[str] = set()
    datasets: set[str] = set()
    waiting = [without_comments(sql)]
    while waiting:
        for name in _refs(waiting.pop(0), project):
            if name in project.seeds:
                seeds.add(name)
            elif name in project.models and name not in models:
                models[name] = None
                path = project.models[name]
                text = without_comments(path.read_text("utf-8"))
                waiting.append(text)
                if "staging" in path.parts:
                    datasets |= project.datasets & {*_NAME.findall(text)}
    return Lineage(tuple(models), tuple(sorted(seeds)), tuple(sorted(datasets)))


def _refs(sql: str, project: Project) -> list[str]:
    """The models and seeds that the SQL and the macros it calls name, each once, in order."""
    called: set[str] = set()
    waiting, texts = [sql], [sql]
    while waiting:
        for name in _CALL.findall(waiting.pop()):
            if name in project.macros and name not in called:
                called.add(name)
                waiting.append(without_comments(project.macros[name]))
                texts.append(waiting[-1])
    return list(dict.fromkeys(name for text in texts for name in _REF.findall(text)))
