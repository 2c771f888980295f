"""A refusal in four parts, so that a message, the quarantine and a test can each use what they need."""

from __future__ import annotations

from cityperf.errors import SourceRefused


class Refused(SourceRefused):
    """The source broke its contract: what was expected, what came, where, and what to do about it."""

    def __init__(self, expected: str, found: str, where: str, remedy: str) -> None:
        super().__init__(
            expected, found, where, remedy
        )  # the arguments as they are, so that it can be pickled
        self.expected, self.found, self.where, self.remedy = expected, found, where, remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; at {self.where}; {self.remedy}"


class Missing(Refused):
    """There is nothing behind the address (HTTP 404 or 410)."""
