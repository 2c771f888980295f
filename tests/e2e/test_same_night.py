"""The same night ends with the same files: undisturbed on the embedded PostgreSQL, and on a server of one's own (Debian's
PostgreSQL 15, the oldest that is supported) with everything killed at once in the middle.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.e2e.conftest import FirstNight, Released, states


def files(release: Path) -> dict[str, str]:
    return {
        str(path.relative_to(release)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in release.rglob("*")
        if path.is_file()
    }


def test_a_night_on_postgresql_15(killed: Released) -> None:
    home = killed.home
    assert set(states(killed.summary).values()) == {"loaded"}
    assert home.one("show server_version_num")[0].startswith("15")
    assert home.one("select count(*) from publish.kpi_value")[0] > 5000
    assert not (home.base / "postgres").exists(), "no embedded server may be made beside an external one"


@pytest.mark.fault
def test_a_night_killed_in_the_middle_ends_like_one_that_was_not(
    first_night: FirstNight, killed: Released
) -> None:
    assert killed.summary["release"] == first_night.summary["release"] == 1
    expected = files(first_night.release)
    assert len(expected) > 100
    assert files(killed.home.base / "releases" / "1") == expected
