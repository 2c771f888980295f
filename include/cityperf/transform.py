"""dbt, run once a night for exactly the models that depend on something new.

Each model has a fingerprint: its own SQL and configuration, the macros it calls, its parents' fingerprints and, for
raw tables, the newest loaded batch. A model whose stored fingerprint is equal is left alone. dbt runs in process;
its events are written to `ops.model_run` as they happen, and told to whoever listens (Airflow, one task a model).
"""

from __future__ import annotations

import contextlib
import filecmp
import gc
import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from psycopg import OperationalError, sql

from cityperf import dbt_sources, forecast
from cityperf.config import ROOT, Profile, Settings
from cityperf.db import connect

PROJECT: Final = ROOT / "dbt_project"
PARSED: Final = ROOT / ".cache" / "dbt"
KEPT_PARSES: Final = 4
PUBLISH: Final = "publish_next"
TONIGHT: Final = "tonight"  # tag of what a dbt run is to build
FORECAST: Final = "forecast"  # a source that is made of marts, in the middle of the run
DISCLOSURE: Final = frozenset({"disclosure", "disclosure_cell"})  # and so are these tables of ops
# meta of a model that keeps what it counted of the periods of a raw table, and counts those again that have another batch
# (macros/periods.sql). What it kept is right as long as it is defined as it was: its fingerprint begins with that.
PERIODS_OF: Final = "periods_of"
# What stewards decided, and which files are held since the last delivery that was loaded, or the last visit that found
# nothing else at the source: one that is refused every night is news once.
_IN_QUARANTINE: Final = """
select nullif(concat_ws(
    ',',
    (select concat(max(decision_id), ' ', count(settled_on)) from quarantine.decision having count(*) > 0),
    (
        select string_agg(concat_ws(' ', dataset, name, state, since), ',' order by dataset, name, state)
        from (
            select q.dataset, q.name, q.state, min(q.night) filter (where l.night is null or q.night > l.night) as since
            from quarantine.files as q
            left join (
                select dataset, max(night) as night from (
                    select dataset, night from ops.batch where state = 'loaded'
                    union all
                    select dataset, night from ops.fetch where state = 'unchanged'
                ) as good group by dataset
            ) as l on q.dataset = l.dataset
            group by q.dataset, q.name, q.state
        ) as files
    )
), '')
"""
WHOLE_RUN: Final = "*"  # the row of ops.model_run that stands for the dbt run itself
# New with each release, a reason for none: the list of releases, and what names the release being built as the one that
# freezes an edition or restates it.
OWN_HISTORY: Final = frozenset(
    {
        "mart_release",
        "release",
        "report_edition_standing",
        "report_edition_point",
        "mart_report_edition_figure",
        "mart_report_edition",
    }
)


class TransformFailed(RuntimeError):
    """dbt could not build or test something; the message names each node and what it said."""


# Hears a model's name, state (planned, running, success, skipped, error), message and seconds.
Tell = Callable[[str, str, str | None, float | None], None]


@dataclass(frozen=True)
class Plan:
    """Which nodes to build (unique ids), which are up to date, and every node's fingerprint.

    `afresh` are those of `build` whose table goes first: see PERIODS_OF.
    """

    build: tuple[str, ...]
    fresh: tuple[str, ...]
    fingerprints: dict[str, str]
    release_wanted: bool  # publish_next holds, or will hold after the build, a whole candidate
    afresh: tuple[str, ...] = ()


def target_dir(settings: Settings) -> Path:
    """Where dbt writes for this profile; two homes never share it."""
    return settings.base / "dbt"


def manifest_path(settings: Settings) -> Path:
    return target_dir(settings) / "manifest.json"


def model_tree() -> dict[str, list[str]]:
    """Layer → model names as the project's folders have them, without asking dbt (for the DAG file: cheap)."""
    layers = ("staging", "intermediate", "kpis", "marts", "publish")
    return {
        layer: sorted(path.stem for path in (PROJECT / "models" / layer).rglob("*.sql")) for layer in layers
    }


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads, for the role transformer."""
    parts = urlsplit(settings.dsn("transformer"))
    return {
        "CITYPERF_PG_HOST": parts.hostname or "127.0.0.1",
        "CITYPERF_PG_PORT": str(parts.port or 5432),
        "CITYPERF_PG_DB": parts.path.lstrip("/"),
        "CITYPERF_PG_USER": unquote(parts.username or ""),
        "CITYPERF_PG_PASSWORD": unquote(parts.password or ""),
        "DBT_PROFILES_DIR": str(PROJECT),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_TARGET_PATH": str(target_dir(settings)),
        "DBT_LOG_PATH": str(settings.logs / "dbt"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
        # A union over "all KPIs" must know them while dbt parses, when the graph is not there yet.
        "CITYPERF_KPI_MODELS": ",".join(model_tree()["kpis"]),
        "DO_NOT_TRACK": "1",
    }


def run_dbt(
    settings: Settings,
    night: date,
    arguments: Sequence[str],
    *,
    manifest: Any = None,
    on_event: Any = None,
    profile: Profile | None = None,
) -> Any:
    """dbt in this process, against the profile's warehouse: its own result. `on_event` hears dbt's events.

    `profile` is what the models are told, where it is not the warehouse's own. It leaves the variables that the project
    reads in the environment.
    """
    from dbt.cli.main import dbtRunner

    from cityperf import dbt_connections

    dbt_connections.keep()
    os.environ.update(dbt_environment(settings))
    settings.logs.mkdir(parents=True, exist_ok=True)
    os.environ["CITYPERF_NIGHT"] = night.isoformat()  # see the macro `night`
    os.environ["CITYPERF_PROFILE"] = profile or settings.profile  # and `profile`
    callbacks = [_warnings_to(settings.logs / "dbt" / "dbt.log"), *([on_event] if on_event else [])]
    runner = dbtRunner(manifest=manifest, callbacks=callbacks)
    # Without loggers: dbt puts the text of each of its thousands of events together before it asks who would write it.
    silent = ("--log-level", "none", "--log-level-file", "none")
    with _without_collector():
        return runner.invoke([*arguments, *silent])


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Python's collector of cycles walks dbt's whole graph again and again and finds nothing: with it a manifest takes
    twelve times as long to read and a project three times as long to parse. The process ends soon after.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _warnings_to(path: Path) -> Callable[[Any], None]:
    """Hears dbt's events and writes those that warn or tell of an error to a file, as they come."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(event: Any) -> None:
        if event.info.level in ("warn", "error"):
            with path.open("a", encoding="utf-8") as log:
                log.write(f"{event.info.ts.ToJsonString()} {event.info.level} {event.info.msg}\n")

    return write


def parse(settings: Settings, night: date) -> Any:
    """dbt's manifest of the project; raises TransformFailed with dbt's words when it does not parse.

    Parsing takes seven seconds, and what comes out depends on the project's files and few settings: it is kept for all
    homes that run from this folder, and taken from there as long as those are the same.
    """
    dbt_sources.bring_in_step()
    kept, ours = PARSED / _project_digest(settings), manifest_path(settings)
    try:
        manifest = _thaw((kept / "manifest.msgpack").read_bytes())
        if not ours.exists() or not filecmp.cmp(kept / "manifest.json", ours, shallow=False):
            ours.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(ours, (kept / "manifest.json").read_bytes())
    except FileNotFoundError:
        outcome = run_dbt(settings, night, ["parse"])
        if not outcome.success:
            raise TransformFailed(f"dbt could not parse {PROJECT.name}: {outcome.exception}") from None
        manifest = outcome.result
        _keep(kept, manifest, ours.read_bytes())
    return manifest


def _project_digest(settings: Settings) -> str:
    """Names what dbt's parse depends on: its versions, the project's files and the settings that they read."""
    digest = hashlib.sha256()
    told = [settings.warehouse_db, *model_tree()["kpis"]]
    told += [version(package) for package in ("dbt-core", "dbt-postgres", "dbt-adapters", "dbt-common")]
    digest.update("\x1f".join([*told, sys.version]).encode())
    for path in sorted(PROJECT.rglob("*")):
        below = path.relative_to(PROJECT)
        if below.parts[0] not in ("target", "logs") and path.is_file():
            digest.update(f"\x1f{below}\x1f".encode() + path.read_bytes())
    return digest.hexdigest()


def _write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, whoever else writes it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)


def _thaw(frozen: bytes) -> Any:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    with _without_collector():
        return Manifest.from_msgpack(frozen, decoder=extended_mashumuro_decoder)


def _keep(folder: Path, manifest: Any, as_json: bytes) -> None:
    """Keep what was parsed, and of what was kept before the newest few. A folder that cannot be written costs time only."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / "manifest.json", as_json)
        _write_whole(folder / "manifest.msgpack", manifest.to_msgpack(extended_mashumaro_encoder))
        others = sorted(PARSED.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in others[KEPT_PARSES:]:
            shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True)
class Freshness:
    """dbt's verdict on one raw table: pass, warn, error or, where it could not tell, 'runtime error' and why."""

    status: str
    last: date | None  # night of the last delivery
    message: str | None


def source_freshness(settings: Settings, night: date) -> dict[str, Freshness]:
    """`dbt source freshness` as of `night`, by data set; its own record goes to `sources.json`.

    Raises TransformFailed when dbt itself does not run.
    """
    # Left to itself, dbt spends most of the time on writing its manifest twice and listing relations it never asks for.
    arguments = ["--no-write-json", "--no-populate-cache", "source", "freshness"]
    outcome = run_dbt(settings, night, arguments, manifest=parse(settings, night))
    if outcome.exception is not None:
        raise TransformFailed(f"dbt could not judge freshness: {outcome.exception}") from outcome.exception
    outcome.result.write(str(target_dir(settings) / "sources.json"))
    found = {}
    for result in outcome.result.results:
        # A table that it could not judge has no such time; the year 1 is its word for no delivery at all.
        at: datetime | None = getattr(result, "max_loaded_at", None)
        last = at.date() if at and at.year > 1 else None
        found[result.node.name] = Freshness(str(result.status), last, result.message)
    return found


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def fingerprints(manifest: Any, versions: Mapping[str, str], night: date, profile: str) -> dict[str, str]:
    """Fingerprint of every model and seed. `versions` maps raw table names to their newest batch.

    A model that declares `meta.depends_on_night` is new every night.
    """
    done: dict[str, str] = {}

    def of(unique_id: str) -> str:
        if unique_id in done:
            return done[unique_id]
        if unique_id.startswith("source."):
            source = manifest.sources[unique_id]
            # Which delivery of a raw table is current, and which rows of it are held, changes with a batch of its own;
            # what a steward decided about those rows does not.
            own = source.name if source.schema == "raw" else "" if source.name == "cursor" else "ops"
            own = source.schema if source.schema == "quarantine" else own
            if source.schema == FORECAST:
                version = forecast.METHOD
            elif source.schema == "ops" and source.name in DISCLOSURE:
                version = _disclosure_version()
            else:
                version = versions.get(own, "")
            done[unique_id] = _digest(unique_id, version)
            return done[unique_id]
        if unique_id.startswith("macro."):
            macro = manifest.macros[unique_id]
            done[unique_id] = ""  # a macro may call itself
            done[unique_id] = _digest(macro.macro_sql, *(of(m) for m in macro.depends_on.macros))
            return done[unique_id]
        node = manifest.nodes[unique_id]
        depends = getattr(node, "depends_on", None)
        config = node.config.to_dict()
        meta = config.get("meta", {})
        parents = sorted(getattr(depends, "nodes", []) or [])
        if PERIODS_OF in meta:  # other data sets' batches are nothing to it, and raw's version knows its own
            parents = [p for p in parents if not p.endswith(".ops.batch")]
        macros = sorted(
            m
            for m in (getattr(depends, "macros", []) or [])
            if not m.startswith(("macro.dbt.", "macro.dbt_postgres."))
        )
        tonight = night.isoformat() if meta.get("depends_on_night") else ""
        if "editions" in meta:  # new on each night that one of them waits for
            tonight = str(sum(str(each["as_of"]) <= night.isoformat() for each in meta["editions"]))
        registry = ""
        if "graph." in (getattr(node, "raw_code", "") or "") or any("registry" in m for m in macros):
            # Reads other nodes' meta: new whenever any of them changes.
            registry = _digest(
                *(
                    json.dumps(n.config.to_dict().get("meta", {}), sort_keys=True, default=str)
                    for _, n in sorted(manifest.nodes.items())
                )
            )
        done[unique_id] = _digest(
            node.checksum.checksum,
            json.dumps(config, sort_keys=True, default=str),
            json.dumps({c.name: c.description for c in node.columns.values()}, sort_keys=True),
            node.description or "",
            profile,
            tonight,
            registry,
            *(of(p) for p in parents),
            *(of(m) for m in macros),
        )
        return done[unique_id]

    prints = {uid: of(uid) for uid in manifest.nodes if uid.startswith(("model.", "seed."))}
    if versions and (
        counting := [
            uid for uid in prints if PERIODS_OF in manifest.nodes[uid].config.to_dict().get("meta", {})
        ]
    ):
        definitions = fingerprints(manifest, {}, night, profile)
        prints |= {uid: f"{definitions[uid]}:{prints[uid]}" for uid in counting}
    return prints


def choose(
    manifest: Any, prints: Mapping[str, str], stored: Mapping[str, str], existing: set[tuple[str, str]]
) -> Plan:
    """Which nodes to build. The publish layer is built whole or not at all: a candidate is one consistent set."""

    def name(uid: str) -> str:
        return str(manifest.nodes[uid].name)

    def absent(uid: str) -> bool:
        node = manifest.nodes[uid]
        ephemeral = node.config.materialized == "ephemeral"
        return not ephemeral and (node.schema, node.alias or node.name) not in existing

    publish = {uid for uid in prints if manifest.nodes[uid].schema == PUBLISH}
    history = {uid for uid in prints if name(uid) in OWN_HISTORY}
    inner = set(prints) - publish - history
    build = {uid for uid in inner if stored.get(name(uid)) != prints[uid] or absent(uid)}
    # Children follow even when their own fingerprint is right: a table built anew drops the views that stand on it.
    while more := {uid for uid in inner - build if not build.isdisjoint(_parents(manifest, uid))}:
        build |= more
    whole = bool(publish) and not any(
        absent(uid) for uid in publish
    )  # left by a night that was held or killed
    if any(
        stored.get(name(u)) != prints[u] or not build.isdisjoint(_parents(manifest, u))
        for u in publish - history
    ):
        build |= publish | history
    wanted = bool(publish & build) or whole
    afresh = {
        uid
        for uid in build
        if ":" in prints[uid] and stored.get(name(uid), "").split(":")[0] != prints[uid].split(":")[0]
    }
    return Plan(
        tuple(sorted(build)), tuple(sorted(set(prints) - build)), dict(prints), wanted, tuple(sorted(afresh))
    )


def _parents(manifest: Any, uid: str) -> list[str]:
    depends = getattr(manifest.nodes[uid], "depends_on", None)
    return list(getattr(depends, "nodes", []) or [])


def _disclosure_version() -> str:
    """What decides about suppression beside the figures: the method, and the classes with their thresholds."""
    from cityperf.privacy.classes import FILE, METHOD

    return _digest(METHOD, FILE.read_text("utf-8"))


def _after_python(manifest: Any) -> set[str]:
    """The models that stand on forecasts or on what is to be hidden: both are made when all others are built."""
    found = {
        uid
        for uid, source in manifest.sources.items()
        if source.schema == FORECAST or (source.schema == "ops" and source.name in DISCLOSURE)
    }
    while more := {
        uid for uid in manifest.nodes if uid not in found and not found.isdisjoint(_parents(manifest, uid))
    }:
        found |= more
    return found


def plan(settings: Settings, night: date, manifest: Any) -> Plan:
    """`choose` against the database as it stands."""
    with connect(settings, "transformer") as connection:
        versions = {
            dataset: str(batch)
            for dataset, batch in connection.execute(
                "select dataset, md5(string_agg(concat_ws(' ', batch_id, periods), ',' order by batch_id)) "
                "from ops.batch where state = 'loaded' group by 1"
            )
        }
        row = connection.execute(
            "select coalesce(md5(string_agg(concat_ws('|', border, suite, check_name, subject, status), ',' "
            "order by border, suite, check_name, subject)), '') from ("
            "select distinct on (border, suite, check_name, subject) * from ops.check_result "
            "where border in ('landing', 'freshness') "
            "order by border, suite, check_name, subject, night desc, check_result_id desc) as latest"
        ).fetchone()
        versions["ops"] = "|".join(
            [str(row[0] if row else ""), *(f"{k}={v}" for k, v in sorted(versions.items()))]
        )
        row = connection.execute(_IN_QUARANTINE).fetchone()
        if row and row[0]:
            versions["quarantine"] = str(row[0])
        stored = dict(connection.execute("select model, fingerprint from ops.model_state"))
        existing = {
            (schema, table)
            for schema, table in connection.execute(
                "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
                "where c.relkind in ('r', 'v', 'm', 'p')"
            )
        }
    return choose(manifest, fingerprints(manifest, versions, night, settings.profile), stored, existing)


@dataclass(frozen=True)
class Built:
    """How a night's dbt run went."""

    built: int
    fresh: int
    release_wanted: bool
    seconds: float


def transform(settings: Settings, night: date, tell: Tell | None = None) -> Built:
    """Plan, open a candidate when one is needed, run dbt, keep fingerprints. Raises TransformFailed.

    `tell` hears every state that goes to `ops.model_run`, as it goes there.
    """
    from cityperf import privacy
    from cityperf.publish import open_candidate

    with connect(settings, "transformer", autocommit=True) as reporter:
        state = _Reporter(reporter, night, tell)
        state.write(WHOLE_RUN, "running")
        try:
            manifest = parse(settings, night)
            todo = plan(settings, night, manifest)
            names = {uid: str(manifest.nodes[uid].name) for uid in todo.fingerprints}
            for uid in todo.fresh:
                state.write(names[uid], "skipped", "nothing new since it was last built")
            for uid in todo.build:
                state.write(names[uid], "planned")
            if not todo.build:
                state.write(WHOLE_RUN, "success")
                return Built(0, len(todo.fresh), todo.release_wanted, 0.0)
            if any(manifest.nodes[uid].schema == PUBLISH for uid in todo.build):
                open_candidate(settings, night)
            after = _after_python(manifest)
            seconds = 0.0
            if first := [uid for uid in todo.build if uid not in after]:
                seconds += _run(settings, night, manifest, first, todo.fingerprints, names, state)
            if last := [uid for uid in todo.build if uid in after]:
                forecast.refresh(settings)
                privacy.refresh(settings, night)
                seconds += _run(settings, night, manifest, last, todo.fingerprints, names, state)
            state.write(WHOLE_RUN, "success", seconds=seconds)
            return Built(len(todo.build), len(todo.fresh), todo.release_wanted, seconds)
        except BaseException as error:
            with contextlib.suppress(OperationalError):
                state.write(WHOLE_RUN, "error", str(error)[:2000])
            raise


def _drop(settings: Settings, manifest: Any, models: Sequence[str]) -> None:
    """Takes the tables of models away, so that dbt builds them whole."""
    with connect(settings, "transformer") as connection:
        for uid in models:
            node = manifest.nodes[uid]
            table = sql.Identifier(node.schema, node.alias or node.name)
            connection.execute(sql.SQL("drop table if exists {} cascade").format(table))


def model_state(settings: Settings, night: date, model: str) -> tuple[str, str]:
    """State of a model in a night (success, error, skipped, ...) and what was said of it."""
    with connect(settings, "transformer") as connection:
        row = connection.execute(
            "select state, coalesce(message, '') from ops.model_run where night = %s and model = %s",
            (night, model),
        ).fetchone()
    return row or ("unknown", f"dbt said nothing of {model} on {night}")


class _Reporter:
    """Writes model states as dbt's worker threads report them; one connection, one lock."""

    def __init__(self, connection: Any, night: date, tell: Tell | None) -> None:
        self._connection, self._night, self._tell, self._lock = connection, night, tell, threading.Lock()

    def write(self, model: str, state: str, message: str | None = None, seconds: float | None = None) -> None:
        with self._lock:
            self._connection.execute(
                "insert into ops.model_run (night, model, state, message, seconds) values (%s, %s, %s, %s, %s) "
                "on conflict (night, model) do update set state = excluded.state, message = excluded.message, "
                "seconds = excluded.seconds, updated_at = now()",
                (self._night, model, state, message, seconds),
            )
        if self._tell:
            self._tell(model, state, message, seconds)


def _run(
    settings: Settings,
    night: date,
    manifest: Any,
    build: Sequence[str],
    fingerprints: Mapping[str, str],
    names: Mapping[str, str],
    state: _Reporter,
) -> float:
    def on_event(event: Any) -> None:
        # When the database has gone, dbt finds out by itself. An error here would end its thread without a word, and
        # dbt would wait for that node for ever.
        with contextlib.suppress(OperationalError):
            report(event)

    def report(event: Any) -> None:
        kind = event.info.name
        if kind not in ("NodeStart", "NodeFinished"):
            return
        uid = event.data.node_info.unique_id
        if uid in names and kind == "NodeStart":
            state.write(names[uid], "running")
        elif uid in names:
            status = event.data.node_info.node_status
            message = event.data.run_result.message or None
            took = round(float(event.data.run_result.execution_time), 3)
            outcome = {"success": "success", "skipped": "error"}.get(status, "error")
            if status == "skipped":
                message = "not built because something it depends on failed"
            state.write(names[uid], outcome, message, took)

    with connect(settings, "transformer", autocommit=True) as connection:
        # Forget first: a run that is killed half-way leaves no model that claims to be up to date.
        connection.execute("delete from ops.model_state where model = any(%s)", ([names[u] for u in build],))
        outcome = run_dbt(
            settings,
            night,
            [
                "build",
                *_tag(manifest, build, fingerprints),
                "--exclude-resource-type",
                "unit_test",
                "--no-write-json",  # the manifest stands already, and nobody reads what else dbt writes
            ],
            manifest=manifest,
            on_event=on_event,
        )
        if outcome.exception is not None:
            raise TransformFailed(f"dbt stopped: {outcome.exception}") from outcome.exception
        results = list(outcome.result)
        _record_tests(settings, night, results)
        failed = [r for r in results if str(r.status) in ("error", "fail", "runtime error", "skipped")]
        tainted = {p for r in failed for p in _parents(manifest, r.node.unique_id)} | {
            r.node.unique_id for r in failed
        }
        good = [u for u in build if u not in tainted]
        connection.cursor().executemany(
            "insert into ops.model_state (model, fingerprint, night) values (%s, %s, %s) on conflict (model) "
            "do update set fingerprint = excluded.fingerprint, night = excluded.night, built_at = now()",
            [(names[u], fingerprints[u], night) for u in good],
        )
    if failed:
        said = "; ".join(f"{r.node.name}: {(r.message or str(r.status)).strip()}" for r in failed[:10])
        raise TransformFailed(f"{len(failed)} dbt node(s) failed: {said}")
    return round(sum(float(r.execution_time) for r in results), 1)


def _tag(manifest: Any, build: Sequence[str], every: Mapping[str, str]) -> list[str]:
    """Arguments with which dbt builds these nodes and runs the tests that read nothing else.

    They get a tag of the night in the manifest that is handed to dbt: it compares each name that it is given with each
    node, which took a third of a small night.
    """
    others = set(every).difference(build)
    chosen = set(build) | {
        uid
        for uid in manifest.nodes
        if uid.startswith("test.")
        and others.isdisjoint(parents := _parents(manifest, uid))
        and not set(build).isdisjoint(parents)
    }
    for uid, node in manifest.nodes.items():
        if (uid in chosen) != (TONIGHT in node.tags):
            node.tags = [tag for tag in node.tags if tag != TONIGHT] + [TONIGHT] * (uid in chosen)
    return ["--select", f"tag:{TONIGHT}", "--indirect-selection", "empty"]


def _record_tests(settings: Settings, night: date, results: list[Any]) -> None:
    """dbt's data tests become rows of ops.check_result like every other check."""
    with connect(settings, "transformer") as connection:
        for result in results:
            node = result.node
            if node.resource_type != "test":
                continue
            subject = (getattr(node, "attached_node", None) or node.name).rsplit(".", 1)[-1]
            bad = str(result.status) not in ("pass", "success")
            blocking = str(node.config.severity).lower() == "error"
            found = (
                f"{result.failures or 0} failing rows" if result.failures is not None else str(result.status)
            )
            connection.execute(
                "delete from ops.check_result where night = %s and border = 'transform' and check_name = %s",
                (night, node.name),
            )
            connection.execute(
                "insert into ops.check_result (night, border, suite, check_name, subject, severity, status, expected, "
                "found, message, owner, runbook) values (%s, 'transform', 'dbt', %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    night,
                    node.name,
                    subject,
                    "block" if blocking else "warn",
                    ("fail" if blocking else "warn") if bad else "pass",
                    "no failing rows",
                    found,
                    f"{node.name} on {subject}: expected no failing rows, found {found}",
                    str(node.config.meta.get("owner", "Performance Office"))
                    if node.config.meta
                    else "Performance Office",
                    "docs/runbooks/transform.md#dbt-test",
                ),
            )
