"""`./cityperf release`: what was published, when, and what changed with it."""

from __future__ import annotations

import json
from typing import Any

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
    from cityperf.publish import list_releases

    chosen = settings()
    rows = [_row(each) for each in list_releases(chosen)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo("no release yet; ./cityperf refresh makes the first one")
        return
    up = next((row["number"] for row in rows if row["state"] == "released"), None)
    click.echo(f"{'release':>7}  {'night':<12}{'state':<12}{'released':<18}{'code':<22}note")
    for row in rows:
        note = row["stale_reason"] or ("is up" if row["number"] == up else "")
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
    found: dict[str, Any] = {
        **_row(known[number]),
        "folder": str(chosen.releases / str(number)),
        "files": files,
        "inputs": inputs,
        "restatements": causes,
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
    click.echo(
        f"content: sha256 {found['content_hash'] or 'not computed'}\nfolder:  {found['folder']}\n\nmade of"
    )
    for each in inputs:
        click.echo(f"  {each['dataset']:<28}{each['files']:>5} files  newest {each['newest']}")
    click.echo("\nrestated")
    for each in causes:
        click.echo(f"  {each['cause']:<12}{each['figures']:>8,} figures of {each['kpis']:,} KPIs")
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
    }
