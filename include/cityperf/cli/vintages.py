"""`./cityperf source as-of` and `source changes`: a data set as it stood on a night, and what differs since."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import click

from cityperf.cli import profile_option, settings

DAY: Final = click.DateTime(["%Y-%m-%d"])


@click.command(name="as-of")
@click.argument("name")
@click.argument("night", type=DAY)
@profile_option
def as_of(name: str, night: datetime) -> None:
    """Print NAME as CSV as it stood when NIGHT had ended, with what was deleted or renamed since."""
    import sys

    from cityperf.load import snapshot
    from cityperf.load.backfill import contract_of

    with (
        snapshot.as_of(settings(), contract_of(name), night.date()) as db,
        db.cursor() as cursor,
        cursor.copy(
            "copy (select * from as_of order by _night, _file_id, _row) to stdout (format csv, header)"
        ) as rows,
    ):
        for chunk in rows:
            sys.stdout.buffer.write(chunk)


@click.command()
@click.argument("name")
@click.argument("since", type=DAY)
@click.argument("until", type=DAY)
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one change a line.")
def changes(name: str, since: datetime, until: datetime, as_json: bool) -> None:
    """What is new, gone or changed in NAME between two nights, by its keys."""
    from dataclasses import asdict

    from cityperf.load import snapshot
    from cityperf.load.backfill import contract_of

    for each in snapshot.changes(settings(), contract_of(name), since.date(), until.date()):
        if as_json:
            click.echo(json.dumps(asdict(each), ensure_ascii=False))
            continue
        line = f"{each.kind:<8}{_shown(each.key)}"
        for column, was in each.before.items():
            line += f"; {column}: {was!r} → {each.after[column]!r}"
        click.echo(line)


def _shown(key: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in key.items())
