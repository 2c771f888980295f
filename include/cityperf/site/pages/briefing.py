"""A briefing note per division: what its figures are and how they moved, what the signals mean, what is late or held back.
As a page, and as a Word file beside it with the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cityperf.site import briefing, measures, sentences, words
from cityperf.site.charts.paper import in_words
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.pages.kpi import SIGNAL, says
from cityperf.site.pages.kpis import slug
from cityperf.site.words import LANGS, Lang

POINTS: Final = 48  # of each series, of which the small chart shows the newest
RESTATED: Final = 12  # newest restatements of a KPI
SIGNALS: Final = ("concern", "improvement", "changed")


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """briefing/<division>.html and .docx for each division that answers for a KPI."""
    del edition
    entries: dict[str, list[dict[str, Any]]] = {}
    for entry in _entries(tables):
        if entry["card"]["owner"]:
            entries.setdefault(entry["card"]["owner"], []).append(entry)
    sets: dict[str, list[Row]] = {}
    for row in _doubtful(tables):
        sets.setdefault(row.pop("owner"), []).append(row)
    for division in sorted(entries):
        data = {"division": division, "kpis": entries[division], "sets": sets.get(division, [])}
        for lang in LANGS:
            for form in ("html", "docx"):
                yield Page(f"{lang}/briefing/{slug(division)}.{form}", "briefing", lang, data)


def _entries(tables: Tables) -> Iterator[dict[str, Any]]:
    """Every KPI with what its sentences need."""
    whole = measures.whole(tables)
    about = tables.by("kpi_id", "kpi", ("target_type", "target_low", "target_high"))
    assessment = tables.by(
        "kpi_id",
        "kpi_assessment",
        ("is_trial", "signal_basis", "phase_points", "mean", "lower_limit", "upper_limit", "reason_en", "reason_fr"),
        where=whole,
    )  # fmt: skip
    points = tables.by(
        "kpi_id",
        "kpi_signal",
        SIGNAL,
        where=whole,
        order=("period_start",),
        newest=POINTS,
        per=("kpi_id",),
    )
    comparisons = tables.by(
        "kpi_id",
        "kpi_comparison",
        ("comparison", "change", "change_unit", "compared_period_start"),
        where=f"{whole} and comparison = 'period'",
    )
    restated = tables.by(
        "kpi_id",
        "restatement",
        ("period_start", "release_number", "old_value", "new_value", "cause"),
        where=whole,
        order=("-release_number", "-period_start"),
    )
    for card in measures.cards(tables):
        kpi_id = card["kpi_id"]
        yield {
            "card": card,
            "about": next(iter(about.take(kpi_id)), {}),
            "assessment": next(iter(assessment.take(kpi_id)), {}),
            "points": points.take(kpi_id),
            "comparisons": comparisons.take(kpi_id),
            "restated": restated.take(kpi_id)[:RESTATED],
        }


def _doubtful(tables: Tables) -> Iterator[Row]:
    """Data sets that are late, held back or have rows held back. The days of being late are left out: they change every
    night while nothing else does."""
    columns = (
        "dataset", "owner", "next_delivery_due_on", "late_by_days", "rows_quarantined", "files_quarantined",
        "stale_reason_en", "stale_reason_fr",
    )  # fmt: skip
    for row in tables.rows("data_quality", columns, order=("dataset",)):
        late = (row.pop("late_by_days") or 0) > 0
        held = row["rows_quarantined"] or row["files_quarantined"] or row["stale_reason_en"]
        if row["owner"] and (late or held):
            yield {**row, "next_delivery_due_on": row["next_delivery_due_on"] if late else None}


def render(page: Page, since: int, sample: bool) -> bytes:
    """The page, or the Word file, which has the page's words."""
    from cityperf.site.render import html

    shown = context(page)
    if page.path.endswith(".docx"):
        return briefing.document(shown, page.lang, since, sample)
    return html(page, since, sample, shown, "briefing.html")


def context(page: Page) -> dict[str, Any]:
    """The note in the page's language: plain words, and a small chart with its text for each signal."""
    data, lang = page.data, page.lang
    entries = sorted(
        data["kpis"],
        key=lambda e: (measures.GROUP_ORDER.index(measures.group(e["card"])), measures.name(e["card"], lang)),
    )
    counts = measures.counts(entry["card"] for entry in entries)
    newest = max((entry["card"]["vintage"] for entry in entries if entry["card"]["vintage"]), default=None)
    return {
        "division": data["division"],
        "slug": slug(data["division"]),
        "as_of": newest,
        "short": [
            words.text("overview.sentence", lang, count=counts["kpis"], improving=counts["improvement"],
                       concern=counts["concern"]),
            words.text("overview.rest", lang, changed=counts["changed"], usual=counts["common_cause"],
                       unassessed=counts["not_assessed"]),
            words.text("overview.targets", lang, met=counts["met"], count=counts["targets"]),
        ],
        "columns": [words.text(key, lang) for key in COLUMNS],
        "rows": [_row(entry["card"], lang) for entry in entries],
        "restated": [said for entry in entries for said in _restated(entry, lang)],
        "signals": [_meaning(e, lang) for group in SIGNALS for e in entries if measures.group(e["card"]) == group],
        "late": [said for entry in entries for said in _late(entry["card"], lang)]
        + [said for row in data["sets"] for said in _set(row, lang)],
    }  # fmt: skip


COLUMNS: Final = (
    "list.measure", "list.period", "report.figure", "comparison.period", "list.comparison", "list.target", "list.signal",
)  # fmt: skip


def _row(card: Row, lang: Lang) -> dict[str, Any]:
    tile = measures.tile(card, lang)
    moved = words.text(f"status.{tile['word']}", lang)
    before = card["previous_value"]
    aim = words.text(f"target.{tile['target_state']}", lang)
    return {
        "id": tile["id"],
        "cells": [
            tile["name"],
            tile["period"],
            tile["figure"],
            words.figure(before, card["unit"] or "number", card["decimals"] or 0, lang)
            if before is not None
            else "",
            f"{moved}, {tile['change']} {tile['base']}" if tile["change"] else moved,
            f"{aim}, {tile['target']}" if tile["target"] else aim,
            words.text(f"signal.{tile['signal']}", lang),
        ],
    }


def _meaning(entry: Mapping[str, Any], lang: Lang) -> dict[str, Any]:
    """A signal: its name, what it says, and its small chart."""
    card, points = entry["card"], entry["points"]
    reading = sentences.reading_of(card, entry["about"], entry["assessment"], points, lang)
    tile = measures.tile({**card, "points": points[-measures.SPARK :]}, lang)
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    return {
        "id": tile["id"],
        "name": tile["name"],
        "says": says(entry, reading, lang),
        "chart": tile["sparkline"],
        "alt": in_words(points[-measures.SPARK :], unit, decimals, grain, lang),
    }


def _restated(entry: Mapping[str, Any], lang: Lang) -> Iterator[str]:
    card = entry["card"]
    unit, decimals, grain = card["unit"] or "number", card["decimals"] or 0, card["period_grain"] or "month"
    for row in entry["restated"]:
        cause = f"register.word.{row['cause']}"
        yield words.text(
            "briefing.restated",
            lang,
            name=measures.name(card, lang),
            period=words.period(row["period_start"], grain, lang),
            old=words.figure(row["old_value"], unit, decimals, lang),
            new=words.figure(row["new_value"], unit, decimals, lang),
            cause=words.text(cause, lang) if words.has(cause) else str(row["cause"] or ""),
            release=str(row["release_number"] or ""),
        )


def _late(card: Row, lang: Lang) -> Iterator[str]:
    name = measures.name(card, lang)
    if card["late"]:
        yield words.text("briefing.late", lang, name=name, due=words.day(card["next_expected_on"], lang))
    if reason := card[f"stale_reason_{lang}"] or card["stale_reason_en"]:
        yield words.text("briefing.stale", lang, name=name, reason=reason)


def _set(row: Row, lang: Lang) -> Iterator[str]:
    name = row["dataset"]
    if row["next_delivery_due_on"]:
        yield words.text(
            "briefing.late_set", lang, name=name, due=words.day(row["next_delivery_due_on"], lang)
        )
    if reason := row[f"stale_reason_{lang}"] or row["stale_reason_en"]:
        yield words.text("briefing.stale_set", lang, name=name, reason=reason)
    if row["rows_quarantined"]:
        yield words.text("briefing.held_rows", lang, name=name, count=row["rows_quarantined"])
    if row["files_quarantined"]:
        yield words.text("briefing.held_files", lang, name=name, count=row["files_quarantined"])
