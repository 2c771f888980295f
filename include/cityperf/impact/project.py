"""The dbt project as it would run: every model's compiled SQL, without a database.

Compiled as for a first build (`is_incremental` is false), so that nothing has to be asked. dbt runs in a process of its own,
as it leaves its variables in the environment; what came out is kept by the project's content.
"""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from cityperf.config import ROOT
from cityperf.errors import CityperfError
from cityperf.load.header import META

KEPT: Final = ROOT / ".cache" / "impact"
KEPT_PROJECTS: Final = 8
PROJECT: Final = "dbt_project"
_FORM: Final = "2"  # of what is kept: another number makes everything anew


@dataclass(frozen=True)
class Model:
    """A model as compiled. `rest`: digest of its own file, its macros and its configuration."""

    name: str
    schema: str
    table: str
    file: str
    sql: str
    documented: tuple[str, ...]
    incremental: bool
    parents: tuple[str, ...]  # unique ids
    kpis: tuple[str, ...]
    rest: str


@dataclass(frozen=True)
class Exposure:
    """A table that leaves, with the columns that may."""

    name: str
    table: str
    columns: tuple[str, ...]
    formats: tuple[str, ...]
    destinations: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """Models by name, parents first; other tables (`schema.table`) with the columns that are known of them."""

    models: Mapping[str, Model]
    others: Mapping[str, tuple[str, ...]]
    exposures: tuple[Exposure, ...]
    kpis: Mapping[str, str]  # id → digest of its definition
    seeds: Mapping[str, str]  # table → digest of its file


def working_tree(profile: str) -> Project:
    """The project as it lies in this folder, edits included. Raises CityperfError where dbt cannot compile it."""
    return _read(_compiled(ROOT / PROJECT, profile, "as edited"))


def both(ref: str, profile: str) -> tuple[Project, Project]:
    """The project at a git ref and as it lies here, compiled side by side."""
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(at, ref, profile)
        now = pool.submit(working_tree, profile)
        return before.result(), now.result()


def at(ref: str, profile: str) -> Project:
    """The project as committed at a git ref. Raises CityperfError where git does not have it."""
    tree = _git("rev-parse", "--verify", "--quiet", f"{ref}:{PROJECT}")
    if tree.returncode:
        raise CityperfError(
            f"expected a git ref with a folder {PROJECT}, found none called {ref!r}; fetch it, or name another with "
            "--against"
        )
    with tempfile.TemporaryDirectory(prefix="cityperf-impact-") as folder:
        packed = _git("archive", "--format=tar", ref, PROJECT)
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        return _read(_compiled(Path(folder) / PROJECT, profile, f"at {ref}"))


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise CityperfError(
            "expected git, which knows the project as it was, found none; install it"
        ) from None


def _compiled(folder: Path, profile: str, which: str) -> dict[str, Any]:
    kept = KEPT / f"{_digest_of(folder, profile)}.json"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        # dbt parses only what changed since it last wrote here.
        target = KEPT / ("tree" if folder == ROOT / PROJECT else "base")
        arguments = [sys.executable, "-m", "cityperf.impact.project", str(folder), str(target), str(kept)]
        done = subprocess.run(
            arguments, env=_environment(folder, target, profile), capture_output=True, text=True
        )
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-12:])
            raise CityperfError(f"expected dbt to compile the project {which}, it said: {said}")
        _forget_old()
    found: dict[str, Any] = json.loads(kept.read_bytes())
    return found


def _environment(folder: Path, target: Path, profile: str) -> dict[str, str]:
    """What `profiles.yml` and the macros read. Nothing answers at that port, and nothing is asked."""
    return os.environ | {
        "PYTHONPATH": str(ROOT / "include"),
        "CITYPERF_PG_HOST": "127.0.0.1",
        "CITYPERF_PG_PORT": "1",
        "CITYPERF_PG_DB": "warehouse",
        "CITYPERF_PROFILE": profile,
        "CITYPERF_NIGHT": "2026-01-01",
        "CITYPERF_KPI_MODELS": ",".join(sorted(path.stem for path in (folder / "models" / "kpis").rglob("*.sql"))),
        "DBT_PROFILES_DIR": str(folder),
        "DBT_PROJECT_DIR": str(folder),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }  # fmt: skip


def _digest_of(folder: Path, profile: str) -> str:
    digest = hashlib.sha256(
        "\x1f".join([_FORM, profile, version("dbt-core"), version("dbt-postgres")]).encode()
    )
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if below.parts[0] not in ("target", "logs") and path.is_file():
            digest.update(f"\x1f{below}\x1f".encode() + path.read_bytes())
    return digest.hexdigest()


def _forget_old() -> None:
    for old in sorted(KEPT.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-KEPT_PROJECTS]:
        old.unlink(missing_ok=True)


def _read(said: Mapping[str, Any]) -> Project:
    def tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
        return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}

    models = {each["name"]: Model(**tuples(each)) for each in said["models"]}
    exposures = tuple(Exposure(**tuples(each)) for each in said["exposures"])
    others = {name: tuple(columns) for name, columns in said["others"].items()}
    return Project(models, others, exposures, said["kpis"], said["seeds"])


# -- in the process of dbt -------------------------------------------------------------------------------------
def compile_project(folder: Path, out: Path) -> None:
    """Compile the project of the environment and write what is kept of it. Raises RuntimeError with dbt's words."""
    gc.disable()  # dbt's graph has no cycles worth looking for: see cityperf.transform
    from dbt.cli.main import dbtRunner

    silent = ("--log-level", "none", "--log-level-file", "none")
    parsed = dbtRunner().invoke(["parse", "--no-write-json", *silent])
    if not parsed.success:
        raise RuntimeError(str(parsed.exception))
    manifest: Any = parsed.result
    manifest.macros[
        "macro.dbt.is_incremental"
    ].macro_sql = "{% macro is_incremental() %}{{ return(false) }}{% endmacro %}"
    arguments = ["compile", "--select", "resource_type:model", "--indirect-selection", "empty"]
    # Nothing waits for a database, so threads would only wait for each other.
    arguments += ["--no-introspect", "--no-populate-cache", "--no-write-json", "--threads", "1"]
    done = dbtRunner(manifest=manifest).invoke([*arguments, *silent])
    if not done.success:
        raise RuntimeError(str(done.exception))
    compiled = {result.node.unique_id: str(result.node.compiled_code) for result in done.result}
    aside = out.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(kept_of(manifest.to_dict(omit_none=False), compiled, folder)), "utf-8")
    aside.replace(out)


def kept_of(manifest: Mapping[str, Any], compiled: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """What `Project` needs of dbt's manifest (as a mapping) and of each model's compiled SQL, in plain types."""
    nodes: Mapping[str, Any] = manifest["nodes"]
    chosen = [
        nodes[uid]
        for uid in _parents_first(nodes)
        if nodes[uid]["resource_type"] == "model" and uid in compiled
    ]
    models = [
        asdict(_model(node, compiled[node["unique_id"]], manifest.get("macros", {}))) for node in chosen
    ]
    kpis = {str(each["id"]): _digest(each) for node in chosen for each in _kpis(node)}
    others = {
        f"{each['schema']}.{each.get('identifier') or each['name']}": sorted(
            {*each["columns"], *(META if each["schema"] == "raw" else ())}
        )
        for each in manifest["sources"].values()
    }
    seeds = {}
    for node in nodes.values():
        if node["resource_type"] == "seed":
            table = f"{node['schema']}.{node.get('alias') or node['name']}"
            text = (folder / node["original_file_path"]).read_text("utf-8")
            others[table] = next(csv.reader(io.StringIO(text)))
            seeds[table] = _digest(text)
    exposures = []
    for each in manifest["exposures"].values():
        meta = _meta(each)
        if meta.get("export"):
            columns, formats, places = (
                tuple(meta.get(key, ())) for key in ("columns", "formats", "destinations")
            )
            exposures.append(asdict(Exposure(each["name"], meta["table"], columns, formats, places)))
    return {"models": models, "others": others, "exposures": exposures, "kpis": kpis, "seeds": seeds}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _meta(node: Mapping[str, Any]) -> dict[str, Any]:
    return {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}


def _kpis(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    meta = _meta(node)
    return [each for each in (meta.get("kpi"), *(meta.get("kpis") or ())) if isinstance(each, Mapping)]


def _model(node: Mapping[str, Any], sql: str, macros: Mapping[str, Any]) -> Model:
    return Model(
        node["name"],
        node["schema"],
        node.get("alias") or node["name"],
        node["original_file_path"],
        sql,
        tuple(node["columns"]),
        node["config"]["materialized"] == "incremental",
        tuple(node["depends_on"]["nodes"]),
        tuple(sorted(str(each["id"]) for each in _kpis(node))),
        _digest([node["raw_code"], node["config"], _macros(node, macros)]),
    )


def _macros(node: Mapping[str, Any], macros: Mapping[str, Any]) -> dict[str, str]:
    """Text of the project's macros that a node calls, those that they call among them."""
    found: dict[str, str] = {}
    waiting = list(node["depends_on"].get("macros", []))
    while waiting:
        uid = waiting.pop()
        if uid in macros and uid not in found and not uid.startswith(("macro.dbt.", "macro.dbt_postgres.")):
            found[uid] = macros[uid]["macro_sql"]
            waiting += macros[uid]["depends_on"]["macros"]
    return found


def _parents_first(nodes: Mapping[str, Any]) -> list[str]:
    done: dict[str, None] = {}

    def visit(uid: str) -> None:
        if uid in done or uid not in nodes:
            return
        for parent in nodes[uid].get("depends_on", {}).get("nodes", []):
            visit(parent)
        done[uid] = None

    for uid in sorted(nodes):
        visit(uid)
    return list(done)


def main(arguments: Sequence[str]) -> int:
    """FOLDER TARGET OUT: compile the project in FOLDER."""
    folder, target, out = map(Path, arguments)
    if not target.exists() and (tree := KEPT / "tree" / "partial_parse.msgpack").exists():
        target.mkdir(parents=True)
        shutil.copy(tree, target)
    try:
        compile_project(folder, out)
    except RuntimeError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
