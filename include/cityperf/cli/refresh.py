"""`cityperf refresh`: start, follow or repeat a night's run in Airflow, show it live, say what came of it."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import click

from cityperf.config import TORONTO, Settings, tonight
from cityperf.errors import CityperfError, NightFailed

DAG: Final = "nightly_refresh"
ENDED: Final = ("success", "failed")
POLL: Final = 1.0  # seconds between two looks at the run
PHASES: Final = (
    ("open_night", "open the night"),
    ("wait_for_sources", "sources"),
    ("freshness", "freshness"),
    ("transform", "dbt"),
    ("quality_gate", "quality gate"),
    ("publish", "publish"),
    ("close_night", "close the night"),
)


@click.command()
@click.option("--night", type=click.DateTime(["%Y-%m-%d"]), help="Toronto date; today if not given.")
@click.option("--profile", type=click.Choice(["sample", "replay", "live"]), help="Default: sample.")
@click.option("--replay", type=click.Path(path_type=Path), help="The replay file: its nights run in order.")
@click.option("--down", is_flag=True, help="Stop the stack when done.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON (the last line of output).")
def refresh(
    night: datetime | None, profile: str | None, replay: Path | None, down: bool, as_json: bool
) -> None:
    """Run tonight's refresh and print what came of it.

    Exit status: 0 all is well, 1 failed, 3 the release is held, 4 done but a source was refused or unreachable.
    """
    import os

    from cityperf import stack

    if replay:
        os.environ["CITYPERF_REPLAY"] = str(replay.resolve())
        profile = profile or "replay"
    settings = Settings.from_env(profile)
    os.environ["CITYPERF_PROFILE"] = settings.profile
    from rich.console import Console

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a log has no edge; names must not be cut
    nights = _nights(settings, night.date() if night else None)
    code = 0
    try:
        for each in nights:
            summary = _one(settings, each, console)
            if as_json:
                click.echo(json.dumps(summary.as_dict(), default=str))
            else:
                _print(summary, console)
            code = max(code, summary.exit_code) if summary.exit_code != 1 else 1
            if summary.exit_code == 1:
                break
    finally:
        if down:
            stack.down(settings)
    sys.exit(code)


def _nights(settings: Settings, asked: date | None) -> list[date]:
    """The nights to run: the one asked for, all that a replay lists, or today's."""
    if settings.profile != "replay":
        return [asked or tonight()]
    from cityperf.portal import replay_nights

    listed = list(replay_nights(settings))
    if asked is None:
        return listed
    if asked not in listed:
        raise CityperfError(
            f"night {asked} is not in the replay: expected one of {', '.join(map(str, listed))} "
            f"({settings.replay_file}); add it there or name another night"
        )
    return [asked]


def _one(settings: Settings, night: date, console: Any) -> Any:
    from cityperf import night as nights
    from cityperf import postgres, stack

    began = time.monotonic()
    console.print(f"[bold]City Performance Warehouse[/bold] · night {night} · profile {settings.profile}")
    with console.status("starting the database"):
        postgres_needed = settings.database_url is None
        if not stack.is_up(settings):
            console.print(
                "starting the stack: PostgreSQL, portal, Airflow (logs in " + str(settings.logs) + ")"
            )
        stack.up(settings)
        if not postgres_needed:
            postgres.migrate(settings)
    console.print(f"stack is up after {time.monotonic() - began:.0f} s")
    nights.request(settings, night)
    api = stack.api(settings)
    run_id = _start_or_follow(api, settings, night)
    state = _follow(api, settings, night, run_id, console)
    summary = nights.summarise(settings, night)
    if state == "failed" and summary.state not in ("failed", "held"):
        failed = [t["task_id"] for t in _steps(api, run_id) if t["state"] == "failed"]
        raise NightFailed(
            f"the Airflow run {run_id} failed in {', '.join(failed) or 'no task'}; "
            f"its logs are in {settings.airflow_home / 'logs'} and in the Airflow UI; nothing published was touched"
        )
    summary.where.update(
        {
            "airflow": f"{stack.airflow_url(settings)} (user admin, password {settings.secrets()['airflow_admin']})",
            "bi": "./cityperf dsn"
            + (f" --profile {settings.profile}" if settings.profile != "sample" else ""),
            "exports": str(settings.releases / "current"),
        }
    )
    return summary


def _start_or_follow(api: Any, settings: Settings, night: date) -> str:
    """The run id of this night's run: the one that is going, else the night's own one cleared, else a new one."""
    from cityperf.night import moment_for

    now = datetime.now(UTC)
    stamp = moment_for(night, now).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    window = {
        "logical_date_gte": datetime(night.year, night.month, night.day, tzinfo=TORONTO).isoformat(),
        "logical_date_lt": datetime(night.year, night.month, night.day, 12, tzinfo=TORONTO).isoformat(),
        "order_by": "-logical_date",
    }
    deadline = time.monotonic() + 90
    while True:  # the DAG processor may still be reading the folder of a new installation
        response = api.get(f"/dags/{DAG}", ok=(200, 404))
        if response.get("dag_id") == DAG and not response.get("is_stale"):
            break
        if time.monotonic() > deadline:
            errors = api.get("/importErrors").get("import_errors", [])
            said = "; ".join(f"{e['filename']}: {e['stack_trace'].strip().splitlines()[-1]}" for e in errors)
            raise CityperfError(
                f"Airflow does not know the DAG {DAG} after 90 s: {said or 'no import error is reported'}; "
                f"see {settings.logs}"
            )
        time.sleep(0.5)
    runs = api.get(f"/dags/{DAG}/dagRuns", **window).get("dag_runs", [])
    if not runs:
        made = api.post(
            f"/dags/{DAG}/dagRuns",
            {
                "logical_date": stamp,
                "run_after": datetime.now(UTC).isoformat(),
                "note": "asked for by cityperf refresh",
            },
            ok=(200, 409),
        )
        if "dag_run_id" in made:
            return str(made["dag_run_id"])
        runs = api.get(f"/dags/{DAG}/dagRuns", **window)["dag_runs"]
    run = runs[0]
    if run["state"] in ENDED:
        api.post(f"/dags/{DAG}/dagRuns/{run['dag_run_id']}/clear", {"dry_run": False, "only_failed": False})
    return str(run["dag_run_id"])


def _steps(api: Any, run_id: str) -> list[dict[str, Any]]:
    """The night's own steps. Listing the models' tasks too would cost the API server more than the night does."""
    path = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances"
    found: list[dict[str, Any]] = api.get(path, pool="night", limit=100)["task_instances"]
    return found


def _sources(settings: Settings, night: date) -> dict[str, str]:
    from cityperf.db import connect

    with connect(settings, "loader") as connection:
        return dict(
            connection.execute("select dataset, state from ops.source_night where night = %s", (night,))
        )


def _models(settings: Settings, night: date) -> Counter[str]:
    from cityperf.db import connect

    with connect(settings, "transformer") as connection:
        rows = connection.execute(
            "select state, count(*) from ops.model_run where night = %s and model <> '*' group by 1", (night,)
        )
        return Counter({state: int(n) for state, n in rows})


def _follow(api: Any, settings: Settings, night: date, run_id: str, console: Any) -> str:
    """Show the run until it ends: a bar per phase with its elapsed time. Returns Airflow's final state."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from cityperf.night import SETTLED
    from cityperf.sources import nightly_contracts
    from cityperf.transform import model_tree

    datasets = sorted(nightly_contracts())
    totals = {"wait_for_sources": len(datasets), "transform": sum(map(len, model_tree().values()))}
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    told: dict[str, str] = {}
    with Progress(*columns, console=console, transient=False, disable=not console.is_terminal) as progress:
        bars = {
            task: progress.add_task(label, total=totals.get(task, 1), note="", start=False)
            for task, label in PHASES
        }
        while True:
            run = api.get(f"/dags/{DAG}/dagRuns/{run_id}")
            states = {t["task_id"]: t["state"] for t in _steps(api, run_id)}
            sources, models = _sources(settings, night), _models(settings, night)
            for task, label in PHASES:
                state = states.get(task) or "waiting"
                bar = bars[task]
                if state not in ("waiting", "None") and not progress.tasks[bar].started:
                    progress.start_task(bar)
                if task == "wait_for_sources":
                    settled = [n for n, s in sources.items() if s in SETTLED]
                    going = [n for n, s in sources.items() if s not in SETTLED]
                    progress.update(bar, completed=len(settled), note=", ".join(going[:3]))
                elif task == "transform":
                    done = models["success"] + models["skipped"] + models["error"]
                    progress.update(
                        bar, completed=done, note=f"{models['error']} failed" if models["error"] else ""
                    )
                elif state in ("success", "skipped", "failed", "upstream_failed"):
                    progress.update(bar, completed=1, note="" if state == "success" else state)
                if state in ("success", "skipped", "failed", "upstream_failed"):
                    progress.stop_task(bar)
                if (
                    not console.is_terminal
                    and told.get(label) != state
                    and state not in ("waiting", "scheduled", "queued")
                ):
                    told[label] = state
                    console.print(f"  {datetime.now():%H:%M:%S} {label}: {state}")
            if not console.is_terminal:
                for name, state in sorted(sources.items()):
                    if told.get(name) != state and state in SETTLED:
                        told[name] = state
                        console.print(f"  {datetime.now():%H:%M:%S} source {name}: {state}")
            if run["state"] in ENDED:
                return str(run["state"])
            time.sleep(POLL)


def gates_share(summary: Any) -> str:
    """How much of the night the gates were at work, in words."""
    gates = summary.gates
    return (
        f"gates were at work for {gates['at_work']:.0f} s of {summary.seconds:.0f} s "
        f"({gates['at_work'] / summary.seconds:.0%}): {gates['runs']:,} runs, {gates['seconds']:.0f} s one after another"
    )


def _print(summary: Any, console: Any) -> None:
    """The summary as plain tables."""
    from rich.table import Table

    came = Table(title="What came in", title_justify="left")
    for column in ("source", "state"):
        came.add_column(column)
    for column in ("rows", "new", "changed", "unchanged", "quarantined"):
        came.add_column(column, justify="right")
    for s in summary.sources:
        came.add_row(
            s["dataset"],
            s["state"],
            *(
                f"{s[k]:,}" if s[k] else "–"
                for k in ("rows_in", "rows_new", "rows_changed", "rows_unchanged", "rows_quarantined")
            ),
        )
    console.print(came)
    for s in summary.sources:
        if s["message"] and s["state"] in ("refused", "late", "failed"):
            console.print(f"  [bold]{s['dataset']}[/bold] {s['state']}: {s['message']}", soft_wrap=True)
    if summary.kpis:
        statuses = sorted({row["status"] for row in summary.kpis})
        kpis = Table(
            title="KPIs by dimension and status",
            title_justify="left",
        )
        kpis.add_column("dimension")
        for status in statuses:
            kpis.add_column(status.replace("_", " "), justify="right")
        dimensions = sorted({row["dimension"] for row in summary.kpis})
        counts = {(row["dimension"], row["status"]): row["n"] for row in summary.kpis}
        for dimension in dimensions:
            kpis.add_row(
                dimension.replace("_", " "), *(str(counts.get((dimension, s), "–")) for s in statuses)
            )
        console.print(kpis)
    checks = summary.checks
    console.print(
        f"checks: {checks['pass']} passed, {checks['warn']} warned, {checks['known']} known issues, {checks['fail']} failed"
        f" · models: {summary.models.get('success', 0)} built, {summary.models.get('skipped', 0)} had nothing new, "
        f"{summary.models.get('error', 0)} failed"
    )
    if summary.seconds and summary.gates.get("runs"):
        console.print(gates_share(summary))
    for problem in summary.problems:
        if problem["status"] == "fail" or problem["severity"] == "block":
            console.print(
                f"  {problem['severity']}: {problem['message']} ({problem['runbook']})", soft_wrap=True
            )
    verdict = {
        "released": f"release {summary.release} is up",
        "unchanged": f"nothing new: release {summary.release} stays up",
        "held": f"held: release {summary.release} stays up, marked stale",
        "failed": f"failed: {summary.note}; release {summary.release} stays up",
    }.get(summary.state, summary.state)
    console.print(
        f"[bold]{verdict}[/bold]" + (f" · {summary.seconds} s" if summary.seconds else ""), soft_wrap=True
    )
    if summary.profile == "sample":
        console.print("SAMPLE: invented figures, for trying things out; never quote them")
    for name, label in (("airflow", "Airflow"), ("bi", "BI connection"), ("exports", "exports")):
        if name in summary.where:
            console.print(f"  {label}: {summary.where[name]}", soft_wrap=True)
