"""From a page's data to its bytes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cityperf.config import ROOT
from cityperf.site import words
from cityperf.site.charts import marks
from cityperf.site.model import Page
from cityperf.site.words import LANGS


@cache
def environment() -> Environment:
    """Templates of include/site/templates: escaped, and an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(ROOT / "include" / "site" / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals.update(words=words, marks=marks, NAV=NAV)
    return made


# Items of the navigation: key of their words, address, kinds of page that belong to them.
NAV = (
    ("overview", "index.html", ("overview", "dimension", "kpi", "kpis")),
    ("neighbourhoods", "neighbourhoods.html", ("places", "profile")),
    ("benchmarks", "benchmarks.html", ("benchmarks",)),
    ("commitments", "commitments.html", ("commitments",)),
    ("reports", "reports.html", ("report", "reports", "scorecard", "briefing")),
    ("data", "catalogue.html", ("catalogue", "quality", "restatements", "methods")),
)


def render(page: Page, since: int, sample: bool) -> bytes:
    """The bytes of a page: what its kind's `render` gives, else its template filled with its `context`."""
    kind = importlib.import_module(f"cityperf.site.pages.{page.kind}")
    own: Callable[[Page, int, bool], bytes] | None = getattr(kind, "render", None)
    if own is not None:
        return own(page, since, sample)
    return html(page, since, sample, kind.context(page), f"{page.kind}.html")


def html(page: Page, since: int, sample: bool, context: Mapping[str, Any], template: str) -> bytes:
    """A template filled with `context` and with what the frame needs: addresses, language, words.

    Raises ValueError where a context takes a name of the frame's: every page would show the one for the other.
    """
    lang = page.lang
    inside = page.path.removeprefix(f"{lang}/")
    root = "../" * page.path.count("/")
    other = next(each for each in LANGS if each != lang)
    frame = {
        "lang": lang,
        "other": other,
        "root": root,
        "home": f"{root}{lang}/",
        "elsewhere": f"{root}{other}/{inside}",
        "here": inside,
        "kind": page.data.get("register", page.kind),  # each register has its own name and place in the menu
        "sample": sample,
        "since": since,
        "t": lambda key, **values: words.text(key, lang, **values),
    }
    if taken := frame.keys() & context.keys():
        raise ValueError(f"{page.path}: expected names that the frame does not use, found {sorted(taken)}")
    return environment().get_template(template).render({**frame, **context}).encode()
