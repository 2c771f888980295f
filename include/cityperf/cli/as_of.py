"""`./cityperf as-of`: what was published at a date, byte for byte."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from cityperf.cli import profile_option, settings


@click.command(name="as-of")
@click.argument("on", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--table", help="Print this table as it was published.")
@click.option("--kpi", help="Print this KPI's definition and figures as they were published.")
@click.option("--export", "target", type=click.Path(path_type=Path), help="Copy all files into this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@profile_option
def as_of(on: datetime, table: str | None, kpi: str | None, target: Path | None, as_json: bool) -> None:
    """What was published at the end of DATE (Toronto): figures, definitions and files, byte for byte.

    In SQL: as_of.kpi_value(date), as_of.kpi(date), as_of.release(date), as_of.history(kpi).
    """
    from cityperf.publish import as_of as then

    chosen = settings()
    found = then.past(chosen, on.date())
    if target:
        copied = then.export(found, target)
        click.echo(
            f"{len(copied)} files of release {found.number}, byte for byte as published, are in {target}"
        )
    if table:
        sys.stdout.buffer.write(found.table(table, "json" if as_json else "csv").read_bytes())
    if kpi:
        definition, figures = then.definition(found, kpi), list(then.figures(found, kpi))
        if as_json:
            click.echo(json.dumps({"definition": definition, "figures": figures}, indent=2, default=str))
        else:
            said = f"release {found.number}, published on {found.published_on}"
            click.echo(f"{kpi} {definition.get('name_en', '')} ({said})")
            for name, value in definition.items():
                if value not in (None, "", []):
                    click.echo(f"  {name:<24}{value}")
            for f in figures:
                place = f"{f['geography_type']} {f['geography_code']}"
                click.echo(
                    f"  {f['period_grain']:<8}{f['period_start']}  {place:<36}{f['value']}  of {f['vintage']}"
                )
    if target or table or kpi:
        return
    facts = {
        "release": found.number,
        "night": found.night.isoformat(),
        "published_on": found.published_on.isoformat(),
        "repeats": found.repeats,
        "code_version": found.code_version,
        "root_hash": found.root_hash,
        "folder": str(found.folder),
        "files": dict(sorted(found.files.items())),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    sample = " (SAMPLE - invented figures)" if chosen.profile == "sample" else ""
    click.echo(
        f"at the end of {on.date()} release {found.number}{sample} was up\n"
        f"night {found.night}, published on {found.published_on}, code {found.code_version}\n"
        f"root sha256 {found.root_hash or 'none'}\n{len(found.files)} files in {found.folder}"
    )
