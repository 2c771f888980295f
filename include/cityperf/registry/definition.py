"""What the YAML beside a KPI's SQL says (`meta.kpi`), as frozen models that refuse what does not hold together."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Dimension = Literal[
    "service_delivery", "quality_of_life", "neighbourhood", "customer_service", "corporate_performance"
]
ReportSection = Literal[
    "financial_asset_stewardship",
    "customer_service",
    "employee_engagement",
    "accountability_transparency_openness",
]
MeasureType = Literal["community_impact", "service_level", "efficiency", "customer_service", "statistic"]
LogicLevel = Literal["input", "activity", "output", "outcome", "impact"]
Direction = Literal["up", "down", "none", "range"]
Interval = Literal["month", "quarter", "season", "year"]
RollupKind = Literal["additive", "ratio", "not_additive"]
TargetType = Literal[
    "none",
    "floor",
    "ceiling",
    "service_standard",
    "range",
    "historical_baseline",
    "peer_median",
    "trajectory",
]

# Targets that are computed, not set by anybody: their note may be left to the registry.
COMPUTED_TARGETS: Final[frozenset[TargetType]] = frozenset({"historical_baseline", "peer_median"})

# What `kpi new` writes where a person must: an active KPI has none of it left.
TO_WRITE: Final = {"en": "To be written", "fr": "À rédiger"}
# Which keys of `target` each type of target has.
TARGET_KEYS: Final[dict[str, frozenset[str]]] = {
    "none": frozenset(),
    "floor": frozenset({"value"}),
    "ceiling": frozenset({"value"}),
    "service_standard": frozenset({"value"}),
    "range": frozenset({"low", "high"}),
    "historical_baseline": frozenset({"years"}),
    "peer_median": frozenset(),
    "trajectory": frozenset({"steps"}),
}


def _id(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"expected text in quotes, found {value!r}: as a number 1.10 is 1.1")
    return value


def _quoted(value: object) -> object:
    if isinstance(value, (int, float)):
        raise ValueError(f"expected text in quotes, found {value!r}: as a number 5.10 is 5.1")
    return value


def _written(value: str) -> str:
    if not value.strip():
        raise ValueError("expected a text, found nothing")
    return value


Text = Annotated[str, AfterValidator(_written)]
Quoted = Annotated[str, BeforeValidator(_quoted)]
# A share of the figure compared with: the City's own run up to 0.4 (mortgages in arrears).
Threshold = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Strict):
    """The same in English and in French."""

    en: Text
    fr: Text


class Thresholds(Strict):
    """Shares of the compared figure up to which a movement is stable: 0.02 is 2 per cent."""

    period: Threshold
    year: Threshold
    target: Threshold


class Step(Strict):
    """The target that counts from the period that begins on `from`."""

    from_: date = Field(alias="from")
    value: float


class Target(Strict):
    """The target itself; which keys it has follows from `target_type`. Shares are fractions."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    years: Annotated[int, Field(ge=1, le=10)] | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=2)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Target:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"expected low below high, found {self.low:g} and {self.high:g}")
        days = [step.from_ for step in self.steps or ()]
        if days != sorted({*days}):
            raise ValueError("expected steps in the order of their days, each day once")
        return self

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(name for name in type(self).model_fields if getattr(self, name) is not None)


class Rebase(Strict):
    """A recorded break: the limits of the KPI's chart start anew with the period that begins on `from`."""

    from_: date = Field(alias="from")
    reason: Words


class Signals(Strict):
    """How the KPI is charted (`basis`, `baseline_points`, `rebase`), or the `reason` why it is not."""

    basis: Literal["value", "same_season"] = "value"
    baseline_points: Annotated[int, Field(ge=12)] | None = None
    rebase: tuple[Rebase, ...] = ()
    reason: Words | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Signals:
        days = [each.from_ for each in self.rebase]
        if days != sorted({*days}):
            raise ValueError("expected rebase in the order of its days, each day once")
        return self


class Rollup(Strict):
    """How figures roll up over areas and over periods, where it does not follow from unit and flow
    (`registry.rollup`); `reason` says why they do not."""

    geography: RollupKind | None = None
    time: RollupKind | None = None
    reason: Words | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Rollup:
        refused = "not_additive" in (self.geography, self.time)
        if refused and self.reason is None:
            raise ValueError("not_additive says why: add `reason` in English and French")
        if self.reason and not refused:
            raise ValueError(
                "reason: says why figures do not roll up; neither geography nor time is not_additive"
            )
        return self


class Crosswalk(Strict):
    """The same measure elsewhere: MBNCanada's number, the clause of ISO 37120, an external report card."""

    mbncanada: Annotated[str, Field(pattern=r"^[A-Z]{4}\d{3}[A-Z]?$")] | None = None
    iso_37120: Annotated[Quoted, Field(pattern=r"^\d{1,2}\.\d{1,2}$")] | None = None
    report_card: Text | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Crosswalk:
        if not self.model_fields_set:
            raise ValueError("expected at least one of mbncanada, iso_37120 and report_card, or no crosswalk")
        return self


class Lifecycle(Strict):
    """proposed: computed and shown, counted nowhere. active. retired: no longer computed, its figures stay."""

    state: Literal["proposed", "active", "retired"] = "active"
    since: date | None = None
    note: Words | None = None

    @model_validator(mode="after")
    def _says_why(self) -> Lifecycle:
        if self.state == "retired" and not (self.since and self.note):
            raise ValueError(
                "a retired KPI says since when (`since`) and why (`note`, in English and French)"
            )
        return self


class Version(Strict):
    """A version of the definition, the day from which it counts, and what changed."""

    version: Annotated[int, Field(ge=1)]
    effective: date
    note: Words


class Definition(Strict):
    """What the YAML says of every KPI, whether its figures are our own or come with the dashboard feed."""

    id: Annotated[str, BeforeValidator(_id), Field(pattern=r"^(\d+\.\d{2,}|[A-Z0-9][A-Z0-9-]+)$")]
    name: Words
    definition: Words
    dimension: Dimension
    report_section: ReportSection
    objective: str
    measure_type: MeasureType
    logic_level: LogicLevel
    unit: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    direction: Direction
    interval: Interval
    flow: bool
    rollup: Rollup | None = None
    multiplier: Annotated[float, Field(gt=0)]
    owner: Text
    steward: Text
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    privacy_class: Literal["public", "counts", "person_level"]
    crosswalk: Crosswalk | None = None
    lifecycle: Lifecycle = Lifecycle()
    version: Annotated[int, Field(ge=1)]
    versions: tuple[Version, ...] = ()
    suitable_for_signals: bool
    signals: Signals = Signals()

    @model_validator(mode="after")
    def _holds_together(self) -> Definition:
        for problem in (*_of_versions(self), *_of_signals(self)):
            raise ValueError(problem)
        if len({*self.sources}) < len(self.sources):
            raise ValueError("sources: expected each data set once")
        if self.unit == "percent" and self.multiplier != 1:
            raise ValueError(
                "multiplier: expected 1, since figures in percent are kept as fractions and shown times 100"
            )
        if self.definition.en == self.definition.fr:
            raise ValueError("definition: the French is a copy of the English; write it in French")
        if self.lifecycle.state == "active" and (
            TO_WRITE["en"] in self.definition.en or TO_WRITE["fr"] in self.definition.fr
        ):
            raise ValueError(
                "definition: an active KPI has its definition written in both languages; write it, or leave "
                "lifecycle.state at proposed"
            )
        return self


class FeedKpi(Definition):
    """A measure of the dashboard feed. Its thresholds, decimals and targets are those of the feed's delivery; while the
    feed sets no target, the mean of its own figures of the last `baseline_years` stands for one.
    """

    baseline_years: Annotated[int, Field(ge=1, le=10)] | None = None


class Kpi(Definition):
    """A KPI of our own."""

    decimals: Annotated[int, Field(ge=0, le=6)]
    thresholds: Thresholds
    target_type: TargetType
    target: Target = Target()
    target_note: Words | None = None

    @model_validator(mode="after")
    def _aims_somewhere(self) -> Kpi:
        for problem in _of_target(self):
            raise ValueError(problem)
        return self


def _of_versions(kpi: Definition) -> list[str]:
    numbers = [each.version for each in kpi.versions]
    days = [each.effective for each in kpi.versions]
    if kpi.version > 1 and not numbers:
        return [f"versions: version {kpi.version} says since when it counts and what changed"]
    if numbers and numbers != [*range(numbers[0], numbers[0] + len(numbers))]:
        return [f"versions: expected numbers that rise by one, found {', '.join(map(str, numbers))}"]
    if days != sorted({*days}):
        return [
            "versions: expected them in the order of their effective days, each later than the one before"
        ]
    if numbers and numbers[-1] != kpi.version:
        return [
            f"version: expected {numbers[-1]}, the last of `versions`, found {kpi.version}; a change of "
            "definition adds to both"
        ]
    return []


def _of_signals(kpi: Definition) -> list[str]:
    if not kpi.suitable_for_signals and kpi.signals.reason is None:
        return [
            "signals: a KPI that is not suitable for signals says why: add `reason` in English and French"
        ]
    if kpi.suitable_for_signals and kpi.signals.reason is not None:
        return ["signals: `reason` says why a KPI is not suitable; this one is said to be suitable"]
    if kpi.signals.basis == "same_season" and kpi.interval == "year":
        return ["signals: a yearly KPI has no season; expected basis value"]
    return []


def _of_target(kpi: Kpi) -> list[str]:
    kind, found = kpi.target_type, kpi.target.keys
    expected = TARGET_KEYS[kind]
    if found != expected:
        say = ", ".join(sorted(expected)) or "no target"
        return [f"target: target_type {kind} has {say}; found {', '.join(sorted(found)) or 'nothing'}"]
    if kpi.direction == "range" and kind != "range":
        return ["direction: range needs target_type range with `target: {low: ..., high: ...}`"]
    if kpi.direction == "none" and kind not in ("none", "range"):
        return [f"target_type: a {kind} is met from one side, so it needs direction up or down; found none"]
    better = {"floor": "up", "ceiling": "down"}.get(kind)
    if better and kpi.direction != better:
        return [f"target_type: a {kind} fits direction {better}, found direction {kpi.direction}"]
    if kpi.unit == "percent":
        for name, value in kpi.target.model_dump(include={"value", "low", "high"}, exclude_none=True).items():
            if abs(value) > 5:
                return [f"target.{name}: shares are fractions, 0.9 is 90 per cent; found {value:g}"]
    if kind == "peer_median" and (kpi.interval != "year" or not (kpi.crosswalk and kpi.crosswalk.mbncanada)):
        return [
            "target_type: peer_median is the peers' median of a yearly measure; it needs interval year and "
            "crosswalk.mbncanada"
        ]
    return _of_target_note(kpi)


def _of_target_note(kpi: Kpi) -> list[str]:
    if kpi.target_type == "none" and kpi.target_note:
        return ["target_note: says where a target comes from; there is none here"]
    if kpi.target_type not in ("none", *COMPUTED_TARGETS) and kpi.target_note is None:
        return [
            "target_note: a target that somebody set says who and where, in English and French: a published "
            "standard, or the office's working target that Council has not adopted"
        ]
    return []


def section(location: tuple[Any, ...], kpi: type[Definition]) -> type[BaseModel]:
    """The model that the part of a definition at `location` is read into."""
    known: dict[str, type[BaseModel]] = {
        "name": Words, "definition": Words, "note": Words, "reason": Words, "target_note": Words, "thresholds": Thresholds,
        "target": Target, "steps": Step, "signals": Signals, "rebase": Rebase, "rollup": Rollup, "crosswalk": Crosswalk,
        "lifecycle": Lifecycle, "versions": Version,
    }  # fmt: skip
    names = [part for part in location[:-1] if isinstance(part, str)]
    return known.get(names[-1], kpi) if names else kpi
