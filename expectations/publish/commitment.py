"""Commitments: one status of the tracker each."""

from __future__ import annotations

from cityperf.quality.gate import Candidate
from cityperf.quality.results import Rule

STATUSES = ["completed", "ongoing_progress", "on_track", "challenges", "not_pursued", "removed"]


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="allowed.status",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "status", "value_set": STATUSES},
            severity="block",
            owner="Strategic Initiatives",
            runbook="publish.md#allowed-values",
            expected=f"status to be one of {', '.join(STATUSES)}",
            location="column status",
            remedy="map the tracker's words to a status in staging",
        ),
        Rule(
            check="status_present",
            expectation="ExpectColumnValuesToNotBeNull",
            arguments={"column": "status"},
            severity="block",
            owner="Strategic Initiatives",
            runbook="publish.md#values",
            expected="a status for every commitment",
            location="column status",
            remedy="ask the division for the status of the commitment",
        ),
    ]
