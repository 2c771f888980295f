"""Who may decide what: the people of `include/approvers.yml`, a reviewed file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityperf.config import ROOT
from cityperf.errors import CityperfError

REGISTER: Final = ROOT / "include" / "approvers.yml"

Scope = Literal["release", "restatement", "rollback", "period", "quarantine"]


class NotAllowed(CityperfError):
    """Somebody decided who may not."""


class Approver(BaseModel):
    """A person; `id` is what `--by` takes, `airflow` the account under which Airflow knows the person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_.-]+$")
    name: str = Field(min_length=1)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    role: str = Field(min_length=1)
    airflow: str | None = None
    scopes: tuple[Scope, ...] = Field(min_length=1)

    @property
    def names(self) -> frozenset[str]:
        """All that may stand for this person as the author of a change."""
        return frozenset(each.casefold() for each in (self.id, self.name, self.email))


def read_approvers(path: Path = REGISTER) -> list[Approver]:
    """The register. Raises CityperfError for an entry that is not as it should be, or a person listed twice."""
    entries = yaml.safe_load(path.read_text("utf-8")) or []
    people = []
    for place, entry in enumerate(entries, 1):
        try:
            people.append(Approver.model_validate(entry))
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the entry"
            raise CityperfError(
                f"expected an approver with id, name, email, role and scopes, found a mistake in {where} "
                f"({first['msg']}), in {path.name} entry {place}"
            ) from problem
    for what in ("id", "airflow"):
        told = [getattr(each, what) for each in people if getattr(each, what)]
        twice = sorted({each for each in told if told.count(each) > 1})
        if twice:
            raise CityperfError(
                f"expected each {what} once, found {', '.join(twice)} more often, in {path.name}; a decision must "
                "name one person"
            )
    return people


def may(by: str, scope: Scope, authors: Iterable[str] = (), people: list[Approver] | None = None) -> Approver:
    """The person who goes by `by` (id, or Airflow account), when that person may decide on `scope`.

    Raises NotAllowed for somebody unknown, without that scope, or who made the change: nobody approves their own.
    """
    listed = read_approvers() if people is None else people
    found = next((each for each in listed if by in (each.id, each.airflow)), None)
    able = ", ".join(each.id for each in listed if scope in each.scopes) or "nobody"
    if found is None or scope not in found.scopes:
        what = "whose scopes are " + ", ".join(found.scopes) if found else "who is not in the register"
        raise NotAllowed(
            f"expected somebody who may decide on a {scope} ({able}), found {by!r}, {what}, in include/approvers.yml; "
            "ask one of them, or propose a change of that file"
        )
    if found.names & {each.casefold() for each in authors}:
        raise NotAllowed(
            f"expected somebody else than {found.name}, whose own change this is: nobody approves their own; ask "
            f"{', '.join(e.id for e in listed if scope in e.scopes and e is not found) or 'for another approver'}"
        )
    return found
