"""311 service requests: a ZIP a year with one cp1252 CSV, in the City's own columns; all invented.

Kept on purpose: no request id and no closing date; wards as 'Name (NN)'; accented street names and a dash
that only cp1252 has; type names that change over the years and some with '||'; a header worded differently
every fifth year; a few unquoted commas in another; winter storms, spring potholes, summer trees; statuses
that move on as months pass.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from cityperf.portal.answers import Answer, file_answer
from cityperf.portal.ckan import Package, Resource
from cityperf.portal.sample.world import (
    World,
    at,
    first_of_month,
    last_of_month,
    published_on,
    published_through,
    table,
)

PACKAGE: Final = "311-service-requests-customer-initiated"
A_YEAR: Final = 104_000  # requests in 2023, at scale 1
SOURCE: Final = "311"
_SEASONS: Final = {  # share of the yearly mean, January to December
    "flat": (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    "moving": (0.8, 0.8, 0.9, 1, 1.1, 1.2, 1.2, 1.2, 1.2, 1, 0.9, 0.7),
    "summer": (0.4, 0.4, 0.6, 0.9, 1.3, 1.6, 1.7, 1.6, 1.3, 1, 0.7, 0.5),
    "yard": (0.1, 0.1, 0.3, 1, 2, 2, 1.5, 1.3, 1.3, 1.4, 0.8, 0.2),
    "thaw": (1.4, 1.9, 2.3, 1.5, 0.9, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5, 0.7),
    "snow": (3.4, 3.3, 1.6, 0.3, 0, 0, 0, 0, 0, 0.1, 0.9, 2.4),
    "dark": (1.4, 1.2, 1, 0.8, 0.7, 0.6, 0.6, 0.8, 1, 1.2, 1.4, 1.3),
    "rain": (0.7, 0.7, 1.1, 1.2, 1.2, 1.3, 1.5, 1.2, 1, 1, 0.7, 0.4),
    "winter": (1.8, 1.7, 1.2, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.8, 0.9, 1.3),
    "wild": (0.6, 0.6, 0.8, 1.1, 1.5, 1.6, 1.4, 1.2, 1.1, 0.9, 0.7, 0.5),
    "storm": (0.6, 0.5, 0.7, 0.9, 1.3, 1.5, 1.9, 1.5, 1.1, 0.9, 0.7, 0.4),
}
_FSAS: Final = tuple(
    f"M{digit}{letter}" for digit, letters in zip(
        "1234569", ("BCEGHJKLMNPRSTVWX", "HJKLMNPR", "ABCHJKLMN", "ABCEGHJKLMNPRSTVWXY", "ABEGHJKLMNPRSTV",
                    "ABCEGHJKLMNPRS", "ABCLMNPRVW"), strict=True)
    for letter in letters
)  # fmt: skip
_STREETS: Final = (
    "Lakeshore Blvd W", "Bathurst St", "Bloor St W", "Danforth Ave", "Dufferin St", "Eglinton Ave E",
    "Finch Ave W",
    "Jane St", "Keele St", "Kingston Rd", "Lawrence Ave E", "Markham Rd", "Queen St W", "Sheppard Ave E",
    "St Clair Ave W", "Steeles Ave W", "Victoria Park Ave", "Weston Rd", "Yonge St", "Côté Crt",
    "Montréal Lane",
    "Château Cres", "Frère André Blvd", "Rue Honoré", "Gerrard St E", "Ossington Ave", "Parkside Dr",
    "Pape Ave",
)  # fmt: skip
# how a day's requests fall on its hours: from midnight, then from noon
_MORNING: Final = (0.8, 0.4, 0.3, 0.2, 0.3, 0.8, 2, 4.4, 7.6, 9.2, 9.6, 9)
_AFTERNOON: Final = (8, 7.8, 7.6, 7, 6, 4.8, 3.8, 3.2, 2.8, 2.4, 1.8, 1.2)
_HOURS: Final = np.array([*_MORNING, *_AFTERNOON])
_HEADER: Final = (
    "Creation Date,Status,{fsa},Intersection Street 1,Intersection Street 2,Ward,Service Request Type,"
    "Division,Section"
)
_DIVISIONS_2024: Final = {
    "Parks, Forestry & Recreation": "Environment, Climate & Forestry",
    "Shelter, Support & Housing Administration": "Toronto Shelter and Support Services",
}


def package(world: World, night: date) -> Package:
    """Five whole years, and the year of the night as far as it has been published."""
    covered, _published = published_through(world, SOURCE, night, 5)
    resources = []
    for year in range(night.year - 5, covered.year + 1):
        through = min(covered, date(year, 12, 31))
        when = at(published_on(world, SOURCE, through, 5))
        make = functools.partial(_archive, world, year, through, when)
        resources.append(Resource(PACKAGE, f"SR{year}", f"SR{year}.zip", "ZIP", when, make))
    fields = {
        "owner_division": "Customer Experience Division",
        "refresh_rate": "Monthly",
        "topics": "City government",
        "excerpt": "SAMPLE service requests: invented, in the shape of the published files.",
        "notes": "SAMPLE data made by the portal. Nobody made these requests.",
    }
    return Package(PACKAGE, "311 Service Requests - Customer Initiated", tuple(resources), fields)


def _archive(world: World, year: int, through: date, when: datetime) -> Answer:
    def write(path: Path) -> None:
        info = zipfile.ZipInfo(f"SR{year}.csv", date_time=(when.year, when.month, when.day, 12, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        with zipfile.ZipFile(path, "w", compresslevel=3) as archive, archive.open(info, "w") as member:
            fsa = "First 3 Characters of Postal Code" if year % 5 == 4 else "First 3 Chars of Postal Code"
            member.write(f"{_HEADER.format(fsa=fsa)}\r\n".encode("cp1252"))
            for month in range(1, through.month + 1):
                member.write("".join(_month(world, year, month, when.date())).encode("cp1252"))

    cached = world.cache.file(f"311/SR{year}-through-{through:%Y-%m}.zip", write)
    return file_answer(cached, last_modified=when, name=f"SR{year}.zip")


def _month(world: World, year: int, month: int, as_of: date) -> Iterator[str]:
    """A month's lines in order of time, with the statuses that the requests had on `as_of`."""
    rng = world.rng("311", year, month)
    types = table("service_requests")
    weather = {kind: 1 + 0.25 * world.bell("weather", kind, year, month) for kind in _SEASONS}
    share = np.array(
        [float(t["weight"]) * _SEASONS[t["season"]][month - 1] * weather[t["season"]] for t in types]
    )
    usual = sum(float(t["weight"]) for t in types)
    trend = 1 + 0.025 * (year - 2023)
    number = world.count(A_YEAR / 12 * trend * float(share.sum()) / usual)
    first, last = first_of_month(year, month), last_of_month(year, month)
    days = last.day
    weekday = np.array([(first + timedelta(days=d)).weekday() for d in range(days)])
    by_day = np.where(weekday < 5, 1.0, 0.5) * rng.gamma(12, 1 / 12, days)
    storms = rng.integers(0, days, 2)
    by_day[storms] *= 1.8
    seconds = (
        rng.choice(days, number, p=by_day / by_day.sum()) * 86_400
        + rng.choice(24, number, p=_HOURS / _HOURS.sum()) * 3600
        + rng.integers(0, 3600, number)
    )
    seconds.sort()
    moments = np.datetime64(first.isoformat(), "s") + seconds.astype("timedelta64[s]")
    kind = rng.choice(len(types), number, p=share / share.sum())
    wards = table("wards")
    demand = np.array([0.75 + 0.5 * world.unit("311 ward", w["code"]) for w in wards])
    ward = rng.choice(len(wards), number, p=demand / demand.sum())
    status = _statuses(world, rng, kind, ward, (as_of - first).days * 86_400 - seconds)
    place = rng.integers(0, len(_STREETS), (2, number))
    drawn = rng.random((2, number))
    former = year < 2023
    tails = [_tail(t, former=former, year=year) for t in types]
    names = [f"{w['name']} ({w['code']})" for w in wards]
    fsas = [[_FSAS[(i * 5 + j * 7) % len(_FSAS)] for j in range(6)] for i in range(len(wards))]
    loose = year % 5 == 3
    stamps = np.datetime_as_string(moments, unit="s").tolist()
    for i, (stamp, k, w, s, x, y, at_corner, odd) in enumerate(
        zip(stamps, kind.tolist(), ward.tolist(), status, place[0].tolist(), place[1].tolist(),
            drawn[0].tolist(),
            drawn[1].tolist(), strict=True)
    ):  # fmt: skip
        where = (
            f"Intersection,{_STREETS[x]},{_STREETS[y]}" if at_corner < 0.12
            else f"{fsas[w][i % 6]},{_STREETS[x] if at_corner < 0.2 else ''},"
        )  # fmt: skip
        ward_name = names[w] if odd > 0.0001 else "Unknown"
        tail = tails[k]
        if loose and odd > 0.99975 and '"' in tail:
            tail = tail.replace('"', "")  # the comma of a division's name, written as if it parted columns
        yield f"{stamp[:10]} {stamp[11:]}.0000000,{s},{where},{ward_name},{tail}\r\n"


def _statuses(
    world: World,
    rng: np.random.Generator,
    kind: np.ndarray[tuple[int], np.dtype[np.int64]],
    ward: np.ndarray[tuple[int], np.dtype[np.int64]],
    age: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> list[str]:
    """Where each request stands `age` seconds after it was made; some types and wards are slower."""
    types = table("service_requests")
    slow = np.array([0.8 + 0.5 * world.unit("311 slow", w["code"]) for w in table("wards")])
    days = np.array([float(t["days"]) for t in types])[kind] * slow[ward]
    needed = rng.exponential(1.0, kind.size) * days * 86_400
    never = rng.random(kind.size) < np.array([float(t["open"]) for t in types])[kind] * slow[ward] * 0.5
    done = (needed <= age) & ~never
    ending = rng.random(kind.size)
    fresh = age < 3 * 86_400
    codes = np.where(
        done,
        np.where(ending < 0.78, 0, np.where(ending < 0.94, 1, 2)),
        np.where(fresh | (ending < 0.15), 3, 4),
    )
    names = ("Completed", "Closed", "Cancelled", "New", "In Progress")
    return [names[c] for c in codes.tolist()]


def _tail(kind: dict[str, str], *, former: bool, year: int) -> str:
    name = kind["former"] if former else kind["type"]
    division = _DIVISIONS_2024.get(kind["division"], kind["division"]) if year >= 2024 else kind["division"]
    return ",".join(f'"{text}"' if "," in text else text for text in (name, division, kind["section"]))
