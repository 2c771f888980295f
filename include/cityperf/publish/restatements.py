"""Figures that a release changes after they were published: which, from what to what, and why."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from psycopg import Connection, sql

from cityperf.publish.tables import tables

NEEDED: Final = frozenset(
    {
        "kpi_id",
        "kpi_version",
        "geography_type",
        "geography_code",
        "period_grain",
        "period_start",
        "vintage",
        "value",
        "is_withdrawn",
    }
)

# A new figure for a period that readers have not seen yet is news, not a restatement; one for a period that
# lies
# before the latest published one is late data. A new version of the definition is never called a revision.
_COMPARE: Final[LiteralString] = """
with before as (
    select distinct on (kpi_id, geography_type, geography_code, period_grain, period_start)
        kpi_id, geography_type, geography_code, period_grain, period_start, kpi_version,
        case when not is_withdrawn then value end as value, is_withdrawn
    from {before}
    order by kpi_id, geography_type, geography_code, period_grain, period_start, kpi_version desc, vintage desc
),
after as (
    select distinct on (kpi_id, geography_type, geography_code, period_grain, period_start)
        kpi_id, geography_type, geography_code, period_grain, period_start, kpi_version,
        case when not is_withdrawn then value end as value, is_withdrawn
    from {after}
    order by kpi_id, geography_type, geography_code, period_grain, period_start, kpi_version desc, vintage desc
),
reached as (
    select kpi_id, geography_type, geography_code, period_grain, max(period_start) as latest
    from before
    group by 1, 2, 3, 4
)
insert into ops.restatement
    (number, kpi_id, geography_type, geography_code, period_grain, period_start, old_value, new_value, cause, note)
select
    %(number)s, kpi_id, geography_type, geography_code, period_grain, period_start, b.value, a.value,
    case
        when b.kpi_version is distinct from a.kpi_version and b.kpi_id is not null and a.kpi_id is not null
            then 'definition'
        when b.kpi_id is null or b.value is null then 'late data'
        else 'revision'
    end,
    case
        when a.kpi_id is null then 'no longer published'
        when a.is_withdrawn and not coalesce(b.is_withdrawn, false) then 'withdrawn at the source'
        when b.kpi_version is distinct from a.kpi_version and b.kpi_id is not null
            then format('version %%s became %%s', b.kpi_version, a.kpi_version)
    end
from after as a
full join before as b using (kpi_id, geography_type, geography_code, period_grain, period_start)
join reached as r using (kpi_id, geography_type, geography_code, period_grain)
where
    a.value is distinct from b.value
    and (b.kpi_id is not null or period_start < r.latest)
"""


# Somebody announced it, and somebody else agreed: then it bears that person's cause and note.
_ANNOUNCED: Final = """
update ops.restatement as r
set request_id = a.request_id, cause = a.cause, note = concat_ws('; ', r.note, a.note)
from (
    select distinct on (q.kpi_id, q.period_start, q.period_end) q.*
    from ops.restatement_request as q
    join ops.approval_request as asked using (request_id)
    where
        asked.state = 'approved'
        and not exists (
            select from ops.restatement as used
            join ops.release using (number)
            where used.request_id = q.request_id and release.state = 'released'
        )
    order by q.kpi_id, q.period_start, q.period_end, q.request_id desc
) as a
where
    r.number = %(number)s and r.kpi_id = a.kpi_id
    and r.period_start >= a.period_start and ops.period_end(r.period_grain, r.period_start) <= a.period_end
"""


def record(
    connection: Connection[Any],
    number: int,
    before: str = "publish",
    after: str = "publish_next",
    note: str | None = None,
) -> int:
    """Write the restatements of release `number`, whose tables stand in schema `after`, against those in `before`.
    Returns how many there are.

    Compares the latest vintage of each KPI, geography and period; needs both kpi_value tables, else there is none.
    With a `note` (a rollback's reason) each of them is a correction.
    """
    connection.execute("delete from ops.restatement where number = %s", (number,))
    sides = [tables(connection, each).get("kpi_value") for each in (before, after)]
    for table in sides:
        if table is None or not {column.name for column in table.columns} >= NEEDED:
            return 0
    connection.execute("set local work_mem = '64MB'")
    query = sql.SQL(_COMPARE).format(
        before=sql.Identifier(before, "kpi_value"), after=sql.Identifier(after, "kpi_value")
    )
    found = connection.execute(query, {"number": number}).rowcount
    if note is None:
        connection.execute(_ANNOUNCED, {"number": number})
    else:
        connection.execute(
            "update ops.restatement set cause = 'correction', note = concat_ws('; ', note, %s::text) "
            "where number = %s",
            (note, number),
        )
    return found
