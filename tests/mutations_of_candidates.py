"""Kinds of corruption in tables that are about to be published, and what the second border should make of them.

A candidate of the night after a release: five years of months, of a count in ten wards and the city, and of a share with its
numerator and denominator. `wanted` was written down before the first run: block (the candidate is held) or warn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cityperf import publish
from cityperf.config import Settings
from cityperf.quality import check_publish

from tests.integration.candidate import NIGHT, Row, build_candidate, sound_rows, value

Tables = dict[str, list[Row]]
TONIGHT = NIGHT + timedelta(days=30)
COUNT, SHARE = "2.05", "1.02"  # of sound_rows: more is better; less is better
MONTHS = [date(2019 + n // 12, n % 12 + 1, 1) for n in range(62)]
NEWEST = MONTHS[-1]


def _share(at: int) -> tuple[int, int]:
    """Numerator and denominator of a month: late answers among all."""
    return 7_000 + 37 * (at % 7) + 5 * at, 100_000 + 911 * (at % 5)


def _count(area: int, at: int) -> int:
    season = 40 * math.sin(at % 12)
    return round((1_000 + season + 3 * at + 7 * (at * (area + 3) % 11)) * (1 + area / 10))


def figures() -> list[Row]:
    """Every figure: all but the newest month came with the release, that one tonight."""
    rows = []
    for at, month in enumerate(MONTHS):
        came: dict[str, Any] = {"vintage": TONIGHT if month == NEWEST else NIGHT, "is_latest": True}
        late, answers = _share(at)
        share = value(SHARE, month, str(round(late / answers, 12)), **came)
        rows.append({**share, "numerator": late, "denominator": answers})
        wards = [_count(area, at) for area in range(10)]
        rows.append(value(COUNT, month, str(sum(wards)), **came))
        for area, number in enumerate(wards):
            ward: dict[str, Any] = {"geography_type": "ward", "geography_code": f"{area + 1:02d}"}
            rows.append(value(COUNT, month, str(number), **came, **ward))
    rows.append(value("1.10", date(2024, 1, 1), "137.45", is_latest=True))
    return rows


def sound(night: date) -> Tables:
    """The tables of a candidate; on the release's own night without tonight's figures."""
    wards = [
        {"geography_type": "ward", "geography_code": f"{n:02d}", "geography_name": f"Ward {n}",
         "parent_type": "city", "parent_code": "toronto"}
        for n in range(1, 11)
    ]  # fmt: skip
    rows = sound_rows(1, night)
    rollup = {
        "kpi_id": COUNT, "kpi_version": 1, "part_type": "ward", "period_grain": "month", "period_start": NEWEST,
        "rollup": "sum", "parts": 10, "parts_value": 100, "whole_type": "city", "whole_value": 100, "verdict": "reconciles",
    }  # fmt: skip
    periods = [
        {"period_grain": "month", "period_start": start, "period_end": after - timedelta(days=1),
         "calendar_year": start.year, "label_en": f"{start:%b %Y}"}
        for start, after in zip([*MONTHS, date(2062, 2, 1)], [*MONTHS[1:], date(2024, 3, 1), date(2062, 3, 1)], strict=True)
    ]  # fmt: skip
    return {
        "period": periods,
        "kpi": [{**row, "multiplier": 1, "is_flow": row["kpi_id"] == COUNT} for row in rows["kpi"]],
        "kpi_value": [row for row in figures() if row["vintage"] <= night],
        "geography": [*rows["geography"], *wards],
        "rollup_reconciliation": [rollup],
    }


@dataclass(frozen=True)
class Damage:
    """`change` gets the sound tables, may keep them, and returns the damaged ones."""

    name: str
    wanted: str
    change: Callable[[Tables], Tables]


def on(table: str, matches: Callable[[Row], bool], **new: Callable[[Row], Any]) -> Callable[[Tables], Tables]:
    """Change columns of the rows that match; each new value is made of the row."""

    def change(tables: Tables) -> Tables:
        rows = [
            {**row, **{name: make(row) for name, make in new.items()}} if matches(row) else row
            for row in tables[table]
        ]
        return {**tables, table: rows}

    return change


def without(table: str, matches: Callable[[Row], bool]) -> Callable[[Tables], Tables]:
    return lambda tables: {**tables, table: [row for row in tables[table] if not matches(row)]}


def more(
    table: str, make: Callable[[Row], Row], matches: Callable[[Row], bool]
) -> Callable[[Tables], Tables]:
    return lambda tables: {
        **tables,
        table: [*tables[table], *(make(row) for row in tables[table] if matches(row))],
    }


def tonight(kpi_id: str, place: str | None = None) -> Callable[[Row], bool]:
    return lambda row: (
        row["kpi_id"] == kpi_id
        and row["period_start"] == NEWEST
        and place in (None, row["geography_type"], row["geography_code"])
    )


def both(factor: float) -> dict[str, Callable[[Row], Any]]:
    """Figure and numerator alike, as one wrong unit changes them."""
    times: Callable[[Row], Any] = lambda row: str(round(float(row["value"]) * factor, 6))  # noqa: E731
    return {"value": times, "numerator": times}


def _before(row: Row) -> Row:
    return next(
        other
        for other in figures()
        if other["period_start"] == MONTHS[-2]
        and (other["kpi_id"], other["geography_code"]) == (row["kpi_id"], row["geography_code"])
    )


def of(kpi_id: str) -> Callable[[Row], bool]:
    return lambda row: row["kpi_id"] == kpi_id


PUBLISH = (
    Damage("numerator and denominator swapped", "block", on(
        "kpi_value", tonight(SHARE), numerator=lambda r: r["denominator"], denominator=lambda r: r["numerator"],
        value=lambda r: str(round(r["denominator"] / r["numerator"], 12)))),
    Damage("numerator and denominator swapped, figure as it was", "block", on(
        "kpi_value", tonight(SHARE), numerator=lambda r: r["denominator"], denominator=lambda r: r["numerator"])),
    Damage("a figure that is not its numerator over its denominator", "block", on(
        "kpi_value", tonight(SHARE), value=lambda r: str(float(r["value"]) * 1.1))),
    Damage("direction turned round without a version", "block", on(
        "kpi", of(SHARE), direction=lambda r: "up")),
    Damage("direction taken away without a version", "warn", on("kpi", of(SHARE), direction=lambda r: "none")),
    Damage("unit changed without a version", "block", on("kpi", of(SHARE), unit=lambda r: "percent")),
    Damage("multiplier changed without a version", "block", on("kpi", of(SHARE), multiplier=lambda r: 100)),
    Damage("a flow called a stock", "block", on("kpi", of(COUNT), is_flow=lambda r: False)),
    Damage("the month before once more, in every ward", "warn", on(
        "kpi_value", tonight(COUNT, "ward"), value=lambda r: _before(r)["value"],
        numerator=lambda r: _before(r)["numerator"])),
    Damage("the month before once more, of a share", "warn", on(
        "kpi_value", tonight(SHARE), **{name: lambda r, name=name: _before(r)[name]
                                        for name in ("value", "numerator", "denominator")})),
    Damage("wards do not make the city", "warn", on(
        "rollup_reconciliation", lambda r: True, parts_value=lambda r: 90, difference=lambda r: -10,
        verdict=lambda r: "differs")),
    Damage("shifted decimal in the city", "warn", on("kpi_value", tonight(COUNT, "city"), **both(10))),
    Damage("a thousandth in the city", "warn", on("kpi_value", tonight(COUNT, "city"), **both(0.001))),
    Damage("shifted decimal in every ward", "block", on("kpi_value", tonight(COUNT), **both(10))),
    Damage("thousands for units everywhere", "block", on("kpi_value", tonight(COUNT), **both(0.001))),
    Damage("sign turned in one ward", "warn", on("kpi_value", tonight(COUNT, "07"), **both(-1))),
    Damage("a ward's newest month is missing", "warn", without("kpi_value", tonight(COUNT, "07"))),
    Damage("a KPI is gone", "block", lambda tables: without("kpi", of(SHARE))(without("kpi_value", of(SHARE))(tables))),
    Damage("a KPI's figures are gone", "block", without("kpi_value", of(SHARE))),
    Damage("earlier months are gone", "block", without("kpi_value", lambda r: r["period_start"] < date(2021, 1, 1))),
    Damage("an earlier figure reads otherwise", "warn", on(
        "kpi_value", lambda r: r["kpi_id"] == COUNT and r["period_start"] == MONTHS[-3] and r["geography_code"] == "toronto",
        **both(1.2))),
    Damage("a month of the far future", "block", on(
        "kpi_value", tonight(COUNT, "city"), period_start=lambda r: date(2062, 2, 1))),
    Damage("two latest vintages of a month", "block", more(
        "kpi_value", lambda r: {**r, "vintage": TONIGHT},
        lambda r: r["kpi_id"] == COUNT and r["period_start"] == MONTHS[-4])),
    Damage("no latest vintage of a month", "block", on("kpi_value", tonight(COUNT), is_latest=lambda r: False)),
    Damage("a vintage of tomorrow", "warn", on(
        "kpi_value", tonight(SHARE), vintage=lambda r: TONIGHT + timedelta(days=1))),
    Damage("figures that are no number", "block", on("kpi_value", tonight(SHARE), value=lambda r: "NaN")),
    Damage("a figure of no KPI", "block", more(
        "kpi_value", lambda r: {**r, "kpi_id": "9.99"}, tonight(SHARE))),
    Damage("an id that lost its last zero", "block", on("kpi", of("1.10"), kpi_id=lambda r: "1.1")),
    Damage("a withdrawn month with a figure", "block", on("kpi_value", tonight(SHARE), is_withdrawn=lambda r: True)),
    Damage("no figure of a KPI at all", "block", on(
        "kpi_value", of(SHARE), value=lambda r: None, numerator=lambda r: None, denominator=lambda r: None)),
    Damage("a KPI of nobody", "block", on("kpi", of(SHARE), owner=lambda r: None)),
    Damage("figures of persons by ward", "block", on("kpi", of(COUNT), privacy_class=lambda r: "person_level")),
)  # fmt: skip
SLICE = ("numerator and denominator swapped", "direction turned round without a version",
         "the month before once more, in every ward", "two latest vintages of a month")  # fmt: skip


def prepared(settings: Settings) -> Tables:
    """Release a sound night, look that the sound next one passes without a word, and give its tables.

    Raises AssertionError when a check complains of the sound candidate: then nothing that it finds says anything.
    """
    number = publish.open_candidate(settings, NIGHT)
    build_candidate(settings, number, change=with_vintages(sound(NIGHT)))
    assert publish.release(settings, NIGHT).status == "released"
    tables = sound(TONIGHT)
    found = judged(settings, tables)
    assert found == {}, found
    return tables


def with_vintages(tables: Tables) -> Tables:
    """The table of vintages as its mart counts it from the figures, damaged or not."""
    came = Counter(row["vintage"] for row in tables["kpi_value"])
    kinds = {"figures_changed": 0, "figures_withdrawn": 0, "kpis": 3, "release_number": 1}
    rows = [{"vintage": each, "figures": n, "figures_new": n, **kinds} for each, n in came.items()]
    return {**tables, "vintage": rows}


def judged(settings: Settings, tables: Tables) -> dict[str, str]:
    """Check → block or warn, of those that the candidate does not pass."""
    number = publish.open_candidate(settings, TONIGHT)
    build_candidate(settings, number, night=TONIGHT, change=with_vintages(tables))
    return {
        f"{each.subject}.{each.check}": "block" if each.blocks else "warn"
        for each in check_publish(settings, TONIGHT).results
        if each.status != "pass"
    }


def strictest(found: dict[str, str]) -> str:
    return "block" if "block" in found.values() else "warn" if found else "nothing"
