"""Making a release: compare, write the files aside, record, swap, link. Killed anywhere, the next run
converges.

The order carries the safety. Files get their final name before the swap, so a release that readers see is
always
whole on disk; the swap and its row in `ops.release` are one transaction, so the database alone says which
release is
up; the link `releases/current` follows the database, and every run mends it first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, LiteralString

import psycopg
from psycopg import Connection, sql

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import approval, changelog, garbage, ledger, periods, published, restatements, tree
from cityperf.publish.content import OWN_HISTORY, content_hash
from cityperf.publish.dictionary import Dictionary, load_dictionary
from cityperf.publish.exports import (
    Earlier,
    Notice,
    Origin,
    Written,
    build,
    entry_nodes,
    file_sha256,
    files_of,
    link_current,
    new_folder,
    place,
    sync_folder,
)
from cityperf.publish.failpoints import reached
from cityperf.publish.swap import LIVE, NEXT, SwapBusy, mark, swap
from cityperf.publish.tables import Table, tables

log = logging.getLogger(__name__)


class NothingToRelease(CityperfError):
    """There is neither a candidate nor a release."""


@dataclass(frozen=True)
class Outcome:
    """How it ended. `number` is the release that is up afterwards, or the held candidate; `reason` is for
    people."""

    status: Literal["released", "unchanged", "held", "approved"]
    number: int
    reason: str
    restated: int = 0


def release(settings: Settings, night: date, on: date | None = None) -> Outcome:
    """Publish what stands in publish_next, unless it equals the release that is up or a person is needed who has not
    yet approved it: a blocking check failed, a closed period would change, or the release that is up is a rollback.

    `on` is the Toronto date on which it goes up, where that is not `night`.
    Raises NothingToRelease when nothing was ever built, ReleaseBusy when another release is being made.
    """
    from cityperf.publish.rollback import mend

    with ledger.exclusive(settings):
        reached("release.started")
        mend(settings)
        with connect(settings, "publisher") as connection:
            up = ledger.current(connection)
            if up:
                link_current(settings, up.number)
            candidate = tables(connection, NEXT)
            if not candidate:
                return _nothing_new(settings, connection, up)
            number = ledger.adopt(connection, night, _built_as(connection, candidate))
            connection.commit()
            fingerprint = content_hash(connection, candidate)
            connection.commit()
            reached("release.hashed")
            mark(settings, connection)
            connection.commit()
            if up and up.content_hash == fingerprint:
                return _unchanged(settings, connection, number, up)
            restated = restatements.record(connection, number)
            connection.commit()
            reached("restated.figures")
            why = _why_a_person(connection, night, number, fingerprint, up)
            if why:
                return _ask(settings, connection, night, number, fingerprint, why)
            reached("release.allowed")
            dictionary = load_dictionary(settings, _contracts())
            folder = export_candidate(
                settings, night, number, candidate, dictionary, up=up.number if up else None
            )
            record(connection, number, folder)
            published.record(connection, number, up.number if up else 0, candidate)
            reached("record.values")
            connection.commit()
        reached("release.recorded")
        try:
            swap(settings, number, fingerprint, up.number if up else 0, on=on)
        except SwapBusy as busy:
            with connect(settings, "publisher") as connection:
                _hold(connection, number, str(busy))
            return Outcome("held", number, str(busy))
        reached("swap.committed")
        link_current(settings, number)
        reached("garbage.started")
        garbage.sweep(settings)
        reached("garbage.done")
        return Outcome("released", number, f"release {number} is up", restated)


def hold(settings: Settings, night: date, reason: str) -> Outcome:
    """Keep the candidate back, mark the release that is up as stale, and ask a person whether it may go up all the
    same. Where somebody said yes to this very content already, nothing is held."""
    with ledger.exclusive(settings), connect(settings, "publisher") as connection:
        candidate = tables(connection, NEXT)
        number = ledger.adopt(connection, night, _built_as(connection, candidate))
        fingerprint = content_hash(connection, candidate)
        if not _beyond_approval(connection, night) and approval.granted(connection, number, fingerprint):
            return Outcome("approved", number, "somebody approved this very content")
        restatements.record(connection, number)
        return _ask(settings, connection, night, number, fingerprint, reason)


def export(settings: Settings, number: int, target: Path) -> list[Written]:
    """Write the files of the release that is up into the empty folder `target`, byte for byte as they were
    made.

    Raises NothingToRelease for a number that is not up: older releases are read from their folder.
    """
    with connect(settings, "publisher") as connection:
        up = ledger.current(connection)
        if up is None or up.number != number:
            raise NothingToRelease(
                f"expected release {number} to be up, found {up.number if up else 'none'}, in database "
                f"{settings.warehouse_db}; older releases lie in {settings.releases}"
            )
        notice = Notice(number, up.night, settings.profile, _origins(connection, number, _contracts()))
        live = tables(connection, LIVE)
        leaves = [leaf for leaf in tree.recorded(connection, number) if leaf.kind in ("code", "input")]
        leaves += tree.table_nodes(connection, live)
        connection.commit()
        dictionary = load_dictionary(settings, _contracts())
        build(connection, live, dictionary, notice, target, leaves)
        _site(settings, connection, notice, dictionary, LIVE, target, number, up.repeats, take=False)
    finish(settings, number, target, leaves)
    return [Written(name, file_sha256(path), path.stat().st_size) for name, path in files_of(target).items()]


def collect_garbage(settings: Settings) -> garbage.Collected:
    """Remove what killed runs and earlier swaps left; mends the link `current` too."""
    with ledger.exclusive(settings):
        with connect(settings, "publisher") as connection:
            up = ledger.current(connection)
        if up:
            link_current(settings, up.number)
        return garbage.sweep(settings)


def list_releases(settings: Settings) -> list[ledger.Release]:
    """All releases, newest first."""
    with connect(settings, "publisher") as connection:
        return ledger.releases(connection)


# -- steps ---------------------------------------------------------------------------------------------------
def _nothing_new(settings: Settings, connection: Connection[Any], up: ledger.Release | None) -> Outcome:
    if up is None:
        raise NothingToRelease(
            f"expected tables in schema {NEXT} of {settings.warehouse_db}, found none and no release is up; "
            "build the publish models first (./cityperf refresh)"
        )
    connection.execute("update ops.release set state = 'discarded' where state = 'candidate'")
    ledger.mark_stale(connection, None)
    connection.commit()
    garbage.sweep(settings)  # what a publication left that was killed after its swap
    return Outcome("unchanged", up.number, "nothing was rebuilt since")


def _unchanged(settings: Settings, connection: Connection[Any], number: int, up: ledger.Release) -> Outcome:
    ledger.discard(connection, number)
    ledger.mark_stale(connection, None)
    # Emptied, so that the next night does not take the twin of what is up for a candidate.
    for table in tables(connection, NEXT).values():
        connection.execute(sql.SQL("drop table {} cascade").format(table.identifier))
    connection.commit()
    garbage.sweep(settings)
    return Outcome("unchanged", up.number, f"every table equals release {up.number}")


def _hold(connection: Connection[Any], number: int, reason: str) -> None:
    connection.execute("update ops.release set state = 'held' where number = %s", (number,))
    ledger.mark_stale(connection, f"release {number} is held back: {reason}")
    connection.commit()


def _blocking(connection: Connection[Any], night: date) -> list[str]:
    return [
        message
        for (message,) in connection.execute(
            "select message from ops.check_result where night = %s and border = 'publish' and severity = "
            "'block' "
            "and status = 'fail' order by subject, check_name",
            (night,),
        )
    ]


def _beyond_approval(connection: Connection[Any], night: date) -> bool:
    """Whether a hidden count could be told from the candidate itself: that nobody can allow."""
    row = connection.execute(
        "select exists (select from ops.check_result where night = %s and border = 'publish' and severity = 'block' "
        "and status = 'fail' and runbook like '%%/privacy.md#%%' and check_name <> 'not_derivable_by_difference')",
        (night,),
    ).fetchone()
    return bool(row and row[0])


def _built_as(connection: Connection[Any], candidate: Mapping[str, Table]) -> int | None:
    table = candidate.get("release")
    if table is None or "number" not in {column.name for column in table.columns}:
        return None
    row = connection.execute("select max(number) from publish_next.release").fetchone()
    return row[0] if row else None


def export_candidate(
    settings: Settings,
    night: date,
    number: int,
    candidate: Mapping[str, Table],
    dictionary: Dictionary,
    repeats: int | None = None,
    up: int | None = None,
) -> Path:
    """Write the files of candidate `number` aside and put them in their place. With `repeats`, those of tables are
    those of that release; else those of tables that did not change since release `up` are taken over from it."""
    with new_folder(settings, number) as building:
        with connect(settings, "publisher") as connection:
            origins = _origins(connection, repeats, _contracts())
            leaves = [tree.code_node(_code(connection, number)), *_inputs(connection, repeats)]
            same = tree.kept_table_nodes(connection, repeats) if repeats else []
            known = {node.name for node in same}
            leaves += same
            leaves += tree.table_nodes(connection, {n: t for n, t in candidate.items() if n not in known})
            if repeats:
                earlier = _files_of(
                    settings, connection, repeats, frozenset(dictionary.allowed) - {OWN_HISTORY}
                )
            elif up:
                alike = changelog.unchanged(connection, up, [*leaves, *entry_nodes(dictionary)])
                earlier = _files_of(settings, connection, up, alike)
            else:
                earlier = None
            connection.commit()
            notice = Notice(number, night, settings.profile, origins)
            build(connection, candidate, dictionary, notice, building, leaves, earlier)
            schema = next(iter(candidate.values())).schema
            _site(settings, connection, notice, dictionary, schema, building, repeats or up, repeats)
        finish(settings, number, building, leaves)
        reached("export.synced")
        folder = place(settings, number, building)
        reached("export.renamed")
        return folder


def _site(
    settings: Settings,
    connection: Connection[Any],
    notice: Notice,
    dictionary: Dictionary,
    schema: str,
    folder: Path,
    earlier: int | None,
    repeats: int | None = None,
    *,
    take: bool = True,
) -> None:
    """Write the public site into a release's folder. Pages whose data did not change since release `earlier` are that
    one's files, as long as its index of pages is what was recorded; without `take` they are drawn anew, to the same
    bytes."""
    from cityperf.site.build import FOLDER, INDEX
    from cityperf.site.build import build as build_site
    from cityperf.site.model import Edition

    before = settings.releases / str(earlier) / FOLDER if earlier else None
    recorded = connection.execute(
        "select sha256 from ops.release_file where number = %s and path = %s", (earlier, f"{FOLDER}/{INDEX}")
    ).fetchone()
    index = before / INDEX if before else None
    if index is None or recorded is None or not index.exists() or file_sha256(index) != recorded[0]:
        before = None
    edition = Edition(notice.number, notice.night, notice.profile, _code(connection, notice.number), repeats)
    connection.commit()
    build_site(connection, schema, dictionary, edition, folder / FOLDER, before, take=take)


def _files_of(settings: Settings, connection: Connection[Any], number: int, alike: frozenset[str]) -> Earlier:
    """What another release may take over of release `number`: its files of the tables that are `alike`."""
    recorded = connection.execute("select path, sha256 from ops.release_file where number = %s", (number,))
    return Earlier(settings.releases / str(number), dict(recorded.fetchall()), alike)


def finish(settings: Settings, number: int, folder: Path, leaves: list[tree.Node]) -> None:
    """Add the leaves of files and definitions, and write the manifest over them all."""
    files = [tree.Node("file", name, file_sha256(path)) for name, path in files_of(folder).items()]
    nodes = [*leaves, *files, *tree.definition_nodes(tree.read_definitions(folder))]
    tree.write_manifest(folder, number, settings.profile, nodes)
    sync_folder(folder)
    reached("export.manifest")


def record(
    connection: Connection[Any],
    number: int,
    folder: Path,
    repeats: int | None = None,
) -> None:
    """Write down what candidate `number` is made of: files, inputs and the leaves of its tree."""
    for table in ("release_file", "release_input", "release_node"):
        connection.execute(f"delete from ops.{table} where number = %s", (number,))  # fixed names  # noqa: S608
    root, nodes = tree.read_manifest(folder / tree.MANIFEST)
    known = {node.name: node.sha256 for node in nodes if node.kind == "file"}
    connection.cursor().executemany(
        "insert into ops.release_file (number, path, sha256, bytes) values (%s, %s, %s, %s)",
        [
            (number, name, known.get(name) or file_sha256(path), path.stat().st_size)
            for name, path in files_of(folder).items()
        ],
    )
    reached("record.files")
    connection.execute(
        "insert into ops.release_input (number, file_id) "  # fixed text  # noqa: S608
        f"select %(number)s::integer, file_id from ({_INPUTS}) as i",
        {"number": number, "repeats": repeats},
    )
    reached("record.inputs")
    connection.cursor().executemany(
        "insert into ops.release_node (number, kind, name, sha256) values (%s, %s, %s, %s)",
        [(number, n.kind, n.name, n.sha256) for n in nodes if n.kind in ("code", "definition", "table")],
    )
    connection.execute("update ops.release set root_hash = %s where number = %s", (root, number))
    reached("record.nodes")


# Files that stand behind raw's rows now, or those that an earlier release was made of.
_INPUTS: Final[LiteralString] = (
    "select file_id from ops.cursor where %(repeats)s::integer is null union "
    "select file_id from ops.batch where %(repeats)s::integer is null and state = 'loaded' "
    "and cardinality(periods) > 0 union "
    "select file_id from ops.release_input where number = %(repeats)s::integer"
)


def _inputs(connection: Connection[Any], repeats: int | None) -> list[tree.Node]:
    rows = connection.execute(
        "select f.dataset, f.name, f.sha256 "  # fixed text  # noqa: S608
        f"from ({_INPUTS}) as i join ops.landed_file as f using (file_id)",
        {"repeats": repeats},
    )
    return [tree.input_node(*row) for row in rows]


def _code(connection: Connection[Any], number: int) -> str:
    row = connection.execute("select code_version from ops.release where number = %s", (number,)).fetchone()
    return str(row[0]) if row else ""


def _why_a_person(
    connection: Connection[Any], night: date, number: int, fingerprint: str, up: ledger.Release | None
) -> str | None:
    """Why a person has to decide on the candidate; None when nobody has to, or somebody said yes to this content."""
    if not _beyond_approval(connection, night) and approval.granted(connection, number, fingerprint):
        return None
    reasons = _blocking(connection, night)
    changes = periods.unapproved(connection, number)
    if changes:
        reasons.append(periods.in_words(changes))
    if up is not None and up.repeats is not None:
        reasons.append(
            f"release {up.number}, which is up, was put there by hand ({up.made_by}: {up.standing_note}), and stays "
            "until somebody agrees to a newer one"
        )
    no = approval.refused(connection, fingerprint)
    if no:
        reasons.append(no)
    return "; ".join(reasons) or None


def _ask(
    settings: Settings,
    connection: Connection[Any],
    night: date,
    number: int,
    fingerprint: str,
    reason: str,
) -> Outcome:
    """Hold the candidate and put the question, with a page that shows the difference."""
    from cityperf.publish import difference_page

    page: Path | None = None
    connection.commit()
    try:
        page = difference_page.write(settings, number, night, reason)
    except (
        psycopg.Error,
        OSError,
        ValueError,
    ) as problem:  # a candidate may be held because it cannot be read
        log.warning("no page shows the difference of release %s: %s", number, problem)
    _hold(connection, number, reason)
    authors = approval.authors_of(connection, number, night)
    approval.ask(connection, number, fingerprint, reason, authors, night, page)
    connection.commit()
    how = f"to publish it: ./cityperf release approve {number} --by NAME --reason TEXT"
    return Outcome("held", number, f"{reason}; {how}" + (f"; the difference: {page}" if page else ""))


def _origins(
    connection: Connection[Any], number: int | None, contracts: Mapping[str, Any]
) -> tuple[Origin, ...]:
    """The data sets behind the candidate (number None) or a release, each with its newest file's address."""
    chosen = (
        "select f.* from ops.landed_file as f join ops.release_input as i using (file_id) where i.number = "
        "%(number)s"
        if number is not None
        else "select f.* from ops.landed_file as f where f.file_id in (select c.file_id from ops.cursor as c)"
    )
    rows = connection.execute(
        "select dataset, count(*), (array_agg(url order by night desc, name desc, url))[1] "  # noqa: S608
        f"from ({chosen}) as chosen group by dataset order by dataset",
        {"number": number},
    ).fetchall()
    return tuple(
        Origin(
            dataset,
            contracts[dataset].title if dataset in contracts else dataset,
            url,
            contracts[dataset].licence if dataset in contracts else None,
            files,
        )
        for dataset, files, url in rows
    )


def _contracts() -> Mapping[str, Any]:
    from cityperf.sources import load_contracts

    return load_contracts()
