"""`./cityperf docs`: the reference for engineers and analysts, built and shown."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from cityperf.cli import profile_option, settings
from cityperf.config import TORONTO


@click.group()
def docs() -> None:
    """The reference: data dictionary, dbt's documentation, decisions, runbooks."""


@docs.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(folder: Path | None, as_json: bool) -> None:
    """Write the pages into FOLDER (default: the profile's own, which Airflow's Warehouse page links to).

    PostgreSQL must run: dbt describes the tables that are there.
    """
    from cityperf import reference

    chosen, began = settings(), time.monotonic()
    where = (folder or chosen.base / "docs").resolve()
    built = reference.build(chosen, where, datetime.now(TORONTO).date())
    if as_json:
        click.echo(json.dumps(asdict(built)))
        return
    click.echo(
        f"{built.pages} pages in {time.monotonic() - began:.0f} s: {built.models} models, {built.published_columns:,} "
        f"published and {built.raw_columns:,} raw columns; open {where / 'index.html'}"
    )


@docs.command()
@click.option("--port", type=int, default=8092, show_default=True)
@profile_option
def serve(port: int) -> None:
    """Show on this machine what `docs build` wrote, until stopped."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    from cityperf.errors import CityperfError

    where = settings().base / "docs"
    if not (where / "index.html").exists():
        raise CityperfError(f"expected pages at {where}, found none; ./cityperf docs build writes them")
    click.echo(f"http://127.0.0.1:{port}/index.html (Ctrl-C stops it)")
    app = Starlette(routes=[Mount("/", StaticFiles(directory=where, html=True))])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
