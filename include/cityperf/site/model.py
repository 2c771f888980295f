"""What pages are made of: a page with its data, and the release's tables as a reader that hands out only what may leave."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import dict_row

from cityperf.publish.tables import tables as tables_of
from cityperf.site.words import Lang

Row = dict[str, Any]
FETCH: Final = 5_000  # rows of a streamed table that are in memory at once


@dataclass(frozen=True)
class Page:
    """One file of the site, before it is drawn. `data` holds plain values only (text, numbers, dates, lists, mappings): its
    hash decides whether the file has to be made anew."""

    path: str  # such as en/kpi/1.01.html
    kind: str  # the module of cityperf.site.pages that draws it
    lang: Lang
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Edition:
    """The release that a site is built for."""

    number: int
    night: date
    profile: str
    code_version: str = ""
    repeats: int | None = None

    @property
    def sample(self) -> bool:
        return self.profile == "sample"


class Tables:
    """The tables of one schema, read in one read-only transaction. A table or column that is not on the allow-list reads
    as empty: what may not leave cannot reach a page."""

    def __init__(
        self,
        connection: Connection[Any],
        schema: str,
        allowed: Mapping[str, Sequence[str] | Mapping[str, str]],
    ) -> None:
        self._connection = connection
        self._names = itertools.count()
        self._tables = {
            name: (table, {c.name for c in table.columns} & set(allowed[name]))
            for name, table in tables_of(connection, schema).items()
            if name in allowed
        }

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        where: str = "true",
        order: Sequence[str] = (),
        newest: int | None = None,
        per: Sequence[str] = (),
    ) -> Iterator[Row]:
        """Rows as mappings, streamed. `where` is SQL over the table's allowed columns; `order`: columns, texts by their
        bytes, `-name` for descending. With `newest`, only that many rows of each `per`, by period_start from the last."""
        found = self._tables.get(table)
        if found is None:
            return
        stored, may = found
        types = {c.name: c for c in stored.columns}
        inside = sql.SQL(", ").join(
            sql.Identifier(c.name)
            if c.name in may
            else sql.SQL("null::{} as {}").format(sql.SQL(c.type), sql.Identifier(c.name))
            for c in stored.columns
        )
        wanted = sql.SQL(", ").join(
            sql.Identifier(name)
            if name in types
            else sql.SQL("null::text as {}").format(sql.Identifier(name))
            for name in columns
        )

        def by(name: str) -> sql.Composable:
            plain = name.removeprefix("-")
            collate = sql.SQL(' collate "C"') if types[plain].is_text else sql.SQL("")
            return sql.SQL("{}{}{}").format(
                sql.Identifier(plain), collate, sql.SQL(" desc" if name.startswith("-") else "")
            )

        query: sql.Composable = sql.SQL("select {} from {} where {}").format(
            inside,
            stored.identifier,
            sql.SQL(where),
        )
        if newest is not None:
            place = sql.SQL("row_number() over (partition by {} order by period_start desc)").format(
                sql.SQL(", ").join(map(sql.Identifier, per))
            )
            query = sql.SQL(
                "select * from (select *, {} as _place from ({}) as r) as p where _place <= {}"
            ).format(place, query, sql.Literal(newest))
        query = sql.SQL("select {} from ({}) as chosen").format(wanted, query)
        ordered = [by(name) for name in order if name.removeprefix("-") in types]
        if ordered:
            query = sql.SQL("{} order by {}").format(query, sql.SQL(", ").join(ordered))
        with self._connection.cursor(f"site_{next(self._names)}", row_factory=dict_row) as cursor:
            cursor.itersize = FETCH
            yield from cursor.execute(query)

    def by(self, key: str, table: str, columns: Sequence[str], **how: Any) -> Groups:
        """As `rows`, handed out group by group of column `key`, which the order begins with."""
        order = (key, *(name for name in how.pop("order", ()) if name != key))
        return Groups(self.rows(table, tuple(dict.fromkeys((key, *columns))), order=order, **how), key)


class Groups:
    """A stream of rows in order of a key, from which the groups are taken in that same order."""

    def __init__(self, rows: Iterator[Row], key: str) -> None:
        self._groups = itertools.groupby(rows, key=lambda row: str(row[key]))
        self._key = key
        self._next: tuple[str, list[Row]] | None = None
        self._advance()

    def _advance(self) -> None:
        name, rows = next(self._groups, ("", None))
        self._next = None if rows is None else (name, list(rows))

    def take(self, key: str) -> list[Row]:
        """The rows of `key`, without the key itself; groups before it are passed over. Empty when there is none."""
        while self._next and self._next[0].encode() < key.encode():
            self._advance()
        if not self._next or self._next[0] != key:
            return []
        rows = self._next[1]
        self._advance()
        return [{name: value for name, value in row.items() if name != self._key} for row in rows]
