"""What a night survives: portals that send what portals really send, and everything killed at once in the middle.

A fault is refused by name, the other sources go on, nothing loaded is touched; a killed night, run again, ends like one
that was not.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.e2e.conftest import FEW, Home, states

pytestmark = pytest.mark.fault
ENV = {"CITYPERF_SCALE": "0.03", "CITYPERF_SOURCES": FEW, "CITYPERF_HTTP_PATIENCE": "6"}
NIGHT, NEXT = "2026-11-20", "2026-11-21"
ENOUGH = 4  # sources that are in when the lightning strikes; others are still at it

COUNTS = {
    "bank_of_canada_rates": "raw.bank_of_canada_rates",
    "dashboard_measures": "raw.dashboard_measures",
    "operating_budget": "raw.operating_budget",
    "statcan_indicators": "raw.statcan_indicators",
}


def counts(home: Home) -> dict[str, int]:
    return {
        name: home.one(f"select count(*) from {table}", role="loader")[0] for name, table in COUNTS.items()
    }


def files(home: Home) -> dict[str, str]:
    folder = (home.base / "releases" / "current").resolve()
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def processes_of(home: Path) -> list[psutil.Process]:
    """Supervisor, database, portal, Airflow and its tasks: every process that names this home, and their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            named = process.environ().get("CITYPERF_HOME") == str(home) or any(
                str(home) in word for word in process.cmdline()
            )
            if named and process.pid != os.getpid():
                found[process.pid] = process
                found |= {child.pid: child for child in process.children(recursive=True)}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return list(found.values())


def loaded(home: Home) -> int:
    try:
        return int(home.one("select count(*) from ops.source_night where state = 'loaded'", role="loader")[0])
    except (OSError, RuntimeError, KeyError, psycopg.Error):
        return 0  # the database is not there yet


@pytest.fixture(scope="module")
def clean(home: Home) -> tuple[dict[str, Any], dict[str, str]]:
    """The summary and the files of a night that nothing disturbed."""
    code, (summary,) = home.refresh("--night", NIGHT)
    assert code == 0, summary
    found = files(home)
    assert found
    return summary, found


@pytest.fixture(scope="module")
def bad_night(home: Home, clean: object) -> dict[str, Any]:
    before = counts(home)
    faults = {
        "rules": [
            {"match": "*www.toronto.ca/app_content/tpp_measures*", "fault": "html"},
            {"match": "*bankofcanada.ca*", "fault": "status", "status": 500, "times": 1000},
            {"match": "*statcan.gc.ca*", "fault": "half_body"},
            {"match": "*operating*budget*download*", "fault": "changed_header"},
        ]
    }
    (home.base / "faults.json").write_text(json.dumps(faults))
    code, (summary,) = home.refresh("--night", NEXT)
    (home.base / "faults.json").unlink()
    return {"code": code, "summary": summary, "before": before, "after": counts(home)}


def test_the_night_is_released_and_says_that_sources_were_refused(bad_night: dict[str, Any]) -> None:
    assert bad_night["code"] == 4
    assert bad_night["summary"]["state"] in ("released", "unchanged")


def test_each_fault_is_named_with_what_was_expected(bad_night: dict[str, Any]) -> None:
    found = states(bad_night["summary"])
    assert found["dashboard_measures"] == "refused"
    assert found["operating_budget"] == "refused"
    assert found["bank_of_canada_rates"] == "late"
    assert found["statcan_indicators"] == "late"
    messages = {s["dataset"]: s["message"] for s in bad_night["summary"]["sources"]}
    assert "HTML" in messages["dashboard_measures"]
    for name in COUNTS:
        assert "expected" in messages[name].lower(), messages[name]


def test_other_sources_went_on(bad_night: dict[str, Any]) -> None:
    found = states(bad_night["summary"])
    assert found["service_requests_311"] in ("loaded", "unchanged")
    assert found["ttc_subway_delays"] in ("loaded", "unchanged")


def test_nothing_already_loaded_was_touched(bad_night: dict[str, Any]) -> None:
    assert bad_night["after"] == bad_night["before"]


def test_the_next_attempt_mends_itself(home: Home, bad_night: dict[str, Any]) -> None:
    code, (summary,) = home.refresh("--night", NEXT)
    assert code == 0, summary
    assert not {"refused", "late", "failed"} & set(states(summary).values())


def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(
    home: Home, clean: tuple[dict[str, Any], dict[str, str]], tmp_path: Path
) -> None:
    undisturbed, expected = clean
    home.cityperf("down", timeout=120)

    other = Home(tmp_path / "killed", env=ENV)
    other.path.mkdir(mode=0o755)
    try:
        running = subprocess.Popen(
            [sys.executable, "-m", "cityperf.cli", "refresh", "--night", NIGHT],
            cwd=other.root, env=other.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 240
        while loaded(other) < ENOUGH and time.monotonic() < deadline:
            time.sleep(0.3)
        came = loaded(other)
        victims = processes_of(other.path)
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.kill()
        psutil.wait_procs(victims, timeout=30)
        running.wait(30)
        assert ENOUGH <= came < len(undisturbed["sources"])
        assert len(victims) > 5
        assert not (other.base / "releases" / "current").exists()

        code, (summary,) = other.refresh("--night", NIGHT)
        assert code == 0, summary
        assert summary["release"] == 1
        assert files(other) == expected
    finally:
        other.cityperf("down", timeout=120)
