"""Why a landed file, or one of its rows, was not loaded."""

from __future__ import annotations

from dataclasses import dataclass

from cityperf.errors import FileQuarantined


class Quarantined(FileQuarantined):
    """A file that is held: what was expected, what came, where in it, and what to do."""

    def __init__(self, expected: str, found: str, where: str, remedy: str) -> None:
        super().__init__(
            expected, found, where, remedy
        )  # the arguments as they are, so that it can be pickled
        self.expected, self.found, self.where, self.remedy = expected, found, where, remedy

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; at {self.where}; {self.remedy}"


@dataclass(frozen=True)
class BadRow:
    """A row that is held. `row` is its number among the file's records, `line` its line of the file or
    sheet.
    """

    row: int
    line: int | None
    sheet: str | None
    column: str | None
    expected: str
    found: str | None
    reason: str
    record: str
