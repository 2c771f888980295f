"""Atom feeds, one per KPI and one per dimension: a signal, a target met or missed, a figure restated.

An entry's id and time follow from what it tells (KPI, period, vintage), so the same event is one entry for ever. A signal
that lasts is told once, with the period in which it began, and a target when a figure crosses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Final

from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.site import measures, sentences, words
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS, Lang

MOST: Final = 50  # entries of a feed
POINTS: Final = 24  # newest periods whose signals are told
SIGNALS: Final = ("improvement", "concern", "changed")
NEVER: Final = date(1970, 1, 1)  # of a feed without a figure yet: Atom wants a time
FACTS: Final = (
    "kpi_id", "name_en", "name_fr", "dimension", "unit", "decimals", "period_grain", "period_start", "value", "vintage",
    "is_target_met", "was_target_met", "target_value",
)  # fmt: skip
RESTATED: Final = ("period_start", "period_grain", "vintage", "old_value", "new_value", "release_number")


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """<lang>/feeds/<kpi>.atom and <lang>/feeds/<dimension>.atom."""
    del edition
    whole = measures.whole(tables)
    restated = tables.by(
        "kpi_id",
        "restatement",
        RESTATED,
        where=whole,
        order=("-vintage", "-period_start"),
    )
    points = tables.by(
        "kpi_id",
        "kpi_signal",
        ("period_start", "point_type", "special_cause"),
        where=whole,
        order=("period_start",),
        newest=POINTS + 1,
        per=("kpi_id",),
    )
    figures = tables.by(
        "kpi_id",
        "kpi_value",
        ("period_start", "value", "vintage"),
        where=f"{whole} and is_latest and not is_withdrawn",
        order=("period_start", "vintage"),
        newest=POINTS + 1,
        per=("kpi_id",),
    )
    found = [
        {
            **{name: card[name] for name in FACTS},
            "signals": list(begun(points.take(card["kpi_id"]), figures.take(card["kpi_id"]))),
            "restated": restated.take(card["kpi_id"])[:MOST],
        }
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


def begun(points: Sequence[Row], figures: Sequence[Row]) -> Iterator[Row]:
    """The points in which a signal began: period_start, value, vintage, `group` and special_cause.

    `points`: of one KPI by period, the first only to tell what went before. A point without a standing figure is left out.
    """
    standing = {row["period_start"]: row for row in figures}
    for before, point in pairwise(points):
        group = sentences.state_group(point["point_type"])
        is_new = group != sentences.state_group(before["point_type"])
        if is_new and group in SIGNALS and point["period_start"] in standing:
            yield {**standing[point["period_start"]], "group": group, "special_cause": point["special_cause"]}


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
    grain = row["period_grain"] or "month"
    for each in row["signals"]:
        period = words.period(each["period_start"], grain, lang)
        yield _entry(
            row, f"{each['group']}:{each['period_start']}", each["vintage"], lang,
            words.text(f"feed.{each['group']}", lang),
            words.text("feed.signal", lang, period=period, figure=_figure(row, each["value"], lang),
                       cause=words.text(f"feed.cause.{each['special_cause'] or 'none'}", lang)),
        )  # fmt: skip
    has_figure = row["value"] is not None and row["period_start"] and row["vintage"]
    if has_figure and row["is_target_met"] not in (None, row["was_target_met"]):
        state = "met" if row["is_target_met"] else "missed"
        yield _entry(
            row, f"{state}:{row['period_start']}", row["vintage"], lang, words.text(f"feed.{state}", lang),
            words.text("feed.target", lang, period=words.period(row["period_start"], grain, lang),
                       figure=_figure(row, row["value"], lang), target=_figure(row, row["target_value"], lang)),
        )  # fmt: skip
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
