"""The whole stack for real: PostgreSQL and Airflow under our supervisor, and what happens when parts die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests
from cityperf import postgres, stack
from cityperf.config import Settings, new_fernet_key

DAG = '''
"""A DAG of the test: one task in each pool."""
from datetime import UTC, datetime, timedelta

from airflow.sdk import AsyncCallback, DeadlineAlert, dag, task
from cityperf_airflow import PublishedBy, not_published

@dag(schedule=None)
def tried():
    @task(pool="sources")
    def first():
        import sys
        return [name for name in ("great_expectations", "dbt.cli.main") if name in sys.modules]

    @task(pool="load")
    def each(name):
        import time
        from cityperf.config import Settings
        time.sleep(0.1)
        return f"{Settings.from_env().profile} {name}"

    each.expand(name=first())

@dag(schedule=None)
def slow():
    @task(pool="night")
    def sleeping():
        import time
        time.sleep(600)

    sleeping()

@dag(
    schedule="@daily",
    start_date=datetime.now(UTC) - timedelta(days=2),
    catchup=False,
    deadline=DeadlineAlert(PublishedBy("00:00"), timedelta(0), AsyncCallback(not_published), name="kept by nobody"),
)
def promised():
    @task(pool="night")
    def nothing():
        pass

    nothing()

tried()
slow()
promised()
'''


def wait_for(what: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


def part(settings: Settings, name: str) -> int:
    pid = {each["name"]: each["pid"] for each in stack.status(settings)["parts"]}[name]
    assert pid
    return int(pid)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack of the live profile (it needs no portal) with DAGs of the test's own."""
    folder = tmp_path_factory.mktemp("stack")
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(0o755)
    dags = folder / "dags"
    dags.mkdir()
    (dags / "tried.py").write_text(DAG)
    settings = Settings(profile="live", home=folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYPERF_DAGS_FOLDER", str(dags))
        try:
            stack.up(settings)
            yield settings
        finally:
            stack.down(settings)


def start_run(settings: Settings, dag: str) -> str:
    api = stack.api(settings)
    wait_for(lambda: "dag_id" in api.get(f"/dags/{dag}", ok=(200, 404)))
    made = api.post(f"/dags/{dag}/dagRuns", {"logical_date": datetime.now(UTC).isoformat()})
    return f"/dags/{dag}/dagRuns/{made['dag_run_id']}"


def test_every_part_is_healthy_and_told_with_its_memory(running: Settings) -> None:
    found = stack.status(running)
    assert found["state"] == "healthy"
    assert {each["name"] for each in found["parts"]} == {"postgres", *stack.AIRFLOW_PARTS}
    assert all(each["state"] == "healthy" and each["memory_mb"] > 0 for each in found["parts"])
    assert 300 < found["memory_mb"] < 2500
    assert running.secrets()["bi_reader"] not in str(found)


def test_up_on_a_running_stack_touches_nothing(running: Settings) -> None:
    before = {each["name"]: each["pid"] for each in stack.status(running)["parts"]}
    stack.up(running)
    assert {each["name"]: each["pid"] for each in stack.status(running)["parts"]} == before


def test_nothing_listens_beyond_loopback(running: Settings) -> None:
    supervisor = psutil.Process(stack.supervisor_pid(running))
    connections = []
    for process in [supervisor, *supervisor.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # a parser of DAGs may be gone in between; what listens stays
            connections += process.net_connections("inet")
    listening = {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_airflow_lets_nobody_in_without_the_password(running: Settings) -> None:
    url = stack.airflow_url(running)
    assert requests.get(f"{url}/api/v2/dags", timeout=30).status_code == 401
    wrong = {"username": "admin", "password": "admin"}
    assert requests.post(f"{url}/auth/token", json=wrong, timeout=30).status_code == 401
    assert "dags" in stack.api(running).get("/dags")


def test_a_dag_runs_to_success_with_the_settings_of_the_stack(running: Settings) -> None:
    api = stack.api(running)
    pools = {pool["name"]: pool["slots"] for pool in api.get("/pools")["pools"]}
    assert {name: slots for name, (slots, _) in stack.POOLS.items()}.items() <= pools.items()
    run = start_run(running, "tried")
    wait_for(lambda: api.get(run)["state"] in ("success", "failed"))
    tasks = api.get(f"{run}/taskInstances")["task_instances"]
    assert {(task["task_id"], task["state"]) for task in tasks} == {("first", "success"), ("each", "success")}
    returned = api.get(f"{run}/taskInstances/each/xcomEntries/return_value", map_index=1)["value"]
    assert returned == "live dbt.cli.main"  # loaded beforehand, and mapped over both names


def test_a_night_that_the_clock_started_and_that_is_late_is_looked_at(running: Settings) -> None:
    """Airflow itself finds that the promised time has come; what it calls writes digests like the dead man's switch."""
    api = stack.api(running)
    runs = wait_for(lambda: api.get("/dags/promised/dagRuns", run_type="scheduled")["dag_runs"])
    assert len(runs) == 1
    due = f"/dags/promised/dagRuns/{runs[0]['dag_run_id']}/deadlines"
    pages = stack.AirflowApi(running, patience=60, root="/ui")  # where Airflow's own pages ask
    assert wait_for(lambda: [each["missed"] for each in pages.get(due)["deadlines"]] == [True])
    wait_for(lambda: [*(running.base / "digests").glob("*/*.txt")])


def test_a_night_asked_for_by_hand_promises_no_hour(running: Settings) -> None:
    run = start_run(running, "promised")
    assert not stack.AirflowApi(running, patience=60, root="/ui").get(f"{run}/deadlines")["deadlines"]


def test_an_unknown_address_is_an_error_unless_expected(running: Settings) -> None:
    api = stack.api(running)
    assert api.get("/dags/none", ok=(200, 404))["detail"]
    with pytest.raises(stack.ApiError, match="404") as caught:
        api.get("/dags/none")
    assert caught.value.status == 404


@pytest.mark.fault
@pytest.mark.parametrize("name", ["triggerer", "postgres"])
def test_a_killed_part_is_started_again_and_the_stack_heals(running: Settings, name: str) -> None:
    before = part(running, name)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: not stack.is_up(running), 30)
    wait_for(lambda: stack.is_up(running), 240)
    assert part(running, name) != before
    assert {e["name"]: e["restarts"] for e in stack.status(running)["parts"]}[name] >= 1


@pytest.mark.fault
def test_a_task_whose_scheduler_was_killed_is_taken_up_again(running: Settings) -> None:
    api = stack.api(running)
    run = start_run(running, "slow")

    def task() -> dict[str, Any]:
        return dict(api.get(f"{run}/taskInstances/sleeping"))

    wait_for(lambda: task()["state"] == "running" and task()["pid"])
    first = task()
    os.kill(part(running, "scheduler"), signal.SIGKILL)
    wait_for(lambda: task()["state"] == "running" and task()["pid"] not in (None, first["pid"]), 240)
    assert not psutil.pid_exists(first["pid"])


@pytest.mark.fault
def test_a_killed_supervisor_leaves_nothing_that_the_next_down_does_not_end(running: Settings) -> None:
    supervisor = stack.supervisor_pid(running)
    assert supervisor is not None
    family = psutil.Process(supervisor).children(recursive=True)
    assert len(family) > 10
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: stack.supervisor_pid(running) is None)
    assert stack.status(running)["state"] == "stopped"
    assert stack.down(running)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert not stack.down(running)


def test_a_stopped_stack_starts_again_and_down_leaves_no_process(running: Settings) -> None:
    stack.up(running)
    supervisor = psutil.Process(stack.supervisor_pid(running))
    family = [supervisor, *supervisor.children(recursive=True)]
    assert stack.down(running)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert stack.status(running)["state"] == "stopped"


@pytest.mark.fault
def test_airflows_secrets_outlive_a_rotated_fernet_key_and_a_lost_one_is_recovered_from(
    running: Settings,
) -> None:
    """The steps of docs/runbooks/backup.md, on Airflow's own database."""
    postgres.start(running)
    known = "from airflow.models import Variable; "

    def airflow(program: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", known + program],
            env=stack.airflow_env(running),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.strip().splitlines()[-1]

    airflow("Variable.set('tried', 'a secret'); print('set')")
    before = running.secrets()["fernet"]
    stack.rotate_fernet(running)
    after = running.secrets()["fernet"]
    assert before not in after and "," not in after
    assert airflow("print(Variable.get('tried'))") == "a secret"
    running.change_secret("fernet", lambda _: new_fernet_key())  # the secrets file is lost and made anew
    assert airflow("print(Variable.get('tried', default_var=None))") != "a secret"
    with psycopg.connect(running.dsn("airflow", running.airflow_db), autocommit=True) as db:
        db.execute("delete from variable where is_encrypted")
        db.execute("delete from connection where is_encrypted or is_extra_encrypted")
    said = airflow("Variable.set('tried', 'another'); print(Variable.get('tried'))")
    assert said == "another"


def test_a_stack_that_cannot_start_says_why(tmp_path: Path) -> None:
    settings = Settings(profile="live", home=tmp_path / "home")
    data = settings.base / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(stack.StackError, match="written by PostgreSQL 13"):
        stack.up(settings)
    assert stack.status(settings)["state"] == "failed"
    assert "written by PostgreSQL 13" in stack.status(settings)["message"]


def test_a_stranger_with_a_recorded_pid_is_never_ended(tmp_path: Path) -> None:
    """A state file of before a restart of the machine names PIDs that are anybody's now."""
    import json
    import subprocess

    settings = Settings(profile="live", home=tmp_path / "home")
    settings.run.mkdir(parents=True)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        for created in (0.0, time.time() - 5000, psutil.boot_time() - 100):
            state = {"pid": 1, "parts": {"scheduler": {"pid": stranger.pid, "created": created}}}
            stack.state_file(settings).write_text(json.dumps(state))
            assert not stack.down(settings)
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
