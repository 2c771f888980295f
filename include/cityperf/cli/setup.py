"""What docker-compose.yml calls: `setup` once, `exec` for each part. On one machine `up` does the work of both."""

from __future__ import annotations

import os
import sys

import click

from cityperf import stack
from cityperf.cli import profile_option, settings


@click.command()
@profile_option
def setup() -> None:
    """Prepare the server that CITYPERF_DATABASE_URL names: databases, roles, migrations, Airflow's tables and pools."""
    stack.set_up(settings(), tell=click.echo)


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@profile_option
@click.argument("module")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def execute(module: str, arguments: tuple[str, ...]) -> None:
    """Become `python -m MODULE`, with the environment of the stack's parts; AIRFLOW__ variables that are set win."""
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, stack.part_env(settings()))  # noqa: S606  (the part takes this process's place)
