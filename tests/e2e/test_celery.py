"""docker-compose.yml without Docker: the same commands, environment and health checks as children of this test.

Debian's PostgreSQL 15 and Redis stand for the two images; service names become ports of 127.0.0.1. All else is read
from the file, so that what is tested is what would be started.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from cityperf import stack
from cityperf.config import ROOT, Settings

from tests.e2e.conftest import OwnServer, alone

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PARTS = ("portal", "api-server", "scheduler", "dag-processor", "triggerer", "worker")
SECRETS = {"POSTGRES_PASSWORD": "only-for-this-test-too", "REDIS_PASSWORD": "nor-this-one"}
NIGHT, DATASET = "2026-11-20", "dashboard_measures"


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_for(what: Callable[[], Any], told: Callable[[], str], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.3)
    return found


@dataclass
class Compose:
    """The services of the file as processes of this machine."""

    folder: Path
    ports: dict[str, int]  # "redis:6379" → where that is here
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """Variables filled in as docker-compose does, and names of services as addresses of this machine."""
        text = re.sub(
            r"\$\{(\w+)(?::([-?])([^}]*))?\}",
            lambda found: SECRETS.get(found[1]) or (found[3] if found[2] == "-" else ""),
            text,
        ).replace("$$", "$")
        for place, port in self.ports.items():
            name, inside = place.split(":")
            text = re.sub(rf"\b({name}|localhost|127\.0\.0\.1):{inside}\b", f"127.0.0.1:{port}", text)
            text = str(port) if text == inside else text
        return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  (taken away, not bound)

    def environment(self, name: str) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("HOME", "LANG", "USER") if key in os.environ}
        given = {key: self.here(str(value)) for key, value in SERVICES[name]["environment"].items()}
        image = {  # what the Dockerfile sets, with this tree for /opt/cityperf
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "include"),
            "CITYPERF_HOME": str(self.folder / "home"),
            "HOSTNAME": socket.gethostname(),
        }
        # Few sources: each is a DAG, which every part reads again and again; none but DATASET runs here.
        few = {"CITYPERF_SCALE": "0.03", "CITYPERF_SCHEDULE": "off", "CITYPERF_SOURCES": "dashboard_*"}
        return kept | image | given | few

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        entry = [sys.executable, "-m", "cityperf.cli"] if "build" in SERVICES[name] else []
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*entry, *(self.here(word) for word in SERVICES[name]["command"]), *more],
                env=self.environment(name), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.running[name] = process
        return process

    def check(self, name: str) -> subprocess.Popen[bytes]:
        """The service's health check, begun."""
        kind, *words = [self.here(word) for word in SERVICES[name]["healthcheck"]["test"]]
        if name == "redis":  # its own command finds the port of the image by default
            words = [words[0].replace("redis-cli", f"redis-cli -p {self.ports['redis:6379']}")]
        with (self.folder / f"{name}-health.log").open("wb") as log:
            return subprocess.Popen(
                words if kind == "CMD" else ["sh", "-c", *words],
                env=self.environment(name), cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def healthy(self, name: str) -> bool:
        return self.check(name).wait(60) == 0

    def last_words(self) -> str:
        logs = [*self.folder.glob("*.log"), *(self.folder / "home/sample/logs").glob("*.log")]
        return "\n".join(f"== {path.name}\n{stack.tail(path, 12)}" for path in sorted(logs))

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        deadline = time.monotonic() + 10
        for process in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            with suppress(ProcessLookupError):  # what is left of its session, which is ours alone
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def compose(server: OwnServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compose]:
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed (Debian's package redis-server)")
    with psycopg.connect(server.url, autocommit=True) as owner:  # what the image does with POSTGRES_USER
        password = SECRETS["POSTGRES_PASSWORD"]
        owner.execute(f"create role cityperf superuser login password '{password}'".encode())
    redis, portal, airflow = free_ports(3)
    ports = {
        "postgres:5432": server.port,
        "redis:6379": redis,
        "portal:8500": portal,
        "api-server:8080": airflow,
    }
    alone()
    made = Compose(tmp_path, ports)
    monkeypatch.setenv("CITYPERF_AIRFLOW_URL", f"http://127.0.0.1:{airflow}")  # for this test's own client
    try:
        made.start("redis", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path))
        yield made
    finally:
        made.stop()


@pytest.mark.fault
def test_a_source_is_fetched_and_loaded_by_a_celery_worker_and_a_killed_one_is_made_up_for(
    compose: Compose,
) -> None:
    wait_for(lambda: compose.healthy("redis"), compose.last_words, 10)
    assert compose.start("setup").wait(180) == 0, compose.last_words()
    for name in PARTS:
        compose.start(name)
    again = compose.start("setup")  # as `docker compose up` on a running system does

    settings = Settings(
        profile="sample",
        home=compose.folder / "home",
        database_url=compose.environment("setup")["CITYPERF_DATABASE_URL"],
    )
    api = stack.AirflowApi(settings, patience=60)
    wait_for(lambda: compose.healthy("api-server"), compose.last_words)
    pools = {pool["name"]: pool["slots"] for pool in api.get("/pools")["pools"]}
    assert stack.POOLS.items() >= {(name, (pools[name], text)) for name, (_, text) in stack.POOLS.items()}
    night_opened = wait_for(
        lambda: api.get("/assets", uri_pattern="cityperf://night/opened")["assets"], compose.last_words
    )[0]
    wait_for(lambda: api.get(f"/dags/source__{DATASET}", ok=(200, 404)).get("dag_id"), compose.last_words)
    api.patch("/dags", {"is_paused": True}, dag_id_pattern="source__%")
    api.patch(f"/dags/source__{DATASET}", {"is_paused": False})
    api.post("/assets/events", {"asset_id": night_opened["id"], "extra": {"night": NIGHT}})

    def ended() -> Any:
        runs = api.get(f"/dags/source__{DATASET}/dagRuns")["dag_runs"]
        return runs and runs[0]["state"] in ("success", "failed") and runs[0]

    run = wait_for(ended, compose.last_words)
    assert run["state"] == "success", compose.last_words()
    with psycopg.connect(settings.dsn("loader")) as loader:
        loaded = loader.execute(
            "select state, rows_in > 0 from ops.source_night where night = %s and dataset = %s",
            (NIGHT, DATASET),
        ).fetchall()
    assert loaded == [("loaded", True)]
    event = api.get("/assets/events", source_dag_id=f"source__{DATASET}")["asset_events"][0]["extra"]
    assert event["night"] == NIGHT and event["loaded"] == event["rows_in"] > 0
    assert [len(sha256) for sha256 in event["files"].values()] == [64]
    links = api.get(f"/dags/source__{DATASET}/dagRuns/{run['dag_run_id']}/taskInstances/extract/links")
    assert links["extra_links"] == {"Data and checks": f"/warehouse/checks/landing.{DATASET}"}
    tasks = api.get(f"/dags/source__{DATASET}/dagRuns/~/taskInstances")["task_instances"]

    def by_celery() -> dict[str, int]:
        with psycopg.connect(settings.dsn("airflow", settings.airflow_db)) as airflow:
            return dict(airflow.execute("select status, count(*) from celery_taskmeta group by 1").fetchall())

    # The worker says so a moment after the task itself has told Airflow. A try that failed was made up for.
    wait_for(
        lambda: by_celery().get("SUCCESS") == len(tasks), lambda: f"{by_celery()}\n{compose.last_words()}", 20
    )
    # Any part finds the log of a task in the shared folder, whichever worker wrote it.
    done = next(task["try_number"] for task in tasks if task["task_id"] == "extract")
    log = api.get(f"/dags/source__{DATASET}/dagRuns/{run['dag_run_id']}/taskInstances/extract/logs/{done}")
    assert any("extract" in str(line) for line in log["content"])

    assert again.wait(180) == 0, compose.last_words()
    checks = {name: compose.check(name) for name in PARTS}
    assert {name: check.wait(180) for name, check in checks.items()} == dict.fromkeys(PARTS, 0), (
        compose.last_words()
    )
    assert all(compose.running[name].poll() is None for name in PARTS), compose.last_words()
    _kill_the_worker_in_the_middle(compose, api, settings, night_opened["id"])


def _kill_the_worker_in_the_middle(
    compose: Compose, api: stack.AirflowApi, settings: Settings, opened: int
) -> None:
    """Fault 6: what it was at is taken up again within the heartbeat, by another worker, and nothing differs."""
    night = "2026-11-21"
    api.post("/assets/events", {"asset_id": opened, "extra": {"night": night}})

    def run() -> Any:
        runs = api.get(f"/dags/source__{DATASET}/dagRuns", order_by="-run_after")["dag_runs"]
        return runs[0] if len(runs) == 2 else None

    def tasks() -> list[dict[str, Any]]:
        path = f"/dags/source__{DATASET}/dagRuns/{run()['dag_run_id']}/taskInstances"
        return list(api.get(path)["task_instances"])

    wait_for(run, compose.last_words)
    victim = wait_for(lambda: [t for t in tasks() if t["state"] == "running"], compose.last_words)[0]
    os.killpg(compose.running["worker"].pid, signal.SIGKILL)
    compose.running["worker"].wait()
    compose.start("worker")
    ended = wait_for(
        lambda: (found := run()) and found["state"] in ("success", "failed") and found,
        compose.last_words,
        420,
    )
    assert ended["state"] == "success", compose.last_words()
    tried = {t["task_id"]: t["try_number"] for t in tasks()}
    assert tried[victim["task_id"]] > 1, tried
    with psycopg.connect(settings.dsn("loader")) as loader:
        nights = loader.execute(
            "select night::text, state in ('loaded', 'unchanged') from ops.source_night where dataset = %s order by 1",
            (DATASET,),
        ).fetchall()
        batches = loader.execute(
            "select count(*), count(*) filter (where state = 'loading') from ops.batch where dataset = %s and night = %s",
            (DATASET, night),
        ).fetchall()
    assert nights == [(NIGHT, True), (night, True)]
    assert batches[0][0] <= 1 and batches[0][1] == 0, (
        "loaded once or not at all, and nothing is left half done"
    )
