"""Atom feeds, one per KPI and one per dimension: a signal, a target met or missed, a figure restated.

An entry's id and time follow from what it tells (KPI, period, vintage), so the same event is one entry for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.site import measures, words
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS, Lang

MOST: Final = 50  # entries of a feed
NEVER: Final = date(1970, 1, 1)  # of a feed without a figure yet: Atom wants a time
FACTS: Final = (
    "kpi_id", "name_en", "name_fr", "dimension", "unit", "decimals", "period_grain", "period_start", "value", "vintage",
    "variation", "special_cause", "is_target_met", "target_value",
)  # fmt: skip
RESTATED: Final = ("period_start", "period_grain", "vintage", "old_value", "new_value", "release_number")


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """<lang>/feeds/<kpi>.atom and <lang>/feeds/<dimension>.atom."""
    del edition
    restated = tables.by(
        "kpi_id",
        "restatement",
        RESTATED,
        where=measures.CITY,
        order=("-vintage", "-period_start"),
    )
    found = [
        {**{name: card[name] for name in FACTS}, "restated": restated.take(card["kpi_id"])[:MOST]}
        for card in measures.cards(tables)
    ]
    for each in found:
        for lang in LANGS:
            yield Page(
                f"{lang}/feeds/{each['kpi_id']}.atom", "feed", lang, {"about": each["kpi_id"], "kpis": [each]}
            )
    for dimension in measures.DIMENSIONS:
        own = [each for each in found if each["dimension"] == dimension]
        for lang in LANGS:
            yield Page(f"{lang}/feeds/{dimension}.atom", "feed", lang, {"about": dimension, "kpis": own})


def render(page: Page, since: int, sample: bool) -> bytes:
    """Atom 1.0 (RFC 4287), newest entry first. Addresses are relative to the feed."""
    del since
    from feedgen.feed import FeedGenerator

    lang, about = page.lang, page.data["about"]
    told = sorted(
        (entry for row in page.data["kpis"] for entry in _entries(row, lang)),
        key=lambda entry: (entry["updated"], entry["id"]),
    )[-MOST:]
    single = about not in measures.DIMENSIONS
    name = measures.name(page.data["kpis"][0], lang) if single else words.text(f"dimension.{about}", lang)
    notice = f"{SAMPLE_NOTICE}. " if sample else ""
    feed = FeedGenerator()
    feed.id(f"urn:cityperf:{lang}:{about}")
    feed.title(notice + words.text("feed.title", lang, name=name))
    feed.language(lang)
    feed.author(name=words.text("site.name", lang))
    feed.generator("cityperf")
    feed.link(href=f"../{'kpi' if single else 'dimension'}/{about}.html", rel="alternate", hreflang=lang)
    feed.link(href=f"{about}.atom", rel="self")
    newest = max((row["vintage"] for row in page.data["kpis"] if row["vintage"]), default=NEVER)
    feed.updated(max([_moment(newest), *(entry["updated"] for entry in told)]))
    for each in told:
        entry = feed.add_entry()  # feedgen puts each before those that came first
        entry.id(each["id"])
        entry.title(notice + each["title"])
        entry.summary(each["summary"])
        entry.link(href=f"../kpi/{each['kpi_id']}.html", rel="alternate", hreflang=lang)
        entry.updated(each["updated"])
    return bytes(feed.atom_str(pretty=True))


def _entries(row: Row, lang: Lang) -> Iterator[dict[str, Any]]:
    if row["value"] is not None and row["period_start"] and row["vintage"]:
        period = words.period(row["period_start"], row["period_grain"] or "month", lang)
        figure = _figure(row, row["value"], lang)
        group = measures.group(row)
        if group in ("improvement", "concern", "changed"):
            cause = row["special_cause"]
            said = words.text(f"cause.{cause}", lang) if cause else words.text("cause.none", lang)
            yield _entry(row, f"{group}:{row['period_start']}", row["vintage"], lang,
                         words.text(f"news.{group}", lang, cause=said),
                         words.text("feed.figure", lang, period=period, figure=figure))  # fmt: skip
        if row["is_target_met"] is not None:
            state = "met" if row["is_target_met"] else "missed"
            target = _figure(row, row["target_value"], lang)
            yield _entry(row, f"{state}:{row['period_start']}", row["vintage"], lang, words.text(f"feed.{state}", lang),
                         words.text("feed.target", lang, period=period, figure=figure, target=target))  # fmt: skip
    for each in row["restated"]:
        period = words.period(each["period_start"], each["period_grain"], lang)
        yield _entry(
            row, f"restated:{each['period_start']}:{each['release_number']}", each["vintage"], lang,
            words.text("feed.restated", lang, period=period),
            words.text("feed.was", lang, old=_figure(row, each["old_value"], lang),
                       new=_figure(row, each["new_value"], lang)),
        )  # fmt: skip


def _entry(row: Row, event: str, on: date, lang: Lang, said: str, summary: str) -> dict[str, Any]:
    title = words.text("feed.entry", lang, name=measures.name(row, lang), said=said)
    return {
        "id": f"urn:cityperf:{lang}:{row['kpi_id']}:{event}", "kpi_id": row["kpi_id"], "title": title,
        "summary": summary, "updated": _moment(on),
    }  # fmt: skip


def _figure(row: Mapping[str, Any], value: Any, lang: Lang) -> str:
    return words.figure(value, row["unit"] or "number", row["decimals"] or 0, lang)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
