"""What stands in a schema: tables, typed columns, keys and comments, as PostgreSQL has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

SESSION = (
    "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; "
    "set extra_float_digits = 1; set bytea_output = 'hex'; set work_mem = '64MB'"
)


@dataclass(frozen=True)
class Column:
    """One column; `type` is PostgreSQL's own spelling without modifiers (text, numeric, date ...)."""

    name: str
    type: str
    nullable: bool
    precision: int | None = None  # of numeric(p, s); None where the column does not limit it
    scale: int | None = None
    comment: str = ""

    @property
    def is_text(self) -> bool:
        return self.type in ("text", "character varying", "character", "name")


@dataclass(frozen=True)
class Table:
    """One table with its columns in order and its key (primary key, else the first unique index, else
    empty)."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    comment: str = ""

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def order(self) -> sql.Composable:
        """ORDER BY list that fixes the order of rows: the key, or the whole row as text where there is no
        key."""
        if not self.key:
            return sql.SQL('({}.*)::text collate "C"').format(sql.Identifier(self.name))
        text = {column.name for column in self.columns if column.is_text}
        return sql.SQL(", ").join(
            sql.SQL('{} collate "C"').format(sql.Identifier(self.name, name))
            if name in text
            else sql.Identifier(self.name, name)
            for name in self.key
        )


_COLUMNS = """
select c.relname, a.attname, format_type(a.atttypid, null), not a.attnotnull,
       case when t.typname = 'numeric' and a.atttypmod >= 4 then ((a.atttypmod - 4) >> 16) & 65535 end,
       case when t.typname = 'numeric' and a.atttypmod >= 4 then (a.atttypmod - 4) & 2047 end,
       coalesce(col_description(c.oid, a.attnum), ''), coalesce(obj_description(c.oid, 'pg_class'), '')
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type as t on t.oid = a.atttypid
where n.nspname = %s and c.relkind in ('r', 'p')
order by c.relname, a.attnum
"""
_KEYS = """
select distinct on (c.relname) c.relname,
       array(select a.attname::text from unnest(i.indkey) with ordinality as k (attnum, place)
             join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum order by k.place)
from pg_index as i
join pg_class as c on c.oid = i.indrelid
join pg_class as x on x.oid = i.indexrelid
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %s and i.indisunique and i.indpred is null and i.indexprs is null
order by c.relname, i.indisprimary desc, i.indnkeyatts, x.relname
"""


def tables(connection: Connection[Any], schema: str) -> dict[str, Table]:
    """Every table of a schema by name, in alphabetical order; empty when the schema is empty or absent."""
    keys: dict[str, list[str]] = dict(connection.execute(_KEYS, (schema,)).fetchall())
    found: dict[str, list[Column]] = {}
    comments: dict[str, str] = {}
    for name, column, type_, nullable, precision, scale, said, comment in connection.execute(
        _COLUMNS, (schema,)
    ):
        found.setdefault(name, []).append(Column(column, type_, nullable, precision, scale, said))
        comments[name] = comment
    return {
        name: Table(schema, name, tuple(columns), tuple(keys.get(name, ())), comments[name])
        for name, columns in sorted(found.items())
    }
