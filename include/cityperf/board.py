"""What the Warehouse page in Airflow shows: how the warehouse stands, and what of it needs a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection

from cityperf.config import Settings
from cityperf.db import connect, named_rows
from cityperf.notify import Alert, wrong
from cityperf.notify.alert import SECTIONS, worst_first
from cityperf.notify.radius import read_lineage

NIGHTS: Final = 14
SEVERITIES: Final = ("block", "warn", "info")
STATUSES: Final = ("pass", "known", "warn", "fail")
_NIGHTS: Final = """
select night, state, release_number, note, round(extract(epoch from closed_at - opened_at)) as seconds
from ops.night order by night desc limit %s
"""
_SOURCES: Final = """
select distinct on (dataset) dataset, night, state, message, rows_in from ops.source_night order by dataset, night desc
"""
_HELD: Final = """
select dataset, sum(rows)::bigint as rows, sum(files)::bigint as files from (
    select dataset, count(*) as rows, 0 as files from quarantine.rows where state = 'held' group by 1
    union all
    select dataset, 0, count(*) from quarantine.files where state = 'held' group by 1
) as held group by 1
"""
_FRESHNESS: Final = """
select dataset, steward, last_delivery_night, next_delivery_due_on, late_by_days, freshness_state
from publish.data_quality
"""
_KNOWN: Final = """
select check_name, scope, reason, owner, expires, expires - %s::date as days_left from ops.known_issue
order by expires, check_name
"""


def board(settings: Settings, now: datetime) -> dict[str, Any]:
    """Nights, release, alerts worst first, sources with lateness and quarantine, checks by severity, known issues.

    `now` (aware) decides what is overdue. Reads what the night left behind and computes nothing anew, so it takes
    a fraction of a second with a hundred sources and thousands of KPIs.
    """
    from cityperf.sources import load_contracts, nightly_contracts

    lineage, contracts = read_lineage(settings), load_contracts()
    visited = {name: contracts[name] for name in nightly_contracts()}
    with connect(settings, "publisher") as connection:
        nights = named_rows(connection, _NIGHTS, (NIGHTS,))
        up = named_rows(
            connection, "select * from ops.release where state = 'released' order by number desc limit 1"
        )
        asked = named_rows(
            connection, "select * from ops.approval_request where kind = 'release' and state = 'waiting'"
        )
        night = next((each["night"] for each in nights if each["state"] != "missed"), None)
        alerts: list[Alert] = []
        checks: dict[str, Counter[str]] = defaultdict(Counter)
        if night is not None:
            alerts, found = wrong(connection, settings.profile, night, visited, lineage, now)
            for each in found:
                checks[each.severity][each.status] += 1
        sources = _sources(connection)
        return {
            "profile": settings.profile,
            "night": night,
            "up": up[0] if up else None,
            "asked": asked[0] if asked else None,
            "nights": nights,
            "alerts": [
                {
                    "heading": SECTIONS[alert.kind][0],
                    "alert": alert,
                    "section": alert.runbook.removeprefix("docs/runbooks/"),
                }
                for alert in sorted(alerts, key=worst_first)
            ],
            "checks": {severity: checks[severity] for severity in SEVERITIES},
            "statuses": STATUSES,
            "known": named_rows(connection, _KNOWN, (night or date.min,)),
            "sources": sources,
            "late": sum(
                each["state"] == "late" or bool(each["fresh"].get("late_by_days")) for each in sources
            ),
        }


def _sources(connection: Connection[Any]) -> list[dict[str, Any]]:
    """Each data set's latest visit, with what was published of its freshness and what waits in quarantine."""
    waits = {each["dataset"]: each for each in named_rows(connection, _HELD)}
    there = connection.execute("select to_regclass('publish.data_quality') is not null").fetchone()
    fresh = (
        {each["dataset"]: each for each in named_rows(connection, _FRESHNESS)} if there and there[0] else {}
    )
    nothing = {"rows": 0, "files": 0}
    sources = [
        {**each, "held": waits.get(each["dataset"], nothing), "fresh": fresh.get(each["dataset"], {})}
        for each in named_rows(connection, _SOURCES)
    ]
    return sorted(sources, key=lambda each: (-(each["fresh"].get("late_by_days") or 0), each["dataset"]))
