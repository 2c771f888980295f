"""Atom feeds: what a measure's reader is told, once for each event."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cityperf.site.model import Page
from cityperf.site.pages.feed import begun, render
from cityperf.site.words import Lang
from lxml import etree

ATOM = {"a": "http://www.w3.org/2005/Atom"}
KPI: dict[str, Any] = {
    "kpi_id": "CS-01", "name_en": "Calls answered in time", "name_fr": "Appels pris à temps",
    "dimension": "customer_service",
    "unit": "percent", "decimals": 1, "period_grain": "month", "period_start": date(2026, 9, 1),
    "value": Decimal("0.841"),
    "vintage": date(2026, 10, 15), "is_target_met": False, "was_target_met": True, "target_value": Decimal("0.85"),
    "signals": [
        {"period_start": date(2026, 9, 1), "value": Decimal("0.841"), "vintage": date(2026, 10, 15), "group": "improvement",
         "special_cause": "outside_limits"},
    ],
    "restated": [
        {"period_start": date(2026, 8, 1), "period_grain": "month", "vintage": date(2026, 10, 15),
         "old_value": Decimal("0.8"), "new_value": Decimal("0.81"), "release_number": 12},
    ],
}  # fmt: skip


def feed(lang: Lang = "en", since: int = 1, **changed: Any) -> Any:
    page = Page(f"{lang}/feeds/CS-01.atom", "feed", lang, {"about": "CS-01", "kpis": [KPI | changed]})
    return etree.fromstring(render(page, since, False))


def titles(found: Any) -> list[str]:
    return [each.text for each in found.findall("a:entry/a:title", ATOM)]


def test_a_signal_a_target_and_a_restatement_are_an_entry_each() -> None:
    found = titles(feed())
    assert len(found) == 3
    assert "Calls answered in time: a signal of improvement began" in found
    assert "Calls answered in time: the target is not met" in found
    assert "Calls answered in time: the figure of August 2026 was restated" in found
    summaries = [each.text for each in feed().findall("a:entry/a:summary", ATOM)]
    assert "September 2026: 84.1%, outside the limits" in summaries
    assert "September 2026: 84.1%, target 85.0%" in summaries and "Before: 80.0%; now: 81.0%" in summaries


def test_no_signal_no_target_no_restatement_is_an_empty_feed_with_its_time() -> None:
    found = feed(signals=[], is_target_met=None, restated=[])
    assert titles(found) == []
    assert found.find("a:updated", ATOM).text == "2026-10-15T00:00:00+00:00"
    assert (
        feed(value=None, vintage=None, signals=[], restated=[])
        .find("a:updated", ATOM)
        .text.startswith("1970-01-01")
    )


def test_a_target_is_told_when_it_is_crossed_or_first_judged() -> None:
    def told(**changed: Any) -> bool:
        return any("the target is" in each for each in titles(feed(signals=[], restated=[], **changed)))

    assert told() and told(was_target_met=None) and told(is_target_met=True, was_target_met=False)
    assert not told(was_target_met=False) and not told(is_target_met=None)


def test_the_same_event_keeps_its_id_and_bytes_and_a_new_one_has_another() -> None:
    def ids(found: Any) -> set[str]:
        return {each.text for each in found.findall("a:entry/a:id", ATOM)}

    page = Page("en/feeds/CS-01.atom", "feed", "en", {"about": "CS-01", "kpis": [KPI]})
    assert render(page, 1, False) == render(page, 9, False)
    later = feed(period_start=date(2026, 10, 1))
    assert len(ids(feed()) & ids(later)) == 2, (
        "the signal that began earlier and the restatement are the same events"
    )


def test_a_signal_is_told_when_it_begins_and_stays_told() -> None:
    """A second figure of the same run is no news; what came before the first period that is looked at is not known."""
    kinds = [
        "improvement",
        "improvement",
        "common_cause",
        "concern",
        "concern",
        "neutral_high",
        "common_cause",
        "concern",
    ]
    points: list[dict[str, Any]] = [
        {"period_start": date(2026, month, 1), "point_type": kind, "special_cause": "outside_limits"}
        for month, kind in enumerate(kinds, 1)
    ]
    figures = [
        {"period_start": date(2026, month, 1), "value": Decimal(month), "vintage": date(2026, month, 20)}
        for month in range(1, 8)
    ]
    told = [
        (each["period_start"].month, each["group"], each["vintage"].day) for each in begun(points, figures)
    ]
    assert told == [(4, "concern", 20), (6, "changed", 20)], (
        "August has a point of the chart but no standing figure"
    )


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "Calls answered"), ("fr", "Appels pris à temps : la cible n’est pas")]
)
def test_each_language_has_a_feed_of_its_own(lang: Lang, said: str) -> None:
    found = feed(lang)
    assert any(said in each.replace("\u00a0", " ") for each in titles(found))
    assert found.get("{http://www.w3.org/XML/1998/namespace}lang") == lang


def test_a_sample_says_so_in_every_title() -> None:
    page = Page("en/feeds/CS-01.atom", "feed", "en", {"about": "CS-01", "kpis": [KPI]})
    found = etree.fromstring(render(page, 1, True))
    assert all("SAMPLE" in each for each in [found.find("a:title", ATOM).text, *titles(found)])
