"""Which of the files in a folder are finished, and which are still being written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

SETTLED: Final = 60.0  # seconds without a change after which a file counts as finished at once
PAUSE: Final = 2.0  # seconds between the two looks at a younger one


class Stamp(NamedTuple):
    """Size in bytes and time of the last change in seconds since 1970, as the folder tells them."""

    size: int
    mtime: float


def is_set_aside(name: str) -> bool:
    """Names that people and programs give to what is not meant to be taken: hidden, temporary, partial."""
    endings = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~")
    return name.startswith((".", "~")) or name.lower().endswith(endings)


def settled(
    look: Callable[[], Mapping[str, Stamp]], pause: float = PAUSE
) -> tuple[dict[str, Stamp], list[str]]:
    """(finished files, names still being written).

    A file changed within the last minute is looked at twice. The clock is that of this machine: a folder
    whose clock runs behind is caught by the look that follows the copy.
    """
    first = dict(look())
    if all(time.time() - stamp.mtime > SETTLED for stamp in first.values()):
        return first, []
    time.sleep(pause)
    second = look()
    same = {name: stamp for name, stamp in first.items() if second.get(name) == stamp}
    return same, sorted(name for name in first if name not in same and name in second)
