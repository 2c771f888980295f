"""What a change of the dbt project reaches, column by column: models, published tables, KPIs, exports, pages, dashboards.

Two things reach on. A column's value reaches the columns that are worked out with it. A model's rows (which there are, and
how they are grouped) reach every column of every model that reads it; that is said of the table, not of each column.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from cityperf.errors import CityperfError
from cityperf.impact.columns import ALL, ROWS, Column, Read, Shape, shape_of
from cityperf.impact.project import KEPT, Project

PUBLISHED: Final = "publish_next"  # the schema in which dbt builds what goes up
SHAPES: Final = KEPT / "shapes.json"
_RELATION: Final = re.compile(r'"\w+"\."(\w+)"\."(\w+)"')
_FORM: Final = "2"  # of shapes as they are kept

How = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class Change:
    """A model (seed, data set) that is not as it was. `columns`: column → how; `rows`: its filters, joins or grouping
    changed; `by_table`: why its columns are not told apart, else empty. Without any of these it was written otherwise and
    means the same."""

    model: str
    how: How
    columns: Mapping[str, How] = field(default_factory=dict)
    rows: bool = False
    by_table: str = ""


@dataclass(frozen=True)
class Reached:
    """A model that a change reaches. `columns`: those whose value it reaches; `rows`: every column, through the rows."""

    model: str
    layer: str
    columns: tuple[str, ...]
    rows: bool
    by_table: str = ""


@dataclass(frozen=True)
class Export:
    """An exposure with a reached column among those that leave."""

    exposure: str
    columns: tuple[str, ...]
    rows: bool
    files: tuple[str, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True)
class Impact:
    """What changed and what it reaches. `kpis`: ids of the KPIs whose figures are reached; `kpi_definitions`: those whose
    YAML changed; `pages`: kind of page, or dashboard → the reached columns that it reads."""

    changes: tuple[Change, ...]
    reached: tuple[Reached, ...]
    published: tuple[Reached, ...]
    kpis: tuple[str, ...]
    kpi_definitions: Mapping[str, How]
    exports: tuple[Export, ...]
    allow_list: Mapping[str, How]
    pages: Mapping[str, tuple[str, ...]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Graph:
    """A project with the shape of every model, and which columns read which. `keys`: under which the shapes are kept."""

    def __init__(self, project: Project, shapes: Mapping[str, Shape], keys: Sequence[str]) -> None:
        self.project, self.shapes, self.keys = project, shapes, keys
        self.table = {model.name: f"{model.schema}.{model.table}" for model in project.models.values()}
        self.model = {table: name for name, table in self.table.items()}
        self.readers: dict[Read, list[Read]] = defaultdict(list)
        self.parents: dict[str, set[str]] = {}
        for name, shape in shapes.items():
            table = self.table[name]
            for column, made in [*shape.columns.items(), (ROWS, shape.rows)]:
                for read in made.reads:
                    self.readers[read].append((table, column))
            self.parents[table] = {
                each for made in [*shape.columns.values(), shape.rows] for each, _ in made.reads
            }

    def others(self) -> dict[str, Shape]:
        """Sources and seeds as shapes: a seed's columns are other ones when its file is."""
        found = {}
        for table, columns in self.project.others.items():
            said = Column(self.project.seeds.get(table, ""), frozenset())
            found[table] = Shape(dict.fromkeys(columns, said), said)
        return found

    def reach(self, starts: Iterable[Read]) -> set[Read]:
        """The starts and every column and `ROWS` below them."""
        seen = set(starts)
        waiting = list(seen)
        while waiting:
            table, column = waiting.pop()
            for read in [*self.readers[table, column], *(self.readers[table, ALL] if column != ROWS else ())]:
                if read not in seen:
                    seen.add(read)
                    waiting.append(read)
        return seen

    def above(self, table: str) -> set[str]:
        """Tables that a table is made of, itself among them."""
        seen, waiting = {table}, [table]
        while waiting:
            fresh = self.parents.get(waiting.pop(), set()) - seen
            seen |= fresh
            waiting += fresh
        return seen


def graph_of(project: Project, kept: dict[str, Any] | None = None) -> Graph:
    """The shapes of a project, parents first. `kept`: what `shapes_kept` gave; what is new is added to it."""
    kept = {} if kept is None else kept
    tables: dict[str, tuple[str, ...]] = dict(project.others)
    shapes: dict[str, Shape] = {}
    keys: list[str] = []
    for model in project.models.values():
        named = {f"{schema}.{table}" for schema, table in _RELATION.findall(model.sql)}
        known = {name: tables.get(name, ()) for name in sorted(named)}
        key = _key(model.sql, known, model.documented)
        keys.append(key)
        if key not in kept:
            kept[key] = _plain(shape_of(model.sql, known, model.documented))
        shapes[model.name] = _shape(kept[key])
        tables[f"{model.schema}.{model.table}"] = tuple(shapes[model.name].columns)
    return Graph(project, shapes, keys)


def compare(before: Graph, now: Graph, read_by: Mapping[Read, Sequence[str]]) -> Impact:
    """What is otherwise in `now` than in `before`, and what that reaches. `read_by`: see readers.read_by."""
    changes = [*_changes(before, now)]
    starts: set[Read] = set()
    for each in changes:
        table = now.table.get(each.model) or before.table.get(each.model) or each.model
        starts |= {(table, name) for name, how in each.columns.items() if how != "removed"}
        starts |= {(table, ROWS)} if each.rows else set()
        # Who read a column that is gone is known from before only.
        gone = {(table, name) for name, how in each.columns.items() if how == "removed"}
        starts |= gone | {
            read for one in gone for read in [*before.readers[one], *before.readers[table, ALL]]
        }
    allow_list = _allow_list(before, now)
    definitions = _differences(before.project.kpis, now.project.kpis)
    return _impact(now, starts, tuple(changes), read_by, definitions, allow_list)


def depends_on(graph: Graph, what: str, read_by: Mapping[Read, Sequence[str]]) -> Impact:
    """What depends on `MODEL.COLUMN`. Raises CityperfError for a model or a column that is not there."""
    name, _, column = what.rpartition(".")
    shape = graph.shapes.get(name) or graph.others().get(name)
    if shape is None:
        raise CityperfError(
            f"expected MODEL.COLUMN with a model of the dbt project, found {what!r}; ./cityperf docs build lists them"
        )
    if column not in shape.columns:
        raise CityperfError(
            f"expected a column of {name}, found {column!r}; it has {', '.join(shape.columns) or 'none that are known'}"
        )
    return _impact(graph, {(graph.table.get(name, name), column)}, (), read_by, {}, {})


def _changes(before: Graph, now: Graph) -> Iterable[Change]:
    for name, model in now.project.models.items():
        new, old = now.shapes[name], before.shapes.get(name)
        if old is None:
            yield Change(name, "added", dict.fromkeys(new.columns, "added"), True, new.whole)
            continue
        was = before.project.models[name]
        if (model.sql, model.rest) == (was.sql, was.rest) and new == old:
            continue
        columns, rows = _difference(old, new), old.rows.digest != new.rows.digest
        whole = new.whole or old.whole
        if model.incremental and model.rest != was.rest and not columns and not rows:
            whole = "what it does to the rows it has is not in the SQL of a first build"
            columns, rows = dict.fromkeys(new.columns, "changed"), True
        yield Change(name, "changed", columns, rows, whole)
    for name in before.project.models.keys() - now.project.models.keys():
        shape = before.shapes[name]
        yield Change(name, "removed", dict.fromkeys(shape.columns, "removed"), True, shape.whole)
    old_others, new_others = before.others(), now.others()
    for table in sorted(old_others.keys() | new_others.keys()):
        nothing = Shape({}, Column("none", frozenset()))
        old, new = old_others.get(table, nothing), new_others.get(table, nothing)
        if old != new:
            how: How = "added" if table not in old_others else "changed" if table in new_others else "removed"
            yield Change(table, how, _difference(old, new), old.rows.digest != new.rows.digest)


def _difference(old: Shape, new: Shape) -> dict[str, How]:
    return _differences(
        {name: each.digest for name, each in old.columns.items()},
        {name: each.digest for name, each in new.columns.items()},
    )


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, How]:
    found: dict[str, How] = {}
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            found[name] = "added" if name not in old else "removed" if name not in new else "changed"
    return found


def _allow_list(before: Graph, now: Graph) -> dict[str, How]:
    """`table.column` of the exposures that may leave now and could not, or the other way round."""
    old, new = (
        {f"{each.table}.{column}": "" for each in graph.project.exposures for column in each.columns}
        for graph in (before, now)
    )
    return _differences(old, new)


def _impact(
    graph: Graph,
    starts: set[Read],
    changes: tuple[Change, ...],
    read_by: Mapping[Read, Sequence[str]],
    definitions: Mapping[str, How],
    allow_list: Mapping[str, How],
) -> Impact:
    hits = graph.reach(starts)
    columns: dict[str, set[str]] = defaultdict(set)
    for table, column in hits:
        columns[table].add(column)
    reached = []
    for name, model in graph.project.models.items():
        found = columns.get(graph.table[name], set())
        if found:
            ordered = tuple(each for each in graph.shapes[name].columns if each in found)
            gone = tuple(sorted(found - {*ordered, ROWS}))
            layer = Path(model.file).parts[1]
            reached.append(Reached(name, layer, ordered + gone, ROWS in found, graph.shapes[name].whole))
    published = tuple(each for each in reached if graph.project.models[each.model].schema == PUBLISHED)
    touched = {graph.table[each.model] for each in reached} | {table for table, _ in starts}
    # A figure passes through marts: one that is changed there is a figure of every KPI that the mart is made of.
    touched |= {above for table, _ in starts for above in graph.above(table)}
    kpis = {
        kpi
        for model in graph.project.models.values()
        if graph.table[model.name] in touched
        for kpi in model.kpis
    }
    return Impact(
        changes,
        tuple(reached),
        published,
        tuple(sorted(kpis)),
        definitions,
        tuple(_exports(graph, published)),
        allow_list,
        _pages(graph, published, read_by),
    )


def _exports(graph: Graph, published: Iterable[Reached]) -> Iterable[Export]:
    by_table = {graph.project.models[each.model].table: each for each in published}
    for exposure in graph.project.exposures:
        if hit := by_table.get(exposure.table):
            columns = tuple(each for each in exposure.columns if each in hit.columns)
            if columns or hit.rows:
                files = tuple(f"{exposure.table}.{each}" for each in exposure.formats)
                yield Export(exposure.name, columns, hit.rows, files, exposure.destinations)


def _pages(
    graph: Graph, published: Iterable[Reached], read_by: Mapping[Read, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    hit = {graph.project.models[each.model].table: each for each in published}
    found: dict[str, list[str]] = defaultdict(list)
    for (table, column), kinds in sorted(read_by.items()):
        each = hit.get(table)
        if each is not None and (column in each.columns or each.rows):
            said = f"{table}.{column}" if column in each.columns else f"{table}.{ROWS}"
            for kind in kinds:
                if said not in found[kind]:
                    found[kind].append(said)
    return {kind: tuple(said) for kind, said in sorted(found.items())}


# -- shapes, kept from run to run ------------------------------------------------------------------------------
def shapes_kept() -> dict[str, Any]:
    """Shapes that an earlier run worked out, by what they were worked out from; none where nothing can be read."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(SHAPES.read_bytes())
        return found
    return {}


def keep_shapes(kept: Mapping[str, Any], graphs: Sequence[Graph]) -> None:
    """Write the shapes of these projects down for the next run; others are forgotten."""
    used = {key for graph in graphs for key in graph.keys}
    SHAPES.parent.mkdir(parents=True, exist_ok=True)
    aside = SHAPES.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps({key: shape for key, shape in kept.items() if key in used}), "utf-8")
    aside.replace(SHAPES)


def _key(sql: str, known: Mapping[str, Sequence[str]], documented: Sequence[str]) -> str:
    said = json.dumps([_FORM, sql, {name: list(each) for name, each in known.items()}, list(documented)])
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()


def _plain(shape: Shape) -> dict[str, Any]:
    def column(each: Column) -> list[Any]:
        return [each.digest, sorted(each.reads)]

    return {
        "columns": {name: column(each) for name, each in shape.columns.items()},
        "rows": column(shape.rows),
        "whole": shape.whole,
    }


def _shape(said: Mapping[str, Any]) -> Shape:
    def column(each: Sequence[Any]) -> Column:
        return Column(each[0], frozenset((table, name) for table, name in each[1]))

    columns = {name: column(each) for name, each in said["columns"].items()}
    return Shape(columns, column(said["rows"]), said["whole"])
