"""`./cityperf source backfill`: start a backfill in Airflow, follow it, or put back what one replaced."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final

import click

from cityperf.cli import profile_option, settings
from cityperf.config import Settings, tonight
from cityperf.errors import CityperfError

DAG: Final = "backfill"
ENDED: Final = ("success", "failed")


@click.command()
@click.argument("name")
@click.option("--period", help="A month or a year, or a range of them: 2023-01:2023-06.")
@click.option("--nights", help="Nights of delivery: 2026-11-01:2026-11-20.")
@click.option("--fetch", is_flag=True, help="Visit the source first.")
@click.option("--undo", is_flag=True, help="Put back what the latest backfill of each period replaced.")
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backfill(
    name: str, period: str | None, nights: str | None, fetch: bool, undo: bool, as_json: bool
) -> None:
    """Read deliveries of NAME again from landing and swap their rows in; what they replace is kept for 30 nights.

    Without a range: all that stands. Starts the stack if it is down. Exit status 1 when a delivery was refused.
    """
    from cityperf.load import backfill as backfills

    contract = backfills.contract_of(name)
    backfills.check_range(contract, period=period, nights=nights)
    here = settings()
    if undo:
        if nights or fetch:
            raise click.UsageError("--undo goes with --period only")
        done = backfills.undo(here, contract, period=period)
        if as_json:
            click.echo(json.dumps({"back": done.back, "left": done.left}))
        else:
            click.echo(f"put back: {', '.join(done.back) or 'nothing'}")
            for each in done.left:
                click.echo(f"left as it is: {each}")
        return
    sys.exit(_run(here, {"dataset": name, "period": period, "nights": nights, "fetch": fetch}, as_json))


def _run(here: Settings, asked: dict[str, Any], as_json: bool) -> int:
    from cityperf import stack

    if not stack.is_up(here):
        click.echo("starting the stack", err=True)
    stack.up(here)
    api = stack.api(here)
    _wait_for_dag(api, here)
    before = _latest_batch(here)
    now = datetime.now(UTC).isoformat()
    body = {"logical_date": None, "run_after": now, "conf": {**asked, "night": tonight().isoformat()}}
    run_id = str(api.post(f"/dags/{DAG}/dagRuns", body, ok=(200,))["dag_run_id"])
    state = _follow(api, run_id)
    results = _results(here, asked["dataset"], before)
    if as_json:
        click.echo(json.dumps({"state": state, "run": run_id, "deliveries": results}, default=str))
    else:
        for each in results:
            click.echo(
                f"{each['name']} of {each['night']}: {each['new']:,} rows new, {each['changed']:,} changed, "
                f"{each['unchanged']:,} unchanged" + (f"; {each['message']}" if each["message"] else "")
            )
        click.echo(f"{len(results)} deliveries read again: {state}")
    return 0 if state == "success" else 1


def _wait_for_dag(api: Any, here: Settings) -> None:
    """The DAG processor may still be reading the folder of a new installation."""
    deadline = time.monotonic() + 90
    while api.get(f"/dags/{DAG}", ok=(200, 404)).get("dag_id") != DAG:
        if time.monotonic() > deadline:
            raise CityperfError(f"Airflow does not know the DAG {DAG} after 90 s; see {here.logs}")
        time.sleep(0.5)


def _follow(api: Any, run_id: str) -> str:
    """Tell each task's state as it changes, until the run ends; returns the run's."""
    told: dict[tuple[str, int], str] = {}
    while True:
        run = api.get(f"/dags/{DAG}/dagRuns/{run_id}")
        tasks = api.get(f"/dags/{DAG}/dagRuns/{run_id}/taskInstances", limit=200)["task_instances"]
        for each in tasks:
            key, state = (each["task_id"], each["map_index"]), str(each["state"])
            if (
                state in ("running", "success", "failed", "up_for_retry", "skipped")
                and told.get(key) != state
            ):
                told[key] = state
                what = each.get("rendered_map_index") or ""
                click.echo(f"  {datetime.now():%H:%M:%S} {each['task_id']} {what}: {state}", err=True)
        if run["state"] in ENDED:
            return str(run["state"])
        time.sleep(0.7)


def _latest_batch(here: Settings) -> int:
    from cityperf.db import connect

    with connect(here, "loader") as db:
        row = db.execute("select coalesce(max(batch_id), 0) from ops.batch").fetchone()
    return int(row[0]) if row else 0


def _results(here: Settings, dataset: str, before: int) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    from cityperf.db import connect

    with connect(here, "loader") as db, db.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select f.name, b.night, b.state, coalesce(b.rows_new, 0) as new, coalesce(b.rows_changed, 0) as changed,
                coalesce(b.rows_unchanged, 0) as unchanged, b.periods, b.message
            from ops.batch as b join ops.landed_file as f using (file_id)
            where b.dataset = %s and b.batch_id > %s and b.is_backfill order by b.batch_id
            """,
            (dataset, before),
        ).fetchall()
