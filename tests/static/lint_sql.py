"""sqlfluff, with each macro compiled once a process: by itself it compiles all of them anew for every file it reads.

Arguments are sqlfluff's: `python tests/static/lint_sql.py lint dbt_project/models`.
"""

from __future__ import annotations

import gc
from typing import Any

from jinja2 import Environment
from sqlfluff.cli.commands import cli

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


if __name__ == "__main__":
    Environment.compile = compile_once
    # Trees of a file are garbage soon; looking for cycles in them more often costs a sixth of the time.
    gc.set_threshold(200_000, 50, 50)
    cli()
