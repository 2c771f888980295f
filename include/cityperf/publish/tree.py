"""The hash tree of a release: a leaf for each table, definition, input file, exported file and for the code.

The root stands in `ops.release` and, with every leaf, in the release's folder (`manifest.json`). Whoever has the root
can tell whether anything of the release was altered, and what.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from psycopg import Connection

from cityperf.publish.content import OWN_HISTORY, table_hash
from cityperf.publish.tables import SESSION, Table

MANIFEST: Final = "manifest.json"
DEFINITIONS: Final = "definitions.json"
KINDS: Final = ("code", "definition", "file", "input", "table")

Kind = Literal["code", "definition", "file", "input", "table"]


@dataclass(frozen=True, order=True)
class Node:
    """A leaf. `name`: the table, the KPI or dictionary entry, the file's path, or data set, name and short hash."""

    kind: Kind
    name: str
    sha256: str


def digest_of(value: Any) -> str:
    """SHA-256 of a value of plain types, as JSON with sorted keys and without spaces, in UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def branches(nodes: Iterable[Node]) -> dict[str, str]:
    """Kind → hash over the leaves of that kind in order of their names."""
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in KINDS}
    for node in sorted(set(nodes)):
        found[node.kind].append((node.name, node.sha256))
    return {kind: digest_of(leaves) for kind, leaves in found.items()}


def root_of(nodes: Iterable[Node]) -> str:
    """The hash over the five branches."""
    return digest_of(branches(nodes))


def table_nodes(connection: Connection[Any], tables: Mapping[str, Table]) -> Iterator[Node]:
    """A leaf for each table as it stands."""
    connection.execute(SESSION)
    for name, table in sorted(tables.items()):
        yield Node("table", name, table_hash(connection, table))


def kept_table_nodes(connection: Connection[Any], number: int) -> list[Node]:
    """The leaves of a published release's tables, but for the list of releases, which a rollback changes."""
    rows = connection.execute(
        "select kind, name, sha256 from ops.release_node where number = %s and kind = 'table' and name <> %s",
        (number, OWN_HISTORY),
    ).fetchall()
    return [Node(kind, name, sha256) for kind, name, sha256 in rows]


def definition_nodes(definitions: Mapping[str, Mapping[str, Any]]) -> Iterator[Node]:
    """A leaf for each KPI of the registry and each table of the dictionary."""
    for part, entries in sorted(definitions.items()):
        if isinstance(entries, Mapping):
            for name, entry in sorted(entries.items()):
                yield Node("definition", f"{part}/{name}", digest_of(entry))


def code_node(version: str) -> Node:
    """The leaf of the code that made the release: its version and, in a clone, its commit."""
    return Node("code", "cityperf", digest_of(version))


def input_nodes(connection: Connection[Any], number: int) -> Iterator[Node]:
    """A leaf for each landed file that `ops.release_input` lists."""
    for dataset, name, sha256 in connection.execute(
        "select f.dataset, f.name, f.sha256 from ops.release_input as i "
        "join ops.landed_file as f using (file_id) where i.number = %s order by 1, 2, 3",
        (number,),
    ):
        yield input_node(dataset, name, sha256)


def input_node(dataset: str, name: str, sha256: str) -> Node:
    """The leaf of a landed file."""
    return Node("input", f"{dataset}/{name}/{sha256[:12]}", sha256)


def recorded(connection: Connection[Any], number: int) -> list[Node]:
    """The leaves of a release as the database remembers them."""
    rows = connection.execute(
        "select kind, name, sha256 from ops.release_node where number = %(n)s union all "
        "select 'file', path, sha256 from ops.release_file where number = %(n)s and path <> %(manifest)s "
        "order by 1, 2",
        {"n": number, "manifest": MANIFEST},
    ).fetchall()
    return sorted(
        {*(Node(kind, name, sha256) for kind, name, sha256 in rows), *input_nodes(connection, number)}
    )


def manifest_text(number: int, profile: str, nodes: Iterable[Node]) -> str:
    """The manifest that lies in the release's folder: equal leaves give equal bytes."""
    leaves = sorted(set(nodes))
    said: dict[str, Any] = {"release": number, "profile": profile}
    if profile == "sample":
        said["sample"] = "SAMPLE - invented figures"
    said |= {
        "root": root_of(leaves),
        "branches": branches(leaves),
        "how": "a leaf's hash is the SHA-256 of its bytes (file, input), of its columns and ordered rows (table) or of "
        "its entry as JSON with sorted keys (definition, code); a branch is the SHA-256 of the JSON list of its "
        "[name, hash] pairs in order of names; the root is the SHA-256 of the JSON object of the branches",
        "leaves": [asdict(leaf) for leaf in leaves],
    }
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def read_manifest(path: Path) -> tuple[str, list[Node]]:
    """The root and the leaves of a manifest. Raises ValueError or KeyError for one that is none."""
    said = json.loads(path.read_bytes())
    return str(said["root"]), [Node(**leaf) for leaf in said["leaves"]]


def write_manifest(folder: Path, number: int, profile: str, nodes: Iterable[Node]) -> None:
    """Put the manifest among the files it speaks of, and make it survive a power cut."""
    with (folder / MANIFEST).open("wb") as handle:
        handle.write(manifest_text(number, profile, nodes).encode())
        handle.flush()
        os.fsync(handle.fileno())


def read_definitions(folder: Path) -> dict[str, Any]:
    """The definitions that a release was published with; empty where its folder has none."""
    for path in folder.glob(f"*{DEFINITIONS}"):
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found
    return {}
