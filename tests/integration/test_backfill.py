"""Backfill on real PostgreSQL: read again aside, checked, swapped, what was replaced kept and put back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError, FileQuarantined
from cityperf.extract import extract
from cityperf.load import load_file
from cityperf.load.backfill import Delivery, choose, drop_expired, plan, reload, reload_chosen, undo
from cityperf.sources import Contract

from tests.integration.publisher import NIGHT, contract, deliver, land, open_gate, publisher
from tests.integration.test_faults_load import child_environment, wait_for_no_loader

Query = Callable[..., list[tuple[Any, ...]]]
NEXT = date(2026, 11, 21)
TODAY = date(2026, 12, 1)
COLUMNS = {"on": {"header": ["on"], "type": "date", "required": True}, "station": "text"}
MONTHLY = contract(columns=COLUMNS, partition={"column": "on", "grain": "month"})
YEARLY = contract(partition={"from_name": "year", "grain": "year"})
KEYED = contract(keys=["id"])
HALF = b"on,station\n" + b"".join(b"2026-%02d-01,A\n2026-%02d-02,B\n" % (n, n) for n in range(1, 7))
CSV = b"id,station,minutes\n1,BATHURST,5\n2,DUNDAS,0\n"


def content(query: Query) -> list[tuple[Any, ...]]:
    return query("select r::text from raw.delays as r order by _night, _file_id, _row")


def stands(query: Query) -> dict[str, str]:
    return dict(query("select _period, string_agg(station, '' order by _row) from raw.delays group by 1"))


def backfill(settings: Settings, agreed: Contract, **asked: Any) -> list[Any]:
    found = plan(settings, agreed, **asked)
    return [reload(settings, agreed, each, TODAY, gate=open_gate) for each in found]


def damaged(settings: Settings, query: Query) -> list[tuple[Any, ...]]:
    """Six months of which a hand spoiled two; returns what they were."""
    deliver(settings, MONTHLY, HALF, "half.csv")
    sound = content(query)
    query("update raw.delays set station = 'X' where _period in ('2026-02', '2026-05')")
    return sound


def nothing_left(query: Query) -> None:
    assert query("select relname from pg_class where relname ~ '^(batch|aside)_[0-9-]'") == []
    assert query("select 1 from ops.batch where state = 'loading'") == []


# -- reading again -------------------------------------------------------------------------------------------
def test_a_range_is_read_again_and_only_what_differs_is_swapped(
    clean_warehouse: Settings, query: Query
) -> None:
    sound = damaged(clean_warehouse, query)
    untouched = query("select 'raw.delays__2026_03'::regclass::oid, 'raw.delays__2026_02'::regclass::oid")
    (result,) = backfill(clean_warehouse, MONTHLY, period="2026-02:2026-03")
    assert (result.rows_in, result.changed, result.unchanged, result.periods) == (12, 2, 2, ("2026-02",))
    now = query("select 'raw.delays__2026_03'::regclass::oid, 'raw.delays__2026_02'::regclass::oid")
    assert now[0][0] == untouched[0][0]
    assert now[0][1] != untouched[0][1]
    assert stands(query)["2026-02"] == "AB"
    assert stands(query)["2026-05"] == "XX"
    backfill(clean_warehouse, MONTHLY)
    assert content(query) == sound
    assert query("select state, periods, is_backfill from ops.batch order by batch_id") == [
        ("loaded", ["2026-01", "2026-03", "2026-04", "2026-06"], False),
        ("loaded", ["2026-02"], True),
        ("loaded", ["2026-05"], True),
    ]
    nothing_left(query)


def test_what_is_sound_already_is_left_untouched(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, MONTHLY, HALF, "half.csv")
    before = query("select oid, relname from pg_class where relname like 'delays%' order by 1")
    (result,) = backfill(clean_warehouse, MONTHLY)
    assert "the same rows stand already" in str(result.message)
    assert query("select oid, relname from pg_class where relname like 'delays%' order by 1") == before
    assert query("select count(*) from ops.kept_partition") == [(0,)]
    assert query("select max(batch_id) from ops.batch where state = 'loaded'") == [(1,)]


def test_a_plan_names_the_file_that_stands_for_each_period(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, MONTHLY, HALF, "half.csv")
    deliver(clean_warehouse, MONTHLY, b"on,station\n2026-03-01,C\n", "march.csv", NEXT)
    found = plan(clean_warehouse, MONTHLY, period="2026-02:2026-04")
    assert [(each.label, each.night) for each in found] == [
        ("2026-02 to 2026-04 (2 periods) of half.csv", NIGHT),
        ("2026-03 of march.csv", NEXT),
    ]
    assert [each.name for each in plan(clean_warehouse, MONTHLY, period="2026")] == ["half.csv", "march.csv"]
    assert [each.name for each in plan(clean_warehouse, MONTHLY, nights="2026-11-21")] == ["march.csv"]
    assert plan(clean_warehouse, MONTHLY, period="2031") == []


@pytest.mark.parametrize(
    ("agreed", "asked", "says"),
    [
        (MONTHLY, {"period": "2026-13-40"}, "expected a month or a range of them such as 2023-01"),
        (MONTHLY, {"period": "2026-05:2026-01"}, "found '2026-05:2026-01'"),
        (YEARLY, {"period": "2026-05"}, "expected a year or a range of them such as 2023 or 2021:2023"),
        (KEYED, {"period": "2026"}, "has no periods; name its nights"),
        (KEYED, {"nights": "May"}, "expected nights such as 2026-11-01:2026-11-20, found 'May'"),
    ],
)
def test_a_range_that_does_not_fit_the_data_set_is_told(
    settings: Settings, agreed: Contract, asked: dict[str, str], says: str
) -> None:
    with pytest.raises(CityperfError, match=says):
        plan(settings, agreed, **asked)


def test_a_period_from_the_files_name_is_read_again(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, YEARLY, CSV, "SR2024.csv")
    deliver(clean_warehouse, YEARLY, CSV, "SR2025.csv")
    sound = content(query)
    query("delete from raw.delays where _period = '2025' and id = '1'")
    backfill(clean_warehouse, YEARLY, period="2025")
    assert content(query) == sound
    assert undo(clean_warehouse, YEARLY).back == ("2025",)
    assert query("select _period, count(*) from raw.delays group by 1 order by 1") == [
        ("2024", 2),
        ("2025", 1),
    ]


def test_a_kept_delivery_is_read_again_by_its_night(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    deliver(clean_warehouse, KEYED, CSV + b"3,KEELE,1\n", night=NEXT)
    sound, cursor = content(query), query("select * from ops.cursor")
    query("update raw.delays set station = 'X' where _night = %s", (NIGHT,))
    spoilt = content(query)
    (result,) = backfill(clean_warehouse, KEYED, nights="2026-11-20")
    assert (result.changed, content(query)) == (2, sound)
    assert query("select * from ops.cursor") == cursor
    assert undo(clean_warehouse, KEYED).back == ("delays.csv",)
    assert content(query) == spoilt
    assert query("select relname from pg_class where relname like 'kept\\_%%' and relkind = 'r' "
                 "and relnamespace = 'raw'::regnamespace") == []  # fmt: skip


def test_a_column_that_the_contract_gained_is_filled_from_landing(
    clean_warehouse: Settings, query: Query
) -> None:
    first = contract(
        columns={"on": COLUMNS["on"]}, ignored=["station"], partition={"column": "on", "grain": "month"}
    )
    deliver(clean_warehouse, first, HALF, "half.csv")
    backfill(clean_warehouse, MONTHLY, period="2026-01:2026-03")
    assert query("select _period, max(station) from raw.delays group by 1 order by 1") == [
        ("2026-01", "B"), ("2026-02", "B"), ("2026-03", "B"), ("2026-04", None), ("2026-05", None), ("2026-06", None),
    ]  # fmt: skip
    assert len(undo(clean_warehouse, MONTHLY).back) == 3
    assert query("select count(station) from raw.delays") == [(0,)]


def test_the_two_steps_of_the_dag_fetch_what_is_new_and_read_the_rest_again(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publisher() as there:
        monkeypatch.setenv("CITYPERF_PORTAL_URL", there.url)
        package = {"success": True, "result": {"resources": [
            {"id": str(n), "name": f"SR{n}", "url": f"https://example.org/SR{n}.csv", "format": "CSV"} for n in (2024, 2025)
        ]}}  # fmt: skip
        there.says("/example.org/api/3/action/package_show", json.dumps(package).encode())
        there.says("/example.org/SR2024.csv", CSV)
        there.says("/example.org/SR2025.csv", CSV)
        agreed = contract(
            partition={"from_name": "year", "grain": "year"},
            extract={
                "connector": "ckan_files", "base_url": "https://example.org", "package": "x", "match": r"^SR(?P<year>\d{4})",
                "read": {"format": "csv"},
            },
        )  # fmt: skip
        monkeypatch.setattr("cityperf.load.backfill.contract_of", lambda _: agreed)
        for file in extract(clean_warehouse, NIGHT, agreed):
            load_file(clean_warehouse, NIGHT, agreed, file["file_id"], gate=open_gate)
        query("update raw.delays set station = 'X'")
        there.says("/example.org/SR2025.csv", CSV + b"3,KEELE,1\n")
        monkeypatch.setattr("cityperf.quality.check_batch", open_gate)
        asked = choose(
            clean_warehouse, dataset="delays", night=TODAY.isoformat(), period="2024:2025", fetch=True
        )
    assert [each["label"] for each in asked] == ["2024 of SR2024.csv"]
    assert json.loads(json.dumps(asked)) == asked
    assert [reload_chosen(clean_warehouse, each)["changed"] for each in asked] == [2]
    assert query("select _period, count(*), _night from raw.delays group by 1, 3 order by 1") == [
        ("2024", 2, NIGHT), ("2025", 3, TODAY),
    ]  # fmt: skip
    with pytest.raises(CityperfError, match="no data set is named 'nothing'"):
        monkeypatch.undo()
        choose(clean_warehouse, dataset="nothing", night=TODAY.isoformat())


# -- checks --------------------------------------------------------------------------------------------------
def test_a_check_that_fails_leaves_everything_as_it_was(clean_warehouse: Settings, query: Query) -> None:
    damaged(clean_warehouse, query)
    before = content(query)
    strict = contract(
        columns=COLUMNS | {"station": {"header": ["station"], "type": "integer"}},
        partition={"column": "on", "grain": "month"},
    )
    with pytest.raises(FileQuarantined, match=r"at most 20% of rows.*found 12 of 12"):
        backfill(clean_warehouse, strict)
    assert content(query) == before
    assert query("select state from ops.batch order by batch_id") == [("loaded",), ("failed",)]
    assert query("select count(*) from ops.kept_partition") == [(0,)]
    assert query("select count(*) from quarantine.files") == [(0,)]
    nothing_left(query)


def test_the_landing_gate_sees_what_is_to_be_swapped_in_and_can_stop_it(
    clean_warehouse: Settings, query: Query
) -> None:
    damaged(clean_warehouse, query)
    seen: list[Any] = []

    class Refusal:
        blocks, expected, found, runbook = True, "another station", "A", "landing.md#rows"

    def gate(_s: Settings, night: date, _c: Contract, table: str, _b: int, _db: Any) -> list[Any]:
        seen.append((night, query(f"select distinct _period from {table}")))
        return [Refusal()]

    (delivery,) = plan(clean_warehouse, MONTHLY, period="2026-02")
    with pytest.raises(FileQuarantined, match="expected another station, found A"):
        reload(clean_warehouse, MONTHLY, delivery, TODAY, gate=gate)
    assert seen == [(NIGHT, [("2026-02",)])]
    assert stands(query)["2026-02"] == "XX"


def test_a_period_that_the_file_no_longer_yields_is_not_emptied(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, MONTHLY, HALF, "half.csv")
    (delivery,) = plan(clean_warehouse, MONTHLY, period="2026-02")
    query("update ops.batch set periods = periods || array['2026-09']")
    asked = Delivery(delivery.file_id, delivery.night, delivery.name, ("2026-02", "2026-09"))
    with pytest.raises(FileQuarantined, match="expected rows for 2026-09, as when the file was first loaded"):
        reload(clean_warehouse, MONTHLY, asked, TODAY, gate=open_gate)


# -- keeping and putting back --------------------------------------------------------------------------------
def test_what_was_replaced_is_kept_for_thirty_days_and_put_back(
    clean_warehouse: Settings, query: Query
) -> None:
    damaged(clean_warehouse, query)
    before, batches = content(query), query("select batch_id, state, periods from ops.batch")
    backfill(clean_warehouse, MONTHLY)
    assert query("select period, rows, night, until, state from ops.kept_partition order by 1") == [
        ("2026-02", 2, TODAY, TODAY + timedelta(days=30), "kept"),
        ("2026-05", 2, TODAY, TODAY + timedelta(days=30), "kept"),
    ]
    assert query("select station from raw.kept_1") == [("X",), ("X",)]
    assert undo(clean_warehouse, MONTHLY, period="2026-02").back == ("2026-02",)
    assert undo(clean_warehouse, MONTHLY).back == ("2026-05",)
    assert content(query) == before
    assert query("select batch_id, state, periods from ops.batch where not is_backfill") == batches
    assert query("select max(batch_id) from ops.batch where state = 'loaded'") == [(1,)]
    with pytest.raises(CityperfError, match="found nothing kept"):
        undo(clean_warehouse, MONTHLY)
    nothing_left(query)


def test_nothing_is_put_back_over_a_delivery_that_came_since(clean_warehouse: Settings, query: Query) -> None:
    damaged(clean_warehouse, query)
    backfill(clean_warehouse, MONTHLY)
    deliver(clean_warehouse, MONTHLY, b"on,station\n2026-02-01,N\n", "february.csv", NEXT)
    done = undo(clean_warehouse, MONTHLY)
    assert done.back == ("2026-05",)
    assert done.left == ("2026-02: another delivery stands for it since",)
    assert stands(query)["2026-02"] == "N"


def test_a_night_keeps_nothing_and_drops_what_was_kept_long_enough(
    clean_warehouse: Settings, query: Query
) -> None:
    damaged(clean_warehouse, query)
    backfill(clean_warehouse, MONTHLY, period="2026-02")
    deliver(clean_warehouse, MONTHLY, b"on,station\n2026-01-01,N\n", "january.csv", NEXT)
    assert query("select count(*) from ops.kept_partition") == [(1,)]
    assert drop_expired(clean_warehouse, TODAY + timedelta(days=30)) == []
    assert drop_expired(clean_warehouse, TODAY + timedelta(days=31)) == ["kept_1"]
    assert query("select to_regclass('raw.kept_1') is null, state from ops.kept_partition") == [
        (True, "dropped")
    ]
    with pytest.raises(CityperfError, match="found nothing kept"):
        undo(clean_warehouse, MONTHLY)


# -- faults --------------------------------------------------------------------------------------------------
# The child backfills like the DAG does, but stops where the test wants to kill it.
CHILD = """
import sys, time
from cityperf.config import Settings
from tests.integration import test_backfill as test
import cityperf.load as load

def stop(*_):
    print("here", flush=True)
    time.sleep(600)

if sys.argv[1] == "swap":
    load.move_cursor = stop
settings = Settings.from_env("sample")
gate = stop if sys.argv[1] == "gate" else test.open_gate
for each in test.plan(settings, test.MONTHLY):
    test.reload(settings, test.MONTHLY, each, test.TODAY, gate=gate)
"""


@pytest.mark.fault
@pytest.mark.parametrize("place", ["gate", "swap"])
def test_a_backfill_killed_in_the_middle_and_run_again_gives_the_same(
    clean_warehouse: Settings, query: Query, place: str
) -> None:
    sound = damaged(clean_warehouse, query)
    before = content(query)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, place], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=child_environment(clean_warehouse),
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "here"
        child.kill()
    wait_for_no_loader(clean_warehouse)
    assert content(query) == before
    assert query("select count(*) from ops.kept_partition") == [(0,)]
    backfill(clean_warehouse, MONTHLY)
    assert content(query) == sound
    assert query("select state from ops.batch order by batch_id") == [("loaded",), ("failed",), ("loaded",)]
    nothing_left(query)


@pytest.mark.fault
def test_a_backfill_beside_a_nightly_load_waits_and_never_replaces_what_that_brought(
    clean_warehouse: Settings, query: Query
) -> None:
    damaged(clean_warehouse, query)
    asked = plan(clean_warehouse, MONTHLY)
    newer = land(clean_warehouse, MONTHLY, b"on,station\n2026-02-01,N\n", "february.csv", NEXT)
    at_the_gate, go_on = threading.Event(), threading.Event()

    def slow_gate(*_: object) -> list[Any]:
        at_the_gate.set()
        assert go_on.wait(60)
        return []

    nightly = threading.Thread(
        target=lambda: load_file(clean_warehouse, NEXT, MONTHLY, newer, gate=slow_gate)
    )
    nightly.start()
    assert at_the_gate.wait(60)
    done: list[Any] = []
    again = threading.Thread(
        target=lambda: done.append(reload(clean_warehouse, MONTHLY, asked[0], TODAY, gate=open_gate))
    )
    again.start()
    again.join(0.5)
    assert not done
    go_on.set()
    nightly.join()
    again.join()
    assert done[0].periods == ("2026-05",)
    assert stands(query) == {f"2026-{n:02d}": "AB" for n in range(1, 7)} | {"2026-02": "N"}
    nothing_left(query)


@pytest.mark.fault
def test_two_processes_that_load_one_file_at_once_give_one(clean_warehouse: Settings, query: Query) -> None:
    file_id = land(clean_warehouse, MONTHLY, HALF, "half.csv")
    load = (
        "import sys; from cityperf.config import Settings; from tests.integration import test_backfill as test;"
        "r = test.load_file(Settings.from_env('sample'), test.NIGHT, test.MONTHLY, int(sys.argv[1]), gate=test.open_gate);"
        "print(r.batch_id, r.loaded)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", load, str(file_id)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=child_environment(clean_warehouse),
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [child.communicate(timeout=60)[0] for child in children]
    assert said == ["1 12\n", "1 12\n"]
    assert query("select count(*), count(distinct _row) from raw.delays") == [(12, 12)]
    assert query("select state from ops.batch") == [("loaded",)]
