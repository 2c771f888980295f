"""Apache Superset as a client of the warehouse: an environment of its own, and dashboards that lie here as code.

`serve` makes what it needs and becomes the server. `problems` holds the bundle (datasets, charts, dashboards) against the
contracts of the published tables and needs neither Superset nor a database.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final

import sqlglot
from filelock import FileLock
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from cityperf import postgres, stack
from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError
from cityperf.impact.columns import ROWS, Read, shape_of
from cityperf.marked import read_yaml

ROOM: Final = ROOT / "include" / "superset"
BUNDLE: Final = ROOM / "bundle"
LOCK: Final = ROOM / "requirements.lock"
KEPT: Final = ROOT / ".cache" / "superset"  # made of the lock alone, so every profile may use it
CONTRACTS: Final = ROOT / "dbt_project" / "models" / "publish"
USER: Final = "admin"
SCHEMA: Final = "publish"
THREADS: Final = 8
PYTHONS: Final = ((3, 11), (3, 12))  # pandas 2.1, which it asks for, and others have no wheels for later ones
# Keys of a chart's `params` that name columns, and such that name metrics.
_COLUMNS: Final = (
    "x_axis",
    "groupby",
    "columns",
    "all_columns",
    "groupbyColumns",
    "groupbyRows",
    "granularity_sqla",
)
_METRICS: Final = ("metric", "metrics", "timeseries_limit_metric", "secondary_metric")

Tell = Callable[[str], None]
Columns = Mapping[str, str]  # name → SQL type


# -- the server ------------------------------------------------------------------------------------------------
def serve(settings: Settings, port: int, tell: Tell) -> None:
    """Become Superset, on the loopback, until a signal ends it; does not return.

    Raises CityperfError where the bundle breaks a contract, the database does not run, the profile's Superset runs
    already, the port is taken, or the environment cannot be made.
    """
    if found := problems():
        raise CityperfError("\n".join([*map(str, found), "nothing was imported; mend these first"]))
    if not postgres.is_up(settings):
        raise CityperfError(
            f"expected the database of profile {settings.profile} to run; start it with ./cityperf up"
        )
    if not postgres.port_is_free(port):
        raise CityperfError(
            f"expected port {port} to be free, found somebody there; take another with --port"
        )
    _keep_alone(settings)
    python = environment(tell)
    log = settings.logs / "superset.log"
    prepare(settings, python, log)
    tell(
        f"http://127.0.0.1:{port}/dashboard/list/  user {USER}, password {password(settings)}  (Ctrl-C stops it)"
    )
    with log.open("ab") as handle:
        os.dup2(handle.fileno(), 1)
        os.dup2(handle.fileno(), 2)
    command = [str(python), "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    command += ["--worker-class", "gthread", "--threads", str(THREADS)]
    command += ["--timeout", "90", "--no-control-socket", "superset.app:create_app()"]
    os.execve(python, command, _environ(settings, _metadata(settings)))  # noqa: S606  (takes this process's place)


def _keep_alone(settings: Settings) -> None:
    """One Superset a profile: a lock that goes over to the server, and goes with it. A file in use is not exchanged."""
    path = _metadata(settings).with_suffix(".lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CityperfError(
            f"expected no Superset of profile {settings.profile} to run, found one; stop it first"
        ) from None
    os.set_inheritable(lock, True)


def password(settings: Settings) -> str:
    """Of the one login, made at random and kept with the other secrets."""
    return settings.change_secret("superset_admin", lambda before: before or token_urlsafe(24))


def environment(tell: Tell) -> Path:
    """The interpreter of an environment with what requirements.lock says, made if there is none. Raises CityperfError.

    Whole or not there: a mark is written last, and what a killed start left is thrown away.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    if sys.version_info[:2] not in PYTHONS:
        raise CityperfError(
            f"expected Python 3.11 or 3.12, for which Superset has wheels, found {version}; remove .venv and start "
            "again with CITYPERF_PYTHON=/path/to/python3.12"
        )
    folder = KEPT / f"{_of_lock()[:12]}-{version}"
    python, mark = folder / "bin" / "python", folder / "whole"
    KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(KEPT / "lock"):
        if mark.exists() and python.exists():
            return python
        tell("installing Superset into an environment of its own (once)")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True)
        _install(python)
        mark.touch()
    return python


def _install(python: Path) -> None:
    """By uv, told of the index that pip is set up for, as the script `cityperf` installs our own; else by pip."""
    loader = SourceFileLoader("cityperf_bootstrap", str(ROOT / "cityperf"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None  # noqa: S101  (for the type checker)
    bootstrap: Any = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode  # no `cityperfc` beside the script
    try:
        loader.exec_module(bootstrap)
    finally:
        sys.dont_write_bytecode = before
    pip = [sys.executable, "-m", "pip"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    by_uv, told = bootstrap.uv_install(Path(sys.executable).with_name("uv"), python, pip, plain)
    by_pip = [
        *pip,
        "--python",
        str(python),
        "install",
        "--no-input",
        "--no-compile",
        "--disable-pip-version-check",
    ]
    locked = ["--no-deps", "--require-hashes", "--quiet", "-r", str(LOCK)]
    said = ""
    for command, variables in ((by_uv, told), (by_pip, plain)):
        done = subprocess.run([*command, *locked], env=variables, capture_output=True, text=True)
        if done.returncode == 0:
            return
        said = "\n".join(done.stderr.strip().splitlines()[-12:])
    raise CityperfError(
        f"expected {LOCK.relative_to(ROOT)} to install, pip said:\n{said}\n"
        "The packages come from the index that pip is set up for (`pip config list`); mend that and start again."
    )


def prepare(settings: Settings, python: Path, log: Path) -> None:
    """Superset's metadata as this version needs them, with the bundle as it lies here and nothing older of it.

    Worked on in a copy that takes the place of the last at the end, so that a killed start leaves what was. Charts
    that people made in Superset stay. Raises CityperfError with the log's last lines.
    """
    metadata = _metadata(settings)
    metadata.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    mark, version = metadata.with_suffix(".version"), _of_lock()
    migrated = metadata.exists() and mark.exists() and mark.read_text() == version
    following = metadata.parent / "next"  # a folder, for SQLite's journal beside the file
    shutil.rmtree(following, ignore_errors=True)
    following.mkdir()
    partial = following / metadata.name
    if metadata.exists():
        with closing(sqlite3.connect(metadata)) as old, closing(sqlite3.connect(partial)) as new:
            old.backup(new)
    command = [str(python), str(ROOM / "prepare.py"), str(BUNDLE), *([] if migrated else ["--migrate"])]
    with log.open("wb") as handle:
        done = subprocess.run(command, env=_environ(settings, partial), stdout=handle, stderr=handle)
    if done.returncode:
        raise CityperfError(
            f"expected Superset to take the bundle, it said:\n{stack.tail(log)}\n(all of it: {log})"
        )
    partial.replace(metadata)
    mark.write_text(version)
    shutil.rmtree(following)


def _of_lock() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _metadata(settings: Settings) -> Path:
    return settings.base / "superset" / "metadata.db"


def _environ(settings: Settings, metadata: Path) -> dict[str, str]:
    """What include/superset/superset_config.py reads. Nothing of ours is on Superset's path, and `down` leaves it alone."""
    ours = stack.base_env(settings)
    return {name: value for name, value in ours.items() if name not in ("PYTHONPATH", stack.MARK)} | {
        "SUPERSET_CONFIG_PATH": str(ROOM / "superset_config.py"),
        "SUPERSET_HOME": str(metadata.parent),
        "CITYPERF_SUPERSET_KEY": settings.change_secret(
            "superset", lambda before: before or token_urlsafe(42)
        ),
        "CITYPERF_SUPERSET_PASSWORD": password(settings),
        "CITYPERF_SUPERSET_METADATA": str(metadata),
        "CITYPERF_SUPERSET_WAREHOUSE": settings.dsn("bi_reader"),
    }


# -- the bundle against the contracts --------------------------------------------------------------------------
@dataclass(frozen=True)
class Problem:
    """What is wrong in a file of the bundle, and where in it."""

    file: str
    place: str  # a column, a metric, a chart's field
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.message}"


@dataclass(frozen=True)
class Dataset:
    """A dataset as its file says: columns that charts may name, metrics, and the published columns behind them."""

    file: str
    columns: Columns
    metrics: frozenset[str]
    reads: frozenset[Read]  # (`publish.table`, column)


def contracts(folder: Path = CONTRACTS) -> dict[str, Columns]:
    """Published table → its columns with their types, by the contracts of the dbt models."""
    return {
        model["name"]: {column["name"]: column["data_type"] for column in model["columns"]}
        for path in sorted(folder.glob("*.yml"))
        for model in read_yaml(path.read_bytes()).get("models") or ()
    }


def problems(bundle: Path = BUNDLE, tables: Mapping[str, Columns] | None = None) -> list[Problem]:
    """What the bundle names and the contracts, or the bundle itself, do not have; none where all is well."""
    found: list[Problem] = []
    datasets = _datasets(bundle, contracts() if tables is None else tables, found)
    charts = dict(_files(bundle, "charts"))
    for file, chart in charts.items():
        found += _of_chart(file, chart, datasets)
    known = {chart["uuid"] for chart in charts.values()}
    for file, dashboard in _files(bundle, "dashboards"):
        found += _of_dashboard(file, dashboard, known, datasets)
    return found


def reads_of_dashboards(bundle: Path = BUNDLE) -> dict[str, frozenset[Read]]:
    """Slug of a dashboard → the published columns (`publish.table`, column) that its charts and filters can show."""
    datasets = _datasets(bundle, contracts(), [])
    of_chart = {chart["uuid"]: chart["dataset_uuid"] for _, chart in _files(bundle, "charts")}
    read: dict[str, frozenset[Read]] = {}
    for _, dashboard in _files(bundle, "dashboards"):
        used = {of_chart[uuid] for uuid in _charts_on(dashboard)}
        used |= {target["datasetUuid"] for each in _filters(dashboard) for target in each["targets"]}
        read[dashboard["slug"]] = frozenset().union(*(datasets[uuid].reads for uuid in used))
    return read


def _files(bundle: Path, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((bundle / kind).rglob("*.yaml")):
        yield str(path.relative_to(bundle)), read_yaml(path.read_bytes())


def _datasets(bundle: Path, tables: Mapping[str, Columns], found: list[Problem]) -> dict[str, Dataset]:
    """By UUID; what is wrong is added to `found`."""
    made = {}
    for file, said in _files(bundle, "datasets"):
        try:
            offered, reads = _offered(said, tables)
        except _Wrong as problem:
            found.append(Problem(file, problem.place, str(problem)))
            offered, reads = {}, frozenset()
        columns = {}
        for column in said["columns"]:
            name = column["column_name"]
            columns[name] = column["type"]
            if not offered:
                continue
            if column.get("expression"):
                found += _of_expression(file, name, column["expression"], offered)
            elif name not in offered:
                found.append(
                    Problem(file, name, f"{_origin(said)} has no such column; it has {', '.join(offered)}")
                )
            elif not _same_type(column["type"], offered[name]):
                found.append(
                    Problem(file, name, f"expected type {offered[name].upper()}, found {column['type']}")
                )
        for metric in said["metrics"]:
            found += _of_expression(file, metric["metric_name"], metric["expression"], columns)
        metrics = frozenset(metric["metric_name"] for metric in said["metrics"])
        made[said["uuid"]] = Dataset(file, columns, metrics, reads)
    return made


class _Wrong(Exception):
    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def _origin(dataset: Mapping[str, Any]) -> str:
    return "its SQL" if dataset.get("sql") else f"the contract of {dataset['schema']}.{dataset['table_name']}"


def _offered(dataset: Mapping[str, Any], tables: Mapping[str, Columns]) -> tuple[Columns, frozenset[Read]]:
    """Columns that a dataset's table or SQL gives, with types, and the published columns behind them."""
    if not dataset.get("sql"):
        name = dataset["table_name"]
        if dataset["schema"] != SCHEMA or name not in tables:
            raise _Wrong("table_name", f"expected a published table, found {dataset['schema']}.{name}")
        return tables[name], frozenset((f"{SCHEMA}.{name}", column) for column in tables[name])
    sql = dataset["sql"]
    try:
        query = sqlglot.parse_one(sql, dialect="postgres")
    except SqlglotError as problem:
        raise _Wrong("sql", f"expected SQL, found {str(problem).splitlines()[0]}") from None
    for table in query.find_all(exp.Table):
        if table.db and (table.db != SCHEMA or table.name not in tables):
            raise _Wrong("sql", f"expected published tables, found {table.db}.{table.name}")
    shape = shape_of(sql, {f"{SCHEMA}.{name}": tuple(columns) for name, columns in tables.items()})
    if shape.whole:
        raise _Wrong("sql", f"names what the contracts do not have: {shape.whole}")
    typed = annotate_types(
        qualify(query, schema={SCHEMA: tables}, dialect="postgres"),
        schema={SCHEMA: tables},
        dialect="postgres",
    )
    assert isinstance(typed, exp.Query)  # noqa: S101  (what shape_of took is one)
    types = {each.alias_or_name: each.type for each in typed.selects}
    offered = {name: kind.sql("postgres") if (kind := types.get(name)) else "" for name in shape.columns}
    behind = [made.reads for made in (*shape.columns.values(), shape.rows)]
    return offered, frozenset(read for each in behind for read in each if read[1] != ROWS)


def _same_type(said: str, contract: str) -> bool:
    """Where sqlglot cannot tell an expression's type, the file's word stands."""
    if contract.upper() in ("", "UNKNOWN", "NULL"):
        return True
    one, other = (exp.DataType.build(each, dialect="postgres") for each in (said, contract))
    return one.this == other.this or {one.this, other.this} <= exp.DataType.TEXT_TYPES


def _of_expression(file: str, place: str, expression: str, columns: Columns) -> Iterator[Problem]:
    try:
        parsed = sqlglot.parse_one(expression, dialect="postgres")
    except SqlglotError as problem:
        yield Problem(file, place, f"expected SQL, found {str(problem).splitlines()[0]}")
        return
    for each in parsed.find_all(exp.Column):
        if each.name not in columns:
            yield Problem(file, place, f"expected columns of the dataset, found {each.name}")


def _of_chart(file: str, chart: Mapping[str, Any], datasets: Mapping[str, Dataset]) -> Iterator[Problem]:
    dataset = datasets.get(chart["dataset_uuid"])
    if dataset is None:
        yield Problem(
            file, "dataset_uuid", f"expected a dataset of the bundle, found {chart['dataset_uuid']}"
        )
        return
    params = chart["params"]
    named = [(key, each) for key in _COLUMNS for each in _listed(params.get(key))]
    named += [("order_by_cols", read_yaml(each)[0]) for each in params.get("order_by_cols") or ()]
    named += [("adhoc_filters", each.get("subject", each)) for each in params.get("adhoc_filters") or ()]
    for place, name in named:
        if not isinstance(name, str) or name not in dataset.columns:
            yield Problem(file, place, f"{dataset.file} has no column {name}")
    for place, name in [(key, each) for key in _METRICS for each in _listed(params.get(key))]:
        if not isinstance(name, str) or name not in dataset.metrics:
            yield Problem(file, place, f"{dataset.file} has no metric {name}")


def _of_dashboard(
    file: str, dashboard: Mapping[str, Any], charts: set[str], datasets: Mapping[str, Dataset]
) -> Iterator[Problem]:
    for uuid in _charts_on(dashboard):
        if uuid not in charts:
            yield Problem(file, "position", f"expected charts of the bundle, found {uuid}")
    for each in _filters(dashboard):
        for target in each["targets"]:
            dataset = datasets.get(target["datasetUuid"])
            name = target["column"]["name"]
            if dataset is None or name not in dataset.columns:
                yield Problem(
                    file, each["name"], f"expected a column of a dataset of the bundle, found {name}"
                )


def _charts_on(dashboard: Mapping[str, Any]) -> list[str]:
    parts = dashboard["position"].values()
    return [each["meta"]["uuid"] for each in parts if isinstance(each, dict) and each["type"] == "CHART"]


def _filters(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(dashboard["metadata"].get("native_filter_configuration") or ())


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
