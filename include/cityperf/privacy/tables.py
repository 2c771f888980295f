"""A published table as cells and the sums among them: totals, parts of a count, geographies, sums shown elsewhere."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from psycopg import Connection, sql

from cityperf.privacy.geography import complementary
from cityperf.privacy.problem import Relation, total_of
from cityperf.privacy.spec import Declared

REST: Final = (
    "rest"  # what is left of a whole beside its part: counted by nobody, told by two published counts
)

Cell = tuple[str, str]  # key of the row as JSON, name of the measure


@dataclass(frozen=True)
class Row:
    """A row's key, its counts (None: hidden, or none at all) and the groups whose sum other tables show."""

    key: str
    counts: Mapping[str, int | None]
    groups: tuple[str | None, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)  # of the key, and those that were asked for

    @property
    def place(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.key)
        return found


def where(key: str) -> str:
    """A row's coordinates in words."""
    return ", ".join(f"{name} {value}" for name, value in json.loads(key).items())


def read_rows(
    connection: Connection[Any], schema: str, table: str, told: Declared, more: Sequence[str] = ()
) -> list[Row]:
    """The rows of `schema.table` that `told` speaks of, in the order of their keys; `more` are further columns."""
    rules = told.rules
    key = sql.SQL(", ").join(sql.SQL("{}, {}").format(sql.Literal(c), sql.Identifier(c)) for c in told.key)
    groups = [
        sql.SQL("case when {} then jsonb_build_array({})::text end").format(
            sql.SQL(each.where), sql.SQL(", ").join(map(sql.SQL, each.by))
        )
        for each in rules.published_elsewhere
    ]
    measures = list(rules.measures)
    query = sql.SQL(
        "select jsonb_build_object({key})::text, {columns} from {table} where {where} order by 1"
    ).format(
        key=key,
        columns=sql.SQL(", ").join([*map(sql.Identifier, [*measures, *more]), *groups]),
        table=sql.Identifier(schema, table),
        where=sql.SQL(rules.where if schema == "marts" else "true"),
    )
    found = []
    for row_key, *values in connection.execute(query):
        counts, others = values[: len(measures)], values[len(measures) : len(measures) + len(more)]
        found.append(
            Row(
                row_key,
                {
                    name: None if count is None else int(count)
                    for name, count in zip(measures, counts, strict=True)
                },
                tuple(values[len(measures) + len(more) :]),
                dict(zip(more, others, strict=True)),
            )
        )
    return found


def pairs(
    connection: Connection[Any], schema: str, table: str, told: Declared, other: str
) -> list[tuple[str, str]]:
    """Keys of two rows of `schema.table` for which `other`, SQL on `this` and `other`, holds."""

    def key(alias: str) -> sql.Composed:
        columns = [sql.SQL("{}, {}").format(sql.Literal(c), sql.Identifier(alias, c)) for c in told.key]
        return sql.SQL("jsonb_build_object({})::text").format(sql.SQL(", ").join(columns))

    source = sql.SQL("(select * from {} where {})").format(
        sql.Identifier(schema, table), sql.SQL(told.rules.where if schema == "marts" else "true")
    )
    query = sql.SQL("select {}, {} from {} as this join {} as other on {} order by 1, 2").format(
        key("this"), key("other"), source, source, sql.SQL(other)
    )
    return connection.execute(query).fetchall()


def sums(told: Declared, rows: Sequence[Row]) -> dict[tuple[str, str], tuple[Cell, ...]]:
    """The cells behind each sum that another table shows, by measure and group; rows that are totals do not count."""
    totals = told.rules.totals
    found: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for row in rows:
        place = row.place
        if any(place[column] == label for column, label in totals.items()):
            continue
        for number, (group, each) in enumerate(zip(row.groups, told.rules.published_elsewhere, strict=False)):
            if group is not None:
                for measure in each.of or told.rules.measures:
                    found[measure, f"{number} {group}"].append((row.key, measure))
    return {name: tuple(cells) for name, cells in found.items()}


def shown_elsewhere(told: Declared, rows: Sequence[Row]) -> dict[tuple[str, str], int]:
    """What these sums come to, by measure and group, where they are large enough to be shown; `rows` are the true ones."""
    counts = {(row.key, measure): count or 0 for row in rows for measure, count in row.counts.items()}
    least = [each.least for each in told.rules.published_elsewhere]
    found = {name: sum(counts[cell] for cell in cells) for name, cells in sums(told, rows).items()}
    return {name: value for name, value in found.items() if value >= least[int(name[1].split(" ", 1)[0])]}


def totals(told: Declared, keys: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Rows that are the sum of others: the total's key and the keys of its parts."""
    found = []
    places = {key: json.loads(key) for key in keys}
    for column, label in told.rules.totals.items():
        lines: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for key, place in places.items():
            rest = json.dumps(
                {name: value for name, value in place.items() if name != column}, sort_keys=True
            )
            lines[rest][place[column] != label].append(key)
        found += [(whole[0], tuple(parts)) for whole, parts in lines.values() if whole and parts]
    return found


def relations(
    told: Declared,
    rows: Sequence[Row],
    place_of: Callable[[Hashable], int],
    elsewhere: Mapping[tuple[str, str], int],
) -> list[Relation]:
    """All sums among the cells of a table; `place_of` numbers a cell. `elsewhere`: the sums that other tables show."""
    found = []
    lines = totals(told, [row.key for row in rows])
    for measure, rule in told.rules.measures.items():
        for whole, parts in lines:
            cells = [(key, measure) for key in (whole, *parts)]
            found.append(total_of(place_of(cells[0]), [place_of(cell) for cell in cells[1:]]))
        if rule.part_of:
            for row in rows:
                part, whole_count = row.counts[measure], row.counts[rule.part_of]
                if part is None or whole_count is None or part <= whole_count:
                    inside = [place_of((row.key, measure)), place_of((REST, row.key, measure))]
                    found.append(total_of(place_of((row.key, rule.part_of)), inside))
        if told.rules.geography:
            for areas in _same_but_for(told.rules.geography, rows):
                found += complementary(areas, partial(_place, place_of, areas, measure))
    for name, cells_behind in sums(told, rows).items():
        if name in elsewhere:
            behind = tuple(place_of(cell) for cell in cells_behind)
            found.append(Relation(behind, (1.0,) * len(behind), float(elsewhere[name])))
    return found


def _place(
    place_of: Callable[[Hashable], int],
    areas: Mapping[tuple[str, str], str],
    measure: str,
    area: tuple[str, str],
) -> int:
    return place_of((areas[area], measure))


def _same_but_for(columns: tuple[str, str], rows: Sequence[Row]) -> list[dict[tuple[str, str], str]]:
    """Rows whose keys differ in the area only: keys by area (type, code)."""
    found: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for row in rows:
        place = row.place
        area = (place.pop(columns[0]), place.pop(columns[1]))
        found[json.dumps(place, sort_keys=True)][area] = row.key
    return list(found.values())


def does_not_add_up(told: Declared, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Totals (row, measure) that are not the sum of their parts, where all are shown."""
    counts = {row.key: row.counts for row in rows}
    found = []
    for whole, parts in totals(told, counts):
        for measure in told.rules.measures:
            figures = [counts[key][measure] for key in (whole, *parts)]
            known = [figure for figure in figures if figure is not None]
            if len(known) == len(figures) and known[0] != sum(known[1:]):
                found.append((whole, measure))
    return found
