"""An edition of the Corporate Performance Report as a tagged PDF (PDF/UA-1), typeset by Typst (`include/site/report.typ`).

What was frozen is told as it was frozen: figure, target, comparison, signal. The series behind it (chart, mean, limits)
is that of the release, up to the period reported; where it no longer bears out the frozen signal, the sentence keeps to
the frozen words and leaves the numbers out. The same data give the same bytes: the only date in the file is the night of
the release that froze the edition.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cityperf.config import ROOT
from cityperf.site import measures, sentences, words
from cityperf.site.charts import sparkline
from cityperf.site.charts.paper import in_words, on_paper
from cityperf.site.model import Row
from cityperf.site.sentences import Reading
from cityperf.site.words import Lang

TEMPLATE: Final = ROOT / "include" / "site" / "report.typ"
SIGNALS: Final = ("concern", "improvement", "changed")  # groups that are listed in short, in their order
LABELS: Final = (
    "contents", "short", "section", "figures", "with_target", "met", "signals", "no_signals", "restatements",
    "none_restated", "read", "read_text", "page",
)  # fmt: skip


def draw(data: Mapping[str, Any], lang: Lang, since: int, sample: bool) -> bytes:
    """The file of an edition: `data` has `edition`, and `figures`, each with its `points`."""
    return _typeset(json.dumps(context(data, lang, since, sample), ensure_ascii=False))


@lru_cache(maxsize=4)  # the edition's page, which tells the size, asks for the same file
def _typeset(said: str) -> bytes:
    import typst

    return bytes(
        typst.compile(
            TEMPLATE,
            root=TEMPLATE.parent,
            ignore_system_fonts=True,
            sys_inputs={"data": said},
            format="pdf",
            pdf_standards="ua-1",
        )
    )


def context(data: Mapping[str, Any], lang: Lang, since: int, sample: bool) -> dict[str, Any]:
    """All that the template shows, as words of one language and drawings."""

    def t(key: str, **values: Any) -> str:
        return words.text(key, lang, **values)

    edition = data["edition"]
    shown = [_figure(row, lang) for row in data["figures"]]
    sections = [
        {
            "name": name,
            "objectives": [
                {"name": objective, "figures": list(rows)}
                for objective, rows in itertools.groupby(found, key=lambda each: each["objective"])
            ],
        }
        for name, found in itertools.groupby(shown, key=lambda each: each["section"])
    ]
    night = edition["night"] or edition["as_of"]
    return {
        "lang": lang,
        "sample": f"SAMPLE · {t('notice.sample')}" if sample else "",
        "site": t("site.name"),
        "date": [night.year, night.month, night.day],
        "id": edition["edition_id"],
        "title": edition[f"title_{lang}"],
        "summary": edition[f"summary_{lang}"],
        "facts": [
            [t("paper.period"), f"{words.day(edition['period_start'], lang)} – {words.day(edition['period_end'], lang)}"],
            [t("strip.label"), words.day(edition["as_of"], lang)],
            [t("paper.frozen"), t("release.title", number=edition["release_number"])],
            [t("paper.signed"), f"{edition['signed_off_by'] or t('missing')}, {words.day(edition['signed_off_on'], lang)}"],
            [t("paper.file"), t("paper.since", number=since)],
        ],
        "counted": [
            t("report.targets", count=edition["targets_set"] or 0, met=edition["targets_met"] or 0),
            t("report.restated", count=edition["figures_restated"] or 0),
        ],
        "labels": {**{name: t(f"paper.{name}") for name in LABELS}, "colon": t("colon")},
        "table": _table(shown, lang),
        "signals": [
            {"name": t(f"signal_group.{group}"), "figures": [each for each in shown if each["group"] == group]}
            for group in SIGNALS
        ],
        "sections": sections,
        "restated": [each for each in shown if each["since"]],
    }  # fmt: skip


def _table(shown: Sequence[Mapping[str, Any]], lang: Lang) -> list[list[str]]:
    """A row per section: measures, with a target, met, signals of concern and of improvement."""
    rows = []
    for name, found in itertools.groupby(shown, key=lambda each: each["section"]):
        listed = list(found)
        counts = [
            len(listed),
            sum(each["met"] is not None for each in listed),
            sum(each["met"] is True for each in listed),
            *(sum(each["group"] == group for each in listed) for group in SIGNALS),
        ]
        rows.append([name, *(words.number(count, 0, lang) for count in counts)])
    return rows


def _figure(row: Row, lang: Lang) -> dict[str, Any]:
    """What the report says of one KPI."""
    unit, decimals = row["unit"] or "number", row["decimals"] or 0
    points = row["points"]
    reading = reading_of(row)
    said = [signal(row, reading, lang)]
    if row["value"] is not None:
        said.append(target(row, reading, lang))
    changed = (
        words.change(row["change"], row["change_unit"] or "percent", lang)
        if row["change"] is not None
        else ""
    )
    return {
        "id": row["kpi_id"],
        "section": row[f"section_name_{lang}"] or "",
        "objective": row[f"objective_name_{lang}"] or words.text("paper.no_objective", lang),
        "name": measures.name(row, lang),
        "about": f"{row['kpi_id']} · {row['owner'] or words.text('missing', lang)}",
        "period": row[f"period_label_{lang}"] or "",
        "value": words.figure(row["value"], unit, decimals, lang),
        "group": sentences.state_group(row["variation"]),
        "signal": words.text(f"signal.{row['variation']}", lang) + "." if row["variation"] else "",
        "cells": [
            [words.text("list.target", lang), *_target_cell(row, reading, lang)],
            [
                words.text("list.comparison", lang),
                words.text(f"status.{sentences.status_word(row['status'], row['trend'])}", lang),
                f"{changed} {words.text('base.' + row['comparison'], lang)}" if changed and row["comparison"] else "",
            ],
        ],
        "met": row["is_target_met"] if row["value"] is not None else None,
        "says": said,
        "note": row[f"note_{lang}"] or "",
        "since": since_then(row, lang),
        "chart": _chart(row),
        "alt": in_words(points[-measures.SPARK :], unit, decimals, row["period_grain"] or "month", lang),
    }  # fmt: skip


def _target_cell(row: Row, reading: Reading, lang: Lang) -> list[str]:
    if reading.assurance == "no_target":
        return [words.text("target.none", lang), ""]
    met = row["is_target_met"] if row["value"] is not None else None
    state = "" if met is None else words.text("paper.is_met" if met else "paper.is_missed", lang)
    return [sentences.target_figure(reading, lang), state]


def reading_of(row: Row) -> Reading:
    """The frozen figure as sentences read it; mean and limits only where the series of today bears out its signal."""
    points = row["points"]
    last = points[-1] if points else None
    run, high = sentences.run_of(points, row["special_cause"]) if bears_out(row) else (0, True)
    stands = last if last and bears_out(row) else {}
    low, top = row["target_low"], row["target_high"]
    return Reading(
        period_start=row["period_start"],
        period_grain=row["period_grain"] or "month",
        unit=row["unit"] or "number",
        decimals=row["decimals"] or 0,
        value=row["value"],
        variation=row["variation"] or "too_few_points",
        special_cause=row["special_cause"],
        high=high,
        run=run,
        signal_basis=stands.get("signal_basis") or "value",
        mean=stands.get("mean"),
        lower_limit=stands.get("lower_limit"),
        upper_limit=stands.get("upper_limit"),
        is_trial=bool(stands.get("is_trial")),
        phase_points=stands.get("phase_points") or 0,
        assurance=(row["assurance"] or "not_assessed") if low is not None or top is not None else "no_target",
        target_low=low,
        target_high=top,
    )


def bears_out(row: Row) -> bool:
    """Whether the series as it stands ends with the frozen figure and has the frozen signal there."""
    last = row["points"][-1] if row["points"] else None
    return bool(
        last
        and last["period_start"] == row["period_start"]
        and last.get("mean") is not None
        and last["value"] == row["value"]
        and last["special_cause"] == row["special_cause"]
    )


def signal(row: Row, reading: Reading, lang: Lang) -> str:
    """What the chart said of the frozen figure."""
    if row["value"] is None:
        return words.text("level.none", lang)
    if bears_out(row) or row["variation"] in ("not_suitable", "too_few_points", None):
        return sentences.signal(reading, lang)
    cause = words.text(f"special_cause.{row['special_cause']}", lang) if row["special_cause"] else ""
    return words.text(
        "paper.was",
        lang,
        signal=words.text(f"signal.{row['variation']}", lang),
        cause=cause and f" ({cause})",
    )


def target(row: Row, reading: Reading, lang: Lang) -> str:
    """What the target asked of the frozen figure."""
    if bears_out(row) or reading.assurance in ("no_target", "not_assessed"):
        return sentences.target(reading, lang)
    assured = words.text(f"assurance.{reading.assurance}", lang)
    return words.text(
        "paper.target_was", lang, target=sentences.target_figure(reading, lang), assurance=assured
    )


def since_then(row: Row, lang: Lang) -> list[str]:
    """What became of the figure and its definition after it was frozen."""
    unit, decimals = row["unit"] or "number", row["decimals"] or 0
    since = []
    if row["is_restated"]:
        cause = f"register.word.{row['restatement_cause']}"
        since.append(
            words.text(
                "report.later", lang, value=words.figure(row["latest_value"], unit, decimals, lang),
                cause=words.text(cause, lang) if words.has(cause) else str(row["restatement_cause"] or ""),
                release=str(row["restated_in_release"] or ""),
            )
        )  # fmt: skip
    if row["is_redefined"]:
        since.append(str(row[f"redefinition_note_{lang}"] or words.text("register.word.definition", lang)))
    return since


def _chart(row: Row) -> str:
    points = row["points"][-measures.SPARK :]
    if not points:
        return ""
    last = points[-1]
    banded = last.get("signal_basis") == "value" and last["lower_limit"] is not None
    line = sparkline.Sparkline(
        tuple(None if each["value"] is None else float(each["value"]) for each in points),
        tuple(each.get("point_type") or "common_cause" for each in points),
        float(last["lower_limit"]) if banded else None,
        float(last["upper_limit"]) if banded else None,
        None if row["target_value"] is None else float(row["target_value"]),
    )
    drawn = sparkline.draw(line)
    return on_paper(drawn) if drawn else ""
