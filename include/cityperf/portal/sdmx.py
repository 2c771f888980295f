"""An SDMX 2.1 web service over tables that the portal has: one dataflow each, answered as SDMX-CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cityperf.portal.answers import Answer, Ask, json_answer

MEDIA: Final = "application/vnd.sdmx.data+csv;version=1.0.0;charset=utf-8"
HOST: Final = "www150.statcan.gc.ca"
ROOT: Final = "/t1/wds/sdmx/statcan/rest"


@dataclass(frozen=True)
class Dataflow:
    """`dimensions` name the places of a key, time not among them. `rows` gives (codes in that order, period,
    value as text); `id` goes into every line as `AGENCY:ID(VERSION)`.
    """

    agency: str
    id: str
    version: str
    dimensions: tuple[str, ...]
    rows: Callable[[], Iterable[tuple[Sequence[str], str, str]]]


def answer(ask: Ask, flows: Mapping[str, Dataflow], host: str = HOST, root: str = ROOT) -> Answer | None:
    """The service's answer; None for an address that is not a data query of its own."""
    if ask.host != host or not ask.path.startswith(f"{root}/data/"):
        return None
    flow_id, _, key = ask.path.removeprefix(f"{root}/data/").strip("/").partition("/")
    parts = flow_id.split(",")
    flow = flows.get(parts[1] if len(parts) > 1 else parts[0])
    if flow is None:
        return json_answer({"errors": [{"code": 100, "title": f"no dataflow {flow_id}"}]}, status=404)
    period = {"startPeriod", "endPeriod"} & set(ask.query)
    number = ask.query.get("lastNObservations")
    if period and number:
        return json_answer({"errors": [{"code": 140, "title": "a period and a number together"}]}, status=406)
    wanted = (
        [set(filter(None, place.split("+"))) for place in key.split(".")] if key not in ("", "all") else []
    )
    if wanted and len(wanted) != len(flow.dimensions):
        title = f"{len(flow.dimensions)} places in the key expected, {len(wanted)} found"
        return json_answer({"errors": [{"code": 140, "title": title}]}, status=400)
    start, end = ask.query.get("startPeriod", ""), ask.query.get("endPeriod", "9999")
    series: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for codes, when, value in flow.rows():
        if all(not place or code in place for place, code in zip(wanted, codes, strict=False)) and (
            start <= when and when[: len(end)] <= end
        ):
            series.setdefault(tuple(codes), []).append((when, value))
    if not series:
        return json_answer({"errors": [{"code": 100, "title": "no results"}]}, status=404)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["DATAFLOW", *flow.dimensions, "TIME_PERIOD", "OBS_VALUE"])
    label = f"{flow.agency}:{flow.id}({flow.version})"
    for key_codes, points in series.items():
        chosen = sorted(points)[-int(number) :] if number else sorted(points)
        writer.writerows([label, *key_codes, when, value] for when, value in chosen)
    return Answer(out.getvalue().encode(), media_type=MEDIA)
