"""An SDMX 2.1 web service over tables that the portal has: one dataflow each, as SDMX-CSV, SDMX-ML or SDMX-JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from cityperf.portal.answers import Answer, Ask, json_answer

CSV: Final = "application/vnd.sdmx.data+csv;version=1.0.0"
XML: Final = "application/vnd.sdmx.structurespecificdata+xml;version=2.1"
JSON: Final = "application/vnd.sdmx.data+json;version=1.0.0"
_XML_NAMES: Final = "http://www.sdmx.org/resources/sdmxml/schemas/v2_1"
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
    found = {
        codes: sorted(points)[-int(number) :] if number else sorted(points)
        for codes, points in series.items()
    }
    write, media = next(
        (way for way in ((_xml, XML), (_json, JSON)) if way[1].split(";")[0] in ask.accept), (_csv, CSV)
    )
    return Answer(write(flow, found).encode(), media_type=f"{media};charset=utf-8")


Series = Mapping[tuple[str, ...], Sequence[tuple[str, str]]]


def _csv(flow: Dataflow, found: Series) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["DATAFLOW", *flow.dimensions, "TIME_PERIOD", "OBS_VALUE"])
    label = f"{flow.agency}:{flow.id}({flow.version})"
    for codes, points in found.items():
        writer.writerows([label, *codes, when, value] for when, value in points)
    return out.getvalue()


def _xml(flow: Dataflow, found: Series) -> str:
    def told(names: Sequence[str], values: Sequence[str]) -> str:
        return "".join(
            f" {name}={quoteattr(value)}" for name, value in zip(names, values, strict=True) if value
        )

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<mes:StructureSpecificData xmlns:mes="{_XML_NAMES}/message">',
        f"<mes:Header><mes:ID>{flow.id}</mes:ID><mes:Test>true</mes:Test></mes:Header><mes:DataSet>",
    ]
    for codes, points in found.items():
        lines.append(f"<Series{told(flow.dimensions, codes)}>")
        lines += [f"<Obs{told(('TIME_PERIOD', 'OBS_VALUE'), point)}/>" for point in points]
        lines.append("</Series>")
    return "\n".join([*lines, "</mes:DataSet></mes:StructureSpecificData>"])


def _json(flow: Dataflow, found: Series) -> str:
    whens = sorted({when for points in found.values() for when, _ in points})
    values = [sorted({codes[place] for codes in found}) for place in range(len(flow.dimensions))]

    def listed(name: str, codes: Sequence[str]) -> dict[str, object]:
        return {"id": name, "values": [{"id": code} for code in codes]}

    structure = {
        "dimensions": {
            "series": [listed(*pair) for pair in zip(flow.dimensions, values, strict=True)],
            "observation": [listed("TIME_PERIOD", whens)],
        },
        "attributes": {},
    }
    series = {
        ":".join(str(each.index(code)) for each, code in zip(values, codes, strict=True)): {
            "observations": {
                str(whens.index(when)): [float(value) if value else None] for when, value in points
            }
        }
        for codes, points in found.items()
    }
    return json.dumps(
        {"meta": {"id": flow.id}, "data": {"dataSets": [{"series": series}], "structure": structure}}
    )
