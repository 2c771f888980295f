"""Is a release still what was published? Its hash tree is worked out again from folder, database and landing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.landing import intact
from cityperf.publish import garbage, ledger, tree
from cityperf.publish.exports import file_sha256, files_of
from cityperf.publish.swap import LIVE
from cityperf.publish.tables import tables

SHOWN: Final = 12  # characters of a hash in a message


@dataclass(frozen=True)
class Finding:
    """One node that is not what was published. `found` is empty for one that is gone."""

    node: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.node}: expected {self.expected[:SHOWN]}, found {self.found[:SHOWN] or 'nothing'}"


@dataclass(frozen=True)
class Verdict:
    """What `verify` says of one release. `checked`: nodes that were worked out again; `notes`: what could not be."""

    number: int
    checked: int
    findings: list[Finding]
    notes: list[str]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(settings: Settings, number: int | None = None) -> list[Verdict]:
    """Verdicts on release `number`, or on all that were published, newest first.

    Tables are compared while the database has them: those of the release that is up and of the ones kept for a
    rollback. Raises CityperfError for a number that was never published.
    """
    with connect(settings, "publisher") as connection:
        return verdicts(settings, connection, number)


def verdicts(settings: Settings, connection: Connection[Any], number: int | None = None) -> list[Verdict]:
    """As `verify`, with what the connection sees."""
    published = [each for each in ledger.releases(connection) if each.state == "released"]
    if number is not None and number not in {each.number for each in published}:
        raise CityperfError(
            f"expected the number of a published release, found {number}; there are "
            f"{', '.join(str(r.number) for r in reversed(published)) or 'none'}"
        )
    schemas = dict(garbage.kept_schemas(connection))
    if published:
        schemas[published[0].number] = LIVE
    landed: dict[str, bool] = {}
    return [
        _verdict(settings, connection, each, schemas.get(each.number), landed)
        for each in published
        if number in (None, each.number)
    ]


def altered_files(settings: Settings, connection: Connection[Any], number: int) -> list[Finding]:
    """Files of a release that are not those that were recorded, or that are gone, or that nobody recorded."""
    folder = settings.releases / str(number)
    recorded: dict[str, str] = dict(
        connection.execute(
            "select path, sha256 from ops.release_file where number = %s", (number,)
        ).fetchall()
    )
    found = {name: file_sha256(path) for name, path in files_of(folder).items()}
    return list(_compare("file", recorded, found))


def _verdict(
    settings: Settings,
    connection: Connection[Any],
    each: ledger.Release,
    schema: str | None,
    landed: dict[str, bool],
) -> Verdict:
    number, folder = each.number, settings.releases / str(each.number)
    findings = altered_files(settings, connection, number)
    notes: list[str] = []
    nodes = tree.recorded(connection, number)
    if each.root_hash is None:
        notes.append("it was made before there were hash trees: only its files could be compared")
        return Verdict(number, sum(n.kind == "file" for n in nodes), findings, notes)

    by_kind: dict[str, dict[str, str]] = {kind: {} for kind in tree.KINDS}
    for node in nodes:
        by_kind[node.kind][node.name] = node.sha256
    if tree.root_of(nodes) != each.root_hash:
        findings.append(Finding("database: root over its leaves", each.root_hash, tree.root_of(nodes)))
    findings += _manifest(folder, each.root_hash, nodes)
    findings += _compare("code", by_kind["code"], {"cityperf": tree.code_node(each.code_version).sha256})
    findings += _definitions(folder, by_kind["definition"])
    if schema is None:
        notes.append("its tables are no longer in the database: only its files speak for them")
    else:
        now = {n.name: n.sha256 for n in tree.table_nodes(connection, tables(connection, schema))}
        findings += _compare("table", by_kind["table"], now)
    findings += _inputs(settings, connection, number, landed, notes)
    return Verdict(number, len(nodes), findings, notes)


def _compare(kind: str, expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            yield Finding(f"{kind} {name}", expected.get(name, "nothing"), found.get(name, ""))


def _manifest(folder: Any, root: str, nodes: list[tree.Node]) -> Iterator[Finding]:
    """What the folder's manifest says otherwise than the database."""
    path = folder / tree.MANIFEST
    try:
        said, leaves = tree.read_manifest(path)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        yield Finding("manifest", root, f"none that can be read: {type(problem).__name__}")
        return
    if said != root:
        yield Finding("manifest: root", root, said)
    yield from _compare(
        "manifest:",
        {f"{n.kind} {n.name}": n.sha256 for n in nodes},
        {f"{n.kind} {n.name}": n.sha256 for n in leaves},
    )


def _definitions(folder: Any, expected: Mapping[str, str]) -> Iterator[Finding]:
    try:
        definitions = tree.read_definitions(folder)
    except (OSError, ValueError):
        definitions = {}
    yield from _compare(
        "definition", expected, {n.name: n.sha256 for n in tree.definition_nodes(definitions)}
    )


def _inputs(
    settings: Settings,
    connection: Connection[Any],
    number: int,
    landed: dict[str, bool],
    notes: list[str],
) -> Iterator[Finding]:
    """Landed files that are no longer what they were; each is read once for all releases."""
    expired = 0
    for dataset, name, sha256, gone in connection.execute(
        "select f.dataset, f.name, f.sha256, f.expired_on is not null from ops.release_input as i "
        "join ops.landed_file as f using (file_id) where i.number = %s order by 1, 2, 3",
        (number,),
    ).fetchall():
        if gone:
            expired += 1
            continue
        if sha256 not in landed:
            landed[sha256] = intact(settings, sha256)
        if not landed[sha256]:
            yield Finding(f"input {dataset}/{name}", sha256, "other bytes, or none")
    if expired:
        notes.append(f"{expired} landed files were deleted after their time")
