"""The first page: how the city is doing, what is new, and where to look further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cityperf.site import measures, words
from cityperf.site.drawings import ward_tiles
from cityperf.site.model import Edition, Page, Row, Tables
from cityperf.site.words import LANGS

NEWS: Final = 8
HEADLINES: Final = 8
# Kinds of news by weight: a concern first, what is merely late last.
WEIGHT: Final = {
    kind: place
    for place, kind in enumerate(
        ("concern", "improvement", "changed", "missed", "met", "restated", "held", "late")
    )
}


def pages(tables: Tables, edition: Edition) -> Iterator[Page]:
    """One page per language."""
    cards = measures.cards(tables)
    data = {
        "counts": measures.counts(cards),
        "dimensions": [
            {"id": each, **measures.counts(c for c in cards if c["dimension"] == each)}
            for each in measures.DIMENSIONS
        ],
        "headlines": measures.with_points(tables, _headlines(cards)),
        **_news(tables, edition, cards),
        "commitments": _commitments(tables),
        "report_cards": list(
            tables.rows(
                "report_card",
                ("publisher", "report_card", "edition", "grade", "rank", "peers"),
                where="is_latest_edition",
                order=("report_card", "publisher", "indicator"),
            )
        )[:6],
        "quality": _quality(tables),
        "map": _map(tables, cards),
    }
    for lang in LANGS:
        yield Page(f"{lang}/index.html", "overview", lang, data)


def _headlines(cards: list[Row]) -> list[Row]:
    """Eight KPIs, from each dimension in turn: those with a signal and a target first, then by id."""
    queues = {
        each: sorted(
            (c for c in cards if c["dimension"] == each and c["value"] is not None),
            key=lambda c: (
                measures.group(c) in ("common_cause", "not_assessed"),
                c["is_target_met"] is None,
                c["kpi_id"],
            ),
        )
        for each in measures.DIMENSIONS
    }
    chosen: list[Row] = []
    while len(chosen) < HEADLINES and any(queues.values()):
        for queue in queues.values():
            if queue and len(chosen) < HEADLINES:
                chosen.append(queue.pop(0))
    return chosen


def _previous(tables: Tables, edition: Edition) -> Row | None:
    """The release that readers had before this one."""
    listed = tables.rows("release", ("number", "night"), order=("number",))
    return max(
        (row for row in listed if row["number"] < edition.number), key=lambda row: row["number"], default=None
    )


def _news(tables: Tables, edition: Edition, cards: list[Row]) -> dict[str, Any]:
    """What changed since the release before: figures that came and are signals or crossed their target, restatements,
    and what is late or held back.

    Nights that were held back count: what they brought is new to readers. A first release has nothing before it.
    """
    before = _previous(tables, edition)
    newest = max((c["vintage"] for c in cards if c["vintage"]), default=None)
    came = {"new": 0, "changed": 0, "withdrawn": 0}
    for row in tables.rows("vintage", ("vintage", *(f"figures_{kind}" for kind in came))):
        if before and row["vintage"] > before["night"]:
            for kind in came:
                came[kind] += row[f"figures_{kind}"] or 0
    restated: dict[str, int] = {}
    for row in tables.rows("restatement", ("kpi_id",), where=f"release_number = {int(edition.number)}"):
        restated[row["kpi_id"]] = restated.get(row["kpi_id"], 0) + 1
    items: list[dict[str, Any]] = []
    for card in cards:
        group = measures.group(card)
        is_new = card["vintage"] and (
            card["vintage"] > before["night"] if before else card["vintage"] == newest
        )
        if is_new and group in ("improvement", "concern", "changed"):
            items.append({"what": group, "card": card})
        met, was = card["is_target_met"], card["was_target_met"]
        if is_new and None not in (met, was) and met != was:
            items.append({"what": "met" if met else "missed", "card": card})
        if card["kpi_id"] in restated:
            items.append({"what": "restated", "card": card, "figures": restated[card["kpi_id"]]})
        if card["held"]:
            items.append({"what": "held", "card": card})
        if card["late"]:
            items.append({"what": "late", "card": card})
    items.sort(key=lambda item: (WEIGHT[item["what"]], item["card"]["kpi_id"]))
    spread: list[
        dict[str, Any]
    ] = []  # the first of each kind, then the second of each: no kind hides another
    by = {what: [item for item in items if item["what"] == what] for what in WEIGHT}
    while len(spread) < NEWS and any(by.values()):
        for queue in by.values():
            if queue and len(spread) < NEWS:
                spread.append(queue.pop(0))
    return {"before": before, "came": came, "news": spread, "news_in_all": len(items)}


def _commitments(tables: Tables) -> dict[str, Any]:
    found: dict[str, int] = {}
    until = None
    for row in tables.rows("commitment", ("status_label", "as_of", "is_removed"), order=("commitment_id",)):
        if not row["is_removed"]:
            found[row["status_label"]] = found.get(row["status_label"], 0) + 1
        until = max(filter(None, (until, row["as_of"])), default=None)
    return {"statuses": dict(sorted(found.items(), key=lambda each: (-each[1], each[0]))), "as_of": until}


def _map(tables: Tables, cards: list[Row]) -> dict[str, Any] | None:
    """The first measure, by id, that has a figure of its newest period for most wards; None where none has."""
    names = {
        row["geography_code"]: row["geography_name"]
        for row in tables.rows(
            "geography", ("geography_code", "geography_name"), "geography_type = 'ward' and is_current"
        )
    }
    found = tables.by(
        "kpi_id",
        "kpi_assessment",
        ("geography_code", "period_start", "value"),
        where="geography_type = 'ward'",
        order=("geography_code",),
    )
    for card in cards:
        rows = found.take(card["kpi_id"])
        if sum(row["value"] is not None for row in rows) > len(names) / 2:
            return {
                "card": card,
                "rows": [{**row, "geography_name": names.get(row["geography_code"])} for row in rows],
            }
    return None


def _quality(tables: Tables) -> dict[str, Any]:
    columns = ("dataset", "late_by_days", "checks_passed", "checks_warned", "checks_failed")
    rows = list(tables.rows("data_quality", columns, order=("dataset",)))
    grades: dict[str, int] = {}
    for row in tables.rows("quality_grade", ("grade",), where="origin <> 'published'"):
        if row["grade"]:
            grades[row["grade"]] = grades.get(row["grade"], 0) + 1
    passed = sum(row["checks_passed"] or 0 for row in rows)
    return {
        "datasets": len(rows),
        "on_time": sum((row["late_by_days"] or 0) <= 0 for row in rows),
        "passed": passed,
        "checks": passed + sum((row["checks_warned"] or 0) + (row["checks_failed"] or 0) for row in rows),
        "grades": {grade: grades[grade] for grade in ("Gold", "Silver", "Bronze") if grade in grades},
    }


def context(page: Page) -> Mapping[str, Any]:
    """Tiles and sentences of the page."""
    data, lang = page.data, page.lang
    tile = {c["kpi_id"]: measures.tile(c, lang) for c in data["headlines"]}
    news = [
        {
            **each,
            "tile": measures.tile(each["card"], lang),
            "text": words.text(f"news.{each['what']}", lang, **_said(each, lang)),
        }
        for each in data["news"]
    ]
    return {
        **data,
        "tiles": [tile[c["kpi_id"]] for c in data["headlines"]],
        "news": news,
        "groups": measures.GROUP_ORDER,
        "map": _drawn_map(data["map"], lang) if data["map"] else None,
        "news_title": _news_title(data["before"], lang),
        "came": words.text("news.came", lang, **data["came"]) if data["before"] else "",
        "commitments_until": words.day(data["commitments"]["as_of"], lang)
        if data["commitments"]["as_of"]
        else "",
    }


def _news_title(before: Mapping[str, Any] | None, lang: words.Lang) -> str:
    if before is None:
        return words.text("news.first_title", lang)
    return words.text("news.title", lang, number=before["number"], day=words.day(before["night"], lang))


def _drawn_map(found: Mapping[str, Any], lang: words.Lang) -> dict[str, Any]:
    card = found["card"]
    newest = max(row["period_start"] for row in found["rows"])
    return {
        "id": card["kpi_id"],
        "name": measures.name(card, lang),
        "period": words.period(newest, card["period_grain"] or "month", lang),
        "drawing": ward_tiles(found["rows"], card, lang),
    }


def _said(each: Mapping[str, Any], lang: words.Lang) -> dict[str, Any]:
    card = each["card"]
    if each["what"] == "restated":
        return {"count": each["figures"]}
    if each["what"] in ("met", "missed"):
        return {"target": words.figure(card["target_value"], card["unit"], card["decimals"], lang)}
    if each["what"] == "late":
        return {"due": words.day(card["next_expected_on"], lang)}
    if each["what"] == "held":
        return {"reason": card[f"stale_reason_{lang}"] or card["stale_reason_en"]}
    cause = card["special_cause"]
    return {"cause": words.text(f"cause.{cause}", lang) if cause else words.text("cause.none", lang)}
