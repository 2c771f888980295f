"""`./cityperf superset`: Apache Superset with the dashboards of this repository."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from cityperf.cli import profile_option, settings


@click.group()
def superset() -> None:
    """Apache Superset with three dashboards: serve them, check them against the contracts."""


@superset.command()
@click.option("--port", type=int, default=8093, show_default=True)
@profile_option
def serve(port: int) -> None:
    """Serve Superset on this machine until stopped, with the dashboards of include/superset and a read-only login.

    The first start installs it into an environment of its own. PostgreSQL must run.
    """
    from cityperf import superset as superset_

    superset_.serve(settings(), port, tell=lambda text: click.echo(text))


@superset.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(as_json: bool) -> None:
    """Hold every dataset, chart and dashboard against the contracts of the published tables; 1 if one breaks them."""
    from cityperf import superset as superset_

    found = superset_.problems()
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=1))
    else:
        for each in found:
            click.echo(each)
        click.echo(
            f"{len(found)} problems"
            if found
            else "every dataset, chart and filter is as the contracts have it"
        )
    sys.exit(1 if found else 0)
