"""Figures that a release changes after they were published: which, from what to what, and why."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection

from cityperf.publish.tables import tables

NEEDED: Final = frozenset(
    {
        "kpi_id",
        "kpi_version",
        "geography_type",
        "geography_code",
        "period_start",
        "vintage",
        "value",
        "is_withdrawn",
    }
)

# A new figure for a period that readers have not seen yet is news, not a restatement; one for a period that
# lies
# before the latest published one is late data. A new version of the definition is never called a revision.
_COMPARE: Final = """
with before as (
    select distinct on (kpi_id, geography_type, geography_code, period_start)
        kpi_id, geography_type, geography_code, period_start, kpi_version,
        case when not is_withdrawn then value end as value, is_withdrawn
    from publish.kpi_value
    order by kpi_id, geography_type, geography_code, period_start, kpi_version desc, vintage desc
),
after as (
    select distinct on (kpi_id, geography_type, geography_code, period_start)
        kpi_id, geography_type, geography_code, period_start, kpi_version,
        case when not is_withdrawn then value end as value, is_withdrawn
    from publish_next.kpi_value
    order by kpi_id, geography_type, geography_code, period_start, kpi_version desc, vintage desc
),
reached as (
    select kpi_id, geography_type, geography_code, max(period_start) as latest
    from before
    group by 1, 2, 3
)
insert into ops.restatement
    (number, kpi_id, geography_type, geography_code, period_start, old_value, new_value, cause, note)
select
    %(number)s, a.kpi_id, a.geography_type, a.geography_code, a.period_start, b.value, a.value,
    case
        when b.kpi_version is distinct from a.kpi_version and b.kpi_id is not null then 'definition'
        when b.kpi_id is null or b.value is null then 'late data'
        else 'revision'
    end,
    case
        when a.is_withdrawn and not coalesce(b.is_withdrawn, false) then 'withdrawn at the source'
        when b.kpi_version is distinct from a.kpi_version and b.kpi_id is not null
            then format('version %%s became %%s', b.kpi_version, a.kpi_version)
    end
from after as a
join reached as r using (kpi_id, geography_type, geography_code)
left join before as b using (kpi_id, geography_type, geography_code, period_start)
where
    a.value is distinct from b.value
    and (b.kpi_id is not null or a.period_start < r.latest)
"""


def record(connection: Connection[Any], number: int) -> int:
    """Write the restatements of candidate `number` against the release that is up. Returns how many there
    are.

    Compares the latest vintage of each KPI, geography and period; needs both kpi_value tables, else there is
    none.
    """
    connection.execute("delete from ops.restatement where number = %s", (number,))
    for schema in ("publish", "publish_next"):
        table = tables(connection, schema).get("kpi_value")
        if table is None or not {column.name for column in table.columns} >= NEEDED:
            return 0
    connection.execute("set local work_mem = '64MB'")
    return connection.execute(_COMPARE, {"number": number}).rowcount
