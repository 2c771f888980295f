"""Whole nights, as a person runs them: the real command, real Airflow, real PostgreSQL, real HTTP from the portal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

ROOT = Path(__file__).parents[2]


# A night over every source takes minutes; test_every_source visits them all without Airflow. These bring the KPIs,
# and one of each connector.
CORE = (
    "dashboard_*,ttc_subway_*,operating_budget,service_requests_311,statcan_indicators,bank_of_canada_rates,"
    "neighbourhood_crime_rates,neighbourhood_profiles_2016,neighbourhoods,mbncanada_results,external_report_cards,commitments,"
    "library_visits,fir_schedule_22,statcan_cpi,workforce_positions,transit_ridership_extract,major_crime_indicators"
)
# Enough for a release, where the night itself is not what is tested.
FEW = "dashboard_*,operating_budget,ttc_subway_*,service_requests_311,statcan_indicators,bank_of_canada_rates,commitments"


@dataclass
class Home:
    """One CITYPERF_HOME and how to run commands in it."""

    path: Path
    profile: str = "sample"
    env: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CITYPERF_HOME": str(self.path),
            "CITYPERF_PROFILE": self.profile,
            "PYTHONPATH": str(self.root / "include"),
            "CITYPERF_SOURCES": CORE,
            **self.env,
        }

    def cityperf(self, *arguments: str, timeout: float = 1800) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cityperf.cli", *arguments],
            cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def refresh(self, *arguments: str, timeout: float = 1800) -> tuple[int, list[dict[str, Any]]]:
        """Exit status and the summary of each night that ran."""
        done = self.cityperf("refresh", "--json", *arguments, timeout=timeout)
        summaries = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not summaries:
            logs = sorted((self.path / self.profile / "logs").glob("*.log"))
            tails = "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in logs)
            raise AssertionError(
                f"no summary; exit {done.returncode}\n{done.stdout}\n{done.stderr[-6000:]}\n{tails}"
            )
        return done.returncode, summaries

    def query(self, sql: str, *parameters: Any, role: str = "bi_reader") -> list[tuple[Any, ...]]:
        from cityperf.config import Settings

        settings = Settings(
            profile=self.profile,  # type: ignore[arg-type]
            home=self.path,
            database_url=self.env.get("CITYPERF_DATABASE_URL"),
        )
        with psycopg.connect(settings.dsn(role)) as connection:  # type: ignore[arg-type]
            return connection.execute(sql, parameters or None).fetchall()  # type: ignore[call-overload]

    def one(self, sql: str, *parameters: Any, role: str = "bi_reader") -> tuple[Any, ...]:
        return self.query(sql, *parameters, role=role)[0]

    @property
    def base(self) -> Path:
        return self.path / self.profile


def states(summary: dict[str, Any]) -> dict[str, str]:
    return {source["dataset"]: source["state"] for source in summary["sources"]}


@dataclass(frozen=True)
class Released:
    """A home after its first night, and that night's summary."""

    home: Home
    summary: dict[str, Any]


FIRST_NIGHT = "2026-11-12"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """The sample's first night from nothing. Some modules (TOGETHER in tests/conftest.py) share it, one after the other,
    each with later nights of its own: a first night builds every model, which is most of what a test of nights costs.
    """
    home = Home(
        tmp_path_factory.mktemp("nights"),
        # Faulty addresses are given up after 20 s instead of minutes.
        env={"CITYPERF_SCALE": "0.05", "CITYPERF_HTTP_PATIENCE": "20"},
    )
    try:
        code, (summary,) = home.refresh("--night", FIRST_NIGHT)
        assert (code, summary["state"]) == (0, "released"), summary
        yield Released(home, summary)
    finally:
        home.cityperf("down", timeout=120)


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home of the module's own, taken down afterwards. The module may set PROFILE and ENV."""
    made = Home(
        tmp_path_factory.mktemp("home"),
        getattr(request.module, "PROFILE", "sample"),
        dict(getattr(request.module, "ENV", {})),
    )
    yield made
    made.cityperf("down", timeout=120)
