"""A KPI's card: what it means, how it is computed, from what, what protects it, and how it stands. Everything but the
latest figures is read from the project's files, so a card is never older than the code.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityperf.config import ROOT
from cityperf.marked import read_yaml, shown_path
from cityperf.registry import FEED, Registered, Registry, read_objectives
from cityperf.registry.definition import FeedKpi, Kpi
from cityperf.registry.lineage import PROJECT, upstream
from cityperf.registry.rollup import rolls_up

BETTER: Final = {
    "up": "higher is better",
    "down": "lower is better",
    "range": "inside its range is better",
    "none": "neither way is better; never judged",
}
_FEED_SAYS: Final = "as the feed's current delivery says"


@dataclass(frozen=True)
class Facts:
    """Lines of a label and what it says."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table with a heading per column."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Paragraph:
    """Plain text; `language` where it is not English."""

    text: str
    language: str | None = None


@dataclass(frozen=True)
class Items:
    """A list of plain texts."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Code:
    """SQL as it stands in its file."""

    text: str


Block = Facts | Grid | Paragraph | Items | Code


@dataclass(frozen=True)
class Card:
    """A title and titled sections, to be rendered as Markdown or as a page."""

    title: str
    sections: Sequence[tuple[str, Sequence[Block]]]


def make_card(
    registry: Registry, entry: Registered, latest: Sequence[Block], project_folder: Path = PROJECT
) -> Card:
    """The card of one KPI; `latest` is what the published tables say of it, or why they are not asked."""
    kpi = entry.definition
    return Card(
        f"{kpi.id}  {kpi.name.en}",
        (
            ("Definition", _definition(entry, project_folder)),
            ("Target", [Facts(_target(entry))]),
            ("Latest figures", latest),
            ("Lineage", _lineage(registry, entry)),
            ("Tests", _tests(registry, entry, project_folder)),
            ("Notes", _notes(entry)),
            ("Versions", _versions(entry)),
            ("SQL", [Code(entry.sql.read_text("utf-8").rstrip())]),
        ),
    )


def as_markdown(card: Card) -> str:
    """GitHub's Markdown."""
    lines = [f"# {card.title}"]
    for heading, blocks in card.sections:
        lines += ["", f"## {heading}"]
        for block in blocks:
            lines += ["", *_markdown(block)]
    return "\n".join(lines) + "\n"


def as_html(card: Card) -> str:
    """One page without scripts, styles of its own only; tables have heading cells, French is marked as French."""
    body = [f"<h1>{html.escape(card.title)}</h1>"]
    for heading, blocks in card.sections:
        body += ["<section>", f"<h2>{html.escape(heading)}</h2>"]
        body += [line for block in blocks for line in _html(block)]
        body.append("</section>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(card.title)}</title>\n"
        "<style>body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;line-height:1.5}"
        "table{border-collapse:collapse}th,td{border:1px solid;padding:.3rem .6rem;text-align:left;"
        "vertical-align:top}pre{overflow-x:auto;border:1px solid;padding:1rem}</style>\n"
        "</head>\n<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


def _definition(entry: Registered, project_folder: Path) -> list[Block]:
    kpi = entry.definition
    objective = next(row for row in read_objectives(project_folder) if row["objective"] == kpi.objective)
    places = kpi.crosswalk.model_dump(exclude_none=True) if kpi.crosswalk else {}
    rollup = rolls_up(kpi)
    decimals = f"{kpi.decimals} decimals" if isinstance(kpi, Kpi) else f"decimals {_FEED_SAYS}"
    facts = [
        ("name in French", kpi.name.fr),
        ("dimension", _words(kpi.dimension)),
        ("report section", _words(kpi.report_section)),
        ("objective", f"{objective['name_en']} ({_words(objective['perspective'])})"),
        ("measure type", f"{_words(kpi.measure_type)}, {kpi.logic_level} in the logic model"),
        (
            "unit",
            f"{_words(kpi.unit)}, {decimals}"
            + (f", times {kpi.multiplier:g}" if kpi.multiplier != 1 else ""),
        ),
        (
            "period",
            f"{kpi.interval}, {'adds up over the year' if kpi.flow else 'does not add up over the year'}",
        ),
        ("rolls up", f"over areas: {_words(rollup.geography)}; over periods: {_words(rollup.time)}"),
        ("why not", rollup.reason.en if rollup.reason else ""),
        ("in French", rollup.reason.fr if rollup.reason else ""),
        ("better", BETTER[kpi.direction]),
        ("owner", f"{kpi.owner} ({kpi.steward})"),
        ("privacy", _words(kpi.privacy_class)),
        ("state", kpi.lifecycle.state + (f" since {kpi.lifecycle.since}" if kpi.lifecycle.since else "")),
        ("elsewhere", ", ".join(f"{_ELSEWHERE[name]} {code}" for name, code in places.items())),
        ("files", f"{_shown(entry.sql)}, {_shown(entry.yaml)}:{entry.line}"),
    ]
    return [
        Paragraph(kpi.definition.en),
        Paragraph(kpi.definition.fr, "fr"),
        Facts([(label, text) for label, text in facts if text]),
    ]


_ELSEWHERE: Final = {"mbncanada": "MBNCanada", "iso_37120": "ISO 37120", "report_card": "report card"}


def _target(entry: Registered) -> list[tuple[str, str]]:
    kpi = entry.definition
    if not isinstance(kpi, Kpi):
        return [("target", f"per period, {_FEED_SAYS}"), ("stable within", _FEED_SAYS)]
    target = kpi.target
    words = {
        "none": "none",
        "floor": f"at least {_number(kpi, target.value)}",
        "ceiling": f"at most {_number(kpi, target.value)}",
        "service_standard": f"service standard, {_number(kpi, target.value)}",
        "range": f"between {_number(kpi, target.low)} and {_number(kpi, target.high)}",
        "historical_baseline": f"mean of its own figures of the {target.years or 0} years before",
        "peer_median": "median of the municipalities that report the MBNCanada measure",
        "trajectory": "; ".join(
            f"{_number(kpi, step.value)} from {step.from_}" for step in target.steps or ()
        ),
    }
    stable = kpi.thresholds
    note = kpi.target_note
    return [
        ("target", words[kpi.target_type]),
        *([("who set it", note.en), ("in French", note.fr)] if note else []),
        (
            "stable within",
            f"{stable.period:.1%} of the period before, {stable.year:.1%} of last year, "
            f"{stable.target:.1%} of the target",
        ),
    ]


def _number(kpi: Kpi, value: float | None) -> str:
    if value is None:
        return "nothing"
    return f"{value * 100:,.{kpi.decimals}f} %" if kpi.unit == "percent" else f"{value:,g}"


def _lineage(registry: Registry, entry: Registered) -> list[Block]:
    found = upstream(entry.sql.read_text("utf-8"), registry.project)
    paths = registry.project.models
    return [
        Facts(
            [
                ("data sets", ", ".join(entry.definition.sources)),
                (
                    "also read",
                    ", ".join(sorted({*found.datasets} - {*entry.definition.sources})) or "nothing else",
                ),
                ("reference lists", ", ".join(found.seeds) or "none"),
            ]
        ),
        Items(
            [
                f"{entry.model} ({_shown(entry.sql)})",
                *(f"{name} ({_shown(paths[name])})" for name in found.models),
            ]
        ),
    ]


def _tests(registry: Registry, entry: Registered, project_folder: Path) -> list[Block]:
    """What dbt tests of the KPI's own model and of those it reads, and the Python tests that name the KPI."""
    models = [entry.model, *upstream(entry.sql.read_text("utf-8"), registry.project).models]
    rows = [*_dbt_tests(models, project_folder), *_python_tests(entry.definition.id)]
    if not rows:
        return [
            Paragraph(
                "None of its own; the rules that hold for all KPIs apply (./cityperf kpi check, the gate)."
            )
        ]
    return [Grid(("what", "of", "test"), rows)]


def _dbt_tests(models: Sequence[str], project_folder: Path) -> Iterator[tuple[str, str, str]]:
    wanted = re.compile(rf"(?:name|model): ({'|'.join(map(re.escape, models))})\s*$", re.MULTILINE)
    found: list[tuple[int, tuple[str, str, str]]] = []
    for file in sorted((project_folder / "models").rglob("*.yml")):
        text = file.read_text("utf-8")
        if not wanted.search(text):
            continue
        content = read_yaml(text)
        for test in content.get("unit_tests") or []:
            if test["model"] in models:
                found.append(
                    (models.index(test["model"]), ("unit test", test["model"], _words(test["name"])))
                )
        for model in content.get("models") or []:
            if model["name"] in models:
                place = models.index(model["name"])
                found += [(place, ("data test", model["name"], each)) for each in _data_tests(model)]
    for file in sorted((project_folder / "tests").glob("*.sql")):
        for name in {*re.findall(r"ref\('(\w+)'\)", file.read_text("utf-8"))} & {*models}:
            found.append((models.index(name), ("data test", name, _words(file.stem))))
    yield from (row for _, row in sorted(found))


def _data_tests(model: Mapping[str, Any]) -> Iterator[str]:
    def name(test: Any) -> str:
        return test if isinstance(test, str) else next(iter(test))

    yield from (_words(name(test)) for test in model.get("data_tests") or [])
    for column in model.get("columns") or []:
        yield from (f"{column['name']}: {_words(name(test))}" for test in column.get("data_tests") or [])


def _python_tests(kpi_id: str) -> Iterator[tuple[str, str, str]]:
    named = re.compile(rf"""["']{re.escape(kpi_id)}["']""")
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if named.search(file.read_text("utf-8")):
            yield "Python test", kpi_id, _shown(file)


def _notes(entry: Registered) -> list[Block]:
    kpi = entry.definition
    notes: list[Block] = []
    said = _head_comment(entry.sql.read_text("utf-8"))
    if said:
        notes.append(Paragraph(said))
    signals = kpi.signals
    if signals.reason:
        notes += [
            Paragraph(f"Not charted: {signals.reason.en}"),
            Paragraph(f"Sans carte de contrôle : {signals.reason.fr}", "fr"),
        ]
    else:
        basis = (
            "the difference from the same season a year earlier"
            if signals.basis == "same_season"
            else "the value"
        )
        notes.append(Paragraph(f"Charted for signals: {basis}."))
    notes += [Paragraph(f"Limits start anew on {each.from_}: {each.reason.en}") for each in signals.rebase]
    if kpi.lifecycle.note:
        notes += [
            Paragraph(f"{kpi.lifecycle.state.capitalize()}: {kpi.lifecycle.note.en}"),
            Paragraph(kpi.lifecycle.note.fr, "fr"),
        ]
    if isinstance(kpi, FeedKpi):
        notes.append(Paragraph(f"Figures are taken as the dashboard feed gives them (model {FEED})."))
    return notes


def _head_comment(sql: str) -> str:
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)


def _versions(entry: Registered) -> list[Block]:
    kpi = entry.definition
    if not kpi.versions:
        return [Paragraph(f"Version {kpi.version}; no change of the definition is recorded.")]
    return [
        Grid(
            ("version", "from", "what changed", "ce qui a changé"),
            [(str(each.version), str(each.effective), each.note.en, each.note.fr) for each in kpi.versions],
        )
    ]


def _markdown(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        return [block.text]
    if isinstance(block, Items):
        return [f"- {text}" for text in block.texts]
    if isinstance(block, Code):
        return ["```sql", block.text, "```"]
    headings = block.headings if isinstance(block, Grid) else ("", "")
    return [_row(headings), _row(["---"] * len(headings)), *map(_row, block.rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"


def _html(block: Block) -> list[str]:
    if isinstance(block, Paragraph):
        language = f' lang="{block.language}"' if block.language else ""
        return [f"<p{language}>{html.escape(block.text)}</p>"]
    if isinstance(block, Items):
        return ["<ul>", *(f"<li>{html.escape(text)}</li>" for text in block.texts), "</ul>"]
    if isinstance(block, Code):
        return [f"<pre><code>{html.escape(block.text)}</code></pre>"]
    lines = ["<table>"]
    if isinstance(block, Facts):
        lines += [
            f'<tr><th scope="row">{html.escape(label)}</th><td>{html.escape(text)}</td></tr>'
            for label, text in block.rows
        ]
    else:
        heads = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in block.headings)
        lines.append(f"<thead><tr>{heads}</tr></thead>")
        lines += [
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows
        ]
    return [*lines, "</table>"]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(file: Path) -> str:
    return shown_path(file, file.parent)
