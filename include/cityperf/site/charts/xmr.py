"""The XmR chart (process behaviour chart): figures with mean, limits, target, signals, breaks and notes.

Altair states the chart once for each width, Vega draws it (vl-convert, some 30 ms); a KPI's figures are swapped into the
compiled statement. Vega draws lines and marks only. Every word and number is set by us around them, so one drawing serves
both languages, light and dark. vl-convert hangs in a forked process: draw in a spawned one.

Limits and signals come from the table `kpi_signal` (rules: NHS Making Data Count); nothing is computed here but places.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache
from itertools import groupby, pairwise
from typing import Any, Final

from markupsafe import Markup

from cityperf.site.charts import svg
from cityperf.site.charts.svg import GLYPH, NARROW, WIDE, Scale, axis_number, label, n, tick_decimals, ticks
from cityperf.site.sentences import state_group
from cityperf.site.words import LANGS, Lang, difference, figure, period, text

MOST: Final = 48  # points shown
NARROW_MOST: Final = 24  # in the narrow drawing, where more would cover each other

# Vega wants colours; each stands for a token of the design and is replaced in what it draws.
_TOKENS: Final = {
    "#000001": "band",
    "#000002": "control",
    "#000003": "ink",
    "#000004": "no-signal",
    "#000005": "improving",
    "#000006": "concern",
    "#000007": "changed",
    "#000008": "card",
    "#000009": "ink-2",
}
_COLOUR: Final = {token: colour for colour, token in _TOKENS.items()}
# Shape, area in square units, fill, and a line of 2 round it: radius 3 for a usual point, 5.6 for a signal and its halo.
_SYMBOL: Final = {
    "improvement": ("circle", 98.5, "improving", "card"),
    "concern": ("diamond", 160.0, "concern", "card"),
    "changed": ("square", 92.0, "card", "changed"),
    "common_cause": ("circle", 12.6, "no-signal", "no-signal"),
    "not_assessed": ("circle", 12.6, "no-signal", "no-signal"),
}


@dataclass(frozen=True)
class Point:
    """One point: the charted figure (of seasonal KPIs the difference), its kind as `kpi_signal.point_type` has it, mean
    and limits of its phase (None where there are none) and the target of its period."""

    period_start: date
    charted: float
    kind: str = "common_cause"
    phase: int = 1
    mean: float | None = None
    lower: float | None = None
    upper: float | None = None
    target_low: float | None = None
    target_high: float | None = None


@dataclass(frozen=True)
class Note:
    """A recorded fact about a period, shown as a boxed letter and listed below the chart by the page."""

    letter: str
    period_start: date


@dataclass(frozen=True)
class Xmr:
    """A chart's figures, oldest first. Shares are fractions (unit `percent`)."""

    points: tuple[Point, ...]
    grain: str
    unit: str
    decimals: int
    notes: tuple[Note, ...] = ()
    are_differences: bool = False  # from the same season a year earlier

    def said(self, value: float, lang: Lang) -> str:
        """A charted figure in words."""
        if self.are_differences:
            return difference(value, self.unit, self.decimals, lang)
        return figure(value, self.unit, self.decimals, lang)

    @property
    def shown(self) -> tuple[Point, ...]:
        return self.points[-MOST:]


@dataclass(frozen=True)
class _Frame:
    """Where the plot lies in a drawing."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float

    @property
    def plot_width(self) -> int:
        return round(self.width - self.left - self.right)

    @property
    def plot_height(self) -> int:
        return round(self.height - self.top - self.bottom)


def draw(chart: Xmr, lang: Lang, prefix: str, title: str) -> Markup:
    """Both drawings of the chart, with `title` (its finding) and a description in `lang`. Empty without points."""
    if not chart.shown:
        return Markup("")
    narrow = replace(chart, points=chart.points[-NARROW_MOST:])
    return svg.figure(
        *(
            _drawing(each, lang, prefix, title, description(each, lang), kind)
            for each, kind in ((chart, "wide"), (narrow, "narrow"))
        )
    )


def description(chart: Xmr, lang: Lang) -> str:
    """How many points there are, the latest figure and its signal: what the SVG's description says."""
    last = chart.shown[-1]
    return text(
        "chart.description",
        lang,
        count=len(chart.shown),
        latest=chart.said(last.charted, lang),
        signal=text(f"signal.{last.kind}", lang).lower(),
    )


def starts_at_zero(chart: Xmr) -> bool:
    """Whether the axis starts at zero; the subtitle says so if it does not."""
    return _axis(chart, 6)[0] == 0


def _axis(chart: Xmr, most: int) -> list[float]:
    edges = [
        edge
        for point in chart.shown
        for edge in (point.charted, point.lower, point.upper, point.target_low, point.target_high)
        if edge is not None
    ]
    return ticks(min(edges), max(edges), most)


def _drawing(chart: Xmr, lang: Lang, prefix: str, title: str, said: str, kind: str) -> str:
    wide = kind == "wide"
    axis = _axis(chart, 6 if wide else 5)
    decimals = tick_decimals(axis, chart.unit)
    # Both languages share one drawing, so the margins have room for the longer words.
    left = 12 + GLYPH * max(
        len(axis_number(value, chart.unit, decimals, each)) for value in axis for each in LANGS
    )
    right = 14 + GLYPH * max(
        (len(name) for each in LANGS for _, name, _ in _edges(chart, each, wide)), default=0
    )
    frame = _Frame(WIDE if wide else NARROW, 330 if wide else 260, left, right, 30, 28)
    x = Scale(_domain(chart), (frame.left, frame.left + frame.plot_width))
    y = Scale((axis[0], axis[-1]), (frame.top + frame.plot_height, frame.top))
    bottom = frame.top + frame.plot_height
    content = [
        svg.line(frame.left, y(value), frame.left + frame.plot_width, y(value), "c-grid") for value in axis
    ]
    content += [
        label(frame.left - 8, y(value) + 4.5, axis_number(value, chart.unit, decimals, lang), anchor="end")
        for value in axis
    ]
    content += [label(x(at), bottom + 20, name, anchor="middle") for at, name in _dates(chart, x, lang)]
    content.append(
        f'<g fill="none" transform="translate({n(frame.left)} {n(frame.top)})">{_marks(chart, frame, axis)}</g>'
    )
    content += _breaks(chart, x, y, frame, lang, wide)
    content += _side_labels(chart, y, frame, lang, wide)
    content += _letters(chart, x, y, frame)
    content += _hits(chart, x, frame, lang)
    return svg.drawing(frame.width, frame.height, prefix, title, said, "".join(content), kind)


def _index(chart: Xmr, start: date) -> int:
    return svg.steps_between(chart.shown[0].period_start, start, chart.grain)


def _domain(chart: Xmr) -> tuple[float, float]:
    return (-0.5, _index(chart, chart.shown[-1].period_start) + 0.5)


def _dates(chart: Xmr, x: Scale, lang: Lang) -> Iterator[tuple[int, str]]:
    """Years at their first period shown, at least 48 units apart; the first year only if it begins there."""
    at_least, before = 48.0, None
    for point in chart.shown:
        index = _index(chart, point.period_start)
        starts = point.period_start.month == (1 if chart.grain != "season" else 3) or chart.grain == "year"
        if starts and (before is None or x(index) - before >= at_least):
            before = x(index)
            yield index, str(point.period_start.year)
    if before is None:  # less than a year: the ends are named
        ends = {_index(chart, point.period_start): point for point in (chart.shown[0], chart.shown[-1])}
        for index, point in ends.items():
            yield index, period(point.period_start, chart.grain, lang, short=True)


def _phases(chart: Xmr) -> list[list[Point]]:
    return [list(points) for _, points in groupby(chart.shown, key=lambda point: point.phase)]


def _bounds(chart: Xmr, points: list[Point]) -> tuple[float, float]:
    return _index(chart, points[0].period_start) - 0.5, _index(chart, points[-1].period_start) + 0.5


def _breaks(chart: Xmr, x: Scale, y: Scale, frame: _Frame, lang: Lang, wide: bool) -> list[str]:
    """A rule where a new phase begins, and what the phase before it had, above its band where there is room."""
    drawn = []
    phases = _phases(chart)
    for points, following in pairwise(phases):
        start, end = _bounds(chart, points)
        rule = x(_index(chart, following[0].period_start) - 0.5)
        drawn.append(svg.line(rule, frame.top - 8, rule, frame.top + frame.plot_height, "c-break"))
        last = points[-1]
        if last.mean is None or last.lower is None or last.upper is None:
            continue
        mean, low, high = (
            axis_number(v, chart.unit, chart.decimals, lang) for v in (last.mean, last.lower, last.upper)
        )
        name = text("chart.phase_is" if wide else "chart.phase_short", lang, mean=mean, low=low, high=high)
        if len(name) * GLYPH <= x(end) - x(max(start, -0.5)):
            drawn.append(label(x(max(start, -0.5)) + 4, max(y(last.upper) - 6, frame.top - 6), name))
    return drawn


def _edges(chart: Xmr, lang: Lang, wide: bool) -> list[tuple[float, str, str]]:
    """What the labels at the right name: height, words, class."""
    last = chart.shown[-1]
    size = "is" if wide else "short"
    found: list[tuple[float, str, str]] = []

    def add(value: float | None, key: str, kind: str = "") -> None:
        if value is not None:
            shown = axis_number(value, chart.unit, chart.decimals, lang)
            found.append((value, text(f"chart.{key}", lang, value=shown), kind))

    add(last.upper, f"upper_{size}")
    add(last.mean, f"mean_{size}")
    add(last.lower, f"lower_{size}")
    if last.target_low == last.target_high or last.target_high is None:
        add(last.target_low, f"target_{size}", "strong")
    else:
        add(last.target_low, "target_low", "strong")
        add(last.target_high, "target_high", "strong")
    return found


def _side_labels(chart: Xmr, y: Scale, frame: _Frame, lang: Lang, wide: bool) -> list[str]:
    edges = _edges(chart, lang, wide)
    heights = svg.spread([y(value) for value, _, _ in edges], frame.top, frame.top + frame.plot_height)
    left = frame.left + frame.plot_width + 8
    return [
        label(left, at + 4.5, name, kind=kind) for at, (_, name, kind) in zip(heights, edges, strict=True)
    ]


def _letters(chart: Xmr, x: Scale, y: Scale, frame: _Frame) -> list[str]:
    """Boxed letters: over the rule where the note is about a break, else beside the point."""
    points = {point.period_start: point for point in chart.shown}
    firsts = {points[0].period_start for points in _phases(chart)[1:]}
    drawn = []
    for note in chart.notes:
        point = points.get(note.period_start)
        if point is None:
            continue
        at = _index(chart, note.period_start)
        if note.period_start in firsts:
            left, top = x(at - 0.5), frame.top - 19
        else:
            left, top = x(at), y(point.charted)
            top += 18 if top < frame.top + frame.plot_height - 40 else -18
        drawn.append(
            f'<rect class="c-box" x="{n(left - 9)}" y="{n(top - 9)}" width="18" height="18" rx="3"/>'
            + label(left, top + 4.5, note.letter, anchor="middle", kind="strong")
        )
    return drawn


def _hits(chart: Xmr, x: Scale, frame: _Frame, lang: Lang) -> list[str]:
    drawn = []
    for point in chart.shown:
        at = _index(chart, point.period_start)
        left, right = x(at - 0.5), x(at + 0.5)
        values = {
            "period": period(point.period_start, chart.grain, lang),
            "value": chart.said(point.charted, lang),
        }
        is_signal = state_group(point.kind) not in ("common_cause", "not_assessed")
        said = (
            text("chart.point_signal", lang, **values, signal=text(f"signal.{point.kind}", lang))
            if is_signal
            else text("chart.point", lang, **values)
        )
        drawn.append(svg.hit(left, frame.top, right - left, frame.plot_height, said))
    return drawn


# --- what Vega draws ---------------------------------------------------------------------------------------------------


def _marks(chart: Xmr, frame: _Frame, axis: list[float]) -> str:
    limits, target, points = [], [], []
    for phase in _phases(chart):
        start, end = _bounds(chart, phase)
        last = phase[-1]
        if last.mean is not None and last.lower is not None and last.upper is not None:
            row = {"phase": last.phase, "mean": last.mean, "lower": last.lower, "upper": last.upper}
            limits += [{"x": start, **row}, {"x": end, **row}]
    for name in ("target_low", "target_high"):
        for run, point in _runs(chart, lambda point, name=name: getattr(point, name) is not None):
            at = _index(chart, point.period_start)
            target += [
                {"x": at + side, "y": getattr(point, name), "run": f"{name} {run}"} for side in (-0.5, 0.5)
            ]
    for run, point in _runs(chart, lambda point: True):
        shape, size, fill, stroke = _SYMBOL[state_group(point.kind)]
        points.append(
            {"x": _index(chart, point.period_start), "y": point.charted, "run": run, "shape": shape, "size": size,
             "fill": _COLOUR[fill], "stroke": _COLOUR[stroke], "order": int(size > 50)}
        )  # fmt: skip
    data = json.dumps({"limits": limits, "target": target, "points": points}, sort_keys=True)
    return _vega(data, _domain(chart)[1], axis[0], axis[-1], frame.plot_width, frame.plot_height)


def _runs(chart: Xmr, wanted: Any) -> Iterator[tuple[int, Point]]:
    """Points with the number of the unbroken line that they belong to: a missing period or a new phase ends it."""
    run, before = 0, None
    for point in chart.shown:
        if not wanted(point):
            continue
        here = (point.phase, _index(chart, point.period_start))
        if before is not None and (here[0] != before[0] or here[1] != before[1] + 1):
            run += 1
        before = here
        yield run, point


@lru_cache(maxsize=64)
def _vega(data: str, last: float, low: float, high: float, width: int, height: int) -> str:
    """The paths that Vega draws for these figures, with tokens for colours. Kept for the other language's page."""
    import vl_convert

    specification = copy.deepcopy(_compiled())
    specification["width"], specification["height"] = width, height
    given = json.loads(data)
    for dataset in specification["data"]:
        if dataset["name"] in given:
            dataset["values"] = given[dataset["name"]]
    for scale in specification["scales"]:
        scale["domain"] = [-0.5, last] if scale["name"] == "x" else [low, high]
    return _cleaned(vl_convert.vega_to_svg(specification))


def _cleaned(drawn: str) -> str:
    paths = re.findall(r'<path (?![^>]*aria-hidden)[^>]*d="M[^>]*/>', drawn)
    found = "".join(re.sub(r' (?:opacity="1"|stroke-width="0")', "", path) for path in paths)
    found = re.sub(r"\d+\.\d{2,}", lambda match: n(float(match[0])), found)
    return re.sub(r"#0000\d\d", lambda match: f"var(--{_TOKENS[match[0]]})", found)


@cache
def _compiled() -> dict[str, Any]:
    """The chart as Altair states it, compiled to Vega; figures, ends of the axes and size are put in later."""
    import altair
    import vl_convert

    x = altair.X("x:Q", axis=None, scale=altair.Scale(domain=[-0.5, 1.5], nice=False, zero=False))
    y = altair.Scale(domain=[0, 1], nice=False, zero=False)

    def chart(data: str) -> altair.Chart:
        return altair.Chart(altair.NamedData(data))

    def height(field: str) -> altair.Y:
        return altair.Y(f"{field}:Q", axis=None, scale=y)

    def rule(field: str, token: str, dash: list[int]) -> altair.Chart:
        drawn: altair.Chart = chart("limits").mark_line(
            color=_COLOUR[token], strokeWidth=1.2, strokeDash=dash
        )
        return drawn.encode(x=x, y=height(field), detail="phase:N")

    band = chart("limits").mark_area(color=_COLOUR["band"], opacity=1)
    target = chart("target").mark_line(color=_COLOUR["ink"], strokeWidth=1.5, strokeDash=[7, 4])
    line = chart("points").mark_line(color=_COLOUR["no-signal"], strokeWidth=1.5, strokeJoin="round")
    marks = chart("points").mark_point(filled=True, opacity=1, strokeWidth=2)
    layers = altair.layer(
        band.encode(x=x, y=height("lower"), y2="upper:Q", detail="phase:N"),
        rule("lower", "control", [2, 3]),
        rule("upper", "control", [2, 3]),
        rule("mean", "ink-2", [1, 0]),
        target.encode(x=x, y=height("y"), detail="run:N"),
        line.encode(x=x, y=height("y"), detail="run:N"),
        *(
            marks.transform_filter(f"datum.order === {order}").encode(
                x=x,
                y=height("y"),
                shape=altair.Shape("shape:N", scale=None),
                size=altair.Size("size:Q", scale=None),
                fill=altair.Fill("fill:N", scale=None),
                stroke=altair.Stroke("stroke:N", scale=None),
            )
            for order in (0, 1)
        ),
    )
    stated: dict[str, Any] = (
        layers.properties(width=600, height=240).configure(padding=0).to_dict(validate=False)
    )
    stated["background"], stated["autosize"] = None, {"type": "none"}
    # Vega-Lite drops a data set without rows, so each gets one that is replaced.
    row: dict[str, Any] = {
        "x": 0,
        "y": 0,
        "lower": 0,
        "upper": 1,
        "mean": 0.5,
        "phase": 1,
        "run": "0",
        "order": 0,
    }
    row |= {"shape": "circle", "size": 28, "fill": "#000004", "stroke": "#000004"}
    stated["datasets"] = {name: [row] for name in ("limits", "target", "points")}
    compiled: dict[str, Any] = vl_convert.vegalite_to_vega(stated)
    return compiled
