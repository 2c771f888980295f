"""Write the calendar seeds: fiscal periods by month and Ontario's public holidays by day.

The City's fiscal year is the calendar year. Holidays come from the `holidays` library, days taken in lieu
included.

Usage: python dbt_project/scripts/make_calendar.py
"""

from __future__ import annotations

import csv
from calendar import monthrange
from datetime import date
from pathlib import Path

import holidays

SEEDS = Path(__file__).resolve().parents[1] / "seeds"
YEARS = range(2000, 2036)


def fiscal_periods() -> list[dict[str, object]]:
    """One row per month: fiscal year, period 1-12, quarter, first and last day."""
    return [
        {
            "fiscal_year": year,
            "fiscal_period": month,
            "fiscal_quarter": (month + 2) // 3,
            "period_start": date(year, month, 1),
            "period_end": date(year, month, monthrange(year, month)[1]),
        }
        for year in YEARS
        for month in range(1, 13)
    ]


def ontario_holidays() -> list[dict[str, object]]:
    """One row per day off by Ontario law; a day in lieu is marked as observed."""
    found = holidays.country_holidays("CA", subdiv="ON", years=YEARS, language="en_CA")
    return [
        {
            "holiday_date": day,
            "holiday_name": name.replace(" (observed)", ""),
            "is_observed": str("(observed)" in name).lower(),
        }
        for day, name in sorted(found.items())
        if day.year in YEARS
    ]


def write(name: str, rows: list[dict[str, object]]) -> None:
    with (SEEDS / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    write("fiscal_periods", fiscal_periods())
    write("ontario_holidays", ontario_holidays())
