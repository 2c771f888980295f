"""Loading on real PostgreSQL: a file becomes rows whole or not at all, once, and history is kept."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.errors import FileQuarantined
from cityperf.load import attach, ensure_raw_tables, load_file, rebuild
from cityperf.sources import Contract, load_contracts

from tests.integration.publisher import NIGHT, contract, deliver, land, open_gate

Query = Callable[..., list[tuple[Any, ...]]]
NEXT = date(2026, 11, 21)
CSV = b"id,station,minutes\n1,BATHURST,5\n2,DUNDAS,0\n3,,\n"
KEYED = contract(keys=["id"])
MONTHLY = contract(columns={"on": {"header": ["on"], "type": "date", "required": True}, "station": "text"},
                   partition={"column": "on", "grain": "month"})  # fmt: skip
YEARLY = contract(partition={"from_name": "year", "grain": "year"})


def rows(query: Query, columns: str = "id, station, minutes", where: str = "true") -> list[tuple[Any, ...]]:
    return query(f"select {columns} from raw.delays where {where} order by _night, _file_id, _row")


def batch(query: Query, columns: str) -> tuple[Any, ...]:
    return query(f"select {columns} from ops.batch order by batch_id desc limit 1")[0]


def nothing_left(query: Query) -> None:
    assert query("select relname from pg_class where relname ~ '^batch_[0-9]'") == []
    assert query("select 1 from ops.batch where state = 'loading'") == []


def months(*days: str, station: str = "A") -> bytes:
    return ("on,station\n" + "".join(f"{day},{station}\n" for day in days)).encode()


# -- values --------------------------------------------------------------------------------------------------
def test_values_are_text_as_found_and_each_row_knows_its_file(
    clean_warehouse: Settings, query: Query
) -> None:
    result = deliver(clean_warehouse, KEYED, CSV)
    assert (result.rows_in, result.loaded, result.new) == (3, 3, 3)
    assert rows(query) == [("1", "BATHURST", "5"), ("2", "DUNDAS", "0"), ("3", None, None)]
    ((file_id,),) = query("select file_id from ops.landed_file")
    assert rows(query, "_file_id, _row, _sheet, _night") == [(file_id, n, None, NIGHT) for n in (1, 2, 3)]
    assert batch(query, "state, rows_in, rows_loaded, rows_quarantined") == ("loaded", 3, 3, 0)
    assert query("select file_id, night from ops.cursor") == [(file_id, NIGHT)]
    nothing_left(query)


def test_the_table_says_what_it_is(clean_warehouse: Settings, query: Query) -> None:
    ensure_raw_tables(clean_warehouse, {"delays": KEYED})
    ensure_raw_tables(clean_warehouse, {"delays": contract(columns={"id": "text", "late": "text"})})
    ((text,),) = query("select obj_description('raw.delays'::regclass)")
    assert "What was late" in text
    assert "TTC" in text
    names = query("select attname from pg_attribute where attrelid = 'raw.delays'::regclass and attnum > 0")
    assert {"id", "station", "minutes", "late", "_file_id", "_row"} <= {name for (name,) in names}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CSV,
        CSV.replace(b"\n", b"\r\n"),
        CSV + b"\n\n\n",
        b"A title\n\n" + CSV,
        CSV.replace(b"3,,", b'3,"",""'),
        CSV.replace(b"\n3,,", b"\n\n3,,"),
        CSV.replace(b",", b";"),
        b"id,station,minutes,,\n1,BATHURST,5,,\n2,DUNDAS,0,,\n3,,,,\n",
        b"minutes,id,station\n5,1,BATHURST\n0,2,DUNDAS\n,3,\n",
        gzip.compress(CSV),
    ],
    ids=[
        "byte order mark", "CRLF", "blank lines below", "title", "quoted empty", "blank line inside",
        "semicolons", "nameless empty columns", "other order", "gzip",
    ],
)  # fmt: skip
def test_dress_changes_nothing(clean_warehouse: Settings, query: Query, content: bytes) -> None:
    deliver(clean_warehouse, KEYED, content)
    assert rows(query) == [("1", "BATHURST", "5"), ("2", "DUNDAS", "0"), ("3", None, None)]
    assert query("select count(*) from quarantine.rows") == [(0,)]


def test_cp1252_is_decoded_by_the_server(clean_warehouse: Settings, query: Query) -> None:
    read = {"format": "csv", "encoding": "cp1252"}
    agreed = contract(extract={"connector": "drop_folder", "folder": "x", "match": "x", "read": read})
    deliver(clean_warehouse, agreed, CSV.replace(b"DUNDAS", "Montréal’s “Île”".encode("cp1252")))
    assert rows(query)[1][1] == "Montréal’s “Île”"


def test_what_looks_like_a_formula_or_an_end_of_data_is_a_value(
    clean_warehouse: Settings, query: Query
) -> None:
    odd = b"id,station,minutes\n=1+1,\xf0\x9f\x9a\x87 \xe2\x80\xae,-5\n\\.\n@x,\\N,1\n"
    deliver(clean_warehouse, KEYED, odd + MANY.split(b"\n", 1)[1])
    assert rows(query)[:2] == [("=1+1", "\U0001f687 \u202e", "-5"), ("@x", "\\N", "1")]
    assert query("select found from quarantine.rows") == [("1 fields",)]


# -- rows that break the contract ----------------------------------------------------------------------------
MANY = b"id,station,minutes\n" + b"".join(b"%d,S,%d\n" % (n, n) for n in range(20))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("line", "column", "expected", "found"),
    [
        (b"100,A,B,5", None, "3 fields", "4 fields"),
        (b"100,A", None, "3 fields", "2 fields"),
        (b"100,Montr\xe9al,5", None, "text in utf-8", "the byte 0xe9"),
        (b"100,A\x00B,5", None, "text in utf-8", "a NUL character"),
        (b"100,A,five", "minutes", "a whole number", "five"),
        (b'100,A,"1 234,5"', "minutes", "a whole number", "1 234,5"),
        (b"7,A,5", "id", "id once in a file", "7"),
    ],
    ids=[
        "too many fields",
        "too few",
        "other encoding",
        "NUL",
        "not a number",
        "French decimals",
        "key repeats",
    ],
)
def test_a_bad_row_is_held_with_its_line_and_the_others_are_loaded(
    clean_warehouse: Settings, query: Query, line: bytes, column: str | None, expected: str, found: str
) -> None:
    whole = MANY.splitlines(keepends=True)
    content = b"".join([*whole[:11], line + b"\n", *whole[11:]])
    result = deliver(clean_warehouse, KEYED, content)
    assert (result.rows_in, result.loaded, result.quarantined) == (21, 20, 1)
    assert len(rows(query)) == 20
    (held,) = query("select line, column_name, expected, found, night from quarantine.rows")
    assert held == (12, column, expected, found, NIGHT)
    assert "1 rows held" in str(result.message)
    assert batch(query, "rows_quarantined") == (1,)


@pytest.mark.fault
@pytest.mark.parametrize("line", [b"%d,A,five\n", b"%d,A\n"], ids=["type", "ragged"])
def test_a_file_with_more_than_a_fifth_of_bad_rows_is_held_as_a_whole(
    clean_warehouse: Settings, query: Query, line: bytes
) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    content = MANY + b"".join(line % n for n in range(100, 106))
    with pytest.raises(FileQuarantined, match=r"at most 20% of rows.*found 6 of 26"):
        deliver(clean_warehouse, KEYED, content, night=NEXT)
    assert len(rows(query)) == 3
    assert query("select count(*) from quarantine.rows") == [(0,)]
    nothing_left(query)


def test_rows_of_persons_are_held_without_their_content(clean_warehouse: Settings, query: Query) -> None:
    agreed = contract(privacy={"class": "person_level"}, drift={"new_column": "ignore"})
    deliver(clean_warehouse, agreed, MANY + b"100,Jane Doe,five\n")
    assert query("select found, record from quarantine.rows") == [(None, "(withheld: person-level data)")]


def test_the_policy_for_type_errors_is_the_contracts(clean_warehouse: Settings, query: Query) -> None:
    lenient = contract(drift={"type_error": "warn"})
    assert deliver(clean_warehouse, lenient, MANY + b"100,A,five\n").loaded == 21
    strict = contract(drift={"type_error": "quarantine_file"})
    with pytest.raises(FileQuarantined, match=r"'five' in minutes.*line 22"):
        deliver(clean_warehouse, strict, MANY + b"100,A,five\n\n", night=NEXT)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("date", ["2024-02-29", "2024-12-31T00:00:00", " 2024-01-01 "],
         ["2023-02-29", "2024-13-01", "2024-04-31", "01/02/2024", "2024-1-1", "0000-01-01"]),
        ("timestamp", ["2025-01-01 00:01:05.0000000", "2020-09-04T08:40", "2020-09-04"],
         ["2020-09-04 25:00", "now"]),
        ("integer", ["0", "-12", "+5", "007"], ["1.5", "1,000", "", "1e3"]),
        ("numeric", ["0.70", "-1.5e-3", ".5", "2026"], ["1.2.3", "1,5", "NaN", "--1"]),
        ("money", ["64,884.78", "(1,049,252.00)", "-$1,003,351,699.34", "$5", "1200"],
         ["12,34", "free", "$", "()"]),
        ("boolean", ["true", "No", "0"], ["maybe", "2"]),
        ("json", ["[1]", '{"a": 2}', "3"], ["{a", "["]),
    ],
)  # fmt: skip
def test_types_accept_what_casts_and_nothing_else(
    clean_warehouse: Settings, query: Query, kind: str, good: list[str], bad: list[str]
) -> None:
    agreed = contract(columns={"n": "text", "v": {"header": ["v"], "type": kind}})
    wrong = [value for value in bad if value]
    if kind == "json" and query("show server_version_num")[0][0] < "160000":
        wrong = ["{a", "nope"][1:]  # an older server looks at the first character only
    lines = [*good, *[good[0]] * (5 * len(wrong)), *wrong]
    content = "n,v\n" + "".join(
        f'{n},"{value.replace(chr(34), chr(34) * 2)}"\n' for n, value in enumerate(lines)
    )
    deliver(clean_warehouse, agreed, content.encode())
    assert query("select found from quarantine.rows order by line") == [(value,) for value in wrong]


def test_required_and_allowed_values_are_asked_for(clean_warehouse: Settings, query: Query) -> None:
    agreed = contract(
        columns={
            "id": {"header": ["id"], "type": "text", "required": True},
            "kind": {"header": ["kind"], "type": "text", "allowed": ["m", "q"]},
        }
    )
    lines = b"id,kind\n" + b"".join(b"%d,m\n" % n for n in range(10)) + b",q\n7,x\n8,\n"
    deliver(clean_warehouse, agreed, lines)
    assert query("select line, column_name, expected, found from quarantine.rows order by line") == [
        (12, "id", "a value", None), (13, "kind", "one of m, q", "x"),
    ]  # fmt: skip


# -- files that break the contract ---------------------------------------------------------------------------
@pytest.mark.fault
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>Sorry</html>", "an HTML page"),
        (b"id,station,minutes\n", "nothing below it"),
        (CSV.replace(b"minutes", b"seconds"), "the column 'minutes'"),
        (CSV.replace(b"minutes", b"id"), "one column for 'id'"),
        (CSV[:-8], "cut off"),
        (CSV.decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(MANY * 50)[:-50], "breaks off"),
        (b"PK\x03\x04" + b"\x00" * 200, "damaged"),
    ],
    ids=["empty", "HTML", "no rows", "renamed", "twice", "cut", "UTF-16", "cut gzip", "cut zip"],
)
def test_a_refused_file_touches_nothing_and_says_why(
    clean_warehouse: Settings, query: Query, content: bytes, says: str
) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    before = rows(query, "*")
    for _ in range(2):
        with pytest.raises(FileQuarantined) as caught:
            deliver(clean_warehouse, KEYED, content, night=NEXT)
    assert says in str(caught.value)
    assert str(caught.value).startswith("delays: expected ")
    assert rows(query, "*") == before
    ((reason, remedy),) = query("select reason, remedy from quarantine.files")
    assert says in reason
    assert remedy
    assert batch(query, "state, message") == ("quarantined", reason)
    assert query("select night from ops.cursor") == [(NIGHT,)]
    nothing_left(query)


@dataclass(frozen=True)
class Check:
    """What the loader needs to know of a check's result."""

    blocks: bool
    expected: str = "fewer delays"
    found: str = "more"
    runbook: str = "docs/runbooks/landing.md#rows"


def test_the_landing_gate_sees_the_batch_and_can_stop_it(clean_warehouse: Settings, query: Query) -> None:
    seen: list[Any] = []

    def closed(
        settings: Settings, night: date, agreed: Contract, table: str, batch_id: int, db: Any
    ) -> list[Check]:
        seen.append(query(f"select count(*) from {table}"))  # another connection: it is committed
        seen.append(query("select count(*) from raw.delays"))
        return [Check(False), Check(True)]

    with pytest.raises(FileQuarantined, match=r"expected fewer delays, found more; .*landing\.md#rows"):
        deliver(clean_warehouse, KEYED, CSV, gate=closed)
    assert seen == [[(3,)], [(0,)]]
    assert deliver(clean_warehouse, KEYED, CSV, gate=lambda *_: [Check(False)]).loaded == 3


TOTAL = contract(
    columns={"program": "text", "amount": {"header": ["amount"], "type": "money", "required": True}},
    control_total={"column": "amount", "where_blank": "program", "tolerance": 0.01},
)


def test_a_control_total_is_checked_and_kept(clean_warehouse: Settings, query: Query) -> None:
    lines = b'program,amount\nA,"1,000.50"\nB,"(2,000.00)"\n,'
    assert deliver(clean_warehouse, TOTAL, lines + b"-$999.50\n").loaded == 3
    assert batch(query, "control_total") == (Decimal("-999.50"),)
    with pytest.raises(FileQuarantined, match=r"add up to the control total of -999\.40.*-999\.50"):
        deliver(clean_warehouse, TOTAL, lines + b"-$999.40\n", night=NEXT)
    with pytest.raises(FileQuarantined, match="2 such rows"):
        deliver(clean_warehouse, TOTAL, lines + b"-$999.50\n,1\n", night=NEXT)
    with pytest.raises(
        FileQuarantined, match=r"expected a control total, as in the delivery before \(-999\.50\)"
    ):
        deliver(clean_warehouse, TOTAL, b"program,amount\nA,1\n", night=NEXT)
    assert deliver(clean_warehouse, TOTAL, b"program,amount\nA,1\n", "other.csv", NEXT).loaded == 1
    assert batch(query, "control_total") == (None,)


# -- columns that come and go --------------------------------------------------------------------------------
def test_a_new_column_is_added_and_told(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    wider = b"id,station,minutes,Min Gap\n1,BATHURST,5,9\n"
    result = deliver(clean_warehouse, KEYED, wider, night=NEXT)
    assert "new columns 'Min Gap': loaded, not in the contract" in str(result.message)
    assert rows(query, "id, min_gap") == [("1", None), ("2", None), ("3", None), ("1", "9")]
    assert batch(query, "schema_change") == ({"new": {"min_gap": "Min Gap"}},)
    assert result.unchanged == 0
    assert result.changed == 1


def test_an_ignored_column_is_left_out(clean_warehouse: Settings, query: Query) -> None:
    agreed = contract(ignored=["Min Gap"])
    deliver(clean_warehouse, agreed, b"id,Min Gap,station,minutes\n1,9,A,5\n")
    assert rows(query) == [("1", "A", "5")]
    with pytest.raises(Exception, match="min_gap"):
        rows(query, "min_gap")


def test_a_value_below_a_nameless_header_is_held(clean_warehouse: Settings, query: Query) -> None:
    lines = b"id,station,minutes,\n" + b"".join(b"%d,S,1,\n" % n for n in range(9)) + b"9,S,1,stray\n"
    deliver(clean_warehouse, KEYED, lines)
    assert query("select line, found from quarantine.rows") == [(11, "stray")]


# -- deliveries one after the other --------------------------------------------------------------------------
def test_every_changed_delivery_is_kept_and_compared_with_the_one_before(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    changed = deliver(
        clean_warehouse, KEYED, b"id,station,minutes\n1,BATHURST,6\n2,DUNDAS,0\n4,NEW,1\n", night=NEXT
    )
    assert (changed.new, changed.changed, changed.unchanged) == (1, 1, 1)
    assert "1 rows of the delivery before are gone" in str(changed.message)
    assert len(rows(query)) == 6
    assert query("select night from ops.cursor") == [(NEXT,)]


@pytest.mark.fault
@pytest.mark.parametrize("agreed", [KEYED, YEARLY], ids=["kept deliveries", "periods"])
@pytest.mark.parametrize(
    ("lines", "says"), [(13, "found 13;"), (18, "found 18 and no line end behind the last one;")]
)
def test_a_file_cut_at_the_source_is_known_by_what_it_lacks(
    clean_warehouse: Settings, query: Query, agreed: Contract, lines: int, says: str
) -> None:
    """Cut between two records, or inside the last field, every line of it is sound."""
    deliver(clean_warehouse, agreed, MANY, "SR2025.csv")
    cut = b"".join(MANY.splitlines(keepends=True)[: lines + 1])
    cut = cut if lines == 13 else cut[:-2]
    with pytest.raises(FileQuarantined, match=f"expected about 20 rows.*{says}"):
        deliver(clean_warehouse, agreed, cut, "SR2025.csv", NEXT)
    assert len(rows(query)) == 20
    nothing_left(query)
    lenient = agreed.model_copy(update={"drift": agreed.drift.model_copy(update={"fewer_rows": "warn"})})
    assert deliver(clean_warehouse, lenient, cut, "SR2025.csv", NEXT).loaded == lines


def test_only_the_columns_named_by_compare_make_a_revision(clean_warehouse: Settings, query: Query) -> None:
    agreed = contract(keys=["id"], compare=["minutes"])
    deliver(clean_warehouse, agreed, CSV)
    result = deliver(
        clean_warehouse, agreed, CSV.replace(b"BATHURST", b"Bathurst").replace(b",0", b",7"), night=NEXT
    )
    assert (result.new, result.changed, result.unchanged) == (0, 1, 2)
    assert "1 more rows differ, but not in minutes" in str(result.message)


def test_the_same_file_again_is_no_second_load(clean_warehouse: Settings, query: Query) -> None:
    first = deliver(clean_warehouse, KEYED, CSV)
    again = deliver(clean_warehouse, KEYED, CSV)
    later = deliver(clean_warehouse, KEYED, CSV, night=NEXT)
    assert (again.batch_id, later.batch_id) == (first.batch_id, first.batch_id)
    assert len(rows(query)) == 3
    assert query("select count(*) from ops.batch") == [(1,)]


def test_a_delivery_that_comes_back_stands_again_without_a_second_copy(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, KEYED, CSV)
    deliver(clean_warehouse, KEYED, CSV + b"4,X,1\n", night=NEXT)
    third = date(2026, 11, 22)
    deliver(clean_warehouse, KEYED, CSV, night=third)
    assert len(rows(query)) == 7
    assert query(
        "select c.night, f.bytes from ops.cursor as c join ops.landed_file as f using (file_id)"
    ) == [(third, len(CSV))]


def test_an_older_night_never_moves_the_cursor_back(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, CSV, night=NEXT)
    deliver(clean_warehouse, KEYED, CSV + b"4,X,1\n", night=NIGHT)
    assert query("select night from ops.cursor") == [(NEXT,)]


def test_two_loads_of_one_data_set_at_once_give_one(clean_warehouse: Settings, query: Query) -> None:
    file_id = land(clean_warehouse, KEYED, MANY * 1 + b"".join(b"%d,S,1\n" % n for n in range(100, 5000)))
    results: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(load_file(clean_warehouse, NIGHT, KEYED, file_id, gate=open_gate))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.batch_id for result in results} == {results[0].batch_id}
    assert len(rows(query)) == 4920


# -- periods -------------------------------------------------------------------------------------------------
def periods(query: Query) -> dict[str, str]:
    return dict(query("select _period, string_agg(station, '' order by _row) from raw.delays group by 1"))


def test_a_later_delivery_replaces_its_own_months_and_no_other(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, MONTHLY, months("2019-07-01", "2019-07-02", "2019-08-01T00:00:00"), "year.csv")
    later = deliver(clean_warehouse, MONTHLY, months("2019-07-09", station="B"), "july.csv", NEXT)
    assert periods(query) == {"2019-07": "B", "2019-08": "A"}
    assert (later.new, later.changed, later.unchanged, later.periods) == (0, 1, 0, ("2019-07",))
    assert query("select state, periods from ops.batch order by batch_id") == [
        ("loaded", ["2019-08"]), ("loaded", ["2019-07"]),
    ]  # fmt: skip
    deliver(clean_warehouse, MONTHLY, months("2019-08-09", station="C"), "august.csv", NEXT)
    assert query("select state from ops.batch order by batch_id") == [
        ("superseded",),
        ("loaded",),
        ("loaded",),
    ]
    nothing_left(query)


def test_exact_repeats_inside_a_file_are_kept(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, MONTHLY, months("2019-07-01", "2019-07-01", "2019-07-01"))
    assert periods(query) == {"2019-07": "AAA"}
    again = deliver(clean_warehouse, MONTHLY, months("2019-07-01", "2019-07-01"), "other.csv", NEXT)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    assert "1 rows of the delivery before are gone" in str(again.message)


@pytest.mark.parametrize("first", ["year", "month"])
def test_which_delivery_of_a_night_is_the_later_one_does_not_depend_on_who_loads_first(
    clean_warehouse: Settings, query: Query, first: str
) -> None:
    files = {
        "month": (months("2019-07-01", station="M"), "july.csv", NIGHT, "2019-08-05T00:00:00"),
        "year": (months("2019-07-01", "2019-08-01", station="Y"), "year.csv", NIGHT, "2020-01-05T00:00:00"),
    }
    for which in (first, "month" if first == "year" else "year"):
        deliver(clean_warehouse, MONTHLY, *files[which])
    assert periods(query) == {"2019-07": "Y", "2019-08": "Y"}
    states = dict(
        query("select f.name, b.state from ops.batch as b join ops.landed_file as f using (file_id)")
    )
    assert states == {"july.csv": "superseded", "year.csv": "loaded"}


def test_a_backfill_of_an_older_night_never_replaces_a_newer_period(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, MONTHLY, months("2019-07-01", station="N"), night=NEXT)
    result = deliver(clean_warehouse, MONTHLY, months("2019-07-01", "2019-06-01", station="O"), night=NIGHT)
    assert periods(query) == {"2019-06": "O", "2019-07": "N"}
    assert "a newer delivery stands for 2019-07 already" in str(result.message)


def test_a_period_from_the_files_name_takes_the_batch_table_itself(
    clean_warehouse: Settings, query: Query
) -> None:
    deliver(clean_warehouse, YEARLY, CSV, "SR2024.csv")
    deliver(clean_warehouse, YEARLY, CSV + b"4,X,1\n", "SR2025.csv")
    deliver(clean_warehouse, YEARLY, CSV + b"5,Y,1\n", "SR2024-final.csv", NEXT)
    assert query("select _period, count(*) from raw.delays group by 1 order by 1") == [
        ("2024", 4),
        ("2025", 4),
    ]
    assert query("select relname from pg_class where relname like 'delays\\_\\_%' order by 1") == [
        ("delays__2024",), ("delays__2025",),
    ]  # fmt: skip
    assert query("select count(*) from pg_class where relkind = 'S' and relname ~ '^batch_[0-9]'") == [(0,)]
    nothing_left(query)


def test_a_new_column_reaches_all_periods(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, YEARLY, CSV, "SR2024.csv")
    deliver(clean_warehouse, YEARLY, b"gap,minutes,station,id\n9,5,A,1\n", "SR2025.csv")
    deliver(clean_warehouse, YEARLY, CSV, "SR2026.csv")
    assert query("select _period, max(gap) from raw.delays group by 1 order by 1") == [
        ("2024", None), ("2025", "9"), ("2026", None),
    ]  # fmt: skip


def test_more_periods_than_joins_can_bear_are_refused(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "MAX_PARTITIONS", 3)
    deliver(clean_warehouse, MONTHLY, months("2019-01-01", "2019-02-01"))
    with pytest.raises(FileQuarantined, match=r"at most 3 periods attached to raw\.delays, found 4"):
        deliver(clean_warehouse, MONTHLY, months("2019-02-01", "2019-03-01", "2019-04-01"), night=NEXT)
    assert set(periods(query)) == {"2019-01", "2019-02"}


# -- from landing --------------------------------------------------------------------------------------------
def test_everything_in_raw_is_rebuilt_from_landing(clean_warehouse: Settings, query: Query) -> None:
    deliver(clean_warehouse, KEYED, MANY + b"100,A,five\n")
    deliver(clean_warehouse, KEYED, MANY.replace(b",S,", b",T,"), night=NEXT)
    month = contract("months", columns={"on": {"header": ["on"], "type": "date"}, "station": "text"},
                     partition={"column": "on", "grain": "month"})  # fmt: skip
    deliver(clean_warehouse, month, months("2019-07-01", "2019-08-01"), "year.csv")
    deliver(clean_warehouse, month, months("2019-07-02", station="B"), "july.csv", NEXT)
    before = [
        query(f"select * from raw.{name} order by _night, _file_id, _row") for name in ("delays", "months")
    ]
    cursor = query("select * from ops.cursor order by 1, 2")
    rebuild(clean_warehouse, KEYED)
    rebuild(clean_warehouse, month)
    after = [
        query(f"select * from raw.{name} order by _night, _file_id, _row") for name in ("delays", "months")
    ]
    assert after == before
    assert query("select * from ops.cursor order by 1, 2") == cursor
    assert query("select count(*) from quarantine.rows") == [(1,)]
    rebuild(clean_warehouse, month)
    assert query("select * from raw.months order by _night, _file_id, _row") == before[1]


def test_a_file_that_landing_lost_is_told(clean_warehouse: Settings, query: Query) -> None:
    from cityperf.landing import path_of

    file_id = land(clean_warehouse, KEYED, CSV)
    ((sha256,),) = query("select sha256 from ops.landed_file")
    path_of(clean_warehouse, sha256).unlink()
    with pytest.raises(FileNotFoundError, match="restore landing from its backup"):
        load_file(clean_warehouse, NIGHT, KEYED, file_id, gate=open_gate)
    assert batch(query, "state") == ("failed",)


# -- the listing ---------------------------------------------------------------------------------------------
def test_the_listing_shows_every_data_set_with_its_last_night(
    clean_warehouse: Settings, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cityperf.cli.source import source
    from click.testing import CliRunner

    monkeypatch.setenv("CITYPERF_HOME", str(clean_warehouse.home))
    codes = load_contracts()["ttc_subway_delay_codes"]
    deliver(clean_warehouse, codes, b"_id,CODE,DESCRIPTION\n1,EUAC,AIR CONDITIONING\n2,EUAL,CURRENT\n")
    query(
        "insert into ops.fetch (night, dataset, state, files) values (%s, %s, 'landed', '[1]')",
        (NIGHT, codes.dataset),
    )
    found = CliRunner().invoke(source, ["list", "--json"], catch_exceptions=False)
    listed = {each["dataset"]: each for each in json.loads(found.output)}
    assert set(listed) == set(load_contracts())
    row = listed["ttc_subway_delay_codes"]
    assert (row["state"], row["rows"], row["night"]) == ("loaded", 2, NIGHT.isoformat())
    assert listed["commitments"]["state"] == "never"
    shown = CliRunner().invoke(source, ["list"], catch_exceptions=False).output
    assert re.search(
        r"^ttc_subway_delay_codes +Toronto Transit Commission .* loaded +2 +0$", shown, re.MULTILINE
    )
    assert CliRunner().invoke(source, ["check", "commitments"], catch_exceptions=False).exit_code == 0


# -- real files ----------------------------------------------------------------------------------------------
@pytest.mark.real
def test_overlapping_subway_files_reconcile(clean_warehouse: Settings, query: Query, real_data: Path) -> None:
    agreed = load_contracts()["ttc_subway_delays"]
    match = re.compile(agreed.extract.arguments["match"])
    files = sorted(
        path for path in (real_data / "ttc-delays" / "subway").iterdir() if match.search(path.name)
    )
    assert len(files) == 13
    for path in files:
        deliver(clean_warehouse, agreed, path, path.name)
    assert query("select count(*) from raw.ttc_subway_delays") == [(227_661,)]
    assert query("select sum(rows_in), sum(rows_quarantined) from ops.batch") == [(230_987, 0)]


@pytest.mark.real
@pytest.mark.parametrize(
    ("dataset", "file", "count"),
    [
        ("operating_budget", "toronto-budget/operating-budget-2022.csv", 19_715),
        ("mbncanada_results", "mbncanada/mbnc_results_2004-2018.csv.gz", 62_744),
        ("neighbourhood_crime_rates", "tps-crime/Neighbourhood_Crime_Rates_Open_Data.geojson", 158),
        ("neighbourhood_profiles_2016", "geography/neighbourhood-profiles-2016-csv.csv", 2_383),
    ],
)
def test_real_files_load_whole(
    clean_warehouse: Settings, query: Query, real_data: Path, dataset: str, file: str, count: int
) -> None:
    path = real_data / file
    result = deliver(clean_warehouse, load_contracts()[dataset], path, path.name)
    assert (result.rows_in, result.loaded, result.quarantined) == (count, count, 0)
    if dataset == "operating_budget":
        assert batch(query, "control_total") == (Decimal("-1003351699.34"),)


@pytest.mark.real
def test_the_second_vintage_of_the_dashboard_revises_984_points_and_adds_58(
    clean_warehouse: Settings, query: Query, real_data: Path
) -> None:
    agreed = load_contracts()["dashboard_measures"]
    folder = real_data / "toronto-dashboard"
    first = deliver(clean_warehouse, agreed, folder / "tpp_measures_2019-10-29.json", "tpp_measures.json")
    second = deliver(
        clean_warehouse, agreed, folder / "tpp_measures_2019-11-19.json", "tpp_measures.json", NEXT
    )
    assert (first.new, second.new, second.changed, second.loaded) == (7518, 58, 984, 7576)


@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "count", "no_time"),
    [("ttc-bus-delay-data-2020.xlsx", 36_151, 5), ("TTC Bus Delay Data since 2025.csv", 35_370, 0)],
)
def test_bus_files_of_every_shape_load_with_one_contract(
    clean_warehouse: Settings, query: Query, real_data: Path, file: str, count: int, no_time: int
) -> None:
    """2020 changes its header inside one workbook and has five dates in place of times; 2025 is a CSV."""
    headers = {
        "date": ["Date", "Report Date"], "route": ["Route", "Line"], "time": ["Time"], "day": ["Day"],
        "location": ["Location", "Station"], "incident": ["Incident", "Code"],
        "min_delay": ["Min Delay", "Delay"], "min_gap": ["Min Gap", "Gap"],
        "direction": ["Direction", "Bound"], "vehicle": ["Vehicle"],
    }  # fmt: skip
    types = {"date": "date", "min_delay": "integer", "min_gap": "integer"}
    columns = {
        name: {"header": header, "type": types.get(name, "text"), "required": name == "date"}
        for name, header in headers.items()
    }
    columns["source_id"] = {"header": ["_id"], "type": "text", "optional": True}
    agreed = contract(columns=columns, partition={"column": "date", "grain": "month"})
    result = deliver(clean_warehouse, agreed, real_data / "ttc-delays" / "bus" / file, file)
    assert (result.rows_in, result.quarantined) == (count, 0)
    assert query("select count(*) from raw.delays where date !~ '^20[0-9]{2}-[01]'") == [(0,)]
    assert query("select count(*) from raw.delays where time !~ '^[0-9]{2}:[0-9]{2}'") == [(no_time,)]
