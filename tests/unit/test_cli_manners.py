"""Manners of the command line, held over the whole tree of commands."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from cityperf.cli import cli
from cityperf.cli.examples import EXAMPLES
from cityperf.config import ROOT

# Names of commands that only tell something: whoever scripts them wants JSON.
LISTINGS = {
    "list", "show", "status", "doctor", "due", "receipts", "keys", "diff", "changes", "check", "preview", "trace",
    "verify", "digest", "tickets", "as-of", "explain",
}  # fmt: skip
ANSWERS_IN_CSV = {"source as-of"}


def commands() -> Iterator[tuple[str, click.Command]]:
    def walk(
        command: click.Command, context: click.Context, path: str
    ) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, click.Context(below, context, name), f"{path} {name}".strip())

    yield from walk(cli, click.Context(cli, info_name="cityperf"), "")


TREE = dict(commands())


def options(command: click.Command) -> set[str]:
    return {each for parameter in command.params for each in parameter.opts}


def test_the_tree_is_whole() -> None:
    assert len(TREE) > 50
    assert set(EXAMPLES) == set(TREE), (
        "every command has an example, and no example is of a command that went"
    )


@pytest.mark.parametrize("path", [p for p in TREE if p.split()[-1] in LISTINGS and p not in ANSWERS_IN_CSV])
def test_every_listing_has_json(path: str) -> None:
    assert "--json" in options(TREE[path])


@pytest.mark.parametrize("path", TREE)
def test_help_shows_examples_that_parse(path: str) -> None:
    command = TREE[path]
    shown = command.get_help(click.Context(command, info_name=path))
    for example in EXAMPLES[path]:
        assert f"./cityperf {example}" in shown
        said = shlex.split(example.split(" > ")[0])
        context = click.Context(command, info_name=path)
        context.ignore_unknown_options = command.context_settings.get("ignore_unknown_options", False)
        given, rest, _ = command.make_parser(context).parse_args(said[len(path.split()) :])
        assert rest == [], f"{example}: {rest} are not taken"
        for parameter in command.params:
            if parameter.required:
                assert given.get(parameter.name or "") is not None, f"{example}: lacks {parameter.name}"


@pytest.mark.parametrize(
    ("shell", "mark"), [("bash", "complete -o nosort"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_completion_scripts_are_for_cityperf(
    shell: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["completion", shell], prog_name="cityperf", standalone_mode=False)
    script = capsys.readouterr().out
    assert mark in script and "_CITYPERF_COMPLETE" in script


def test_what_the_shell_asks_is_answered() -> None:
    """As the bash script asks: words in the environment, candidates on standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "cityperf.cli"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "include"),
            "_CITYPERF_COMPLETE": "bash_complete",
            "COMP_WORDS": "cityperf release ver",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["plain,verify"], done.stderr


def test_no_color_leaves_the_words_without_colour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cityperf.cli.kpi import _print, _status

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    _print(_status("favourable"))
    assert "\x1b[32m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    _print(_status("favourable"))
    plain = capsys.readouterr().out
    assert "favourable" in plain and "\x1b[3" not in plain
