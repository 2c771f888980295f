"""`cityperf bench`: the figures that the project promises, measured on this machine."""

from __future__ import annotations

import subprocess
import sys

import click

from cityperf.config import ROOT

FOLDER = ROOT / "tests" / "benchmarks"


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, arguments: tuple[str, ...]) -> None:
    """Run tests/benchmarks/bench_NAME.py (such as `bench load`, `bench kill-points`); arguments go to it, --help too."""
    name = name.replace("-", "_") if name else None
    there = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    if name not in there:
        raise click.UsageError(f"expected one of {', '.join(there)}, found {name or 'nothing'}")
    sys.exit(subprocess.run([sys.executable, FOLDER / f"bench_{name}.py", *arguments], cwd=ROOT).returncode)
