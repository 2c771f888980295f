"""`./cityperf completion`: the script with which a shell completes commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from cityperf.errors import CityperfError


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script of SHELL, for `cityperf` on PATH and for ./cityperf.

    bash 4.4 or later: write it to ~/.local/share/bash-completion/completions/cityperf. zsh: to a file named _cityperf
    on $fpath. fish: to ~/.config/fish/completions/cityperf.fish. Or try it: eval "$(./cityperf completion bash)".
    """
    from cityperf.cli import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise CityperfError(f"expected a shell that click knows, found {shell}; bash, zsh and fish are known")
    # Not source(): it first asks which version of bash is installed here; the script may be for another machine.
    template = kind(cli, {}, "cityperf", "_CITYPERF_COMPLETE")
    click.echo(template.source_template % template.source_vars())
