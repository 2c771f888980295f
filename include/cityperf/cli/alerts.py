"""`./cityperf digest`, `tickets` and `alerts`: what needs a person, what is still open, and what did not run."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import date, datetime, timedelta

import click

from cityperf.cli import profile_option, settings
from cityperf.config import TORONTO, tonight
from cityperf.errors import CityperfError

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.option("--to", "steward", help="Whose digest (default: the data team's, which has everything).")
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), help="Toronto date (default: the latest night).")
@click.option(
    "--send", "deliver", is_flag=True, help="Send it, or without --to all of them, if not sent yet."
)
@profile_option
@as_json_option
def digest(steward: str | None, night: datetime | None, deliver: bool, as_json: bool) -> None:
    """Print a digest: what needs a person, the most urgent first."""
    from cityperf import notify
    from cityperf.notify.alert import TEAM

    chosen = settings()
    now = datetime.now(TORONTO)
    found = notify.look(chosen, night.date() if night else _latest(), now)
    told = found.of(steward or TEAM)
    if told is None and steward:
        others = ", ".join(each.to for each in found.digests) or "nobody"
        raise CityperfError(
            f"expected somebody whom the night concerns, found {steward!r}; it concerns {others}"
        )
    if as_json and told:
        alerts = [{**asdict(each), "cause": each.cause} for each in told.alerts]
        click.echo(
            json.dumps({"to": told.to, "ending": told.ending, "alerts": alerts}, indent=2, default=str)
        )
    elif not as_json:
        click.echo(notify.as_text(told) if told else "Nothing needs a person.", nl=told is None)
    if deliver:
        for path in notify.send_digests(chosen, found, steward):
            click.echo(str(path), err=True)


def _latest() -> date:
    """The latest night that was opened; today where there is none or the database does not answer."""
    import psycopg

    from cityperf.db import connect

    try:
        with connect(settings(), "publisher") as connection:
            row = connection.execute("select max(night) from ops.night").fetchone()
    except (psycopg.OperationalError, RuntimeError):
        row = None
    return row[0] if row and row[0] else tonight()


@click.command()
@click.option("--all", "closed", is_flag=True, help="Also those that are closed.")
@profile_option
@as_json_option
def tickets(closed: bool, as_json: bool) -> None:
    """Failures that last, one file per cause; closed by the night that finds them mended."""
    from cityperf.notify import tickets as register

    chosen = settings()
    found = register.listed(chosen, closed=closed)
    if as_json:
        rows = [{**each.as_dict(), "title": each.title, "file": str(each.path)} for each in found]
        click.echo(json.dumps(rows, indent=2, default=str))
        return
    for line in register.counted(found):
        click.echo(line)
    if not found:
        click.echo("no ticket" if closed else "no open ticket; --all shows those that were mended")
    else:
        click.echo(f"\nfiles: {register.folder(chosen)}")


@click.group()
def alerts() -> None:
    """What should have run and did not; jobs outside of the night that tell that they ran."""


@alerts.command()
@profile_option
@as_json_option
def check(as_json: bool) -> None:
    """Look at the night that should have ended by now, ran or not; tell those concerned, once.

    For cron or another machine's clock. Exit status 1 when something did not run.
    """
    from cityperf import notify

    found = notify.check(settings(), datetime.now(TORONTO))
    silent = [each for each in found.alerts if each.kind == "dead_man"]
    if as_json:
        rows = [{**asdict(each), "cause": each.cause} for each in silent]
        click.echo(json.dumps({"night": found.night, "did_not_run": rows}, indent=2, default=str))
    elif silent:
        for each in silent:
            click.echo(f"{each.sign} {each.message}\n    {each.about}")
    else:
        click.echo(f"night of {found.night}: all that should have run did")
    if silent:
        raise click.exceptions.Exit(1)


def _span(_: click.Context, __: click.Parameter, value: str) -> timedelta:
    parts = re.fullmatch(r"\s*([1-9]\d{0,3})\s*(hour|day|week)s?\s*", value)
    if not parts:
        raise click.BadParameter(f"expected a span such as '26 hours' or '8 days', found {value!r}")
    return int(parts[1]) * timedelta(hours={"hour": 1, "day": 24, "week": 168}[parts[2]])


@alerts.command()
@click.argument("job")
@click.option("--every", required=True, callback=_span, help="How long it may be silent, such as '26 hours'.")
@profile_option
def beat(job: str, every: timedelta) -> None:
    """Tell that JOB (a backup, say) ran now. From then on its silence is the first line of the digest."""
    from cityperf.db import connect
    from cityperf.notify.dead_man import beat as tell

    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,47}", job):
        raise click.BadParameter(f"expected small letters, digits, - and _, found {job!r}")
    with connect(settings(), "publisher") as connection:
        tell(connection, job, every, datetime.now(TORONTO))


@alerts.command()
@click.argument("job")
@profile_option
def forget(job: str) -> None:
    """JOB does not run any more: nobody waits for it."""
    from cityperf.db import connect
    from cityperf.notify.dead_man import forget as strike

    with connect(settings(), "publisher") as connection:
        strike(connection, job)
