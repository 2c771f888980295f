"""`cityperf test`: the tests, in the environment that they need and in nobody's home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from cityperf.config import ROOT

MOST_WORKERS: Final = 8  # a night of Airflow in a test takes more than a gigabyte


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(arguments: tuple[str, ...]) -> None:
    """Run the tests; arguments go to pytest (--strict-skips fails if a test was skipped).

    All of them run in two processes a core, a file of tests (or a few that share a home) at a time; `-n 0` runs them
    one after the other. A temporary home is used and removed: the tests never touch the state of whoever runs them.
    """
    home = Path(tempfile.mkdtemp(prefix="cityperf-home-"))
    home.chmod(0o755)  # a server that dropped root must be able to pass
    environment = {**os.environ, "CITYPERF_HOME": str(home), "PYTHONPATH": str(ROOT / "include")}
    if os.environ.get("CITYPERF_TEST_HOME"):
        environment["CITYPERF_HOME"] = os.environ["CITYPERF_TEST_HOME"]
    try:
        command = [sys.executable, "-m", "pytest", *_side_by_side(arguments), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(done.returncode)


def _side_by_side(arguments: tuple[str, ...]) -> list[str]:
    """Tests wait for servers and nights at least as long as they work, so a core serves two files of tests. Not for a
    few tests named by their path: there the start of the processes costs more than it gains.
    """
    named = any((ROOT / argument.split("::")[0]).exists() for argument in arguments)
    workers = min(2 * (os.cpu_count() or 1), MOST_WORKERS)
    return [] if named else ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
