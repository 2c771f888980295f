"""The command line. A command's module is imported only when it runs: `status` must not load dbt."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Any, Final

import click

from cityperf.config import ONE_THREAD, PROFILES, Settings
from cityperf.errors import CityperfError

# Where each command lives, in the order in which --help lists them.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "refresh": (
        "cityperf.cli.refresh:refresh",
        "Run tonight's refresh (or repeat it) and follow it to the end.",
    ),
    "up": (
        "cityperf.cli.stack:up",
        "Start PostgreSQL, the portal and Airflow; return when they are healthy.",
    ),
    "down": ("cityperf.cli.stack:down", "Stop everything that `up` started."),
    "status": ("cityperf.cli.stack:status", "What runs, since when, where to reach it, and its memory."),
    "doctor": ("cityperf.cli.stack:doctor", "What is wrong with this machine, and how to mend it."),
    "source": ("cityperf.cli.source:source", "The data sets that feed the warehouse."),
    "template": ("cityperf.cli.handin:template", "The workbook that divisions fill in for a register."),
    "submit": ("cityperf.cli.handin:submit", "Check a filled workbook, print its receipt, and hand it in."),
    "handin": ("cityperf.cli.handin:handin", "What divisions hand in: what is due, and the receipts."),
    "landing": (
        "cityperf.cli.landing:landing",
        "Landed files about persons: the keys that seal them.",
    ),
    "quarantine": (
        "cityperf.cli.quarantine:quarantine",
        "Held rows and files: list, show, release, discard.",
    ),
    "kpi": ("cityperf.cli.kpi:kpi", "Indicators: list, show, trace to the source file, check, add, card."),
    "explain": (
        "cityperf.cli.explain:explain",
        "What a KPI did, and whether it is signal or noise, in a paragraph.",
    ),
    "edition": (
        "cityperf.cli.edition:edition",
        "Editions of the Corporate Performance Report, and what was restated since.",
    ),
    "release": (
        "cityperf.cli.release:release",
        "Releases: list, show, verify, compare, approve, roll back.",
    ),
    "impact": (
        "cityperf.cli.impact:impact",
        "What an edit of the dbt project reaches: columns, KPIs, exports, pages.",
    ),
    "docs": (
        "cityperf.cli.docs:docs",
        "The reference: data dictionary, dbt's documentation, decisions, runbooks.",
    ),
    "site": ("cityperf.cli.site:site", "The public dashboard: build it, look at it."),
    "screenshots": (
        "cityperf.cli.site:screenshots",
        "Pictures of every kind of page, both languages, three widths.",
    ),
    "as-of": ("cityperf.cli.as_of:as_of", "What was published at a date, byte for byte."),
    "period": ("cityperf.cli.period:period", "Closed periods, and what changes in one all the same."),
    "digest": ("cityperf.cli.alerts:digest", "What needs a person, the most urgent first; --send sends it."),
    "tickets": ("cityperf.cli.alerts:tickets", "Failures that last, one file per cause."),
    "alerts": ("cityperf.cli.alerts:alerts", "What should have run and did not."),
    "backup": (
        "cityperf.cli.backup:backup",
        "Save the profile; drill: restore it elsewhere and compare.",
    ),
    "restore": ("cityperf.cli.backup:restore", "Bring a backup back into an empty profile."),
    "retention": (
        "cityperf.cli.retention:retention",
        "Remove what is over its time, as every night does; --dry-run says what.",
    ),
    "psql": (
        "cityperf.cli.stack:psql",
        "A psql session on the warehouse (as bi_reader unless told otherwise).",
    ),
    "dsn": ("cityperf.cli.stack:dsn", "The connection URL of a role, for BI tools."),
    "superset": (
        "cityperf.cli.superset:superset",
        "Apache Superset with three dashboards: serve them, check them against the contracts.",
    ),
    "completion": (
        "cityperf.cli.completion:completion",
        "What makes a shell complete commands and options: bash, zsh or fish.",
    ),
    "schedule": ("cityperf.cli.stack:schedule", "Keep the stack up across restarts: systemd or cron."),
    "test": ("cityperf.cli.test:test", "Run the tests (arguments go to pytest)."),
    "bench": ("cityperf.cli.bench:bench", "Measure a figure on this machine, such as `bench load`."),
}
# What docker-compose.yml calls; not for a person's first hour, so --help leaves them out.
HIDDEN: Final[dict[str, str]] = {
    "setup": "cityperf.cli.setup:setup",
    "exec": "cityperf.cli.setup:execute",
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        address = COMMANDS[cmd_name][0] if cmd_name in COMMANDS else HIDDEN.get(cmd_name)
        if address is None:
            return None
        module, attribute = address.split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a click command")
        from cityperf.cli.examples import with_examples

        return with_examples(command, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _remember_profile(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Children (Airflow, the portal, dbt) read the profile from the environment, so that is where it goes."""
    if value:
        os.environ["CITYPERF_PROFILE"] = value
        ctx.find_root().meta["cityperf.profile"] = value
    return value


def profile_option(command: Any) -> Any:
    """`--profile` for a command; `settings()` then finds it. May stand before or after the command's name."""
    return click.option(
        "--profile",
        type=click.Choice(PROFILES),
        callback=_remember_profile,
        expose_value=False,
        is_eager=True,
        help="sample (generated feeds, default), replay (recorded files) or live; also CITYPERF_PROFILE.",
    )(command)


def settings() -> Settings:
    """Settings of the profile chosen on the command line, else of the environment."""
    return Settings.from_env()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@profile_option
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.version_option("0.1.0", prog_name="cityperf", message="%(prog)s %(version)s")
def cli(debug: bool) -> None:
    """City Performance Warehouse: from the city's sources to trusted KPI releases."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments or bool(os.environ.get("CITYPERF_DEBUG"))
    os.environ.update({name: value for name, value in ONE_THREAD.items() if name not in os.environ})
    try:
        result = cli.main(args=arguments, prog_name="cityperf", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `cityperf ... | head` is no error
        return 0
    except Exception as problem:
        if debug:
            traceback.print_exc()
        else:
            click.echo(f"cityperf: {_plain(problem)}", err=True)
            if _is_unreachable(problem):
                click.echo(
                    "start the database with ./cityperf up; ./cityperf doctor says what is wrong", err=True
                )
            if not isinstance(problem, CityperfError):
                click.echo("(./cityperf --debug … shows where this came from)", err=True)
        return 1
    return result if isinstance(result, int) else 0


def _is_unreachable(problem: Exception) -> bool:
    """Whether PostgreSQL did not answer: an error that it reports itself has an SQLSTATE."""
    from psycopg import OperationalError

    return isinstance(problem, OperationalError) and problem.sqlstate is None


def _plain(problem: Exception) -> str:
    """The message alone for errors that were written for people; other kinds say what they are as well."""
    text = str(problem).strip()
    if text and isinstance(problem, (CityperfError, RuntimeError, ValueError, OSError)):
        return text
    return f"{type(problem).__name__}: {text}"
