"""What the peer network's secretariat hands over: one CSV a year in the columns of the real database.

Municipalities, measure numbers and names are real; every figure is invented. Kept on purpose: blank results,
ratios rounded to two decimals, percentages as fractions, measures whose result is the denominator, free-text
restatements.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from cityperf.portal.answers import Answer, Make, file_answer
from cityperf.portal.sample.world import World, at, table

FOLDER: Final = "mbncanada"
_HEADER: Final = (
    "municipality_id", "municipality", "fiscal_year", "program_area", "measure_number", "measure_name",
    "measure_category", "numerator", "denominator", "result", "notes",
)  # fmt: skip
_MUNICIPALITIES: Final = (  # number, name, residents in millions
    (90001, "Calgary", 1.3), (90002, "Halifax", 0.44), (90003, "Hamilton", 0.58), (90004, "London", 0.42),
    (90005, "Montreal", 1.8), (90006, "Sudbury (Greater)", 0.17), (90007, "Toronto", 2.9),
    (90008, "Windsor", 0.23), (90009, "Winnipeg", 0.77), (90010, "Regina", 0.24),
)  # fmt: skip


def drops(world: World, night: date) -> Mapping[str, Make]:
    """`mbnc_results_<y>.csv` with all years from 2014 to y, handed over on 30 September of the next year."""
    newest = night.year - 1 if night >= date(night.year, 9, 30) else night.year - 2
    return {
        f"mbnc_results_{year}.csv": functools.partial(_results, world, year) for year in (newest - 1, newest)
    }  # fmt: skip


def _results(world: World, newest: int) -> Answer:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(_HEADER)
            for number, name, residents in _MUNICIPALITIES:
                for year in range(2014, newest + 1):
                    for measure in table("benchmarks"):
                        writer.writerow(
                            (number, name, year, *_row(world, name, residents, year, measure, newest))
                        )

    when = at(date(newest + 1, 9, 30))
    cached = world.cache.file(f"benchmarks/mbnc_results_{newest}.csv", write)
    return file_answer(cached, last_modified=when, name=f"mbnc_results_{newest}.csv")


def _row(
    world: World, municipality: str, residents: float, year: int, measure: dict[str, str], newest: int
) -> tuple[str, ...]:
    """Programme area to notes of one line. Without a denominator the result itself stands in its place."""
    number, level, decimals = measure["measure"], float(measure["result"]), int(measure["decimals"])
    named = (measure["area"], number, measure["name"], measure["category"])
    if municipality != "Toronto" and world.unit("never reports", municipality, number) < 0.12:
        return (*named, "", "", "", "Not a responsibility of this municipality")
    if municipality != "Toronto" and world.unit("no report", municipality, number, year) < 0.06:
        return (*named, "", "", "", "")
    here = math.exp(0.22 * world.bell("here", municipality, number))
    luck = 1 + 0.03 * world.bell("result", municipality, number, year)
    result = level * here * math.pow(1 + float(measure["growth"]), year - 2020) * luck
    note = ""
    if year == newest - 1 and world.unit("restated", municipality, number, newest) < 0.1:
        result *= 1 + 0.02 * world.bell("restated by", municipality, number, newest)
        note = f"Re-stated with the {newest} results"
    if 0.3 < level < 0.75:  # a share of something
        result = min(result, 0.98)
    per_million = float(measure["per_million"])
    if not per_million:
        shown = f"{result:.{decimals}f}"
        return (*named, "", shown, shown, note)
    denominator = max(1, round(per_million * residents * (1 + 0.01 * (year - 2020))))
    numerator = round(result * denominator)
    return (*named, str(numerator), str(denominator), f"{numerator / denominator:.{decimals}f}", note)
