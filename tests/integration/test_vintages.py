"""Deliveries in any order, and a data set as of a night: deletions, renames, corrections, late files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import islice, permutations
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import FileQuarantined
from cityperf.extract import extract
from cityperf.load import load_file, rebuild
from cityperf.load.snapshot import Change, as_of, changes
from cityperf.sources import Contract
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import empty_warehouse
from tests.integration.publisher import NIGHT, contract, deliver, land, open_gate, publisher

Query = Callable[..., list[tuple[Any, ...]]]
SECOND, THIRD = NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)
KEYED = contract(columns={"id": "text", "division": "text", "status": "text"}, keys=["id"])
KEYLESS = contract(columns={"id": "text", "division": "text", "status": "text"}, drift={"fewer_rows": "warn"})
MONTHLY = contract(columns={"on": {"header": ["on"], "type": "date", "required": True}, "station": "text"},
                   partition={"column": "on", "grain": "month"})  # fmt: skip

FIRST = b"id,division,status\nC1,Fire,open\nC2,Parks,open\nC3,Fleet,done\n"
REVISED = b"id,division,status\nC1,Fire Services,open\nC3,Fleet,late\nC4,Zoo,open\n"


def months(*days: str, station: str = "A") -> bytes:
    return ("on,station\n" + "".join(f"{day},{station}\n" for day in days)).encode()


def stands(query: Query) -> dict[str, str]:
    return dict(query("select _period, string_agg(station, '' order by _row) from raw.delays group by 1"))


def standing_bytes(query: Query) -> list[tuple[Any, ...]]:
    return query(
        "select c.name, f.sha256 from ops.cursor as c join ops.landed_file as f using (file_id) order by 1"
    )


def seen(settings: Settings, agreed: Contract, night: date, columns: str) -> list[tuple[Any, ...]]:
    with as_of(settings, agreed, night) as db:
        return db.execute(f"select {columns} from as_of order by 1, 2".encode()).fetchall()


# -- any order -----------------------------------------------------------------------------------------------
# (name, content, night, modified at the source)
PERIODS = [
    ("year.csv", months("2026-01-05", "2026-02-05", "2026-03-05", station="Y"), NIGHT, ""),
    ("february.csv", months("2026-02-06", station="F"), SECOND, ""),
    ("year.csv", months("2026-01-05", "2026-02-05", "2026-03-07", station="Z"), SECOND, ""),
    ("march.csv", months("2026-03-07", station="Z"), THIRD, ""),
]
STAMPED = [
    ("year.csv", months("2026-01-05", "2026-02-05", station="Y"), SECOND, "2026-03-01T10:00:00.000000"),
    ("february.csv", months("2026-02-06", station="F"), THIRD, "2026-02-20T10:00:00.000000"),
    ("january.csv", months("2026-01-06", station="J"), NIGHT, "2026-02-01T10:00:00.000000"),
    ("january.csv", months("2026-01-07", station="K"), THIRD, "2026-04-01T10:00:00.000000"),
]


@pytest.mark.fault
@pytest.mark.parametrize("deliveries", [PERIODS, STAMPED], ids=["by night", "by the source's stamp"])
def test_the_same_deliveries_in_any_order_give_the_same_rows(
    clean_warehouse: Settings, query: Query, deliveries: list[tuple[str, bytes, date, str]]
) -> None:
    found = set()
    for order in islice(permutations(range(len(deliveries))), 0, None, 3):  # each first file, each last one
        empty_warehouse(clean_warehouse)
        files = [
            land(clean_warehouse, MONTHLY, data, name, night, stamp)
            for name, data, night, stamp in deliveries
        ]
        for number in order:
            load_file(clean_warehouse, deliveries[number][2], MONTHLY, files[number], gate=open_gate)
        owners = query("select unnest(periods) from ops.batch where state = 'loaded' order by 1")
        assert owners == [(period,) for period in sorted(stands(query))]
        found.add((tuple(sorted(stands(query).items())), tuple(standing_bytes(query))))
    assert len(found) == 1
    ((rows, _),) = found
    expected = {"2026-01": "Z", "2026-02": "Z", "2026-03": "Z"} if deliveries is PERIODS else {
        "2026-01": "K", "2026-02": "Y"}  # fmt: skip
    assert dict(rows) == expected


@pytest.mark.fault
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_deliveries_in_any_order_give_what_their_stamps_say(
    clean_warehouse: Settings, query: Query, data: st.DataObject
) -> None:
    """A model in four lines: per month the delivery with the greatest (stamp, night, name) that has the month."""
    made = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["a.csv", "b.csv"]), st.sets(st.integers(1, 3), min_size=1), st.integers(0, 3),
                st.integers(1, 4),
            ),
            min_size=2, max_size=5, unique_by=lambda each: (each[0], each[2]),
        )
    )  # fmt: skip
    empty_warehouse(clean_warehouse)
    model: dict[str, tuple[Any, ...]] = {}
    files = []
    for number, (name, numbers, day, modified) in enumerate(made):
        stamp, night = f"2026-05-0{modified}T00:00:00", NIGHT + timedelta(days=day)
        body = months(*(f"2026-{n:02d}-01" for n in sorted(numbers)), station=f"S{number}")
        files.append((night, land(clean_warehouse, MONTHLY, body, name, night, stamp)))
        for n in numbers:
            key = (stamp, night, name, f"S{number}")
            model[f"2026-{n:02d}"] = max(model.get(f"2026-{n:02d}", ("",)), key)
    for night, file_id in data.draw(st.permutations(files)):
        load_file(clean_warehouse, night, MONTHLY, file_id, gate=open_gate)
    assert stands(query) == {period: key[-1] for period, key in model.items()}


@pytest.mark.fault
def test_kept_deliveries_stand_by_their_night_in_any_order(clean_warehouse: Settings, query: Query) -> None:
    third = REVISED.replace(b"late", b"done")
    deliveries = [(FIRST, NIGHT), (REVISED, SECOND), (third, THIRD)]
    found = set()
    for order in permutations(deliveries):
        empty_warehouse(clean_warehouse)
        files = {data: land(clean_warehouse, KEYLESS, data, night=night) for data, night in deliveries}
        for data, night in order:
            load_file(clean_warehouse, night, KEYLESS, files[data], gate=open_gate)
        rows = query("select id, division, status, _night, _row from raw.delays order by _night, _row")
        found.add((tuple(rows), tuple(standing_bytes(query))))
        for night, rows_then in ((NIGHT, 3), (SECOND, 3), (THIRD, 3)):
            assert len(seen(clean_warehouse, KEYLESS, night, "id, division")) == rows_then
    assert len(found) == 1


# -- an old file again ---------------------------------------------------------------------------------------
OLD, NEW = months("2026-01-05", station="O"), months("2026-01-05", station="N")
OLD_ROWS, NEW_ROWS = FIRST, REVISED


@pytest.mark.fault
@pytest.mark.parametrize(("agreed", "old", "new"), [(MONTHLY, OLD, NEW), (KEYED, FIRST, REVISED)],
                         ids=["periods", "kept deliveries"])  # fmt: skip
@pytest.mark.parametrize(
    ("stamps", "wins"),
    [
        (("2026-01-10", "2026-02-10", "2026-01-10"), "new"),
        (("2026-01-10", "2026-02-10", "2026-02-10"), "old"),
        (("2026-01-10", "2026-02-10", "2026-03-10"), "old"),
        (("2026-01-10", "2026-02-10", ""), "old"),
        (("", "", ""), "old"),
        (("2099-01-01", "2026-11-20T12:00", "2026-11-22"), "old"),
    ],
    ids=[
        "older stamp",
        "same stamp, later night",
        "corrected back",
        "no stamp any more",
        "no stamps",
        "stamp ahead",
    ],
)
def test_an_old_file_again_changes_nothing_unless_the_source_says_it_is_new(
    clean_warehouse: Settings,
    query: Query,
    agreed: Contract,
    old: bytes,
    new: bytes,
    stamps: tuple[str, ...],
    wins: str,
) -> None:
    first = deliver(clean_warehouse, agreed, old, modified=stamps[0])
    second = deliver(clean_warehouse, agreed, new, night=SECOND, modified=stamps[1])
    before = query("select r::text from raw.delays as r order by 1")
    third = deliver(clean_warehouse, agreed, old, night=THIRD, modified=stamps[2])
    ((sha,),) = query("select f.sha256 from ops.cursor as c join ops.landed_file as f using (file_id)")
    ((expected,),) = query("select sha256 from ops.landed_file order by file_id " + (
        "limit 1" if wins == "old" else "offset 1 limit 1"))  # fmt: skip
    assert sha == expected
    if wins == "new":
        assert "an old file delivered again" in str(third.message)
        assert (third.rows_in, third.loaded) == (0, 0)
        assert query("select r::text from raw.delays as r order by 1") == before
        assert query("select max(batch_id) from ops.batch where state = 'loaded'") == [(second.batch_id,)]
    elif agreed is MONTHLY:
        assert stands(query) == {"2026-01": "O"}
    assert first.batch_id < second.batch_id < third.batch_id


@pytest.mark.fault
def test_the_same_bytes_dated_anew_win_back_the_period_that_another_file_took(
    clean_warehouse: Settings, query: Query
) -> None:
    night = date(2026, 11, 24)
    deliver(clean_warehouse, MONTHLY, OLD, "january.csv", modified="2026-11-19T10:00:00.000000")
    deliver(clean_warehouse, MONTHLY, NEW, "all.csv", SECOND, modified="2026-11-20T10:00:00.000000")
    deliver(clean_warehouse, MONTHLY, OLD, "january.csv", THIRD, modified="2026-11-19T10:00:00.000000")
    assert stands(query) == {"2026-01": "N"}  # still the old date: it stays overtaken
    again = deliver(
        clean_warehouse, MONTHLY, OLD, "january.csv", night, modified="2026-11-23T10:00:00.000000"
    )
    assert stands(query) == {"2026-01": "O"}
    assert again.periods == ("2026-01",)
    twice = deliver(
        clean_warehouse, MONTHLY, OLD, "january.csv", night, modified="2026-11-23T10:00:00.000000"
    )
    assert twice.message == "loaded before; nothing to do"
    late = deliver(clean_warehouse, MONTHLY, months("2026-01-09"), "late.csv", THIRD)
    assert "a newer delivery stands for 2026-01 already" in str(late.message)
    before = standing_bytes(query)
    rebuild(clean_warehouse, MONTHLY)
    assert (stands(query), standing_bytes(query)) == ({"2026-01": "O"}, before)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("header", "wins"),
    [("Thu, 19 Nov 2026 10:00:00 GMT", "N"), ("Sat, 21 Nov 2026 20:00:00 GMT", "O")],
    ids=["a stale copy", "put back on purpose"],
)
def test_an_address_that_serves_old_bytes_again_is_judged_by_its_last_modified(
    clean_warehouse: Settings, query: Query, header: str, wins: str
) -> None:
    deliver(clean_warehouse, MONTHLY, OLD)
    deliver(clean_warehouse, MONTHLY, NEW, night=SECOND)
    file_id = land(clean_warehouse, MONTHLY, OLD, night=THIRD)
    query("update ops.landed_file set last_modified = %s where file_id = %s", (header, file_id))
    load_file(clean_warehouse, THIRD, MONTHLY, file_id, gate=open_gate)
    assert stands(query) == {"2026-01": wins}


@pytest.mark.fault
def test_the_same_bytes_under_a_new_name_are_as_old_as_their_first_landing(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, MONTHLY, OLD, "january.csv")
    deliver(clean_warehouse, MONTHLY, NEW, "january-final.csv", SECOND)
    result = deliver(clean_warehouse, MONTHLY, OLD, "copy of january.csv", THIRD)
    assert stands(query) == {"2026-01": "N"}
    assert "a newer delivery stands for 2026-01 already" in str(result.message)


@pytest.mark.fault
def test_the_same_rows_in_a_new_file_write_nothing_and_add_nothing(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, MONTHLY, OLD, "january.csv")
    before = query("select r::text, 'raw.delays__2026_01'::regclass::oid from raw.delays as r")
    result = deliver(clean_warehouse, MONTHLY, OLD.replace(b"\n", b"\r\n"), "january.csv", SECOND)
    assert (result.loaded, result.unchanged, result.periods) == (1, 1, ("2026-01",))
    assert query("select r::text, 'raw.delays__2026_01'::regclass::oid from raw.delays as r") == before
    assert query("select periods, periods_confirmed, state from ops.batch order by batch_id") == [
        (["2026-01"], [], "loaded"), ([], ["2026-01"], "loaded"),
    ]  # fmt: skip
    late = deliver(clean_warehouse, MONTHLY, months("2026-01-09", station="L"), "late.csv", NIGHT)
    assert "a newer delivery stands for 2026-01 already" in str(late.message)
    deliver(clean_warehouse, MONTHLY, NEW, "january.csv", THIRD)
    assert stands(query) == {"2026-01": "N"}
    assert [state for (state,) in query("select state from ops.batch order by batch_id")] == [
        "superseded", "superseded", "superseded", "loaded",
    ]  # fmt: skip


def test_keyed_rows_under_a_second_name_are_not_kept_twice(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, FIRST, "a.csv")
    deliver(clean_warehouse, KEYED, REVISED, "a.csv", SECOND)
    result = deliver(clean_warehouse, KEYED, FIRST, "copy.csv", THIRD)
    assert "the bytes of a.csv, delivered on 2026-11-20, under another name" in str(result.message)
    assert query("select count(*) from raw.delays") == [(6,)]
    assert seen(clean_warehouse, KEYED, THIRD, "id, status") == [
        ("C1", "open"),
        ("C3", "late"),
        ("C4", "open"),
    ]


# -- as of a night -------------------------------------------------------------------------------------------
@pytest.mark.fault
def test_as_of_a_night_a_removed_commitment_is_there_and_a_renamed_division_has_its_old_name(
    clean_warehouse: Settings,
) -> None:
    deliver(clean_warehouse, KEYED, FIRST)
    deliver(clean_warehouse, KEYED, REVISED, night=THIRD)
    then = [("C1", "Fire", "open"), ("C2", "Parks", "open"), ("C3", "Fleet", "done")]
    now = [("C1", "Fire Services", "open"), ("C3", "Fleet", "late"), ("C4", "Zoo", "open")]
    columns = "id, division, status"
    assert seen(clean_warehouse, KEYED, NIGHT - timedelta(days=1), columns) == []
    assert seen(clean_warehouse, KEYED, NIGHT, columns) == then
    assert seen(clean_warehouse, KEYED, SECOND, columns) == then
    assert seen(clean_warehouse, KEYED, THIRD, columns) == now


def test_what_changed_between_two_nights_is_told_by_key(clean_warehouse: Settings) -> None:
    deliver(clean_warehouse, KEYED, FIRST)
    deliver(clean_warehouse, KEYED, REVISED, night=THIRD)
    assert list(changes(clean_warehouse, KEYED, NIGHT, THIRD)) == [
        Change("changed", {"id": "C1"}, {"division": "Fire"}, {"division": "Fire Services"}),
        Change("gone", {"id": "C2"}, {}, {}),
        Change("changed", {"id": "C3"}, {"status": "done"}, {"status": "late"}),
        Change("new", {"id": "C4"}, {}, {}),
    ]
    assert list(changes(clean_warehouse, KEYED, NIGHT, SECOND)) == []


def test_without_keys_a_changed_row_is_one_gone_and_one_new(clean_warehouse: Settings) -> None:
    twice = b"id,division,status\nC1,Fire,open\nC1,Fire,open\n"
    deliver(clean_warehouse, KEYLESS, twice)
    deliver(clean_warehouse, KEYLESS, b"id,division,status\nC1,Fire,open\nC1,Fire,done\n", night=SECOND)
    told = [(each.kind, each.key["status"]) for each in changes(clean_warehouse, KEYLESS, NIGHT, SECOND)]
    assert sorted(told) == [("gone", "open"), ("new", "done")]


@pytest.mark.fault
def test_a_period_as_of_a_night_is_read_again_from_landing(clean_warehouse: Settings, query: Query) -> None:
    """A row corrected, a row deleted, a whole file that came late."""
    deliver(
        clean_warehouse, MONTHLY, months("2026-01-05", "2026-01-06", "2026-02-05", station="A"), "year.csv"
    )
    deliver(clean_warehouse, MONTHLY, months("2026-01-05", station="B"), "january.csv", SECOND)
    deliver(clean_warehouse, MONTHLY, months("2026-03-05", station="L"), "late.csv", THIRD)
    before = query("select r::text from raw.delays as r order by 1")
    columns = '"on", station, _period, _night'
    year = [("2026-01-05", "A", "2026-01", NIGHT), ("2026-01-06", "A", "2026-01", NIGHT),
            ("2026-02-05", "A", "2026-02", NIGHT)]  # fmt: skip
    second = [("2026-01-05", "B", "2026-01", SECOND), year[2]]
    assert seen(clean_warehouse, MONTHLY, NIGHT, columns) == year
    assert seen(clean_warehouse, MONTHLY, SECOND, columns) == second
    assert seen(clean_warehouse, MONTHLY, THIRD, columns) == [*second, ("2026-03-05", "L", "2026-03", THIRD)]
    assert [each.kind for each in changes(clean_warehouse, MONTHLY, NIGHT, THIRD)] == [
        "gone",
        "new",
        "gone",
        "new",
    ]
    assert query("select r::text from raw.delays as r order by 1") == before
    assert (
        query(
            "select relname from pg_class where relname ~ '^(aside|batch)_' and relnamespace = 'raw'::regnamespace"
        )
        == []
    )


def test_a_late_file_belongs_to_the_night_it_was_delivered_on(clean_warehouse: Settings) -> None:
    deliver(clean_warehouse, KEYED, REVISED, night=THIRD)
    late = deliver(clean_warehouse, KEYED, FIRST, night=NIGHT)
    assert "a newer delivery of delays.csv stands already" in str(late.message)
    assert [row[0] for row in seen(clean_warehouse, KEYED, SECOND, "id, status")] == ["C1", "C2", "C3"]
    assert [row[0] for row in seen(clean_warehouse, KEYED, THIRD, "id, status")] == ["C1", "C3", "C4"]


def test_the_dbt_macro_reads_the_same_rows(clean_warehouse: Settings) -> None:
    from cityperf.config import ROOT
    from jinja2 import Template

    deliver(clean_warehouse, KEYED, FIRST)
    deliver(clean_warehouse, KEYED, REVISED, night=THIRD)
    macro = (ROOT / "dbt_project" / "macros" / "delivery_as_of.sql").read_text()
    call = "{{ delivery_as_of('delays', ['id'], \"date '2026-11-21'\") }}"
    text = Template(macro + call).render(source=lambda schema, table: f"{schema}.{table}")
    with connect(clean_warehouse, "transformer") as db:
        found = db.execute(f"select id, division from ({text}) as t order by 1".encode()).fetchall()
    assert found == [("C1", "Fire"), ("C2", "Parks"), ("C3", "Fleet")]


# -- rows at the source --------------------------------------------------------------------------------------
def counted(settings: Settings, query: Query, agreed: Contract, key: str, rows: int) -> Any:
    file_id = land(settings, agreed, FIRST)
    query(
        "update ops.landed_file set source_meta = source_meta || jsonb_build_object(%s::text, %s::int)",
        (key, rows),
    )
    return load_file(settings, NIGHT, agreed, file_id, gate=open_gate)


@pytest.mark.parametrize(
    ("key", "kept"), [("rows_at_source", 3), ("total", 3), ("features", 3), ("else", None)]
)
def test_rows_at_the_source_are_kept_beside_rows_read(
    clean_warehouse: Settings, query: Query, key: str, kept: int | None
) -> None:
    counted(clean_warehouse, query, KEYED, key, 3)
    assert query("select rows_at_source, rows_in, message from ops.batch") == [(kept, 3, None)]
    assert query("select 1 from ops.check_result") == []


def test_fewer_rows_than_the_source_counted_hold_the_file(clean_warehouse: Settings, query: Query) -> None:
    with pytest.raises(FileQuarantined, match="expected 4 rows, as many as the source counted, found 3"):
        counted(clean_warehouse, query, KEYED, "rows_at_source", 4)
    assert query("select count(*) from raw.delays") == [(0,)]


@pytest.mark.parametrize(("agreed", "rows"), [(KEYED, 2), (KEYLESS, 4)], ids=["more", "fewer, where allowed"])
def test_another_number_of_rows_is_a_warning(
    clean_warehouse: Settings, query: Query, agreed: Contract, rows: int
) -> None:
    result = counted(clean_warehouse, query, agreed, "rows_at_source", rows)
    assert (result.loaded, result.message) == (3, f"the source counted {rows} rows, the file has 3")
    assert query("select status, severity, check_name, subject, found from ops.check_result") == [
        ("warn", "warn", "rows_at_source", "delays", "3"),
    ]  # fmt: skip


# -- what told us that nothing changed -----------------------------------------------------------------------
def test_what_told_us_that_nothing_changed_is_kept(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publisher() as there:
        monkeypatch.setenv("CITYPERF_PORTAL_URL", there.url)
        agreed = contract(
            columns={"id": "text", "division": "text", "status": "text"},
            extract={
                "connector": "http_file",
                "url": "https://example.org/a.csv",
                "name": "a.csv",
                "read": {"format": "csv"},
            },
        )
        there.says("/example.org/a.csv", FIRST)
        for night in (NIGHT, SECOND):
            for file in extract(clean_warehouse, night, agreed):
                load_file(clean_warehouse, night, agreed, file["file_id"], gate=open_gate)
        query("update ops.landed_file set etag = null")
        assert extract(clean_warehouse, THIRD, agreed) == []
    assert query("select state, unchanged_by from ops.fetch order by night") == [
        ("landed", None), ("unchanged", "etag"), ("unchanged", "hash"),
    ]  # fmt: skip
