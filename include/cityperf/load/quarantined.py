"""Why a landed file, or one of its rows, was not loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cityperf.errors import CityperfError, FileQuarantined
from cityperf.sources import Contract

WITHHELD: Final = "(withheld: person-level data)"
STOP: Final = "stop: nothing more of this data set is loaded until a person has looked"


class Quarantined(FileQuarantined):
    """A file that is held: what was expected, what came, where in it, and what to do. `discreet`: what came, without
    anything that stood in the file.
    """

    def __init__(
        self, expected: str, found: str, where: str, remedy: str, discreet: str | None = None
    ) -> None:
        super().__init__(
            expected, found, where, remedy, discreet
        )  # the arguments as they are, so that it can be pickled
        self.expected, self.found, self.where, self.remedy = expected, found, where, remedy
        self.discreet = discreet

    def __str__(self) -> str:
        return f"expected {self.expected}, found {self.found}; at {self.where}; {self.remedy}"


def fit_to_tell(contract: Contract, problem: BaseException) -> BaseException:
    """What may be written down of a problem: of person-level data nothing that stood in the file."""
    if contract.privacy.level != "person_level" or not isinstance(problem, Exception):
        return problem
    if isinstance(problem, Quarantined):
        return Quarantined(problem.expected, problem.discreet or WITHHELD, problem.where, problem.remedy)
    if isinstance(problem, (CityperfError, OSError)):
        return problem
    code = getattr(problem, "sqlstate", None)
    said = f"{type(problem).__name__}{f' (SQLSTATE {code})' if code else ''} {WITHHELD}"
    return type(problem)(said) if code else RuntimeError(said)


def refusal(
    contract: Contract,
    policy: str,
    expected: str,
    found: str,
    where: str,
    remedy: str,
    discreet: str | None = None,
) -> Quarantined | None:
    """The refusal that a drift policy asks for; None where it only accepts or warns.

    `stop` is told by its remedy, which names the contract as it stood: while such a file is held, the data set's
    other files are held too, until the contract was changed or a steward decided about the file.
    """
    if policy == "quarantine_file":
        return Quarantined(expected, found, where, remedy, discreet)
    if policy == "stop":
        return Quarantined(
            expected, found, where,
            f"{STOP} (contract {fingerprint(contract)}): {remedy}; or, if the contract is right, release or discard "
            "the file: ./cityperf quarantine list",
            discreet,
        )  # fmt: skip
    return None


def fingerprint(contract: Contract) -> str:
    """A short name for what the contract says now."""
    return hashlib.sha256(contract.model_dump_json().encode()).hexdigest()[:10]


@dataclass(frozen=True)
class BadRow:
    """A row that is held. `row` is its number among the file's records, `line` its line of the file or
    sheet, `values` what it has in each column, as far as that is known.
    """

    row: int
    line: int | None
    sheet: str | None
    column: str | None
    expected: str
    found: str | None
    reason: str
    record: str
    values: Mapping[str, str | None] = field(default_factory=dict, repr=False)
