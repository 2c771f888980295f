"""Data Docs: every suite, what each of its checks expects, and what it found on the last nights.

Great Expectations can render such pages itself, but they take their styles and scripts from half a dozen hosts, and know
neither severity nor owner nor known issues. These are made of `ops.check_result`, where everything is.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

from cityperf.config import Settings
from cityperf.db import connect, named_rows

NIGHTS: Final = 60  # how far back suites are looked for
SHOWN: Final = 14  # nights of a check that its row shows

_SUITES: Final = """
with latest as (
    select suite, max(night) as night from ops.check_result
    where night > (select max(night) from ops.check_result) - %(nights)s group by suite
)
select
    r.border, r.suite, r.night, string_agg(distinct r.owner, ', ' order by r.owner) as owner, count(*) as checks,
    count(*) filter (where r.status = 'pass') as passed, count(*) filter (where r.status = 'warn') as warned,
    count(*) filter (where r.status = 'fail') as failed, count(*) filter (where r.status = 'known') as known
from ops.check_result as r join latest using (suite, night)
group by r.border, r.suite, r.night
order by count(*) filter (where r.status = 'fail') > 0 desc, count(*) filter (where r.status = 'warn') > 0 desc, r.border,
    r.suite
"""
_CHECKS: Final = """
with results as (
    select * from ops.check_result
    where suite = %(suite)s and night > (select max(night) from ops.check_result) - %(nights)s
),
nights as (
    select check_name, subject, night, max(array_position(array['pass', 'known', 'warn', 'fail'], status)) as worst
    from results group by check_name, subject, night
),
past as (
    select check_name, subject, array_agg((array['pass', 'known', 'warn', 'fail'])[worst] order by night) as statuses,
        array_agg(night order by night) as nights
    from nights group by check_name, subject
)
select distinct on (r.check_name, r.subject)
    r.check_name, r.subject, r.night, r.severity, r.status, r.expected, r.found, r.location, r.owner, r.runbook,
    past.statuses[greatest(1, cardinality(past.statuses) - %(shown)s + 1):] as statuses,
    past.nights[greatest(1, cardinality(past.nights) - %(shown)s + 1):] as nights
from results as r join past using (check_name, subject)
order by r.check_name, r.subject, r.night desc, r.check_result_id desc
"""


def suites(settings: Settings) -> list[dict[str, Any]]:
    """Each suite's last night: counts of its results by status; those that failed first."""
    return _rows(settings, _SUITES, {"nights": NIGHTS})


def checks(settings: Settings, suite: str) -> list[dict[str, Any]]:
    """Each check of a suite: its last result, and its worst status on up to SHOWN nights. Empty for no such suite."""
    return _rows(settings, _CHECKS, {"suite": suite, "nights": NIGHTS, "shown": SHOWN})


def _rows(settings: Settings, query: LiteralString, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    with connect(settings, "publisher") as connection:
        return named_rows(connection, query, arguments)
