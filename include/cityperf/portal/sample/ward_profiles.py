"""Ward profiles: a workbook with a sheet per census, characteristics down, the city and its 25 wards across.

The figures are invented. Kept on purpose: a title block over the header, a header whose first cell is empty and that comes
again before each topic, labels that repeat, counts rounded to 5 so that wards need not add up to the city.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource
from cityperf.portal.sample import workbook
from cityperf.portal.sample.neighbourhoods import population_2016
from cityperf.portal.sample.world import World, at

PACKAGE: Final = "ward-profiles-25-ward-model"
_WHEN: Final = at(date(2024, 7, 19))
_FILE: Final = "2023-wardprofiles-2011-2021-censusdata_rev0719.xlsx"
_WARDS: Final = 25
_SHEETS: Final = {2021: "2021 One Variable", 2016: "2016 Census One Variable"}
_HEADER: Final = (None, "Toronto", *(f"Ward {number}" for number in range(1, _WARDS + 1)))
_HOUSEHOLD_SHARE: Final = 0.985  # of the residents; the rest lives in institutions


def package(world: World, _night: date) -> Package:
    """The package with the profiles of two censuses in one workbook; it does not change any more."""
    resource = Resource(
        PACKAGE, "2023-WardProfiles-2011-2021-CensusData", _FILE, "XLSX", _WHEN,
        functools.partial(_profiles, world),
    )  # fmt: skip
    fields = {
        "owner_division": "City Planning",
        "refresh_rate": "As available",
        "topics": "Community services",
        "excerpt": "SAMPLE ward profiles: invented figures in the shape of the published file.",
        "notes": "SAMPLE data made by the portal. No census counted these people.",
    }
    return Package(PACKAGE, "Ward Profiles (25-Ward Model)", (resource,), fields)


def _profiles(world: World) -> Answer:
    def write(path: Path) -> None:
        workbook.write(
            path, [(_SHEETS[year], _rows(world, year)) for year in sorted(_SHEETS, reverse=True)], _WHEN
        )

    cached = world.cache.file("neighbourhoods/ward-profiles.xlsx", write)
    return file_answer(cached, last_modified=_WHEN, name=_FILE)


def _rows(world: World, year: int) -> Iterator[list[workbook.Cell]]:
    rng = world.rng("ward profiles")
    shares = rng.dirichlet(np.full(_WARDS, 60.0))
    growth = rng.normal(1.02, 0.04, _WARDS)
    people = sum(population_2016(world).values()) * shares * _HOUSEHOLD_SHARE
    if year == 2021:
        people = people * growth

    def counts(label: str, share: float) -> list[workbook.Cell]:
        values = np.append(people.sum(), people) * share
        return [label, *(int(each) for each in np.rint(values / 5) * 5)]

    yield ["City of Toronto Profiles"]
    yield [f"Census {year}, 25 wards"]
    for number in range(3, 17):
        yield [f"SAMPLE: an invented note, line {number}"]
    yield ["Population"]
    yield list(_HEADER)
    yield counts("Total - Age", 1.0)
    for label, share in (("  0 to 14 years", 0.14), ("  15 to 64 years", 0.7), ("  65 years and over", 0.16)):
        yield counts(label, share)
    yield ["Occupied Private Dwellings"]
    yield list(_HEADER)
    yield counts("Total - Occupied private dwellings by structural type of dwelling", 0.42)
    yield counts("  Other", 0.05)
    yield ["Households"]
    yield list(_HEADER)
    yield counts("Total - Household type", 0.42)
    yield counts("  Other", 0.03)
