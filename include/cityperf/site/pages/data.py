"""A CSV file per KPI: every figure as it stands, of the city and of each area. Data has no language, so there is one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.site.measures import file_name
from cityperf.site.model import Edition, Page, Tables

COLUMNS: Final = (
    "kpi_id",
    "kpi_version",
    "geography_type",
    "geography_code",
    "period_grain",
    "period_start",
    "vintage",
    "value",
    "numerator",
    "denominator",
    "mark",
)


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """data/<kpi>.csv for each KPI of the scorecard."""
    del edition
    figures = tables.by(
        "kpi_id",
        "kpi_value",
        COLUMNS,
        where="is_latest and not is_withdrawn",
        order=("geography_type", "geography_code", "period_grain", "period_start", "kpi_version"),
    )
    for row in tables.rows("scorecard", ("kpi_id",), order=("kpi_id",)):
        kpi_id = file_name(str(row["kpi_id"]))
        rows = [[kpi_id, *(each[name] for name in COLUMNS[1:])] for each in figures.take(kpi_id)]
        yield Page(f"data/{kpi_id}.csv", "data", "en", {"rows": rows})


def render(page: Page, since: int, sample: bool) -> bytes:
    """RFC 4180. A sample says so in every row, because a file is passed on without its page."""
    del since
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*COLUMNS, "note"] if sample else COLUMNS)
    writer.writerows([*row, SAMPLE_NOTICE] if sample else row for row in page.data["rows"])
    return text.getvalue().encode()
