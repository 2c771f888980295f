"""Fault 4: the database goes away in the middle of dbt."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import postgres, transform
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.load import ensure_raw_tables
from cityperf.sources import load_contracts

NIGHT = date(2026, 1, 5)
SOME = ("stg_ttc__", "int_ttc_", "divisions", "int_organisation")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A warehouse of its own with empty raw tables and something published; a night builds some twenty models."""
    home = Path(tempfile.mkdtemp(prefix="cityperf-down-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    whole = transform.plan

    def some(settings: Settings, night: date, manifest: Any) -> transform.Plan:
        found = whole(settings, night, manifest)
        chosen = tuple(uid for uid in found.build if uid.split(".")[-1].startswith(SOME))
        return replace(found, build=chosen, release_wanted=False)

    monkeypatch.setattr(transform, "plan", some)
    try:
        postgres.start(settings)
        ensure_raw_tables(settings, load_contracts())
        with connect(settings, "admin", autocommit=True) as connection:
            connection.execute("create table publish.shown as select generate_series(1, 10) as n")
        yield settings
    finally:
        postgres.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


def standing(settings: Settings) -> set[str]:
    with connect(settings, "admin") as connection:
        rows = connection.execute(
            "select relname from pg_class where relnamespace in "
            "(select oid from pg_namespace where nspname in ('staging', 'intermediate', 'reference')) "
            "and relkind in ('r', 'v')"
        )
        return {name for (name,) in rows}


@pytest.mark.fault
def test_a_database_that_dies_under_dbt_is_reported_and_a_retry_finishes(own: Settings) -> None:
    finished: list[str] = []

    def kill(model: str, state: str, message: str | None, seconds: float | None) -> None:
        if state == "success" and model != transform.WHOLE_RUN:
            finished.append(model)
            if len(finished) == 5:
                os.kill(postgres.server_pid(own) or 0, signal.SIGKILL)

    with pytest.raises((transform.TransformFailed, psycopg.OperationalError)):
        transform.transform(own, NIGHT, kill)
    postgres.start(own)

    left = standing(own)
    assert len(finished) >= 5 and set(finished) <= left, "what was built stays readable"
    with connect(own, "admin") as reader:
        assert reader.execute("select count(*) from publish.shown").fetchone() == (10,)

    built = transform.transform(own, NIGHT)
    assert built.built > 5 and transform.model_state(own, NIGHT, transform.WHOLE_RUN)[0] == "success"
    assert len(standing(own)) >= built.built > len(left) - len(finished)
    assert transform.transform(own, NIGHT + timedelta(days=1)).built == 0, "and nothing is left to do"
