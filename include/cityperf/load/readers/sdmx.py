"""SDMX data messages that are no CSV: SDMX-ML 2.1, generic or structure-specific, and SDMX-JSON.

A row is an observation: its dimensions by their ids, TIME_PERIOD among them, OBS_VALUE, and the attributes of data
set, series and observation. Those of groups are passed over, with a note. SDMX-ML is read as a stream; SDMX-JSON
keeps codes and observations apart, so it is held in memory and its size is limited. sdmx1 builds an object for every
value and holds them all, which is why it is the tests' yardstick and not the reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from cityperf.load.header import match_header
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers.limits import limits
from cityperf.load.readers.records import ASK, Reader, Record, glimpse, shown, unstorable
from cityperf.sources import Contract

Row = dict[str, str]

CHUNK: Final = 1 << 16  # bytes given to expat at once
DEEPEST: Final = 16  # levels of elements; data messages have eight
ROOTS: Final = frozenset(
    f"{kind}{series}Data" for kind in ("Generic", "StructureSpecific") for series in ("", "TimeSeries")
)


def sdmx_reader(contract: Contract, path: Path, name: str) -> Reader:
    """A reader of the message. Raises Quarantined when it is none, or is refused: entities, depth, size."""
    notes: list[str] = []
    rows: Callable[[], Iterator[Row]]
    with path.open("rb") as handle:
        head = handle.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<"):
        wide = contract.extract.read.max_columns

        def rows() -> Iterator[Row]:
            yield from _Message(name, wide, notes).rows(path)
    elif head.startswith(b"{"):
        message = _json(path, name)

        def rows() -> Iterator[Row]:
            return _flat(message, name)
    else:
        raise Quarantined(
            "an SDMX-ML or SDMX-JSON message", f"something that begins {glimpse(head)}", name, ASK
        )
    header = list(dict.fromkeys(each for row in rows() for each in row))
    layout = match_header(contract, header, name)
    taken = {target: header[place] for place, target in enumerate(layout.targets) if target}

    def records() -> Iterator[Record | BadRow]:
        for number, row in enumerate(rows(), 1):
            values = [row.get(told) or None for told in taken.values()]
            if problem := unstorable(values):
                text = shown(" | ".join(value or "" for value in values))
                reason = "the observation cannot be stored as text"
                yield BadRow(number, number, None, None, "text", problem, reason, text)
            else:
                yield Record(number, number, None, values)

    return Reader(tuple(taken), records, layout.new, layout.missing, notes)


class _Message:
    """One pass over an SDMX-ML data message."""

    def __init__(self, name: str, wide: int, notes: list[str]) -> None:
        self.name, self.wide, self.notes = name, wide, notes
        self.dimension = "TIME_PERIOD"  # at the observations of a generic message
        self.inside: list[str] = []
        self.whole: Row = {}
        self.series: Row = {}
        self.seen: Row | None = None
        self.done: list[Row] = []
        self.groups = 0

    def rows(self, path: Path) -> Iterator[Row]:
        parser = expat.ParserCreate()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = self._declared
        longest, fed = limits().field, 0
        try:
            with path.open("rb") as handle:
                while chunk := handle.read(CHUNK):
                    parser.Parse(chunk, False)
                    fed += len(chunk)
                    if fed - parser.CurrentByteIndex > longest + CHUNK:
                        raise self._refused(
                            f"elements of at most {longest >> 20} MB (CITYPERF_MAX_FIELD_MB)", "a longer one"
                        )
                    yield from self._taken()
                parser.Parse(b"", True)
        except expat.ExpatError as problem:
            raise self._refused("sound SDMX-ML", f"XML that breaks off or is damaged: {problem}") from None
        yield from self._taken()
        note = f"{self.groups:,} groups of attributes were passed over"
        if self.groups and note not in self.notes:
            self.notes.append(note)

    def _taken(self) -> list[Row]:
        taken, self.done = self.done, []
        return taken

    def _start(self, tag: str, told: dict[str, str]) -> None:
        element = tag.rpartition(":")[2]
        if not self.inside and element not in ROOTS:
            raise self._refused("an SDMX-ML 2.1 data message", f"the root element {element!r}")
        self.inside.append(element)
        if len(self.inside) > DEEPEST or len(told) > self.wide:
            raise self._refused(
                f"elements at most {DEEPEST} deep with at most {self.wide} attributes",
                f"{element!r}, {len(self.inside)} deep with {len(told)} attributes",
            )
        if element == "Structure":
            self.dimension = told.get("dimensionAtObservation", self.dimension)
        elif element == "Group":
            self.groups += 1
        elif element == "Series":
            self.series = _plain(told)
        elif element == "Obs":
            self.seen = _plain(told)
        elif "DataSet" not in self.inside or "Group" in self.inside:
            return
        elif element == "Value":
            self._keep(told.get("id", ""), told)
        elif element == "ObsDimension":
            self._keep(told.get("id", self.dimension), told)
        elif element == "ObsValue":
            self._keep("OBS_VALUE", told)

    def _keep(self, what: str, told: Mapping[str, str]) -> None:
        of_all = self.series if "Series" in self.inside else self.whole
        place = of_all if self.seen is None else self.seen
        place[what] = told.get("value", "")
        if len(place) > self.wide:
            raise self._refused(f"at most {self.wide} values to an observation", "more")

    def _end(self, tag: str) -> None:
        element = self.inside.pop()
        if element == "Obs" and self.seen is not None:
            self.done.append(self.whole | self.series | self.seen)
            self.seen = None
        elif element == "Series":
            self.series = {}
        elif element == "DataSet":
            self.whole = {}

    def _declared(self, *_: object) -> None:
        raise self._refused("plain SDMX-ML", "a document type or an entity declared in it")

    def _refused(self, expected: str, found: str) -> Quarantined:
        return Quarantined(expected, found, self.name, ASK)


def _plain(told: Mapping[str, str]) -> Row:
    """Without what belongs to XML itself, such as xsi:type."""
    return {name: value for name, value in told.items() if ":" not in name and name != "xmlns"}


def _json(path: Path, name: str) -> Any:
    size, most = path.stat().st_size, limits().message
    if size > most:
        raise Quarantined(
            f"SDMX-JSON of at most {most >> 20} MB, for it is held in memory (CITYPERF_MAX_SDMX_JSON_MB)",
            f"{size >> 20} MB",
            name,
            "ask for SDMX-CSV or SDMX-ML, which are read as streams (`format`), or for fewer periods",
        )
    try:
        return json.loads(path.read_bytes(), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as problem:
        raise Quarantined(
            "sound SDMX-JSON", f"JSON that breaks off or is damaged: {problem}", name, ASK
        ) from None


def _flat(message: Any, name: str) -> Iterator[Row]:
    """The observations of SDMX-JSON 1.0 and 2.0: every index replaced by what stands at its place."""
    try:
        body = message.get("data", message)
        shapes = body.get("structures") or [body["structure"]]
        for data in body["dataSets"]:
            shape = shapes[int(data.get("structure", 0))]
            dims, attrs = shape["dimensions"], shape.get("attributes", {})
            whole = _at(dims.get("dataSet"), ["0"] * len(dims.get("dataSet") or ()))
            whole |= _said(attrs.get("dataSet"), data.get("attributes"))
            for key, series in data.get("series", {"": data}).items():
                row = whole | _at(dims.get("series"), key.split(":") if key else [])
                row |= _said(attrs.get("series"), series.get("attributes")) if key else {}
                for place, values in series.get("observations", {}).items():
                    yield (
                        row
                        | _at(dims["observation"], place.split(":"))
                        | {"OBS_VALUE": _text(values[0])}
                        | _said(attrs.get("observation"), values[1:])
                    )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as problem:
        found = f"another shape ({type(problem).__name__}: {problem})"
        raise Quarantined("an SDMX-JSON data message", found, name, ASK) from None


def _at(dimensions: Sequence[Any] | None, places: Sequence[str]) -> Row:
    return {
        each["id"]: _text(each["values"][int(place)])
        for each, place in zip(dimensions or (), places, strict=True)
    }


def _said(attributes: Sequence[Any] | None, given: Sequence[Any] | None) -> Row:
    """Attributes by their ids; one without a list of values is given as it is."""
    pairs = zip(attributes or (), given or (), strict=False)
    return {
        each["id"]: _text(each["values"][int(told)] if each.get("values") else told)
        for each, told in pairs
        if told is not None
    }


def _text(value: Any) -> str:
    """A value as text: of a listed one its id, else its value, else its name."""
    if isinstance(value, dict):
        value = next((value[what] for what in ("id", "value", "name") if value.get(what) is not None), "")
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
