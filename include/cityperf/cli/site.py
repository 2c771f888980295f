"""`./cityperf site`: build the public dashboard of a release, and look at it here."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from cityperf.cli import profile_option, settings
from cityperf.config import Settings


@click.group()
def site() -> None:
    """The public dashboard: build it, look at it."""


@site.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--release", "number", type=int, help="Of this release; default: the one that is up.")
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(folder: Path, number: int | None, as_json: bool) -> None:
    """Draw every page of a release again, into the new or empty FOLDER. A night does so by itself, into the release."""
    from cityperf.site.rebuild import rebuild

    started = time.monotonic()
    built = rebuild(settings(), folder, number)
    if as_json:
        click.echo(json.dumps(asdict(built)))
        return
    click.echo(f"{built.pages:,} pages in {time.monotonic() - started:.1f} s: {folder}")


@site.command()
@click.option("--port", type=int, default=8090, show_default=True)
@click.option(
    "--release", "number", type=int, help="This release; default: the one that is up, whichever it is then."
)
@profile_option
def serve(port: int, number: int | None) -> None:
    """Show the site on this machine, with the headers a public host should send, until stopped."""
    from cityperf.site.release_files import STATUS
    from cityperf.site.serve import serve as run

    chosen = settings()
    shown = _site_of(chosen, number)
    click.echo(f"http://127.0.0.1:{port}/en/index.html (Ctrl-C stops it)")
    run(shown, chosen.releases / STATUS, port)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--release", "number", type=int, help="Of this release; default: the one that is up.")
@profile_option
def screenshots(folder: Path, number: int | None) -> None:
    """Save pictures of every kind of page into FOLDER, in both languages and three widths (needs Chromium)."""
    from rich.progress import track

    from cityperf.site.release_files import STATUS
    from cityperf.site.screenshots import one_of_each, take

    chosen = settings()
    shown = _site_of(chosen, number)
    total = len(one_of_each(shown)) * 6
    made = list(track(take(shown, chosen.releases / STATUS, folder), "screenshots", total=total))
    click.echo(f"{len(made)} pictures: {folder}")


def _site_of(chosen: Settings, number: int | None) -> Path:
    from cityperf.errors import CityperfError
    from cityperf.site.build import FOLDER

    shown = chosen.releases / (str(number) if number else "current") / FOLDER
    if not shown.is_dir():
        raise CityperfError(
            f"expected the site of a release at {shown}, found none; ./cityperf refresh makes one, and "
            "./cityperf release list shows which releases there are"
        )
    return shown
