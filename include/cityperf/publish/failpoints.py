"""Named places at which a test can kill the process, as a power cut would.

`CITYPERF_FAILPOINT=name` ends the process with SIGKILL the moment it reaches that name; nothing is cleaned
up. A point in a loop has a detail as well: `export.file:kpi.csv` dies at that file, `export.file` at the first.
`CITYPERF_FAILPOINT_LOG=file` writes down each point that is passed, for who wants to try them all.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

POINTS: Final = (
    "release.started",
    "hash.table",
    "release.hashed",
    "restated.figures",
    "release.allowed",
    "export.file",
    "export.first_table",
    "export.tables",
    "export.described",
    "site.gathered",
    "site.written",
    "export.manifest",
    "export.synced",
    "export.renamed",
    "record.files",
    "record.inputs",
    "record.nodes",
    "record.values",
    "release.recorded",
    "swap.opened",
    "swap.frozen",
    "swap.locked",
    "swap.statement",
    "swap.renamed",
    "swap.committed",
    "link.made",
    "link.placed",
    "garbage.started",
    "garbage.folder",
    "garbage.schema",
    "garbage.done",
    "site.status",
)


def reached(name: str, detail: str = "") -> None:
    """Die here if a test asked for it. Raises ValueError for a name that is not in POINTS."""
    if name not in POINTS:
        raise ValueError(f"failpoint {name!r} is not known; expected one of {', '.join(POINTS)}")
    full = f"{name}:{detail}" if detail else name
    if os.environ.get("CITYPERF_FAILPOINT") in (name, full):
        os.kill(os.getpid(), signal.SIGKILL)
    if log := os.environ.get("CITYPERF_FAILPOINT_LOG"):
        with Path(log).open("a") as handle:
            handle.write(f"{full}\n")
