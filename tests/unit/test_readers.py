"""Readers: whatever a publisher does to a file, its records come out as text, or the file is refused in
plain words.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from cityperf.load.header import find_header, match_header, snake
from cityperf.load.quarantined import BadRow, Quarantined
from cityperf.load.readers import Reader, Record, open_file
from cityperf.sources import Contract

COLUMNS: list[dict[str, Any]] = [
    {"name": "source_id", "header": ["_id"], "type": "text", "optional": True},
    {"name": "date", "header": ["Date", "Report Date"], "type": "date", "required": True},
    {"name": "time", "header": ["Time"], "type": "text"},
    {"name": "station", "header": ["Station"], "type": "text"},
    {"name": "min_delay", "header": ["Min Delay", "Delay"], "type": "integer"},
]
CSV = "Date,Time,Station,Min Delay\n2025-01-01,02:10,BATHURST,5\n2025-01-02,02:30,DUNDAS,\n"


def contract(
    columns: list[dict[str, Any]] | None = None, *, connector: str = "drop_folder", **more: Any
) -> Contract:
    read = more.pop("read", {"format": "auto"})
    return Contract.model_validate(
        {
            "dataset": "delays",
            "title": "Delays",
            "description": "Delays.",
            "owner": {"division": "TTC", "steward": "Reliability"},
            "licence": "OGL-Toronto",
            "privacy": {"class": "public"},
            "tier": 1,
            "extract": {"connector": connector, "folder": "x", "match": "x", "read": read},
            "schedule": {"refresh": "daily", "warn_after": "2 days", "fail_after": "3 days"},
            "columns": columns or COLUMNS,
            **more,
        }
    )


def opened(tmp_path: Path, content: bytes, agreed: Contract | None = None) -> Reader:
    file = tmp_path / "landed"
    file.write_bytes(content)
    return open_file(agreed or contract(), file, "delays.csv")


def values(reader: Reader) -> list[dict[str, str | None]]:
    found = []
    for record in reader.records():
        assert isinstance(record, Record), record
        found.append(dict(zip(reader.columns, record.values, strict=True)))
    return found


def bad(reader: Reader) -> list[BadRow]:
    return [record for record in reader.records() if isinstance(record, BadRow)]


def workbook(sheets: dict[str, list[list[Any]]]) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    date = book.add_format({"num_format": "yyyy-mm-dd"})
    time = book.add_format({"num_format": "hh:mm"})
    for title, rows in sheets.items():
        sheet = book.add_worksheet(title)
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                if isinstance(cell, dt.time):
                    sheet.write_datetime(r, c, cell, time)
                elif isinstance(cell, dt.date):
                    sheet.write_datetime(r, c, cell, date)
                elif cell is not None:
                    sheet.write(r, c, cell)
    book.close()
    return out.getvalue()


# -- CSV -----------------------------------------------------------------------------------------------------
def test_values_are_the_text_as_found_and_empty_is_null(tmp_path: Path) -> None:
    reader = opened(tmp_path, CSV.encode())
    assert values(reader) == [
        {"date": "2025-01-01", "time": "02:10", "station": "BATHURST", "min_delay": "5"},
        {"date": "2025-01-02", "time": "02:30", "station": "DUNDAS", "min_delay": None},
    ]
    assert reader.bytes is not None  # PostgreSQL may read it by itself


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + CSV.encode(),
        CSV.replace("\n", "\r\n").encode(),
        CSV.replace("Date,Time", "REPORT  date , time").encode(),
        CSV.replace(",", ";").encode(),
        b"TTC delays\n\n" + CSV.encode() + b"\n\n",
        gzip.compress(CSV.encode()),
        CSV.encode().rstrip(),
    ],
    ids=[
        "byte order mark",
        "CRLF",
        "other spelling",
        "semicolons",
        "title above",
        "gzip",
        "no last line end",
    ],
)
def test_dress_changes_nothing(tmp_path: Path, content: bytes) -> None:
    assert values(opened(tmp_path, content)) == values(opened(tmp_path, CSV.encode()))


def test_a_zip_with_one_csv_is_read_from_inside(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SR2025.csv", CSV)
        archive.writestr("readme.txt", "read me")
    agreed = contract(read={"format": "csv", "inside_zip": True})
    assert len(values(opened(tmp_path, packed.getvalue(), agreed))) == 2


def test_cp1252_is_decoded_and_a_change_to_utf8_is_noticed(tmp_path: Path) -> None:
    agreed = contract(read={"format": "csv", "encoding": "cp1252"})
    french = CSV.replace("DUNDAS", "ÎLES-DE-TORONTO’S")
    old = opened(tmp_path, french.encode("cp1252"), agreed)
    assert values(old)[1]["station"] == "ÎLES-DE-TORONTO’S"
    assert old.bytes is not None
    assert old.bytes.encoding == "WIN1252"
    new = opened(tmp_path, french.encode("utf-8"), agreed)
    assert values(new)[1]["station"] == "ÎLES-DE-TORONTO’S"
    assert "UTF-8" in new.notes[0]


def test_utf16_is_refused_unless_agreed(tmp_path: Path) -> None:
    with pytest.raises(Quarantined, match="UTF-16"):
        opened(tmp_path, CSV.encode("utf-16"))
    agreed = contract(read={"format": "csv", "encoding": "utf-16"})
    assert len(values(opened(tmp_path, CSV.encode("utf-16"), agreed))) == 2


def test_a_ragged_row_is_held_with_its_line_and_the_others_are_read(tmp_path: Path) -> None:
    content = (
        CSV + '2025-01-03,02:30,"ONE\nTWO",3\n2025-01-04,02:30,A,B,7\n2025-01-05,02:30\n2025-01-06,,C,1\n'
    )
    reader = opened(tmp_path, content.encode())
    held = bad(reader)
    assert [(row.row, row.line, row.found) for row in held] == [(4, 6, "5 fields"), (5, 7, "2 fields")]
    assert "A,B,7" in held[0].record
    assert [r.row for r in reader.records() if isinstance(r, Record)] == [1, 2, 3, 6]


def test_a_row_that_is_not_in_the_encoding_is_held_with_the_byte(tmp_path: Path) -> None:
    reader = opened(tmp_path, CSV.encode() + "2025-01-03,02:30,MONTRÉAL,1\n".encode("cp1252"))
    (row,) = bad(reader)
    assert row.found == "the byte 0xc9"
    assert row.line == 4


def test_a_nul_character_is_held_with_its_row(tmp_path: Path) -> None:
    (row,) = bad(opened(tmp_path, CSV.encode() + b"2025-01-03,02:30,A\x00B,1\n"))
    assert row.found == "a NUL character"
    assert "\x00" not in row.record


@pytest.mark.parametrize(
    "content",
    [CSV + "2025-01-03,02:30,BL", CSV + '2025-01-03,02:30,ABC,"12', CSV + '2025-01-03,02:30,"AB'],
    ids=["short row", "open quote in the last field", "open quote"],
)
def test_a_file_that_breaks_off_in_its_last_line_is_refused(tmp_path: Path, content: str) -> None:
    reader = opened(tmp_path, content.encode())
    with pytest.raises(Quarantined, match=r"cut off; at delays\.csv, line 4"):
        list(reader.records())


def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path) -> None:
    content = CSV + '2025-01-03,02:30,"ABC,1\n' + "2025-01-04,02:30,DEF,2\n" * 100
    with pytest.raises(Quarantined, match="line 4"):
        list(opened(tmp_path, content.encode()).records())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file of 0 bytes"),
        (b" \n\n", "an empty file"),
        (b"<!DOCTYPE html><html><body>Sorry</body></html>", "an HTML page"),
        (CSV.replace("Date", "When").encode(), "the column 'Date'"),
        (CSV.replace("Time", "Date").encode(), "one column for 'date'"),
        (b"\x00\x01\x02\x03" * 2000, "binary content"),
        (b"a,b\n1,2\n", "the columns 'Date'"),
        (gzip.compress(CSV.encode() * 500)[:-40], "breaks off or is damaged"),
    ],
    ids=["empty", "blank", "HTML", "renamed", "twice", "binary", "another file", "cut gzip"],
)
def test_a_foreign_file_is_refused_in_plain_words(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Quarantined) as caught:
        list(opened(tmp_path, content).records())
    assert says in str(caught.value)
    assert "delays.csv" in str(caught.value)


def test_a_gzip_bomb_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    line = f"2025-01-01,02:10,{'BATHURST' * 500},5\n"
    bomb = gzip.compress((CSV + line * 5_000).encode())  # 20 MB: ratios are looked at above 16
    assert len(bomb) < (20 << 20) // 150
    with pytest.raises(Quarantined, match="bomb"):
        for _ in opened(tmp_path, bomb).records():
            pass


def test_a_million_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Quarantined, match="at most 1000 columns, found"):
        opened(tmp_path, CSV.replace("Min Delay\n", "Min Delay" + "," * 5000 + "\n").encode())


# -- columns -------------------------------------------------------------------------------------------------
def test_drift_policies_decide_about_a_new_column() -> None:
    header = ["Date", "Time", "Station", "Min Delay", "Min Gap (2025)"]
    warned = match_header(contract(), header, "x")
    assert dict(warned.new) == {"min_gap_2025": "Min Gap (2025)"}
    ignored = match_header(contract(drift={"new_column": "ignore"}), header, "x")
    assert ignored.targets == ("date", "time", "station", "min_delay", None)
    known = match_header(contract(ignored=["min gap (2025)"]), header, "x")
    assert not known.new
    with pytest.raises(Quarantined, match="Min Gap"):
        match_header(contract(drift={"new_column": "quarantine_file"}), header, "x")


def test_a_missing_column_may_be_a_warning_but_never_a_required_one() -> None:
    lenient = contract(drift={"missing_column": "warn"})
    assert match_header(lenient, ["Date", "Station"], "x").missing == ("time", "min_delay")
    with pytest.raises(Quarantined, match="'Date'"):
        match_header(lenient, ["Time", "Station", "Min Delay"], "x")


ABOVE = "2026-01-02,07:15,Union,3\n2026-01-03,,Kipling,4\n"


def test_records_above_the_header_refuse_the_file_and_titles_do_not(tmp_path: Path) -> None:
    lines = CSV.splitlines(keepends=True)
    with pytest.raises(Quarantined, match="2 rows like records above it") as refused:
        opened(tmp_path, "".join([ABOVE, *lines]).encode())
    assert "line 3" in str(refused.value)
    for titles in (
        "Toronto Transit Commission,,,\nUpdated 2026-01-31,,,\n",
        "Jour,Heure,Station,Retard (min)\n",  # the header in another language
        ",,,2026\n",  # a group of columns
    ):
        assert len(list(opened(tmp_path, "".join([titles, *lines]).encode()).records())) == len(lines) - 1


def test_pattern_columns_take_their_names_from_the_header() -> None:
    columns = [
        {"name": "hood", "header": ["HOOD_ID"], "type": "text"},
        {"pattern": r"^ASSAULT_(RATE_)?\d{4}$", "type": "numeric"},
    ]
    layout = match_header(contract(columns), ["HOOD_ID", "ASSAULT_2023", "ASSAULT_RATE_2023", "Other"], "x")
    assert layout.targets == ("hood", "assault_2023", "assault_rate_2023", "other")
    assert set(layout.new) == {"other"}


def test_a_column_may_be_the_nameless_one() -> None:
    columns = [
        {"name": "label", "header": [""], "type": "text"},
        {"name": "toronto", "header": ["Toronto"], "type": "text"},
    ]
    agreed = contract(columns)
    assert find_header(agreed, [["City of Toronto"], ["", "note"], ["", "Toronto", ""]]) == 2
    layout = match_header(agreed, ["", "Toronto", ""], "x")
    assert (layout.targets, layout.unnamed) == (("label", "toronto", None), (2,)), (
        "only the first nameless column"
    )


def test_headers_become_identifiers_that_cannot_collide() -> None:
    assert snake("Cabbagetown-South St. James Town") == "cabbagetown_south_st_james_town"
    assert snake("2024 Amount ($)") == "c_2024_amount"
    assert snake("Année — été") == "annee_ete"
    assert snake("日本") == "unnamed"
    layout = match_header(contract(), ["Date", "Time", "Station", "Min Delay", "a b", "A-B"], "x")
    assert layout.targets[-2:] == ("a_b", "a_b_2")


def test_the_header_is_the_first_row_with_all_columns() -> None:
    rows = [["TTC"], ["Date", "Time"], ["Date", "Time", "Station", "Min Delay"], ["Date"] * 4]
    assert find_header(contract(), rows) == 2
    assert find_header(contract(), [["nothing", "here"]]) is None


# -- workbooks -----------------------------------------------------------------------------------------------
HEAD = ["Date", "Time", "Station", "Min Delay"]


def test_workbook_values_are_plain_text(tmp_path: Path) -> None:
    rows = [
        HEAD,
        [dt.date(2024, 1, 1), dt.time(2, 5), "00012", 5.0],
        [dt.date(2024, 1, 2), "02:30", "A", 2.5],
    ]
    assert values(opened(tmp_path, workbook({"2024": rows}))) == [
        {"date": "2024-01-01", "time": "02:05", "station": "00012", "min_delay": "5"},
        {"date": "2024-01-02", "time": "02:30", "station": "A", "min_delay": "2.5"},
    ]


def test_sheets_are_read_by_their_own_headers_whatever_their_names(tmp_path: Path) -> None:
    content = workbook(
        {
            "Jan18": [HEAD, ["2018-01-01", "1", "A", 1]],
            "Feb '18": [["Title of the month"], [], ["Report Date", "Delay", "Station", "Time", None, None],
                        ["2018-02-01", 2, "B", "2"], [None] * 4, ["2018-02-02", 3, "C", "3"]],
            "Legend": [["Code", "Meaning"], ["A", "B"]],
        }
    )  # fmt: skip
    reader = opened(tmp_path, content)
    assert [(v["date"], v["min_delay"]) for v in values(reader)] == [
        ("2018-01-01", "1"), ("2018-02-01", "2"), ("2018-02-02", "3"),
    ]  # fmt: skip
    found = [(r.row, r.line, r.sheet) for r in reader.records()]
    assert found == [(1, 2, "Jan18"), (2, 4, "Feb '18"), (3, 6, "Feb '18")]
    assert "'Legend' was passed over" in reader.notes[0]


def test_named_sheets_must_be_there(tmp_path: Path) -> None:
    agreed = contract(read={"format": "xlsx", "sheets": ["Data"]})
    with pytest.raises(Quarantined, match="expected the sheets 'Data', found 'Other'"):
        opened(tmp_path, workbook({"Other": [HEAD]}), agreed)


def test_a_bomb_or_a_macro_workbook_is_refused_unopened(tmp_path: Path) -> None:
    packed = io.BytesIO(workbook({"A": [HEAD, ["2024-01-01", "1", "A", 1]]}))
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet9.xml", b"0" * (64 << 20))
    with pytest.raises(Quarantined, match="zip bomb"):
        opened(tmp_path, packed.getvalue())
    packed = io.BytesIO(workbook({"A": [HEAD, ["2024-01-01", "1", "A", 1]]}))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("xl/vbaProject.bin", b"x")
    with pytest.raises(Quarantined, match="macros"):
        opened(tmp_path, packed.getvalue())


def test_a_cut_workbook_is_refused(tmp_path: Path) -> None:
    whole = workbook({"A": [HEAD, ["2024-01-01", "1", "A", 1]]})
    agreed = contract(read={"format": "xlsx"})
    with pytest.raises(Quarantined, match="damaged"):
        opened(tmp_path, whole[: len(whole) // 2], agreed)


@pytest.mark.parametrize("kind", ["workbook", "zip", "gzip", "json"])
def test_damage_anywhere_is_refused_or_harmless_but_never_a_crash(tmp_path: Path, kind: str) -> None:
    """A few hundred files with bytes changed at random places (the same each time)."""
    dice = random.Random(2026)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("SR2025.csv", CSV * 20)
    whole, agreed = {
        "workbook": (workbook({"A": [HEAD, *[["2024-01-01", "1", "A", n] for n in range(50)]]}), contract()),
        "zip": (packed.getvalue(), contract(read={"format": "csv", "inside_zip": True})),
        "gzip": (gzip.compress(CSV.encode() * 20), contract()),
        "json": (FEED.encode(), json_contract({"year": "y", "p": "p", "value": "v"}, each="measures[].vs[]")),
    }[kind]
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            for record in opened(tmp_path, bytes(damaged), agreed).records():
                assert record.row
        except Quarantined as refused:
            assert refused.remedy


# -- JSON ----------------------------------------------------------------------------------------------------
def json_contract(columns: dict[str, str], **read: Any) -> Contract:
    listed = [{"name": name, "path": path, "type": "text"} for name, path in columns.items()]
    return contract(listed, connector="http_file", read={"format": "json", **read})


FEED = """{"measures": [
 {"id": 1.10, "m": "Jobs\\n(000's)", "c": ["Economy"], 
  "vs": [{"y": 2019, "p": 1, "v": 12.50}, {"y": 2019, "p": 2, "v": null}]},
 {"id": 2.4, "m": "", "c": [], "vs": [{"y": 2019, "p": 1, "v": 12345678901234567890}]}],
 "targets": [{"2.05": [{"y": 2010, "p": 1, "v": 36185000}]}]}"""


def test_elements_become_rows_with_their_parents_fields_and_numbers_as_written(tmp_path: Path) -> None:
    agreed = json_contract(
        {"id": "parent.id", "name": "parent.m", "tags": "parent.c", "year": "y", "period": "p", "value": "v"},
        each="measures[].vs[]", parent="measures[]",
    )  # fmt: skip
    found = values(opened(tmp_path, FEED.encode(), agreed))
    assert [list(row.values()) for row in found] == [
        ["1.10", "Jobs\n(000's)", '["Economy"]', "2019", "1", "12.50"],
        ["1.10", "Jobs\n(000's)", '["Economy"]', "2019", "2", None],
        ["2.4", None, "[]", "2019", "1", "12345678901234567890"],
    ]


def test_a_star_gives_the_key_it_stands_for(tmp_path: Path) -> None:
    agreed = json_contract({"id": "key", "year": "y", "target": "v", "p": "p"}, each="targets[].*[]")
    assert values(opened(tmp_path, FEED.encode(), agreed)) == [
        {"id": "2.05", "year": "2010", "target": "36185000", "p": "1"}
    ]


def test_a_new_field_is_told_and_a_missing_one_refused(tmp_path: Path) -> None:
    agreed = json_contract({"year": "y", "value": "v"}, each="measures[].vs[]", parent="measures[]")
    assert set(opened(tmp_path, FEED.encode(), agreed).new.values()) == {
        "p",
        "parent.id",
        "parent.m",
        "parent.c",
    }
    wanting = json_contract({"year": "y", "note": "n"}, each="measures[].vs[]")
    with pytest.raises(Quarantined, match="the column 'n'"):
        opened(tmp_path, FEED.encode(), wanting)


@pytest.mark.parametrize("cut", [FEED[:150], FEED.replace("2.4,", "2.4 2.5,")])
def test_json_that_breaks_off_or_is_damaged_is_refused(tmp_path: Path, cut: str) -> None:
    agreed = json_contract({"year": "y", "p": "p", "value": "v"}, each="measures[].vs[]")
    with pytest.raises(Quarantined, match="breaks off or is damaged"):
        opened(tmp_path, cut.encode(), agreed)


def page(body: object) -> bytes:
    return (
        b'{"cityperf_page": {"url": "https://example.org", "request": null}, "body": '
        + json.dumps(body).encode()
        + b"}\n"
    )


def test_wds_answers_keep_their_series_and_failed_items_give_no_row(tmp_path: Path) -> None:
    good = {
        "status": "SUCCESS",
        "object": {"vectorId": 7, "vectorDataPoint": [{"refPer": "2020-01-01", "value": 1.5}]},
    }
    failed = {"status": "FAILED", "object": {"responseStatusCode": 1, "vectorId": 8, "vectorDataPoint": []}}
    paths = {"id": "vectorId", "on": "refPer", "value": "value"}
    agreed = contract(
        [{"name": name, "path": path, "type": "text"} for name, path in paths.items()],
        connector="statcan_wds", read={}, ignored=["parent.responseStatusCode"],
    )  # fmt: skip
    reader = opened(tmp_path, page([failed]) + page([good]), agreed)
    assert values(reader) == [{"id": "7", "on": "2020-01-01", "value": "1.5"}]


def test_valet_gives_a_row_per_day_and_series(tmp_path: Path) -> None:
    days = [
        {"d": "2026-05-05", "FX": {"v": "1.3"}, "CPI": {"v": ""}},
        {"d": "2026-05-06", "FX": {"v": "1.4"}},
    ]
    agreed = contract(
        [{"name": n, "path": n, "type": "text"} for n in ("series", "date", "value")],
        connector="boc_valet",
        read={},
    )
    found = values(opened(tmp_path, page({"observations": days, "seriesDetail": {}}), agreed))
    assert [tuple(row.values()) for row in found] == [
        ("FX", "2026-05-05", "1.3"), ("CPI", "2026-05-05", None), ("FX", "2026-05-06", "1.4"),
    ]  # fmt: skip


def test_features_give_their_properties_from_all_pages(tmp_path: Path) -> None:
    def features(*ids: int) -> dict[str, Any]:
        shape = {"type": "Point", "coordinates": [1.5, 2]}
        listed = [
            {"type": "Feature", "geometry": shape, "properties": {"HOOD_ID": n, "X": None}} for n in ids
        ]
        return {"type": "FeatureCollection", "features": listed}

    columns = [
        {"name": "hood", "header": ["HOOD_ID"], "type": "text"},
        {"name": "x", "header": ["X"], "type": "text"},
    ]
    agreed = contract(columns, read={"format": "geojson", "geometry": "drop"})
    expected = [{"hood": str(n), "x": None} for n in (1, 2, 3)]
    assert values(opened(tmp_path, page(features(1, 2)) + page(features(3)), agreed)) == expected
    assert values(opened(tmp_path, json.dumps(features(1, 2, 3)).encode(), agreed)) == expected


def test_a_geometry_is_kept_as_compact_text_where_the_contract_says_so(tmp_path: Path) -> None:
    content = (
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"AREA": "01"}, '
        '"geometry": {"type": "Point", "coordinates": [-79.38340000000001, 43.65]}}, '
        '{"type": "Feature", "properties": {"AREA": "02"}, "geometry": null}]}'
    )
    columns = [
        {"name": "area", "header": ["AREA"], "type": "text"},
        {"name": "geometry", "header": ["geometry"], "type": "json"},
    ]
    agreed = contract(columns, read={"format": "geojson", "geometry": "keep"})
    assert values(opened(tmp_path, content.encode(), agreed)) == [
        {"area": "01", "geometry": '{"type":"Point","coordinates":[-79.38340000000001,43.65]}'},
        {"area": "02", "geometry": None},
    ]


def test_pages_of_a_ckan_data_store_are_one_run_of_records(tmp_path: Path) -> None:
    def answer(*ids: int) -> dict[str, Any]:
        return {"success": True, "result": {"records": [{"_id": n, "A": f"v{n}"} for n in ids], "total": 3}}

    agreed = json_contract({"source_id": "_id", "a": "A"}, each="body.result.records[]")
    run = page(answer(1, 2)) + page(answer(3)) + page(answer())
    found = values(opened(tmp_path, run, agreed))
    assert [row["source_id"] for row in found] == ["1", "2", "3"]
    plain = json_contract({"source_id": "_id", "a": "A"}, each="result.records[]")
    assert len(values(opened(tmp_path, json.dumps(answer(1, 2, 3)).encode(), plain))) == 3


def test_json_numbers_keep_their_digits(tmp_path: Path) -> None:
    agreed = json_contract({"v": "v"}, each="r[]")
    content = (
        b'{"r": [{"v": 12345678901234567890.123456789}, {"v": 1.10}, {"v": -0.000}, {"v": 9007199254740993}]}'
    )
    assert [row["v"] for row in values(opened(tmp_path, content, agreed))] == [
        "12345678901234567890.123456789", "1.10", "-0.000", "9007199254740993",
    ]  # fmt: skip


# -- what a sheet can do -------------------------------------------------------------------------------------
def quick(reader: Reader) -> list[list[str]]:
    """The rows as COPY gets them, split again (these tests have no tab in a value)."""
    return [line.split("\t") for block in reader.blocks() for line in block.text.splitlines()]


def test_three_headers_in_one_workbook_meet_in_the_same_columns(tmp_path: Path) -> None:
    """The streetcar workbook of 2019 has such sheets; sources.md 1.3."""
    content = workbook(
        {
            "Jan 2019": [["Report Date", "Time", "Station", "Min Delay"], ["2019-01-01", "1", "A", 1]],
            "Apr 2019": [
                ["Report Date", "Incident ID", "Time", "Station", "Min Delay"],
                ["2019-04-01", 7, "1", "B", 2],
            ],
            "Jun 2019": [["Report Date", "Time", "Station", "Delay"], ["2019-06-01", "1", "C", 3]],
        }
    )
    columns = [*COLUMNS, {"name": "incident_id", "header": ["Incident ID"], "type": "text", "optional": True}]
    reader = opened(tmp_path, content, contract(columns))
    assert [(v["station"], v["min_delay"], v["incident_id"]) for v in values(reader)] == [
        ("A", "1", None), ("B", "2", "7"), ("C", "3", None),
    ]  # fmt: skip
    assert not reader.new and not reader.missing
    assert len(quick(reader)) == 3


@pytest.mark.parametrize(
    ("cell", "notes"), [("", []), (" ", ["sheet '2017': 3,646 blank rows below the last record"])]
)
def test_blank_rows_below_are_no_records(tmp_path: Path, cell: str, notes: list[str]) -> None:
    """The streetcar workbook of 2017 at a tenth: 5,022 used rows, 1,376 records. Rows of spaces are counted, empty ones
    not.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet, grey = book.add_worksheet("2017"), book.add_format({"bg_color": "#eeeeee"})
    sheet.write_row(0, 0, HEAD)
    for row in range(1, 1_377):
        sheet.write_row(row, 0, ["2017-01-01", "02:00", f"S{row}", 1])
    for row in range(1_377, 5_023):
        sheet.write(row, 0, cell, grey)
    book.close()
    reader = opened(tmp_path, out.getvalue())
    assert sum(block.size for block in reader.blocks()) == 1_376
    assert reader.notes == notes
    assert sum(1 for _ in reader.records()) == 1_376


def test_a_header_in_the_middle_and_blank_rows_between_are_no_records(tmp_path: Path) -> None:
    rows = [
        HEAD,
        ["2024-01-01", "1", "A", 1],
        HEAD,
        [None] * 4,
        ["2024-01-02", "1", "B", 2],
        ["2024-01-03", "1", " ", 3],
    ]
    reader = opened(tmp_path, workbook({"A": rows}))
    assert [v["station"] for v in values(reader)] == ["A", "B", " "]
    assert [(line[2], line[4]) for line in quick(reader)] == [("A", "1"), ("B", "2"), (" ", "3")]


def test_both_ways_through_a_workbook_give_the_same(tmp_path: Path) -> None:
    """Column by column for COPY, row by row for the lines of bad rows: the same texts and numbers."""
    dice = random.Random(7)
    kinds: list[Any] = [
        "",
        "text",
        " ",
        True,
        False,
        1,
        1.0,
        0.1,
        -3.5,
        1e15,
        12345678901234,
        dt.time(2, 5),
        dt.date(2024, 2, 29),
    ]
    rows = [HEAD, *[["2024-01-01", *[dice.choice(kinds) for _ in range(3)]] for _ in range(2500)]]
    reader = opened(tmp_path, workbook({"A": rows, "B": rows[:50]}))
    one = [
        [*[v or "" for v in r.values], str(r.row), r.sheet] for r in reader.records() if isinstance(r, Record)
    ]
    assert quick(reader) == one
    assert len(one) == 2549


def test_text_that_copy_would_misread_is_escaped(tmp_path: Path) -> None:
    rows = [HEAD, ["2024-01-01", "a\\b", "c\td", 1], ["2024-01-01", "\\.", "line\nbreak", 1]]
    (block,) = opened(tmp_path, workbook({"A": rows})).blocks()
    assert block.text == "2024-01-01\ta\\\\b\tc\\td\t1\t1\tA\n2024-01-01\t\\\\.\tline\\nbreak\t1\t2\tA\n"


def test_a_header_pattern_finds_what_carries_its_unit_in_its_name(tmp_path: Path) -> None:
    columns = [
        {"name": "month", "header": ["Month"], "type": "text"},
        {"name": "jobs", "header_pattern": r"^jobs \(0*'s\)$", "type": "numeric"},
    ]
    for label in ("Jobs (000's)", "JOBS\n(000's)"):
        reader = opened(tmp_path, workbook({"A": [["Month", label], ["2024-01", 3.5]]}), contract(columns))
        assert values(reader) == [{"month": "2024-01", "jobs": "3.5"}]
    with pytest.raises(Quarantined, match="jobs"):
        opened(tmp_path, workbook({"A": [["Month", "Jobs (%)"], ["2024-01", 3.5]]}), contract(columns))


def test_what_the_title_block_says_is_a_column(tmp_path: Path) -> None:
    rows = [
        ["VIEW", None, "Last Update: ", dt.date(2025, 9, 18), "Sent in: 431 of 444"],
        HEAD,
        ["2024-01-01", "1", "A", 1],
    ]
    columns = [
        *COLUMNS,
        {"name": "file_date", "above": "Last Update", "type": "date"},
        {"name": "sent_in", "above": "Sent in", "type": "text"},
        {"name": "never_there", "above": "Approved by", "type": "text"},
    ]
    reader = opened(tmp_path, workbook({"A": rows}), contract(columns))
    (found,) = values(reader)
    assert (found["file_date"], found["sent_in"], found["never_there"]) == ("2025-09-18", "431 of 444", None)
    assert quick(reader)[0][-5:] == ["2025-09-18", "431 of 444", "", "1", "A"]


def test_sheets_are_left_out_by_pattern_or_refused_by_policy(tmp_path: Path) -> None:
    content = workbook(
        {"2024": [HEAD, ["2024-01-01", "1", "A", 1]], "Legend": [["Code", "Meaning"], ["A", "B"]]}
    )
    assert not opened(tmp_path, content, contract(read={"skip_sheets": "(?i)legend"})).notes
    assert not opened(tmp_path, content, contract(drift={"unknown_sheet": "accept"})).notes
    for policy, says in (("quarantine_file", "a header like"), ("stop", "stop: nothing more")):
        with pytest.raises(Quarantined, match=f"(?s){says}"):
            opened(tmp_path, content, contract(drift={"unknown_sheet": policy}))


def test_a_workbook_inside_a_zip_is_read(tmp_path: Path) -> None:
    inner = workbook({"2024": [HEAD, ["2024-01-01", "1", "A", 1]]})
    for names in (["VIEWFIR2023-22.xlsx"], ["readme.txt", "data/VIEWFIR2023-22.xlsx"]):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in names:
                archive.writestr(name, inner if name.endswith("xlsx") else b"read me")
        assert len(values(opened(tmp_path, packed.getvalue(), contract(read={"format": "xlsx"})))) == 1


# -- hostile input -------------------------------------------------------------------------------------------
def packed(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


@pytest.mark.fault
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (packed(("../../etc/SR2025.csv", CSV.encode())), r"stay inside the archive, found '../../etc/SR2025.csv'"),
        (packed(("/etc/SR2025.csv", CSV.encode())), "stay inside the archive"),
        (packed(("C:\\SR2025.csv", CSV.encode())), "stay inside the archive"),
        (packed((link("SR2025.csv"), b"/etc/passwd")), "a link"),
        (packed(("SR2025.csv", packed(("SR2025.csv", CSV.encode())))), "another archive inside it"),
        (packed(("SR2025.csv", gzip.compress(CSV.encode()))), "another archive inside it"),
        (gzip.compress(gzip.compress(CSV.encode())), "another archive inside it"),
        (packed(*[(f"{n}.csv", b"") for n in range(2001)]), "at most 2000 files"),
        (packed(("a.zip", b"PK")), "one CSV file in the archive"),
    ],
    ids=["..", "absolute", "drive", "link", "zip in zip", "gzip in zip", "gzip in gzip", "entries", "no CSV"],
)  # fmt: skip
def test_an_archive_that_is_up_to_something_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Quarantined, match=says):
        list(opened(tmp_path, content, contract(read={"format": "csv"})).records())


def changed_workbook(part: str, old: bytes, new: bytes) -> bytes:
    """A small workbook with some text of one of its parts exchanged."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook({"A": [HEAD, ["2024-01-01", "1", "A", 1]]}))) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            content = source.read(entry)
            assert entry.filename != part or old in content
            target.writestr(entry.filename, content.replace(old, new) if entry.filename == part else content)
    return out.getvalue()


@pytest.mark.fault
@pytest.mark.parametrize(
    "cell",
    [
        b'<c r="XFD1048576"><v>1</v></c>', b"<c r='XFD1048576'><v>1</v></c>", b'<c r = "XFD1048576"><v>1</v></c>',
        b'<c\nr="XFD1048576"><v>1</v></c>', b'<c s="1"\tr="xfd1048576"><v>1</v></c>', b'<c r="ALL900000"><v>1</v></c>',
    ],
)  # fmt: skip
def test_one_cell_in_the_far_corner_does_not_fill_memory(tmp_path: Path, cell: bytes) -> None:
    """The library would make room for all cells between: 17 billion."""
    content = changed_workbook(
        "xl/worksheets/sheet1.xml", b"</sheetData>", b'<row r="1048576">' + cell + b"</row></sheetData>"
    )
    with pytest.raises(Quarantined, match=r"at most 30,000,000 cells in a sheet"):
        opened(tmp_path, content)


@pytest.mark.fault
def test_entities_that_swell_are_never_expanded(tmp_path: Path) -> None:
    swelling = b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 1000 + b'">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8)
    )  # fmt: skip
    content = changed_workbook(
        "xl/sharedStrings.xml", b'standalone="yes"?>', b'standalone="yes"?>' + swelling + b"]>"
    )
    assert [row["station"] for row in values(opened(tmp_path, content))] == ["A"]
    with pytest.raises(Quarantined, match="damaged"):
        opened(tmp_path, changed_workbook("xl/sharedStrings.xml", b"<t>A</t>", b"<t>&i;</t>"))


@pytest.mark.fault
def test_limits_are_set_by_the_environment_and_named_in_the_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = workbook({"A": [HEAD, *[["2024-01-01", str(n), f"{n}" * 10_000, n] for n in range(100, 140)]]})
    monkeypatch.setenv("CITYPERF_MAX_WORKBOOK_MB", "1")
    with pytest.raises(Quarantined, match="CITYPERF_MAX_WORKBOOK_MB"):
        opened(tmp_path, content)
    monkeypatch.setenv("CITYPERF_MAX_WORKBOOK_MB", "100")
    monkeypatch.setenv("CITYPERF_MAX_SHEET_CELLS", "100")
    with pytest.raises(Quarantined, match=r"100 cells.*4 columns and"):
        opened(tmp_path, content)
    monkeypatch.setenv("CITYPERF_MAX_SHEET_CELLS", "many")
    with pytest.raises(ValueError, match="CITYPERF_MAX_SHEET_CELLS: expected a whole number"):
        opened(tmp_path, content)


@pytest.mark.fault
def test_a_gigantic_value_is_held_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYPERF_MAX_FIELD_MB", "1")
    huge = "x" * (2 << 20)
    agreed = json_contract({"a": "a"}, each="r[]")
    (row,) = bad(opened(tmp_path, json.dumps({"r": [{"a": huge}, {"a": "b"}]}).encode(), agreed))
    assert row.found == "a value of 2,097,152 characters (at most 1,048,576: CITYPERF_MAX_FIELD_MB)"
    with pytest.raises(Quarantined, match="longer than CITYPERF_MAX_FIELD_MB"):
        list(opened(tmp_path, CSV.encode() + f"2025-01-01,1,{huge},1\n".encode()).records())


@pytest.mark.fault
def test_a_hundred_thousand_columns_are_refused_whatever_carries_them(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(100_000))
    with pytest.raises(Quarantined, match="at most 1000 columns, found"):
        opened(tmp_path, f"{names}\n1,2\n".encode())
    with pytest.raises(Quarantined, match="at most 1000 columns, found"):
        opened(tmp_path, f"Date,Time,Station,Min Delay,{names}\n1,2\n".encode())
    agreed = json_contract({"a": "a"}, each="r[]")
    wide = {"a": 1} | {f"c{n}": n for n in range(100_000)}
    with pytest.raises(Quarantined, match="at most 1000 fields"):
        opened(tmp_path, json.dumps({"r": [wide]}).encode(), agreed)


@pytest.mark.fault
def test_a_header_that_looks_like_sql_is_only_a_name(tmp_path: Path) -> None:
    odd = '"Min ""Gap""; drop table raw.delays; --"'
    reader = opened(
        tmp_path, f"Date,Time,Station,Min Delay,{odd}\n2025-01-01,1,\U0001f687 \u202eA,1,2\n".encode()
    )
    assert reader.new == {"min_gap_drop_table_raw_delays": 'Min "Gap"; drop table raw.delays; --'}
    assert values(reader)[0]["station"] == "\U0001f687 \u202eA"


@pytest.mark.fault
def test_a_binary_workbook_is_refused(tmp_path: Path) -> None:
    content = packed(("xl/workbook.bin", b"\x00"), ("xl/worksheets/sheet1.bin", b"\x00"))
    with pytest.raises(Quarantined, match=r"binary one \(\.xlsb\)"):
        opened(tmp_path, content)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"name": "a", "type": "text", "formats": ["%Y-%m-%d"]}, "`formats` are for dates"),
        ({"name": "a", "type": "date", "formats": ["%Y-%m"]}, "year, month and day"),
        ({"name": "a", "type": "date", "formats": ["%Q"]}, "expected a date format"),
        ({"name": "a", "type": "date", "decimal": ","}, "`decimal` is for numbers"),
        ({"name": "a", "type": "text", "header": ["A"], "above": "B"}, "one of `header`, `path` and `above`"),
        ({"name": "a", "type": "text", "header_pattern": "("}, "not a regular expression"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_runs(column: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        contract([column])


@pytest.mark.real
def test_the_mangled_crime_file_is_refused_for_its_columns(real_data: Path) -> None:
    """A spreadsheet split its geometry into thousands of columns; both as GeoJSON and as CSV it says so."""
    from cityperf.sources import load_contracts

    file = real_data / "tps-crime" / "neighbourhood_crime_rates_malformed.csv"
    agreed = load_contracts()["neighbourhood_crime_rates"]
    with pytest.raises(Quarantined, match=r"expected GeoJSON.*5345 columns"):
        open_file(agreed, file, file.name)
    read = agreed.extract.read.model_copy(update={"format": "csv"})
    as_csv = agreed.model_copy(update={"extract": agreed.extract.model_copy(update={"read": read})})
    with pytest.raises(Quarantined, match="5345 columns"):
        open_file(as_csv, file, file.name)
