"""JSON read as a stream: which elements become rows is said by the contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from cityperf.load.header import check_missing, new_columns, snake
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers.records import ASK, Reader, Record, shown, unstorable
from cityperf.sources import Contract


@dataclass(frozen=True)
class _Element:
    """An element that becomes a row: itself, the ancestor that `parent` names, and the key it stood under."""

    item: Any
    parent: Mapping[str, Any]
    key: str | None


def json_reader(contract: Contract, path: Path, name: str) -> Reader:
    read = contract.extract.read
    elements: Callable[[], Iterator[_Element]]
    if contract.extract.connector == "statcan_wds":

        def elements() -> Iterator[_Element]:
            return _walk_file(path, name, "body[].object.vectorDataPoint[]", "body[].object")
    elif contract.extract.connector == "boc_valet":

        def elements() -> Iterator[_Element]:
            return _valet(path, name)
    else:

        def elements() -> Iterator[_Element]:
            return _walk_file(path, name, read.each or "", read.parent)

    named = contract.named_columns
    fallback = contract.extract.connector == "statcan_wds"
    paths = {str(c.name): (c.path or str(c.name)).split(".") for c in named}
    known = _known_keys(contract, paths)
    there: set[str] = set()
    extra: dict[str, list[str]] = {}
    for element in elements():
        for column, parts in paths.items():
            if column not in there and _has(element, parts, fallback):
                there.add(column)
        if isinstance(element.item, dict):
            for key in element.item:
                if key not in known and key not in extra:
                    extra[key] = [key]
        for key in element.parent:
            full = f"parent.{key}"
            if full not in known and full not in extra and not (fallback and key in known):
                extra[full] = ["parent", key]
        if len(extra) > read.max_columns:
            raise Quarantined(
                f"at most {read.max_columns} fields",
                f"{len(extra)} that the contract does not know",
                name,
                ASK,
            )
    missing = check_missing(contract, there, sorted(extra), name)
    new: dict[str, str] = {}
    if contract.drift.new_column != "ignore":
        for label, parts in extra.items():
            column = snake(parts[-1])
            column = column if column not in paths and column not in new else snake(label)
            new[column] = label
            paths[column] = parts
    if new and (problem := new_columns(contract, new.values(), name)):
        raise problem
    personal = {column.name for column in named if column.personal}
    order = [column for column in paths if (column in there or column in new) and column not in personal]

    def records() -> Iterator[Record | BadRow]:
        for row, element in enumerate(elements(), 1):
            if not isinstance(element.item, dict):
                yield BadRow(
                    row,
                    row,
                    None,
                    None,
                    "a JSON object",
                    type(element.item).__name__,
                    "not a record",
                    shown(as_text(element.item) or "null"),
                )
                continue
            values = [as_text(_get(element, paths[column], fallback)) for column in order]
            problem = unstorable(values)
            if problem:
                yield BadRow(
                    row,
                    row,
                    None,
                    None,
                    "text",
                    problem,
                    "the record cannot be stored as text",
                    shown(as_text(element.item) or ""),
                )
            else:
                yield Record(row, row, None, values)

    return Reader(
        tuple(order),
        records,
        new,
        missing,
    )


def _known_keys(contract: Contract, paths: Mapping[str, Sequence[str]]) -> set[str]:
    """Keys that need no remark: those the contract reads, ignores, or steps into."""
    known = {parts[0] if parts[0] != "parent" else ".".join(parts[:2]) for parts in paths.values()}
    steps = [name for name, _ in _steps(contract.extract.read.each or "body[].object.vectorDataPoint[]")]
    return known | {f"parent.{name}" for name in steps} | set(contract.ignored)


def _steps(path: str) -> list[tuple[str, bool]]:
    """'measures[].vs[]' → [('measures', True), ('vs', True)]; the flag says that each element is meant."""
    return [(part.removesuffix("[]"), part.endswith("[]")) for part in path.split(".")]


def _walk_file(path: Path, name: str, each: str, parent: str | None) -> Iterator[_Element]:
    """Elements of a JSON file, read as a stream: only one element of the outermost list is in memory."""
    import ijson

    steps = _steps(each)
    depth = len(_steps(parent)) if parent else 0
    outer = next(i for i, (step, many) in enumerate(steps) if many or step == "*")
    step, _ = steps[outer]
    prefix = ".".join(s for s, _ in steps[: outer + 1] if s and s != "*")
    with path.open("rb") as handle:
        skip_mark(handle)
        try:
            if step == "*":
                pairs = ijson.kvitems(handle, prefix, multiple_values=True)
                for key, value in pairs:
                    yield from _walk(value, steps[outer:], depth - outer, {}, key, entered=True)
            else:
                place = f"{prefix}.item" if prefix else "item"
                for value in ijson.items(handle, place, multiple_values=True):
                    here = value if depth == outer + 1 and isinstance(value, dict) else {}
                    yield from _walk(value, steps[outer + 1 :], depth - outer - 1, here, None)
        except (ijson.JSONError, UnicodeDecodeError) as problem:
            raise Quarantined(
                "sound JSON", f"JSON that breaks off or is damaged ({first_line(problem)})", name, ASK
            ) from None


def _walk(
    value: Any,
    steps: Sequence[tuple[str, bool]],
    depth: int,
    parent: Mapping[str, Any],
    key: str | None,
    *,
    entered: bool = False,
) -> Iterator[_Element]:
    """Elements below `value`. `depth` counts the steps left until the ancestor that `parent` names is
    reached.
    """
    if entered:  # the value of one key of an object: only its own [] is left to do
        _, many = steps[0]
        rest, depth = steps[1:], depth - 1
        for each in value if many and isinstance(value, list) else [value]:
            here = each if depth == 0 and isinstance(each, dict) else parent
            yield from _walk(each, rest, depth, here, key)
        return
    if not steps:
        yield _Element(value, parent, key)
        return
    name, _ = steps[0]
    if not isinstance(value, dict):
        return
    for found, inner in value.items() if name == "*" else [(name, value[name])] if name in value else []:
        yield from _walk(inner, steps, depth, parent, found if name == "*" else key, entered=True)


def _valet(path: Path, name: str) -> Iterator[_Element]:
    """Valet nests each value under its series: {"d": day, "FXUSDCAD": {"v": "1.37"}} → one element per
    series.
    """
    for element in _walk_file(path, name, "body.observations[]", None):
        day = element.item.get("d")
        for series, inner in element.item.items():
            if series != "d":
                value = inner.get("v") if isinstance(inner, dict) else inner
                yield _Element({"series": series, "date": day, "value": value}, {}, None)


def _has(element: _Element, parts: Sequence[str], fallback: bool) -> bool:
    if parts == ["key"] and element.key is not None:
        return True
    place: Any = element.item
    if parts[0] == "parent":
        place, parts = element.parent, parts[1:]
    elif fallback and isinstance(place, dict) and parts[0] not in place:
        place = element.parent
    for part in parts:
        if not isinstance(place, Mapping) or part not in place:
            return False
        place = place[part]
    return True


def _get(element: _Element, parts: Sequence[str], fallback: bool) -> Any:
    if parts == ["key"] and element.key is not None:
        return element.key
    place: Any = element.item
    if parts[0] == "parent":
        place, parts = element.parent, parts[1:]
    elif fallback and parts[0] not in place:
        place = element.parent
    for part in parts:
        place = place.get(part) if isinstance(place, Mapping) else None
    return place


def as_text(value: Any) -> str | None:
    """A JSON value as text: numbers as they were written, objects and lists as JSON. '' and null are None."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    return _dump(value)


def compact(value: Any) -> str:
    """JSON without spaces, numbers as they were written."""
    return _dump(value, ",", ":")


def _dump(value: Any, comma: str = ", ", colon: str = ": ") -> str:
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(k, ensure_ascii=False)}{colon}{_dump(v, comma, colon)}" for k, v in value.items()
        )
        return "{" + comma.join(pairs) + "}"
    if isinstance(value, list):
        return "[" + comma.join(_dump(each, comma, colon) for each in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def skip_mark(handle: IO[bytes]) -> None:
    if handle.read(3) != b"\xef\xbb\xbf":
        handle.seek(0)


def first_line(problem: BaseException) -> str:
    told = problem.args[0] if problem.args else ""
    text = told.decode("utf-8", "backslashreplace") if isinstance(told, bytes) else str(problem)
    return text.strip().splitlines()[0] if text.strip() else type(problem).__name__
