"""Source contracts: one reviewed YAML per data set, read into frozen models and checked before anything runs.

A mistake is reported with its file and line. DAG files import this module, so it loads nothing heavy: no HTTP
library, no database driver; connectors are imported for their signatures only.
"""

from __future__ import annotations

import csv
import importlib
import inspect
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from cityperf.config import ROOT
from cityperf.marked import compose, hint, line_of, shown_path
from cityperf.recipe import Sample

CONTRACTS: Final = ROOT / "include" / "sources"
DIVISIONS: Final = ROOT / "dbt_project" / "seeds" / "divisions.csv"

# Where each connector lives. A connector is a function `fetch(visit, *, ...)`; its keyword arguments are
# what a contract's `extract` section may say.
CONNECTORS: Final[dict[str, str]] = {
    "http_file": "cityperf.extract.connectors.http_file",
    "ckan_files": "cityperf.extract.connectors.ckan_files",
    "ckan_datastore": "cityperf.extract.connectors.ckan_datastore",
    "statcan_wds": "cityperf.extract.connectors.statcan_wds",
    "statcan_table": "cityperf.extract.connectors.statcan_table",
    "sdmx": "cityperf.extract.connectors.sdmx",
    "boc_valet": "cityperf.extract.connectors.boc_valet",
    "arcgis_feature_server": "cityperf.extract.connectors.arcgis_feature_server",
    "drop_folder": "cityperf.extract.connectors.drop_folder",
    "database": "cityperf.extract.connectors.database",
    "sftp": "cityperf.extract.connectors.sftp",
    "reviewed_file": "cityperf.extract.connectors.reviewed_file",
}

NUMBERS: Final = ("integer", "numeric", "money", "percent")
_UNITS: Final = {"hour": 1, "day": 24, "week": 168}


class ContractError(ValueError):
    """One or more contracts are wrong. The message has one line per mistake: `file:line: what is wrong`."""


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)\s+(hour|day|week)s?", str(value).strip())
    if not match:
        raise ValueError(f"expected a duration such as '40 days' or '6 hours', found {value!r}")
    return timedelta(hours=int(match[1]) * _UNITS[match[2]])


def _regex(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a regular expression")
    try:
        re.compile(value)
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from None
    return value


def _date_format(value: object) -> str:
    parts = re.findall(r"%(.)", value) if isinstance(value, str) else []
    known = "YymdbBHIMSp"
    if not parts or any(part not in known for part in parts):
        raise ValueError(f"expected a date format of %{', %'.join(known)} and signs between them")
    if not ({"Y", "y"} & {*parts} and {"m", "b", "B"} & {*parts} and "d" in parts):
        raise ValueError("expected a date format with year, month and day")
    return str(value)


def _plain(value: object) -> object:
    """A number or a date that YAML read as such, as a person would write it."""
    return str(value) if isinstance(value, (int, float, date)) else value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Plain = Annotated[str, BeforeValidator(_plain)]
Regex = Annotated[str, BeforeValidator(_regex)]
DateFormat = Annotated[str, BeforeValidator(_date_format)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(_Strict):
    division: str
    steward: str


class Privacy(_Strict):
    """public: may be shown as it is. counts: small counts are suppressed. person_level: encrypted in landing, never
    in quarantine's text; `keep`: how long landing has its bytes (decision 0018).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    level: Literal["public", "counts", "person_level"] = Field(alias="class")
    keep: Duration | None = None

    @model_validator(mode="after")
    def _keeps_persons(self) -> Privacy:
        if self.keep is not None and self.level != "person_level":
            raise ValueError(f"`keep` is for person_level; landing keeps what is {self.level} for good")
        return self


class Schedule(_Strict):
    refresh: Literal[
        "real_time", "daily", "weekly", "monthly", "quarterly", "semi_annually", "annually", "as_available"
    ]
    warn_after: Duration
    fail_after: Duration

    @model_validator(mode="after")
    def _in_order(self) -> Schedule:
        if self.fail_after < self.warn_after:
            raise ValueError("fail_after is shorter than warn_after")
        return self


class Drift(_Strict):
    """What to do when a delivery differs from the contract. `stop` holds the file and all that come after it."""

    new_column: Literal["accept", "warn", "ignore", "quarantine_file", "stop"] = "warn"
    missing_column: Literal["accept", "warn", "quarantine_file", "stop"] = "quarantine_file"
    type_error: Literal["accept", "warn", "quarantine_row", "quarantine_file", "stop"] = "quarantine_row"
    unknown_sheet: Literal["accept", "warn", "quarantine_file", "stop"] = "warn"
    fewer_rows: Literal["warn", "quarantine_file"] = "quarantine_file"


class Partition(_Strict):
    """A later delivery of a period replaces it: the period comes from a date column or from the file's
    name.
    """

    grain: Literal["month", "year"]
    column: str | None = None
    from_name: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Partition:
        if (self.column is None) == (self.from_name is None):
            raise ValueError("expected exactly one of `column` and `from_name`")
        return self


class ControlTotal(_Strict):
    """The row whose `where_blank` column is empty carries the sum of all other rows in `column`."""

    column: str
    where_blank: str
    tolerance: float = 0.01


class Series(_Strict):
    """Rows are points of series: `of` names a series, `at` places a point in it, in this order, `season` is the column
    (a date: its month) that says which earlier points are like it. The gate judges new and restated points of `value`.
    """

    of: Annotated[tuple[str, ...], Field(min_length=1)]
    at: Annotated[tuple[str, ...], Field(min_length=1)]
    value: str
    season: str | None = None


class LeaveOut(_Strict):
    """Rows of the file that are no records: those whose `column` matches. `sums`: columns in which the one such row
    must be the sum of all others.
    """

    column: str
    matches: Regex
    sums: tuple[str, ...] = ()
    tolerance: float = 0.01


class Words(_Strict):
    """The same in English and in French."""

    en: str
    fr: str


class Label(_Strict):
    """A column's header in French; the first English `header` is what the template writes."""

    fr: str


class Column(_Strict):
    """One column of raw. `header`, `header_pattern`: names it has in files. `path`: place in a JSON element. `above`:
    label in a sheet's title block whose value every row gets. `pattern`: many columns. `min`, `max`: bounds of a
    number, inclusive. `label`, `help`, `example`: for the template of a register. `personal`: about a person.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")] | None = None
    type: Literal[
        "text", "integer", "numeric", "money", "percent", "date", "timestamp", "time", "boolean", "json"
    ]
    header: tuple[str, ...] = ()
    header_pattern: Regex | None = None
    path: str | None = None
    above: str | None = None
    pattern: Regex | None = None
    formats: tuple[DateFormat, ...] = ()
    decimal: Literal[".", ","] = "."
    on_error: Literal["accept", "warn", "quarantine_row", "quarantine_file", "stop"] | None = None
    required: bool = False
    optional: bool = False
    allowed: tuple[str, ...] = ()
    description: str = ""
    label: Label | None = None
    help: Words | None = None
    example: Plain | None = None
    min: float | None = None
    max: float | None = None
    personal: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Column:
        if (self.name is None) == (self.pattern is None):
            raise ValueError("expected exactly one of `name` and `pattern`")
        if self.pattern and (self.header or self.header_pattern or self.path or self.above or self.required):
            raise ValueError("a `pattern` column has no header, path, above or required")
        if sum(map(bool, (self.header or self.header_pattern, self.path, self.above))) > 1:
            raise ValueError("expected one of `header`, `path` and `above`")
        if self.formats and self.type not in ("date", "timestamp"):
            raise ValueError("`formats` are for dates and timestamps")
        if self.decimal != "." and self.type not in ("numeric", "money", "percent"):
            raise ValueError("`decimal` is for numbers: numeric, money or percent")
        if self.required and self.optional:
            raise ValueError("a column is not both required and optional")
        if (self.min is not None or self.max is not None) and self.type not in NUMBERS:
            raise ValueError(f"`min` and `max` are for numbers: {', '.join(NUMBERS)}")
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError("max is less than min")
        if self.example and self.allowed and self.example not in self.allowed:
            raise ValueError(f"expected an example that is allowed, found {self.example!r}")
        return self


class Read(_Strict):
    """How to read the landed bytes. `auto` looks at the file: CSV or workbook."""

    format: Literal["auto", "csv", "xlsx", "json", "geojson"] = "auto"
    encoding: str = "utf-8"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    inside_zip: bool = False
    member: Regex | None = None
    sheets: Literal["all"] | tuple[str, ...] | Regex = "all"
    skip_sheets: Regex | None = None
    side_by_side: bool = False
    each: str | None = None
    parent: str | None = None
    geometry: Literal["drop", "keep"] = "drop"
    max_columns: int = 1000

    @model_validator(mode="after")
    def _fits(self) -> Read:
        if self.format == "json" and not self.each:
            raise ValueError("format json needs `each`: the path of the elements that become rows")
        if self.parent and not self.each:
            raise ValueError("`parent` needs `each`")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known") from None
        return self


class Limits(_Strict):
    """What one request may cost: seconds with all its attempts, megabytes of content. Default: the client's."""

    patience_seconds: Annotated[float, Field(gt=0)] | None = None
    max_megabytes: Annotated[int, Field(gt=0)] | None = None


class Extract(_Strict):
    """The connector, its own arguments (checked against its signature) and how to read what it lands."""

    connector: str
    arguments: dict[str, Any]
    read: Read
    limits: Limits = Limits()

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "arguments" in value:
            return value
        own = {k: v for k, v in value.items() if k in ("connector", "read", "limits")}
        rest = {k: v for k, v in value.items() if k not in own}
        return {"connector": "", "read": {}} | own | {"arguments": rest}


class Due(_Strict):
    """When a hand-in is expected: on `day` (a short month's last) of each of `months`; chased `remind` before."""

    months: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Field(min_length=1)]
    day: Annotated[int, Field(ge=1, le=31)]
    remind: Duration = timedelta(days=10)


class Status(_Strict):
    """A column that from one hand-in to the next never moves to the left of `forward`; other values may come and
    go.
    """

    column: str
    forward: Annotated[tuple[str, ...], Field(min_length=2)]


class Rule(_Strict):
    """What must hold in a row where both columns are filled: a date not before or not after another, a number at
    most another. `needs`: where the column is filled the other one is too. A row that breaks it is held.
    """

    column: str
    not_before: str | None = None
    not_after: str | None = None
    at_most: str | None = None
    needs: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        if sum(each is not None for each in (self.not_before, self.not_after, self.at_most, self.needs)) != 1:
            raise ValueError("expected exactly one of `not_before`, `not_after`, `at_most` and `needs`")
        return self

    @property
    def kind(self) -> Literal["not_before", "not_after", "at_most", "needs"]:
        if self.not_before:
            return "not_before"
        if self.not_after:
            return "not_after"
        return "at_most" if self.at_most else "needs"

    @property
    def other(self) -> str:
        """The column that `column` is compared with."""
        return self.not_before or self.not_after or self.at_most or self.needs or ""


class Link(_Strict):
    """`column` names a row of another register: `dataset.column`."""

    column: str
    to: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]

    @property
    def dataset(self) -> str:
        return self.to.partition(".")[0]

    @property
    def target(self) -> str:
        """The other register's column."""
        return self.to.partition(".")[2]


class Register(_Strict):
    """A sheet that divisions hand in. `divisions`: who does (empty: the owner's alone). `version`: of the template."""

    version: Annotated[int, Field(ge=1)]
    title: Words
    due: Due
    divisions: tuple[str, ...] = ()
    status: Status | None = None
    rules: tuple[Rule, ...] = ()
    links: tuple[Link, ...] = ()


class Contract(_Strict):
    """A data set as agreed: where it comes from, how it looks, who answers for it, and what to do when it
    differs.

    `keys` are unique inside one delivery. `compare` names the columns whose difference makes a row count as
    changed (all of them when empty). `ignored` are headers that are known and deliberately not loaded. `kept` are
    columns that hold a whole list: a value that is gone from one delivery to the next is told.
    """

    dataset: Identifier
    title: str
    description: str
    owner: Owner
    licence: str | None
    privacy: Privacy
    tier: Literal[1, 2, 3]
    extract: Extract
    schedule: Schedule
    columns: tuple[Column, ...]
    drift: Drift = Drift()
    keys: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    partition: Partition | None = None
    control_total: ControlTotal | None = None
    series: Series | None = None
    kept: tuple[str, ...] = ()
    leave_out: tuple[LeaveOut, ...] = ()
    handed_in: Register | None = Field(default=None, alias="register")  # ABCMeta has a method of that name
    sample: Sample | None = None
    path: Path = Field(default=Path(), exclude=True, repr=False)

    @model_validator(mode="after")
    def _holds_together(self) -> Contract:
        named = [column.name for column in self.columns if column.name]
        twice = {name for name in named if named.count(name) > 1}
        if twice:
            raise ValueError(f"columns named twice: {', '.join(sorted(twice))}")
        for label, names in (("keys", self.keys), ("compare", self.compare), ("kept", self.kept)):
            unknown = [name for name in names if name not in named]
            if unknown:
                raise ValueError(f"{label}: no column is named {', '.join(unknown)}")
        if self.control_total:
            for name in (self.control_total.column, self.control_total.where_blank):
                if name not in named:
                    raise ValueError(f"control_total: no column is named {name}")
        if self.series:
            points = self.series
            for name in (*points.of, *points.at, points.value, *([points.season] if points.season else [])):
                if name not in named:
                    raise ValueError(f"series: no column is named {name}")
        for rule in self.leave_out:
            for name in (rule.column, *rule.sums):
                if name not in named:
                    raise ValueError(f"leave_out: no column is named {name}")
        if self.partition and self.partition.column:
            found = next((c for c in self.columns if c.name == self.partition.column), None)
            if found is None or found.type not in ("date", "timestamp") or found.formats:
                raise ValueError(
                    f"partition: expected a date column without `formats`, found {self.partition.column!r}"
                )
        if self.partition and self.partition.from_name:
            match = str(self.extract.arguments.get("match", ""))
            filled = f"{{{self.partition.from_name}}}" in str(self.extract.arguments.get("url", ""))
            if not filled and self.partition.from_name not in re.compile(match).groupindex:
                raise ValueError(f"partition: `match` has no group (?P<{self.partition.from_name}>...)")
        if self.sample:
            patterns = [column.pattern or "" for column in self.columns if column.pattern]
            for name in self.sample.columns:
                if name not in named and not any(re.search(pattern, name) for pattern in patterns):
                    raise ValueError(f"sample: no column is named {name}")
        if self.handed_in:
            for mistake in _register_mistakes(self, self.handed_in):
                raise ValueError(f"register: {mistake}")
        for mistake in _privacy_mistakes(self):
            raise ValueError(mistake)
        return self

    @cached_property
    def named_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.name)

    @cached_property
    def raw_columns(self) -> tuple[Column, ...]:
        """The named columns that raw has: all but the personal ones."""
        return tuple(column for column in self.named_columns if not column.personal)

    @cached_property
    def pattern_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.pattern)

    @property
    def register(self) -> Register | None:
        """What makes this data set a register that divisions hand in."""
        return self.handed_in

    @property
    def table(self) -> str:
        """The table's name inside schema raw."""
        return self.dataset


def _privacy_mistakes(contract: Contract) -> Iterator[str]:
    """What would let something personal into raw, or asks raw for what it does not have."""
    personal = {str(column.name) for column in contract.columns if column.personal}
    if personal and contract.privacy.level != "person_level":
        yield f"columns {', '.join(sorted(personal))} are personal, so expected the class person_level"
    if contract.privacy.level == "person_level" and contract.drift.new_column in ("accept", "warn"):
        yield (
            "drift: a column that nobody has looked at may be about a person; with person_level expected "
            f"`new_column` ignore, quarantine_file or stop, found {contract.drift.new_column!r}"
        )
    if any(column.personal for column in contract.pattern_columns):
        yield "a `pattern` column is not personal: name the column, or leave it out with `ignored`"
    named = {
        "keys": contract.keys,
        "compare": contract.compare,
        "kept": contract.kept,
        "partition": (contract.partition.column,) if contract.partition else (),
        "control_total": (contract.control_total.column, contract.control_total.where_blank)
        if contract.control_total
        else (),
        "leave_out": tuple(name for rule in contract.leave_out for name in (rule.column, *rule.sums)),
    }
    if contract.series:
        named["series"] = (*contract.series.of, *contract.series.at, contract.series.value)
    if register := contract.register:
        named["register"] = (
            *((register.status.column,) if register.status else ()),
            *(name for rule in register.rules for name in (rule.column, rule.other)),
            *(link.column for link in register.links),
        )
    for where, names in named.items():
        if wrong := [name for name in names if name in personal]:
            yield f"{where}: {', '.join(wrong)} is personal and never reaches raw; name another column"


def _register_mistakes(contract: Contract, register: Register) -> Iterator[str]:
    """What in a register does not fit the contract that it stands in."""
    columns = {column.name: column for column in contract.named_columns if column.name}
    dates = ("date", "timestamp")
    if contract.extract.connector != "drop_folder":
        yield f"is handed in, so expected the connector drop_folder, found {contract.extract.connector}"
    for name in ("division", "as_of"):
        if name not in columns:
            yield f"expected a column {name!r}: a hand-in is one division's as of one date"
    if columns["as_of"].type != "date":
        yield f"expected `as_of` to be a date, found {columns['as_of'].type}"
    if not contract.keys:
        yield "expected `keys`: without them no row is known again in the next hand-in"
    if columns["division"].above and contract.keys[0] != "division":
        yield f"expected `division` as the first of `keys`, found {', '.join(contract.keys)}"
    for rule in register.rules:
        for name in (rule.column, rule.other):
            if name not in columns:
                yield f"rules: no column is named {name}{hint(name, list(columns))}"
        types = [columns[name].type for name in (rule.column, rule.other)]
        fitting = {"not_before": dates, "not_after": dates, "at_most": NUMBERS}.get(rule.kind)
        if fitting and not {*types} <= {*fitting}:
            yield (
                f"rules: {rule.kind} compares {', '.join(fitting)}; found {rule.column} and {rule.other}: "
                f"{', '.join(types)}"
            )
    if register.status:
        name = register.status.column
        if name not in columns:
            yield f"status: no column is named {name}{hint(name, list(columns))}"
        for value in register.status.forward:
            if value not in columns[name].allowed:
                yield (
                    f"status: {value!r} is not among the `allowed` of {name}"
                    f"{hint(value, list(columns[name].allowed))}"
                )
    for link in register.links:
        if link.column not in columns:
            yield f"links: no column is named {link.column}{hint(link.column, list(columns))}"


def register_mistakes(contracts: dict[str, Contract]) -> Iterator[str]:
    """What registers say of each other and of divisions and does not hold: links to nowhere, divisions that nobody
    knows, and sheets of one workbook that are not handed in together.
    """
    first: dict[str, Contract] = {}
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        known = [row["name_as_found"] for row in csv.DictReader(file)]
    for contract in contracts.values():
        if not contract.register:
            continue
        where = shown_path(contract.path, contract.path.parent.parent)
        for link in contract.register.links:
            target = contracts.get(link.dataset)
            if target is None or not target.register:
                yield f"{where}: register.links: no register is named {link.dataset}"
            elif link.target not in [column.name for column in target.named_columns]:
                yield f"{where}: register.links: {link.dataset} has no column {link.target}"
        for name in contract.register.divisions:
            if name not in known:
                yield f"{where}: register.divisions: {name!r} is not in {DIVISIONS.name}{hint(name, known)}"
        folder = str(contract.extract.arguments["folder"])
        other = first.setdefault(folder, contract)
        if other.register and (
            (other.extract.arguments["match"], other.register.version, other.register.due)
            != (contract.extract.arguments["match"], contract.register.version, contract.register.due)
            or {*other.register.divisions} != {*contract.register.divisions}
        ):
            yield (
                f"{where}: register: the sheets of one workbook ({folder}) share match, version, due and "
                f"divisions; {contract.dataset} differs from {other.dataset}"
            )


def load_contracts(root: Path | None = None) -> dict[str, Contract]:
    """All contracts below `root` (default include/sources), by data set, in order of name.

    Raises ContractError with every mistake of every file. The result is remembered until a file changes.
    """
    folder = root or CONTRACTS
    files = sorted(folder.rglob("*.yml"))
    stamp = tuple((str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files)
    remembered = _CACHE.get(folder)
    if remembered and remembered[0] == stamp:
        return dict(remembered[1])
    mistakes: list[str] = []
    contracts: dict[str, Contract] = {}
    for file in files:
        shown = shown_path(file, folder)
        try:
            contract = read_contract(file, shown)
        except ContractError as problem:
            mistakes.append(str(problem))
            continue
        if file.stem != contract.dataset:
            mistakes.append(
                f"{shown}:1: a contract's file is named after its data set: {contract.dataset}.yml"
            )
        first = contracts.get(contract.dataset)
        if first is not None:
            mistakes.append(
                f"{shown}:1: dataset {contract.dataset!r} is defined already in "
                f"{shown_path(first.path, folder)}; "
                "a name stands for one data set"
            )
            continue
        contracts[contract.dataset] = contract
    if mistakes:
        raise ContractError("\n".join(mistakes))
    ordered = dict(sorted(contracts.items()))
    _CACHE[folder] = (stamp, ordered)
    return dict(ordered)


def load_contract(dataset: str, root: Path | None = None) -> Contract:
    """One contract by its data set's name. Raises ContractError if it is wrong or not there."""
    folder = root or CONTRACTS
    file = next(iter(sorted(folder.rglob(f"{dataset}.yml"))), None)
    if file is None:
        raise ContractError(f"no contract is named {dataset}.yml below {shown_path(folder, folder.parent)}")
    return read_contract(file, shown_path(file, folder))


def nightly_contracts() -> dict[str, Contract]:
    """The data sets that a night visits: all, or those that CITYPERF_SOURCES names.

    `ttc_*,operating_budget` for work on a few, `!transit_*` to leave some out: they keep their tables and
    nobody waits for them.
    """
    patterns = [each.strip() for each in os.environ.get("CITYPERF_SOURCES", "").split(",") if each.strip()]
    contracts = load_contracts()
    if not patterns:
        return contracts
    wanted = [p for p in patterns if not p.startswith("!")] or ["*"]
    unwanted = [p[1:] for p in patterns if p.startswith("!")]

    def named(name: str, among: list[str]) -> bool:
        return any(fnmatch(name, pattern) for pattern in among)

    return {k: v for k, v in contracts.items() if named(k, wanted) and not named(k, unwanted)}


def reading_the_same(contract: Contract) -> tuple[Contract, ...]:
    """The data set and those that read the same drop folder: the sheets of one workbook."""
    if contract.extract.connector != "drop_folder":
        return (contract,)
    folder = contract.extract.arguments.get("folder")
    others = (
        each
        for each in load_contracts().values()
        if each.dataset != contract.dataset
        and each.extract.connector == "drop_folder"
        and each.extract.arguments.get("folder") == folder
    )
    return (contract, *others)


def is_private(contract: Contract) -> bool:
    """Whether the data set's files hold person-level data: its own, or that of another sheet of the workbook."""
    if contract.privacy.level == "person_level":
        return True
    return any(each.privacy.level == "person_level" for each in reading_the_same(contract))


_CACHE: dict[Path, tuple[tuple[tuple[str, int, int], ...], dict[str, Contract]]] = {}


def read_contract(file: Path, shown: str | None = None) -> Contract:
    """One contract. Raises ContractError with `file:line` for each mistake in it."""
    shown = shown or str(file)
    try:
        node, content = compose(file, shown, "dataset")
    except ValueError as problem:
        raise ContractError(str(problem)) from None
    try:
        contract = Contract.model_validate({**content, "path": file})
    except ValidationError as problem:
        raise ContractError(
            "\n".join(
                f"{shown}:{line_of(node, error['loc'])}: {_say(error, node)}"
                for error in problem.errors(include_url=False)
            )
        ) from None
    wrong = [
        f"{shown}:{line_of(node, ('extract', name))}: {message}"
        for name, message in (*_argument_mistakes(contract.extract), *_rule_mistakes(contract))
    ]
    if wrong:
        raise ContractError("\n".join(wrong))
    return contract


def connector(name: str) -> Callable[..., Any]:
    """The connector's `fetch` function. Raises KeyError with the known names."""
    if name not in CONNECTORS:
        raise KeyError(f"connector {name!r} is not known; expected one of {', '.join(CONNECTORS)}")
    fetch: Callable[..., Any] = importlib.import_module(CONNECTORS[name]).fetch
    return fetch


def _argument_mistakes(extract: Extract) -> Iterator[tuple[str, str]]:
    if extract.connector not in CONNECTORS:
        yield (
            "connector",
            f"connector {extract.connector!r} is not known{hint(extract.connector, list(CONNECTORS))}",
        )
        return
    takes = _signature(extract.connector)
    for name in extract.arguments:
        if name not in takes:
            yield name, f"connector {extract.connector} takes no argument {name!r}{hint(name, list(takes))}"
    for name, (needed, adapter) in takes.items():
        if name not in extract.arguments:
            if needed:
                yield "connector", f"connector {extract.connector} needs the argument {name!r}"
            continue
        try:
            adapter.validate_python(extract.arguments[name])
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            where = "".join(f"[{part}]" for part in first["loc"])
            yield name, f"{name}{where}: {first['msg']}, found {first['input']!r}"


def _rule_mistakes(contract: Contract) -> Iterator[tuple[str, str]]:
    """What a connector itself says about rules between arguments: its `mistakes(contract)`, if it has one."""
    if contract.extract.connector in CONNECTORS:
        module = importlib.import_module(CONNECTORS[contract.extract.connector])
        if hasattr(module, "mistakes"):
            yield from module.mistakes(contract)


def _signature(name: str) -> dict[str, tuple[bool, TypeAdapter[Any]]]:
    """A connector's keyword arguments: whether each is needed, and its type."""
    if name not in _SIGNATURES:
        fetch = connector(name)
        hints = get_type_hints(fetch, include_extras=True)
        _SIGNATURES[name] = {
            key: (parameter.default is parameter.empty, TypeAdapter(hints[key]))
            for key, parameter in inspect.signature(fetch).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
    return _SIGNATURES[name]


_SIGNATURES: dict[str, dict[str, tuple[bool, TypeAdapter[Any]]]] = {}


def _say(error: Any, node: yaml.Node) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in ("arguments",))
    if error["type"] == "extra_forbidden":
        model = _SECTIONS.get(_section(error["loc"]), Contract)
        keys = [part.alias or name for name, part in model.model_fields.items() if name != "path"]
        return f"{place}: no such key{hint(str(error['loc'][-1]), keys)}"
    if error["type"] == "missing":
        return f"{place}: is missing"
    found = error["input"]
    plain = isinstance(found, (str, int, float, bool)) and repr(found) not in error["msg"]
    shown = f", found {found!r}" if plain else ""
    return f"{place + ': ' if place else ''}{error['msg'].removeprefix('Value error, ')}{shown}"


_SECTIONS: Final[dict[str, type[_Strict]]] = {
    "owner": Owner,
    "schedule": Schedule,
    "drift": Drift,
    "partition": Partition,
    "control_total": ControlTotal,
    "series": Series,
    "leave_out": LeaveOut,
    "register": Register,
    "due": Due,
    "status": Status,
    "rules": Rule,
    "links": Link,
    "columns": Column,
    "read": Read,
    "limits": Limits,
    "privacy": Privacy,
}


def _section(location: tuple[Any, ...]) -> str:
    names = [part for part in location[:-1] if isinstance(part, str)]
    return names[-1] if names else ""
