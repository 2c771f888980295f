"""The reviewed list of editions of the Corporate Performance Report, checked without dbt and without a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from cityperf.config import Profile
from cityperf.errors import CityperfError
from cityperf.marked import compose, hint, line_of, shown_path
from cityperf.registry.definition import Quoted, ReportSection, Strict, Text, Words
from cityperf.registry.lineage import PROJECT

FILE: Final = Path("models") / "marts" / "report_editions.yml"
PLACE: Final = ("models", 0, "config", "meta", "editions")


class WrongEditions(CityperfError):
    """The list of editions does not hold together; the message has a line for each mistake."""


class Covered(Strict):
    """First and last day that an edition covers."""

    start: date
    end: date


class SignOff(Strict):
    """Who signed an edition off, and when."""

    by: Text
    day: date = Field(alias="date")


def _day(value: object) -> object:
    if not isinstance(value, date):
        raise ValueError(f"expected a day such as 2026-08-14, without quotes, found {value!r}")
    return value


class Edition(Strict):
    """One edition as it is planned. It freezes with the first release of its night `as_of` or a later one."""

    id: Annotated[str, Field(pattern=r"^[A-Z]{2,5}-\d{4}(-[A-Z0-9]+)?$")]
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1)]
    title: Words
    summary: Words
    period: Covered
    as_of: Annotated[date, BeforeValidator(_day)]
    signed_off: SignOff
    sections: Annotated[tuple[ReportSection, ...], Field(min_length=1)]
    notes: Mapping[Quoted, Words] = {}

    @model_validator(mode="after")
    def _in_order(self) -> Edition:
        if self.period.start > self.period.end:
            raise ValueError(
                f"period: expected start before end, found {self.period.start} and {self.period.end}"
            )
        if self.as_of <= self.period.end:
            raise ValueError(
                f"as_of: expected a day after the period's last, {self.period.end}, found {self.as_of}"
            )
        if self.signed_off.day > self.as_of:
            raise ValueError(
                f"signed_off: expected no day after as_of, {self.as_of}, found {self.signed_off.day}: "
                "what freezes was signed off before"
            )
        if len({*self.sections}) < len(self.sections):
            raise ValueError("sections: expected each section once")
        return self


def read_editions(
    kpi_ids: Collection[str] | None = None, project_folder: Path = PROJECT
) -> tuple[Edition, ...]:
    """Every edition in the order of the list. With `kpi_ids`, notes must be of these KPIs.

    Raises WrongEditions with `file:line: what is wrong` for every mistake there is.
    """
    file = project_folder / FILE
    shown = shown_path(file, project_folder)
    try:
        node, content = compose(file, shown, "models")
    except ValueError as problem:
        raise WrongEditions(str(problem)) from None
    listed: Any = content
    for part in PLACE:
        listed = listed[part]
    editions: list[Edition] = []
    mistakes: list[str] = []

    def say(location: tuple[Any, ...], message: str) -> None:
        mistakes.append(f"{shown}:{line_of(node, (*PLACE, *location))}: {message}")

    for number, raw in enumerate(listed):
        try:
            edition = Edition.model_validate(raw)
        except ValidationError as problem:
            for error in problem.errors(include_url=False):
                say(*_told(number, error))
            continue
        if edition.id in {each.id for each in editions}:
            say((number, "id"), f"id: {edition.id} stands here a second time")
        for kpi_id in edition.notes:
            if kpi_ids is not None and kpi_id not in kpi_ids:
                say((number, "notes", kpi_id), f"notes: no KPI {kpi_id!r}{hint(kpi_id, sorted(kpi_ids))}")
        editions.append(edition)
    if mistakes:
        raise WrongEditions("\n".join(mistakes))
    return tuple(editions)


def _told(number: int, error: Any) -> tuple[tuple[Any, ...], str]:
    """Where in the list a mistake lies, and what it is."""
    message = error["msg"].removeprefix("Value error, ")
    location = tuple(error["loc"])
    if not location:  # of the whole edition: the message begins with the key
        return (number, message.split(":")[0]), message
    place = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        message = "no such key"
    elif error["type"] == "missing":
        message = "is missing; add it"
    elif "found" not in message:
        message += f", found {error['input']!r}"
    return (number, *location), f"{place}: {message}"
