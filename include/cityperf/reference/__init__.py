"""What engineers and analysts look things up in: the data dictionary, dbt's own documentation, decisions and runbooks.

The public sees a release's site. This is the other side of it: raw columns and their contracts, every model with its
lineage, and what to do when something breaks. Built when it is asked for, from the project and the running warehouse.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError

DBT: Final = "dbt.html"
DOCS: Final = ROOT / "docs"


@dataclass(frozen=True)
class Built:
    """What a build wrote: pages, raw and published columns in the dictionary, and dbt's models."""

    pages: int
    raw_columns: int
    published_columns: int
    models: int


def as_html(markdown: str) -> str:
    """Markdown of our own as HTML; headings bear the ids that links to their sections use, and links lead to pages."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", re.sub(r"[^a-z0-9 -]", "", inline.content.lower()).replace(" ", "-"))
    return str(parser.renderer.render(tokens, parser.options, {}))


def build(settings: Settings, folder: Path, night: date) -> Built:
    """Write all pages into `folder`: a new one, an empty one, or one that holds such pages, which are replaced.

    Raises CityperfError when the folder holds something else, or when dbt cannot describe the warehouse, which must run;
    the old pages stay then.
    """
    from cityperf.sources import load_contracts
    from cityperf.transform import parse

    if folder.exists() and any(folder.iterdir()) and not (folder / DBT).exists():
        raise CityperfError(
            f"expected a new or empty folder, found other files in {folder}; name another one"
        )
    manifest = parse(settings, night)
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _dbt(settings, night, manifest, aside / DBT)
        published = _published(manifest)
        contracts = load_contracts()
        pages = _pages(aside, contracts, published, settings.profile)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Built(
        pages + 1,
        sum(len(contract.columns) for contract in contracts.values()),
        sum(len(table["columns"]) for table in published),
        sum(uid.startswith("model.") for uid in manifest.nodes),
    )


def _dbt(settings: Settings, night: date, manifest: Any, page: Path) -> None:
    """dbt's documentation with its lineage graph, in one file that needs no server."""
    from cityperf.transform import run_dbt, target_dir

    outcome = run_dbt(settings, night, ["docs", "generate", "--static", "--no-compile"], manifest=manifest)
    made = target_dir(settings) / "static_index.html"
    if outcome.exception is not None or not outcome.success or not made.exists():
        raise CityperfError(
            f"expected dbt to describe the warehouse, found: {outcome.exception or 'no page of its own'}; "
            "./cityperf status says whether PostgreSQL runs"
        )
    shutil.move(made, page)


def _published(manifest: Any) -> list[dict[str, Any]]:
    """The tables of the publish layer, with each column's type and description, by name."""
    return [
        {
            "name": node.alias or node.name,
            "description": node.description,
            "columns": [
                {"name": column.name, "type": column.data_type or "", "description": column.description}
                for column in node.columns.values()
            ],
        }
        for _, node in sorted(manifest.nodes.items())
        if node.resource_type == "model" and node.fqn[1] == "publish"
    ]


def _pages(folder: Path, contracts: Any, published: list[dict[str, Any]], profile: str) -> int:
    """The dictionary, a page for each document of docs/, and the list of them all."""
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(autoescape=True, loader=FileSystemLoader(Path(__file__).parent))

    def write(name: str, template: str, **values: Any) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * name.count("/")
        path.write_text(environment.get_template(template).render(up=up, profile=profile, **values), "utf-8")

    documents: dict[str, list[tuple[str, str]]] = {}
    for source in sorted(DOCS.rglob("*.md")):
        text = source.read_text("utf-8")
        name = source.relative_to(DOCS).with_suffix(".html").as_posix()
        title = text.partition("\n")[0].lstrip("# ")
        html = Markup(_to_pages(as_html(text), source.parent))  # noqa: S704  # our own text
        write(name, "document.html", title=title, text=html)
        documents.setdefault(source.relative_to(DOCS).parent.as_posix(), []).append((name, title))
    write("dictionary.html", "dictionary.html", contracts=contracts, published=published)
    write("index.html", "index.html", documents=documents, dbt=DBT)
    return sum(map(len, documents.values())) + 2


def _to_pages(html: str, folder: Path) -> str:
    """Links to other documents lead to their pages; what lies elsewhere in the project is named, not linked."""

    def lead(link: re.Match[str]) -> str:
        target = (folder / link["path"]).resolve()
        if not target.is_relative_to(DOCS):
            return f"{link['text']} (<code>{target.relative_to(ROOT)}</code>)"
        return f'<a href="{re.sub(r"[.]md$", ".html", link["path"])}{link["section"]}">{link["text"]}</a>'

    return re.sub(
        r'<a href="(?![a-z]+:|#)(?P<path>[^"#]+)(?P<section>[^"]*)">(?P<text>.*?)</a>',
        lead,
        html,
        flags=re.DOTALL,
    )
