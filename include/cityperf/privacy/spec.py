"""What a publish model declares of the persons in it: `meta: {disclosure: ...}` beside its columns.

disclosure:
  class: counts                         # its threshold: cityperf/privacy/classes.yml
  from: training_total                  # the table in marts with the true figures, a row for each published one
  totals: {division: All divisions}     # columns of the key whose rows add up to one with this label
  measures:                             # counts of persons, and the columns that would tell them
    attended: {part_of: invited, derived: [attendance_share]}
  published_elsewhere:                  # sums that other tables show, and so can be subtracted from
    - {by: [held_year]}
  against:                              # columns that were worked out with another row's figure
    - {columns: [growth], measure: attended, other: "other.held_year = this.held_year - 1"}
  geography: [geography_type, geography_code]   # areas of several kinds that cover the same city
  open: [runs]                          # numbers that tell nothing of persons
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cityperf.config import ROOT
from cityperf.errors import CityperfError
from cityperf.marked import read_yaml
from cityperf.privacy.classes import ClassName, read_classes

MODELS: Final = ROOT / "dbt_project" / "models" / "publish"
NAME: Final = r"^[a-z_][a-z0-9_]*$"


class BadDeclaration(CityperfError):
    """A publish model declares what cannot be; the message names file and table."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Measure(_Strict):
    """A count of persons. `part_of`: another measure of the row that includes it. `rounding`: base of random rounding."""

    derived: tuple[str, ...] = ()
    part_of: str | None = None
    threshold: int | None = Field(default=None, ge=1)
    rounding: int | None = Field(default=None, ge=2)


class Elsewhere(_Strict):
    """A sum over rows that are no totals, by SQL expressions, that some other table shows."""

    by: tuple[str, ...] = ()
    where: str = "true"
    of: tuple[str, ...] = ()  # measures; all of them where none is named
    least: int = 0  # smaller sums are not shown


class Against(_Strict):
    """Columns that were worked out with `measure` of the rows for which `other` (SQL on `this` and `other`) holds."""

    columns: tuple[str, ...]
    measure: str
    other: str


class Disclosure(_Strict):
    level: ClassName = Field(alias="class")
    source: str = Field(alias="from", pattern=NAME)
    where: str = "true"
    threshold: int | None = Field(default=None, ge=1)
    reason: str | None = None
    totals: dict[str, str] = {}
    measures: dict[str, Measure] = Field(min_length=1)
    published_elsewhere: tuple[Elsewhere, ...] = ()
    against: tuple[Against, ...] = ()
    geography: tuple[str, str] | None = None  # columns of type and code of the area
    open: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Disclosure:
        named = {each.part_of for each in self.measures.values() if each.part_of}
        named |= {each.measure for each in self.against}
        named |= {name for each in self.published_elsewhere for name in each.of}
        if unknown := sorted(named - set(self.measures)):
            raise ValueError(f"expected names of measures, found {', '.join(unknown)}")
        least = read_classes().classes[self.level].threshold
        for asked in (self.threshold, *(each.threshold for each in self.measures.values())):
            if asked is not None and asked < least:
                raise ValueError(
                    f"expected a threshold of {least} or more for class {self.level}, found {asked}"
                )
        if self.threshold is not None and not self.reason:
            raise ValueError("expected a `reason` beside a threshold of the table's own")
        return self

    def threshold_of(self, measure: str) -> int:
        """The measure's own threshold, else the table's, else the class's."""
        own = self.measures[measure].threshold
        return own or self.threshold or read_classes().classes[self.level].threshold


@dataclass(frozen=True)
class Declared:
    """A published table with counts of persons: its name, its key and what its model declares."""

    table: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]  # name and type
    rules: Disclosure


def declared(folder: Path = MODELS) -> dict[str, Declared]:
    """Every publish model that declares `disclosure`, by table. Raises BadDeclaration."""
    found = {}
    for file in sorted(folder.glob("*.yml")):
        for model in (read_yaml(file.read_text("utf-8")) or {}).get("models", []):
            meta = (model.get("config") or {}).get("meta") or {}
            if "disclosure" in meta:
                found[model["name"]] = _declared(file, model, meta["disclosure"])
    return found


def _declared(file: Path, model: dict[str, Any], said: Any) -> Declared:
    key = next((c["columns"] for c in model.get("constraints", []) if c["type"] == "primary_key"), ())
    columns = {column["name"]: column["data_type"] for column in model["columns"]}
    try:
        rules = Disclosure.model_validate(said)
        told = {*rules.measures, *rules.open, *rules.totals}
        told |= {name for each in rules.measures.values() for name in each.derived}
        told |= {name for each in rules.against for name in each.columns}
        if unknown := sorted(told - set(columns)):
            raise ValueError(f"expected columns of the table, found {', '.join(unknown)}")
        if apart := sorted({*rules.totals, *(rules.geography or ())} - set(key)):
            raise ValueError(
                f"expected totals and geography among columns of the key, found {', '.join(apart)}"
            )
        numbers = {name for name, kind in columns.items() if kind in ("integer", "bigint", "numeric")}
        if unsaid := sorted(numbers - told - set(key)):
            raise ValueError(
                "expected each number among measures, derived, against or open, found none of it for "
                + ", ".join(unsaid)
            )
    except (ValidationError, ValueError) as mistake:
        raise BadDeclaration(f"{file.name}: {model['name']}: disclosure: {mistake}") from None
    return Declared(model["name"], tuple(key), tuple(columns.items()), rules)
