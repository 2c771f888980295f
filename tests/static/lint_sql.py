"""sqlfluff without work done twice: by itself it reads, compiles and runs every macro file anew for each model, and lays
each model out anew for each of the four layout rules.

Arguments are sqlfluff's: `python tests/static/lint_sql.py lint dbt_project/models`.
"""

from __future__ import annotations

import gc
from typing import Any

from jinja2 import Environment
from sqlfluff.cli.commands import cli
from sqlfluff.core.templaters.jinja import JinjaTemplater
from sqlfluff.utils.reflow import ReflowSequence

compile_anew = Environment.compile
compiled: dict[tuple[Any, ...], Any] = {}


def compile_once(self: Environment, source: Any, *arguments: Any, **options: Any) -> Any:
    if not isinstance(source, str):
        return compile_anew(self, source, *arguments, **options)
    # Compiled code depends on the text, on the tags that extensions add, and on which filters and tests are known.
    key = (source, arguments, *sorted(options.items()), *sorted(self.extensions), *self.filters, *self.tests)
    if key not in compiled:
        compiled[key] = compile_anew(self, source, *arguments, **options)
    return compiled[key]


make_environment, make_context = JinjaTemplater._get_jinja_env, JinjaTemplater._get_env_context
environments: list[Environment] = []  # at most one: every model has the same settings, and so the same macros
contexts: list[dict[str, Any]] = []


def environment_once(self: JinjaTemplater, config: Any = None) -> Environment:
    environments[:] = environments or [make_environment(self, config)]
    return environments[0]


def context_once(self: JinjaTemplater, fname: Any, config: Any, env: Environment) -> dict[str, Any]:
    """A copy for each model: what a model leaves undefined is marked in it."""
    contexts[:] = contexts or [make_context(self, fname, config, env)]
    return dict(contexts[0])


lay_out_anew = ReflowSequence.from_root.__func__  # type: ignore[attr-defined]
laid_out: list[tuple[Any, ReflowSequence]] = []  # at most one: the file at hand


def lay_out_once(cls: type[ReflowSequence], root_segment: Any, config: Any) -> ReflowSequence:
    """Rules take the sequence and make a new one of it; nothing is mended here, so all may start from the same."""
    if not laid_out or laid_out[0][0] is not root_segment:
        laid_out[:] = [(root_segment, lay_out_anew(cls, root_segment, config))]
    return laid_out[0][1]


if __name__ == "__main__":
    Environment.compile = compile_once
    JinjaTemplater._get_jinja_env = environment_once
    JinjaTemplater._get_env_context = context_once
    ReflowSequence.from_root = classmethod(lay_out_once)
    # Trees of a file are garbage soon; looking for cycles in them more often costs a sixth of the time.
    gc.set_threshold(200_000, 50, 50)
    cli()
