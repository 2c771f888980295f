"""Kinds of corruption, each put into an otherwise good feed or candidate, and what the gates should make of it.

`wanted` was written down before the first run: block (the file or candidate is held), hold (the damaged rows are held and
the others loaded), warn, info. A stricter answer than wanted is caught too, and shown as it is.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cityperf.sources import load_contracts

from tests.feeds import Feeds, Judged

BASE, GOOD = date(2026, 11, 5), date(2026, 12, 18)
ORDER = ("nothing", "info", "warn", "hold", "block")
Rows = list[list[str]]
Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Mutation:
    """`change` gets the feed: rows of a CSV (the header first), or parsed JSON; bytes where `raw`."""

    name: str
    dataset: str
    wanted: str
    change: Change
    raw: bool = False
    file: str | None = None  # the name that it is delivered under instead


def caught(wanted: str, got: str) -> bool:
    return ORDER.index(got) >= ORDER.index(wanted)


def severity(judged: Judged) -> str:
    """The strictest thing that happened to a file."""
    if judged.refused:
        return "block"
    if judged.rows_held:
        return "hold"
    found = {each.severity for each in judged.alarms}
    return "warn" if found & {"warn", "block"} or judged.notes else "info" if found else "nothing"


# -- rows ------------------------------------------------------------------------------------------------------
def cell(name: str, new: Callable[[str], str], every: int = 1, tail: int | None = None) -> Change:
    """Change a column in every n-th row, or in the last `tail` rows only."""

    def change(rows: Rows) -> Rows:
        at = rows[0].index(name)
        start = 1 if tail is None else max(1, len(rows) - tail)
        for number, row in enumerate(rows[start:]):
            if number % every == 0:
                row[at] = new(row[at])
        return rows

    return change


def swapped(one: str, other: str) -> Change:
    def change(rows: Rows) -> Rows:
        a, b = rows[0].index(one), rows[0].index(other)
        for row in rows[1:]:
            row[a], row[b] = row[b], row[a]
        return rows

    return change


def without(test: Callable[[dict[str, str]], bool]) -> Change:
    return lambda rows: [rows[0], *(r for r in rows[1:] if not test(dict(zip(rows[0], r, strict=False))))]


def smallest_gone(name: str) -> Change:
    """Without the rows of the value that has fewest."""

    def change(rows: Rows) -> Rows:
        at = rows[0].index(name)
        counts = Counter(row[at] for row in rows[1:] if row[at].strip())
        least = min(counts, key=lambda value: (counts[value], value))
        return [rows[0], *(row for row in rows[1:] if row[at] != least)]

    return change


def renamed(old: str, new: str) -> Change:
    return lambda rows: [[new if name == old else name for name in rows[0]], *rows[1:]]


def times(factor: float) -> Callable[[str], str]:
    def change(value: str) -> str:
        try:
            return f"{float(value.replace(',', '')) * factor:.6f}".rstrip("0").rstrip(".")
        except ValueError:
            return value

    return change


def flipped(value: str) -> str:
    return f"-{value}" if value[:1].isdigit() and float(value.replace(",", "") or 0) else value


def four_hours_on(value: str) -> str:
    return f"{value[:11]}{(int(value[11:13]) + 4) % 24:02d}{value[13:]}"


def mojibake(value: str) -> str:
    return f"{value} Montr\u00c3\u00a9al"


# -- the dashboard's feed ----------------------------------------------------------------------------------------
def measure(number: float, change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    def on(feed: Any) -> Any:
        next(m for m in feed["measures"] if m["id"] == number).update(
            vs=change(next(m for m in feed["measures"] if m["id"] == number)["vs"])
        )
        return feed

    return on


def newest(new: Callable[[float], float | None]) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Change the newest figure that there is."""

    def change(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
        point = next(p for p in reversed(points) if p["v"] is not None)
        point["v"] = new(point["v"])
        return points

    return change


def all_measures(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    def on(feed: Any) -> Any:
        for each in feed["measures"]:
            each["vs"] = change(each["vs"])
        return feed

    return on


def every_point(new: Callable[[Any], Any]) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda points: [{**p, "v": new(p["v"]) if p["v"] is not None else None} for p in points]


def field_of(name: str, new: Any) -> Change:
    def on(feed: Any) -> Any:
        for each in feed["measures"][::3]:
            each[name] = new
        return feed

    return on


def dropped(feed: Any) -> Any:
    return {**feed, "measures": feed["measures"][1:]}


def years_added(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**p, "y": p["y"] + 100} for p in points]


# -- others ----------------------------------------------------------------------------------------------------
def properties(change: Callable[[dict[str, Any]], Any], share: int = 1) -> Change:
    def on(feed: Any) -> Any:
        for feature in feed.get("body", {}).get("features", [])[::share]:
            change(feature["properties"])
        return feed

    return on


def features(change: Callable[[list[Any]], list[Any]]) -> Change:
    def on(page: Any) -> Any:
        if "features" in page.get("body", {}):
            page["body"]["features"] = change(page["body"]["features"])
        return page

    return on


def scaled_counts(factor: float, pattern: str = "") -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        for name, value in found.items():
            if isinstance(value, (int, float)) and pattern in name and name[-4:].isdigit():
                found[name] = value * factor

    return change


def only_newest(factor: float, key: str) -> Change:
    """Multiply the last number under `key` anywhere in the parsed feed."""

    def on(feed: Any) -> Any:
        places: list[dict[str, Any]] = []

        def walk(node: Any) -> None:
            if isinstance(node, dict):
                if key in node and isinstance(node[key], (int, float, str)):
                    places.append(node)
                for each in node.values():
                    walk(each)
            elif isinstance(node, list):
                for each in node:
                    walk(each)

        walk(feed)
        if not places:
            return feed  # a page that only says where it came from
        last = next(p for p in reversed(places) if p[key] not in ("", None))
        was = float(last[key])
        last[key] = str(was * factor) if isinstance(last[key], str) else was * factor
        return feed

    return on


DASH, TTC, SR, BUDGET = "dashboard_measures", "ttc_subway_delays", "service_requests_311", "operating_budget"
CRIME, BOC, STATCAN, MBNC = (
    "neighbourhood_crime_rates",
    "bank_of_canada_rates",
    "statcan_indicators",
    "mbncanada_results",
)
DATASETS = (DASH, TTC, SR, BUDGET, CRIME, BOC, STATCAN, MBNC)
# The file of a data set that is damaged, where it has several.
FILES = {TTC: "since-2025", SR: "SR2026", BUDGET: "operating-budget-2025", MBNC: "2025"}

LANDING: tuple[Mutation, ...] = (
    Mutation("shifted decimal, newest point of 2.05", DASH, "warn", measure(2.05, newest(lambda v: v * 10))),
    Mutation("shifted decimal, newest point of 2.35", DASH, "warn", measure(2.35, newest(lambda v: v / 10))),
    Mutation("shifted decimal in a point of five years ago", DASH, "warn", measure(2.05, lambda p: [
        {**each, "v": each["v"] * 10} if (each["y"], each["p"]) == (2021, 6) else each for each in p])),
    Mutation("thousands instead of units, one measure", DASH, "warn", measure(2.05, every_point(lambda v: v / 1000))),
    Mutation("thousands instead of units, all measures", DASH, "block", all_measures(every_point(lambda v: v / 1000))),
    Mutation("percent as fraction, one measure's newest", DASH, "warn", measure(1.02, newest(lambda v: v * 100))),
    Mutation("sign flip of the newest point", DASH, "warn", measure(2.05, newest(lambda v: -v))),
    Mutation("newest point is zero", DASH, "warn", measure(2.05, newest(lambda v: 0))),
    Mutation("newest point is twice what it was", DASH, "warn", measure(1.03, newest(lambda v: v * 2))),
    Mutation("month delivered twice", DASH, "hold", measure(2.05, lambda p: [*p, p[-1]])),
    Mutation("dropped KPI", DASH, "warn", dropped),
    Mutation("half of the KPIs dropped", DASH, "warn", lambda f: {**f, "measures": f["measures"][:30]}),
    Mutation("year of history deleted", DASH, "warn", measure(2.05, lambda p: [e for e in p if e["y"] != 2020])),
    Mutation("null burst over a third of the measures", DASH, "warn", lambda f: {
        **f, "measures": [{**m, "vs": every_point(lambda v: None)(m["vs"])} if n % 3 == 0 else m
                          for n, m in enumerate(f["measures"])]}),
    Mutation("years a century ahead", DASH, "warn", all_measures(years_added)),
    Mutation("month 13", DASH, "block", measure(2.05, lambda p: [*p[:-1], {**p[-1], "p": 13}])),
    Mutation("unknown interval", DASH, "block", field_of("it", "w")),
    Mutation("unknown direction", DASH, "warn", field_of("dd", "Sideways")),
    Mutation("figures as words", DASH, "hold", measure(2.05, newest(lambda v: "about 5"))),  # type: ignore[arg-type,return-value]
    Mutation("feed of eighteen months ago", DASH, "warn", all_measures(
        lambda p: [e for e in p if e["y"] < 2025 or (e["y"] == 2025 and e["p"] < 6)])),
    Mutation("shifted ids", DASH, "warn", lambda f: {
        **f, "measures": [{**m, "vs": f["measures"][n - 1]["vs"]} for n, m in enumerate(f["measures"])]}),
    Mutation("truncated JSON", DASH, "block", lambda b: b[: len(b) // 2], raw=True),
    Mutation("HTML instead of a feed", DASH, "block", lambda b: b"<!DOCTYPE html><html>Sorry</html>", raw=True),
    Mutation("empty file", DASH, "block", lambda b: b"", raw=True),
    Mutation("truncated tail of the CSV, inside a row", TTC, "block", lambda b: b[: int(len(b) * 0.6)], raw=True),
    Mutation("half of the rows gone", TTC, "warn", lambda r: r[: len(r) // 2]),
    Mutation("month missing", TTC, "warn", without(lambda r: r["Date"].startswith("2025-07"))),
    Mutation("month delivered twice under one name", TTC, "warn", lambda r: [
        *r, *(e for e in r[1:] if any(c.startswith("2026-03") for c in e))] * 1),
    Mutation("one row repeated 1,000 times", TTC, "warn", lambda r: [*r, *([r[5]] * 1000)]),
    Mutation("swapped columns: delay and gap", TTC, "warn", swapped("Min Delay", "Min Gap")),
    Mutation("swapped columns: station and code", TTC, "warn", swapped("Code", "Bound")),
    Mutation("minutes as seconds", TTC, "block", cell("Min Delay", times(60))),
    Mutation("minutes as hours", TTC, "hold", cell("Min Delay", times(1 / 60))),
    Mutation("sign flip of delays", TTC, "warn", cell("Min Delay", flipped)),
    Mutation("future dates", TTC, "warn", cell("Date", lambda v: "2031" + v[4:], tail=40)),
    Mutation("null burst in a column", TTC, "warn", cell("Line", lambda v: "", every=2)),
    Mutation("null burst in a required column", TTC, "hold", cell("Date", lambda v: "", every=10)),
    Mutation("encoding damage", TTC, "warn", cell("Station", mojibake, every=7)),
    Mutation("category misspelt", TTC, "warn", cell("Bound", lambda v: "Nroth" if v == "N" else v)),
    Mutation("header renamed", TTC, "block", renamed("Min Delay", "Delay minutes")),
    Mutation("header gone", TTC, "block", lambda r: r[1:]),
    Mutation("header moved into the tenth row", TTC, "block", lambda r: [*r[1:11], r[0], *r[11:]]),
    Mutation("header twice", TTC, "block", renamed("Min Gap", "Min Delay")),
    Mutation("a new column", TTC, "warn", lambda r: [[*r[0], "Remark"], *([*e, "x"] for e in r[1:])]),
    Mutation("ragged rows", TTC, "hold", lambda r: [*r[:9], [*r[9], "too", "many"], *r[10:]]),
    Mutation("day and month swapped", TTC, "hold", cell("Date", lambda v: f"{v[:4]}-{v[8:10]}-{v[5:7]}{v[10:]}")),
    Mutation("times of day out of range", TTC, "warn", cell("Time", lambda v: "27:15", every=9)),
    Mutation("UTF-16 instead of UTF-8", TTC, "block", lambda b: b.decode().encode("utf-16"), raw=True),
    Mutation("ward missing", SR, "warn", without(lambda r: "(10)" in r["Ward"])),
    Mutation("wards without their numbers", SR, "warn", cell("Ward", lambda v: v.split(" (")[0])),
    Mutation("status misspelt", SR, "warn", cell("Status", lambda v: "Compelted" if v == "Completed" else v, every=4)),
    Mutation("null burst in wards", SR, "warn", cell("Ward", lambda v: "", every=3)),
    Mutation("wrong year in the file's name", SR, "warn", lambda r: r, file="SR2025.zip"),
    Mutation("timezone shift of all times", SR, "warn", cell("Creation Date", four_hours_on)),
    Mutation("future requests", SR, "warn", cell("Creation Date", lambda v: "2029" + v[4:], tail=60)),
    Mutation("stale half: nothing since June", SR, "warn", without(lambda r: r["Creation Date"][5:7] > "06")),
    Mutation("dates in another format", SR, "block", cell("Creation Date", lambda v: f"{v[5:7]}/{v[8:10]}/{v[:4]}")),
    Mutation("currency in thousands", BUDGET, "block", cell("Amount", times(0.001))),
    Mutation("sign flip of a budget", BUDGET, "warn", cell("Amount", flipped)),
    Mutation("amounts as words", BUDGET, "hold", cell("Amount", lambda v: "tbd", every=12)),
    Mutation("a programme missing", BUDGET, "warn", lambda r: [r[0], *(e for e in r[1:] if e[0] != r[1][0])]),
    Mutation("the smallest programme missing", BUDGET, "warn", smallest_gone("Program")),
    Mutation("the smallest service missing", BUDGET, "warn", smallest_gone("Service")),
    Mutation("header moved below ten budget lines", BUDGET, "block", lambda r: [*r[1:11], r[0], *r[11:]]),
    Mutation("header moved below ten requests", SR, "block", lambda r: [*r[1:11], r[0], *r[11:]]),
    Mutation("the smallest division missing", SR, "warn", smallest_gone("Division")),
    Mutation("expense and revenue by other words", BUDGET, "warn", cell("Expense/Revenue", lambda v: v[:3])),
    Mutation("neighbourhood missing", CRIME, "warn", features(lambda f: f[1:])),
    Mutation("neighbourhood twice", CRIME, "hold", features(lambda f: [*f, f[0]])),
    Mutation("negative counts", CRIME, "block", properties(scaled_counts(-1), share=5)),
    Mutation("rates per 1,000 instead of 100,000", CRIME, "block", properties(scaled_counts(0.01, "RATE"))),
    Mutation("exchange rate the other way round", BOC, "warn", only_newest(0.5, "v")),
    Mutation("exchange rate, decimal shifted", BOC, "warn", only_newest(10, "v")),
    Mutation("price index re-based, newest only", STATCAN, "warn", only_newest(0.4, "value")),
    Mutation("results in thousands", MBNC, "block", cell("result", times(1000))),
    Mutation("a municipality missing", MBNC, "warn", lambda r: [r[0], *(e for e in r[1:] if e[0] != r[1][0])]),
)  # fmt: skip
SLICE = (
    "shifted decimal, newest point of 2.05", "dropped KPI", "thousands instead of units, all measures",
    "month delivered twice", "sign flip of the newest point", "one row repeated 1,000 times", "encoding damage",
    "minutes as seconds", "null burst in a column", "header renamed", "future dates", "ragged rows",
)  # fmt: skip


def prepared(feeds: Feeds, datasets: Sequence[str] = DATASETS) -> dict[str, tuple[int, str, bytes]]:
    """Loads the base night, and gives each data set's good file of the next: (file_id, name, bytes)."""
    good: dict[str, tuple[int, str, bytes]] = {}
    for dataset in datasets:
        part = FILES.get(dataset, "")
        known = feeds.visit(dataset, BASE)
        contract = load_contracts()[dataset]
        for file_id, name in known:
            feeds.take(contract, BASE, file_id, name)
        later = feeds.visit(dataset, GOOD)
        file_id, name = next((f for f in [*later, *known] if part in f[1]), (later or known)[0])
        good[dataset] = (file_id, name, feeds.content(file_id))
    return good


def damaged(mutation: Mutation, content: bytes, name: str) -> bytes:
    """The file with its corruption, in the form that it had."""
    if mutation.raw:
        return bytes(mutation.change(content))
    if name.endswith((".json", ".geojson")):
        pages = (
            [content] if name.endswith("measures.json") else content.splitlines()
        )  # a layer comes in pages
        return b"\n".join(json.dumps(mutation.change(json.loads(page))).encode() for page in pages)
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            inner = packed.namelist()[0]
            text = packed.read(inner).decode("cp1252")
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(inner, _csv(mutation, text).encode("cp1252"))
        return out.getvalue()
    return _csv(mutation, content.decode("utf-8-sig")).encode()


def _csv(mutation: Mutation, text: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(mutation.change(list(csv.reader(io.StringIO(text)))))
    return out.getvalue()


def at_landing(feeds: Feeds, mutation: Mutation, good: dict[str, tuple[int, str, bytes]]) -> Judged:
    """Deliver the damaged file and see what the border makes of it; nothing of it is let in."""
    file_id, name, content = good[mutation.dataset]
    contract = load_contracts()[mutation.dataset]
    night = GOOD
    landed = feeds.land(contract, night, mutation.file or name, damaged(mutation, content, name),
                        None if mutation.file else file_id)  # fmt: skip
    return feeds.take(contract, night, landed, mutation.file or name, keep=False)
