"""Running a suite: rules become Great Expectations expectations on one table, evaluated in SQL by the
database.

Great Expectations takes seconds to import, so it is imported when the first suite runs and never before.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cityperf.config import ROOT, Role, Settings
from cityperf.quality.results import Rule

SUITES: Final = ROOT / "expectations"
EXAMPLES: Final = 5
CHATTY: Final = (
    "great_expectations",
    "great_expectations.data_context.types.base",
)  # the second sets its own level
_SQL: Final = "UnexpectedRowsExpectation"


@dataclass(frozen=True)
class Verdict:
    """What one rule came to on a table; `found` is in words."""

    rule: Rule
    ok: bool
    found: str


def sql_rule(query: str) -> dict[str, Any]:
    """Arguments of a rule that fails for every row its query returns; the query calls the table under test
    `t`.

    Braces of the query's own must be doubled. A query may answer for several rules: it is run once, and each takes the
    rows that name it in a column `_check`.
    """
    # Great Expectations aliases the batch itself unless the query has a join; before version 16 PostgreSQL
    # wants one.
    alias = " as given" if re.search(r"\bjoin\b", query, re.IGNORECASE) else ""
    return {"unexpected_rows_query": f"with t as (select * from {{batch}}{alias}) {query}"}  # noqa: S608


def run(
    settings: Settings,
    role: Role,
    schema: str,
    table: str,
    rules: Sequence[Rule],
    source: Any = None,
) -> list[Verdict]:
    """Evaluate `rules` on a committed table, as `role`, over a connection of its own that is closed
    afterwards, or over `source` where many tables are checked after one another.

    An expectation that cannot be evaluated (a column is missing, a value does not cast) counts as failed.
    """
    if not rules:
        return []
    gx = _great_expectations()
    opened = opened_source(settings, role) if source is None else nullcontext(source)
    with opened as given, _batch(given, schema, table) as batch:
        verdicts = _validate(gx, batch, rules, "SUMMARY")
        again = [v.rule for v in verdicts if not v.ok and v.rule.expectation == _SQL]
        # The offending rows of a query are only counted and handed out when there are any.
        detailed = {v.rule.check: v for v in _validate(gx, batch, again, "COMPLETE")} if again else {}
    return [detailed.get(v.rule.check, v) for v in verdicts]


def module(folder: str, name: str) -> ModuleType | None:
    """The suite module expectations/<folder>/<name>.py, or None where nobody wrote one."""
    path = SUITES / folder / f"{name}.py"
    return _load(path, path.stat().st_mtime_ns) if path.exists() else None


def modules(folder: str) -> dict[str, ModuleType]:
    """All suite modules of expectations/<folder>, by name."""
    found = {}
    for path in sorted((SUITES / folder).glob("[a-z]*.py")):
        loaded = module(folder, path.stem)
        if loaded is not None:
            found[path.stem] = loaded
    return found


@cache
def _load(path: Path, stamp: int) -> ModuleType:
    del stamp  # a changed file is another module
    spec = importlib.util.spec_from_file_location(f"expectations_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a Python module, found {path}")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@cache
def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations
    return great_expectations


@cache
def _any_rows() -> Any:
    """The expectation that a query finds nothing, by running it once; Great Expectations' own runs it again to count."""

    # mypy knows no class that is imported when it is first used
    class AnyRows(_great_expectations().expectations.UnexpectedRowsExpectation):  # type: ignore[misc]
        metric_dependencies = ("unexpected_rows_query.table",)

        def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
            found = len(metrics["unexpected_rows_query.table"])
            return {"success": not found, "result": {"observed_value": found}}

    return AnyRows


@contextmanager
def opened_source(settings: Settings, role: Role) -> Iterator[Any]:
    """The warehouse as Great Expectations sees it, as `role`. Opening it costs more than most suites."""
    gx = _great_expectations()
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    # It would write what it knows as YAML after every change, 20 ms each time, for a file that it does not have.
    context._save_project_config = lambda: None
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    address = settings.dsn(role).replace("postgresql://", "postgresql+psycopg://", 1)
    source = context.data_sources.add_postgres("warehouse", connection_string=address)
    try:
        yield source
    finally:
        engine = source.get_execution_engine()
        engine.close()
        engine.engine.dispose()
        source.get_engine().dispose()


@contextmanager
def _batch(source: Any, schema: str, table: str) -> Iterator[Any]:
    with warnings.catch_warnings():
        # A schema per asset is deprecated, but a PostgreSQL source has no other way to be given one.
        warnings.simplefilter("ignore", DeprecationWarning)
        asset = source.add_table_asset(table, schema_name=schema, table_name=table)
    try:
        yield asset.add_batch_definition_whole_table("whole").get_batch()
    finally:
        source.delete_asset(table)


def _validate(gx: Any, batch: Any, rules: Sequence[Rule], result_format: str) -> list[Verdict]:

    def expectation(rule: Rule) -> Any:
        at_a_glance = rule.expectation == _SQL and result_format == "SUMMARY"
        return _any_rows() if at_a_glance else getattr(gx.expectations, rule.expectation)

    made = [expectation(rule)(**rule.arguments, meta={"rule": number}) for number, rule in enumerate(rules)]
    suite = gx.ExpectationSuite("suite", expectations=made)
    outcome = batch.validate(
        suite, result_format={"result_format": result_format, "partial_unexpected_count": EXAMPLES}
    )
    verdicts = {}
    for each in outcome.results:
        rule = rules[each.expectation_config.meta["rule"]]
        verdicts[rule.check] = _verdict(rule, each)
    return [verdicts[rule.check] for rule in rules]


def _verdict(rule: Rule, outcome: Any) -> Verdict:
    rows = _rows(outcome)
    if rows and "_check" in rows[0]:
        own = [row for row in rows if row["_check"] == rule.check]
        others = len(rows) - len(own)  # only so many rows are handed out, but all are counted
        return Verdict(
            rule, not own, _rows_found(int(outcome.result["observed_value"]) - others if own else 0, own)
        )
    return Verdict(rule, bool(outcome.success), _found(rule, outcome))


def _rows(outcome: Any) -> Sequence[Any]:
    """The rows that a query found, where they were asked for."""
    return ((outcome.result or {}).get("details") or {}).get("unexpected_rows") or ()


def _found(rule: Rule, outcome: Any) -> str:
    trouble = _exception(outcome.exception_info)
    if trouble:
        return f"that it could not be checked ({trouble})"
    seen: Mapping[str, Any] = outcome.result or {}
    if rule.expectation == _SQL:
        return _rows_found(int(seen.get("observed_value") or 0), _rows(outcome))
    if "unexpected_count" in seen:
        bad, of = seen["unexpected_count"], seen["element_count"]
        if not bad:
            return f"all of {of:,} rows as expected" if of else "no rows"
        values = list(
            dict.fromkeys(repr(v) for v in seen.get("partial_unexpected_list", []) if v is not None)
        )
        return f"{bad:,} of {of:,} rows otherwise" + (f", such as {', '.join(values)}" if values else "")
    if "details" in seen and "mismatched" in seen["details"]:
        missing = seen["details"]["mismatched"].get("missing") or []
        return f"no {', '.join(missing)}" if missing else "all of them"
    observed = seen.get("observed_value")
    if isinstance(observed, int):
        return f"{observed:,}"
    if isinstance(observed, list):
        return "all of them"
    return "as expected" if outcome.success else f"{observed!r}"


def _rows_found(count: int, rows: Sequence[Any]) -> str:
    if not count:
        return "no such row"
    shown = "; ".join(_one_row(row) for row in rows[:3])
    return f"{count:,} {'row' if count == 1 else 'rows'}" + (f", such as {shown}" if shown else "")


def _one_row(row: Any) -> str:
    values = row if isinstance(row, Mapping) else getattr(row, "_mapping", {"row": row})
    return ", ".join(
        f"{name} {_short(value)}" for name, value in values.items() if not str(name).startswith("_")
    )


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _exception(info: Any) -> str | None:
    """First line of an exception that an expectation raised; Great Expectations nests it by metric."""
    if not isinstance(info, Mapping):
        return None
    if info.get("raised_exception"):
        return str(info.get("exception_message") or "unknown").splitlines()[0][:300]
    for nested in info.values():
        said = _exception(nested)
        if said:
            return said
    return None
