"""A turnstile before each host: requests keep their distance, whichever process makes them.

One small file per host says when the next request may start. Whoever wants to ask takes that moment and
moves it on by the interval, under a lock; so many sources of one portal share one pace. A host that asked
for patience (Retry-After) is left alone by all of them.
"""

from __future__ import annotations

import fcntl
import re
import time
from pathlib import Path


class Closed(Exception):
    """No turn within the patience; `seconds` is how long it would take."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:.0f} s")
        self.seconds = seconds


class Turnstile:
    """`interval` seconds lie between two requests to one host; 0 opens the turnstile for good."""

    def __init__(self, folder: Path, interval: float) -> None:
        self.folder, self.interval = folder, interval

    def pass_(self, host: str, patience: float) -> float:
        """Wait for a turn at `host` and return the seconds waited. Raises Closed, at once, if it lies beyond
        `patience`.
        """
        if self.interval <= 0:
            return 0.0
        now = time.time()
        pause = max(0.0, self._move(host, now, now + patience, 0.0) - now)
        time.sleep(pause)
        return pause

    def close(self, host: str, seconds: float) -> None:
        """Let nobody pass for so many seconds."""
        if self.interval > 0:
            self._move(host, time.time(), None, seconds)

    def _move(self, host: str, now: float, until: float | None, closed: float) -> float:
        """Take the next turn (or with `closed` put it off) and return it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / re.sub(r"[^a-z0-9.-]", "_", host.lower())
        with path.open("a+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            text = handle.read().strip()
            turn = max(now, float(text) if text else 0.0)
            if until is not None and turn > until:
                raise Closed(turn - now)
            following = max(turn, now + closed) if closed else turn + self.interval
            handle.seek(0)
            handle.truncate()
            handle.write(repr(following))
        return turn
