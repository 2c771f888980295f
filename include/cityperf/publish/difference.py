"""What differs between two releases, or between what is up and what would go up: tables, columns, definitions, figures,
files.

Two sides are compared whatever they are made of: a release's folder (Parquet, so that any old release can be compared)
or a schema of the database. Figures come in key order from both and are merged, so memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

from psycopg import Connection, sql
from psycopg.rows import dict_row

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish.content import table_hash
from cityperf.publish.exports import SAMPLE_PREFIX, file_sha256, files_of
from cityperf.publish.tables import SESSION, Table, tables
from cityperf.publish.tree import MANIFEST, read_manifest

KEY: Final = ("kpi_id", "geography_type", "geography_code", "period_grain", "period_start")
EXAMPLES: Final = 20  # changed figures that are listed for each KPI; all are counted

Key = tuple[str, str, str, str, str]


class NotComparable(CityperfError):
    """A release of which nothing is left to compare."""


@dataclass(frozen=True)
class Facts:
    """Columns (name → type) and rows of one table, and a hash of its content where it is known."""

    columns: Mapping[str, str]
    rows: int
    sha256: str | None


class Side(Protocol):
    """One of the two that are compared. `figures` come in order of their keys."""

    label: str

    def tables(self) -> Mapping[str, Facts]: ...

    def definitions(self) -> Mapping[str, Mapping[str, Any]]: ...

    def figures(self) -> Iterator[tuple[Key, Decimal | None]]: ...

    def files(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class TableChange:
    table: str
    change: str  # added, removed, changed
    rows_before: int | None
    rows_after: int | None


@dataclass(frozen=True)
class ColumnChange:
    table: str
    column: str
    change: str  # added, removed, retyped
    before: str | None
    after: str | None


@dataclass(frozen=True)
class DefinitionChange:
    """`field` is None for a KPI that came or went."""

    kpi_id: str
    change: str  # added, removed, changed
    field: str | None = None
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class FigureChange:
    geography_type: str
    geography_code: str
    period_grain: str
    period_start: str
    before: Decimal | None
    after: Decimal | None


@dataclass
class KpiFigures:
    """Changed figures of one KPI: how many of each kind, and the first of them."""

    kpi_id: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    largest_percent: Decimal | None = None  # of a changed figure, against the older one
    examples: list[FigureChange] = field(default_factory=list)


@dataclass(frozen=True)
class FileChange:
    path: str
    change: str  # added, removed, changed


@dataclass(frozen=True)
class Difference:
    before: str
    after: str
    tables: list[TableChange]
    columns: list[ColumnChange]
    definitions: list[DefinitionChange]
    figures: list[KpiFigures]
    files: list[FileChange]

    @property
    def empty(self) -> bool:
        return not (self.tables or self.columns or self.definitions or self.figures or self.files)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(before: Side, after: Side) -> Difference:
    """Everything that differs between two sides."""
    old, new = before.tables(), after.tables()
    return Difference(
        before.label,
        after.label,
        list(_tables(old, new)),
        list(_columns(old, new)),
        list(_definitions(before.definitions(), after.definitions())),
        _figures(before.figures(), after.figures()),
        [FileChange(path, change) for path, change in _changes(before.files(), after.files())],
    )


def compare_releases(settings: Settings, before: int, after: int) -> Difference:
    """The difference of two releases from their folders. Raises NotComparable for one that has none."""
    return compare(FolderSide(settings, before), FolderSide(settings, after))


def compare_candidate(settings: Settings, number: int) -> Difference:
    """What would change for readers if the candidate in publish_next went up."""
    with connect(settings, "publisher") as connection:
        up = connection.execute("select max(number) from ops.release where state = 'released'").fetchone()
        label = f"release {up[0]}" if up and up[0] else "nothing"
        before = SchemaSide(connection, "publish", f"{label}, which is up")
        return compare(before, SchemaSide(connection, "publish_next", f"release {number}, which is held"))


# -- sides ---------------------------------------------------------------------------------------------------
class FolderSide:
    """A release as its folder has it."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.label = f"release {number}"
        self.folder = settings.releases / str(number)
        if not self.folder.is_dir():
            there = sorted(int(p.name) for p in settings.releases.glob("*") if p.name.isdigit())
            raise NotComparable(
                f"expected the files of release {number} in {self.folder}, found none; there are "
                f"{', '.join(map(str, there)) or 'none'}"
            )
        self._hashes = dict[tuple[str, str], str]()
        if (self.folder / MANIFEST).exists():
            _, nodes = read_manifest(self.folder / MANIFEST)
            self._hashes = {(node.kind, node.name): node.sha256 for node in nodes}

    def tables(self) -> Mapping[str, Facts]:
        import pyarrow.parquet as pq

        found = {}
        for path in sorted(self.folder.glob("*.parquet")):
            name = path.stem.removeprefix(SAMPLE_PREFIX)
            schema = pq.read_schema(path)
            columns = {each.name: str(each.type) for each in schema}
            rows = pq.ParquetFile(path).metadata.num_rows
            found[name] = Facts(columns, rows, self._hashes.get(("table", name)))
        return found

    def definitions(self) -> Mapping[str, Mapping[str, Any]]:
        import pyarrow.parquet as pq

        path = self._parquet("kpi")
        return {row["kpi_id"]: row for row in pq.read_table(path).to_pylist()} if path else {}

    def figures(self) -> Iterator[tuple[Key, Decimal | None]]:
        import pyarrow.parquet as pq

        path = self._parquet("kpi_value")
        if path is None:
            return
        file = pq.ParquetFile(path)
        wanted = [*KEY, "value", "is_latest"]
        if not set(wanted) <= set(file.schema_arrow.names):
            return
        for batch in file.iter_batches(columns=wanted):
            for row in batch.to_pylist():
                if row["is_latest"]:
                    yield _key(row), row["value"]

    def files(self) -> Mapping[str, str]:
        return {
            name: self._hashes.get(("file", name)) or file_sha256(path)
            for name, path in files_of(self.folder).items()
            if name != MANIFEST
        }

    def _parquet(self, table: str) -> Path | None:
        for path in (self.folder / f"{SAMPLE_PREFIX}{table}.parquet", self.folder / f"{table}.parquet"):
            if path.exists():
                return path
        return None


class SchemaSide:
    """A release or a candidate as a schema of the database has it."""

    def __init__(self, connection: Connection[Any], schema: str, label: str) -> None:
        self.label = label
        self._connection = connection
        self._tables = tables(connection, schema)

    def tables(self) -> Mapping[str, Facts]:
        self._connection.execute(SESSION)
        return {
            name: Facts(
                {column.name: column.type for column in table.columns},
                self._rows(table),
                table_hash(self._connection, table),
            )
            for name, table in self._tables.items()
        }

    def definitions(self) -> Mapping[str, Mapping[str, Any]]:
        table = self._tables.get("kpi")
        if table is None:
            return {}
        with self._connection.cursor(row_factory=dict_row) as cursor:
            query = sql.SQL("select * from {}").format(table.identifier)
            return {row["kpi_id"]: row for row in cursor.execute(query)}

    def figures(self) -> Iterator[tuple[Key, Decimal | None]]:
        table = self._tables.get("kpi_value")
        if table is None or not {*KEY, "value", "is_latest"} <= {c.name for c in table.columns}:
            return
        query = sql.SQL("select * from {} where is_latest order by {}").format(
            table.identifier,
            sql.SQL(", ").join(
                sql.SQL('{} collate "C"').format(sql.Identifier(name))
                if name != "period_start"
                else sql.Identifier(name)
                for name in KEY
            ),
        )
        # Two cursors of one connection are read in turns.
        with self._connection.cursor(f"figures_{table.schema}", row_factory=dict_row) as cursor:
            cursor.itersize = 10_000
            cursor.execute(query)
            for row in cursor:
                yield _key(row), row["value"]

    def files(self) -> Mapping[str, str]:
        return {}

    def _rows(self, table: Table) -> int:
        row = self._connection.execute(sql.SQL("select count(*) from {}").format(table.identifier)).fetchone()
        return int(row[0]) if row else 0


def _key(row: Mapping[str, Any]) -> Key:
    a, b, c, d, e = (str(row[name]) for name in KEY)
    return a, b, c, d, e


# -- what differs --------------------------------------------------------------------------------------------
def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield name, "added"
        elif name not in new:
            yield name, "removed"
        elif old[name] != new[name]:
            yield name, "changed"


def _tables(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> Iterator[TableChange]:
    def known(side: Mapping[str, Facts]) -> dict[str, Any]:
        return {name: facts.sha256 or (facts.columns, facts.rows) for name, facts in side.items()}

    for name, change in _changes(known(old), known(new)):
        yield TableChange(
            name, change, old[name].rows if name in old else None, new[name].rows if name in new else None
        )


def _columns(old: Mapping[str, Facts], new: Mapping[str, Facts]) -> Iterator[ColumnChange]:
    for table in sorted({*old} & {*new}):
        was, now = old[table].columns, new[table].columns
        for column, change in _changes(was, now):
            said = "retyped" if change == "changed" else change
            yield ColumnChange(table, column, said, was.get(column), now.get(column))


def _definitions(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterator[DefinitionChange]:
    for kpi_id, change in _changes(old, new):
        if change != "changed":
            yield DefinitionChange(kpi_id, change)
            continue
        for name, _ in _changes(old[kpi_id], new[kpi_id]):
            yield DefinitionChange(kpi_id, "changed", name, old[kpi_id].get(name), new[kpi_id].get(name))


def _figures(
    old: Iterable[tuple[Key, Decimal | None]], new: Iterable[tuple[Key, Decimal | None]]
) -> list[KpiFigures]:
    found: dict[str, KpiFigures] = {}
    for key, before, after, change in _merged(iter(old), iter(new)):
        kpi = found.setdefault(key[0], KpiFigures(key[0]))
        setattr(kpi, change, getattr(kpi, change) + 1)
        if change == "changed" and before and after is not None:
            percent = round(100 * (after - before) / abs(before), 2)
            if kpi.largest_percent is None or abs(percent) > abs(kpi.largest_percent):
                kpi.largest_percent = percent
        if len(kpi.examples) < EXAMPLES:
            kpi.examples.append(FigureChange(*key[1:], before, after))
    return [found[kpi_id] for kpi_id in sorted(found)]


def _merged(
    old: Iterator[tuple[Key, Decimal | None]], new: Iterator[tuple[Key, Decimal | None]]
) -> Iterator[tuple[Key, Decimal | None, Decimal | None, str]]:
    was, now = next(old, None), next(new, None)
    while was or now:
        if now is None or (was is not None and was[0] < now[0]):
            assert was is not None  # noqa: S101  # one of the two is there
            yield was[0], was[1], None, "removed"
            was = next(old, None)
        elif was is None or now[0] < was[0]:
            yield now[0], None, now[1], "added"
            now = next(new, None)
        else:
            if was[1] != now[1]:
                yield was[0], was[1], now[1], "changed"
            was, now = next(old, None), next(new, None)


# -- in words ------------------------------------------------------------------------------------------------
def in_words(found: Difference, examples: int = 3) -> str:
    """The difference as text for a terminal."""
    lines = [f"{found.before} → {found.after}"]
    if found.empty:
        return lines[0] + "\n\nnothing differs"
    lines += ["", "tables"] if found.tables else []
    for t in found.tables:
        rows = f"{'–' if t.rows_before is None else t.rows_before:>9} → {'–' if t.rows_after is None else t.rows_after}"
        lines.append(f"  {t.table:<28}{t.change:<10}{rows} rows")
    lines += ["", "columns"] if found.columns else []
    for c in found.columns:
        types = " → ".join(each for each in (c.before, c.after) if each)
        lines.append(f"  {c.table}.{c.column}  {c.change}  {types}")
    lines += ["", "definitions"] if found.definitions else []
    for d in found.definitions:
        lines.append(
            f"  {d.kpi_id:<12}{d.change:<10}" + (f"{d.field}: {d.before!r} → {d.after!r}" if d.field else "")
        )
    lines += ["", "figures"] if found.figures else []
    for k in found.figures:
        most = f", by up to {k.largest_percent:+} %" if k.largest_percent is not None else ""
        lines.append(f"  {k.kpi_id:<12}{k.added:>7} added{k.changed:>7} changed{k.removed:>7} removed{most}")
        for f in k.examples[:examples]:
            place = f"{f.geography_type} {f.geography_code} {f.period_grain} {f.period_start}"
            lines.append(f"    {place:<52}{_plain(f.before)} → {_plain(f.after)}")
    lines += ["", "files"] if found.files else []
    lines += [f"  {each.path:<44}{each.change}" for each in found.files]
    return "\n".join(lines)


def _plain(value: Decimal | None) -> str:
    if value is None:
        return "–"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
