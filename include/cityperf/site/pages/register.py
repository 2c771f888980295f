"""Pages that list a published table or several: benchmarks, commitments, scorecard, quality, restatements, catalogue.

A register is an address and its sections; a section is a table of the release with the columns that readers need. A new
register is an entry of REGISTERS and its words in include/site/registers.yml.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from cityperf.site import words
from cityperf.site.measures import file_name
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS, Lang

# text: as the source wrote it, in English; both: column_en and column_fr; word: a key of registers.yml; kpi: a link
Form = Literal["text", "both", "word", "day", "number", "plain", "percent", "kpi", "code", "yes"]
MOST: Final = 500  # rows of a section; the file of the table has them all


@dataclass(frozen=True)
class Column:
    """A column of a section: `of` another name than the table's, `decimals` of numbers."""

    name: str
    form: Form = "text"
    decimals: int = 0


@dataclass(frozen=True)
class Section:
    """A table of the release. `newest` keeps, of rows alike in `per`, the one in which that column is highest."""

    table: str
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    where: str = "true"
    newest: str = ""
    per: str = ""


@dataclass(frozen=True)
class Register:
    """A page at <lang>/<name>.html, and the item of the navigation it belongs to."""

    name: str
    sections: tuple[Section, ...]


def _columns(*described: str | Column) -> tuple[Column, ...]:
    return tuple(each if isinstance(each, Column) else Column(each) for each in described)


def _day(name: str) -> Column:
    return Column(name, "day")


def _number(name: str, decimals: int = 0) -> Column:
    return Column(name, "number", decimals)


REGISTERS: Final = (
    Register(
        "benchmarks",
        (
            Section(
                "report_card",
                _columns("report_card", "publisher", "edition", "indicator", _number("toronto_value", 1), "unit",
                         Column("rank", "plain"), Column("peers", "plain"), "grade", "method_note", "toronto_perspective"),
                ("publisher", "report_card", "-edition_year", "indicator"),
            ),
            Section(
                "benchmark",
                _columns("measure_name", "program_area", Column("period_year", "plain"), _number("value", 2),
                         _number("median", 2), _number("best", 2), Column("rank", "plain"), Column("reporters", "plain"),
                         Column("quartile", "plain"), Column("direction", "word"), "comparability_note"),
                ("measure_code",), where="municipality = 'Toronto'", newest="period_year", per="measure_code",
            ),
        ),
    ),
    Register(
        "commitments",
        (
            Section(
                "commitment",
                _columns("commitment", "goal", "division", _day("due_date"), "status_label", Column("is_overdue", "yes"),
                         _number("postponements"), "comment"),
                ("goal", "due_date", "commitment_id"), where="not is_removed",
            ),
            Section(
                "project",
                _columns("project", "division", "kind", "status", _day("planned_end"), _number("milestones_reached"),
                         _number("milestones"), Column("schedule_health", "word"), Column("risk_health", "word"),
                         Column("cost_health", "word"), Column("health", "word")),
                ("division", "project_id"), where="not is_removed",
            ),
            Section(
                "innovation_stint",
                _columns("division", Column("start_year", "plain"), _number("stints"), _number("running"), _number("worked"),
                         _number("worked_in_part"), _number("failed"), _number("scaled"), _number("median_days")),
                ("-start_year", "division"),
            ),
        ),
    ),
    Register(
        "scorecard",
        (
            Section(
                "balanced_scorecard",
                _columns(Column("name", "both"), Column("node_level", "word"), Column("attainment", "percent"),
                         Column("weight_share", "percent"), _number("kpis_with_target"), _number("targets_met")),
                ("parent", "node"), where="node_level <> 'kpi'",
            ),
        ),
    ),
    Register(
        "quality",
        (
            Section(
                "data_quality",
                _columns(Column("dataset", "code"), "owner", _day("last_delivery_night"), _day("next_delivery_due_on"),
                         _number("late_by_days"), _number("rows_loaded"), _number("rows_quarantined"),
                         _number("checks_passed"), _number("checks_warned"), _number("checks_failed"),
                         Column("freshness_state", "word"), Column("stale_reason", "both")),
                ("-late_by_days", "dataset"),
            ),
            Section(
                "quality_grade",
                _columns(Column("resource", "code"), "division", Column("grade", "word"), Column("score", "percent"),
                         Column("explanation", "both")),
                ("origin", "package", "resource"),
            ),
        ),
    ),
    Register(
        "restatements",
        (
            Section(
                "restatement",
                _columns(Column("kpi_id", "kpi"), _day("period_start"), Column("geography_code", "code"),
                         Column("old_value", "plain"), Column("new_value", "plain"), Column("cause", "word"),
                         Column("release_number", "plain"), _day("vintage")),
                ("-release_number", "kpi_id", "-period_start", "geography_code"),
            ),
            Section(
                "kpi_revision",
                _columns(Column("kpi_id", "kpi"), Column("geography_type", "word"), _number("figures"),
                         _number("figures_revised"), Column("mean_revision_percent", "number", 2),
                         Column("mean_absolute_revision_percent", "number", 2)),
                ("kpi_id", "geography_type"), where="figures_revised > 0",
            ),
        ),
    ),
    Register(
        "catalogue",
        (
            Section(
                "catalogue",
                _columns(Column("table_name", "code"), "description", "grain", _number("row_count"), _day("fresh_as_of"),
                         Column("example_query", "code")),
                ("table_name",),
            ),
        ),
    ),
)  # fmt: skip


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per register and language; its data are the rows of its sections, at most MOST of each."""
    del edition
    for register in REGISTERS:
        sections = [_rows(tables, section) for section in register.sections]
        for lang in LANGS:
            data = {"register": register.name, "sections": sections}
            yield Page(f"{lang}/{register.name}.html", "register", lang, data)


def _rows(tables: Tables, section: Section) -> dict[str, Any]:
    wanted = [
        name
        for column in section.columns
        for name in ((f"{column.name}_en", f"{column.name}_fr") if column.form == "both" else (column.name,))
    ]
    hidden = [name for name in (section.newest, section.per) if name]
    found = tables.rows(
        section.table, list(dict.fromkeys([*wanted, *hidden])), where=section.where, order=section.order
    )
    if section.newest:
        groups = itertools.groupby(found, key=lambda row: row[section.per])
        found = iter([max(rows, key=lambda row: row[section.newest]) for _, rows in groups])
    shown = list(itertools.islice(found, MOST))
    more = sum(1 for _ in found)
    return {"table": section.table, "rows": shown, "more": more}


def context(page: Page) -> Mapping[str, Any]:
    """Headings and cells as text in the page's language."""
    register = next(each for each in REGISTERS if each.name == page.data["register"])
    return {
        "sections": [
            {
                "table": section.table,
                "columns": [
                    {"label": words.text(f"register.column.{c.name}", page.lang), "numeric": _is_numeric(c)}
                    for c in section.columns
                ],
                "rows": [[cell(row, c, page.lang) for c in section.columns] for row in said["rows"]],
                "count": len(said["rows"]) + said["more"],
                "more": said["more"],
            }
            for section, said in zip(register.sections, page.data["sections"], strict=True)
        ],
    }


def cell(row: Row, column: Column, lang: Lang) -> dict[str, Any]:
    """`text` of a cell, the language it is in where that is not the page's, and how to show it."""
    value = row[f"{column.name}_{lang}"] if column.form == "both" else row[column.name]
    shown: dict[str, Any] = {"text": "", "lang": None, "form": column.form, "numeric": _is_numeric(column)}
    if value is None:
        return shown
    if column.form == "day":
        shown["text"] = words.day(value, lang, short=True)
    elif column.form == "number":
        shown["text"] = words.number(value, column.decimals, lang)
    elif column.form == "percent":
        shown["text"] = words.percent(value, 1, lang)
    elif column.form == "plain":
        shown["text"] = str(value).replace(".", "," if lang == "fr" else ".")
    elif column.form == "word":
        key = f"register.word.{value}"
        shown["text"] = words.text(key, lang) if words.has(key) else str(value)
    elif column.form == "yes":
        shown["text"] = words.text(f"register.word.{'yes' if value else 'no'}", lang)
    elif column.form == "kpi":
        shown["text"] = file_name(str(value))
    else:
        shown["text"] = str(value)
        if column.form == "text" and lang != "en":
            shown["lang"] = "en"
    return shown


def _is_numeric(column: Column) -> bool:
    return column.form in ("number", "plain", "percent")
