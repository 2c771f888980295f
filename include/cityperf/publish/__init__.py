"""From gated tables to a release that people see: candidate, exports, swap, and what to do when it is held
back.

Nothing heavy is imported until a release is made.
"""

from __future__ import annotations

from cityperf.publish.ledger import Release, ReleaseBusy, open_candidate
from cityperf.publish.release import (
    NothingToRelease,
    Outcome,
    collect_garbage,
    export,
    hold,
    list_releases,
    release,
)

__all__ = [
    "NothingToRelease",
    "Outcome",
    "Release",
    "ReleaseBusy",
    "collect_garbage",
    "export",
    "hold",
    "list_releases",
    "open_candidate",
    "release",
]
