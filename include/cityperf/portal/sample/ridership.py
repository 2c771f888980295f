"""Monthly ridership by mode, as a transit agency leaves it on its SFTP server. Figures are invented.

A month comes out in the middle of the next one and is corrected once, a month later. The server keeps the
last six months.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from typing import Final

from cityperf.portal.answers import Answer, Make
from cityperf.portal.sample.world import World, at, first_of_month, last_of_month, published_on

FOLDER: Final = "sftp/sftp.ttc.example/outgoing/ridership"
_KEPT: Final = 6  # months
_MODES: Final = (  # mode, boardings of a month in millions, revenue per boarding
    ("bus", 21.4, 1.62), ("subway", 18.9, 1.71), ("streetcar", 4.6, 1.58), ("LRT", 1.1, 1.6),
    ("Wheel-Trans", 0.27, 1.9),
)  # fmt: skip


def drops(world: World, night: date) -> Mapping[str, Make]:
    """`ridership_YYYY-MM.csv` of the last six months that are out by the night."""
    month = date(night.year, night.month, 1)
    out: dict[str, Make] = {}
    while len(out) < _KEPT:
        month = first_of_month(month.year, month.month - 1)
        published = published_on(world, "ridership", last_of_month(month.year, month.month), 15)
        if published > night:
            continue
        corrected = published_on(world, "ridership", last_of_month(month.year, month.month + 1), 15)
        final = corrected <= night
        name = f"ridership_{month:%Y-%m}.csv"
        out[name] = functools.partial(_file, world, month, final, corrected if final else published)
    return out


def _file(world: World, month: date, final: bool, when: date) -> Answer:
    season = (0.97, 0.99, 1.04, 1.0, 1.02, 1.0, 0.95, 0.94, 1.08, 1.07, 1.03, 0.91)[month.month - 1]
    lines = ["Month,Mode,Boardings,Revenue"]
    for mode, millions, fare in _MODES:
        riders = millions * 1e6 * season * (1 + 0.02 * world.bell("ridership", mode, month))
        if not final:
            riders *= 1 + 0.004 * world.bell("ridership before correction", mode, month)
        lines.append(f'{month:%Y-%m},{mode},{riders:.0f},"${riders * fare:,.2f}"')
    return Answer("\n".join([*lines, ""]).encode(), media_type="text/csv", last_modified=at(when))
