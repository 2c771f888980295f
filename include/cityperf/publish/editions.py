"""Editions of the Corporate Performance Report: what a release publishes of one for the first time is frozen with it."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection, sql

from cityperf.publish.tables import tables

EDITION: Final = "report_edition"
FIGURE: Final = "report_edition_figure"


def freeze(connection: Connection[Any], number: int) -> list[str]:
    """Copy the editions that candidate `number` publishes first from publish_next to ops. Returns their ids.

    Belongs in the transaction that puts the candidate up: then an edition is frozen exactly as readers first saw it, and
    a candidate that is held or killed freezes nothing. An edition that is frozen already is left as it is.
    """
    candidate = tables(connection, "publish_next")
    if EDITION not in candidate or FIGURE not in candidate:
        return []
    kept = tables(connection, "ops")

    def copy(name: str, condition: str) -> list[str]:
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in kept[name].columns)
        statement = sql.SQL(
            "insert into {} ({}) select {} from {} as t where {} returning edition_id"
        ).format(kept[name].identifier, names, names, candidate[name].identifier, sql.SQL(condition))
        return [edition for (edition,) in connection.execute(statement, {"number": number})]

    frozen = copy(
        EDITION,
        "t.release_number = %(number)s "
        "and not exists (select from ops.report_edition as f where f.edition_id = t.edition_id)",
    )
    if frozen:
        copy(
            FIGURE,
            "exists (select from ops.report_edition as e where e.edition_id = t.edition_id "
            "and e.release_number = %(number)s)",
        )
    return sorted(frozen)
