"""`./cityperf landing`: the keys that seal person-level files, and how they are changed."""

from __future__ import annotations

import json
from collections import Counter

import click

from cityperf.cli import profile_option, settings


@click.group()
def landing() -> None:
    """Landed files about persons: the keys that they are encrypted with."""


@landing.command()
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def keys(as_json: bool) -> None:
    """The keys at hand, the one that seals first, and how many files need each. Exit status 1 if one is lacking."""
    from cityperf import sealing
    from cityperf.landing import sealed_files

    chosen = settings()
    there = list(sealing.keys_of(chosen).by_id)
    counts = Counter(sealing.key_of(path) for path in sealed_files(chosen))
    rows = [
        {"key": key, "files": counts[key], "at_hand": key in there, "seals": key == there[0]}
        for key in [*there, *sorted(counts.keys() - set(there))]
    ]
    if as_json:
        click.echo(json.dumps(rows))
    else:
        for row in rows:
            said = "seals" if row["seals"] else "opens only" if row["at_hand"] else "IS LACKING"
            click.echo(f"{row['key']}  {said:<10}  {row['files']:,} files")
    if lacking := [row["key"] for row in rows if not row["at_hand"]]:
        raise click.ClickException(
            f"expected every key that sealed a file, {', '.join(map(str, lacking))} is lacking; see {sealing.RUNBOOK}"
        )


@landing.command()
@profile_option
def rotate() -> None:
    """Make a new key in the home's secrets file; it seals from now on, the older ones still open."""
    from cityperf import sealing

    click.echo(
        f"{sealing.rotate(settings())} seals from now on; save {settings().home / 'secrets.json'} again"
    )
    click.echo("next    ./cityperf landing reseal, after which the older keys are not needed")


@landing.command()
@profile_option
def reseal() -> None:
    """Seal with the newest key what older ones seal. May be broken off and repeated; needs PostgreSQL up."""
    from cityperf.db import connect
    from cityperf.landing import reseal as again

    with connect(settings(), "loader", autocommit=True) as db:
        click.echo(f"{again(settings(), db)} files sealed again")


@landing.command("rotate-fernet")
@profile_option
def rotate_fernet() -> None:
    """A new key for what Airflow encrypts in its database. The stack must be down; PostgreSQL is started."""
    from cityperf import postgres, stack
    from cityperf.errors import CityperfError

    chosen = settings()
    if stack.supervisor_pid(chosen) is not None:
        raise CityperfError(
            "expected a stack that is down, found it up with the old key; ./cityperf down first"
        )
    postgres.start(chosen)
    stack.rotate_fernet(chosen)
    click.echo(f"rotated; save {chosen.home / 'secrets.json'} again, then ./cityperf up")
