"""Checks at the two borders: landed batches before they are loaded, publish tables before they are released.

Great Expectations is imported when a suite first runs, not when this package is.
"""

from __future__ import annotations

from cityperf.quality.freshness import check_freshness
from cityperf.quality.gate import check_publish, publish_rules
from cityperf.quality.known import KnownIssue, apply_known, read_known_issues
from cityperf.quality.landing import check_batch, gate_of_lot, landing_rules
from cityperf.quality.results import CheckResult, Gate, Rule, Severity, record

__all__ = [
    "CheckResult",
    "Gate",
    "KnownIssue",
    "Rule",
    "Severity",
    "apply_known",
    "check_batch",
    "check_freshness",
    "check_publish",
    "gate_of_lot",
    "landing_rules",
    "publish_rules",
    "read_known_issues",
    "record",
]
