"""Column lineage of one compiled model: what each of its columns is made of, and what decides about its rows.

A column has a `digest`, equal as long as its expression means the same all the way back to the tables that the model reads,
whatever CTEs are called and however the SQL is laid out; and `reads`, the columns of those tables. What stands in filters,
joins, groupings and limits makes no single column, it makes the rows: column `ROWS`. Column `ALL` of a table stands for
whatever it has, where which columns are read cannot be told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

ROWS: Final = "(rows)"
ALL: Final = "*"

Read = tuple[str, str]  # table (`schema.table`), column


class Unresolved(Exception):
    """SQL in which a column's origin cannot be told; the message says where it stopped."""


@dataclass(frozen=True)
class Column:
    """What a column, or the rows, are made of."""

    digest: str
    reads: frozenset[Read]


@dataclass(frozen=True)
class Shape:
    """What a query gives. `whole`: why columns are not told apart (then each reads everything), empty where they are."""

    columns: Mapping[str, Column]
    rows: Column
    whole: str = ""


def shape_of(sql: str, tables: Mapping[str, Sequence[str]], documented: Sequence[str] = ()) -> Shape:
    """The shape of a compiled model. `tables`: columns of each table that it may read, empty for one whose columns are
    not known; `documented`: the model's columns by its own description, for SQL that cannot be resolved."""
    try:
        query = sqlglot.parse_one(sql, dialect="postgres")
        if not isinstance(query, exp.Query):
            raise Unresolved("no query")
        found = _Resolver(tables).query(query, {}, ())
        if found.open:
            raise Unresolved(f"every column of {', '.join(sorted(found.open))}, which are not known")
        return Shape(found.columns, found.rows)
    except (SqlglotError, Unresolved, RecursionError) as problem:
        said = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        reads = frozenset((name, each) for name in tables if _names(sql, name) for each in (ALL, ROWS))
        every = Column(_digest(" ".join(sql.split())), reads)
        return Shape(dict.fromkeys(documented, every), every, said)


def _names(sql: str, table: str) -> bool:
    return '"{}"."{}"'.format(*table.split(".", 1)) in sql


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()


def _merged(*columns: Column, how: str) -> Column:
    return Column(
        _digest(how, *(each.digest for each in columns)), frozenset().union(*(each.reads for each in columns))
    )


@dataclass(frozen=True)
class _Found:
    """What a query or a thing in `from` gives. `open`: tables of which it has columns that are not known."""

    columns: Mapping[str, Column]
    rows: Column
    open: frozenset[str] = frozenset()

    def column(self, name: str) -> Column | None:
        if name in self.columns:
            return self.columns[name]
        if self.open:
            reads = frozenset((table, name if len(self.open) == 1 else ALL) for table in self.open)
            return Column(_digest("open", name, *sorted(self.open)), reads)
        return None

    def everything(self) -> Column:
        found = _merged(*self.columns.values(), self.rows, how="row " + " ".join(self.columns))
        return Column(found.digest, found.reads | {(table, ALL) for table in self.open})


@dataclass
class _Scope:
    """What names mean inside one select: things in `from` by alias, CTEs, and the selects around it."""

    ctes: Mapping[str, _Found]
    around: tuple[_Scope, ...]
    sources: dict[str, _Found] = field(default_factory=dict)
    outputs: dict[str, Column] = field(default_factory=dict)

    def look_up(self, name: str, alias: str) -> Column | None:
        """A column here; None where nothing here has it."""
        if alias:
            return self.sources[alias].column(name) if alias in self.sources else None
        sources = self.sources.values()
        having = [each.columns[name] for each in sources if name in each.columns]
        if having:  # several in `using (name)`
            return having[0] if len(having) == 1 else _merged(*having, how="using")
        unknown = [each for each in sources if each.open]
        if unknown:
            return _merged(*(c for each in unknown if (c := each.column(name))), how="one of")
        return None


class _Resolver:
    def __init__(self, tables: Mapping[str, Sequence[str]]) -> None:
        self._tables = tables

    # -- queries ------------------------------------------------------------------------------------------------
    def query(self, node: exp.Expr, ctes: Mapping[str, _Found], around: tuple[_Scope, ...]) -> _Found:
        ctes = self._with(node, ctes, around)
        if isinstance(node, exp.Subquery):
            inner = self.query(node.this, ctes, around)
            extra = [node.args[key] for key in ("order", "limit", "offset") if node.args.get(key)]
            if not extra:
                return inner
            return self._limited(inner, extra, _Scope(ctes, around, {"": inner}))
        if isinstance(node, exp.SetOperation):
            return self._set(node, ctes, around)
        if isinstance(node, exp.Values):
            return self._values(node, _Scope(ctes, around))
        if isinstance(node, exp.Select):
            return self._select(node, ctes, around)
        raise Unresolved(f"a query of kind {type(node).__name__}")

    def _with(
        self, node: exp.Expr, ctes: Mapping[str, _Found], around: tuple[_Scope, ...]
    ) -> Mapping[str, _Found]:
        clause = node.args.get("with_") or node.args.get("with")
        if clause is None:
            return ctes
        known = dict(ctes)
        for cte in clause.expressions:
            name, body = cte.alias, cte.this
            renamed = [each.name for each in cte.args["alias"].columns]
            if clause.recursive and isinstance(body, exp.SetOperation) and _reads_itself(body, name):
                # Its first part names the columns; read twice, so that what the second adds is among what is read.
                known[name] = _renamed(self.query(body.this, known, around), renamed)
                known[name] = _renamed(self.query(body, known, around), renamed)
            known[name] = _renamed(self.query(body, known, around), renamed)
        return known

    def _set(self, node: exp.SetOperation, ctes: Mapping[str, _Found], around: tuple[_Scope, ...]) -> _Found:
        left, right = self.query(node.this, ctes, around), self.query(node.expression, ctes, around)
        how = f"{type(node).__name__} {node.args.get('distinct')}"
        if left.open or right.open:
            both = {**left.columns, **right.columns}
            columns = {name: _merged(c, how=how) for name, c in both.items()}
        elif len(left.columns) != len(right.columns):
            raise Unresolved(f"{len(left.columns)} and {len(right.columns)} columns in a union")
        else:
            pairs = zip(left.columns.items(), right.columns.values(), strict=True)
            columns = {name: _merged(one, other, how=how) for (name, one), other in pairs}
        rows = [left.rows, right.rows]
        if not isinstance(node, exp.Union) or node.args.get("distinct"):
            rows += columns.values()  # equal rows are one, or one takes the other away
        found = _Found(columns, _merged(*rows, how=how), left.open | right.open)
        extra = [node.args[key] for key in ("order", "limit", "offset") if node.args.get(key)]
        return self._limited(found, extra, _Scope(ctes, around, {"": found})) if extra else found

    def _values(self, node: exp.Values, scope: _Scope) -> _Found:
        lines = [each.expressions if isinstance(each, exp.Tuple) else [each] for each in node.expressions]
        width = len(lines[0])
        columns = {
            f"column{i + 1}": _merged(*(self.sign(line[i], scope) for line in lines), how="values")
            for i in range(width)
        }
        return _Found(columns, Column(_digest("values", str(len(lines))), frozenset()))

    def _limited(self, found: _Found, extra: Iterable[exp.Expr], scope: _Scope) -> _Found:
        """With its order, which decides about rows only where a limit does."""
        extra = list(extra)
        if all(isinstance(each, exp.Order) for each in extra):
            return found
        scope.outputs = dict(found.columns)
        return _Found(
            found.columns,
            _merged(found.rows, *(self.sign(each, scope) for each in extra), how="limit"),
            found.open,
        )

    def _select(self, node: exp.Select, ctes: Mapping[str, _Found], around: tuple[_Scope, ...]) -> _Found:
        scope = _Scope(ctes, around)
        rows = []
        start = node.args.get("from_") or node.args.get("from")
        if start is not None:
            rows.append(self._source(start.this, scope))
        for lateral in node.args.get("laterals") or ():
            rows.append(self._source(lateral, scope))
        for join in node.args.get("joins") or ():
            rows.append(self._source(join.this, scope))
            kind = " ".join(str(join.args.get(key) or "") for key in ("side", "kind", "method"))
            on = [join.args["on"]] if join.args.get("on") else []
            using = [exp.column(each.name) for each in join.args.get("using") or ()]
            rows.append(_merged(*(self.sign(each, scope) for each in (*on, *using)), how=f"join {kind}"))
        columns, unknown = self._projections(node, scope)
        scope.outputs = columns
        limited = node.args.get("limit") or node.args.get("offset")
        distinct = node.args.get("distinct")
        for key in ("where", "group", "having", "qualify", "limit", "offset"):
            if part := node.args.get(key):
                rows.append(self._grouping(part, scope) if key == "group" else self.sign(part, scope))
        if (order := node.args.get("order")) and (limited or (distinct and distinct.args.get("on"))):
            rows.append(self.sign(order, scope))
        if distinct:
            rows += [self.sign(distinct.args["on"], scope)] if distinct.args.get("on") else columns.values()
        if not node.args.get("group") and any(_aggregates(each) for each in node.expressions):
            rows.append(Column(_digest("one row"), frozenset()))
        # A select that takes every row of one thing gives that thing's rows.
        return _Found(columns, rows[0] if len(rows) == 1 else _merged(*rows, how="select"), unknown)

    def _projections(self, node: exp.Select, scope: _Scope) -> tuple[dict[str, Column], frozenset[str]]:
        columns: dict[str, Column] = {}
        unknown: set[str] = set()
        windows = [self.sign(each, scope) for each in node.args.get("windows") or ()]
        for place, each in enumerate(node.expressions):
            star = each if isinstance(each, exp.Star) else None
            alias = ""
            if isinstance(each, exp.Column) and isinstance(each.this, exp.Star):
                star, alias = each.this, each.table
            if star is None:
                name = each.alias_or_name or _name_of(each) or f"column{place + 1}"
                made = self.sign(each.this if isinstance(each, exp.Alias) else each, scope)
                if windows and each.find(exp.Window):
                    made = _merged(made, *windows, how="window")
                columns[name] = made
                continue
            for name, source in scope.sources.items():
                if alias in ("", name):
                    unknown |= source.open
                    for column, what in source.columns.items():
                        columns.setdefault(column, what)
        return columns, frozenset(unknown)

    def _grouping(self, group: exp.Expr, scope: _Scope) -> Column:
        """`group by 1` means the first column of the select."""
        names = list(scope.outputs)
        parts = []
        for each in group.expressions:
            if isinstance(each, exp.Literal) and each.is_int and int(each.name) <= len(names):
                parts.append(scope.outputs[names[int(each.name) - 1]])
            else:
                parts.append(self.sign(each, scope))
        rest = [
            self.sign(each, scope)
            for key in ("cube", "rollup", "grouping_sets")
            for each in group.args.get(key) or ()
        ]
        return _merged(*parts, *rest, how="group")

    # -- things in `from` ---------------------------------------------------------------------------------------
    def _source(self, node: exp.Expr, scope: _Scope) -> Column:
        """Makes a thing in `from` known under its alias; returns what its rows are made of."""
        alias = node.alias_or_name
        renamed = [each.name for each in node.args["alias"].columns] if node.args.get("alias") else []
        inside = (*scope.around, scope)  # a lateral thing sees those before it
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            found = self._table(node, scope)
        elif isinstance(node, (exp.Subquery, exp.Values)):
            found = self.query(node, scope.ctes, inside)
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Query):
            found = self.query(node.this, scope.ctes, inside)
        else:  # a function: what it gives is made of all that it is given
            given = self.sign(node.this if isinstance(node, (exp.Table, exp.Lateral)) else _bare(node), scope)
            if node.args.get("ordinality") or node.args.get("offset"):
                renamed = renamed or [alias, "ordinality"]
            found = _Found(dict.fromkeys(renamed or [alias], given), given)
            renamed = []
            for name in _defined(node):
                found = _Found({**found.columns, name: given}, given)
        for join in node.args.get("joins") or ():
            raise Unresolved(f"a join in brackets with {join.this.alias_or_name}")
        scope.sources[alias] = _renamed(found, renamed)
        return found.rows

    def _table(self, node: exp.Table, scope: _Scope) -> _Found:
        if not node.db and node.name in scope.ctes:
            return scope.ctes[node.name]
        table = f"{node.db}.{node.name}"
        rows = Column(_digest("rows of", table), frozenset({(table, ROWS)}))
        known = self._tables.get(table, ())
        columns = {name: Column(_digest(table, name), frozenset({(table, name)})) for name in known}
        return _Found(columns, rows, frozenset() if known else frozenset({table}))

    # -- expressions --------------------------------------------------------------------------------------------
    def sign(self, node: exp.Expr, scope: _Scope) -> Column:
        """What an expression is made of."""
        if isinstance(node, exp.Column):
            return self._column(node, scope)
        if isinstance(node, exp.Query):
            found = self.query(node, scope.ctes, (*scope.around, scope))
            return found.everything()
        parts = [type(node).__name__]
        reads: set[Read] = set()
        for key, value in node.args.items():
            for each in value if isinstance(value, list) else [value]:
                if each is None or each is False:
                    continue
                if isinstance(each, exp.Expr):
                    inner = self.sign(each, scope)
                    parts += [key, inner.digest]
                    reads |= inner.reads
                else:
                    parts += [key, str(each)]
        return Column(_digest(*parts), frozenset(reads))

    def _column(self, node: exp.Column, scope: _Scope) -> Column:
        for each in (scope, *reversed(scope.around)):
            if isinstance(node.this, exp.Star):
                if node.table in each.sources:
                    return each.sources[node.table].everything()
                continue
            if found := each.look_up(node.name, node.table):
                return found
            if not node.table and node.name in each.outputs:
                return each.outputs[node.name]
            if not node.table and node.name in each.sources:  # a row as a whole
                return each.sources[node.name].everything()
        raise Unresolved(f"column {node.sql(dialect='postgres')}, which nothing in its `from` has")


def _renamed(found: _Found, names: Sequence[str]) -> _Found:
    if not names:
        return found
    if found.open and len(names) > len(found.columns):
        raise Unresolved(
            f"columns renamed by place of {', '.join(sorted(found.open))}, whose columns are not known"
        )
    old = list(found.columns)
    columns = dict(zip([*names, *old[len(names) :]], found.columns.values(), strict=False))
    return _Found(columns, found.rows, found.open)


def _reads_itself(body: exp.Expr, name: str) -> bool:
    return any(table.name == name and not table.db for table in body.find_all(exp.Table))


def _bare(node: exp.Expr) -> exp.Expr:
    """A table function without its alias."""
    node = node.copy()
    node.set("alias", None)
    return node


def _defined(node: exp.Expr) -> list[str]:
    """Columns that a function's alias gives a type: `as t (name text)`."""
    alias = node.args.get("alias")
    return [each.name for each in alias.find_all(exp.ColumnDef)] if alias is not None else []


def _aggregates(node: exp.Expr) -> bool:
    return any(not isinstance(each.parent, exp.Window) for each in node.find_all(exp.AggFunc))


def _name_of(node: exp.Expr) -> str:
    """The name that PostgreSQL gives a column without one."""
    if isinstance(node, exp.Cast):
        return _name_of(node.this) or node.this.alias_or_name
    if isinstance(node, exp.Case):
        return "case"
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""
