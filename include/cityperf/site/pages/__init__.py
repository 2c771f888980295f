"""One module per kind of page.

Each has `pages(tables, edition)`, which yields a Page per address with all the data it shows, and `context(page)`, which
turns that data into what the template of the same name needs: words, numbers as text, drawings. A kind that is no HTML
has `render(page, since, sample)` instead, which gives its bytes. A new kind is its module, its template and a line here.
"""

from typing import Final

KINDS: Final = (
    "overview", "dimension", "kpi", "data", "kpis", "briefing", "profile", "places", "feed", "register", "report", "methods",
    "release",
)  # fmt: skip
