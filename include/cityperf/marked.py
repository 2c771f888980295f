"""Reviewed YAML with the lines its parts stand on, so that a mistake is told as `file:line: what is wrong`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from cityperf.config import ROOT

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str | bytes) -> Any:
    """What a YAML text says, read by the safe loader, in C where that was built."""
    return yaml.load(text, Loader=LOADER)  # noqa: S506 - LOADER is a safe one


def compose(file: Path, shown: str, key: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    """A file's nodes and its content. Raises ValueError with `file:line` if it is no mapping that begins with
    `key:`, or names a key twice.
    """
    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=LOADER)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise ValueError(f"{shown}:{line}: not YAML: {problem.problem}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(
            f"{shown}:1: expected a mapping with `{key}:`, found {'nothing' if not node else 'a list'}"
        )
    repeated = list(_repeated_keys(node))
    if repeated:
        raise ValueError(
            "\n".join(f"{shown}:{line}: {name!r} stands here a second time" for line, name in repeated)
        )
    loader = LOADER("")
    try:
        content: dict[str, Any] = loader.construct_document(node)
    finally:
        loader.dispose()
    return node, content


def line_of(node: yaml.Node, location: tuple[Any, ...]) -> int:
    """The line of the deepest part of `location` that stands in the file (1-based)."""
    line = node.start_mark.line
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    node, line = value, key.start_mark.line
                    break
            else:
                continue  # a name that pydantic put in, such as `arguments`
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return int(line) + 1


def hint(word: str, known: list[str]) -> str:
    """What may have been meant by a word that is not among the known ones, to put behind the message."""
    near = difflib.get_close_matches(word, known, n=1)
    if near or len(known) > 60:
        return f"; did you mean {near[0]!r}?" if near else ""
    return f"; expected one of {', '.join(known)}"


def shown_path(file: Path, folder: Path) -> str:
    """A file's path as a person types it: from the project's folder, or from `folder` outside of it."""
    base = ROOT if file.is_relative_to(ROOT) else folder
    return str(file.relative_to(base))


def _repeated_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, key.value
            seen.add(key.value)
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
