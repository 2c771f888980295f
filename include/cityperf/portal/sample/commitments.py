"""The commitments workbook that a division hands in after each quarter: invented commitments of invented
urgency.

Statuses use the five names of the federal mandate letter tracker. They mostly move forward; a few turn out
badly; one commitment is gone from a later hand-in, and its number is not used again.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cityperf.portal.answers import Answer, Make, file_answer
from cityperf.portal.sample import workbook
from cityperf.portal.sample.world import World, at, first_of_month

FOLDER: Final = "commitments"
NUMBER: Final = 60
HAND_INS: Final = 6  # quarters that lie in the folder at any time
BEGUN: Final = 2023  # year of the plan's first quarter; nobody hands in before
_HEADER: Final = (
    "Commitment ID", "Goal", "Priority", "Commitment", "Division", "Due date", "Status",
    "Reflects progress up to",
    "Comment",
)  # fmt: skip
_DONE, _PROGRESS = "Completed - fully met", "Actions taken, progress made toward ongoing goal"
_ON_TRACK, _CHALLENGED, _DROPPED = "Underway - on track", "Underway with challenges", "Not being pursued"
_GOALS: Final = (
    (
        "Keep the city moving",
        ("Surface transit", "Road safety", "Cycling network"),
        "Transportation Services",
    ),
    ("A home for everyone", ("New supply", "Shelter system", "Tenant protection"), "Housing Secretariat"),
    (
        "Climate action and resilience",
        ("Buildings", "Tree canopy", "Stormwater"),
        "Environment, Climate & Forestry",
    ),
    ("A well-run City", ("Customer service", "Open data", "Procurement"), "Customer Experience Division"),
    (
        "Safe and healthy communities",
        ("Youth programs", "Crisis response", "Libraries"),
        "Social Development",
    ),
    ("Financial sustainability", ("Reserves", "Asset renewal", "Revenue tools"), "Financial Planning"),
)
_VERBS: Final = ("Publish a plan for", "Double the pace of", "Complete the review of",
                 "Open the first phase of",
                 "Set a service standard for", "Report each quarter on", "Consult residents on",
                 "Renew the program for",
                 "Pilot a new approach to", "Close the backlog in")  # fmt: skip


def drops(world: World, night: date) -> Mapping[str, Make]:
    """The hand-ins of the last six quarters, of the plan's first and later ones; each comes three weeks after its end."""
    quarters: list[tuple[int, int]] = []
    year, quarter = night.year, (night.month - 1) // 3 + 1
    while len(quarters) < HAND_INS and year >= BEGUN:
        if _handed_in(year, quarter) <= night:
            quarters.append((year, quarter))
        year, quarter = (year, quarter - 1) if quarter > 1 else (year - 1, 4)
    return {
        f"commitments_{y}-q{q}.xlsx": functools.partial(_workbook, world, y, q) for y, q in sorted(quarters)
    }  # fmt: skip


def _quarter_end(year: int, quarter: int) -> date:
    return first_of_month(year, 3 * quarter + 1) - timedelta(days=1)


def _handed_in(year: int, quarter: int) -> date:
    return _quarter_end(year, quarter) + timedelta(days=21)


def _workbook(world: World, year: int, quarter: int) -> Answer:
    when = at(_handed_in(year, quarter))
    name = f"commitments_{year}-q{quarter}.xlsx"

    def write(path: Path) -> None:
        rows: list[tuple[workbook.Cell, ...]] = [_HEADER]
        rows += [row for n in range(1, NUMBER + 1) if (row := _commitment(world, n, year, quarter))]
        notes: list[tuple[workbook.Cell, ...]] = [
            ("SAMPLE: invented by the portal.",),
            ("One row per commitment.",),
        ]
        workbook.write(path, [("Commitments", rows), ("Notes", notes)], when)

    return file_answer(world.cache.file(f"commitments/{name}", write), last_modified=when, name=name)


def _commitment(world: World, number: int, year: int, quarter: int) -> tuple[workbook.Cell, ...] | None:
    goal, priorities, division = _GOALS[(number - 1) % len(_GOALS)]
    priority = priorities[(number - 1) // len(_GOALS) % len(priorities)]
    verb = _VERBS[int(world.unit("verb", number) * len(_VERBS))]
    elapsed = (year - BEGUN) * 4 + quarter  # quarters since the plan began
    removed = number == 17 and (year, quarter) >= (2026, 1)
    if removed:
        return None
    due_in = 6 + int(world.unit("due", number) * 18)
    due = _quarter_end(BEGUN + (due_in - 1) // 4, (due_in - 1) % 4 + 1)
    needed = due_in + round(3 * world.bell("pace", number))
    fate = world.unit("fate", number)
    if fate < 0.05 and elapsed > needed / 2:
        status, comment = _DROPPED, "Council decided otherwise."
    elif elapsed >= needed:
        status = _PROGRESS if fate > 0.8 else _DONE
        comment = ""
    elif elapsed > due_in - 3 and needed > due_in + 1:
        status, comment = _CHALLENGED, "Depends on a partner's decision."
    else:
        status, comment = _ON_TRACK, ""
    as_of = _quarter_end(year, quarter)
    return (
        f"C-{number:03d}",
        goal,
        priority,
        f"{verb} {priority.lower()}",
        division,
        due,
        status,
        as_of,
        comment or None,
    )
