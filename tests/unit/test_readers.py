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
    line = "2025-01-01,02:10,BATHURST,5\n"
    bomb = gzip.compress((CSV + line * 4_000_000).encode())
    assert len(bomb) < 1 << 20
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


def test_pattern_columns_take_their_names_from_the_header() -> None:
    columns = [
        {"name": "hood", "header": ["HOOD_ID"], "type": "text"},
        {"pattern": r"^ASSAULT_(RATE_)?\d{4}$", "type": "numeric"},
    ]
    layout = match_header(contract(columns), ["HOOD_ID", "ASSAULT_2023", "ASSAULT_RATE_2023", "Other"], "x")
    assert layout.targets == ("hood", "assault_2023", "assault_rate_2023", "other")
    assert set(layout.new) == {"other"}


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
