"""Privacy classes and what each asks for: `classes.yml`, reviewed like a contract."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from cityperf.marked import read_yaml

FILE: Final = Path(__file__).with_name("classes.yml")
METHOD: Final = "linear programmes, tidied; 1"  # raise it when decisions would change

ClassName = Literal["public", "counts", "person_level"]


class PrivacyClass(BaseModel):
    """Counts above 0 and below `threshold` are hidden; `source` says who asks for that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: int = Field(ge=0)
    source: str = Field(min_length=1)


class Classes(BaseModel):
    """The file as a whole; `exempt` names published tables that need no suppression, each with the reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: dict[ClassName, PrivacyClass]
    exempt: dict[str, str]


@cache
def read_classes(file: Path = FILE) -> Classes:
    """The classes as reviewed. Raises pydantic's ValidationError where the file is not what it should be."""
    return Classes.model_validate(read_yaml(file.read_text("utf-8")))
