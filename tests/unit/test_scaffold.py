"""`source new` on files of every kind: what it proposes must hold, and must read the file that it came from."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path

import pytest
from cityperf import scaffold
from cityperf.config import Settings
from cityperf.load.readers import BadRow, open_file
from cityperf.sources import Contract, read_contract

NIGHT = date(2026, 11, 20)
ROWS = [
    ("0012", "2026-01-02", "Rue Honoré", "1,200.50", "3", "a.b@example.org"),
    ("0013", "2026-01-03", "King St", "(15.00)", "4", "c.d@example.org"),
    ("0014", "2026-01-03", "King St", "7", "4", "e.f@example.org"),
]
HEADER = ("Permit Number", "Issued", "Street", "Fee", "Units", "Contact")


def drafted(settings: Settings, path: Path, name: str = "permits") -> scaffold.Draft:
    return scaffold.draft(settings, NIGHT, str(path), name)


def contract_of(draft: scaffold.Draft, tmp_path: Path) -> Contract:
    file = tmp_path / f"{draft.dataset}.yml"
    file.write_text(scaffold.contract_text(draft), "utf-8")
    return read_contract(file)


def csv_text(delimiter: str = ",") -> str:
    quoted = [[f'"{cell}"' for cell in row] for row in (HEADER, *ROWS)]
    return "\n".join(delimiter.join(row) for row in quoted) + "\n"


def test_a_csv_gives_types_keys_encoding_and_a_privacy_warning(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "permits 2026.csv"
    file.write_bytes(csv_text(";").encode("cp1252"))
    draft = drafted(settings, file)
    contract = contract_of(draft, tmp_path)
    types = {column.name: column.type for column in contract.columns}
    assert types == {
        "permit_number": "text",
        "issued": "date",
        "street": "text",
        "fee": "money",
        "units": "integer",
    }
    assert contract.keys == ("permit_number",)
    assert (contract.extract.read.encoding, contract.extract.read.delimiter) == ("cp1252", ";")
    assert contract.ignored == ("Contact",)
    assert any("Contact" in line for line in draft.review)
    assert contract.partition and contract.partition.from_name == "year"
    records = list(open_file(contract, file, file.name).records())
    assert len(records) == 3
    assert not any(isinstance(record, BadRow) for record in records)


def test_titles_above_the_header_are_passed_over(settings: Settings, tmp_path: Path) -> None:
    import xlsxwriter

    file = tmp_path / "permits.xlsx"
    with xlsxwriter.Workbook(file) as book:
        data, notes = book.add_worksheet("Data"), book.add_worksheet("Notes")
        data.write_row(0, 0, ["Permits of the year"])
        for at, row in enumerate((HEADER, *ROWS), start=3):
            data.write_row(at, 0, row)
        notes.write_row(0, 0, ["Ask the clerk"])
    draft = drafted(settings, file)
    contract = contract_of(draft, tmp_path)
    assert [column.name for column in contract.columns][:2] == ["permit_number", "issued"]
    assert contract.extract.read.sheets == ("Data",)
    assert any("Notes" in line for line in draft.review)


def test_the_longest_list_of_a_json_answer_becomes_the_rows(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "permits.json"
    rows = [{"id": n, "ward": f"W{n}", "open": n % 2 == 0} for n in range(5)]
    file.write_text(json.dumps({"meta": {"tags": [{"t": 1}]}, "value": {"items": rows}}))
    contract = contract_of(drafted(settings, file), tmp_path)
    assert contract.extract.read.each == "value.items[]"
    assert {column.path for column in contract.columns} == {"id", "ward", "open"}


def test_the_data_of_an_archive_is_told_from_its_notes(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "23100216-eng.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("23100216.csv", csv_text() * 3)
        archive.writestr("23100216_MetaData.csv", "a,b\n1,2\n")
    contract = contract_of(drafted(settings, file), tmp_path)
    assert contract.extract.read.member == r"^\d+\.csv$"


def test_geojson_gives_its_properties(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "wards.geojson"
    features = [
        {"type": "Feature", "properties": {"AREA_ID": n, "AREA_NAME": f"Ward {n}"}, "geometry": None}
        for n in (1, 2)
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    contract = contract_of(drafted(settings, file), tmp_path)
    assert [column.header for column in contract.columns] == [("AREA_ID",), ("AREA_NAME",)]


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("visits 2024", "year"),
        ("usage-2024-11", "month"),
        ("TTC Delay Data since 2025", None),
        ("tpp_measures_2019-10-29", None),
        ("codes", None),
    ],
)
def test_a_period_in_the_name_becomes_the_partition(name: str, partition: str | None) -> None:
    pattern, found = scaffold._pattern(name)
    assert (found or {}).get("grain") == partition
    contract_pattern = pattern.removesuffix("$")
    import re

    assert re.search(contract_pattern, name)


def test_files_are_written_once(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "permits.csv"
    file.write_text(csv_text())
    draft = drafted(settings, file)
    written = scaffold.write(draft, tmp_path / "sources", tmp_path / "staging")
    assert "current_delivery('permits', ['permit_number'])" in written.staging.read_text()
    assert "to_money('fee')" in written.staging.read_text()
    with pytest.raises(FileExistsError, match="--name"):
        scaffold.write(draft, tmp_path / "sources", tmp_path / "staging")


def test_what_is_no_address_and_no_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(scaffold.NotUnderstood, match="expected an http"):
        drafted(settings, tmp_path / "nothing.csv")
