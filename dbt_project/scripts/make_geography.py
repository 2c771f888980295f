"""Write the geography seeds from the City's published boundary files.

Usage: python dbt_project/scripts/make_geography.py FOLDER

FOLDER holds city-wards-25.geojson and neighbourhoods-140.geojson (City of Toronto) below `geography/` and
Neighbourhood_Crime_Rates_Open_Data.geojson (Toronto Police Service), which carries the 158 model, below
`tps-crime/`.

Which new neighbourhood was cut from which old one is read from the shapes: every area is sampled on a grid of
about 35 m, and the share of an old area's samples that fall in a new one is its share of the area.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
STEP = 0.0004  # degrees
SLIVER = 0.02  # boundaries were redrawn by hand: a smaller overlap is a drawing difference


def features(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
    return loaded


def name_of(feature: dict[str, Any]) -> str:
    """The area's name without the number that some files append."""
    return re.sub(r"\s*\(\d+\)$", "", " ".join(str(feature["properties"]["AREA_NAME"]).split()))


def rings(feature: dict[str, Any]) -> list[np.ndarray]:
    geometry = feature["geometry"]
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [np.asarray(ring, dtype=float)[:, :2] for polygon in polygons for ring in polygon]


def inside(feature: dict[str, Any]) -> set[tuple[int, int]]:
    """Grid cells whose centre lies in the area (even-odd rule, so holes count as outside)."""
    shape = rings(feature)
    every = np.concatenate(shape)
    west, south = np.floor(every.min(axis=0) / STEP).astype(int)
    east, north = np.ceil(every.max(axis=0) / STEP).astype(int)
    columns = np.arange(west, east + 1)
    cells: set[tuple[int, int]] = set()
    for row in range(south, north + 1):
        y = (row + 0.5) * STEP
        crossings = []
        for ring in shape:
            (x1, y1), (x2, y2) = ring[:-1].T, ring[1:].T
            hit = (y1 > y) != (y2 > y)
            crossings.append(x1[hit] + (y - y1[hit]) * (x2[hit] - x1[hit]) / (y2[hit] - y1[hit]))
        cuts = np.sort(np.concatenate(crossings))
        within = np.searchsorted(cuts, (columns + 0.5) * STEP) % 2 == 1
        cells.update((int(column), row) for column in columns[within])
    return cells


def conformance(old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]) -> list[dict[str, object]]:
    """Pairs of old and new neighbourhoods that share ground, with their shares of each other's area."""
    owner = {cell: code for code, feature in new.items() for cell in inside(feature)}
    pairs: Counter[tuple[str, str]] = Counter()
    for code, feature in old.items():
        pairs.update((code, owner[cell]) for cell in inside(feature) if cell in owner)
    old_size: Counter[str] = Counter()
    new_size: Counter[str] = Counter()
    for (a, b), cells in pairs.items():
        old_size[a] += cells
        new_size[b] += cells
    rows: list[dict[str, object]] = []
    for (a, b), cells in sorted(pairs.items()):
        share_old, share_new = cells / old_size[a], cells / new_size[b]
        if a == b:
            relation = "same" if name_of(old[a]) == name_of(new[b]) else "renamed"
        elif a not in new and b not in old and max(share_old, share_new) > SLIVER:
            relation = "split"
        else:
            continue
        exact = relation != "split"
        rows.append(
            {
                "code_140": a,
                "code_158": b,
                "relation": relation,
                "share_of_140": "1" if exact else f"{share_old:.3f}",
                "share_of_158": "1" if exact else f"{share_new:.3f}",
            }
        )
    return rows


def write(name: str, rows: list[dict[str, object]]) -> None:
    with (SEEDS / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path) -> None:
    wards = features(folder / "geography" / "city-wards-25.geojson")
    old = {
        f"{int(feature['properties']['AREA_SHORT_CODE']):03d}": feature
        for feature in features(folder / "geography" / "neighbourhoods-140.geojson")
    }
    new = {
        f"{int(feature['properties']['HOOD_ID']):03d}": feature
        for feature in features(folder / "tps-crime" / "Neighbourhood_Crime_Rates_Open_Data.geojson")
    }
    ward_names = {int(ward["properties"]["AREA_SHORT_CODE"]): name_of(ward) for ward in wards}
    write("wards_25", [{"ward_code": f"{n:02d}", "ward_name": ward_names[n]} for n in sorted(ward_names)])
    for name, areas in (("neighbourhoods_140", old), ("neighbourhoods_158", new)):
        rows: list[dict[str, object]] = [
            {"neighbourhood_code": code, "neighbourhood_name": name_of(areas[code])} for code in sorted(areas)
        ]
        write(name, rows)
    write("neighbourhood_140_to_158", conformance(old, new))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
