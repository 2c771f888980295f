"""A page per KPI: value, meaning, evidence, in that order, down to the file that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from cityperf.site import measures, sentences, words
from cityperf.site.charts import comparison, xmr
from cityperf.site.drawings import (
    AREA_POINTS,
    neighbourhood_map,
    peer_strip,
    plain,
    revision_lines,
    ward_series,
    ward_tiles,
)
from cityperf.site.model import Edition, Groups, Page, Row, Tables
from cityperf.site.pages import profile
from cityperf.site.words import LANGS, Lang

CHARTED: Final = 48  # points of the chart
DRAWN: Final = 3  # fewer points than these make no chart
SHOWN: Final = 12  # periods of the table beside it
HISTORY: Final = 120  # vintages of the newest periods that are read for the chart and the revisions
COMPARISONS: Final = ("period", "year", "ytd", "rolling_12", "target")
HOME: Final = "Toronto"  # as the benchmark table names the city

ABOUT: Final = (
    "definition_en",
    "definition_fr",
    "measure_type",
    "objective",
    "unit",
    "decimals",
    "target_type",
    "target_value",
    "target_low",
    "target_high",
    "target_note_en",
    "target_note_fr",
    "owner",
    "steward",
    "sources",
    "mbncanada_measure",
    "lifecycle_state",
    "lifecycle_note_en",
    "lifecycle_note_fr",
    "version",
    "version_effective_on",
    "source_note",
    "city_perspective",
)
SIGNAL: Final = (
    "kpi_version",
    "geography_code",
    "period_start",
    "phase",
    "value",
    "signal_basis",
    "charted",
    "mean",
    "lower_limit",
    "upper_limit",
    "special_cause",
    "point_type",
    "is_trial",
)
BENCHMARK: Final = (
    "measure_name",
    "municipality",
    "period_year",
    "value",
    "median",
    "first_quartile",
    "third_quartile",
    "rank",
    "reporters",
    "quartile",
    "best",
    "direction",
    "comparability_note",
)
AREA: Final = (
    "geography_code",
    "geography_name",
    "is_improvement_area",
    "period_start",
    "value",
    "city_value",
)


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per KPI of the scorecard and language."""
    del edition
    sources = _sources(tables)
    wards = {
        row["geography_code"]: row["geography_name"]
        for row in tables.rows(
            "geography",
            ("geography_code", "geography_name"),
            where="geography_type = 'ward' and is_current",
            order=("geography_code",),
        )
    }
    peers, shapes = _peers(tables), profile.shapes(tables)
    for card in measures.cards(tables):
        kpi_id = card["kpi_id"]
        about = next(iter(sources["about"].take(kpi_id)), dict.fromkeys(ABOUT))
        areas = sources["wards"].take(kpi_id)
        data = {
            "card": card,
            "about": about,
            **{
                name: sources[name].take(kpi_id)
                for name in (
                    "comparisons",
                    "points",
                    "figures",
                    "breaks",
                    "revision",
                    "neighbourhoods",
                    "multiples",
                    "files",
                )
            },
            "assessment": next(iter(sources["assessment"].take(kpi_id)), {}),
            "wards": [{**row, "geography_name": wards.get(row["geography_code"])} for row in areas],
            "peers": peers.get(about["mbncanada_measure"] or "", []),
            "restated": sources["restated"].take(kpi_id)[:SHOWN],
        }
        data["shapes"] = shapes if data["neighbourhoods"] else {}
        for lang in LANGS:
            yield Page(f"{lang}/kpi/{kpi_id}.html", "kpi", lang, data)


def _sources(tables: Tables) -> dict[str, Groups]:
    """The streams that a page is put together from, each in order of kpi_id."""
    period, whole = ("period_start",), measures.whole(tables)
    return {
        "about": tables.by("kpi_id", "kpi", ABOUT),
        "comparisons": tables.by(
            "kpi_id",
            "kpi_comparison",
            (
                "comparison",
                "period_start",
                "current_value",
                "compared_value",
                "compared_period_start",
                "periods",
                "change",
                "change_unit",
                "trend",
                "status",
                "is_target_met",
            ),
            where=whole,
            order=("comparison",),
        ),
        "points": tables.by(
            "kpi_id", "kpi_signal", SIGNAL, where=whole, order=period, newest=CHARTED, per=("kpi_id",)
        ),
        "figures": tables.by(
            "kpi_id",
            "kpi_value",
            ("period_start", "kpi_version", "vintage", "value", "is_latest", "is_withdrawn", "mark"),
            where=whole,
            order=("period_start", "kpi_version", "vintage"),
            newest=HISTORY,
            per=("kpi_id",),
        ),
        "assessment": tables.by(
            "kpi_id",
            "kpi_assessment",
            (
                "variation",
                "special_cause",
                "is_trial",
                "signal_basis",
                "phase_points",
                "mean",
                "lower_limit",
                "upper_limit",
                "assurance",
                "reason_en",
                "reason_fr",
            ),
            where=whole,
        ),
        "breaks": tables.by(
            "kpi_id",
            "kpi_version",
            ("kpi_version", "is_current", "is_break", "effective_on", "note_en", "note_fr"),
            order=("kpi_version",),
        ),
        "revision": tables.by(
            "kpi_id",
            "kpi_revision",
            ("kpi_version", "figures", "figures_revised", "mean_revision", "mean_absolute_revision"),
            where=whole,
            order=("-kpi_version",),
        ),
        "wards": tables.by(
            "kpi_id",
            "kpi_assessment",
            ("geography_code", "period_start", "value", "variation"),
            where="geography_type = 'ward'",
            order=("geography_code",),
        ),
        "multiples": tables.by(
            "kpi_id",
            "kpi_signal",
            SIGNAL,
            where="geography_type = 'ward'",
            order=("geography_code", "period_start"),
            newest=AREA_POINTS,
            per=("kpi_id", "geography_code"),
        ),
        "neighbourhoods": tables.by(
            "kpi_id",
            "neighbourhood_indicator",
            AREA,
            where="geography_type = 'neighbourhood_158'",
            order=("geography_code",),
        ),
        "restated": tables.by(
            "kpi_id",
            "restatement",
            ("period_start", "release_number", "old_value", "new_value", "cause"),
            where=whole,
            order=("-release_number", "-period_start"),
        ),
        "files": tables.by(
            "subject",
            "provenance",
            ("dataset", "file_name", "sha256", "url", "delivered_night"),
            where="subject_type = 'kpi' and is_current",
            order=("dataset", "-delivered_night", "file_name"),
        ),
    }


def _peers(tables: Tables) -> dict[str, list[Row]]:
    """Benchmark measure → its rows of the last year that Toronto reported in, best rank first."""
    found: dict[str, list[Row]] = {}
    for row in tables.rows("benchmark", ("measure_code", *BENCHMARK), order=("measure_code", "period_year")):
        found.setdefault(str(row.pop("measure_code")), []).append(row)
    for code, rows in found.items():
        last = max((row["period_year"] for row in rows if row["municipality"] == HOME), default=None)
        found[code] = sorted(
            (row for row in rows if row["period_year"] == last),
            key=lambda row: (row["rank"] is None, row["rank"], row["municipality"]),
        )
    return found


# -- what the template needs ---------------------------------------------------------------------------------
def context(page: Page) -> Mapping[str, Any]:
    """Sentences, tables and drawings of one KPI in one language."""
    data, lang = page.data, page.lang
    card, about = data["card"], data["about"]
    unit, decimals = card["unit"] or "number", card["decimals"] or 0
    reading = sentences.reading_of(data["card"], data["about"], data["assessment"], data["points"], lang)

    def figure(value: Decimal | None) -> str:
        return words.figure(value, unit, decimals, lang)

    tile = measures.tile({**card, "points": data["points"]}, lang)
    chart = _chart(data)
    own = next((row for row in data["peers"] if row["municipality"] == HOME), None)
    names = {row["geography_code"]: row["geography_name"] for row in data["wards"]}
    finding = sentences.finding(reading, lang)
    return {
        "tile": tile,
        "definition": about[f"definition_{lang}"] or about["definition_en"] or "",
        "direction": card["direction"] or "none",
        "says": says(data, reading, lang),
        "finding": finding,
        "xmr": xmr.draw(chart, lang, "xmr", finding) if chart else "",
        "signal_text": sentences.signal(reading, lang),
        "target_text": sentences.target(reading, lang),
        "subtitle": _subtitle(data, chart, lang),
        "rows": _rows(data, lang, SHOWN),
        "all_rows": _rows(data, lang, CHARTED),
        "notes": _notes(data, lang),
        "comparisons": _comparisons(data, lang),
        "peers_chart": peer_strip(data["peers"], own, lang) if own and own["value"] is not None else "",
        "ward_map": ward_tiles(data["wards"], card, lang),
        "neighbourhood_map": neighbourhood_map(data["neighbourhoods"], data["shapes"], card, lang),
        "multiples": ward_series(data["multiples"], names, card, lang),
        "revisions_chart": revision_lines(_revised(data), card, lang),
        "peers": _peer_table(data["peers"], unit, decimals, lang),
        "wards": _area_table(data["wards"], card, lang),
        "neighbourhoods": _area_table(data["neighbourhoods"], card, lang),
        "revisions": _revisions(data, lang),
        "revision": _revision(data, lang),
        "about": about,
        "note": about[f"target_note_{lang}"] or about["target_note_en"] or "",
        "since_version": words.day(about["version_effective_on"], lang)
        if about["version_effective_on"]
        else "",
        "files": _files(data["files"], lang),
        "restated": [
            {
                "period": words.period(row["period_start"], card["period_grain"] or "month", lang),
                "release": row["release_number"],
                "old": figure(row["old_value"]),
                "new": figure(row["new_value"]),
                "cause": row["cause"],
            }
            for row in data["restated"]
        ],
    }


def says(data: Mapping[str, Any], reading: sentences.Reading, lang: Lang) -> list[str]:
    """Sentences on the latest figure: its level, its movement, whether it is a signal, what its target asks."""
    said = [sentences.level(reading, lang)]
    last = next((row for row in data["comparisons"] if row["comparison"] == "period"), None)
    if last and last["change"] is not None and last["compared_period_start"]:
        said.append(
            sentences.movement(
                reading, last["change"], last["change_unit"] or "percent", last["compared_period_start"], lang
            )
        )
    said.append(sentences.signal(reading, lang))
    said.append(sentences.target(reading, lang))
    return said


def _chart(data: Mapping[str, Any]) -> xmr.Xmr | None:
    """The chart of the newest points: with mean and limits where the KPI suits them, else of the figures alone."""
    card = data["card"]
    target = next((row for row in data["comparisons"] if row["comparison"] == "target"), None)
    seasonal = any(row["signal_basis"] != "value" for row in data["points"])

    # A target is one of the figure, so it has no place among differences from a year earlier; and it is that of the
    # newest period: the release has no history of targets.
    aim = plain(target["compared_value"]) if target and not seasonal else None
    if data["points"]:
        points = [
            xmr.Point(
                row["period_start"],
                float(row["charted"]),
                row["point_type"] or "common_cause",
                row["phase"] or 1,
                plain(row["mean"]),
                plain(row["lower_limit"]),
                plain(row["upper_limit"]),
                aim,
                aim,
            )
            for row in data["points"]
            if row["charted"] is not None
        ]
    else:
        figures = {row["period_start"]: row for row in data["figures"] if row["is_latest"]}
        points = [
            xmr.Point(
                start,
                float(row["value"]),
                card["variation"] or "not_suitable",
                target_low=aim,
                target_high=aim,
            )
            for start, row in sorted(figures.items())
            if row["value"] is not None and not row["is_withdrawn"]
        ]
    if len(points) < DRAWN:  # a line between two points shows what the table says already
        return None
    shown = {each.period_start for each in points[-CHARTED:]}
    notes = tuple(
        xmr.Note(letter, row["effective_on"])
        for letter, row in _breaks(data)
        if min(shown) <= row["effective_on"] <= max(shown)
    )
    unit, decimals = card["unit"] or "number", card["decimals"] or 0
    return xmr.Xmr(tuple(points[-CHARTED:]), card["period_grain"] or "month", unit, decimals, notes, seasonal)


def _subtitle(data: Mapping[str, Any], chart: xmr.Xmr | None, lang: Lang) -> str:
    card = data["card"]
    shown = data["points"] or [row for row in data["figures"] if row["is_latest"]]
    if not shown:
        return ""
    grain = card["period_grain"] or "month"
    first, last = shown[-CHARTED:][0]["period_start"], shown[-1]["period_start"]
    said = words.text(
        "chart.subtitle",
        lang,
        unit=words.axis_unit(card["unit"] or "number", lang),
        grain=words.text(f"grain.{grain}.name", lang),
        first=words.period(first, grain, lang),
        last=words.period(last, grain, lang),
        place=words.text(f"geography.{data['card']['geography_type'] or 'city'}", lang),
    )
    if data["points"]:
        said += " " + _sentence("chart.xmr", lang)
        if data["points"][-1]["signal_basis"] != "value":
            said += " " + _sentence("chart.differences", lang)
    if chart and not xmr.starts_at_zero(chart):
        said += " " + _sentence("chart.not_at_zero", lang)
    return said


def _sentence(key: str, lang: Lang) -> str:
    said = words.text(key, lang)
    return f"{said[:1].upper()}{said[1:]}."


def _rows(data: Mapping[str, Any], lang: Lang, most: int) -> list[dict[str, str]]:
    """The newest figures, newest first, each with its signal."""
    card = data["card"]
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    points = {row["period_start"]: row for row in data["points"]}
    latest = {
        row["period_start"]: row for row in data["figures"] if row["is_latest"] and not row["is_withdrawn"]
    }
    found = []
    for start in sorted(latest or points, reverse=True)[:most]:
        point = points.get(start)
        value = latest[start]["value"] if start in latest else (point or {})["value"]
        found.append(
            {
                "period": words.period(start, grain, lang, short=True),
                "value": words.figure(value, unit, decimals, lang, long=False),
                "group": sentences.state_group(point["point_type"]) if point else "",
                "signal": words.text(f"signal.{point['point_type']}", lang) if point else "",
                "limits": (
                    f"{words.figure(point['lower_limit'], unit, decimals, lang, long=False)} – "
                    f"{words.figure(point['upper_limit'], unit, decimals, lang, long=False)}"
                )
                if point and point["lower_limit"] is not None
                else "",
                "mark": latest.get(start, {}).get("mark") or "",
            }
        )
    return found


def _notes(data: Mapping[str, Any], lang: Lang) -> list[dict[str, str]]:
    """Recorded breaks in the series, lettered as the chart letters them."""
    return [
        {
            "letter": letter,
            "day": words.day(row["effective_on"], lang),
            "text": row[f"note_{lang}"] or row["note_en"] or "",
            "version": str(row["kpi_version"]),
        }
        for letter, row in _breaks(data)
    ]


def _breaks(data: Mapping[str, Any]) -> list[tuple[str, Row]]:
    found = [row for row in data["breaks"] if row["is_break"] and row["effective_on"]]
    return list(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", found, strict=False))


def _comparisons(data: Mapping[str, Any], lang: Lang) -> list[dict[str, Any]]:
    card = data["card"]
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    found = []
    by = {row["comparison"]: row for row in data["comparisons"]}
    largest = max(
        (abs(row["change"]) for row in by.values() if row["change"] is not None), default=Decimal(0)
    )
    for name in COMPARISONS:
        row = by.get(name)
        if row is None:
            continue
        start = row["compared_period_start"]
        if name == "target":
            state = measures.target_state(card)
            word, colour = words.text(f"target.{state}", lang), ""
        else:
            key, colour = measures.reading(card, row["status"], row["trend"])
            word = words.text(f"status.{key}", lang)
        found.append(
            {
                "name": words.text(f"comparison.{name}", lang),
                "period": words.period(start, grain, lang) if start and name != "target" else "",
                "value": words.figure(row["compared_value"], unit, decimals, lang),
                "change": words.change(row["change"], row["change_unit"] or "percent", lang)
                if row["change"] is not None
                else "",
                "bar": comparison.bar(
                    row["change"],
                    largest,
                    {"improvement": "better", "concern": "worse"}.get(colour, "neutral"),
                ),
                "arrow": measures.arrow(row["trend"]),
                "word": word,
                "colour": colour,
            }
        )
    return found


def _peer_table(rows: list[Row], unit: str, decimals: int, lang: Lang) -> dict[str, Any] | None:
    """Toronto among the municipalities that report the measure; None where it does not."""
    own = next((row for row in rows if row["municipality"] == HOME), None)
    if own is None or own["value"] is None:
        return None

    def shown(value: Decimal | None) -> str:
        # The benchmark's own figures: its unit is that of its measure, which need not be the KPI's.
        return words.number(value, 2, lang)

    return {
        "name": own["measure_name"],
        "year": own["period_year"],
        "rank": own["rank"],
        "reporters": own["reporters"],
        "missing": sum(row["value"] is None for row in rows),
        "quartile": own["quartile"],
        "quartiles": [
            (name, shown(own[column]))
            for name, column in (
                ("best", "best"),
                ("first", "first_quartile"),
                ("toronto", "value"),
                ("median", "median"),
                ("third", "third_quartile"),
            )
        ],
        "rows": [
            {
                "name": row["municipality"],
                "value": shown(row["value"]),
                "rank": row["rank"],
                "note": row["comparability_note"] or "",
                "own": row is own,
            }
            for row in rows
        ],
        "direction": own["direction"],
    }


def _area_table(rows: list[Row], card: Mapping[str, Any], lang: Lang) -> dict[str, Any] | None:
    """Areas with their figures of the newest period, and the highest and lowest; None where there are none."""
    newest = max((row["period_start"] for row in rows), default=None)
    chosen = [row for row in rows if row["period_start"] == newest]
    if not chosen or newest is None:
        return None
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    known = sorted((row for row in chosen if row["value"] is not None), key=lambda row: row["value"])

    def named(row: Row) -> dict[str, Any]:
        return {
            "code": row["geography_code"],
            "name": row.get("geography_name") or row["geography_code"],
            "value": words.figure(row["value"], unit, decimals, lang),
            "improvement_area": bool(row.get("is_improvement_area")),
        }

    return {
        "period": words.period(newest, grain, lang),
        "rows": [named(row) for row in chosen],
        "lowest": named(known[0]) if known else None,
        "highest": named(known[-1]) if known else None,
        "missing": len(chosen) - len(known),
    }


def _revisions(data: Mapping[str, Any], lang: Lang) -> list[dict[str, str]]:
    """Periods of the current definition whose figure was published more than once: first and latest."""
    card = data["card"]
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    scale = 100 if unit == "percent" else 1
    return [
        {
            "period": words.period(start, grain, lang),
            "first": words.figure(first["value"], unit, decimals, lang),
            "first_day": words.day(first["vintage"], lang),
            "latest": words.figure(latest["value"], unit, decimals, lang),
            "latest_day": words.day(latest["vintage"], lang),
            "change": words.number(
                (latest["value"] - first["value"]) * scale, decimals + 1, lang, signed=True
            ),
        }
        for start, first, latest in _revised(data)
    ]


def _revised(data: Mapping[str, Any]) -> list[tuple[date, Row, Row]]:
    """Newest first: periods of the current definition whose figure is not what was first published, with both rows."""
    version = data["about"]["version"]
    by: dict[date, list[Row]] = {}
    for row in data["figures"]:
        if row["kpi_version"] == version and not row["is_withdrawn"] and row["value"] is not None:
            by.setdefault(row["period_start"], []).append(row)
    changed = [(start, rows[0], rows[-1]) for start, rows in by.items()]
    changed = [each for each in changed if each[1]["value"] != each[2]["value"]]
    return sorted(changed, key=lambda each: each[0], reverse=True)[:SHOWN]


def _revision(data: Mapping[str, Any], lang: Lang) -> dict[str, str] | None:
    if not data["revision"]:
        return None
    row, card = data["revision"][0], data["card"]
    unit, decimals = card["unit"] or "number", (card["decimals"] or 0) + 1
    scale = 100 if unit == "percent" else 1

    def shown(value: Decimal | None) -> str:
        return words.number(None if value is None else value * scale, decimals, lang, signed=True)

    return {
        "figures": words.number(row["figures"], 0, lang),
        "revised": words.number(row["figures_revised"] or 0, 0, lang),
        "mean": shown(row["mean_revision"]),
        "absolute": shown(row["mean_absolute_revision"]).lstrip("+"),
    }


def _files(rows: list[Row], lang: Lang) -> list[dict[str, Any]]:
    """The newest file of each data set that the figures come from, with how many older ones stand behind it."""
    by: dict[str, list[Row]] = {}
    for row in rows:
        by.setdefault(row["dataset"], []).append(row)
    return [
        {
            "dataset": dataset,
            "file": found[0]["file_name"],
            "sha256": found[0]["sha256"],
            "url": found[0]["url"],
            "night": words.day(found[0]["delivered_night"], lang),
            "more": len(found) - 1,
        }
        for dataset, found in by.items()
    ]
