"""What a division runs: databases on the session's PostgreSQL and on Debian's MariaDB; and the live profile."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
from cityperf.config import Profile, Settings

PASSWORD = "s3cret/p@ss:wörd"
ENCODED = "s3cret%2Fp%40ss%3Aw%C3%B6rd"
VARIABLE = "CITYPERF_CONNECTION_DIVISION"


@dataclass(frozen=True)
class Live(Settings):
    """The live profile on the sample's warehouse: only live looks whether a file is still being written."""

    profile: Profile = "live"

    @property
    def warehouse_db(self) -> str:
        return "warehouse_sample"

    @property
    def run(self) -> Path:
        return self.home / "sample" / "run"


@dataclass(frozen=True)
class Replay(Live):
    """The replay profile on the sample's warehouse."""

    profile: Profile = "replay"


@dataclass(frozen=True)
class Division:
    """A server with a database `division`. `run` works as its owner; user `reader` may only read."""

    kind: str
    address: str
    owner: dict[str, Any]

    @property
    def url(self) -> str:
        return f"{self.kind}://reader:{ENCODED}@{self.address}/division"

    @contextmanager
    def connect(self) -> Iterator[Any]:
        if self.kind == "postgresql":
            with psycopg.connect(**self.owner) as db:
                yield db
        else:
            db = pymysql.connect(**self.owner)
            try:
                yield db
                db.commit()
            finally:
                db.close()

    def run(self, *statements: str, rows: Sequence[Sequence[Any]] | None = None) -> None:
        """Statements in one transaction; with `rows`, the last one once for each."""
        with self.connect() as db, db.cursor() as cursor:
            for statement in statements[:-1] if rows is not None else statements:
                cursor.execute(statement)
            if rows is not None:
                cursor.executemany(statements[-1], rows)


@contextmanager
def on_postgresql(settings: Settings) -> Iterator[Division]:
    """A database `division` on the warehouse's server, with a reader of its own."""
    owner = settings.dsn("admin", "division")
    parts = urlsplit(owner)
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as db:
        db.execute("create database division")
        db.execute(f"create role reader login password '{PASSWORD}'")
    try:
        with psycopg.connect(owner) as db:
            db.execute("alter default privileges grant select on tables to reader")
        address = f"{parts.hostname}:{parts.port}"
        yield Division("postgresql", address, {"conninfo": owner})
    finally:
        with psycopg.connect(settings.dsn("admin"), autocommit=True) as db:
            db.execute("drop database division with (force)")
            db.execute("drop role reader")


@contextmanager
def on_mariadb(folder: Path) -> Iterator[Division]:
    """Debian's MariaDB on a free port, as a child of this process; skips where it is not installed."""
    server = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    install = shutil.which("mariadb-install-db")
    if install is None or not Path(server).exists():
        pytest.skip("no MariaDB on this machine; install Debian's mariadb-server")
    user = ["--user=root"] if os.getuid() == 0 else []
    data = folder / "data"
    subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
         "--skip-test-db", *user],
        check=True, capture_output=True,
    )  # fmt: skip
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
             f"--socket={folder / 's'}", f"--pid-file={folder / 'pid'}", "--innodb-flush-log-at-trx-commit=0",
             "--innodb-buffer-pool-size=64M", *user],
            stdout=out, stderr=out,
        )  # fmt: skip
    owner = {"host": "127.0.0.1", "port": port, "user": "root", "charset": "utf8mb4"}
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                db = pymysql.connect(**owner)
                break
            except pymysql.err.OperationalError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        with db.cursor() as cursor:
            cursor.execute("create database division character set utf8mb4")
            for host in ("127.0.0.1", "localhost"):  # the server may know the address by its name
                cursor.execute("create user reader@%s identified by %s", (host, PASSWORD))
                cursor.execute("grant select on division.* to reader@%s", (host,))
        db.close()
        yield Division("mysql", f"127.0.0.1:{port}", owner | {"database": "division"})
    finally:
        process.kill()  # nothing in it is wanted any more
        process.wait(60)
