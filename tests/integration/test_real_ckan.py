"""The CKAN connectors against CKAN itself, 2.12 and 2.11, over HTTP on loopback.

The tool that starts it lies beside the real files (`../tools/real-ckan`); it needs redis-server and
PostgreSQL's binaries. Its virtual environments are kept below CITYPERF_HOME, so that only the first run
installs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cityperf import postgres
from cityperf.config import Settings
from cityperf.errors import SourceRefused
from cityperf.extract import extract, http
from cityperf.landing import path_of
from cityperf.load import load_file
from cityperf.publish import ckan
from cityperf.sources import Contract

from tests.integration.candidate import manifest
from tests.integration.publisher import NIGHT, contract, open_gate
from tests.integration.trust import figure, put_up

ROWS = 70_000
PACKAGE = "example-levels"
EXACT = "12345678901234567890.123456789"
COLUMNS = {
    name: {"path": name, "type": kind}
    for name, kind in (
        ("station", "text"), ("day", "date"), ("seen_at", "timestamp"), ("level", "numeric"),
        ("count", "integer"), ("ok", "boolean"), ("note", "text"),
    )
}  # fmt: skip


@dataclass
class Portal:
    """A running CKAN that holds the example data set."""

    version: str
    base: str
    token: str
    log: Path
    table: str
    loaded: str  # the table's time stamp when it had just been filled

    def call(self, action: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.base}/api/3/action/{action}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": self.token},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]

    def modified(self) -> str:
        return str(self.call("resource_show", id=self.table)["last_modified"])

    def asked(self) -> list[str]:
        """The requests so far, a line each."""
        return self.log.read_text(errors="replace").splitlines()


@pytest.fixture(scope="module")
def live() -> Iterator[Settings]:
    """A warehouse of the live profile, allowed for once to reach loopback, and without a pause between
    requests.
    """
    home = Path(tempfile.mkdtemp(prefix="cityperf-live-"))
    home.chmod(0o755)
    settings = Settings(profile="live", home=home)
    postgres.start(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "is_public", lambda _: True)
        patch.setenv("CITYPERF_HTTP_INTERVAL", "0")
        yield settings
    postgres.stop(settings)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module", params=[("2.12", None), ("2.11", 500)], ids=["2.12", "2.11 capped at 500"])
def portal(request: pytest.FixtureRequest, real_data: Path) -> Iterator[Portal]:
    version, cap = request.param
    tools = real_data.parent / "tools" / "real-ckan"
    if not (tools / "start").is_file():
        pytest.skip(f"no {tools}/start on this machine")
    if not shutil.which("redis-server"):
        pytest.skip("no redis-server on this machine")
    if subprocess.run(["ps", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("no ps on this machine")
    state = Path(tempfile.mkdtemp(prefix="real-ckan-"))
    state.chmod(0o755)
    state = state / "state"  # `start` makes it
    venv = Settings.from_env().home / "real-ckan" / f"venv-{version}"
    venv.parent.mkdir(parents=True, exist_ok=True)
    settings = ["--set", f"ckan.datastore.search.rows_max={cap}"] if cap else []
    try:
        begun = subprocess.run(
            [sys.executable, tools / "start", state, "--ckan", version, "--venv", venv, *settings],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "PostgreSQL server not found" in begun.stderr:
            pytest.skip("no PostgreSQL server binaries on this machine")
        assert begun.returncode == 0, begun.stderr[-2000:]
        info = json.loads(begun.stdout)
        filled = subprocess.run(
            [sys.executable, tools / "load_example.py", state, "--rows", str(ROWS)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        example = json.loads(filled.stdout)
        table = example["datastore_resource_id"]
        found = Portal(version, info["base_url"], info["api_token"], Path(info["access_log"]), table, "")
        found.loaded = found.modified()
        found.call(
            "datastore_create",
            resource={"package_id": example["package_id"], "name": "Exact numbers"},
            fields=[{"id": "amount", "type": "numeric"}],
            records=[{"amount": EXACT}],
        )
        yield found
    finally:
        if state.exists():
            subprocess.run(
                [sys.executable, tools / "stop", state, "--delete"], capture_output=True, check=False
            )
        shutil.rmtree(state.parent, ignore_errors=True)


def agreed(portal: Portal, connector: str, match: str, dataset: str, **more: Any) -> Contract:
    read = {"format": "json", "each": "body.result.records[]"}
    columns: dict[str, Any] = COLUMNS
    if connector == "ckan_files":
        read, columns = {"format": "csv", "inside_zip": True, "member": r"\.csv$"}, {"station": "text"}  # type: ignore[dict-item]
    if dataset.startswith("exact"):
        columns = {"amount": {"path": "amount", "type": "numeric"}}
    section = {
        "connector": connector,
        "base_url": portal.base,
        "package": PACKAGE,
        "match": match,
        "read": read,
    }
    named = f"{dataset}_{portal.version.replace('.', '_')}"
    return contract(named, columns, extract=section | more, ignored=["_id"])


def one(settings: Settings, query: str) -> tuple[Any, ...]:
    with psycopg.connect(settings.dsn("admin"), autocommit=True) as db:
        row = db.execute(query.encode()).fetchone()
    assert row is not None
    return row


def state(settings: Settings, found: Contract, night: date = NIGHT) -> str:
    return str(
        one(settings, f"select state from ops.fetch where dataset = '{found.dataset}' and night = '{night}'")[
            0
        ]
    )


def load(settings: Settings, found: Contract, files: list[dict[str, Any]]) -> None:
    for file in files:
        load_file(settings, NIGHT, found, file["file_id"], gate=open_gate)


def test_a_table_of_70_000_rows_comes_whole_and_once_whatever_the_server_makes_of_the_limit(
    portal: Portal, live: Settings
) -> None:
    found = agreed(portal, "ckan_datastore", "^Levels as a table$", "levels")
    files = extract(live, NIGHT, found)
    assert [file["name"] for file in files] == ["Levels as a table.json"]
    load(live, found, files)
    rows, distinct, low, high = one(
        live,
        f"select count(*), count(distinct count), min(count::int), max(count::int) from raw.{found.dataset}",
    )
    assert (rows, distinct, low, high) == (ROWS, ROWS, 0, ROWS - 1)
    assert one(live, f"select level, ok, note from raw.{found.dataset} where count = '7'") == (
        "2.59", "false", 'naïve "7", тест\nline two',
    )  # fmt: skip
    before = len(portal.asked())
    assert extract(live, NIGHT, found) == []  # read again: the same bytes
    assert state(live, found) == "unchanged"
    pages = 140 if portal.version == "2.11" else 7
    assert len(portal.asked()) - before == 1 + pages + 1  # package, pages, the total once more


def test_a_table_whose_time_and_count_stand_still_is_not_read_again(portal: Portal, live: Settings) -> None:
    found = agreed(portal, "ckan_datastore", "^Levels as a table$", "trusted", trust_last_modified=True)
    until = time.monotonic() + 60
    while portal.version == "2.12" and portal.modified() == portal.loaded and time.monotonic() < until:
        time.sleep(0.5)  # 2.12 moves the time a while after the last write; 2.11 never does
    load(live, found, extract(live, NIGHT, found))
    before = len(portal.asked())
    assert extract(live, NIGHT, found) == []
    assert [line for line in portal.asked()[before:] if "offset=10000" in line] == []
    assert len(portal.asked()) - before == 2  # the package, and how many rows there are
    portal.call("datastore_delete", resource_id=portal.table, filters={"count": 0}, force=True)
    assert len(extract(live, NIGHT, found)) == 1  # one row fewer, though the time may not say so


def test_a_number_keeps_all_its_digits(portal: Portal, live: Settings) -> None:
    found = agreed(portal, "ckan_datastore", "^Exact", "exact")
    load(live, found, extract(live, NIGHT, found))
    assert one(live, f"select amount from raw.{found.dataset}") == (EXACT,)


def test_a_file_lands_byte_for_byte_and_a_second_visit_costs_a_304(portal: Portal, live: Settings) -> None:
    found = agreed(portal, "ckan_files", "^Levels as a zip$", "archive")
    files = extract(live, NIGHT, found)
    assert [file["name"] for file in files] == ["levels.zip"]
    sha256, size = one(live, f"select sha256, bytes from ops.landed_file where dataset = '{found.dataset}'")
    assert path_of(live, sha256).stat().st_size == size
    load(live, found, files)
    assert one(live, f"select count(*) from raw.{found.dataset}") == (20_000,)
    assert extract(live, NIGHT, found) == []
    assert state(live, found) == "unchanged"
    assert " 304" in portal.asked()[-1]
    before = len(portal.asked())
    trusting = agreed(portal, "ckan_files", "^Levels as a zip$", "archive", trust_last_modified=True)
    assert extract(live, NIGHT, trusting) == []
    assert len(portal.asked()) - before == 1  # the package alone


def test_a_refusal_gives_the_portals_own_reason(portal: Portal, live: Settings) -> None:
    with pytest.raises(SourceRefused, match=r"only files: 'Levels as a zip'.*ckan_files"):
        extract(live, NIGHT, agreed(portal, "ckan_datastore", "as a zip$", "levels"))
    wrong = agreed(portal, "ckan_datastore", "as a table$", "levels", filters={"nowhere": 1})
    with pytest.raises(SourceRefused, match=r"HTTP 409.*nowhere"):
        extract(live, NIGHT, wrong)
    absent = agreed(portal, "ckan_datastore", "as a table$", "levels")
    absent.extract.arguments["package"] = "no-such-package"
    with pytest.raises(SourceRefused, match=r"HTTP 404.*Not found"):
        extract(live, NIGHT, absent)


# -- the way out ---------------------------------------------------------------------------------------------
JAN, FEB = date(2024, 1, 1), date(2024, 2, 1)


def offered(settings: Settings, columns: Mapping[str, int]) -> None:
    """Let these tables go to CKAN, with the first so many of their columns, and no others."""
    made = manifest()
    for exposure in made["exposures"].values():
        meta = exposure["config"]["meta"]
        if meta["table"] in columns:
            meta["columns"] = meta["columns"][: columns[meta["table"]]]
        elif "ckan" in meta["destinations"]:
            meta["destinations"] = ["files"]
    path = settings.base / "dbt" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))


def destination(portal: Portal, package: str) -> ckan.Ckan:
    owner = portal.call("package_show", id=PACKAGE)["owner_org"]
    return ckan.Ckan(
        name="city", base_url=portal.base, package=package, organization=owner, connection="city_ckan"
    )


def held(portal: Portal, package: str) -> dict[str, dict[str, Any]]:
    """Table → its resource, as the portal has them."""
    found = portal.call("package_show", id=package)
    return {each[ckan.TABLE]: each for each in found["resources"]}


def rows(portal: Portal, resource: Mapping[str, Any], *columns: str) -> list[tuple[Any, ...]]:
    answer = portal.call("datastore_search", resource_id=resource["id"], limit=500)
    return sorted(tuple(str(row[column]) for column in columns) for row in answer["records"])


def test_a_release_goes_out_row_for_row_once_and_takes_back_what_it_withdraws(
    portal: Portal, live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = f"city-performance-{portal.version.replace('.', '-')}"
    place = destination(portal, package)
    monkeypatch.setenv("CITYPERF_CONNECTION_CITY_CKAN", portal.token)
    offered(live, {"kpi_value": 13, "commitment": 17, "kpi": 51})
    # The two portals share the warehouse: the second starts with figures of its own.
    own = 10 if portal.version == "2.12" else 20
    first = [figure("1.02", JAN, EXACT), figure("2.05", JAN, str(own)), figure("2.05", FEB, "-7")]
    assert put_up(live, own, marker=own, kpi_value=first).status == "released"

    done = ckan.push(live, place)
    assert (done.tables, done.deleted) == (["commitment", "kpi", "kpi_value"], 0)
    resources = held(portal, package)
    assert rows(portal, resources["kpi_value"], "kpi_id", "period_start", "value")[1:] == [
        ("2.05", "2024-01-01", str(own)),
        ("2.05", "2024-02-01", "-7"),
    ]
    answer = portal.call(
        "datastore_search", resource_id=resources["kpi_value"]["id"], fields=["value"], limit=9
    )
    assert len(answer["records"]) == 3
    goals = rows(portal, resources["commitment"], "commitment_id", "goal")
    assert goals == [("C-1", "=1+1"), ("C-2", "")]  # exact: the portal's own CSV is not ours
    asked = len(portal.asked())
    assert ckan.push(live, place).requests == 1
    assert len(portal.asked()) - asked == 1  # the package was looked at, and nothing else

    # A figure is revised, one is withdrawn for good; the push breaks off before the new rows are in.
    second = [figure("1.02", JAN, EXACT), figure("2.05", JAN, "11.5")]
    assert put_up(live, own + 1, marker=own, kpi_value=second).status == "released"
    with monkeypatch.context() as broken:
        broken.setattr(ckan._Portal, "_add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            ckan.push(live, place)
    assert ("2.05", "-7") not in rows(portal, resources["kpi_value"], "kpi_id", "value")
    done = ckan.push(live, place)
    assert (done.tables, done.added) == (["kpi_value"], 1)  # the rows that stand were not sent again
    assert rows(portal, resources["kpi_value"], "kpi_id", "value")[1:] == [("2.05", "11.5")]
    assert held(portal, package)["kpi_value"]["id"] == resources["kpi_value"]["id"]

    # A column and a table are no longer offered: they go there as well.
    offered(live, {"kpi_value": 12, "kpi": 51})
    assert put_up(live, own + 2, marker=own + 1, kpi_value=second).status == "released"
    done = ckan.push(live, place)
    assert done.removed == ["commitment"] and "kpi_value" in done.tables
    left = held(portal, package)
    assert sorted(left) == ["kpi", "kpi_value"]
    fields = portal.call("datastore_search", resource_id=left["kpi_value"]["id"], limit=0)["fields"]
    assert "mark" not in {each["id"] for each in fields}
    shown = portal.call("package_show", id=package)
    assert shown["version"] == str(done.release)
    assert ckan.push(live, place).requests == 1


def test_a_portal_that_refuses_is_named_and_the_token_is_not(
    portal: Portal, live: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = destination(portal, "nobody")
    monkeypatch.setenv("CITYPERF_CONNECTION_CITY_CKAN", "not-the-token")
    with pytest.raises(
        ckan.NotPushed, match=r"expected city to take package_create, found.*HTTP 403"
    ) as told:
        ckan.push(live, place)
    assert "not-the-token" not in str(told.value)
