"""The feed behind the City's dashboard, in its real shape with its real flaws; the figures are invented.

Measures, thresholds and directions are the real ones (tables/measures.json). Kept on purpose: ids as numbers,
so 1.10 arrives as 1.1; line breaks and `&amp;` in names; thresholds as text and "True"/"False"; null values;
annual rows whose period is the year; targets as a list with a single object.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from datetime import date, timedelta
from typing import Any, Final

from cityperf.portal.answers import Answer, Ask
from cityperf.portal.sample.world import TABLES, World, at, first_of_month, working_day

HOST: Final = "www.toronto.ca"
_CRIME: Final = frozenset({"3.01", "3.02", "3.03", "3.04", "3.05", "3.06", "3.07", "3.08"})
_TRADE: Final = {"1.10": 21, "1.07": 20}  # months during which a figure is still revised
_LABOUR: Final = frozenset({"1.01", "1.02", "1.03", "1.04", "1.06", "1.051"})
_WITH_TARGET: Final = ("2.05", "2.10", "2.12", "2.17", "2.15", "2.40", "2.41", "2.42", "2.43")
_PANDEMIC: Final = {  # lowest share of the usual level, and years until it is back
    "2.03": (0.25, 3.5), "2.05": (0.2, 3.5), "2.10": (0.2, 3.5), "2.40": (0.15, 2.5), "2.41": (0.2, 3.0),
    "2.32": (0.1, 2.5), "2.33": (0.1, 2.5), "2.34": (0.25, 2.0), "2.35": (0.3, 2.0), "2.38": (0.1, 2.5),
    "2.39": (0.1, 2.5), "2.041": (0.4, 3.0), "2.042": (0.35, 3.0), "1.15": (0.6, 0.8),
}  # fmt: skip
# A count that was redefined: from this period on the series stands on another level.
_BREAKS: Final = {"2.18": ((2022, 2), 0.712), "2.26": ((2023, 1), 1.29)}
# A measure whose name the City changed, and the day from which the feed carries the new one.
_RENAMED: Final = {
    "2.19": (date(2025, 6, 2), "Number of Rent Bank Loans and Grants Issued "),
    "2.26": (
        date(2025, 6, 2),
        "Shelter &amp; Overnight Services Use\nSingles (Average Individual Per Night) ",
    ),
    "2.27": (
        date(2025, 6, 2),
        "Shelter &amp; Overnight Services Use\nFamilies (Average Individuals Per Night) ",
    ),
}
_PERIODS: Final = {"m": 12, "q": 4, "s": 4, "y": 1}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November",
    "December",
)  # fmt: skip


def answer(world: World, ask: Ask) -> Answer | None:
    """The measures or the notes as of the night; a weekend serves Friday's, for the City's job runs on
    working days.
    """
    path = ask.path.rstrip("/")
    if ask.host != HOST or path not in ("/app_content/tpp_measures", "/app_content/tpp_narratives"):
        return None
    edition = working_day(ask.night)
    make = _measures_body if path.endswith("measures") else _narratives_body
    body = make(world, edition)
    return Answer(body=body, media_type="application/json;charset=UTF-8", last_modified=at(edition, 2))


@functools.lru_cache(maxsize=4)
def _measures_body(world: World, edition: date) -> bytes:
    measures = ",\n".join(_measure_text(world, m, edition) for m in _table())
    targets = ",\n".join(
        f'"{_number(m["id"])}":{_points(target_points(world, m, edition))}'
        for m in _table()
        if m["id"] in _WITH_TARGET
    )
    names = sorted({category for m in _table() for category in m["c"]})
    categories = " ,".join(json.dumps(name) for name in names)
    text = f'{{"measures": [\n{measures}],\n"targets": [{{\n{targets}}}],\n"categories": [ {categories} ]}}\n'
    return text.encode()


@functools.lru_cache(maxsize=4)
def _narratives_body(world: World, edition: date) -> bytes:
    notes = []
    for m in _table():
        if world.unit("has note", m["id"]) < 0.3 and m["id"] != "1.16":
            continue
        points = measure_points(world, m, edition)[-3:]
        paragraphs = [_paragraph(world, m, p, q) for q, p in itertools.pairwise(points)]
        if m["id"] == "1.16":
            paragraphs.append("A note without a period, which the City's own reader drops.")
        if paragraphs:
            notes.append(f'{{"id":{_number(m["id"])},"n":{json.dumps("<br /><br />".join(paragraphs))}}}')
    return ('{"narratives": [\n' + ",\n".join(notes) + "]}\n").encode()


def _paragraph(world: World, m: dict[str, Any], point: dict[str, Any], before: dict[str, Any]) -> str:
    period = point["p"]
    if m["it"] == "m":
        when = f"{_MONTHS[period - 1]} {point['y']}"
    elif m["it"] == "y":
        when = f"Annual {point['y']}"
    elif m["it"] == "q":
        when = f"Quarter {period} {point['y']}"
    else:
        when = f"{('Winter', 'Spring', 'Summer', 'Fall')[period - 1]} {point['y']}"
    old, new = before["v"], point["v"]
    if not isinstance(old, (int, float)) or not isinstance(new, (int, float)) or old == new:
        moved = "was about the same as in the period before"
    else:
        moved = "rose" if new > old else "fell"
    return f"[{when}] Sample note: the figure {moved}."


def measure_points(world: World, m: dict[str, Any], edition: date) -> list[dict[str, Any]]:
    """See `_measure_points`; made once per edition, for feed and notes both need them."""
    return _measure_points(world, m["id"], edition)


@functools.lru_cache(maxsize=160)
def _measure_points(world: World, identity: str, edition: date) -> list[dict[str, Any]]:
    """`[{"y": 2024, "p": 3, "v": 1234}, ...]`: what the City had published by the evening of `edition`."""
    m = next(each for each in _table() if each["id"] == identity)
    periods = _PERIODS[m["it"]]
    year, period = m["start"]
    points = []
    while True:
        end = period_end(m["it"], year, period)
        if _published(world, m, year, period, end) > edition:
            break
        label = year if m["it"] == "y" else period
        points.append({"y": year, "p": label, "v": _value(world, m, year, period, end, edition)})
        year, period = (year, period + 1) if period < periods and m["it"] != "y" else (year + 1, 1)
    return points


def target_points(world: World, m: dict[str, Any], edition: date) -> list[dict[str, Any]]:
    """Targets from 2010 to the end of the edition's year: set a year ahead, a little above the trend."""
    wish = 1.02 if m["dd"] == "Up" else 0.98
    points = []
    for year in range(2010, edition.year + 1):
        for period in range(1, _PERIODS[m["it"]] + 1):
            fraction = (period - 0.5) / _PERIODS[m["it"]]
            level = _trend(world, m, year, fraction, with_cycle=False) * _season(m, period)
            if m["id"] in _PANDEMIC:
                level *= 0.5 + 0.5 * _pandemic(m["id"], year + fraction)
            value = level * wish * (1 + 0.015 * world.bell("target", m["id"], year, period))
            points.append({"y": year, "p": period, "v": _rounded(m, value)})
    return points


def period_end(interval: str, year: int, period: int) -> date:
    """The last day of a period; winter of a year runs from December before to February, and so on."""
    match interval:
        case "m":
            return first_of_month(year, period + 1) - timedelta(days=1)
        case "q":
            return first_of_month(year, 3 * period + 1) - timedelta(days=1)
        case "s":
            return first_of_month(year, 3 * period) - timedelta(days=1)
        case _:
            return date(year, 12, 31)


def _published(world: World, m: dict[str, Any], year: int, period: int, end: date) -> date:
    usual = 12 + int(45 * world.unit("publication lag", m["id"]))
    if m["it"] == "y":
        usual += 60
    late = world.unit("late", m["id"], year, period)
    extra = int(3 + 300 * (late - 0.94)) if late > 0.94 else 0
    return end + timedelta(days=usual + extra)


def _value(
    world: World, m: dict[str, Any], year: int, period: int, end: date, edition: date
) -> float | int | None:
    identity = m["id"]
    if world.unit("null", identity, year, period) < 0.003:
        return None
    final = _final(world, m, year, period)
    age = (edition - end).days
    if identity in _CRIME and age < 730:
        # Reports keep coming in for two years: the first count is a little too low.
        missing = 0.02 + 0.05 * world.unit("under-count", identity, year, period)
        final *= 1 - missing * math.exp(-age / 150)
    elif identity in _TRADE and age < 30 * _TRADE[identity]:
        wave = world.bell("revision", identity, year, period) * 0.01
        steps = math.floor(age / 30) + 1  # a new estimate every month
        final *= 1 + wave / steps + 0.0015 * world.bell("monthly", identity, year, period, steps) / steps
    elif identity in _LABOUR:
        # Re-based once a year, at the end of January: every point of the history moves.
        base = edition.year if (edition.month, edition.day) >= (1, 29) else edition.year - 1
        final *= 1 + 0.0025 * world.bell("re-based", identity, year, period, base)
    elif age < 75 and world.unit("preliminary", identity, year, period) < 0.35:
        final *= 1 + 0.012 * world.bell("preliminary by", identity, year, period)
    return _rounded(m, final)


def _final(world: World, m: dict[str, Any], year: int, period: int) -> float:
    identity = m["id"]
    fraction = (period - 0.5) / _PERIODS[m["it"]]
    noise = m["noise"] * 0.6 * world.bell("noise", identity, year, period)
    value = _trend(world, m, year, fraction, with_cycle=True) * _season(m, period) * (1 + noise)
    if identity in _PANDEMIC:
        value *= _pandemic(identity, year + fraction)
    if identity in _BREAKS:
        (since_year, since_period), factor = _BREAKS[identity]
        if (year, period) >= (since_year, since_period):
            value *= factor
    return float(value)


def _trend(world: World, m: dict[str, Any], year: int, fraction: float, *, with_cycle: bool) -> float:
    years = year + fraction - 2019.0
    # Growth slows with distance, so that no series explodes far from its anchor.
    level = m["level"] * math.exp(
        math.log1p(m["growth"]) * math.copysign(min(abs(years), 4 + abs(years) / 3), years)
    )
    if with_cycle:
        phase = 2 * math.pi * world.unit("phase", m["id"])
        level *= 1 + min(0.06, 0.8 * m["noise"]) * math.sin(2 * math.pi * years / 6.5 + phase)
    return float(level)


def _season(m: dict[str, Any], period: int) -> float:
    return float(m["season"][period - 1]) if m["season"] else 1.0


def _pandemic(identity: str, when: float) -> float:
    lowest, years = _PANDEMIC[identity]
    since = when - 2020.25
    if since < 0:
        return 1.0
    return 1 - (1 - lowest) * max(0.0, 1 - since / years)


def _rounded(m: dict[str, Any], value: float) -> float | int:
    return round(value, m["dec"]) if m["dec"] else round(value)


def _measure_text(world: World, m: dict[str, Any], edition: date) -> str:
    name = m["name"]
    if m["id"] in _RENAMED and edition >= _RENAMED[m["id"]][0]:
        name = _RENAMED[m["id"]][1]
    fields = {
        "m": name, "it": m["it"], "vt": m["vt"], "ytd": m["ytd"], "ht": "False", "v": m["v"], "yv": m["yv"],
        "bv": m["bv"], "da": m["da"], "dd": m["dd"], "c": m["c"], "ds": m["ds"], "cp": m["cp"], "kw": m["kw"],
    }  # fmt: skip
    inner = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[1:-1]
    return f'{{"id":{_number(m["id"])},{inner},"vs": {_points(measure_points(world, m, edition))}}}'


def _points(points: list[dict[str, Any]]) -> str:
    return json.dumps(points, separators=(",", ":"))


def _number(identity: str) -> str:
    """The id as the feed writes it: a JSON number, which loses the zero of 1.10."""
    return repr(float(identity))


@functools.cache
def _table() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((TABLES / "measures.json").read_text(encoding="utf-8"))
    return loaded
