"""What the gates catch and what they let pass: damage in good feeds, sound nights, true peaks, jumps before a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cityperf import publish
from cityperf.config import Settings
from cityperf.quality import check_publish
from cityperf.sources import load_contracts

from tests import mutations_of_candidates as on_publish
from tests.feeds import Feeds, Judged, feeds, simulate
from tests.integration.candidate import NIGHT, build_candidate, value, write_manifest
from tests.mutations import DASH, LANDING, SLICE, TTC, at_landing, caught, prepared, severity


@pytest.fixture
def running(clean_warehouse: Settings) -> Iterator[Feeds]:
    with feeds(clean_warehouse, [DASH, TTC]) as opened:
        yield opened


def test_damage_in_a_good_feed_is_stopped_or_flagged(running: Feeds) -> None:
    good = prepared(running, [DASH, TTC])
    chosen = [m for m in LANDING if m.name in SLICE]
    assert len(chosen) == len(SLICE)
    got = {m.name: severity(at_landing(running, m, good)) for m in chosen}
    assert {m.name: (m.wanted, got[m.name]) for m in chosen if not caught(m.wanted, got[m.name])} == {}


def test_the_kinds_of_damage_are_many_and_each_says_what_is_wanted() -> None:
    names = [*(m.name for m in LANDING), *(m.name for m in on_publish.PUBLISH)]
    assert len({*names}) == len(names)
    assert len(LANDING) >= 60
    assert {m.wanted for m in LANDING} <= {"block", "hold", "warn", "info"}


def test_damage_in_a_candidate_is_stopped_or_flagged_and_a_sound_one_passes(
    clean_warehouse: Settings,
) -> None:
    write_manifest(clean_warehouse)
    good = on_publish.prepared(clean_warehouse)
    chosen = [each for each in on_publish.PUBLISH if each.name in on_publish.SLICE]
    assert len(chosen) == len(on_publish.SLICE)
    for each in chosen:
        found = on_publish.judged(clean_warehouse, each.change(good))
        assert caught(each.wanted, on_publish.strictest(found)), (each.name, found)


def test_sound_nights_raise_no_alarm(running: Feeds) -> None:
    nights = [date(2026, 11, 5), date(2026, 11, 19), date(2027, 1, 20), date(2027, 2, 12)]
    seen = simulate(running, [TTC], nights)
    seen_also = simulate(running, [DASH], nights[:3])
    assert seen.gates >= 9
    assert seen_also.gates == 3
    assert seen.alarms + seen_also.alarms == []


def test_the_spring_peaks_of_2_35_are_no_jump_and_a_shifted_decimal_in_one_is(
    running: Feeds, real_data: Path
) -> None:
    """Hours booked: 0.2 million in winter, 7 to 8 million every spring (the City's feed of October 2019)."""
    feed = json.loads((real_data / "toronto-dashboard" / "tpp_measures_2019-10-29.json").read_text())
    peak = next(m for m in feed["measures"] if m["id"] == 2.35)["vs"]
    springs = [p for p in peak if p["p"] == 2]
    newest = max(springs, key=lambda p: p["y"])
    assert newest["v"] > 5 * next(p["v"] for p in peak if (p["y"], p["p"]) == (newest["y"], 1))

    def deliver(night: date, points: list[dict[str, Any]], *, keep: bool) -> Judged:
        one = {
            **feed,
            "measures": [{**m, "vs": points if m["id"] == 2.35 else m["vs"]} for m in feed["measures"]],
        }
        contract = load_contracts()[DASH]
        landed = running.land(contract, night, "tpp_measures.json", json.dumps(one).encode())
        return running.take(contract, night, landed, "tpp_measures.json", keep=keep)

    before = [p for p in peak if (p["y"], p["p"]) < (newest["y"], 2)]
    deliver(date(2019, 5, 1), before, keep=True)
    sound = deliver(date(2019, 8, 1), [*before, newest], keep=False)
    assert "no_jump" not in {each.check for each in sound.alarms}
    shifted = deliver(date(2019, 8, 1), [*before, {**newest, "v": newest["v"] * 10}], keep=False)
    (jump,) = [each for each in shifted.alarms if each.check == "no_jump"]
    assert "2.35" in jump.found
    assert "before: 2019-05-01" not in jump.message, "the first delivery had nothing to be held against"
    assert "the delivery of 2019-05-01" in jump.message


def _judged(settings: Settings, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Checks of kpi_value on a candidate with these figures."""
    write_manifest(settings)
    build_candidate(settings, publish.open_candidate(settings, NIGHT), change={"kpi_value": rows})
    return {
        each.check: each for each in check_publish(settings, NIGHT).results if each.subject == "kpi_value"
    }


def test_a_jump_in_tonights_figures_warns_and_many_at_once_block(clean_warehouse: Settings) -> None:
    was = date(2024, 3, 1)

    def history(area: int, last: float) -> list[dict[str, Any]]:
        months = [date(2019 + n // 12, n % 12 + 1, 1) for n in range(61)]
        usual = [(100 + 40 * (m.month == 7) + m.year - 2019) * (1 + area / 10) for m in months]
        figures = [*usual[:-1], usual[-1] * last]
        return [
            value("2.05", month, str(figure), NIGHT if month == months[-1] else was, geography_type="ward",
                  geography_code=f"{area:02d}", is_latest=True)
            for month, figure in zip(months, figures, strict=True)
        ]  # fmt: skip

    def gate(factors: list[float]) -> dict[str, Any]:
        rows = [row for area, factor in enumerate(factors) for row in history(area, factor)]
        return _judged(clean_warehouse, rows)

    one = gate([10.0, *[1.02] * 9])
    assert one["no_jump"].status == "warn"
    assert one["no_jump"].found.startswith("1 row, such as series 2.05 v1 ward 00 month")
    assert one["no_jump_of_many"].status == "pass"
    assert one["areas_complete"].status == "pass"
    many = gate([10.0] * 6 + [1.0] * 4)
    assert many["no_jump_of_many"].blocks


@pytest.mark.parametrize(("cases", "expected"), [(13, "pass"), (1300, "warn")])
def test_a_share_of_few_cases_may_move_by_chance_and_one_of_many_may_not(
    clean_warehouse: Settings, cases: int, expected: str
) -> None:
    """Six of thirteen cases, restated as one: four standard errors cover it. Of a hundred times as many they do not."""
    months = [date(2019 + n // 12, n % 12 + 1, 1) for n in range(61)]

    def share(month: date, of_thirteen: int, vintage: date, *, latest: bool = True) -> dict[str, Any]:
        found = of_thirteen * cases // 13
        return value("CS-311-02", month, str(found / cases), vintage, geography_type="ward", geography_code="11",
                     numerator=str(found), denominator=str(cases), is_latest=latest)  # fmt: skip

    was = date(2024, 3, 1)
    rows = [share(month, 1 + n % 2, was) for n, month in enumerate(months[:-1])]
    rows += [share(months[-1], 6, was, latest=False), share(months[-1], 1, NIGHT)]
    found = _judged(clean_warehouse, rows)["no_jump"]
    assert found.status == expected, found.message


@pytest.mark.parametrize(("cases", "expected"), [(3, "pass"), (300, "warn")])
def test_a_rate_of_rare_events_may_be_none_in_a_year_and_one_of_many_may_not(
    clean_warehouse: Settings, cases: int, expected: str
) -> None:
    years = [date(2010 + n, 1, 1) for n in range(12)]

    def rate(year: date, found: int, vintage: date) -> dict[str, Any]:
        return value("2.05", year, str(found / 15_000), vintage, period_grain="year",
                     geography_type="neighbourhood_158", geography_code="163", numerator=str(found), denominator="15000",
                     is_latest=True)  # fmt: skip

    rows = [rate(year, cases + n % 3, date(2022, 2, 7)) for n, year in enumerate(years[:-1])]
    rows.append(rate(years[-1], 0, NIGHT))
    found = _judged(clean_warehouse, rows)["no_jump"]
    assert found.status == expected, found.message


@pytest.mark.parametrize(
    ("newest", "once_more", "expected"),
    [(300, 150, "pass"), (900, 150, "warn"), (300, 10, "warn")],
    ids=["ripens as ever", "far more than ever at first", "falls further than ever"],
)
def test_a_share_that_ripens_is_held_against_shares_of_its_age(
    clean_warehouse: Settings, newest: int, once_more: int, expected: str
) -> None:
    """Of a month's 1,000 cases about 300 are open when they are first told of, 60 a year later, in every month alike."""
    months = [date(2019 + n // 12, n % 12 + 1, 1) for n in range(62)]
    bulk, last = date(2023, 10, 8), date(2024, 3, 1)

    def share(month: date, still_open: int, vintage: date, *, latest: bool = True) -> dict[str, Any]:
        return value("CS-311-02", month, str(still_open / 1000), vintage, numerator=str(still_open), denominator="1000",
                     is_latest=latest)  # fmt: skip

    rows = [share(month, 60 + n % 5, bulk) for n, month in enumerate(months[:-5])]
    for n, month in enumerate(months[-5:-2]):
        rows += [share(month, 290 + 10 * n, bulk, latest=False), share(month, 60 + n, last)]
    rows += [share(months[-2], 310, last, latest=False), share(months[-2], once_more, NIGHT)]
    rows.append(share(months[-1], newest, NIGHT))
    found = _judged(clean_warehouse, rows)["no_jump"]
    assert found.status == expected, found.message


@pytest.mark.parametrize(("cases", "expected"), [(9, "pass"), (900, "warn")])
def test_an_area_of_few_cases_may_have_none_in_a_period_and_one_of_many_may_not(
    clean_warehouse: Settings, cases: int, expected: str
) -> None:
    months = [date(2023 + n // 12, n % 12 + 1, 1) for n in range(15)]
    rows = [
        value("2.05", month, str(cases + area), NIGHT if month == months[-1] else date(2024, 3, 1),
              geography_type="ward", geography_code=f"{area:02d}", numerator=str(cases + area), is_latest=True)
        for month in months
        for area in range(1, 6)
        if (month, area) != (months[-1], 3)
    ]  # fmt: skip
    found = _judged(clean_warehouse, rows)["areas_complete"]
    assert found.status == expected, found.message


@pytest.mark.parametrize(("others_move", "expected"), [(0.3, "pass"), (0.01, "warn")])
def test_an_area_that_never_moved_may_move_as_the_others_do(
    clean_warehouse: Settings, others_move: float, expected: str
) -> None:
    """Few changes of one area may all be small by chance; those of the same figure in other areas say what is usual."""
    years = [date(2012 + n, 1, 1) for n in range(12)]

    def series(area: int, move: float, last: float) -> list[dict[str, Any]]:
        figures = [1000 * (1 + move * (n % 3 - 1) * (1 + n % 2)) for n in range(len(years) - 1)] + [last]
        return [
            value("2.05", year, str(figure), NIGHT if year == years[-1] else date(2024, 2, 1), period_grain="year",
                  geography_type="ward", geography_code=f"{area:02d}", is_latest=True)
            for year, figure in zip(years, figures, strict=True)
        ]  # fmt: skip

    rows = [row for area in range(2, 12) for row in series(area, others_move, 1000)]
    found = _judged(clean_warehouse, rows + series(1, 0.01, 1900))["no_jump"]
    assert found.status == expected, found.message
