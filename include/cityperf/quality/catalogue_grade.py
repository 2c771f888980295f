"""The open data catalogue's quality score and grade of a resource, as Toronto's portal works them out.

Formulae: repository open-data-toronto/operations, update_data_quality_scores. Every score is a share of one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, Literal

Store = Literal["datastore", "filestore"]
Grade = Literal["Gold", "Silver", "Bronze"]

WEIGHTS: Final[dict[Store, dict[str, Decimal]]] = {
    "datastore": {
        "metadata": Decimal("0.35"),
        "freshness": Decimal("0.35"),
        "accessibility": Decimal("0.15"),
        "completeness": Decimal("0.10"),
        "usability": Decimal("0.05"),
    },
    "filestore": {
        "metadata": Decimal("0.41"),
        "freshness": Decimal("0.41"),
        "accessibility": Decimal("0.18"),
    },
}
PERIODS: Final = {  # days of a period, and the periods behind at which nothing is left of its score
    "daily": (1, 7.0),
    "weekly": (7, 4.0),
    "bi-weekly": (14, 4.0),
    "monthly": (30, 2.0),
    "quarterly": (91, 2.0),
    "semi-annually": (182, 2.0),
    "annually": (365, 0.5),
}
AGES: Final = (730, 1095)  # days up to which age costs nothing, and days at which nothing is left
AGES_2023: Final = (182, 730)  # the same in the scores of July 2023
METADATA_FIELDS: Final = ("notes", "topics", "owner_email", "information_url")
SHARED_MAILBOX: Final = "opendata@toronto.ca"  # tells nobody whom to ask
CLOSED_FORMATS: Final = frozenset({"CSV", "XLSX", "XLS", "ZIP"})


def score(dimensions: Mapping[str, Decimal], store: Store) -> Decimal:
    """Weighted sum of the dimensions to three places, halves to the even one.

    Raises KeyError if a dimension that the store is scored by is missing.
    """
    total = sum(dimensions[name] * weight for name, weight in WEIGHTS[store].items())
    return Decimal(total).quantize(Decimal("0.001"), ROUND_HALF_EVEN)


def grade(total: Decimal) -> Grade:
    """Bronze up to 0.6, Silver up to 0.8, Gold above."""
    if total <= Decimal("0.6"):
        return "Bronze"
    return "Silver" if total <= Decimal("0.8") else "Gold"


def freshness(refresh_rate: str, days: int, ages: tuple[int, int] = AGES) -> float:
    """Mean of a part for the periods that a refresh is behind and one for age; `days` since the last refresh.

    Raises ValueError for a refresh rate that the rule does not know.
    """
    rate = refresh_rate.lower()
    if rate == "real-time":
        return 1.0
    young, old = ages
    age = 1.0 if days <= young else max(0.0, 1 - (days / old) ** 2)
    if rate == "as available":
        return (1.0 + age) / 2
    if rate not in PERIODS:
        raise ValueError(
            f"refresh rate: expected real-time, as available or one of {', '.join(PERIODS)}, found {refresh_rate!r}"
        )
    length, patience = PERIODS[rate]
    behind = max(0.0, (days - length) / length)
    return (max(0.0, 1 - (behind / patience) ** 2) + age) / 2


def metadata(package: Mapping[str, Any], columns: Collection[str | None] | None = None) -> float:
    """Mean of the share of the package's fields that are filled and, where it has columns, of those with a note."""
    filled = [
        bool(package.get(field)) and (field, package[field]) != ("owner_email", SHARED_MAILBOX)
        for field in METADATA_FIELDS
    ]
    parts = [sum(filled) / len(filled)]
    if columns:
        parts.append(sum(bool(note and note.strip()) for note in columns) / len(columns))
    return sum(parts) / len(parts)


def completeness(cells: int, missing: int) -> float:
    """1 while fewer than half of the cells are missing, else the share that is there. Raises ValueError without cells."""
    if cells <= 0 or not 0 <= missing <= cells:
        raise ValueError(f"completeness: expected 0 to {cells} missing of at least one cell, found {missing}")
    rate = missing / cells
    return 1.0 if rate < 0.5 else 1 - rate


def accessibility(store: Store, *, tags: int, has_pipeline: bool, formats: Collection[str] = ()) -> float:
    """Mean of a part for tags and one for a pipeline; files in closed formats only have nothing of the latter."""
    if store == "filestore" and formats and {name.upper() for name in formats} <= CLOSED_FORMATS:
        pipeline = 0.0
    elif has_pipeline:
        pipeline = 1.0 if store == "datastore" else 0.8
    else:
        pipeline = 0.5
    return ((1.0 if tags > 0 else 0.5) + pipeline) / 2
