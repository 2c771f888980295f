"""Named places at which a test can kill the process, as a power cut would.

`CITYPERF_FAILPOINT=name` ends the process with SIGKILL the moment it reaches that name; nothing is cleaned
up.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = (
    "release.started",
    "release.hashed",
    "export.first_table",
    "export.tables",
    "export.described",
    "export.synced",
    "export.renamed",
    "release.recorded",
    "swap.opened",
    "swap.locked",
    "swap.renamed",
    "swap.committed",
    "link.made",
    "link.placed",
    "garbage.started",
    "garbage.done",
)


def reached(name: str) -> None:
    """Die here if a test asked for it. Raises ValueError for a name that is not in POINTS."""
    if name not in POINTS:
        raise ValueError(f"failpoint {name!r} is not known; expected one of {', '.join(POINTS)}")
    if os.environ.get("CITYPERF_FAILPOINT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
