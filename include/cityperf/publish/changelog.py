"""When each published table last changed, and in which releases before: from the leaves of the hash trees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql

from cityperf.publish.content import OWN_HISTORY
from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.publish.tables import Table
from cityperf.publish.tree import Node

CHANGELOG: Final = "changelog.json"
KEPT: Final = 60  # changes of a table that are listed, newest first; older ones are counted
NEEDED: Final = frozenset({"release_number", "cause"})


@dataclass(frozen=True)
class Change:
    """A release that a table changed with."""

    release: int
    night: date


# A table's leaf counts as a change where it is not that of the release before which had the table.
_CHANGES: Final = """
with leaf as (
    select n.name, n.number, r.night, n.sha256, lag(n.sha256) over (partition by n.name order by n.number) as before
    from ops.release_node as n
    join ops.release as r using (number)
    where n.kind = 'table' and r.state = 'released' and n.number < %s
)
select name, number, night, sha256 from leaf where sha256 is distinct from before order by name, number
"""


def changes(
    connection: Connection[Any], number: int, night: date, leaves: Iterable[Node]
) -> dict[str, list[Change]]:
    """Table → the releases that it changed with up to `number`, whose leaves these are; newest first."""
    found: dict[str, list[Change]] = {}
    stands: dict[str, str] = {}
    for name, release, on, sha256 in connection.execute(_CHANGES, (number,)):
        found.setdefault(name, []).append(Change(release, on))
        stands[name] = sha256
    now = {leaf.name: leaf.sha256 for leaf in leaves if leaf.kind == "table"}
    for name, sha256 in now.items():
        if stands.get(name) != sha256:
            found.setdefault(name, []).append(Change(number, night))
    return {name: found[name][::-1] for name in sorted(now)}


def unchanged(connection: Connection[Any], number: int, leaves: Iterable[Node]) -> frozenset[str]:
    """Tables among the leaves that are those of release `number`: rows and everything said of them.

    The list of releases is never among them: a night writes on it while a release is up.
    """
    there = set(
        connection.execute("select kind, name, sha256 from ops.release_node where number = %s", (number,))
    )
    same = [n for n in leaves if (n.kind, n.name, n.sha256) in there]
    said = {n.name.removeprefix("tables/") for n in same if n.kind == "definition"}
    rows = {n.name for n in same if n.kind == "table"}
    return frozenset((rows & said) - {OWN_HISTORY})


def restated(
    connection: Connection[Any], candidate: Mapping[str, Table], changed: Iterable[int]
) -> dict[int, dict[str, int]]:
    """Release → cause → figures that it restated, as the published list of restatements has them."""
    table = candidate.get("restatement")
    if table is None or not {column.name for column in table.columns} >= NEEDED:
        return {}
    found: dict[int, dict[str, int]] = {}
    query = sql.SQL(
        "select release_number, cause, count(*) from {} where release_number = any(%s) group by 1, 2 order by 1, 2"
    ).format(table.identifier)
    for release, cause, figures in connection.execute(query, (list(changed),)):
        found.setdefault(release, {})[cause] = figures
    return found


def text(
    number: int,
    night: date,
    history: Mapping[str, list[Change]],
    restatements: Mapping[int, Mapping[str, int]],
    *,
    sample: bool,
) -> str:
    """The change log as JSON: per table `last_updated`, and each change with the figures that it restated."""
    said: dict[str, Any] = {"release": number, "night": night.isoformat()}
    if sample:
        said["sample"] = SAMPLE_NOTICE
    said["tables"] = {
        name: {
            "last_updated": rows[0].night.isoformat(),
            "release": rows[0].release,
            "changes": [
                {
                    "release": each.release,
                    "night": each.night.isoformat(),
                    **(
                        {"restated": dict(restatements[each.release])}
                        if name == "kpi_value" and each.release in restatements
                        else {}
                    ),
                }
                for each in rows[:KEPT]
            ],
            "earlier_changes": max(0, len(rows) - KEPT),
        }
        for name, rows in history.items()
        if rows
    }
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"
