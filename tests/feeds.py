"""The sample's feeds without Airflow and dbt: visited over HTTP in this process, loaded through the landing gate."""

from __future__ import annotations

import argparse
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import uvicorn
from cityperf import landing, load, postgres
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import FileQuarantined
from cityperf.extract import extract
from cityperf.load import ensure_raw_tables, load_file
from cityperf.portal import deliver_drops
from cityperf.portal.app import application
from cityperf.portal.sample import SamplePortal
from cityperf.quality import CheckResult, gate_of_lot
from cityperf.sources import Contract, load_contracts

SCALE = 0.05
BEGINS = {
    "commitments": date(2023, 4, 21)
}  # first hand-in, where the sample's register begins within the years simulated


@dataclass
class Judged:
    """What the gate said of one file; `refused` holds the reason when the loader or the gate held the file."""

    name: str
    results: list[CheckResult] = field(default_factory=list)
    refused: str | None = None
    rows_held: int = 0
    notes: str = ""

    @property
    def alarms(self) -> list[CheckResult]:
        return [each for each in self.results if each.status != "pass"]


@dataclass
class Feeds:
    """A running sample portal, the warehouse, and one Great Expectations source for all gates."""

    settings: Settings
    gate: Any

    def visit(self, dataset: str, night: date) -> list[tuple[int, str]]:
        """Files that are new on that night, landed and not loaded: (file_id, name)."""
        contract = load_contracts()[dataset]
        if folder := contract.extract.arguments.get("folder"):
            deliver_drops(self.settings, night, {folder: dataset})
        return [(f["file_id"], f["name"]) for f in extract(self.settings, night, contract, patience=60)]

    def load(self, dataset: str, night: date) -> list[Judged]:
        """One night of a data set, as the night's tasks would load it."""
        contract = load_contracts()[dataset]
        return [self.take(contract, night, file_id, name) for file_id, name in self.visit(dataset, night)]

    def take(self, contract: Contract, night: date, file_id: int, name: str, *, keep: bool = True) -> Judged:
        """Load one landed file through the gate; without `keep` nothing of it becomes visible whatever the gate says."""
        judged = Judged(name)

        def gate(*arguments: Any) -> list[Any]:
            judged.results = self.gate(*arguments)
            return judged.results

        def finish(
            db: Any, batch: Any, reader: Any, arrived: Any, rows_in: int, held: list[Any], *rest: Any
        ) -> Any:
            judged.rows_held, judged.notes = len(held), "; ".join([*reader.notes, *map(str, reader.new)])
            raise _LookedAt

        try:
            with nullcontext() if keep else mock.patch.object(load, "_finish", finish):
                result = load_file(self.settings, night, contract, file_id, gate=gate)
                judged.rows_held, judged.notes = result.quarantined, result.message or ""
        except FileQuarantined as problem:
            judged.refused = str(problem)
        except _LookedAt:
            pass
        return judged

    def content(self, file_id: int) -> bytes:
        with (
            connect(self.settings, "loader", autocommit=True) as db,
            landing.opened(self.settings, db, file_id) as path,
        ):
            return path.read_bytes()

    def land(
        self, contract: Contract, night: date, name: str, content: bytes, like: int | None = None
    ) -> int:
        """Put bytes into landing under a name, with what the source said of the file `like`; returns the file_id."""
        with (
            connect(self.settings, "loader", autocommit=True) as db,
            landing.incoming(self.settings) as arriving,
        ):
            arriving.write(content)
            stored = landing.keep(self.settings, arriving)
            meta: dict[str, Any] = {}
            if like is not None:
                row = db.execute(
                    "select source_meta from ops.landed_file where file_id = %s", (like,)
                ).fetchone()
                meta = dict(row[0]) if row else {}
            return landing.register(
                self.settings,
                db,
                night,
                contract.dataset,
                name,
                stored,
                url="https://example.org/f",
                source_meta=meta,
            )


class _LookedAt(Exception):
    """Ends a load before its rows become visible."""


@contextmanager
def feeds(settings: Settings, datasets: Sequence[str], scale: float = SCALE) -> Iterator[Feeds]:
    """The portal on a free port of loopback, tables for the data sets, and the gate."""
    portal_home = settings.home / "portal"
    portal_home.mkdir(parents=True, exist_ok=True)
    portal = SamplePortal(Settings(profile="sample", home=portal_home, scale=scale))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = application(portal, Path(portal_home / "faults.json"), "sample")
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_config=None, log_level="critical", lifespan="off"
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    contracts = load_contracts()
    ensure_raw_tables(settings, {name: contracts[name] for name in datasets})
    try:
        with pytest.MonkeyPatch.context() as patch, gate_of_lot(settings) as gate:
            patch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
            yield Feeds(settings, gate)
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def nights_asked(told: str, every: int) -> argparse.ArgumentParser:
    """A bench's arguments with those that say which nights are simulated; see `nights_of`."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=float, default=5)
    parser.add_argument(
        "--every", type=int, default=every, help="nights from one that is looked at to the next"
    )
    parser.add_argument("--since", type=date.fromisoformat, default=date(2021, 11, 8))
    return parser


def nights_of(asked: argparse.Namespace) -> list[date]:
    return [asked.since + timedelta(days=n) for n in range(0, int(365.25 * asked.years) + 1, asked.every)]


@contextmanager
def own_warehouse() -> Iterator[Settings]:
    """An empty warehouse of the sample's on a server of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=Path(folder))
        postgres.start(settings)
        try:
            yield settings
        finally:
            postgres.stop(settings)


@dataclass
class Seen:
    """What many nights came to; an alarm is in words."""

    gates: int = 0
    checks: int = 0
    alarms: list[str] = field(default_factory=list)


def simulate(
    running: Feeds,
    datasets: Sequence[str],
    nights: Sequence[date],
    tell: Callable[[str], None] = lambda _: None,
) -> Seen:
    """Visit and load all nights; alarms of a data set's first, which brings its history, do not count.

    `tell` gets each alarm as it is found, and a line after each night.
    """
    seen = Seen()
    last: dict[str, date] = {}
    begun: dict[str, date] = {}
    for night in nights:
        for dataset in datasets:
            if night < BEGINS.get(dataset, night):
                continue
            first = begun.setdefault(dataset, night)
            for judged in running.load(dataset, night):
                last[dataset] = night
                seen.gates += 1
                seen.checks += len(judged.results)
                if night == first:
                    continue
                told = [f"{a.check}: {a.found}" for a in judged.alarms]
                told += [f"refused: {judged.refused}"] if judged.refused else []
                told += [f"{judged.rows_held} rows held"] if judged.rows_held else []
                found = [f"{night} {dataset} {judged.name} {each}" for each in told]
                seen.alarms += found
                for each in found:
                    tell(each)
            limit = load_contracts()[dataset].schedule.warn_after
            if dataset in last and night - last[dataset] > limit:
                seen.alarms.append(f"{night} {dataset} not fresh: last on {last[dataset]}")
                tell(seen.alarms[-1])
        tell(f"-- {night}: {seen.gates:,} gates so far, {len(seen.alarms)} alarms")
    return seen
