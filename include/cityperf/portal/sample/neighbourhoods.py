"""Neighbourhood profiles, transposed: characteristics down, neighbourhoods across. The 2016 census in a CSV over
the model of 140, the 2021 census in a workbook over the model of 158.

Names and numbers of the neighbourhoods are real, the figures are invented. Kept on purpose: numbers with
commas, percentages and words among them, hierarchy by leading spaces, labels that repeat, a city column that
is not always the sum of the others.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource
from cityperf.portal.sample import workbook
from cityperf.portal.sample.world import World, at, table

PACKAGE: Final = "neighbourhood-profiles"
_WHEN: Final = at(date(2018, 4, 26))
_WHEN_2021: Final = at(date(2023, 11, 9))
_FILE_2021: Final = "nbhd_2021_census_profile_full_158model.xlsx"
_POPULATION, _FAMILIES, _HOUSING = "Population", "Families, households and marital status", "Housing"
_AGES: Final = ("0 to 04", "05 to 09", "10 to 14", "15 to 19", "20 to 24", "25 to 29", "30 to 34", "35 to 39",
                "40 to 44", "45 to 49", "50 to 54", "55 to 59", "60 to 64", "65 to 69", "70 to 74",
                "75 to 79",
                "80 to 84")  # fmt: skip


def package(world: World, _night: date) -> Package:
    """The package with the profiles of 2016 and 2021; they do not change any more."""
    resource = Resource(
        PACKAGE, "neighbourhood-profiles-2016-140-model csv", "neighbourhood-profiles-2016-140-model.csv",
        "CSV", _WHEN,
        functools.partial(_profiles, world),
    )  # fmt: skip
    newer = Resource(
        PACKAGE, "neighbourhood-profiles-2021-158-model", _FILE_2021, "XLSX", _WHEN_2021,
        functools.partial(_profiles_2021, world),
    )  # fmt: skip
    fields = {
        "owner_division": "Social Development, Finance & Administration",
        "refresh_rate": "As available",
        "topics": "Community services",
        "excerpt": "SAMPLE neighbourhood profiles: invented figures in the shape of the published file.",
        "notes": "SAMPLE data made by the portal. No census counted these people.",
    }
    return Package(PACKAGE, "Neighbourhood Profiles", (resource, newer), fields)


def population_2016(world: World) -> dict[int, int]:
    """Invented residents of each of the 140 neighbourhoods."""
    rng = world.rng("population 2016")
    drawn = rng.lognormal(9.75, 0.42, len(table("neighbourhoods_140")))
    return {int(n["id"]): int(p) for n, p in zip(table("neighbourhoods_140"), drawn, strict=True)}


def _profiles(world: World) -> Answer:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            names = [n["name"] for n in table("neighbourhoods_140")]
            writer.writerow(
                ["_id", "Category", "Topic", "Data Source", "Characteristic", "City of Toronto", *names]
            )
            writer.writerows([number, *row] for number, row in enumerate(_rows(world), start=1))

    cached = world.cache.file("neighbourhoods/profiles-2016.csv", write)
    return file_answer(cached, last_modified=_WHEN, name="neighbourhood-profiles-2016-140-model.csv")


def _rows(world: World) -> list[list[str]]:
    places = table("neighbourhoods_140")
    people = np.array(list(population_2016(world).values()))
    rng = world.rng("profiles 2016")
    census = "Census Profile 98-316-X2016001"
    rows: list[list[str]] = []

    def add(
        category: str, topic: str, label: str, city: str, values: list[str], source: str = census
    ) -> None:
        rows.append([category, topic, source, label, city, *values])

    def counts(
        category: str, topic: str, label: str, values: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> None:
        add(category, topic, label, f"{int(values.sum()):,}", [f"{v:,}" for v in values.tolist()])

    information = "Neighbourhood Information"
    add(information, information, "Neighbourhood Number", "", [p["id"] for p in places], "City of Toronto")
    kinds = np.array(["No Designation", "NIA", "Emerging Neighbourhood"])[
        rng.choice(3, len(places), p=[0.72, 0.22, 0.06])
    ]
    add(information, information, "TSNS2020 Designation", "", [str(k) for k in kinds], "City of Toronto")
    topic = "Population and dwellings"
    counts(_POPULATION, topic, "Population, 2016", people)
    before = (people / (1 + rng.normal(0.045, 0.05, people.size))).astype(np.int64)
    counts(_POPULATION, topic, "Population, 2011", before)
    change = people / before - 1
    add(_POPULATION, topic, "Population Change 2011-2016", f"{people.sum() / before.sum() - 1:.2%}",
        [f"{c:.2%}" for c in change.tolist()])  # fmt: skip
    dwellings = (people / rng.normal(2.4, 0.25, people.size)).astype(np.int64)
    counts(_POPULATION, topic, "Total private dwellings", dwellings)
    area = rng.lognormal(1.35, 0.45, people.size)
    add(_POPULATION, topic, "Population density per square kilometre", f"{int(people.sum() / area.sum()):,}",
        [f"{int(d):,}" for d in (people / area).tolist()])  # fmt: skip
    add(
        _POPULATION,
        topic,
        "Land area in square kilometres",
        f"{area.sum():.1f}",
        [f"{a:.2f}" for a in area.tolist()],
    )
    topic = "Age characteristics"
    for label, share in (("Children (0-14 years)", 0.146), ("Youth (15-24 years)", 0.125),
                         ("Working Age (25-54 years)", 0.45), ("Pre-retirement (55-64 years)", 0.123),
                         ("Seniors (65+ years)", 0.156)):  # fmt: skip
        counts(_POPULATION, topic, label, _rounded_to_5(people * share * rng.normal(1, 0.1, people.size)))
    for sex in ("Male", "Female"):
        for ages in _AGES:
            counts(
                _POPULATION,
                topic,
                f"{sex}: {ages} years",
                _rounded_to_5(people * 0.026 * rng.normal(1, 0.2, people.size)),
            )
    topic = "Household and dwelling characteristics"
    counts(
        _FAMILIES,
        topic,
        "Occupied private dwellings by structural type of dwelling",
        _rounded_to_5(dwellings * 0.94),
    )
    for label, share in (("  Single-detached house", 0.24),
                         ("  Apartment in a building that has five or more storeys", 0.44),
                         ("  Other attached dwelling", 0.31)):  # fmt: skip
        counts(_FAMILIES, topic, label, _rounded_to_5(dwellings * share * rng.uniform(0.4, 1.5, people.size)))
    income = _rounded_to_5(rng.lognormal(11.1, 0.32, people.size))
    add("Income", "Income of households in 2015", "Total income: Average amount ($)",
        f"{int(income.mean()):,}",
        [f"{i:,}" for i in income.tolist()])  # fmt: skip
    for topic in ("Household characteristics", "Tenure"):
        counts(
            _HOUSING, topic, "  Owner", _rounded_to_5(dwellings * 0.52 * rng.uniform(0.6, 1.4, people.size))
        )
        counts(
            _HOUSING, topic, "  Renter", _rounded_to_5(dwellings * 0.46 * rng.uniform(0.6, 1.4, people.size))
        )
    return rows


def _profiles_2021(world: World) -> Answer:
    def write(path: Path) -> None:
        workbook.write(path, [("hd2021_census_profile", _rows_2021(world))], _WHEN_2021)

    cached = world.cache.file("neighbourhoods/profiles-2021.xlsx", write)
    return file_answer(cached, last_modified=_WHEN_2021, name=_FILE_2021)


def _rows_2021(world: World) -> Iterator[list[workbook.Cell]]:
    """Labels repeat from topic to topic, and nothing but the order of the rows tells them apart."""
    places = table("neighbourhoods_158")
    rng = world.rng("profiles 2021")
    people = rng.lognormal(9.7, 0.42, len(places))
    yield ["Neighbourhood Name", *(place["name"] for place in places)]
    yield ["Neighbourhood Number", *(int(place["id"]) for place in places)]
    kinds = np.array(["Not an NIA or Emerging Neighbourhood", "Neighbourhood Improvement Area",
                      "Emerging Neighbourhood"])[rng.choice(3, len(places), p=[0.73, 0.21, 0.06])]  # fmt: skip
    yield ["TSNS 2020 Designation", *map(str, kinds)]

    def counts(label: str, share: float, spread: float = 0.1) -> list[workbook.Cell]:
        return [label, *_rounded_to_5(people * share * rng.normal(1, spread, people.size)).tolist()]

    yield counts("Total - Age groups of the population - 25% sample data", 1.0, 0.0)
    for label, share in (
        ("  0 to 14 years", 0.14),
        ("  15 to 64 years", 0.69),
        ("  65 years and over", 0.17),
    ):
        yield counts(label, share)
    for ages in range(0, 85, 5):
        yield counts(f"    {ages} to {ages + 4} years", 0.055, 0.2)
    yield counts("Total - Private households by tenure - 25% sample data", 0.41)
    for label, share in (
        ("  Owner", 0.21),
        ("  Renter", 0.2),
        ("  Dwelling provided by local government", 0.0),
    ):
        yield counts(label, share, 0.3)
    income = rng.lognormal(11.3, 0.3, people.size)
    yield ["Median total income of household in 2020 ($)", *(int(round(each, -3)) for each in income)]
    low = rng.uniform(5, 25, people.size)
    yield ["Prevalence of low income based on the Low-income measure, after tax (LIM-AT) (%)",
           *(round(float(each), 1) for each in low)]  # fmt: skip
    for topic in ("Total - Immigrant status", "Total - Visible minority"):
        yield counts(f"{topic} for the population in private households - 25% sample data", 0.99)
        yield counts("  Other", 0.05, 0.3)
    rate = rng.uniform(48, 68, people.size)
    yield ["Employment rate", *(round(float(each), 1) for each in rate)]


def _rounded_to_5(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return (np.rint(values / 5) * 5).astype(np.int64)
