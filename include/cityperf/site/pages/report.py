"""Reports: the list of editions, and each edition of the Corporate Performance Report with what was restated since, as a
page and as a PDF beside it. Both have the same data, because the page tells the size of the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cityperf.site import measures, report_pdf, words
from cityperf.site.measures import file_name
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS, Lang

EDITION: Final = (
    "edition_id", "title_en", "title_fr", "summary_en", "summary_fr", "period_start", "period_end", "as_of",
    "signed_off_by", "signed_off_on", "release_number", "figures", "targets_set", "targets_met", "figures_restated",
    "night",
)  # fmt: skip
FIGURE: Final = (
    "kpi_id", "section_place", "section_name_en", "section_name_fr", "objective_name_en", "objective_name_fr", "name_en",
    "name_fr", "unit", "decimals", "period_label_en", "period_label_fr", "value", "status", "target_value",
    "target_status", "note_en", "note_fr", "latest_value", "is_restated", "restatement_cause", "restated_in_release",
    "is_redefined", "redefinition_note_en", "redefinition_note_fr", "owner", "period_grain", "period_start", "trend",
    "comparison", "change", "change_unit", "is_target_met", "target_low", "target_high", "variation", "special_cause",
    "assurance",
)  # fmt: skip
POINT: Final = (
    "period_grain", "period_start", "phase", "phase_points", "is_trial", "value", "signal_basis", "charted", "mean",
    "lower_limit", "upper_limit", "special_cause", "point_type",
)  # fmt: skip
POINTS: Final = 48  # of the series up to the period reported


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """reports.html, and report/<edition>.html and .pdf with every figure as it was frozen."""
    del edition
    editions = list(tables.rows("report_edition", EDITION, order=("-period_end", "edition_id")))
    figures = tables.by("edition_id", "report_edition_figure", FIGURE, order=("place",))
    own = {
        each["edition_id"]: figures.take(str(each["edition_id"]))
        for each in sorted(editions, key=lambda each: str(each["edition_id"]).encode())
    }
    _add_points(tables, [row for rows in own.values() for row in rows])
    for lang in LANGS:
        yield Page(f"{lang}/reports.html", "report", lang, {"edition": None, "editions": editions})
    for each in editions:
        name = file_name(str(each["edition_id"]))
        data = {"edition": each, "figures": own[each["edition_id"]]}
        for lang in LANGS:
            yield Page(f"{lang}/report/{name}.html", "report", lang, data)
            yield Page(f"{lang}/report/{name}.pdf", "report", lang, data)


def _add_points(tables: Tables, figures: list[Row]) -> None:
    """Give each figure the series that it ends: of its chart, or the plain figures of a KPI that has none."""
    order, whole = ("period_start",), measures.whole(tables)
    charted = tables.by("kpi_id", "kpi_signal", POINT, where=whole, order=order)
    plain = tables.by(
        "kpi_id", "kpi_value", ("period_grain", "period_start", "value"),
        where=f"{whole} and is_latest and not is_withdrawn", order=order,
    )  # fmt: skip
    by_kpi = sorted(figures, key=lambda row: str(row["kpi_id"]).encode())
    for kpi_id, rows in itertools.groupby(by_kpi, key=lambda row: str(row["kpi_id"])):
        found = charted.take(kpi_id) or [{**dict.fromkeys(POINT), **point} for point in plain.take(kpi_id)]
        for row in rows:
            row["points"] = [
                point
                for point in found
                if point["period_grain"] == row["period_grain"]
                and point["period_start"] <= row["period_start"]
            ][-POINTS:]


def render(page: Page, since: int, sample: bool) -> bytes:
    """The page, or the file beside it, which the page tells the size of."""
    from cityperf.site.render import html

    edition, shown = page.data["edition"], context(page)
    if edition is not None:
        drawn = report_pdf.draw(page.data, page.lang, since, sample)
        if page.path.endswith(".pdf"):
            return drawn
        size = words.text("paper.size", page.lang, kilobytes=-(-len(drawn) // 1000))
        shown = {**shown, "pdf": words.text("paper.file_link", page.lang, size=size)}
    return html(page, since, sample, shown, "report.html")


def context(page: Page) -> Mapping[str, Any]:
    """The list, or one edition by its sections."""
    lang = page.lang
    if page.data["edition"] is None:
        return {"edition": None, "editions": [_told(each, lang) for each in page.data["editions"]]}
    sections = itertools.groupby(
        page.data["figures"], key=lambda row: (row["section_place"], row[f"section_name_{lang}"])
    )
    return {
        "edition": _told(page.data["edition"], lang),
        "sections": [
            {"name": name, "figures": [_figure(row, lang) for row in rows]} for (_, name), rows in sections
        ],
    }


def _told(edition: Row, lang: Lang) -> dict[str, Any]:
    return {
        "id": file_name(str(edition["edition_id"])),
        "title": edition[f"title_{lang}"],
        "summary": edition[f"summary_{lang}"],
        "period": f"{words.day(edition['period_start'], lang)} – {words.day(edition['period_end'], lang)}",
        "as_of": words.day(edition["as_of"], lang),
        "by": edition["signed_off_by"] or words.text("missing", lang),
        "on": words.day(edition["signed_off_on"], lang),
        "release": edition["release_number"],
        "targets": edition["targets_set"] or 0,
        "met": edition["targets_met"] or 0,
        "restated": edition["figures_restated"] or 0,
    }


def _figure(row: Row, lang: Lang) -> dict[str, Any]:
    unit, decimals = row["unit"] or "number", row["decimals"] or 0
    target = row["target_value"]
    return {
        "id": file_name(str(row["kpi_id"])),
        "name": row[f"name_{lang}"],
        "objective": row[f"objective_name_{lang}"] or "",
        "period": row[f"period_label_{lang}"],
        "value": words.figure(row["value"], unit, decimals, lang),
        "target": words.figure(target, unit, decimals, lang) if target is not None else "",
        "status": words.text(f"status.{row['status']}", lang) if words.has(f"status.{row['status']}") else "",
        "note": row[f"note_{lang}"] or "",
        "since": report_pdf.since_then(row, lang),
    }
