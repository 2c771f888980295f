"""A table or a query of a division's own database, read in one snapshot and landed as CSV.

Raw replaces a business period whole, so that is what is delivered: with a `watermark`, the periods (those of
the contract's `partition`, else the whole table) whose count of rows or latest watermark is not the one that
was loaded last; without, everything. A period that lost a row, or from which a row moved away, is delivered
again as well, which "rows above the last watermark" would never notice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from cityperf.errors import SourceUnavailable
from cityperf.extract.connections import ConnectionName, hidden, lacking, secret, variable
from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cityperf.landing import Incoming
    from cityperf.sources import Contract

CONNECT_TIMEOUT: Final = 10  # seconds
Names = Annotated[list[str], Field(min_length=1)]
Periods = dict[str, list[Any]]  # period ("" where it is null) → [rows, latest watermark as text]

# What each kind of server is told at the start: one snapshot, nothing written, one time zone, a time limit.
_BEGIN: Final = {
    "postgresql": (
        "set transaction isolation level repeatable read, read only",
        "set local time zone 'UTC'",
        "set local datestyle to 'ISO'",
        "set local statement_timeout to {milliseconds}",
    ),
    "mariadb": (
        "set session time_zone = '+00:00'",
        "set session max_statement_time = {seconds}",
        "set session transaction isolation level repeatable read",
        "start transaction with consistent snapshot, read only",
    ),
    "mysql": (
        "set session time_zone = '+00:00'",
        "set session max_execution_time = {milliseconds}",
        "set session transaction isolation level repeatable read",
        "start transaction with consistent snapshot, read only",
    ),
    "sqlite": ("begin",),
}
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}


@dataclass(frozen=True)
class _Asked:
    """What is read: the relation, its columns in order, those that order the rows, and how it is called."""

    relation: Any
    columns: tuple[str, ...]
    key: tuple[str, ...]
    period: str | None
    length: int  # characters of the period's text: 7 for a month, 4 for a year
    watermark: str | None
    where: str


def fetch(
    visit: Visit,
    *,
    connection: ConnectionName,
    table: Annotated[str, Field(pattern=r"^[^.;\s]+(\.[^.;\s]+)?$")] | None = None,
    query: str | None = None,
    columns: Names | None = None,
    key: Names | None = None,
    watermark: str | None = None,
    chunk: Annotated[int, Field(gt=0, le=100_000)] = 5000,
    timeout: Annotated[int, Field(gt=0)] = 900,
) -> Iterator[Landed]:
    """Lands `<dataset>.csv`: UTF-8, a header, `""` for empty text and nothing between commas for NULL.

    Rows come in the order of `key`, so equal data make equal bytes. `chunk` rows are held at a time;
    `timeout` bounds each statement in seconds.
    """
    contract = visit.contract
    name = f"{contract.dataset}.csv"
    where = f"database://{connection}/{table or contract.dataset}"
    url = _url(visit, connection)
    with _told(where, connection, url), _snapshot(url, timeout) as db:
        asked = _asked(visit, db, table, query, columns, key, watermark, where)
        now = _periods(db, asked)
        known = visit.known.get(name)
        form = _form(asked, query)
        before: Periods = known.meta.get("periods", {}) if known and known.meta.get("form") == form else {}
        # without a watermark only the rows themselves can tell whether something changed
        changed = [period for period in now if not watermark or before.get(period) != now[period]]
        gone = sorted(set(before) - set(now))
        if gone and now:
            visit.warnings.append(
                f"no row is left at the source for {', '.join(gone)}: raw keeps what was delivered; "
                "if that is meant, ask for those rows to be taken out"
            )
        if not now:
            raise Refused("at least one row", "none", where, "ask the division whether it was emptied")
        if not changed and known is not None:
            yield Landed(known.file_id, name, "watermark")
            return
        rows_at_source = sum(now[period][0] for period in changed)
        with visit.document() as arriving:
            only = changed if len(changed) < len(now) else None
            written = _write(arriving, db, asked, only, chunk)
            if written != rows_at_source:
                raise SourceUnavailable(
                    f"expected the {rows_at_source} rows that were counted, found {written}; at {where}; "
                    "the table changes while it is read and has no snapshots: it is tried again tonight"
                )
            meta: dict[str, Any] = {
                "rows_at_source": rows_at_source,
                "delivered": sorted(changed) if only else "all",
            }
            if watermark:
                meta |= {"periods": now, "form": form}
            yield visit.keep(arriving, name, where, media_type="text/csv", meta=meta)


def mistakes(contract: Contract) -> Iterator[tuple[str, str]]:
    """(argument, what is wrong) for rules that hold between arguments."""
    said = contract.extract.arguments
    if ("table" in said) == ("query" in said):
        yield "connector", "connector database needs exactly one of `table` and `query`"
    known = said.get("columns") or [_header(column) for column in contract.named_columns]
    key = said.get("key") or _headers(contract, contract.keys)
    if not key:
        yield "connector", "connector database needs `key`, or the contract's `keys`, to order the rows"
    lost = [each for each in [*key, *filter(None, [said.get("watermark")])] if each not in known]
    if lost:
        yield "connector", f"connector database: not among the columns: {', '.join(lost)}"
    if contract.extract.read.format not in ("csv", "auto") or contract.extract.read.delimiter != ",":
        yield "connector", "connector database lands CSV with commas: write `read: {format: csv}`"


def _header(column: Any) -> str:
    return str(column.header[0] if column.header else column.name)


def _headers(contract: Contract, names: tuple[str, ...]) -> list[str]:
    return [_header(column) for column in contract.named_columns if column.name in names]


# -- connecting ----------------------------------------------------------------------------------------------
def _url(visit: Visit, connection: str) -> sa.URL:
    import sqlalchemy as sa

    from cityperf.extract.http import NotInReplay

    text = secret(connection)
    if text is None:
        if visit.settings.profile == "sample":
            from cityperf.portal.sample.division_databases import database

            text = f"sqlite:///{database(visit.settings, visit.night, connection)}"
        elif visit.settings.profile == "replay":
            raise NotInReplay(f"connection {connection}")
        else:
            raise lacking(connection, "postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        url = None
    kind = url.get_backend_name() if url is not None else "something that is no URL"
    if url is None or kind not in _DRIVERS:
        raise Refused(
            f"a URL of {', '.join(_DRIVERS)} in {variable(connection)}", kind, f"connection {connection!r}",
            "write it as SQLAlchemy does: KIND://USER:PASSWORD@HOST:PORT/DATABASE, its parts percent-encoded",
        )  # fmt: skip
    if kind == "sqlite":
        return url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    return url.set(drivername=_DRIVERS[kind])


@contextmanager
def _snapshot(url: sa.URL, timeout: int) -> Iterator[sa.Connection]:
    """A connection inside one read-only transaction that sees the data of one moment."""
    import sqlalchemy as sa

    kind = url.get_backend_name()
    how: dict[str, Any] = {} if kind == "sqlite" else {"connect_timeout": CONNECT_TIMEOUT}
    if kind in ("mysql", "mariadb"):
        # PyMySQL would encode a password as Latin-1, which the server does not
        how |= {"read_timeout": timeout + CONNECT_TIMEOUT, "password": str(url.password or "").encode()}
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=how)
    try:
        with engine.connect() as db:
            server = "mariadb" if getattr(db.dialect, "is_mariadb", False) else db.dialect.name
            for statement in _BEGIN[server]:
                db.exec_driver_sql(statement.format(seconds=timeout, milliseconds=timeout * 1000))
            yield db
            db.rollback()
    finally:
        engine.dispose()


# Errors that somebody has to mend: SQLSTATE of PostgreSQL, numbers of MySQL and MariaDB, words of the rest.
_RIGHTS: Final = "ask the division for the right to read it"
_GONE: Final = "compare the contract with the source; the division may have renamed or dropped it"
_LOGIN: Final = "correct the user, password or database in {variable}, then ./cityperf down and up"
_BROKEN: Final[tuple[tuple[str, str], ...]] = (
    (r"^(42501|1142|1143|1044|1370)$", _RIGHTS),
    (r"^(42P01|42703|3F000|1146|1054|1051)$", _GONE),
    (r"^(28000|28P01|3D000|1045|1049|1698)$", _LOGIN),
    (r"^(42601|1064|25006|1792)$", "correct `query` in the contract; it may only read"),
    (r"no such (table|column)", _GONE),
    (r"authentication failed|no password supplied|(role|database) \".*\" does not exist", _LOGIN),
    (r"unable to open database file", _LOGIN),
)


@contextmanager
def _told(where: str, connection: str, url: sa.URL) -> Iterator[None]:
    """The driver's errors as ours, without a secret: refused if somebody must mend it, else unavailable."""
    import sqlalchemy as sa

    try:
        yield
    except sa.exc.NoSuchTableError:
        raise Refused("a table that is there and may be read", "none", where, _GONE) from None
    except sa.exc.DBAPIError as problem:
        found = hidden(str(problem.orig), str(url.password or ""))
        codes = [getattr(problem.orig, "sqlstate", None), *getattr(problem.orig, "args", ())[:1]]
        for pattern, remedy in _BROKEN:
            if any(re.search(pattern, str(code)) for code in (*codes, found)):
                raise Refused(
                    "rows of the source", found, where, remedy.format(variable=variable(connection))
                ) from None
        if isinstance(problem, (sa.exc.ProgrammingError, sa.exc.DataError)):
            raise Refused("rows of the source", found, where, "correct the contract's arguments") from None
        raise SourceUnavailable(
            f"expected rows of the source, found {found}; at {where}; it is tried again tonight"
        ) from None


# -- what is asked -------------------------------------------------------------------------------------------
def _asked(
    visit: Visit,
    db: sa.Connection,
    table: str | None,
    query: str | None,
    columns: list[str] | None,
    key: list[str] | None,
    watermark: str | None,
    where: str,
) -> _Asked:
    import sqlalchemy as sa

    contract = visit.contract
    wanted = columns or [_header(column) for column in contract.named_columns]
    partition = contract.partition.column if contract.partition else None
    period = next(iter(_headers(contract, (partition,))), None) if partition else None
    if query is not None:
        written = sa.text(query.strip().rstrip(";").replace(":", "\\:"))
        relation: Any = written.columns(*map(sa.column, wanted)).subquery("asked")
    else:
        schema, _, name = str(table).rpartition(".")
        there = [each["name"] for each in sa.inspect(db).get_columns(name, schema or None)]
        if not columns:
            spared = set(_headers(contract, tuple(c.name or "" for c in contract.columns if c.optional)))
            wanted = [each for each in wanted if each in there or each not in spared]
        lost = [each for each in wanted if each not in there]
        if lost:
            raise Refused(f"columns {', '.join(wanted)}", f"no {', '.join(lost)}", where, _GONE)
        new = [each for each in there if each not in wanted and each not in contract.ignored]
        if new and contract.drift.new_column != "ignore":
            visit.warnings.append(f"columns that the contract does not ask for: {', '.join(new)}")
        relation = sa.table(name, *map(sa.column, wanted), schema=schema or None)
    order = key or _headers(contract, contract.keys)
    length = 4 if contract.partition and contract.partition.grain == "year" else 7
    return _Asked(relation, tuple(wanted), tuple(order), period, length, watermark, where)


def _period(asked: _Asked) -> Any:
    """The period as raw finds it: the first characters of the date's text."""
    import sqlalchemy as sa

    return sa.func.substr(sa.cast(asked.relation.c[asked.period], sa.String(40)), 1, asked.length)


def _periods(db: sa.Connection, asked: _Asked) -> Periods:
    """Rows and latest watermark of each period of the source; the whole relation is the period "all"
    without a partition.
    """
    import sqlalchemy as sa

    latest = sa.func.max(asked.relation.c[asked.watermark]) if asked.watermark else sa.null()
    if asked.period is None:
        count, last = db.execute(sa.select(sa.func.count(), latest).select_from(asked.relation)).one()
        return {"all": [count, _plain(last)]} if count else {}
    label = _period(asked).label("period")
    rows = db.execute(sa.select(label, sa.func.count(), latest).select_from(asked.relation).group_by(label))
    return {str(period or ""): [count, _plain(last)] for period, count, last in sorted(rows, key=str)}


def _form(asked: _Asked, query: str | None) -> str:
    """What is asked, as a digest: a contract that asks for something else starts from the beginning."""
    said = (asked.columns, asked.key, asked.period, asked.length, asked.watermark, asked.where, query)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _plain(value: Any) -> str | None:
    return None if value is None else str(_TEXT.get(type(value), str)(value))


# -- what is written -----------------------------------------------------------------------------------------
def _write(arriving: Incoming, db: sa.Connection, asked: _Asked, only: list[str] | None, chunk: int) -> int:
    """The rows as CSV, `chunk` at a time; returns how many. Raises Refused for a key that comes twice and
    for values that have no text of their own.
    """
    import sqlalchemy as sa

    columns = asked.relation.c
    statement = sa.select(*(columns[each] for each in asked.columns))
    if only is not None and asked.period is not None:
        named = _period(asked).in_([each for each in only if each])
        statement = statement.where(sa.or_(named, columns[asked.period].is_(None)) if "" in only else named)
    statement = statement.order_by(*(columns[each] for each in asked.key))
    place = [asked.columns.index(each) for each in asked.key]
    arriving.write((",".join(map(_quoted, asked.columns)) + "\n").encode())
    written = 0
    last: list[Any] | None = None
    result = db.execute(statement, execution_options={"stream_results": True, "yield_per": chunk})
    for part in result.partitions(chunk):
        lines: list[str] = []
        for row in part:
            key = [row[position] for position in place]
            if key == last:
                raise Refused(
                    f"each {', '.join(asked.key)} once",
                    f"the same in rows {written + len(lines)} and {written + len(lines) + 1}",
                    asked.where,
                    "choose a `key` that is unique at the source",
                )
            last = key
            try:
                lines.append(",".join([_TEXT[type(value)](value) for value in row]))
            except KeyError:
                raise _no_text(row, asked) from None
        arriving.write(("\n".join(lines) + "\n").encode())
        written += len(lines)
    return written


def _no_text(row: Any, asked: _Asked) -> Refused:
    column, value = next(
        (name, value) for name, value in zip(asked.columns, row, strict=True) if type(value) not in _TEXT
    )
    return Refused(
        f"a value with a text of its own in {column}", f"a {type(value).__name__}", asked.where,
        "leave the column out, or cast it to text in a `query`",
    )  # fmt: skip


_SPECIAL: Final = re.compile(r'[",\r\n]')


def _quoted(text: str) -> str:
    """Empty text is quoted and NULL is not, so the landed bytes tell them apart, as COPY's CSV does."""
    if text and not _SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _as_json(value: object) -> str:
    return _quoted(json.dumps(value, ensure_ascii=False, default=str))


def _clock(span: dt.timedelta) -> str:
    """A length of time as [-]hours:minutes:seconds."""
    sign, span = ("-", -span) if span < dt.timedelta(0) else ("", span)
    minutes, seconds = divmod(span.days * 86400 + span.seconds, 60)
    part = f".{span.microseconds:06d}" if span.microseconds else ""
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{part}"


_TEXT: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "",
    str: _quoted,
    int: str,
    bool: lambda value: "true" if value else "false",
    float: repr,
    Decimal: lambda value: format(value, "f"),
    dt.date: dt.date.isoformat,
    dt.datetime: dt.datetime.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: _clock,
    uuid.UUID: str,
    dict: _as_json,
    list: _as_json,
}
