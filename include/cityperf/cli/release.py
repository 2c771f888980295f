"""`./cityperf release`: what was published, when, what changed with it; verify, compare, approve, go back."""

from __future__ import annotations

import json
from typing import Any, Literal

import click

from cityperf.cli import profile_option, settings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def release() -> None:
    """Releases: what was published, and when."""


@release.command(name="list")
@profile_option
@as_json_option
def list_all(as_json: bool) -> None:
    """Every release and candidate, newest first."""
    from cityperf.publish import approval, list_releases

    chosen = settings()
    asked = approval.waiting(chosen)
    rows = [_row(each) for each in list_releases(chosen)]
    for row in rows:
        waits = asked is not None and asked.number == row["number"]
        row["waits"] = f"waits for an approval: {asked.reason}" if asked and waits else None
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("no release yet; ./cityperf refresh makes the first one")
        return
    up = next((row["number"] for row in rows if row["state"] == "released"), None)
    click.echo(f"{'release':>7}  {'night':<12}{'state':<12}{'released':<18}{'code':<22}note")
    for row in rows:
        note = row["stale_reason"] or ("is up" if row["number"] == up else row["waits"] or "")
        when = (row["released_at"] or "-")[:16].replace("T", " ")
        click.echo(
            f"{row['number']:>7}  "
            f"{row['night']:<12}{row['state']:<12}{when:<18}{row['code_version']:<22}{note}"
        )
    if up is not None:
        click.echo(f"\nfiles: {chosen.releases / str(up)}")


@release.command()
@click.argument("number", type=int)
@profile_option
@as_json_option
def show(number: int, as_json: bool) -> None:
    """Files, inputs and restatements of release NUMBER."""
    from psycopg.rows import dict_row

    from cityperf.db import connect
    from cityperf.errors import CityperfError
    from cityperf.publish import list_releases

    chosen = settings()
    known = {each.number: each for each in list_releases(chosen)}
    if number not in known:
        raise CityperfError(
            f"expected the number of a release, found {number}; there are "
            f"{', '.join(map(str, sorted(known))) or 'none'}"
        )
    with connect(chosen, "publisher") as connection, connection.cursor(row_factory=dict_row) as cursor:
        files = cursor.execute(
            "select path, bytes, sha256 from ops.release_file where number = %s order by path", (number,)
        ).fetchall()
        inputs = cursor.execute(
            "select f.dataset, count(*) as files, sum(f.bytes)::bigint as bytes, max(f.night) as newest "
            "from ops.release_input as i join ops.landed_file as f using (file_id) where i.number = %s "
            "group by f.dataset order by f.dataset",
            (number,),
        ).fetchall()
        causes = cursor.execute(
            "select cause, count(*) as figures, count(distinct kpi_id) as kpis from ops.restatement "
            "where number = %s group by cause order by cause",
            (number,),
        ).fetchall()
        restated = cursor.execute(
            "select kpi_id, cause, count(*) as figures, min(period_start) as first, max(period_start) as last, "
            "(array_agg(size order by abs(size) desc nulls last))[1] as largest, "
            "(array_agg(size_percent order by abs(size_percent) desc nulls last))[1] as largest_percent, "
            "string_agg(distinct note, '; ') as note from ops.restatement "
            "where number = %s group by 1, 2 order by 1, 2",
            (number,),
        ).fetchall()
        decisions = cursor.execute(
            "select decision, decided_by, decided_on, what, note from ops.approval where subject = %s "
            "order by approval_id",
            (f"release {number}",),
        ).fetchall()
    found: dict[str, Any] = {
        **_row(known[number]),
        "folder": str(chosen.releases / str(number)),
        "files": files,
        "inputs": inputs,
        "restatements": causes,
        "restated": restated,
        "decisions": decisions,
    }
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    sample = " (SAMPLE - invented figures)" if chosen.profile == "sample" else ""
    click.echo(
        f"release {number}{sample}: {found['state']}, night {found['night']}, code {found['code_version']}"
    )
    if found["stale_reason"]:
        click.echo(f"stale: {found['stale_reason']}")
    for each in decisions:
        click.echo(
            f"{each['decision']} by {each['decided_by']} on {each['decided_on']}: {each['note'] or each['what']}"
        )
    click.echo(
        f"content: sha256 {found['content_hash'] or 'not computed'}\n"
        f"root:    sha256 {found['root_hash'] or 'not computed'}\nfolder:  {found['folder']}\n\nmade of"
    )
    for each in inputs:
        click.echo(f"  {each['dataset']:<28}{each['files']:>5} files  newest {each['newest']}")
    click.echo("\nrestated")
    for each in causes:
        click.echo(f"  {each['cause']:<12}{each['figures']:>8,} figures of {each['kpis']:,} KPIs")
    for each in restated:
        size = f", by up to {each['largest_percent']:+f} %" if each["largest_percent"] is not None else ""
        click.echo(
            f"    {each['kpi_id']:<12}{each['cause']:<12}{each['figures']:>6,} from {each['first']} to {each['last']}"
            f"{size}{' · ' + each['note'] if each['note'] else ''}"
        )
    if not causes:
        click.echo("  nothing")
    click.echo("\nfiles")
    for each in files:
        click.echo(f"  {each['path']:<36}{each['bytes']:>12,}  {each['sha256'][:16]}")


def _row(each: Any) -> dict[str, Any]:
    return {
        "number": each.number,
        "night": each.night.isoformat(),
        "state": each.state,
        "released_at": each.released_at.isoformat() if each.released_at else None,
        "content_hash": each.content_hash,
        "code_version": each.code_version,
        "stale_reason": each.stale_reason,
        "root_hash": each.root_hash,
        "published_on": each.published_on.isoformat() if each.published_on else None,
        "repeats": each.repeats,
        "made_by": each.made_by,
        "made_why": each.made_why,
    }


by_option = click.option("--by", required=True, help="Your id in include/approvers.yml.")
reason_option = click.option("--reason", required=True, help="Why; it is kept with the decision.")


@release.command()
@click.argument("number", type=int, required=False)
@profile_option
@as_json_option
def verify(number: int | None, as_json: bool) -> None:
    """Whether release NUMBER (default: all) is still what was published, to the byte.

    Exit status 1 when any node of its hash tree differs: a file, a table, a definition, an input, the code.
    """
    from dataclasses import asdict

    from cityperf.publish.verify import verify as verified

    verdicts = verified(settings(), number)
    if as_json:
        click.echo(json.dumps([{**asdict(each), "ok": each.ok} for each in verdicts], indent=2))
    for each in [] if as_json else verdicts:
        click.echo(
            f"release {each.number}: {'as published' if each.ok else 'ALTERED'}, {each.checked:,} nodes checked"
        )
        for line in [*map(str, each.findings), *each.notes]:
            click.echo(f"  {line}")
    if not as_json and not verdicts:
        click.echo("no release yet; ./cityperf refresh makes the first one")
    if any(not each.ok for each in verdicts):
        raise click.exceptions.Exit(1)


@release.command()
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@profile_option
@as_json_option
def diff(before: int | None, after: int | None, as_json: bool) -> None:
    """What differs between releases BEFORE and AFTER: tables, columns, definitions, figures, files. Without them, between
    what is up and what is held.
    """
    from cityperf.publish import approval
    from cityperf.publish.difference import compare_candidate, compare_releases, in_words

    chosen = settings()
    if before is not None and after is not None:
        found = compare_releases(chosen, before, after)
    elif before is not None:
        raise click.UsageError("name two releases, or none for what is up and what is held")
    elif (asked := approval.waiting(chosen)) and asked.number:
        found = compare_candidate(chosen, asked.number)
    else:
        raise click.UsageError("no release is held; name two: ./cityperf release list says which there are")
    click.echo(json.dumps(found.as_dict(), indent=2, default=str) if as_json else in_words(found))


@release.command()
@profile_option
@as_json_option
def push(as_json: bool) -> None:
    """Push the release that is up to the portals of include/destinations.yml."""
    from dataclasses import asdict

    from cityperf.publish.ckan import push as send
    from cityperf.publish.ckan import read_destinations

    chosen, places = settings(), read_destinations()
    done = [send(chosen, place) for place in places]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in done], indent=2))
        return
    if not places:
        click.echo("no destination is configured in include/destinations.yml: nothing leaves")
    for each in done:
        click.echo(
            f"{each.destination} holds release {each.release}: {len(each.tables)} tables changed, "
            f"{each.added:,} rows added, {each.deleted:,} deleted, {len(each.removed)} tables removed, "
            f"{each.requests:,} requests"
        )


@release.command()
@click.argument("number", type=int)
@by_option
@reason_option
@profile_option
def rollback(number: int, by: str, reason: str) -> None:
    """Put the content of release NUMBER up again, as a release with a new number."""
    from cityperf.config import tonight
    from cityperf.publish.rollback import rollback as go_back

    click.echo(go_back(settings(), number, by, reason, tonight()).reason)


@release.command()
@click.argument("number", type=int)
@by_option
@reason_option
@profile_option
def approve(number: int, by: str, reason: str) -> None:
    """Let held release NUMBER go up."""
    _answer(number, by, "approved", reason)


@release.command()
@click.argument("number", type=int)
@by_option
@reason_option
@profile_option
def reject(number: int, by: str, reason: str) -> None:
    """Keep held release NUMBER down; the last good one stays up."""
    _answer(number, by, "rejected", reason)


def _answer(number: int, by: str, decision: Literal["approved", "rejected"], reason: str) -> None:
    from cityperf.config import tonight
    from cityperf.publish import approval

    click.echo(approval.answer(settings(), number, by, decision, reason, tonight()))
