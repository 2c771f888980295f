"""What tests of releases, approvals and rollbacks share: people who may decide, and known figures."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cityperf import publish
from cityperf.config import Settings
from cityperf.publish import approvers

from tests.integration.candidate import NIGHT, Row, build_candidate, value

PEOPLE = """
- {id: anna, name: Anna Roy, email: anna@city.example, role: Director, airflow: admin,
   scopes: [release, restatement, rollback, period]}
- {id: ben, name: Ben Okafor, email: ben@city.example, role: Manager, scopes: [release, restatement, rollback, period]}
- {id: cara, name: Cara Diaz, email: cara@city.example, role: On call, scopes: [rollback]}
"""


def approvers_are(patch: pytest.MonkeyPatch, folder: Path, text: str = PEOPLE) -> None:
    """Let `text` be the reviewed file of approvers."""
    path = folder / "approvers.yml"
    path.write_text(text)
    read = approvers.read_approvers
    patch.setattr(approvers, "read_approvers", lambda: read(path))
    patch.setattr("cityperf.publish.approval.read_approvers", lambda: read(path))


def night(days: int = 0) -> date:
    return NIGHT + timedelta(days=days)


def figure(
    kpi_id: str, period: date, number: str | None, days: int = 0, *, latest: bool = True, **more: Any
) -> Row:
    """A row of kpi_value that was delivered `days` after the first night."""
    return value(kpi_id, period, number, night(days), **{"is_latest": latest, **more})


def put_up(settings: Settings, days: int = 0, marker: int = 0, **change: Any) -> publish.Outcome:
    """Build the candidate of a night and release it."""
    number = publish.open_candidate(settings, night(days))
    build_candidate(settings, number, night=night(days), marker=marker, change=change)
    return publish.release(settings, night(days))
