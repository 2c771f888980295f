"""Neighbourhood crime rates as a feature layer over the 158 neighbourhoods: real places, invented counts.

As in the real layer a count of none is null, a rate is count / that year's population x 100,000, and only the
newest year's population is in the layer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import numpy as np

from cityperf.portal import arcgis
from cityperf.portal.answers import Answer, Ask
from cityperf.portal.sample.world import World, table

HOST: Final = "services.arcgis.com"
PATH: Final = (
    "/S9th0jAJ7bqgIRjw/arcgis/rest/services/Neighbourhood_Crime_Rates_Open_Data/FeatureServer/0"
)  # fmt: skip
FIRST_YEAR: Final = 2014
_RATES: Final = {  # per 100,000 residents: level, yearly growth
    "ASSAULT": (720, 0.02), "AUTOTHEFT": (220, 0.09), "BIKETHEFT": (110, -0.02), "BREAKENTER": (230, -0.01),
    "HOMICIDE": (2.4, 0.0), "ROBBERY": (100, -0.02), "SHOOTING": (12, 0.0), "THEFTFROMMV": (330, 0.0),
    "THEFTOVER": (45, 0.03),
}  # fmt: skip


def answer(world: World, ask: Ask) -> Answer | None:
    """The layer as of the night. A year joins it on 15 February of the next."""
    if ask.host != HOST:
        return None
    newest = ask.night.year - 1 if ask.night >= date(ask.night.year, 2, 15) else ask.night.year - 2
    layer = arcgis.Layer(
        host=HOST,
        path=PATH,
        name="Neighbourhood_Crime_Rates_Open_Data",
        collection=functools.partial(collection, world, newest),
        max_record_count=100,
    )
    return arcgis.answer(ask, layer)


@functools.lru_cache(maxsize=2)
def collection(world: World, newest: int) -> Mapping[str, Any]:
    """The GeoJSON of all 158 neighbourhoods with years 2014 to `newest`."""
    years = range(FIRST_YEAR, newest + 1)
    features = []
    for number, place in enumerate(table("neighbourhoods_158"), start=1):
        identity = int(place["id"])
        start = 9_000 + 21_000 * world.unit("residents", identity) ** 1.4
        growth = 0.002 + 0.02 * world.unit("growth", identity)
        residents = {
            y: int(start * math.pow(1 + growth, y - FIRST_YEAR)) for y in range(FIRST_YEAR, newest + 1)
        }
        properties: dict[str, Any] = {"OBJECTID_1": number, "AREA_NAME": place["name"], "HOOD_ID": identity}
        for crime, (level, trend) in _RATES.items():
            here = math.exp(0.5 * world.bell("crime here", crime, identity))
            # One stream, drawn in the order of the years: a new year never changes an older one.
            rng = world.rng("crime", crime, identity)
            counts = {}
            for year in years:
                cycle = 1 + 0.12 * math.sin((year - FIRST_YEAR) / 1.7 + len(crime))
                if year == 2020:
                    cycle *= 0.85
                expected = (
                    residents[year] / 1e5 * level * here * cycle * math.pow(1 + trend, min(year, 2026) - 2019)
                )
                counts[year] = int(rng.poisson(expected))
            properties |= {f"{crime}_{y}": c or None for y, c in counts.items()}
            properties |= {f"{crime}_RATE_{y}": _rate(c, residents[y]) for y, c in counts.items()}
        properties[f"POPULATION_{newest}"] = residents[newest]
        geometry = _hexagon(float(place["longitude"]), float(place["latitude"]))
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    return {"type": "FeatureCollection", "features": features}


def _rate(count: int, residents: int) -> float | None:
    """Per 100,000, in the single precision that the real layer keeps; null where the count is."""
    return round(float(np.float32(count / residents * 1e5)), 7) if count else None


def _hexagon(longitude: float, latitude: float) -> dict[str, Any]:
    """A small six-sided shape round the middle of the real neighbourhood: where it is, not what it looks
    like.
    """
    corners = [
        [round(longitude + 0.008 * math.cos(a), 6), round(latitude + 0.006 * math.sin(a), 6)]
        for a in (math.pi / 3 * side for side in range(6))
    ]
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
