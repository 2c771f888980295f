"""`./cityperf impact`: what a change of the dbt project reaches, column by column."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from cityperf.cli import profile_option, settings

if TYPE_CHECKING:
    from cityperf.config import Settings
    from cityperf.impact import Change, Export, How, Impact, Reached

KPIS_SHOWN: Final = 12


@click.command()
@click.option("--against", metavar="REF", help="A git ref to compare with instead of the release that is up.")
@click.option("--column", metavar="MODEL.COLUMN", help="What depends on this column, as the project stands.")
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def impact(against: str | None, column: str | None, as_json: bool) -> None:
    """What the dbt project as edited here changes of the release that is up, and what that reaches.

    The other side is the commit that the release was built from. Edits that were not committed when it was built are not
    known. Nothing is run, and only the release's number is asked of PostgreSQL.
    """
    from cityperf.impact import compare, depends_on, graph_of, keep_shapes, readers, shapes_kept
    from cityperf.impact.project import both, working_tree

    if column and against:
        raise click.UsageError("--column asks about the project as it stands; leave --against out")
    chosen = settings()
    kept, read_by = shapes_kept(), readers.read_by()
    if column:
        graph = graph_of(working_tree(chosen.profile), kept)
        keep_shapes(kept, [graph])
        title = f"what depends on {column}"
        found = depends_on(graph, column, read_by)
    else:
        ref, side = (against, against) if against else _released(chosen)
        before, now = (graph_of(each, kept) for each in both(ref, chosen.profile))
        keep_shapes(kept, [before, now])
        title = f"against {side}"
        found = compare(before, now, read_by)
    if as_json:
        click.echo(json.dumps({"about": title, **found.as_dict()}, indent=2))
        return
    for line in [title, *_told(found, changes=not column)]:
        click.echo(line)


def _released(chosen: Settings) -> tuple[str, str]:
    """The commit of the release that is up, and how to call it. One that puts another up again has that one's tables."""
    from cityperf.errors import CityperfError
    from cityperf.publish import list_releases

    elsewhere = "; --against REF compares with a git ref"
    try:
        known = {each.number: each for each in list_releases(chosen)}
    except Exception as problem:
        raise CityperfError(
            f"expected PostgreSQL to say which release is up, found {str(problem).splitlines()[0]}{elsewhere}"
        ) from problem
    up = next((each for each in known.values() if each.state == "released"), None)
    if up is None:
        raise CityperfError(f"expected a release that is up, found none{elsewhere}")
    made = known.get(up.repeats, up) if up.repeats else up
    _, _, commit = made.code_version.partition("+")
    if not commit:
        raise CityperfError(
            f"expected release {made.number} to name the commit that it was built from, found code "
            f"{made.code_version}, which was no clone{elsewhere}"
        )
    return commit, f"release {up.number}, night {up.night}, commit {commit}"


def _told(found: Impact, *, changes: bool) -> Iterable[str]:
    if changes:
        yield "\nchanged"
        yield from [_change(each) for each in found.changes] or ["  no model"]
        yield from _listed("KPIs defined otherwise", found.kpi_definitions)
        yield from _listed("columns on the allow-list", found.allow_list)
        if not (found.changes or found.kpi_definitions or found.allow_list):
            return
    inner = [each for each in found.reached if each not in found.published]
    yield f"\nmodels reached: {len(inner)}"
    yield from map(_reached, inner)
    yield f"\npublished tables reached: {len(found.published)}"
    yield from map(_reached, found.published)
    more = ", …; --json has them all" if len(found.kpis) > KPIS_SHOWN else ""
    shown = f"\n  {', '.join(found.kpis[:KPIS_SHOWN])}{more}" if found.kpis else ""
    yield f"\nKPIs whose figures are reached: {len(found.kpis)}{shown}"
    yield f"\nexports reached: {len(found.exports)}"
    yield from map(_export, found.exports)
    yield f"\nkinds of page and dashboards reached: {len(found.pages)}"
    for kind, reads in found.pages.items():
        yield _line(kind, ", ".join(reads))


def _change(each: Change) -> str:
    groups = [
        f"{how}: {', '.join(names)}"
        for how in ("added", "removed", "changed")
        if (names := [name for name, said in each.columns.items() if said == how])
    ]
    if each.how != "changed":
        groups = [f"{each.how}, {len(each.columns)} columns"]
    elif each.rows:
        groups.append("rows: filters, joins or grouping changed")
    if each.by_table:
        groups.append(f"by table: {each.by_table}")
    return _line(each.model, "; ".join(groups) or "written otherwise, every column means the same")


def _reached(each: Reached) -> str:
    said = [", ".join(each.columns)] if each.columns else []
    said += ["every column, through its rows"] if each.rows else []
    said += [f"by table: {each.by_table}"] if each.by_table else []
    return _line(each.model, "; ".join(said))


def _export(each: Export) -> str:
    where = [*each.files, *(place for place in each.destinations if place != "files")]
    return _line(each.exposure, ", ".join(where))


def _listed(what: str, names: Mapping[str, How]) -> Sequence[str]:
    if not names:
        return []
    return [_line(what, ", ".join(f"{name} ({how})" for name, how in names.items()))]


def _line(name: str, said: str) -> str:
    begin = f"  {name:<36}  "
    return textwrap.fill(said, 120, initial_indent=begin, subsequent_indent=" " * 40, break_on_hyphens=False)
