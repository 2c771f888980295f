"""`./cityperf retention`: remove what is over its time, as every night does, or only say what would go."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.release import as_json_option


@click.command()
@click.option("--dry-run", is_flag=True, help="Only print what would go.")
@click.option(
    "--night", type=click.DateTime(["%Y-%m-%d"]), help="As of this Toronto date instead of tonight."
)
@profile_option
@as_json_option
def retention(dry_run: bool, night: object, as_json: bool) -> None:
    """Remove what is over the periods of include/retention.yml. Each night does so too."""
    from datetime import datetime

    from cityperf import housekeeping
    from cityperf.config import tonight

    on = night.date() if isinstance(night, datetime) else tonight()
    periods = housekeeping.read_periods()
    items = (housekeeping.due if dry_run else housekeeping.remove)(settings(), on, periods)
    if as_json:
        click.echo(json.dumps([asdict(item) for item in items], indent=2))
        return
    by_kind = defaultdict(list)
    for item in items:
        by_kind[item.what].append(item)
    for what, period in periods.items():
        went = by_kind[what]
        said = f"{len(went):,} {'would go' if dry_run else 'gone'}" if went else "nothing due"
        if period.keep == "always":
            said = "kept"
        click.echo(f"{what:<20}{period.keep:<11}{said}  ({period.why})")
        for item in went[:10]:
            click.echo(f"    {item.name}  {item.bytes:,} bytes")
        if len(went) > 10:
            click.echo(f"    and {len(went) - 10:,} more")
