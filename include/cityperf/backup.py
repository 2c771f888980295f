"""Backups: one folder each, whole or not there, that a restore and a drill are made from (decision 0029).

A backup has the warehouse and Airflow's metadata as dumps of one snapshot each, and the files that no database has:
landing, releases, and the sealed backups of raw's rows. `manifest.json` is written last, with the SHA-256 of every file
and a hash of every table's rows as that snapshot saw them. Files that the backup before had are hard links to it.

No key and no password is in a backup: only the ids of the landing keys that its sealed files need.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout
from psycopg import sql

from cityperf import postgres, sealing
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError

MANIFEST: Final = "manifest.json"
PARTIAL: Final = ".partial-"
FORMAT: Final = 1
FOLDERS: Final = ("landing", "releases", "backup")  # below the profile's own folder
UNHASHED: Final = ("pg_catalog", "information_schema", "pg_toast")
SPARE: Final = 256 << 20  # bytes that must stay free beside a backup
RESTORING: Final = "restore.partial"  # in the profile's folder while a restore is under way
RUNBOOK: Final = "docs/runbooks/backup.md"


class BackupError(CityperfError):
    """A backup cannot be made, is not whole, or is not what it was."""


@dataclass(frozen=True)
class Entry:
    """A file of a backup: its SHA-256 (hex), bytes, and time of its last change in nanoseconds."""

    sha256: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Manifest:
    """What a backup has. `tables`: 'schema.table' → rows and their hash; `keys`: ids of the landing keys it needs."""

    format: int
    profile: str
    made_at: str
    made_on: str
    warehouse_db: str
    airflow_db: str
    postgres: int
    migrations: int
    keys: list[str]
    files: dict[str, Entry] = field(repr=False)
    tables: dict[str, tuple[int, str]] = field(repr=False)


@dataclass(frozen=True)
class Made:
    """A whole backup. `new_files` and `new_bytes` are those that the one before had not."""

    folder: Path
    files: int
    bytes: int
    new_files: int
    new_bytes: int
    tables: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Drill:
    """What a drill found: whether everything that came back equals what was saved."""

    backup: str
    is_equal: bool
    tables: int
    files: int
    seconds: float
    found: str


def default_folder(settings: Settings) -> Path:
    """Where backups are kept unless told otherwise; another disk is better."""
    return settings.home / "backups" / settings.profile


# -- making --------------------------------------------------------------------------------------------------
def make(settings: Settings, kept_in: Path, on: date) -> Made:
    """Write a backup of the profile into a new folder below `kept_in`; needs PostgreSQL up, and no stop of the stack.

    Raises BackupError when another one is being made there, the disk has too little room, or pg_dump fails; nothing
    that looks like a backup is left then.
    """
    started = time.monotonic()
    kept_in.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(kept_in / ".lock", timeout=0):
            _refuse_if_full(kept_in)
            for left in kept_in.glob(PARTIAL + "*"):  # of a run that was killed
                shutil.rmtree(left)
            before = latest(kept_in, settings.profile)
            partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=kept_in))  # for its owner only
            try:
                made = _make(settings, partial, before, on, started)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
    except Timeout:
        raise BackupError(
            f"expected to be the only one that makes a backup in {kept_in}, found another at work; wait for it"
        ) from None
    with connect(settings, "loader", autocommit=True) as db:
        db.execute(
            "insert into ops.backup (name, kept_in, made_on, made_at, files, bytes, new_files, new_bytes, table_rows, "
            "seconds) values (%s, %s, %s, now(), %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                made.folder.name, str(kept_in), on, made.files, made.bytes, made.new_files, made.new_bytes, made.rows,
                round(made.seconds, 1),
            ),
        )  # fmt: skip
    return made


def _make(settings: Settings, partial: Path, before: Path | None, on: date, started: float) -> Made:
    known = read(before).files if before else {}
    copier = _Copier(settings.base, partial, before, known)
    # Twice: what retention deletes while the dump is made is there already, and what lands meanwhile comes after it.
    copier.copy_all()
    tables = _dump_warehouse(settings, partial)
    _dump(settings, settings.airflow_db, partial / "airflow.dump")
    copier.copy_all()
    entries = dict(copier.entries)
    for name in ("warehouse.dump", "airflow.dump"):
        entries[name] = _entry(partial / name)
    now = datetime.now(UTC)
    manifest = Manifest(
        FORMAT,
        settings.profile,
        now.isoformat(timespec="seconds"),
        on.isoformat(),
        settings.warehouse_db,
        settings.airflow_db,
        postgres.major_version(postgres.find_pg_bin()),
        max(each.number for each in postgres.read_migrations()),
        sorted({sealing.key_of(partial / name) for name in entries if name.endswith(".sealed")}),
        entries,
        tables,
    )
    _write_manifest(partial, manifest)
    final = partial.with_name(f"{now:%Y%m%dT%H%M%SZ}")
    while final.exists():  # two within a second
        final = final.with_name(final.name + "-again")
    partial.rename(final)
    _sync_folder(final.parent)
    return Made(
        final,
        len(entries),
        sum(each.bytes for each in entries.values()),
        copier.new_files + 2,
        copier.new_bytes + sum(entries[name].bytes for name in ("warehouse.dump", "airflow.dump")),
        len(tables),
        sum(rows for rows, _ in tables.values()),
        time.monotonic() - started,
    )


class _Copier:
    """Files of the profile into the backup: a hard link where the backup before has the same one, else a copy."""

    def __init__(self, base: Path, target: Path, before: Path | None, known: dict[str, Entry]) -> None:
        self.base, self.target, self.before, self.known = base, target, before, known
        self.entries: dict[str, Entry] = {}
        self.new_files = self.new_bytes = 0

    def copy_all(self) -> None:
        for path in _files(self.base, FOLDERS):
            name = path.relative_to(self.base).as_posix()
            if name not in self.entries:
                with contextlib.suppress(FileNotFoundError):  # swept or expired under our eyes
                    self.entries[name] = self._take(path, name)

    def _take(self, path: Path, name: str) -> Entry:
        target, state = self.target / name, path.stat()
        target.parent.mkdir(parents=True, exist_ok=True)
        same = self.known.get(name)
        if self.before and same and (same.bytes, same.mtime_ns) == (state.st_size, state.st_mtime_ns):
            with contextlib.suppress(OSError):  # too many links, or the backup before was damaged
                os.link(self.before / name, target)
                return same
        with path.open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))
        target.chmod(0o400)
        self.new_files += 1
        self.new_bytes += state.st_size
        return _entry(target)


def _files(base: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    """Finished files: the names of those that still arrive, and of half-made releases, begin with a point."""
    for folder in folders:
        for path in sorted((base / folder).rglob("*")):
            made = not any(part.startswith(".") for part in path.relative_to(base).parts)
            if made and path.is_file() and not path.is_symlink():
                yield path


def _entry(path: Path) -> Entry:
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    state = path.stat()
    return Entry(digest, state.st_size, state.st_mtime_ns)


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    """The manifest and, beside it, its own SHA-256: both flushed before the folder gets its name."""
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    for name, content in (
        (MANIFEST, text),
        (MANIFEST + ".sha256", hashlib.sha256(text).hexdigest().encode()),
    ):
        with (folder / name).open("xb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    from cityperf.publish.exports import sync_folder

    sync_folder(folder)


def _refuse_if_full(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < SPARE:
        raise BackupError(
            f"expected at least {SPARE >> 20} MB free for a backup, found {free >> 20} MB at {folder}; free space, or "
            "name a folder on another disk"
        )


# -- the databases -------------------------------------------------------------------------------------------
def _dump_warehouse(settings: Settings, folder: Path) -> dict[str, tuple[int, str]]:
    """Dump the warehouse and hash its rows, both in one snapshot."""
    with connect(settings, "admin") as db:
        db.execute("set transaction isolation level repeatable read, read only")
        row = db.execute("select pg_export_snapshot()").fetchone()
        snapshot = str(row[0]) if row else ""
        _dump(settings, settings.warehouse_db, folder / "warehouse.dump", f"--snapshot={snapshot}")
        return table_hashes(db)


def table_hashes(db: Any) -> dict[str, tuple[int, str]]:
    """Rows, and a hash of them that does not depend on their order, of every table (each partition by itself)."""
    # What a row looks like as text must not depend on the server.
    db.execute(
        "select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO, YMD', true), "
        "set_config('intervalstyle', 'postgres', true), set_config('extra_float_digits', '1', true)"
    )
    names = db.execute(
        "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace "
        "where c.relkind = 'r' and c.relpersistence = 'p' and not n.nspname = any(%s) order by 1, 2",
        (list(UNHASHED),),
    ).fetchall()
    found = {}
    for schema, name in names:
        rows, total = db.execute(
            sql.SQL(
                "select count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from {} as t"
            ).format(sql.Identifier(schema, name))
        ).fetchone()
        found[f"{schema}.{name}"] = (int(rows), str(total))
    return found


def _dump(settings: Settings, database: str, target: Path, *options: str) -> None:
    _run(settings, "pg_dump", database, "--format=custom", "--compress=gzip:3", *options, f"--file={target}")
    target.chmod(0o400)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())


def _run(settings: Settings, tool: str, database: str, *options: str) -> None:
    """One of PostgreSQL's own tools as the server's owner; the password goes by its environment, not its arguments."""
    pg_bin = postgres.find_pg_bin()
    path = pg_bin / tool
    if not path.exists():
        raise BackupError(
            f"expected {tool} beside the server in {pg_bin}, found none; name a folder that has it with CITYPERF_PG_BIN"
        )
    parts = urlsplit(settings.dsn("admin", database))
    env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    env |= {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": database,
        "LC_ALL": "C",
    }
    done = subprocess.run([path, *options], env=env, capture_output=True, text=True)
    if done.returncode:
        raise BackupError(
            f"expected {tool} of {database} to end well, found: {done.stderr.strip()[-1500:]}; see {RUNBOOK}"
        )


# -- looking -------------------------------------------------------------------------------------------------
def backups(kept_in: Path, profile: str | None = None) -> list[Path]:
    """Whole backups below a folder, the oldest first."""
    whole = [path.parent for path in kept_in.glob(f"[0-9]*/{MANIFEST}")]
    return sorted(path for path in whole if profile is None or read(path).profile == profile)


def latest(kept_in: Path, profile: str) -> Path | None:
    return next(reversed(backups(kept_in, profile)), None)


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises BackupError where there is none, or it is not as it was written."""
    try:
        text = (folder / MANIFEST).read_bytes()
        said = (folder / (MANIFEST + ".sha256")).read_text().strip()
    except FileNotFoundError:
        raise BackupError(
            f"expected a whole backup at {folder}, found no {MANIFEST}; ./cityperf backup list shows those there are"
        ) from None
    if hashlib.sha256(text).hexdigest() != said:
        raise BackupError(
            f"expected {folder / MANIFEST} as it was written, found it changed; take another backup"
        )
    content = json.loads(text)
    if content["format"] != FORMAT:
        raise BackupError(
            f"expected a backup of format {FORMAT}, found {content['format']} at {folder}; use the release it is of"
        )
    content["files"] = {name: Entry(**each) for name, each in content["files"].items()}
    content["tables"] = {name: (each[0], each[1]) for name, each in content["tables"].items()}
    return Manifest(**content)


def verify(folder: Path) -> Manifest:
    """The manifest, once every file was found to be what it says. Raises BackupError with the first that are not."""
    manifest = read(folder)
    wrong = [
        name
        for name, entry in manifest.files.items()
        if not (folder / name).is_file() or _entry(folder / name).sha256 != entry.sha256
    ]
    if wrong:
        raise BackupError(
            f"expected {len(manifest.files):,} files at {folder} as they were saved, found {len(wrong)} lost or "
            f"changed: {', '.join(wrong[:5])}; use another backup"
        )
    return manifest


# -- the way back --------------------------------------------------------------------------------------------
def restore(settings: Settings, folder: Path, *, metadata_only: bool = False) -> Manifest:
    """Bring a backup back into a profile that has nothing yet; leaves PostgreSQL running. Killed, it can be repeated.

    `metadata_only`: Airflow's database alone, in the place of the one there is. Raises BackupError before anything is
    touched when a file is not what it was, a landing key is lacking, the profile is another, or has data.
    """
    manifest = verify(folder)
    if manifest.profile != settings.profile:
        raise BackupError(
            f"expected a backup of profile {settings.profile}, found one of {manifest.profile}; "
            f"./cityperf --profile {manifest.profile} restore …"
        )
    if metadata_only:
        postgres.start(settings)
        _restore_database(settings, folder / "airflow.dump", settings.airflow_db, "airflow")
        postgres.ensure(settings)  # rights of the database
        return manifest
    lacking = sorted(set(manifest.keys) - set(sealing.keys_of(settings).by_id)) if manifest.keys else []
    if lacking:
        raise BackupError(
            f"expected the landing keys {', '.join(manifest.keys)}, {', '.join(lacking)} is lacking; bring "
            f"{settings.home / 'secrets.json'} back first, or set {sealing.VARIABLE}: {sealing.RUNBOOK}"
        )
    _restore(settings, folder, manifest)
    return manifest


def _restore(settings: Settings, folder: Path, manifest: Manifest) -> None:
    mark = settings.base / RESTORING
    if not mark.exists():
        _refuse_if_used(settings)
        settings.base.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(folder))
    for name in manifest.files:
        if name.endswith(".dump") and "/" not in name:
            continue
        target = settings.base / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(folder / name, target)  # a copy: the backup must not change with it
        target.chmod(0o444)
    postgres.start(settings)
    _restore_database(settings, folder / "warehouse.dump", settings.warehouse_db, None)
    _restore_database(settings, folder / "airflow.dump", settings.airflow_db, "airflow")
    wrong = differences(settings, manifest)
    if wrong:
        raise BackupError(
            f"expected every table as it was saved, found {'; '.join(wrong[:5])}; see {RUNBOOK}"
        )
    postgres.ensure(settings)  # rights of the databases, and migrations that are newer than the backup
    _link_current(settings)
    mark.unlink()


def _link_current(settings: Settings) -> None:
    """`releases/current` is a link, which is not saved: it follows from what is up."""
    from cityperf.publish.exports import link_current
    from cityperf.publish.ledger import current

    with connect(settings, "publisher") as db:
        up = current(db)
    if up and (settings.releases / str(up.number)).is_dir():
        link_current(settings, up.number)


def _refuse_if_used(settings: Settings) -> None:
    files = next(_files(settings.base, FOLDERS), None)
    if files is None and postgres.data_major(settings) is None and not settings.database_url:
        return
    postgres.start(settings)
    with connect(settings, "admin") as db:
        row = db.execute(
            "select exists (select from ops.landed_file) or exists (select from ops.release)"
        ).fetchone()
    if files is not None or (row and row[0]):
        raise BackupError(
            f"expected an empty profile {settings.profile}, found data in {settings.base}; stop it (./cityperf down), "
            "move that folder aside (with an external server: drop its databases), then restore again"
        )


def _restore_database(settings: Settings, dump: Path, database: str, owner: str | None) -> None:
    """The database anew from its dump: what it had is gone."""
    postgres.recreate_database(settings, database, owner)
    _run(settings, "pg_restore", database, f"--dbname={database}", "--exit-on-error", str(dump))


def differences(settings: Settings, manifest: Manifest) -> list[str]:
    """Tables whose rows are not those that the backup saw; empty if all are."""
    with connect(settings, "admin") as db:
        found = table_hashes(db)
    return [
        f"{name}: expected {manifest.tables.get(name, (0, 'none'))[0]:,} rows, found {found.get(name, (0, 'none'))[0]:,}"
        for name in sorted(manifest.tables.keys() | found.keys())
        if manifest.tables.get(name) != found.get(name)
    ]


# -- the drill -----------------------------------------------------------------------------------------------
def drill(settings: Settings, folder: Path, on: date, tell: Callable[[str], None] = lambda _: None) -> Drill:
    """Restore a backup into a home of its own with a server of its own, compare everything, write down what was found.

    The home is removed afterwards. What is running is not touched.
    """
    started = time.monotonic()
    settings.home.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="drill-", dir=settings.home))
    home.chmod(0o755)  # a server that dropped root must pass
    elsewhere = Settings(profile=settings.profile, home=home)
    files = tables = 0
    try:
        manifest = verify(folder)
        tell(f"{len(manifest.files):,} files are what they were")
        _restore(elsewhere, folder, manifest)
        tables = len(manifest.tables)
        tell(f"{tables} tables came back with the same rows")
        names = [name for name in manifest.files if "/" in name]
        wrong = [n for n in names if _entry(elsewhere.base / n).sha256 != manifest.files[n].sha256]
        files = len(names)
        found = f"{len(wrong)} files differ: {', '.join(wrong[:5])}" if wrong else "everything is equal"
        equal = not wrong
    except CityperfError as problem:
        found, equal = str(problem), False
    finally:
        postgres.stop(elsewhere)
        shutil.rmtree(home, ignore_errors=True)
    result = Drill(folder.name, equal, tables, files, time.monotonic() - started, found)
    with connect(settings, "loader", autocommit=True) as db:
        db.execute(
            "insert into ops.backup_drill (name, drilled_on, is_equal, tables, files, seconds, found) "
            "values (%s, %s, %s, %s, %s, %s, %s)",
            (folder.name, on, equal, tables, files, round(result.seconds, 1), found[:4000]),
        )
    return result
