"""The marks of signals and the icons of variation, assurance and target. Shape carries the meaning, colour repeats it:
circle improving, diamond concern, open square changed, small dot no signal, dash not assessed.

After the icons of the NHS programme Making Data Count, which tell variation and assurance apart; the arrow says high or
low, the frame whether that is good. Icons are `aria-hidden`: their word stands beside them.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from cityperf.site.charts.svg import n
from cityperf.site.sentences import state_group

_UP: Final = "M0 5.5V-5M-4.5-.8 0-5.3 4.5-.8"
_DOWN: Final = "M0-5.5V5M-4.5 .8 0 5.3 4.5 .8"
_WAVE: Final = "M-6 1.5-3-2.5 0 2 3-2 6 1.5"


def mark(group: str, x: float, y: float, radius: float) -> str:
    """The mark of a state group at a point; `radius` is that of the circle, the others have about its area."""
    if group == "improvement":
        return f'<circle class="m-improvement" cx="{n(x)}" cy="{n(y)}" r="{n(radius)}"/>'
    if group == "concern":
        r = radius * 1.25
        return (
            f'<path class="m-concern" d="M{n(x)} {n(y - r)}l{n(r)} {n(r)} {n(-r)} {n(r)} {n(-r)} {n(-r)}z"/>'
        )
    if group == "changed":
        r = radius * 0.9
        place = f'x="{n(x - r)}" y="{n(y - r)}" width="{n(2 * r)}" height="{n(2 * r)}"'
        return f'<rect class="m-changed" {place}/>'
    if group == "not_assessed":
        return f'<path class="m-not_assessed" d="M{n(x - radius)} {n(y)}h{n(radius * 2)}"/>'
    return f'<circle class="m-common_cause" cx="{n(x)}" cy="{n(y)}" r="{n(radius * 0.7)}"/>'


def _icon(kind: str, content: str, box: str = "-12 -12 24 24") -> Markup:
    return Markup(  # noqa: S704 - constants only
        f'<svg class="icon {kind}" xmlns="http://www.w3.org/2000/svg" viewBox="{box}" aria-hidden="true">{content}</svg>'
    )


def legend_icon(group: str) -> Markup:
    """The plain mark of a state group, for keys, tables and counts."""
    return _icon("i-mark", mark(group, 0, 0, 7))


def signal_icon(variation: str | None, *, high: bool | None = None) -> Markup:
    """The icon of a variation: frame by state group, arrow by `high` (known from the code of neutral signals)."""
    group = state_group(variation)
    if high is None:
        high = variation != "neutral_low"
    arrow = f'<path class="i-arrow" d="{_UP if high else _DOWN}"/>'
    frames = {
        "improvement": f'<circle class="i-frame" r="11"/>{arrow}',
        "concern": f'<path class="i-frame" d="M0-11.8 11.8 0 0 11.8-11.8 0z"/>{arrow}',
        "changed": f'<rect class="i-frame" x="-10" y="-10" width="20" height="20" rx="2"/>{arrow}',
        "common_cause": f'<circle class="i-open" r="10.5"/><path class="i-wave" d="{_WAVE}"/>',
    }
    return _icon(f"i-{group}", frames.get(group, '<path class="i-dash" d="M-8 0h5M3 0h5"/>'))


def assurance_icon(assurance: str | None) -> Markup:
    """Three marks: filled where the target is met, open where it is missed (●●●, ●◇●, ◇◇◇); a dash where neither."""
    kinds = {"consistent_pass": "ppp", "hit_or_miss": "pfp", "consistent_fail": "fff"}.get(
        assurance or "", ""
    )
    if not kinds:
        return _icon("i-assurance", '<path class="i-dash" d="M-8 0h5M3 0h5"/>', "-18 -8 36 16")
    drawn = "".join(
        f'<circle class="i-pass" cx="{x}" cy="0" r="4.5"/>'
        if kind == "p"
        else f'<path class="i-fail" d="M{x} -5.5 {x + 5.5} 0 {x} 5.5 {x - 5.5} 0z"/>'
        for x, kind in zip((-12, 0, 12), kinds, strict=True)
    )
    return _icon("i-assurance", drawn, "-18 -8 36 16")


def target_icon(*, met: bool | None) -> Markup:
    """A tick in a circle where the target is met, an exclamation in a diamond where it is missed, two bars where there
    is none to judge by."""
    if met is None:
        return _icon("i-none", '<path class="i-dash" d="M-6-3H6M-6 3H6"/>')
    if met:
        return _icon(
            "i-met", '<circle class="i-frame" r="11"/><path class="i-arrow" d="M-5 .5-1.5 4 5.5-3.5"/>'
        )
    return _icon(
        "i-missed",
        '<path class="i-frame" d="M0-11.8 11.8 0 0 11.8-11.8 0z"/><path class="i-arrow" d="M0-6V1M0 5V5.2"/>',
    )


def movement_icon(trend: str | None, *, kind: str = "neutral") -> Markup:
    """An arrow up or down, or two bars for a stable figure; `kind` (better, worse, neutral) is a class: colour only
    where the latest point is a signal the same way."""
    paths = {"up": "M0 8V-7M-6-1.5 0-7.5 6-1.5", "down": "M0-8V7M-6 1.5 0 7.5 6 1.5"}
    return _icon(f"i-move i-{kind}", f'<path d="{paths.get(trend or "", "M-6-3H6M-6 3H6")}"/>')
