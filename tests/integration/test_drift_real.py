"""Drift on real PostgreSQL: what publishers really did to their files, and what each policy makes of it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jinja2
import pytest
import xlsxwriter
from cityperf.config import ROOT, Settings
from cityperf.errors import FileQuarantined
from cityperf.sources import Contract, read_contract

from tests.integration.publisher import contract, deliver

Query = Callable[..., list[tuple[Any, ...]]]
NEXT = date(2026, 11, 21)
SOURCES = ROOT / "include" / "sources"
LINES = 20
STEADY = "id,station,minutes\n" + "".join(f"{n},S,{n}\n" for n in range(LINES))


def agreed(name: str) -> Contract:
    return read_contract(next(SOURCES.rglob(f"{name}.yml")))


def message(query: Query) -> str:
    return str(query("select message from ops.batch order by batch_id desc limit 1")[0][0])


def book(sheets: dict[str, list[list[Any]]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as made:
        for title, rows in sheets.items():
            sheet = made.add_worksheet(title)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return out.getvalue()


# -- each policy: what happens to the file, to the row, and to what is told ------------------------------------
RENAMED = STEADY.replace("minutes", "Min Delay")  # what the bus files did in August 2020
TEXTUAL = STEADY + "100,S,02:30\n"  # a time where minutes were


def wider() -> str:
    head, *rows = STEADY.splitlines()
    return "\n".join([f"{head},gap", *[f"{row},9" for row in rows], ""])


@pytest.mark.fault
@pytest.mark.parametrize(
    ("drift", "content", "loaded", "told"),
    [
        ({"new_column": "accept"}, wider(), 20, None),
        ({"new_column": "warn"}, wider(), 20, "new columns 'gap': loaded, not in the contract"),
        ({"new_column": "ignore"}, wider(), 20, None),
        ({"new_column": "quarantine_file"}, wider(), 0, "only the contract's columns, found also 'gap'"),
        ({"new_column": "stop"}, wider(), 0, "stop: nothing more of this data set"),
        ({"missing_column": "accept", "new_column": "ignore"}, RENAMED, 20, None),
        ({"missing_column": "warn", "new_column": "ignore"}, RENAMED, 20, "columns minutes are missing"),
        ({"missing_column": "quarantine_file"}, RENAMED, 0, "expected the column 'minutes'"),
        ({"missing_column": "stop"}, RENAMED, 0, "stop: nothing more of this data set"),
        ({"type_error": "accept"}, TEXTUAL, 21, None),
        ({"type_error": "warn"}, TEXTUAL, 21, "minutes: 1 values are not a whole number, such as '02:30'"),
        ({"type_error": "quarantine_row"}, TEXTUAL, 20, "1 rows held: minutes is not a whole number (line 22)"),
        ({"type_error": "quarantine_file"}, TEXTUAL, 0, "'02:30' in minutes; at delays.csv, line 22"),
        ({"type_error": "stop"}, TEXTUAL, 0, "stop: nothing more of this data set"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else None,
)  # fmt: skip
def test_each_policy_does_what_it_says(
    clean_warehouse: Settings,
    query: Query,
    drift: dict[str, str],
    content: str,
    loaded: int,
    told: str | None,
) -> None:
    keyed = contract(keys=["id"], drift=drift)
    if loaded:
        assert deliver(clean_warehouse, keyed, content.encode(), "delays.csv").loaded == loaded
        assert told is None or told in message(query)
        assert told is not None or message(query) == "None"
    else:
        with pytest.raises(FileQuarantined, match=re.escape(str(told))):
            deliver(clean_warehouse, keyed, content.encode(), "delays.csv")
        assert query("select count(*) from raw.delays") == [(0,)]
        assert query("select state from quarantine.files") == [("held",)]


@pytest.mark.fault
def test_a_stop_holds_every_later_file_until_a_person_has_looked(
    clean_warehouse: Settings, query: Query
) -> None:
    strict = contract(keys=["id"], drift={"new_column": "stop"})
    deliver(clean_warehouse, strict, STEADY.encode(), "a.csv")
    with pytest.raises(FileQuarantined, match="stop: nothing more"):
        deliver(clean_warehouse, strict, wider().encode(), "b.csv", NEXT)
    with pytest.raises(
        FileQuarantined, match=r"no file of delays that stops it, found 'b\.csv', held on 2026-11-21"
    ):
        deliver(clean_warehouse, strict, STEADY.encode() + b"100,S,1\n", "c.csv", NEXT)
    assert query("select count(*) from raw.delays") == [(LINES,)]
    # the contract is reviewed: the column is welcome, both files come in on the next visit
    reviewed = contract(keys=["id"], drift={"new_column": "warn"})
    assert deliver(clean_warehouse, reviewed, wider().encode(), "b.csv", NEXT).loaded == LINES
    assert (
        deliver(clean_warehouse, reviewed, STEADY.encode() + b"100,S,1\n", "c.csv", NEXT).loaded == LINES + 1
    )


@pytest.mark.fault
def test_a_stop_is_over_when_the_hold_is_released(clean_warehouse: Settings, query: Query) -> None:
    strict = contract(keys=["id"], drift={"new_column": "stop"})
    with pytest.raises(FileQuarantined, match="stop: nothing more"):
        deliver(clean_warehouse, strict, wider().encode(), "b.csv")
    query("update quarantine.files set state = 'released'")
    assert deliver(clean_warehouse, strict, STEADY.encode(), "c.csv").loaded == LINES


def test_a_column_may_be_judged_more_mildly_than_the_others(clean_warehouse: Settings, query: Query) -> None:
    columns = {"id": "text", "at": {"type": "time", "header": ["at"], "on_error": "warn"},
               "n": {"type": "integer", "header": ["n"]}}  # fmt: skip
    mixed = "id,at,n\n" + "".join(f"{n},02:30,{n}\n" for n in range(20)) + "a,2020-01-01,1\nb,03:30,x\n"
    result = deliver(clean_warehouse, contract(columns=columns), mixed.encode())
    assert (result.loaded, result.quarantined) == (21, 1)
    assert "at: 1 values are not a time of day (hh:mm), such as '2020-01-01'" in message(query)


# -- values ----------------------------------------------------------------------------------------------------
def typed(column: dict[str, Any], good: list[str], bad: list[str]) -> tuple[Contract, bytes]:
    kind = contract(columns={"n": "text", "v": {"header": ["v"], **column}})
    lines = [*good, *[good[0]] * (6 * len(bad)), *bad]
    return kind, ("n;v\n" + "".join(f'{n};"{value}"\n' for n, value in enumerate(lines))).encode()


@pytest.mark.fault
@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ({"type": "numeric", "decimal": ","}, ["1 234,5", "1\u00a0234\u202f567,25", "-0,5", "12", "1.234,5", "−3"],
         ["1,234.5", "12 34", "abc", "1,2,3"]),
        ({"type": "money", "decimal": ","}, ["1 234,50 $", "(1 234,50 $)", "$ 5", "-3,20 $"], ["1,234.50", "$"]),
        ({"type": "percent"}, ["12.5 %", "100%", "0.4", "-1,200.5%"], ["12,5 %", "%", "ten"]),
        ({"type": "percent", "decimal": ","}, ["12,5 %", "100%"], ["12.5 %"]),
        ({"type": "time"}, ["02:00", "2:05", "23:59:59", "1:30 PM"], ["24:00", "2020-01-01", "2:5", "0:60"]),
        ({"type": "date", "formats": ["%Y-%m-%d", "%b %d, %Y"]}, ["2024-02-29", "Feb 29, 2024", "JUN 3, 2022"],
         ["Feb 30, 2024", "2023-02-29", "29/02/2024", "Foo 1, 2024", "June 3, 2022"]),
        ({"type": "date", "formats": ["%d/%m/%Y", "%B %d, %Y"]}, ["31/12/2023", "1/2/2024", "December 5, 2023"],
         ["12/31/2023", "31/04/2024"]),
        ({"type": "timestamp", "formats": ["%m-%d-%Y %I:%M %p"]}, ["02-29-2024 1:05 PM"], ["29-02-2024 1:05 PM"]),
    ],
)  # fmt: skip
def test_what_a_contract_says_of_values_is_held_to(
    clean_warehouse: Settings, query: Query, column: dict[str, Any], good: list[str], bad: list[str]
) -> None:
    kind, content = typed(column, good, bad)
    result = deliver(clean_warehouse, kind, content)
    assert result.quarantined == len(bad)
    assert {value for (value,) in query("select found from quarantine.rows")} == set(bad)
    assert {value for (value,) in query("select v from raw.delays")} == set(
        good
    )  # raw keeps the text as found


def rendered(call: str) -> str:
    names = ("written_dates.sql", "numbers.sql", "text.sql")
    text = "".join((ROOT / "dbt_project" / "macros" / name).read_text() for name in names)
    return jinja2.Environment(autoescape=False).from_string(text + "{{ " + call + " }}").render()  # noqa: S701


def test_staging_reads_the_dates_that_the_contract_admits(warehouse: Settings, query: Query) -> None:
    read = rendered("any_date('v')")
    values = ["2024-02-29", "Feb 29, 2024", "12/1/2023", "soon"]
    assert [day for (day,) in query(f"select {read} from unnest(%s::text[]) as t (v)", (values,))] == [
        date(2024, 2, 29), date(2024, 2, 29), date(2023, 12, 1), None,
    ]  # fmt: skip
    number = rendered("to_number_fr('v')")
    texts = ["1 234,5", "(1\u202f234,50 $)", "12,5 %", ""]
    assert [str(value) for (value,) in query(f"select {number} from unnest(%s::text[]) as t (v)", (texts,))] == [
        "1234.5", "-1234.50", "12.5", "None",
    ]  # fmt: skip


# -- rows that are no records ----------------------------------------------------------------------------------
TOTALS = [
    {"column": "station", "matches": "(?i)^total$", "sums": ["minutes"]},
    {"column": "id", "matches": "^id$"},
]


def test_totals_and_repeated_headers_are_left_out_and_told(clean_warehouse: Settings, query: Query) -> None:
    lines = STEADY.splitlines(keepends=True)
    content = "".join([*lines[:10], lines[0], *lines[10:], f",Total,{sum(range(LINES))}\n"])
    result = deliver(clean_warehouse, contract(leave_out=TOTALS), content.encode())
    assert (result.rows_in, result.loaded, result.quarantined) == (LINES, LINES, 0)
    assert query("select count(*) from raw.delays where station = 'Total' or id = 'id'") == [(0,)]
    assert "1 rows left out: station matches '(?i)^total$'; 1 rows left out: id matches '^id$'" in message(
        query
    )


def test_a_total_that_its_rows_do_not_make_refuses_the_file(clean_warehouse: Settings) -> None:
    rule = [{"column": "station", "matches": "^Total$", "sums": ["minutes"]}]
    with pytest.raises(FileQuarantined, match=r"adds up to the total of 191, found 190, a difference of -1"):
        deliver(clean_warehouse, contract(leave_out=rule), (STEADY + ",Total,191\n").encode())
    with pytest.raises(FileQuarantined, match="at most one row whose station"):
        deliver(clean_warehouse, contract(leave_out=rule), (STEADY + ",Total,190\n,Total,190\n").encode())


@pytest.mark.parametrize("end", [",,\n", ",,\n" * 50, ",,\n,,\n,,", "\n,,\n\n"])
def test_blank_rows_of_a_csv_are_no_records(clean_warehouse: Settings, query: Query, end: str) -> None:
    required = contract(columns={"id": {"type": "text", "header": ["id"], "required": True}, "station": "text",
                                 "minutes": "text"})  # fmt: skip
    result = deliver(clean_warehouse, required, (STEADY + end).encode())
    assert (result.rows_in, result.loaded, result.quarantined) == (LINES, LINES, 0)


@pytest.mark.fault
@pytest.mark.parametrize("megabytes", [2, 5])
def test_a_gigantic_cell_is_loaded_within_the_limit_and_refused_beyond(
    clean_warehouse: Settings, query: Query, megabytes: int
) -> None:
    content = (STEADY + f"100,{'x' * (megabytes << 20)},1\n").encode()
    if megabytes == 2:
        deliver(clean_warehouse, contract(), content)
        assert query("select max(length(station)) from raw.delays") == [(2 << 20,)]
    else:
        with pytest.raises(FileQuarantined, match="longer than CITYPERF_MAX_FIELD_MB"):
            deliver(clean_warehouse, contract(), content)


@pytest.mark.real
def test_tables_side_by_side_are_stacked(clean_warehouse: Settings, query: Query, real_data: Path) -> None:
    """The code workbook: SUB and SRT codes beside each other, below two header cells without a name."""
    file = real_data / "ttc-delays" / "subway" / "ttc-subway-delay-codes.xlsx"
    result = deliver(clean_warehouse, agreed("ttc_delay_codes_workbook"), file, file.name)
    assert (result.loaded, result.quarantined) == (200, 0)
    assert query(
        "select _sheet, count(*), min(code), max(code) from raw.ttc_delay_codes_workbook group by 1 order by 2 desc"
    ) == [
        ("Sheet 1: SUB RMENU CODE", 129, "EUAC", "TUSUP"), ("Sheet 1: SRT RMENU CODE", 71, "ERAC", "TRTC"),
    ]  # fmt: skip


# -- real files through their contracts ------------------------------------------------------------------------
@pytest.mark.real
def test_bus_files_of_every_shape_make_one_table(
    clean_warehouse: Settings, query: Query, real_data: Path
) -> None:
    bus = agreed("ttc_bus_delays")
    match = re.compile(bus.extract.arguments["match"])
    files = {
        path.name: path for path in (real_data / "ttc-delays" / "bus").iterdir() if match.search(path.name)
    }
    found = {name: deliver(clean_warehouse, bus, path, name) for name, path in sorted(files.items())}
    assert {name[-8:]: (each.rows_in, each.quarantined) for name, each in found.items()} == {
        "2020.xlsx"[-8:]: (36_151, 0), "2022.xlsx"[-8:]: (58_707, 0), "2023.xlsx"[-8:]: (56_207, 0),
        "2024.xlsx"[-8:]: (59_643, 0), "2025.csv"[-8:]: (35_370, 0),
    }  # fmt: skip
    assert query("select count(*) from raw.ttc_bus_delays") == [(246_078,)]
    # an incident to 2024, a code since: never both, never neither in a whole year
    assert query(
        "select substr(_period, 1, 4), count(incident) > 0, count(code) > 0 from raw.ttc_bus_delays group by 1 order by 1"
    ) == [(str(year), year < 2025, year == 2025) for year in (2020, 2022, 2023, 2024, 2025)]
    assert "time: 5 values are not a time of day" in str(found["ttc-bus-delay-data-2020.xlsx"].message)


@pytest.mark.real
@pytest.mark.parametrize(
    ("year", "total", "sent"), [(2019, 6_629_036_215, "444"), (2022, 6_962_097_240, "441")]
)
def test_the_control_line_of_schedule_22_is_there_to_the_dollar(
    clean_warehouse: Settings, query: Query, real_data: Path, year: int, total: int, sent: str
) -> None:
    """Toronto, line 9201 of sheet 22Total; sources.md 1.10. The portal packs each workbook in a zip."""
    fir = agreed("fir_schedule_22").model_copy(update={"partition": None})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(real_data / "ontario-fir" / str(year) / "schedule_22.xlsx", f"VIEWFIR{year}-22.xlsx")
    result = deliver(clean_warehouse, fir, packed.getvalue(), f"VIEWFIR{year}-22.zip")
    assert (result.loaded, result.quarantined) == ({2019: 24_784, 2022: 25_022}[year], 0)
    toronto = "from raw.fir_schedule_22 where municipality_id = '20002' and _sheet = 'SCHEDULE 22"
    assert query(f"select total_taxes, municipalities_submitted {toronto}Total' and line = '9201'") == [
        (str(total), sent)
    ]
    ((assessment, rate, taxes),) = query(
        f"select phase_in_assessment, lower_single_tier_rate, lower_single_tier_taxes {toronto}GPL' "
        "and tax_class = 'RT' and line = '10'"
    )
    assert round(int(assessment) * float(rate)) == pytest.approx(int(taxes), abs=1)
    if year == 2019:
        assert (assessment, rate, taxes) == ("516876494217", "0.00451568", "2334048847")


@pytest.mark.real
def test_another_schedule_is_not_taken_for_this_one(clean_warehouse: Settings, real_data: Path) -> None:
    file = real_data / "ontario-fir" / "2022" / "schedule_22.xlsx"
    other = agreed("fir_schedule_26").model_copy(update={"partition": None})
    with pytest.raises(FileQuarantined, match=r"a sheet that matches '\(\?i\)\^schedule 26'"):
        deliver(clean_warehouse, other, file, file.name)


def fir_like(schedule: str) -> bytes:
    keys = ["", "Year", "Asmt Code", "Municipality", "MAH Code", "MunID", "UT", "Tier", "MSO", "Line"]
    row = [f"10_{schedule}", "2023", "1999", "Toronto C", "01106", "20002", "1", "ST", "11"]
    title = [
        ["", "VIEW FIR2023 DATA", "", "Last Update: ", "2025-09-18", "Submitted Municipalities: 431"],
        [""],
        [""],
    ]
    one = [
        *keys,
        "Line Description",
        f"{schedule} xxxx 01",
        f"{schedule} xxxx 02",
        f"{schedule} XXXX 17",
        "Last\nUpdate",
    ]
    two = [*keys, f"{schedule} xxxx 03", "Line Description", f"{schedule} xxxx 01", "Last Update"]
    return book({
        f"SCHEDULE {schedule}A": [[""], *title, one, [*row, 40, "Households", 5, 6, 7, "2025-01-02"]],
        f"SCHEDULE {schedule}B": [[""], *title, two, [*row, 41, 9, "Population", 8, "2025-01-02"]],
        "Legend": [["MSO"], ["11", "Central Ontario"]],
    })  # fmt: skip


@pytest.mark.parametrize("schedule", ["02", "26", "80"])
def test_other_schedules_take_their_columns_by_their_codes(
    clean_warehouse: Settings, query: Query, schedule: str
) -> None:
    fir = agreed(f"fir_schedule_{schedule}").model_copy(update={"partition": None})
    result = deliver(clean_warehouse, fir, fir_like(schedule), f"VIEWFIR2023-{schedule}.xlsx")
    assert (result.loaded, result.quarantined) == (2, 0)
    assert query(
        "select line, line_description, column_01, column_02, column_03, municipalities_submitted, "
        f"c_{schedule}_xxxx_17 from raw.fir_schedule_{schedule} order by _row"
    ) == [("40", "Households", "5", "6", None, "431", "7"), ("41", "Population", "8", None, "9", "431", None)]


HEAD_2014 = [
    "Report Date",
    "Route",
    "Time",
    "Day",
    "Location",
    "Incident",
    "Min Delay",
    "Min Gap",
    "Direction",
    "Vehicle",
]
HEAD_2020 = [
    "Date",
    "Line",
    "Time",
    "Day",
    "Location",
    "Incident",
    "Min Delay",
    "Min Gap",
    "Bound",
    "Vehicle",
]


def test_streetcar_workbooks_of_every_described_shape_make_one_table(
    clean_warehouse: Settings, query: Query
) -> None:
    """2019 mixes three headers; August 2020 renames three columns; 2025 is a CSV with codes. sources.md 1.3."""
    cars = agreed("ttc_streetcar_delays")
    values = [501, "02:10", "Tuesday", "Queen", "Mechanical", 6, 12, "E/B", 4400]
    mixed = book({
        "Jan 2019": [HEAD_2014, ["2019-01-01", *values]],
        "Apr 2019": [[HEAD_2014[0], "Route", "Time", "Day", "Location", "Incident ID", "Incident", *HEAD_2014[6:]],
                     ["2019-04-01", *values[:4], 1, *values[4:]]],
        "Jun 2019": [[*HEAD_2014[:6], "Delay", "Gap", "Direction", "Vehicle"], ["2019-06-01", *values]],
    })  # fmt: skip
    assert deliver(clean_warehouse, cars, mixed, "ttc-streetcar-delay-data-2019.xlsx").loaded == 3
    later = book({"Aug 20": [HEAD_2020, ["2020-08-01", *values]]})
    assert deliver(clean_warehouse, cars, later, "ttc-streetcar-delay-data-2020.xlsx").loaded == 1
    csv = b"_id,Date,Line,Time,Day,Station,Code,Min Delay,Min Gap,Bound,Vehicle\n" \
          b"1,2025-01-01,501 QUEEN,02:10,Wednesday,QUEEN STATION,MTO,5,10,E,4400\n"  # fmt: skip
    assert deliver(clean_warehouse, cars, csv, "TTC Streetcar Delay Data since 2025.csv").loaded == 1
    assert query("select route, incident, code, min_delay, incident_id from raw.ttc_streetcar_delays order by date") == [
        ("501", "Mechanical", None, "6", None), ("501", "Mechanical", None, "6", "1"),
        ("501", "Mechanical", None, "6", None), ("501", "Mechanical", None, "6", None),
        ("501 QUEEN", None, "MTO", "5", None),
    ]  # fmt: skip
    assert deliver(clean_warehouse, agreed("ttc_lrt_delays"), csv, "TTC LRT Delays.csv").loaded == 1


@pytest.mark.real
def test_nameless_empty_columns_change_nothing(
    clean_warehouse: Settings, query: Query, real_data: Path
) -> None:
    """January 2019 of the subway has three of them at the end; the names of the twelve sheets never agree."""
    subway = agreed("ttc_subway_delays")
    name = "ttc-subway-delay-data-2019.xlsx"
    result = deliver(clean_warehouse, subway, real_data / "ttc-delays" / "subway" / name, name)
    assert result.quarantined == 0
    assert query("select count(distinct _sheet), count(distinct _period) from raw.ttc_subway_delays") == [
        (12, 12)
    ]
