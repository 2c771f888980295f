"""`./cityperf quarantine`: rows and files that are held, and what a steward decides about them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.release import as_json_option, by_option

if TYPE_CHECKING:
    from cityperf.quarantine import Decision

STATES = ("held", "released", "discarded", "all")


@click.group()
def quarantine() -> None:
    """Rows and files that broke their contract: look at them, let them in, or keep them out."""


@quarantine.command(name="list")
@click.option("--dataset", help="Only of this data set.")
@click.option("--state", type=click.Choice(STATES), default="held", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Of each kind.")
@profile_option
@as_json_option
def list_all(dataset: str | None, state: str, limit: int, as_json: bool) -> None:
    """What is in quarantine, files (F…) before rows (R…), the newest first."""
    from cityperf import quarantine as held

    chosen = settings()
    wanted = None if state == "all" else state
    found = held.listed(chosen, dataset=dataset, state=wanted, limit=limit)
    counts = held.counts(chosen)
    lost = held.unreconciled(chosen)
    if as_json:
        rows = [asdict(each) for each in found]
        unreconciled = [{"dataset": d, "file_id": f, "rows": n} for d, f, n in lost]
        told = {"counts": counts, "unreconciled": unreconciled, "items": rows}
        click.echo(json.dumps(told, indent=2, default=str, ensure_ascii=False))
        return
    for each in found:
        sheet, line = each.sheet and f"sheet {each.sheet}", f"line {each.line}" if each.line else None
        where = ", ".join(filter(None, (each.name, sheet, line)))
        reason = each.reason if each.kind == "row" else f"expected {each.expected}"
        click.echo(f"{each.id:<8}{each.night}  {each.state:<10}{each.dataset}: {where}; {reason}")
    for kind in ("file", "row"):
        parts = ", ".join(f"{n:,} {name}" for name, n in sorted(counts[kind].items()))
        click.echo(f"{kind}s: {parts or 'none'}")
    for name, file_id, rows_lost in lost:
        click.echo(f"! {name}, file {file_id}: {rows_lost:,} rows are neither loaded nor in quarantine")


@quarantine.command()
@click.argument("identifier", metavar="ID")
@profile_option
@as_json_option
def show(identifier: str, as_json: bool) -> None:
    """The row or file ID (R12, F3): what was expected, what came, and every decision about it."""
    from cityperf import quarantine as held

    found, decisions = held.show(settings(), identifier)
    if as_json:
        told = {**asdict(found), "decisions": [asdict(each) for each in decisions]}
        click.echo(json.dumps(told, indent=2, default=str, ensure_ascii=False))
        return
    for name, value in asdict(found).items():
        if value is not None and name != "quarantine_id":
            click.echo(f"{name:<12}{value}")
    for each in decisions:
        came = f"; {each.outcome} ({each.settled_on})" if each.outcome else "; waits for the next refresh"
        click.echo(f"{each.decided_on}  {each.decision} by {each.decided_by}: {each.reason}{came}")


@quarantine.command()
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True)
@by_option
@click.option("--reason", required=True, help="Why they are right after all.")
@profile_option
def release(identifiers: tuple[str, ...], by: str, reason: str) -> None:
    """Let rows and files in (R12, R12-R40, F3): the next refresh loads them from landing."""
    _decide(identifiers, "released", by, reason)


@quarantine.command()
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True)
@by_option
@click.option("--reason", required=True, help="Why they stay out.")
@profile_option
def discard(identifiers: tuple[str, ...], by: str, reason: str) -> None:
    """Keep rows and files out for good. They stay in quarantine and are counted."""
    _decide(identifiers, "discarded", by, reason)


def _decide(identifiers: tuple[str, ...], decision: Decision, by: str, reason: str) -> None:
    from cityperf import quarantine as held
    from cityperf.config import tonight

    done = held.decide(settings(), identifiers, decision, by, reason, tonight())
    if not done:
        click.echo(f"nothing to do: {decision} already")
        return
    click.echo(f"{decision}: {', '.join(done[:20])}" + (f" and {len(done) - 20} more" if done[20:] else ""))
    if decision == "released":
        click.echo("they are loaded by the next refresh; ./cityperf quarantine show ID says what came of it")
