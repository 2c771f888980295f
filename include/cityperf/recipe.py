"""How the sample profile invents a data set: the `sample` section of a contract.

A recipe says how many rows come in each period and how each column's values are drawn. The portal's
generator (`cityperf.portal.sample.recipes`) turns it into files; everything follows from seed, scale and night.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Weights = dict[str, Annotated[float, Field(gt=0)]]
Range = tuple[float, float]


def _weights(value: Any) -> Any:
    """A plain list stands for equal weights."""
    return {str(each): 1.0 for each in value} if isinstance(value, list) else value


class Part(BaseModel):
    """A share of another column's number."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    of: str
    between: Range


class Recipe(BaseModel):
    """One column. Exactly one of the kinds; the modifiers go with all of them.

    - `one_of`: a value, by weight. `text`: a format with i (row of the period), member, year, yy, quarter,
      month, day, hex. `number`: flat or log-shaped between two bounds. `count`: Poisson around a mean.
      `date`: strftime of the row's moment, `days` and `seconds` after it (later than the night: blank, unless
      `ahead`). `epoch`: the same in milliseconds. `place`: a column of a table of the portal, such as wards.name; all
      columns of a row that draw from one table speak of one place. `part`: a share of another column. `same`:
      another column's value. `nth`: the member's (in a group: the row's) own value of a list. `sum`: other columns
      times factors.
      `percent`: one column in percent of another; blank where either is. `reached`: the day on which a register's
      row reached that one of its statuses, `days` later (later than the hand-in: blank, unless `ahead`).
    - `by` member, period or group: drawn once for it. `blank`: share of rows left empty. `when`: blank unless
      other columns have one of these values. `show`: a format for the value. `trend`: yearly growth, `season`:
      amplitude of the year, both of numbers and counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    one_of: Annotated[Weights, BeforeValidator(_weights)] | None = None
    text: str | None = None
    number: Range | None = None
    count: Annotated[float, Field(ge=0)] | None = None
    date: str | None = None
    epoch: bool = False
    place: Annotated[str, Field(pattern=r"^\w+\.\w+$")] | None = None
    part: Part | None = None
    same: str | None = None
    nth: tuple[str, ...] | None = None
    sum: dict[str, float] | None = None
    percent: tuple[str, str] | None = None
    reached: str | None = None
    when: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    by: Literal["row", "member", "period", "group"] = "row"
    blank: Annotated[float, Field(ge=0, le=1)] = 0.0
    show: str | None = None
    decimals: int = 0
    shape: Literal["flat", "log"] = "flat"
    trend: float = 0.0
    season: Annotated[float, Field(ge=0, lt=1)] = 0.0
    days: tuple[int, int] = (0, 0)
    seconds: tuple[int, int] = (0, 0)
    ahead: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> Recipe:
        kinds = (
            "one_of",
            "text",
            "number",
            "count",
            "date",
            "place",
            "part",
            "same",
            "nth",
            "sum",
            "percent",
            "reached",
        )
        said = [kind for kind in kinds if getattr(self, kind) is not None] + ["epoch"] * self.epoch
        if len(said) != 1:
            raise ValueError(f"expected exactly one of {', '.join(kinds)}, epoch; found {said or 'none'}")
        return self


class Sample(BaseModel):
    """The rows of a data set.

    `grain`: the period that rows come in (none: a table without time), from `since`, out `lag` days after the
    period's end, at most the `last` ones. `rows` in each period, or one for each of `members`, of which
    `present` take part. `place`: the table that members are taken from, one member a place. `group`: rows of a
    period stand in groups of so many, such as the persons of a collision: they share moment and place. `file`: the
    name under which it is published; with {year} or {month}, a file for each; where the name changed, each name by
    the first day from which it holds. `above`: lines over the header.

    Of a register each period is a hand-in of each of its divisions: with `rows` so many that come and go, each there
    for `life` days (from, to), with `members` always the same ones. `months`: each stands there once for every one of
    the last so many months.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: dict[str, Recipe]
    grain: Literal["none", "day", "week", "month", "quarter", "year"] = "none"
    since: date = date(2021, 1, 1)
    lag: Annotated[int, Field(ge=0)] = 1
    last: Annotated[int, Field(gt=0)] | None = None
    rows: Annotated[int, Field(gt=0)] | None = None
    members: Annotated[int, Field(gt=0)] | None = None
    place: str | None = None
    present: Annotated[float, Field(gt=0, le=1)] = 1.0
    group: tuple[int, int] = (1, 1)
    trend: float = 0.0
    season: Annotated[float, Field(ge=0, lt=1)] = 0.0
    file: str | dict[date, str] | None = None
    sheet: str = "Sheet1"
    above: tuple[tuple[str, ...], ...] = ()
    life: tuple[Annotated[int, Field(gt=0)], int] = (300, 900)
    months: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Sample:
        if sum(each is not None for each in (self.rows, self.members, self.place)) != 1:
            raise ValueError("expected exactly one of `rows`, `members` and `place`")
        return self
