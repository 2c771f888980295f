"""The KPI registry: every definition in dbt_project/models/kpis, checked without dbt and without a database.

A KPI is one SQL file and one YAML file. Each mistake is told with its file, its line and what to do.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import ValidationError

from cityperf.errors import CityperfError
from cityperf.marked import compose, hint, line_of, shown_path
from cityperf.registry.definition import Definition, Dimension, FeedKpi, Kpi, section
from cityperf.registry.lineage import PROJECT, Project, read_project, upstream, without_comments
from cityperf.registry.rollup import AMOUNTS, rolls_up
from cityperf.sources import CONTRACTS

FEED: Final = "dashboard_feed"
_ID_COLUMN: Final = re.compile(r"'([^'\n]*)'\s+as\s+kpi_id\b", re.IGNORECASE)
_GRAIN_COLUMN: Final = re.compile(r"'([^'\n]*)'\s+as\s+period_grain\b", re.IGNORECASE)
_DENOMINATOR: Final = re.compile(r"(\S+)\s+as\s+denominator\b", re.IGNORECASE)
_TEXT: Final = re.compile(r"'([^'\n]*)'|\"([^\"\n]*)\"")


class NotRegistered(CityperfError):
    """No KPI has that id."""


@dataclass(frozen=True)
class Mistake:
    """What is wrong in one place of one file, and what to do."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Registered:
    """A definition with the two files that it stands in."""

    definition: Definition
    model: str
    description: str
    yaml: Path
    sql: Path
    line: int

    @property
    def is_feed(self) -> bool:
        return isinstance(self.definition, FeedKpi)


@dataclass(frozen=True)
class Registry:
    """All sound definitions by id, and the mistakes of the others."""

    kpis: Mapping[str, Registered]
    mistakes: tuple[Mistake, ...]
    project: Project

    def get(self, kpi_id: str) -> Registered:
        """Raises NotRegistered with the ids that look alike."""
        if kpi_id not in self.kpis:
            near = hint(kpi_id, list(self.kpis)) or "; see ./cityperf kpi check"
            raise NotRegistered(
                f"expected the id of a KPI in dbt_project/models/kpis, found {kpi_id!r}{near}"
            )
        return self.kpis[kpi_id]


@dataclass
class _Reading:
    """Where a registry is read from, and what was found so far."""

    project_folder: Path
    kpis: dict[str, Registered] = field(default_factory=dict)
    places: dict[str, tuple[yaml.Node, tuple[Any, ...]]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.project_folder / "models" / "kpis"

    def shown(self, file: Path) -> str:
        return shown_path(file, self.project_folder)

    def say(self, file: Path, line: int, message: str) -> None:
        self.mistakes.append(Mistake(self.shown(file), line, message))


def read_registry(project_folder: Path = PROJECT, contracts: Path = CONTRACTS) -> Registry:
    """Every KPI of the project and every mistake in its files, in order of file and line."""
    reading = _Reading(project_folder)
    project = read_project(project_folder, contracts)
    for file in sorted(reading.folder.rglob("*.yml")):
        _read_file(reading, file)
    objectives = [row["objective"] for row in read_objectives(project_folder)]
    owners = [row["name_as_found"] for row in _rows_of(project_folder, "divisions")]
    _check_files(reading, project)
    for entry in reading.kpis.values():
        _check_entry(reading, entry, project, objectives, owners)
    _check_twins(reading)
    ordered = sorted({*reading.mistakes}, key=lambda each: (each.file, each.line, each.message))
    return Registry(dict(sorted(reading.kpis.items())), tuple(ordered), project)


def read_objectives(project_folder: Path = PROJECT) -> list[dict[str, str]]:
    """The objectives of the balanced scorecard: the rows of the seed."""
    return _rows_of(project_folder, "objectives")


def organisation_key(name: str) -> str:
    """A division's name as it is compared: as the macro of that name does, without case, punctuation, and with "and"
    for "&"."""
    return re.sub(r"[^a-z0-9]+", " ", name.lower().replace("&", " and ")).strip()


def _rows_of(project_folder: Path, seed: str) -> list[dict[str, str]]:
    with (project_folder / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _read_file(reading: _Reading, file: Path) -> None:
    shown = reading.shown(file)
    try:
        node, content = compose(file, shown, "models")
    except ValueError as problem:
        for line in str(problem).splitlines():
            _, at, message = line.removeprefix(shown).split(":", 2)
            reading.say(file, int(at), message.strip())
        return
    models = content.get("models")
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], dict):
        reading.say(file, line_of(node, ("models",)), "expected exactly one model in a KPI's YAML")
        return
    model = models[0]
    place: tuple[Any, ...] = ("models", 0)
    if model.get("name") != file.stem:
        reading.say(
            file,
            line_of(node, (*place, "name")),
            f"expected the model {file.stem}, named as its files are, found {model.get('name')!r}",
        )
    if not str(model.get("description") or "").strip():
        reading.say(file, line_of(node, place), "description: is missing; say in a sentence what a row is")
    meta = (model.get("config") or {}).get("meta") or {}
    place = (*place, "config", "meta")
    if not str(meta.get("owner") or "").strip():
        reading.say(
            file, line_of(node, place), "config.meta.owner: is missing; name the division that answers"
        )
    kind: type[Definition] = FeedKpi if file.stem == FEED else Kpi
    key, other = ("kpis", "kpi") if kind is FeedKpi else ("kpi", "kpis")
    if other in meta or not meta.get(key):
        reading.say(
            file,
            line_of(node, place),
            f"config.meta: expected `{key}:` with {'the list of measures' if key == 'kpis' else 'the definition'}",
        )
        return
    about = str(model.get("description") or "")
    place = (*place, key)
    if kind is Kpi:
        _read_definition(reading, file, node, place, meta[key], kind, about)
        return
    for number, raw in enumerate(meta[key]):
        _read_definition(reading, file, node, (*place, number), raw, kind, about)


def _read_definition(
    reading: _Reading,
    file: Path,
    node: yaml.Node,
    where: tuple[Any, ...],
    raw: object,
    kind: type[Definition],
    description: str,
) -> None:
    label = f"{raw['id']}: " if kind is FeedKpi and isinstance(raw, dict) and "id" in raw else ""
    try:
        definition = kind.model_validate(raw)
    except ValidationError as problem:
        for error in problem.errors(include_url=False):
            location, message = _say(error, kind)
            reading.say(file, line_of(node, (*where, *location)), f"{label}{message}")
        return
    line = line_of(node, (*where, "id"))
    first = reading.kpis.get(definition.id)
    if first is not None:
        reading.say(
            file,
            line,
            f"id: {definition.id} is taken by {reading.shown(first.yaml)}:{first.line}; "
            "give this KPI an id of its own",
        )
        return
    if (kind is FeedKpi) != ("." in definition.id):
        form = (
            "a measure's number such as 1.10"
            if kind is FeedKpi
            else "letters and a number, such as CS-311-02"
        )
        reading.say(file, line, f"{label}id: expected {form}, found {definition.id}")
    reading.places[definition.id] = (node, where)
    reading.kpis[definition.id] = Registered(
        definition, file.stem, description, file, file.with_suffix(".sql"), line
    )


def _say(error: Any, kind: type[Definition]) -> tuple[tuple[Any, ...], str]:
    """Where in the definition a mistake lies, and what it is."""
    location = tuple(error["loc"])
    place = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        keys = [part.alias or name for name, part in section(location, kind).model_fields.items()]
        return location, f"{place}: no such key{hint(str(location[-1]), keys)}"
    if error["type"] == "missing":
        return location, f"{place}: is missing; add it"
    message = error["msg"].removeprefix("Value error, ")
    named = re.match(r"([a-z_.]+): ", message)
    if named and not location:
        return tuple(named[1].split(".")), message
    found = error["input"]
    if isinstance(found, (str, int, float, bool)) and "found" not in message:
        message += f", found {found!r}"
    return location, f"{place + ': ' if place else ''}{message}"


def _check_files(reading: _Reading, project: Project) -> None:
    """Two files for each KPI, in the folder of its dimension, under a name that no other model has."""
    for sql in sorted(reading.folder.rglob("*.sql")):
        if not sql.with_suffix(".yml").exists():
            reading.say(
                sql, 1, f"expected its definition beside it, {sql.stem}.yml; ./cityperf kpi new drafts both"
            )
        if project.models[sql.stem] != sql:
            other = reading.shown(project.models[sql.stem])
            reading.say(sql, 1, f"the model {sql.stem} is there already: {other}; rename the KPI's two files")
    for file in sorted(reading.folder.rglob("*.yml")):
        if not file.with_suffix(".sql").exists():
            reading.say(file, 1, f"expected its SQL beside it, {file.stem}.sql; add it, or remove this file")
    folders = get_args(Dimension)
    for file in sorted({*reading.folder.rglob("*.yml"), *reading.folder.rglob("*.sql")}):
        if file.parent.name not in (*folders, FEED) or file.parent.parent != reading.folder:
            reading.say(file, 1, f"expected it in the folder of its dimension: one of {', '.join(folders)}")


def _check_entry(
    reading: _Reading, entry: Registered, project: Project, objectives: list[str], owners: list[str]
) -> None:
    kpi, (node, where) = entry.definition, reading.places[entry.definition.id]

    def at(key: str, message: str) -> None:
        label = f"{kpi.id}: " if entry.is_feed else ""
        reading.say(entry.yaml, line_of(node, (*where, key)), f"{label}{message}")

    for dataset in kpi.sources:
        if dataset not in project.datasets:
            at("sources", f"sources: no contract is named {dataset}{hint(dataset, sorted(project.datasets))}")
    if kpi.objective not in objectives:
        at(
            "objective",
            f"objective: {kpi.objective!r} is not in seeds/objectives.csv{hint(kpi.objective, objectives)}",
        )
    if organisation_key(kpi.owner) not in {*map(organisation_key, owners)}:
        at("owner", f"owner: {kpi.owner!r} is not in seeds/divisions.csv{hint(kpi.owner, owners)}")
    if not entry.is_feed and entry.yaml.parent.name != kpi.dimension:
        at(
            "dimension",
            f"dimension: expected that of its folder, {entry.yaml.parent.name}, found {kpi.dimension}",
        )
    if not entry.is_feed and entry.sql.exists():
        _check_sql(reading, entry, project)


def _check_sql(reading: _Reading, entry: Registered, project: Project) -> None:
    """The SQL speaks of this KPI, by the period that the YAML says, and reads the sources that it names."""
    kpi = entry.definition
    sql = without_comments(entry.sql.read_text("utf-8"))

    def at(position: int, message: str) -> None:
        reading.say(entry.sql, sql.count("\n", 0, position) + 1, message)

    for found in _ID_COLUMN.finditer(sql):
        if found[1] != kpi.id:
            at(found.start(), f"kpi_id: expected the id of {entry.yaml.name}, {kpi.id!r}, found {found[1]!r}")
    texts = {found[1] or found[2]: found.start() for found in _TEXT.finditer(sql)}
    if kpi.id not in texts and not _ID_COLUMN.search(sql):
        at(0, f"expected {kpi.id!r} as kpi_id, found it nowhere; the id is written out, never computed")
    for other in sorted(({*texts} & {*reading.kpis}) - {kpi.id}):
        if not any(found[1] == other for found in _ID_COLUMN.finditer(sql)):
            at(
                texts[other],
                f"{other!r} is the id of another KPI ({reading.kpis[other].yaml.name}); use {kpi.id!r}",
            )
    for found in _GRAIN_COLUMN.finditer(sql):
        if found[1] != kpi.interval:
            at(
                found.start(),
                f"period_grain: expected {kpi.interval!r}, the interval of {entry.yaml.name}, found {found[1]!r}",
            )
    if problem := _of_rollup(kpi, {found[1].lower() for found in _DENOMINATOR.finditer(sql)}):
        node, where = reading.places[kpi.id]
        reading.say(entry.yaml, line_of(node, (*where, "rollup" if kpi.rollup else "unit")), problem)
    datasets = upstream(sql, project).datasets
    for dataset in kpi.sources:
        if dataset in project.datasets and dataset not in datasets:
            at(
                0,
                f"sources: {entry.yaml.name} names {dataset}, which this SQL does not read; it reads "
                f"{', '.join(datasets) or 'none'}",
            )
    unnamed = [dataset for dataset in datasets if dataset not in kpi.sources]
    if unnamed and {*kpi.sources} <= project.datasets:
        node, where = reading.places[kpi.id]
        reading.say(
            entry.yaml,
            line_of(node, (*where, "sources")),
            f"sources: {entry.sql.name} reads {', '.join(unnamed)} as well; name every data set it is made of",
        )


def _of_rollup(kpi: Definition, denominators: set[str]) -> str | None:
    """What is wrong where the SQL gives no denominator to a figure that should have one, or the reverse. A macro's is
    not seen."""
    found = rolls_up(kpi)
    divides = denominators - {"null", "null::numeric"}
    if denominators and not divides and "ratio" in (found.geography, found.time):
        return (
            "rollup: a ratio is put together from numerators and denominators, and the SQL gives no denominator; "
            "give it, or declare geography and time not_additive with a `reason`"
        )
    if divides and kpi.unit in AMOUNTS and "additive" in (found.geography, found.time):
        return (
            f"rollup: the SQL divides, so figures do not add up as {kpi.unit} does; declare "
            "`rollup: {geography: ratio, time: ratio}`, or not_additive with a `reason`"
        )
    return None


def _check_twins(reading: _Reading) -> None:
    """No two KPIs share a name, and no KPI is a copy of another."""
    for what, key in (
        ("name", lambda entry: entry.definition.name.en.casefold()),
        ("definition", lambda entry: entry.definition.definition.en.casefold()),
    ):
        for entry, first in _twins(reading.kpis.values(), key):
            reading.say(
                entry.yaml,
                entry.line,
                f"{what}: {entry.definition.id} has the same {what} as {first.definition.id}; readers could not tell "
                "them apart",
            )
    own = [entry for entry in reading.kpis.values() if not entry.is_feed and entry.sql.exists()]
    for entry, first in _twins(own, _computation):
        reading.say(
            entry.sql,
            1,
            f"computes what {first.definition.id} computes ({first.sql.name}); a copy is no KPI of its own",
        )


def _twins(entries: Iterable[Registered], key: Any) -> Iterator[tuple[Registered, Registered]]:
    seen: dict[Any, Registered] = {}
    for entry in entries:
        first = seen.setdefault(key(entry), entry)
        if first is not entry:
            yield entry, first


def _computation(entry: Registered) -> tuple[str, float]:
    sql = without_comments(entry.sql.read_text("utf-8")).replace(entry.definition.id, "")
    return " ".join(sql.split()), entry.definition.multiplier
