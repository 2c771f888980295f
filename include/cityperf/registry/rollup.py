"""How a KPI's figures roll up: over areas, and over periods.

`additive`: the figures of the parts add up to the whole's. `ratio`: numerators and denominators add up, and the whole is
their quotient. `not_additive`: the whole cannot be told from the parts, as with medians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cityperf.registry.definition import Definition, FeedKpi, Rollup, RollupKind, Words

# Units of amounts: the figure is a count or a sum, and no quotient. macros/kpi/rollup.sql has the same list.
AMOUNTS: Final = frozenset({"number", "thousands", "cad", "thousand_cad", "hours"})
LEVEL: Final = Words(
    en="A level at one moment: periods are not added.",
    fr="Un niveau à un moment donné : les périodes ne s’additionnent pas.",
)
WITHOUT_PARTS: Final = Words(
    en="The feed gives the finished figure without its numerator and denominator.",
    fr="Le flux donne le résultat sans son numérateur ni son dénominateur.",
)


@dataclass(frozen=True)
class RollsUp:
    """How a KPI rolls up, and why not where it does not."""

    geography: RollupKind
    time: RollupKind
    reason: Words | None


def rolls_up(kpi: Definition) -> RollsUp:
    """What the YAML declares, else what follows from unit and flow.

    An amount adds up over areas, and over periods if it is a flow. A figure per day has the same days in every area, so
    over areas it adds up too. Any other figure is a quotient: its parts add up where we have them, and the feed gives none.
    """
    said = kpi.rollup or Rollup()
    amount = kpi.unit in AMOUNTS
    quotient: RollupKind = "not_additive" if isinstance(kpi, FeedKpi) else "ratio"
    geography: RollupKind = "additive" if amount or kpi.unit == "per_day" else quotient
    time: RollupKind = ("additive" if kpi.flow else "not_additive") if amount else quotient
    geography, time = said.geography or geography, said.time or time
    if "not_additive" not in (geography, time):
        return RollsUp(geography, time, None)
    return RollsUp(geography, time, said.reason or (LEVEL if amount else WITHOUT_PARTS))
