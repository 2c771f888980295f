"""What a dbt exposure says about a table that leaves the warehouse, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cityperf.errors import CityperfError
from cityperf.publish.licences import LICENCES

FORMATS: Final = ("csv", "parquet", "json", "xlsx")
WHERE: Final = "dbt_project/models/exposures.yml"

Format = Literal["csv", "parquet", "json", "xlsx"]
Destination = Literal["files", "ckan"]
Rhythm = Literal["nightly", "weekly", "monthly", "quarterly", "yearly", "irregular"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class WrongExposure(CityperfError):
    """An exposure that does not say clearly what may leave, or how."""


class Contact(BaseModel):
    """Who answers questions about the table: dbt's own `owner` of the exposure."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Outgoing(BaseModel):
    """`meta` of an exposure with `export: true`: one table, its columns that may leave, where they go and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    export: Literal[True]
    table: Name
    primary_key: Annotated[tuple[Name, ...], Field(min_length=1)]
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    destinations: Annotated[tuple[Destination, ...], Field(min_length=1)]
    formats: tuple[Format, ...]
    licence: str
    rhythm: Rhythm

    @field_validator("licence")
    @classmethod
    def _known_licence(cls, value: str) -> str:
        if value not in LICENCES:
            raise ValueError(f"expected one of {', '.join(sorted(LICENCES))}")
        return value

    @field_validator("columns", "destinations", "formats")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({each for each in value if value.count(each) > 1})
        if twice:
            raise ValueError(f"expected each once, found {', '.join(twice)} twice")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Outgoing:
        if missing := [name for name in self.primary_key if name not in self.columns]:
            raise ValueError(f"expected the key among the columns, found no {', '.join(missing)}")
        if ("files" in self.destinations) != bool(self.formats):
            raise ValueError("expected `formats` where and only where `files` is a destination")
        # Descriptions of types hang on the CSV file; what goes to CKAN is read from the verified Parquet file.
        for needed in ("csv", "parquet") if "files" in self.destinations else ():
            if needed not in self.formats:
                raise ValueError(f"expected {needed} among the formats: every table has it")
        if "ckan" in self.destinations and "files" not in self.destinations:
            raise ValueError("expected the destination `files` beside `ckan`, which is filled from the files")
        return self


def outgoing(exposure: Mapping[str, Any]) -> tuple[Outgoing, Contact] | None:
    """What an exposure of dbt's manifest sends out and who answers for it; None for one that exports nothing.

    Raises WrongExposure, naming the exposure and each mistake.
    """
    meta = {**exposure.get("meta", {}), **exposure.get("config", {}).get("meta", {})}
    if not meta.get("export"):
        return None
    try:
        return Outgoing.model_validate(meta), Contact.model_validate(exposure.get("owner") or {})
    except ValidationError as problem:
        raise WrongExposure(
            f"expected exposure {exposure['name']} to say which table leaves and how, found {_said(problem)}; "
            f"mend it in {WHERE}"
        ) from None


def _said(problem: ValidationError) -> str:
    found = []
    for error in problem.errors(include_url=False):
        place = ".".join(map(str, error["loc"]))
        if error["type"] == "missing":
            said = f"no `{place}`"
        elif error["type"] == "extra_forbidden":
            said = f"`{place}`, which means nothing here"
        else:
            said = f"{place or 'meta'} = {str(error['input'])[:60]!r}: {error['msg'].removeprefix('Value error, ')}"
            if not place:
                said = error["msg"].removeprefix("Value error, ")
        found.append(said)
    return "; ".join(found)
