"""Drawings of the public pages: same figures, same bytes; no style attribute; labels that keep their distance."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cityperf.site.charts import comparison, maps, marks, multiples, peers, revisions, sparkline, svg, xmr
from markupsafe import Markup

KINDS = (
    "improvement",
    "concern",
    "neutral_high",
    "neutral_low",
    "common_cause",
    "too_few_points",
    "not_suitable",
)
CSS = Path(__file__).parents[2] / "include" / "site" / "static" / "charts.css"


def _month(index: int) -> date:
    return date(2024 + index // 12, index % 12 + 1, 1)


def _xmr() -> xmr.Xmr:
    points = [
        xmr.Point(
            _month(index), 0.70 + (index * 7 % 11) / 100, "improvement" if index > 20 else "common_cause",
            1 + (index >= 10), 0.76, 0.70, 0.82, 0.80, 0.80,
        )
        for index in range(24)
    ]  # fmt: skip
    notes = (xmr.Note("A", _month(10)), xmr.Note("B", _month(5)))
    return xmr.Xmr(tuple(points), "month", "percent", 1, notes)


def _spark() -> sparkline.Sparkline:
    return sparkline.Sparkline(
        (1.0, 2.0, None, 3.0, 2.5), ("common_cause",) * 4 + ("concern",), 0.5, 2.8, 2.0
    )


def _map() -> maps.Map:
    areas = tuple(
        maps.Area(
            f"{number:02d}", f"Ward {number}", None if number == 21 else 0.7 + number / 100, _square(number)
        )
        for number in range(1, 26)
    )
    values = [area.value for area in areas if area.value is not None]
    return maps.Map(areas, maps.cuts(values, 1, "percent"), "percent", 1)


def _square(number: int) -> Any:
    west, south = -79.6 + number % 5 * 0.08, 43.6 + number // 5 * 0.04
    ring = [
        [west, south],
        [west + 0.08, south],
        [west + 0.08, south + 0.04],
        [west, south + 0.04],
        [west, south],
    ]
    return maps.shape(json.dumps({"type": "Polygon", "coordinates": [ring]}))


def _strip() -> peers.Strip:
    others = tuple(peers.Peer(f"City {index}", 70.0 + index % 4) for index in range(12))
    return peers.Strip(
        (*others, peers.Peer("Toronto", 72.5, is_city=True)), "number", 1, "down", 70.5, 71.5, 72.5
    )


def _revisions() -> revisions.Revisions:
    rows = (revisions.Revision("Mar 2026", 0.839, 0.834), revisions.Revision("Apr 2026", 0.823, 0.826))
    return revisions.Revisions(rows, "percent", 1)


def _multiples() -> multiples.Multiples:
    values = (1.0, None, 3.0, 2.0)
    panels = tuple(
        multiples.Panel(f"Area <{i}>", "2.0", values, ("concern",) * 4, 2.0, 1.0, 3.0) for i in range(3)
    )
    return multiples.Multiples(panels, "number", 1, ((0, "2025"),), 2.5)


DRAWN: dict[str, Callable[[], Markup]] = {
    "xmr": lambda: xmr.draw(_xmr(), "en", "a", "Improving"),
    "sparkline": lambda: sparkline.draw(_spark()),
    "bar": lambda: comparison.bar(-0.9, 13.5, "worse"),
    "peers": lambda: peers.draw(_strip(), "en", "a", "t", "d"),
    "revisions": lambda: revisions.draw(_revisions(), "en", "a", "t", "d"),
    "multiples": lambda: multiples.draw(_multiples(), "en", "a"),
    "tiles": lambda: maps.tiles(_map(), "en", "a", "t", "d"),
    "boundaries": lambda: maps.boundaries(_map(), "en", "a", "t", "d"),
    "outlines": lambda: maps.outlines(_map().areas[:3], "en", "a", "t", "d"),
    "locator": lambda: maps.locator("10", "a", "t", "d"),
    "locator_of": lambda: maps.locator_of(_square(3), maps.ground([_square(3), _square(4)]), "a", "t", "d"),
    "legend": lambda: maps.legend(_map(), "fr"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_the_same_each_time_and_obeys_the_content_policy(name: str) -> None:
    drawn = DRAWN[name]()
    assert drawn == DRAWN[name]()
    assert not re.search(r"\sstyle=|<style|<script|\son\w+=|href=\"(?!#)", drawn)
    ElementTree.fromstring(f"<div>{drawn}</div>")  # noqa: S314 - our own drawing
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)"', drawn)]
    assert all(size >= 12 for size in sizes)
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", drawn), "a colour that is no token"


@pytest.mark.parametrize("name", [name for name in DRAWN if name not in ("sparkline", "bar", "legend")])
def test_a_chart_names_itself_and_its_ids_are_its_own(name: str) -> None:
    drawn = DRAWN[name]()
    root = ElementTree.fromstring(f"<div>{drawn}</div>")  # noqa: S314 - our own drawing
    ids = [found.attrib["id"] for found in root.iter() if "id" in found.attrib]
    assert ids
    assert len(ids) == len(set(ids))
    assert all(each.startswith("a-") for each in ids)
    for drawing in root.iter("{http://www.w3.org/2000/svg}svg"):
        assert drawing.attrib["role"] == "img"
        assert {drawing.attrib["aria-labelledby"], drawing.attrib["aria-describedby"]} <= set(ids)


def test_one_drawing_of_vega_serves_both_languages() -> None:
    english, french = (xmr.draw(_xmr(), lang, "a", "t") for lang in ("en", "fr"))
    paths = [re.findall(r"<path [^>]*>", drawn) for drawn in (english, french)]
    assert paths[0] == paths[1]
    assert "Upper limit 82.0" in english
    assert "Limite sup. 82,0" in french


def test_labels_at_the_right_are_seventeen_apart_however_near_their_lines() -> None:
    near = tuple(
        replace(point, upper=0.762, lower=0.758, target_low=0.761, target_high=0.761)
        for point in _xmr().points
    )
    drawn = xmr.draw(replace(_xmr(), points=near), "en", "a", "t")
    for kind in ("wide", "narrow"):
        part = drawn[drawn.index(f"drawing {kind}") :].split("</svg>")[0]
        heights = sorted(
            float(y) for y in re.findall(r'y="([\d.]+)" font-size="13">(?:Upper|Mean|Lower|Target)[^<,]*<', part)
            if y
        )  # fmt: skip
        heights = heights[-4:] if len(heights) > 4 else heights
        assert len(heights) == 4
        assert all(later - first >= svg.LINE - 0.11 for first, later in pairwise(heights))


def test_spread_keeps_its_order_and_its_ends() -> None:
    assert svg.spread([10, 12, 11], 0, 100) == [10, 44, 27]
    assert svg.spread([99, 98], 0, 100) == [100, 83]
    assert svg.spread([], 0, 100) == []


@pytest.mark.parametrize(("low", "high"), [(0, 1), (65.4, 86.4), (-3, 12), (5, 5), (0, 0), (1e9, 3.7e9)])
def test_ticks_are_round_and_hold_the_figures(low: float, high: float) -> None:
    found = svg.ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 8


def test_a_line_breaks_where_a_period_is_missing_and_where_a_phase_begins() -> None:
    def lines(chart: xmr.Xmr) -> int:
        drawn = xmr.draw(chart, "en", "a", "t").split("</svg>")[0]
        return len(re.findall(r'stroke="var\(--no-signal\)" stroke-width="1.5"', drawn))

    whole = _xmr()
    one = replace(whole, points=tuple(replace(point, phase=1) for point in whole.points), notes=())
    assert lines(one) == 1
    assert lines(whole) == 2
    assert lines(replace(one, points=one.points[:5] + one.points[6:])) == 2


def test_no_more_points_are_drawn_than_forty_eight() -> None:
    many = tuple(xmr.Point(_month(index), 1.0 + index % 3) for index in range(60))
    drawn = xmr.draw(xmr.Xmr(many, "month", "number", 0), "en", "a", "t")
    assert drawn.split("</svg>")[0].count('class="hit"') == xmr.MOST


def test_figures_without_limits_are_drawn_without_a_band() -> None:
    plain = tuple(xmr.Point(_month(index), 1.0 + index % 3, "not_suitable") for index in range(12))
    drawn = xmr.draw(xmr.Xmr(plain, "month", "number", 0), "en", "a", "t")
    assert "var(--band)" not in drawn
    assert "limit" not in drawn
    assert xmr.draw(xmr.Xmr((), "month", "number", 0), "en", "a", "t") == ""


def test_a_missing_figure_is_never_drawn_as_zero() -> None:
    drawn = sparkline.draw(_spark())
    path = re.search(r'class="s-line" d="([^"]+)"', drawn)
    assert path
    assert path[1].count("M") == 2
    assert path[1].count("L") == 2
    assert sparkline.draw(sparkline.Sparkline((None, 1.0))) == ""


def test_every_state_has_a_shape_of_its_own() -> None:
    groups = ("improvement", "concern", "changed", "common_cause", "not_assessed")
    shapes = {re.sub(r"[\d.]+|class=\"[^\"]+\"", "", marks.mark(group, 0, 0, 5)) + str(group == "common_cause")
              for group in groups}  # fmt: skip
    assert len(shapes) == len(groups)
    assert marks.signal_icon("neutral_high") != marks.signal_icon("neutral_low")
    assert (
        len(
            {
                marks.assurance_icon(a)
                for a in ("consistent_pass", "hit_or_miss", "consistent_fail", "no_target")
            }
        )
        == 4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_icon_is_hidden_from_readers_of_its_word(kind: str) -> None:
    assert 'aria-hidden="true"' in marks.signal_icon(kind)


def test_every_class_that_is_drawn_has_a_rule() -> None:
    drawn = "".join(draw() for draw in DRAWN.values())
    drawn += "".join(str(marks.signal_icon(kind)) + str(marks.legend_icon(kind)) for kind in KINDS)
    names = {name for found in re.findall(r'class="([^"]+)"', drawn) for name in found.split()}
    css = CSS.read_text("utf-8")
    unstyled = {name for name in names if not re.search(rf"\.{re.escape(name)}\b", css)}
    assert unstyled <= {"i-not_assessed", "i-common_cause", "i-none"}


def test_a_map_prints_what_its_colour_says_and_hides_nothing_behind_zero() -> None:
    drawn = maps.tiles(_map(), "en", "a", "t", "d").split("</svg>")[0]
    assert drawn.count('class="hit"') == 25
    assert ">n/a<" in drawn
    assert ">95.0<" in drawn
    assert {maps.class_of(value, _map().cuts) for value in (0.71, 0.77, 0.82, 0.86, 0.95)} == {
        f"map-{number}" for number in range(1, 6)
    }
    assert maps.class_of(None, _map().cuts) == "map-n"


def test_every_ward_has_its_tile_once() -> None:
    codes = [code for row in maps.TILES for code in row if code]
    assert sorted(codes) == [f"{number:02d}" for number in range(1, 26)]


def test_classes_of_figures_that_are_all_alike_are_one() -> None:
    assert maps.cuts([3.0, 3.0], 0, "number") == ()
    assert maps.class_of(3.0, ()) == "map-3"


def test_a_boundary_is_simplified_but_closed() -> None:
    steps = [[-79.5 + index / 10_000, 43.7] for index in range(100)]
    shape = {"type": "Polygon", "coordinates": [[*steps, [-79.45, 43.75], steps[0]]]}
    area = maps.Area("001", "Here", 1.0, maps.shape(json.dumps(shape)))
    drawn = maps.boundaries(maps.Map((area,), (), "number", 0), "en", "a", "t", "d").split("</svg>")[0]
    path = re.search(r'class="area[^"]*" d="([^"]+)"', drawn)
    assert path
    assert path[1].endswith("z")
    assert path[1].count("L") <= 4


def test_a_boundary_of_which_nothing_is_left_is_no_shape() -> None:
    speck = [[-79.5, 43.7], [-79.49999, 43.7], [-79.49999, 43.70001], [-79.5, 43.7]]
    assert maps.shape(json.dumps({"type": "Point", "coordinates": [-79.5, 43.7]})) is None
    assert maps.shape(json.dumps({"type": "Polygon", "coordinates": []})) is None
    assert (
        maps.shape(json.dumps({"type": "Polygon", "coordinates": [speck]})) is not None
    )  # an area stays one
    assert (
        maps.boundaries(maps.Map((maps.Area("001", "Here", 1.0),), (), "number", 0), "en", "a", "t", "d")
        == ""
    )


def test_dots_of_peers_never_cover_each_other() -> None:
    drawn = peers.draw(_strip(), "en", "a", "t", "d").split("</svg>")[0]
    dots = [
        tuple(map(float, found)) for found in re.findall(r'class="p-\w+" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    ]
    assert len(dots) == 13
    assert all(abs(x1 - x2) + abs(y1 - y2) >= 11.9 for i, (x1, y1) in enumerate(dots) for x2, y2 in dots[:i])


def test_names_are_escaped() -> None:
    assert "Area &lt;0&gt;" in multiples.draw(_multiples(), "en", "a")


def test_a_bar_of_nothing_is_only_its_line() -> None:
    assert "<rect" not in comparison.bar(None, 3)
    assert "<rect" not in comparison.bar(0, 0)
