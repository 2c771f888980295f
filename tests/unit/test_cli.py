"""The command line: light to start, plain in its errors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import click
import psycopg
import pytest
from cityperf import cli
from cityperf.cli import stack as commands
from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError

HEAVY = ("airflow", "dbt", "great_expectations", "pandas", "pyarrow", "sqlalchemy", "numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["status", "--json"], ["dsn", "--help"]])
def test_light_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from cityperf.cli import main; main(sys.argv[1:]); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "CITYPERF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "include")},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip().splitlines()[-1] == "[]"
    assert done.stdout


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_of_the_help_exists(name: str) -> None:
    command = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(command, click.Command)


def _with_command(monkeypatch: pytest.MonkeyPatch, command: click.Command) -> None:
    module = ModuleType("cityperf_test_command")
    module.command = command  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cityperf_test_command", module)
    monkeypatch.setitem(cli.COMMANDS, "try", ("cityperf_test_command:command", "A command of the test."))


def test_an_expected_error_shows_its_message_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise CityperfError("expected a number in budget.csv line 7, found 'n/a'; mend the file")

    _with_command(monkeypatch, broken)
    assert cli.main(["try"]) == 1
    said = capsys.readouterr().err
    assert "cityperf: expected a number in budget.csv line 7" in said
    assert "Traceback" not in said
    assert cli.main(["--debug", "try"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_told_with_the_next_step_and_another_error_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    @click.command()
    @click.option("--full", is_flag=True)
    def asking(full: bool) -> None:
        if full:
            raise psycopg.errors.DiskFull("no space left")
        psycopg.connect(host=str(tmp_path), port=1)  # no socket lies there

    _with_command(monkeypatch, asking)
    assert cli.main(["try"]) == 1
    assert "start the database with ./cityperf up" in capsys.readouterr().err
    assert cli.main(["try", "--full"]) == 1
    assert "./cityperf up" not in capsys.readouterr().err


def test_exit_codes_of_commands_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.argument("code", type=int)
    def ending(code: int) -> None:
        raise click.exceptions.Exit(code)

    _with_command(monkeypatch, ending)
    assert [cli.main(["try", str(code)]) for code in (0, 3, 4)] == [0, 3, 4]


def test_wrong_usage_is_2_and_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["refesh"]) == 2
    assert "refesh" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--profile", "replay", "try"], ["try", "--profile", "replay"]])
def test_the_profile_may_stand_before_or_after_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("CITYPERF_PROFILE", "sample")

    @click.command()
    @cli.profile_option
    def telling() -> None:
        click.echo(cli.settings().profile)

    _with_command(monkeypatch, telling)
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.strip() == "replay"


def test_psql_never_puts_the_password_into_the_process_list(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.run.mkdir(parents=True)
    (settings.run / "ports.json").write_text('{"postgres": 23456}')
    monkeypatch.setenv("PGPASSWORD", "")
    password = settings.secrets()["bi_reader"]
    assert quote(password) not in " ".join(commands._as_psql(settings, "bi_reader"))
    assert os.environ["PGPASSWORD"] == password


def test_services_are_told_home_and_profile_and_run_in_the_foreground(tmp_path: Path) -> None:
    chosen = Settings(
        profile="live", home=tmp_path / "ho%me", database_url="postgresql://dba:x@db:5432/postgres"
    )
    unit = commands.systemd_unit(chosen)
    assert f"ExecStart={ROOT / 'cityperf'} up --foreground --profile live\n" in unit
    assert f'Environment="CITYPERF_HOME={tmp_path}/ho%%me"\n' in unit
    assert 'Environment="CITYPERF_DATABASE_URL=postgresql://dba:x@db:5432/postgres"\n' in unit
    lines = commands.crontab_lines(chosen).splitlines()
    assert [line.split(" CITYPERF")[0] for line in lines] == ["@reboot", "*/10 * * * *", "20 * * * *"]
    assert f"{ROOT / 'cityperf'} alerts check --profile live" in lines[-1]
    assert all(r"ho\%me" in line and line.endswith("# cityperf live") for line in lines)
