"""The Bank of Canada's Valet service, values invented: strings under the series name, no weekends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from cityperf.portal.answers import Answer, Ask, json_answer
from cityperf.portal.sample.world import World, first_of_month, months

HOST: Final = "www.bankofcanada.ca"
_START: Final = date(2017, 1, 3)
_SERIES: Final = {
    "FXUSDCAD": ("USD/CAD", "US dollar to Canadian dollar daily exchange rate"),
    "CPI_TRIM": ("CPI-trim", "Trimmed mean inflation, year-over-year percentage"),
    "CPI_MEDIAN": ("CPI-median", "Median inflation, year-over-year percentage"),
}
_CLOSED: Final = frozenset({(1, 1), (7, 1), (9, 30), (11, 11), (12, 25), (12, 26)})


def answer(world: World, ask: Ask) -> Answer | None:
    """Observations known on the night, between start_date and end_date where these are given."""
    if ask.host != HOST:
        return None
    parts = ask.path.strip("/").split("/")
    if parts[:3] == ["valet", "lists", "series"]:
        listed = {name: {"label": label, "description": text} for name, (label, text) in _SERIES.items()}
        return json_answer({"terms": _TERMS, "series": listed})
    if (
        len(parts) not in (3, 4)
        or parts[:2] != ["valet", "observations"]
        or (len(parts) == 4 and parts[3] != "json")
    ):
        return None
    names = parts[2].split(",")
    unknown = [name for name in names if name not in _SERIES]
    if unknown:
        return json_answer({"message": f"Series {unknown[0]} not found.", "docs": _DOCS}, status=404)
    try:
        start = date.fromisoformat(ask.query.get("start_date", _START.isoformat()))
        end = min(date.fromisoformat(ask.query.get("end_date", ask.night.isoformat())), ask.night)
    except ValueError as error:
        return json_answer(
            {"message": f"Bad observations request parameters: {error}", "docs": _DOCS}, status=400
        )
    merged: dict[date, dict[str, Any]] = {}
    for name in names:
        for day, value in _observations(world, name, ask.night):
            if start <= day <= end:
                merged.setdefault(day, {"d": day.isoformat()})[name] = {"v": value}
    detail = {
        name: {
            "label": _SERIES[name][0],
            "description": _SERIES[name][1],
            "dimension": {"key": "d", "name": "Date"},
        }
        for name in names
    }
    observations = [merged[day] for day in sorted(merged)]
    return json_answer({"terms": _TERMS, "seriesDetail": detail, "observations": observations})


_TERMS: Final = {"url": "https://www.bankofcanada.ca/terms/"}
_DOCS: Final = "https://www.bankofcanada.ca/valet/docs"


def _observations(world: World, name: str, night: date) -> Iterator[tuple[date, str]]:
    if name == "FXUSDCAD":
        day = _START
        while day < night:  # a day's rate comes out in the late afternoon, after the nightly run
            if day.weekday() < 5 and (day.month, day.day) not in _CLOSED:
                years = (day - _START).days / 365.25
                slow = 0.05 * math.sin(2 * math.pi * years / 5.3) + 0.02 * math.sin(2 * math.pi * years / 1.1)
                noise = 0.004 * world.bell("fx", day) + 0.012 * world.bell("fx month", day.year, day.month)
                yield day, f"{1.33 + slow + noise:.4f}"
            day += timedelta(days=1)
        return
    for year, month in months(_START, night):
        reference = first_of_month(year, month)
        if first_of_month(year, month + 1) + timedelta(days=18) > night:
            return
        years = (reference - _START).days / 365.25
        bout = 3.4 * math.exp(-(((years - 5.5) / 1.1) ** 2))
        yield reference, f"{1.9 + bout + 0.12 * world.bell(name, year, month):.1f}"
