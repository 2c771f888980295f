"""dbt as the refresh runs it, on the warehouse of a test."""

from __future__ import annotations

import os
from datetime import date

from cityperf.config import Profile, Settings
from cityperf.transform import parse, run_dbt


def dbt(settings: Settings, night: date, *arguments: str, profile: Profile | None = None) -> dict[str, str]:
    """Node's unique id → status. `profile`: what the models are told, where it is not the warehouse's own."""
    kept = dict(os.environ)
    try:
        outcome = run_dbt(settings, night, arguments, manifest=parse(settings, night), profile=profile)
    finally:
        os.environ.clear()
        os.environ.update(kept)
    assert outcome.result is not None, outcome.exception
    return {result.node.unique_id: str(result.status) for result in outcome.result.results}
