"""The difference between what is up and what would go up, as a page for the person who is asked to decide."""

from __future__ import annotations

import secrets
from datetime import date
from pathlib import Path
from typing import Any, Final

from cityperf.config import Settings
from cityperf.db import connect, named_rows
from cityperf.publish.difference import Difference, compare_candidate

FIGURES: Final = 10  # changed figures of a KPI that the page lists

PAGE: Final = Path(__file__).with_name("difference_page.html")


def path_of(settings: Settings, number: int) -> Path:
    """Where the page about candidate `number` lies; not among what is published."""
    return settings.base / "approvals" / f"{number}.html"


def write(settings: Settings, number: int, night: date, reason: str) -> Path:
    """Write the page about the candidate in publish_next. Returns its path."""
    found = compare_candidate(settings, number)
    with connect(settings, "publisher") as connection:
        checks = named_rows(
            connection,
            "select severity, status, subject, expected, found, owner, runbook from ops.check_result "
            "where night = %s and border = 'publish' and status in ('fail', 'known', 'warn') "
            "order by array_position(array['fail', 'known', 'warn'], status), subject, check_name",
            (night,),
        )
        restated = named_rows(
            connection,
            "select kpi_id, cause, count(*) as figures, string_agg(distinct note, '; ') as note, "
            "(array_agg(size_percent order by abs(size_percent) desc nulls last))[1] as largest "
            "from ops.restatement where number = %s group by 1, 2 order by 1, 2",
            (number,),
        )
    path = path_of(settings, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    temporary.write_text(render(found, number, night, settings.profile, reason, checks, restated), "utf-8")
    temporary.replace(path)
    return path


def render(
    found: Difference,
    number: int,
    night: date,
    profile: str,
    reason: str,
    checks: list[dict[str, Any]],
    restated: list[dict[str, Any]],
) -> str:
    """The page as text."""
    from jinja2 import Environment

    return (
        Environment(autoescape=True)
        .from_string(PAGE.read_text("utf-8"))
        .render(
            title=f"Release {number} of the night of {night}: what would change",
            found=found, number=number, night=night, sample=profile == "sample", reason=reason, checks=checks,
            restated=restated, most=FIGURES,
        )
    )  # fmt: skip
