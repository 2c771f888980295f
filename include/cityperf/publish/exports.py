"""The files of a release: CSV and XLSX for people, Parquet for machines, JSON for scripts, as the exposures say, and
what describes them: data package, DCAT, CSVW, change log, evidence.

Equal tables give equal bytes: rows come in key order, writers have fixed options, and no file of a table says when it
was written or for which release. So a table that did not change since an earlier release takes that one's files over.
Each table streams from the server in batches, so a release of any size needs the memory of one batch.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.errors import CityperfError, is_full
from cityperf.publish import changelog, evidence, metadata, workbook
from cityperf.publish.dictionary import Allowed, Dictionary
from cityperf.publish.failpoints import reached
from cityperf.publish.licences import LICENCES
from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.publish.tables import SESSION, Column, Table
from cityperf.publish.tree import DEFINITIONS, Node, definition_nodes
from cityperf.publish.workbook import FORMULA

BATCH: Final = 50_000  # rows of a Parquet row group
BLOCK: Final = 8 << 20  # bytes of text that are turned into columns at once
BUILDING: Final = ".building-"
SPARE: Final = 64 << 20  # bytes that must stay free on the releases' disk
SAMPLE_PREFIX: Final = "SAMPLE_"
NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DECIMALS: Final = 20  # of a numeric column without a declared scale: PostgreSQL's quotients carry 16 to 20
MEDIA: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
ABOUT: Final = (
    "Key performance indicators of the City with their history, comparisons, benchmarks and origin."
)
_PARQUET: Final[dict[str, Any]] = {
    "version": "2.6",
    "data_page_version": "1.0",
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": True,
    "write_statistics": True,
    "store_schema": True,
}


class ExportFailed(CityperfError):
    """A table cannot be written as it should be."""


@dataclass(frozen=True)
class Written:
    """One file of a release, its path relative to the release's folder."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Origin:
    """One data set behind a release, for the descriptor's list of sources."""

    dataset: str
    title: str
    url: str
    licence: str | None
    files: int


@dataclass(frozen=True)
class Earlier:
    """A release whose files of `tables` are taken over as they are: `files`, name → SHA-256 as it was recorded."""

    folder: Path
    files: Mapping[str, str]
    tables: frozenset[str]


@dataclass(frozen=True)
class Notice:
    """What a release says about itself on every file."""

    number: int
    night: date
    profile: str
    origins: tuple[Origin, ...] = ()

    @property
    def sample(self) -> bool:
        return self.profile == "sample"

    @property
    def title(self) -> str:
        plain = f"City Performance Warehouse, release {self.number}"
        return f"{SAMPLE_NOTICE}: {plain}" if self.sample else plain


def build(
    connection: Connection[Any],
    candidate: Mapping[str, Table],
    dictionary: Dictionary,
    notice: Notice,
    folder: Path,
    leaves: Sequence[Node] = (),
    earlier: Earlier | None = None,
) -> list[Written]:
    """Write the files of a release into the empty `folder` and fsync them. Returns what was written, by path.

    `connection` may read the tables; it is put into one read-only transaction, so all files show the same
    state. `leaves`: those of the candidate's tables, which tell when each changed.
    Raises ExportFailed for a table that is on the allow-list and not there, or a value that has no exact
    form.
    """
    connection.execute(SESSION)
    connection.commit()
    connection.execute("set transaction isolation level repeatable read read only")
    missing = sorted(set(dictionary.allowed) - set(candidate))
    if missing:
        raise ExportFailed(
            f"expected the tables {', '.join(sorted(dictionary.allowed))} in the candidate, found no "
            f"{', '.join(missing)}; build the publish models again or take them off the exposure"
        )
    history = changelog.changes(connection, notice.number, notice.night, leaves)
    updated = {name: rows[0].night for name, rows in history.items() if rows}
    resources: list[dict[str, Any]] = []
    sheets: dict[str, tuple[str, Table, Allowed]] = {}
    prefix = SAMPLE_PREFIX if notice.sample else ""
    for number, (name, allowed) in enumerate(sorted(dictionary.allowed.items())):
        table = _allowed_columns(candidate[name], allowed)
        for format_ in allowed.formats:
            path = folder / f"{prefix}{name}.{format_}"
            if not (earlier and name in earlier.tables and _taken_over(earlier, path)):
                with path.open("wb") as handle:
                    _WRITERS[format_](connection, table, handle, notice, allowed)
                    _sync(handle)
            reached("export.file", path.name)
            resources.append(_resource(path, format_, table, allowed, notice, updated.get(name)))
        if "csv" in allowed.formats:
            sheets[name] = (f"{prefix}{name}.csv", table, allowed)
        if number == 0:
            reached("export.first_table")
    definitions = _definitions(connection, candidate, dictionary)
    restated = changelog.restated(
        connection, candidate, {c.release for rows in history.values() for c in rows}
    )
    shown, lacking = evidence.statements(connection, candidate, dictionary)
    connection.commit()
    reached("export.tables")
    said = {"sample": notice.sample}
    described = [{**each, "table": _table_of(each)} for each in resources]
    texts = {
        f"{prefix}{DEFINITIONS}": definitions,
        f"{prefix}{changelog.CHANGELOG}": changelog.text(
            notice.number, notice.night, history, restated, **said
        ),
        f"{prefix}evidence.json": evidence.as_json(shown, lacking, notice.number, notice.night, **said),
        f"{prefix}evidence.md": evidence.as_markdown(shown, lacking, notice.number, notice.night, **said),
        metadata.DCAT: metadata.dcat(
            described, dictionary.allowed, updated, notice.title, ABOUT, notice.night
        ),
        metadata.CSVW: metadata.csvw(sheets, updated, notice.title, SAMPLE_NOTICE if notice.sample else None),
        "datapackage.json": _descriptor(resources, dictionary, notice),
        "README.md": _readme(resources, dictionary, notice),
        metadata.LICENCE_TEXT: _licence_text(dictionary, notice),
    }
    if notice.sample:
        texts["SAMPLE.txt"] = (
            f"{SAMPLE_NOTICE}. Every figure in this folder was generated; none is about Toronto.\n"
        )
    for name, text in texts.items():
        with (folder / name).open("wb") as handle:
            handle.write(text.encode())
            _sync(handle)
    reached("export.described")
    sync_folder(folder)
    return [Written(path.name, file_sha256(path), path.stat().st_size) for path in sorted(folder.iterdir())]


def entry_nodes(dictionary: Dictionary) -> list[Node]:
    """The leaves of the dictionary's entries, before anything is written."""
    return list(definition_nodes({"tables": _entries(dictionary)}))


def _entries(dictionary: Dictionary) -> dict[str, Any]:
    return {name: allowed.entry() for name, allowed in dictionary.allowed.items()}


def _taken_over(earlier: Earlier, target: Path) -> bool:
    """Whether a file of an earlier release stands at `target` now, by its bytes: linked, or copied where links are not
    possible. One that is gone or no longer what was recorded is not taken."""
    source = earlier.folder / target.name
    if not source.exists() or earlier.files.get(target.name) != file_sha256(source):
        return False
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb") as handle:
            os.fsync(handle.fileno())
    return True


def _definitions(connection: Connection[Any], candidate: Mapping[str, Table], dictionary: Dictionary) -> str:
    """The registry of KPIs and the dictionary of tables as published, as JSON."""
    kpis: dict[str, Any] = {}
    if "kpi" in dictionary.allowed:
        table = _allowed_columns(candidate["kpi"], dictionary.allowed["kpi"])
        query = sql.SQL("select to_jsonb(r) from (select {} from {}) as r").format(
            sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns), table.identifier
        )
        kpis = {str(row["kpi_id"]): row for (row,) in connection.execute(query) if "kpi_id" in row}
    refused = {name: list(datasets) for name, datasets in dictionary.refused.items()}
    said = {"kpis": dict(sorted(kpis.items())), "tables": _entries(dictionary), "refused": refused}
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def place(settings: Settings, number: int, building: Path) -> Path:
    """Move a finished folder to its place in one rename; an unreleased one of that number makes way first."""
    target = settings.releases / str(number)
    if target.exists():
        aside = settings.releases / f"{BUILDING}{number}-replaced-{secrets.token_hex(4)}"
        target.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    building.rename(target)
    sync_folder(settings.releases)
    return target


@contextlib.contextmanager
def new_folder(settings: Settings, number: int) -> Iterator[Path]:
    """An empty folder beside the releases, with a name that says it is not one.

    Raises ExportFailed when the disk has no room for a release twice the size of the one that is up, or runs out of it
    while files are written; nothing is left of them then.
    """
    settings.releases.mkdir(parents=True, exist_ok=True)
    current = settings.releases / "current"
    needed = SPARE
    if current.is_dir():
        needed += 2 * sum(path.stat().st_size for path in files_of(current.resolve()).values())
    free = shutil.disk_usage(settings.releases).free
    if free < needed:
        raise ExportFailed(
            f"expected {needed >> 20} MB free for the files of release {number}, found {free >> 20} MB, at "
            f"{settings.releases}; free some space and run the night again: what readers see is untouched"
        )
    folder = settings.releases / f"{BUILDING}{number}-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
    except OSError as problem:
        if not is_full(problem):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise ExportFailed(
            f"expected room for the files of release {number}, found none left at {settings.releases} ({problem.strerror}); "
            "free some space and run the night again: what readers see is untouched"
        ) from problem


def link_current(settings: Settings, number: int) -> None:
    """Point `releases/current` at a release, in one step; does nothing if it points there already."""
    link = settings.releases / "current"
    with contextlib.suppress(OSError):
        if link.readlink() == Path(str(number)):
            return
    made = settings.releases / f"{BUILDING}link-{secrets.token_hex(4)}"
    made.symlink_to(str(number), target_is_directory=True)
    reached("link.made")
    made.replace(link)
    sync_folder(settings.releases)
    reached("link.placed")


def files_of(folder: Path) -> dict[str, Path]:
    """Every file of a release's folder, those of its site too: path relative to the folder → path, in order."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return dict(sorted(found.items()))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a folder's entries survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(handle: IO[bytes]) -> None:
    handle.flush()
    os.fsync(handle.fileno())


def _allowed_columns(table: Table, allowed: Allowed) -> Table:
    """The table with the columns that may leave, in the order of the allow-list."""
    there = {column.name: column for column in table.columns}
    missing = [name for name in allowed.columns if name not in there]
    if missing:
        raise ExportFailed(
            f"expected the columns {', '.join(allowed.columns)} in table {table.name}, found no "
            f"{', '.join(missing)}; "
            "build the publish models again or mend the exposure"
        )
    return Table(
        table.schema, table.name, tuple(there[name] for name in allowed.columns), table.key, table.comment
    )


# -- CSV -----------------------------------------------------------------------------------------------------
def _write_csv(
    connection: Connection[Any], table: Table, handle: IO[bytes], notice: Notice, allowed: Allowed
) -> None:
    del notice, allowed  # the file's name carries the mark: a comment line would not be CSV
    query = sql.SQL(
        "copy (select {columns} from {table} order by {order}) to stdout (format csv, header)"
    ).format(
        columns=sql.SQL(", ").join(_csv_column(column, table.name) for column in table.columns),
        table=table.identifier,
        order=table.order(),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in copy:
            # One message is one record; line feeds inside quoted text stay as they are, the record's end is
            # CRLF.
            handle.write(bytes(row)[:-1] + b"\r\n")


def _csv_column(column: Column, table: str) -> sql.Composable:
    name = sql.Identifier(table, column.name)
    text: sql.Composable
    if column.is_text:
        text = sql.SQL(
            "case when left({c}, 1) in ({formula}) and {c} !~ {number} then '''' || {c} else {c} end"
        ).format(
            c=name,
            formula=sql.SQL(", ").join(map(sql.Literal, FORMULA)),
            number=sql.Literal(NUMBER),
        )
    else:
        text = _spelling(column, name)
    return sql.SQL("{} as {}").format(text, _alias(column))


def _spelling(column: Column, name: sql.Composable) -> sql.Composable:
    """A value of no text type as text: true and false, ISO 8601 times, lists as JSON."""
    if column.type == "boolean":
        return sql.SQL("{}::text").format(name)
    if column.type.startswith("timestamp"):
        zone = "" if column.type == "timestamp without time zone" else '"Z"'
        return sql.SQL("to_char({}, {})").format(name, sql.Literal(f'YYYY-MM-DD"T"HH24:MI:SS.US{zone}'))
    if column.type.endswith("[]"):
        return sql.SQL("to_json({})::text").format(name)
    return name


def _alias(column: Column) -> sql.Identifier:
    return sql.Identifier(column.name)


# -- JSON ----------------------------------------------------------------------------------------------------
def _write_json(
    connection: Connection[Any], table: Table, handle: IO[bytes], notice: Notice, allowed: Allowed
) -> None:
    del notice, allowed  # an array of records stays an array of records; the file's name carries the mark
    # JSON escapes control characters, so with these as delimiter and quote CSV leaves each record as it is.
    query = sql.SQL(
        "copy (select to_json(r)::text from (select {columns} from {table} order by {order}) as r) "
        "to stdout (format csv, delimiter E'\\x02', quote E'\\x01')"
    ).format(
        columns=sql.SQL(", ").join(sql.Identifier(c.name) for c in table.columns),
        table=table.identifier,
        order=table.order(),
    )
    handle.write(b"[")
    separator = b"\n"
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for record in copy:
            handle.write(separator + bytes(record)[:-1])
            separator = b",\n"
    handle.write(b"\n]\n")


# -- Parquet -------------------------------------------------------------------------------------------------
def _write_parquet(
    connection: Connection[Any], table: Table, handle: IO[bytes], notice: Notice, allowed: Allowed
) -> None:
    del allowed
    import pyarrow as pa
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    fields = [
        pa.field(column.name, _arrow_type(pa, connection, table, column), nullable=True)
        for column in table.columns
    ]
    said = {"title": f"City Performance Warehouse: {table.name}"}
    if notice.sample:
        said["sample"] = SAMPLE_NOTICE
    schema = pa.schema(fields, metadata=said)
    query = sql.SQL(
        "copy (select {columns} from {table} order by {order}) to stdout (format csv, header)"
    ).format(
        columns=sql.SQL(", ").join(
            sql.SQL("{} as {}").format(_spelling(c, sql.Identifier(table.name, c.name)), _alias(c))
            for c in table.columns
        ),
        table=table.identifier,
        order=table.order(),
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        batches = pacsv.open_csv(
            pa.PythonFile(_CopyStream(copy), mode="r"),
            read_options=pacsv.ReadOptions(block_size=BLOCK, use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types={field.name: field.type for field in schema},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,  # an empty text is quoted, no value is not
            ),
        )
        with pq.ParquetWriter(handle, schema, **_PARQUET) as writer:
            for batch in batches:
                part = pa.Table.from_batches([batch]).replace_schema_metadata(said)
                writer.write_table(part, row_group_size=BATCH)


class _CopyStream:
    """COPY's output as a file to read from: `read(n)` gives n bytes until the end, however rows are cut."""

    def __init__(self, copy: Iterable[bytes | bytearray | memoryview]) -> None:
        self._rows = iter(copy)
        self._rest = bytearray()
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            row = next(self._rows, None)
            if row is None:
                break
            self._rest += row
        size = len(self._rest) if size < 0 else size
        given = bytes(self._rest[:size])
        del self._rest[:size]
        return given

    def close(self) -> None:
        self.closed = True


def _arrow_type(pa: Any, connection: Connection[Any], table: Table, column: Column) -> Any:
    fixed = {
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "real": pa.float32(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp without time zone": pa.timestamp("us"),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }
    if column.type in fixed:
        return fixed[column.type]
    if column.type != "numeric":
        return pa.string()
    if column.scale is not None and column.precision is not None and column.precision <= 38:
        return pa.decimal128(column.precision, column.scale)
    digits, decimals = _extent(connection, table, column)
    scale = max(decimals, min(DECIMALS, 38 - digits))
    if digits + scale > 38:
        raise ExportFailed(
            f"expected numbers of at most 38 digits in {table.name}.{column.name}, found {digits} digits "
            "before and "
            f"{decimals} after the point; round the column in its publish model"
        )
    return pa.decimal128(38, scale)


def _extent(connection: Connection[Any], table: Table, column: Column) -> tuple[int, int]:
    """Most digits before and after the decimal point in a numeric column."""
    row = connection.execute(
        sql.SQL(
            "select coalesce(max(abs(trunc({c}))), 0), coalesce(max(scale(trim_scale({c}))), 0) from {t}"
        ).format(c=sql.Identifier(column.name), t=table.identifier)
    ).fetchone()
    largest, decimals = row or (Decimal(0), 0)
    if not Decimal(largest).is_finite():
        raise ExportFailed(
            f"expected finite numbers in {table.name}.{column.name}, found {largest}; mend its publish model"
        )
    return len(str(int(largest))), int(decimals)


# -- XLSX ----------------------------------------------------------------------------------------------------
def _write_xlsx(
    connection: Connection[Any], table: Table, handle: IO[bytes], notice: Notice, allowed: Allowed
) -> None:
    row = connection.execute(sql.SQL("select count(*) from {}").format(table.identifier)).fetchone()
    rows = int(row[0]) if row else 0
    fits = rows < workbook.SHEET_ROWS
    csv = f"{Path(handle.name).stem}.csv"
    facts = [
        ("what it holds", allowed.description),
        ("rows", f"{rows:,}"),
        *(("licence", " · ".join(LICENCES[name])) for name in allowed.licences),
        *([("contact", f"{allowed.contact}, {allowed.email}")] if allowed.email else []),
        (
            "numbers",
            f"Excel keeps 15 digits; {csv} and the Parquet file have them all. An empty cell is no value.",
        ),
    ]
    if not fits:
        facts.append(
            ("too long", f"A sheet has room for {workbook.SHEET_ROWS - 1:,} rows. They are in {csv}.")
        )
    about = workbook.About(
        table.name, allowed.title, facts, allowed.columns, SAMPLE_NOTICE if notice.sample else None
    )
    scratch = Path(handle.name).parent
    if not fits:
        workbook.write(handle, about, None, 0, scratch)
        return
    query = sql.SQL("select {columns} from {table} order by {order}").format(
        columns=sql.SQL(", ").join(_sheet_value(column, table.name) for column in table.columns),
        table=table.identifier,
        order=table.order(),
    )
    with connection.cursor("sheet") as cursor:
        cursor.itersize = 10_000
        workbook.write(handle, about, cursor.execute(query), rows, scratch)


def _sheet_value(column: Column, table: str) -> sql.Composable:
    """A column as Excel knows it: numbers, dates, times without a zone (UTC), truth; all else as text."""
    name = sql.Identifier(table, column.name)
    if column.type == "timestamp with time zone":
        return sql.SQL("{} at time zone 'UTC'").format(name)
    if column.is_text or column.type in _TYPED:
        return name
    return sql.SQL("{}::text").format(_spelling(column, name))


_TYPED: Final = frozenset(
    ("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "date")
) | {"timestamp without time zone"}
_WRITERS: Final = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "xlsx": _write_xlsx,
}


# -- what the files say --------------------------------------------------------------------------------------
def _resource(
    path: Path, format_: str, table: Table, allowed: Allowed, notice: Notice, updated: date | None
) -> dict[str, Any]:
    name = table.name.replace("_", "-")
    title = f"{SAMPLE_NOTICE}: {allowed.title}" if notice.sample else allowed.title
    resource: dict[str, Any] = {
        "name": name if format_ == "csv" else f"{name}-{format_}",
        "type": "table" if format_ == "csv" else "file",
        "title": title,
        "description": allowed.description,
        "path": path.name,
        "scheme": "file",
        "format": format_,
        "mediatype": MEDIA[format_],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{file_sha256(path)}",
        "licenses": [_licence(name) for name in allowed.licences],
    }
    if updated:
        resource["last_updated"] = updated.isoformat()
    if format_ == "csv":
        schema: dict[str, Any] = {
            "fields": [_field(column, allowed, table) for column in table.columns],
            "missingValues": [""],
        }
        if table.key and set(table.key) <= {column.name for column in table.columns}:
            schema["primaryKey"] = list(table.key)
        resource["schema"] = schema
        resource["encoding"] = "utf-8"
        resource["dialect"] = {"delimiter": ",", "lineTerminator": "\r\n", "quoteChar": '"', "header": True}
    else:
        resource["description"] += f" The columns are those of resource {name}."
    if notice.sample:
        resource["sample"] = True
    return resource


_FIELD_TYPES: Final = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "number",
    "real": "number",
    "double precision": "number",
    "boolean": "boolean",
    "date": "date",
    "json": "any",
    "jsonb": "any",
    "timestamp without time zone": "datetime",
    "timestamp with time zone": "datetime",
}


def _field(column: Column, allowed: Allowed, table: Table) -> dict[str, Any]:
    field: dict[str, Any] = {
        "name": column.name,
        "type": _FIELD_TYPES.get(column.type, "array" if column.type.endswith("[]") else "string"),
        "description": allowed.columns[column.name] or column.comment,
    }
    if field["type"] == "any":
        field["type"] = "string"  # a column may hold lists and objects; its text is JSON
    if not column.nullable or column.name in table.key:
        field["constraints"] = {"required": True}
    return field


def _table_of(resource: Mapping[str, Any]) -> str:
    return str(resource["path"]).removeprefix(SAMPLE_PREFIX).rsplit(".", 1)[0]


def _licences(dictionary: Dictionary) -> list[dict[str, str]]:
    names = {name for allowed in dictionary.allowed.values() for name in allowed.licences}
    return [_licence(name) for name in sorted(names)]


def _licence(name: str) -> dict[str, str]:
    title, path, _ = LICENCES.get(name, (name, "", ""))
    return {"name": name, "title": title, **({"path": path} if path else {})}


def _all_datasets(dictionary: Dictionary) -> frozenset[str]:
    return frozenset().union(*(allowed.datasets for allowed in dictionary.allowed.values()))


def _descriptor(resources: Sequence[Mapping[str, Any]], dictionary: Dictionary, notice: Notice) -> str:
    package: dict[str, Any] = {
        "name": f"city-performance-{notice.profile}-release-{notice.number}",
        "title": notice.title,
        "description": ABOUT,
        "version": str(notice.number),
        "profile": "data-package",
        "night": notice.night.isoformat(),
        "keywords": ["municipal performance", "key performance indicators", "Toronto"],
        "licenses": _licences(dictionary),
        "sources": [
            {"title": origin.title, "path": origin.url, "dataset": origin.dataset, "files": origin.files}
            for origin in notice.origins
            if origin.dataset in _all_datasets(dictionary)
        ],
        "resources": list(resources),
    }
    if notice.sample:
        package["sample"] = True
    if dictionary.refused:
        package["refused"] = [
            {"table": table, "reason": _why_refused(datasets)}
            for table, datasets in dictionary.refused.items()
        ]
    return json.dumps(package, indent=2, ensure_ascii=False) + "\n"


def _why_refused(datasets: Sequence[str]) -> str:
    return f"built from {', '.join(datasets)}, which carries no licence: it may not leave the warehouse"


def _readme(resources: Sequence[Mapping[str, Any]], dictionary: Dictionary, notice: Notice) -> str:
    lines = [f"# {notice.title}", ""]
    if notice.sample:
        lines += [
            f"**{SAMPLE_NOTICE}.** They show what the warehouse does; none of them is about Toronto.",
            "",
        ]
    lines += [
        f"Made for the night of {notice.night.isoformat()} (Toronto). `datapackage.json` describes every "
        "file: types, "
        "keys, licences, bytes and SHA-256.",
        "",
        "The same is said in DCAT-AP (`dcat.jsonld`) and CSVW (`csv-metadata.json`). The change log says when each "
        "table last changed, `evidence.md` what the release proves.",
        "",
        "| table | what it holds | last updated | files |",
        "|---|---|---|---|",
    ]
    for name, allowed in dictionary.allowed.items():
        mine = [r for r in resources if _table_of(r) == name]
        files = ", ".join(f"`{r['path']}`" for r in mine)
        updated = mine[0].get("last_updated", "–") if mine else "–"
        lines.append(f"| {name} | {allowed.description.replace('|', '/')} | {updated} | {files} |")
    if dictionary.refused:
        lines += ["", "## Left out", ""]
        lines += [f"- `{table}`: {_why_refused(datasets)}." for table, datasets in dictionary.refused.items()]
    lines += [
        "",
        "## Reading the files",
        "",
        "- CSV follows RFC 4180 in UTF-8: commas, double quotes, CRLF, a header. An empty field is no "
        'value, `""` is an '
        "empty text. It is meant for people: a text that a spreadsheet would run as a formula (it starts "
        "with `=`, `+`, "
        "`-`, `@`, tab or carriage return and is not a number) has an apostrophe in front.",
        "- Parquet and JSON hold every value exactly as it is in the database. Numbers without a declared "
        "scale are "
        "decimals of 38 digits in Parquet.",
        "- XLSX is for people too: typed cells, never a formula, numbers of 15 digits; its second sheet says what the "
        "columns mean.",
        "- Rows are in key order. Equal data gives equal bytes.",
        "",
    ]
    return "\n".join(lines)


def _licence_text(dictionary: Dictionary, notice: Notice) -> str:
    lines = ["# Licences", ""]
    for licence in _licences(dictionary):
        title, path, credit = LICENCES.get(licence["name"], (licence["name"], "", ""))
        lines += [f"## {title}", "", *([path, ""] if path else []), *([credit, ""] if credit else [])]
    if not notice.sample:
        lines += ["## Sources", ""]
        lines += [
            f"- {origin.title} ({origin.licence}): {origin.url}"
            for origin in notice.origins
            if origin.dataset in _all_datasets(dictionary)
        ]
        lines.append("")
    return "\n".join(lines)
