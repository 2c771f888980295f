"""`./cityperf period`: close a month, quarter or year; announce and approve what changes in one all the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Literal

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.release import as_json_option, by_option


@click.group()
def period() -> None:
    """Closed periods: their figures change only through a restatement that somebody approved."""


@period.command(name="list")
@profile_option
@as_json_option
def list_all(as_json: bool) -> None:
    """Periods that were closed, and restatements that were announced."""
    from cityperf.publish import approval, periods

    chosen = settings()
    closed, announced = periods.listed(chosen), approval.announced(chosen)
    if as_json:
        found = {
            "periods": [{**asdict(each), "period": str(each.period)} for each in closed],
            "restatements": [asdict(each) for each in announced],
        }
        click.echo(json.dumps(found, indent=2, default=str))
        return
    if not closed:
        click.echo("no period was closed yet; ./cityperf period close 2026-09 --by NAME closes one")
    for each in closed:
        state = f"closed {each.closed_on} by {each.closed_by}" + (f": {each.note}" if each.note else "")
        if each.reopened_on:
            state = f"open again since {each.reopened_on}, by {each.reopened_by}: {each.reopened_note}"
        click.echo(f"{each.period!s:<10}{state}")
    if announced:
        click.echo("\nannounced restatements")
    for asked in announced:
        click.echo(
            f"{asked.request_id:>6}  {asked.state:<10}{asked.asked_on}  {asked.reason} ({', '.join(asked.authors)})"
        )


@period.command()
@click.argument("which", metavar="PERIOD")
@by_option
@click.option("--note", help="What the closing rests on.")
@profile_option
def close(which: str, by: str, note: str | None) -> None:
    """Close PERIOD (2026-09, 2026-Q3 or 2026)."""
    from cityperf.config import tonight
    from cityperf.publish import periods

    closed = periods.close(settings(), periods.period_of(which), by, tonight(), note)
    click.echo(f"{closed.period} is closed, by {closed.closed_by} on {closed.closed_on}")


@period.command()
@click.argument("which", metavar="PERIOD")
@by_option
@click.option("--reason", required=True, help="Why it has to be open again.")
@profile_option
def reopen(which: str, by: str, reason: str) -> None:
    """Open a closed PERIOD again; whoever closed it needs somebody else for that."""
    from cityperf.config import tonight
    from cityperf.publish import periods

    periods.reopen(settings(), periods.period_of(which), by, tonight(), reason)
    click.echo(f"{which} is open again")


@period.command()
@click.argument("which", metavar="PERIOD")
@click.option("--kpi", required=True, help="The KPI whose figures will change.")
@click.option(
    "--cause", type=click.Choice(["revision", "late data", "correction", "definition"]), default="correction"
)
@click.option("--note", required=True, help="What was wrong, or why it changes; goes into the ledger.")
@click.option("--by", required=True, help="Your name: you announce it, somebody else approves it.")
@profile_option
def restate(which: str, kpi: str, cause: str, note: str, by: str) -> None:
    """Announce that figures of a KPI in a closed PERIOD will change."""
    from cityperf.config import tonight
    from cityperf.publish import periods

    number = periods.request(settings(), periods.period_of(which), kpi, cause, note, by, tonight())
    click.echo(
        f"restatement {number} is announced; somebody else: ./cityperf period approve {number} --by NAME"
    )


@period.command()
@click.argument("number", type=int)
@by_option
@click.option("--reason", help="Kept with the decision.")
@profile_option
def approve(number: int, by: str, reason: str | None) -> None:
    """Agree to the announced restatement NUMBER; the next release may bring it."""
    _answer(number, by, "approved", reason)


@period.command()
@click.argument("number", type=int)
@by_option
@click.option("--reason", required=True, help="Why not.")
@profile_option
def reject(number: int, by: str, reason: str) -> None:
    """Refuse the announced restatement NUMBER."""
    _answer(number, by, "rejected", reason)


def _answer(number: int, by: str, decision: Literal["approved", "rejected"], reason: str | None) -> None:
    from cityperf.config import tonight
    from cityperf.publish import approval

    click.echo(approval.answer_restatement(settings(), number, by, decision, reason, tonight()))
