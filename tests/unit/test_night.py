"""When a night may go on, and what its end means for whoever called it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from cityperf.night import (
    Summary,
    answered_by,
    attendance,
    deadline,
    follows_the_clock,
    moment_for,
    starts_at,
)


def test_an_unchanged_source_counts_as_in() -> None:
    seen = attendance(["a", "b"], {"a": "unchanged", "b": "loaded"}, hurry=False, past_deadline=False)
    assert seen.ready


def test_the_night_waits_for_a_late_source_until_the_deadline() -> None:
    states = {"a": "loaded", "b": "late"}
    assert attendance(["a", "b"], states, hurry=False, past_deadline=False).waiting_for == ("b",)
    assert attendance(["a", "b"], states, hurry=False, past_deadline=True).ready


def test_a_person_does_not_wait_for_a_late_source() -> None:
    assert attendance(["a", "b"], {"a": "loaded", "b": "late"}, hurry=True, past_deadline=False).ready


@pytest.mark.parametrize("state", ["running", "loading"])
def test_nobody_goes_on_while_a_source_is_at_work(state: str) -> None:
    assert not attendance(["a"], {"a": state}, hurry=True, past_deadline=False).ready


def test_a_source_that_never_reported_is_missing() -> None:
    seen = attendance(["a"], {}, hurry=True, past_deadline=False)
    assert not seen.ready
    assert seen.states == {"a": "missing"}


def test_nights_are_toronto_nights_on_the_days_when_clocks_change() -> None:
    assert starts_at(date(2026, 7, 1)).astimezone(UTC) == datetime(2026, 7, 1, 6, tzinfo=UTC)
    assert starts_at(date(2026, 12, 1)).astimezone(UTC) == datetime(2026, 12, 1, 7, tzinfo=UTC)
    # 8 March 2026 has no 02:00 and 1 November 2026 has its 01:30 twice: each night still has exactly one start.
    assert starts_at(date(2026, 3, 8)).astimezone(UTC) == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert starts_at(date(2026, 11, 1)).astimezone(UTC) == datetime(2026, 11, 1, 7, tzinfo=UTC)
    for night in (date(2026, 3, 8), date(2026, 11, 1)):
        assert deadline(night).astimezone(UTC) > starts_at(night).astimezone(UTC)


@pytest.mark.parametrize(
    ("profile", "schedule", "by_itself"),
    [
        ("live", None, True),
        (None, None, True),
        ("sample", "on", True),
        ("live", "off", False),
        ("replay", None, False),
    ],
)
def test_nights_start_by_themselves_unless_they_are_listed_or_somebody_stopped_them(
    profile: str | None, schedule: str | None, by_itself: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CITYPERF_SCHEDULE", raising=False)
    if schedule:
        monkeypatch.setenv("CITYPERF_SCHEDULE", schedule)
    assert follows_the_clock(profile) is by_itself


def test_a_night_is_overdue_only_after_it_stopped_waiting_for_sources() -> None:
    for night in (date(2026, 3, 8), date(2026, 7, 1), date(2026, 11, 1)):
        assert answered_by(night).astimezone(UTC) > deadline(night).astimezone(UTC)


def summary(state: str, *sources: str) -> Summary:
    rows: list[dict[str, Any]] = [{"dataset": f"d{n}", "state": s} for n, s in enumerate(sources)]
    return Summary("sample", "2026-11-20", state, None, 1, rows, [], {}, [], {}, 1.0)


@pytest.mark.parametrize(
    ("state", "sources", "code"),
    [
        ("released", ("loaded", "unchanged"), 0),
        ("unchanged", ("unchanged",), 0),
        ("released", ("loaded", "not_in_replay"), 0),
        ("failed", ("loaded",), 1),
        ("open", ("loaded",), 1),
        ("held", ("loaded", "refused"), 3),
        ("released", ("loaded", "refused"), 4),
        ("unchanged", ("late",), 4),
        ("released", ("failed",), 4),
    ],
)
def test_exit_status_says_what_happened(state: str, sources: tuple[str, ...], code: int) -> None:
    assert summary(state, *sources).exit_code == code


def test_a_night_asked_for_between_midnight_and_two_starts_at_once() -> None:
    """Airflow leaves a run alone whose logical date lies ahead, so before 02:00 the night's midnight stands in."""
    night = date(2026, 11, 22)
    early, later = datetime(2026, 11, 22, 5, 20, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert moment_for(night, early).astimezone(UTC) == datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert moment_for(night, later) == starts_at(night)
    with pytest.raises(ValueError, match="has not begun"):
        moment_for(date(2026, 11, 23), early)
