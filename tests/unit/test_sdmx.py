"""SDMX messages of every kind become the same rows; hostile ones are refused. sdmx1 is the yardstick."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.extract.connectors.sdmx import ACCEPT
from cityperf.load.quarantined import Quarantined
from cityperf.load.readers import Reader, Record, open_file
from cityperf.portal import sdmx
from cityperf.portal.answers import Ask
from cityperf.portal.sample import SamplePortal

from tests.integration.publisher import contract

NAMES = "http://www.sdmx.org/resources/sdmxml/schemas/v2_1"
HEADER = """<mes:Header><mes:ID>F</mes:ID><mes:Test>false</mes:Test><mes:Prepared>2026-11-20T00:00:00</mes:Prepared>
<mes:Sender id="CITY"/><mes:Structure structureID="F" dimensionAtObservation="{at}"><com:Structure>
<Ref agencyID="CITY" id="F" version="1.0"/></com:Structure></mes:Structure></mes:Header>"""
GENERIC = f"""<?xml version="1.0" encoding="UTF-8"?>
<mes:GenericData xmlns:mes="{NAMES}/message" xmlns:gen="{NAMES}/data/generic" xmlns:com="{NAMES}/common">
{HEADER.format(at="TIME_PERIOD")}
<mes:DataSet structureRef="F">
<gen:Series><gen:SeriesKey><gen:Value id="GEO" value="6"/><gen:Value id="ITEM" value="A&amp;B"/></gen:SeriesKey>
<gen:Attributes><gen:Value id="UNIT" value="index"/></gen:Attributes>
<gen:Obs><gen:ObsDimension value="2026-01"/><gen:ObsValue value="101.50"/></gen:Obs>
<gen:Obs><gen:ObsDimension value="2026-02"/><gen:ObsValue value="102"/>
<gen:Attributes><gen:Value id="STATUS" value="p"/></gen:Attributes></gen:Obs></gen:Series>
<gen:Series><gen:SeriesKey><gen:Value id="GEO" value="7"/><gen:Value id="ITEM" value="C"/></gen:SeriesKey>
<gen:Obs><gen:ObsDimension value="2026-01"/></gen:Obs></gen:Series>
</mes:DataSet></mes:GenericData>"""
GENERIC_FLAT = f"""<mes:GenericData xmlns:mes="{NAMES}/message" xmlns:gen="{NAMES}/data/generic"
 xmlns:com="{NAMES}/common">{HEADER.format(at="AllDimensions")}<mes:DataSet structureRef="F">
<gen:Obs><gen:ObsKey><gen:Value id="GEO" value="6"/><gen:Value id="ITEM" value="A&amp;B"/>
<gen:Value id="TIME_PERIOD" value="2026-01"/></gen:ObsKey><gen:ObsValue value="101.50"/>
<gen:Attributes><gen:Value id="UNIT" value="index"/></gen:Attributes></gen:Obs>
<gen:Obs><gen:ObsKey><gen:Value id="GEO" value="6"/><gen:Value id="ITEM" value="A&amp;B"/>
<gen:Value id="TIME_PERIOD" value="2026-02"/></gen:ObsKey><gen:ObsValue value="102"/>
<gen:Attributes><gen:Value id="UNIT" value="index"/><gen:Value id="STATUS" value="p"/></gen:Attributes></gen:Obs>
<gen:Obs><gen:ObsKey><gen:Value id="GEO" value="7"/><gen:Value id="ITEM" value="C"/>
<gen:Value id="TIME_PERIOD" value="2026-01"/></gen:ObsKey></gen:Obs>
</mes:DataSet></mes:GenericData>"""
SPECIFIC = f"""<mes:StructureSpecificData xmlns:mes="{NAMES}/message" xmlns:ss="{NAMES}/data/structurespecific"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:com="{NAMES}/common">{HEADER.format(at="TIME_PERIOD")}
<mes:DataSet ss:structureRef="F" xsi:type="F:DataSetType">
<Group xsi:type="F:Sibling" ITEM="A&amp;B" TITLE="left out"/>
<Series GEO="6" ITEM="A&amp;B" UNIT="index"><Obs TIME_PERIOD="2026-01" OBS_VALUE="101.50"/>
<Obs TIME_PERIOD="2026-02" OBS_VALUE="102" STATUS="p"/></Series>
<Series GEO="7" ITEM="C"><Obs TIME_PERIOD="2026-01"/></Series></mes:DataSet></mes:StructureSpecificData>"""
SPECIFIC_FLAT = f"""<mes:StructureSpecificData xmlns:mes="{NAMES}/message" xmlns:com="{NAMES}/common">
{HEADER.format(at="AllDimensions")}<mes:DataSet>
<Obs GEO="6" ITEM="A&amp;B" TIME_PERIOD="2026-01" OBS_VALUE="101.50" UNIT="index"/>
<Obs GEO="6" ITEM="A&amp;B" TIME_PERIOD="2026-02" OBS_VALUE="102" STATUS="p" UNIT="index"/>
<Obs GEO="7" ITEM="C" TIME_PERIOD="2026-01"/></mes:DataSet></mes:StructureSpecificData>"""


def listed(name: str, *codes: str) -> dict[str, Any]:
    return {"id": name, "name": name, "values": [{"id": code, "name": code.lower()} for code in codes]}


GEO, ITEM, TIME = (
    listed("GEO", "6", "7"),
    listed("ITEM", "A&B", "C"),
    listed("TIME_PERIOD", "2026-01", "2026-02"),
)
UNIT, STATUS = listed("UNIT", "index"), listed("STATUS", "p")
SERIES = {
    "dataSets": [
        {
            "action": "Information",
            "series": {
                "0:0": {"attributes": [0], "observations": {"0": [101.5, None], "1": [102, 0]}},
                "1:1": {"attributes": [None], "observations": {"0": [None]}},
            },
        }
    ],
    "structure": {
        "dimensions": {"dataSet": [], "series": [GEO, ITEM], "observation": [TIME]},
        "attributes": {"dataSet": [], "series": [UNIT], "observation": [STATUS]},
    },
}
FLAT = {
    "dataSets": [{"observations": {"0:0:0": [101.5, 0], "0:0:1": [102, 0, 0], "1:1:0": [None, None, None]}}],
    "structures": [
        {
            "dimensions": {"observation": [GEO, ITEM, TIME]},
            "attributes": {"observation": [UNIT, STATUS]},
        }
    ],
}
TOP = {"id": "F", "prepared": "2026-11-20T00:00:00", "sender": {"id": "CITY"}}
MESSAGES = {
    "generic": ("xml", GENERIC),
    "generic, flat": ("xml", GENERIC_FLAT),
    "structure-specific": ("xml", SPECIFIC),
    "structure-specific, flat": ("xml", SPECIFIC_FLAT),
    "JSON": ("json", json.dumps({"header": TOP, **SERIES})),
    "JSON within data": ("json", json.dumps({"meta": TOP, "data": SERIES})),
    "JSON, flat": ("json", json.dumps({"meta": TOP, "data": FLAT})),
}
COLUMNS = dict.fromkeys(("geo", "item", "time_period", "obs_value", "unit", "status"), "text")


def opened(tmp_path: Path, kind: str, message: str | bytes, columns: dict[str, str] = COLUMNS) -> Reader:
    path = tmp_path / f"message.{kind}"
    path.write_bytes(message if isinstance(message, bytes) else message.encode())
    agreed = contract(
        "prices",
        {name: {"header": [name.upper()], "type": type_} for name, type_ in columns.items()},
        extract={
            "connector": "sdmx",
            "base_url": "https://sdmx.example.org",
            "dataflow": "F",
            "format": kind,
        },
    )
    return open_file(agreed, path, path.name)


def rows(reader: Reader) -> list[dict[str, str]]:
    found = [each for each in reader.records() if isinstance(each, Record)]
    return [{k: v for k, v in zip(reader.columns, each.values, strict=True) if v} for each in found]


@pytest.mark.parametrize(("kind", "message"), MESSAGES.values(), ids=MESSAGES)
def test_every_kind_of_message_gives_the_same_observations(tmp_path: Path, kind: str, message: str) -> None:
    reader = opened(tmp_path, kind, message)
    found = rows(reader)
    assert [float(row.pop("obs_value", "nan")) for row in found[:2]] == [101.5, 102]
    assert found == [
        {"geo": "6", "item": "A&B", "time_period": "2026-01", "unit": "index"},
        {"geo": "6", "item": "A&B", "time_period": "2026-02", "unit": "index", "status": "p"},
        {"geo": "7", "item": "C", "time_period": "2026-01"},
    ]
    assert reader.notes == (["1 groups of attributes were passed over"] if "<Group" in message else [])


@pytest.mark.parametrize("label", ["generic", "generic, flat", "JSON"])
def test_sdmx1_reads_the_same_figures(tmp_path: Path, label: str) -> None:
    from sdmx import read_sdmx

    kind, message = MESSAGES[label]
    ours = rows(opened(tmp_path, kind, message))
    theirs = [
        {
            "geo": each.key["GEO"].value,
            "item": each.key["ITEM"].value,
            "time_period": each.key["TIME_PERIOD"].value,
            "obs_value": each.value,
        }
        for each in read_sdmx(tmp_path / f"message.{kind}").data[0].obs
    ]
    assert [{k: str(v) for k, v in row.items() if v is not None} for row in theirs] == [
        {k: v for k, v in row.items() if k not in ("unit", "status")} for row in ours
    ]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("kind", "message", "says"),
    [
        ("xml", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SPECIFIC, "entity declared"),
        ("xml", '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + SPECIFIC, "document type"),
        ("xml", SPECIFIC[:-40], "breaks off or is damaged"),
        ("xml", '<mes:Error xmlns:mes="m"/>', "the root element 'Error'"),
        ("xml", "<GenericData>" + "<a>" * 50, "17 deep"),
        ("xml", f'<GenericData><DataSet><Series GEO="{"x" * (6 << 20)}"', "a longer one"),
        ("xml", "<GenericData><DataSet><Series " + " ".join(f'a{n}="1"' for n in range(2000)) + "/>", "2000 attr"),
        ("xml", "just words", "something that begins"),
        ("json", '{"data": {"dataSets": [', "breaks off or is damaged"),
        ("json", '{"errors": [{"code": 100}]}', "another shape"),
        ("json", "[" * 10, "something that begins"),
        ("json", '{"a": ' + "[" * 200_000, "breaks off or is damaged"),
        ("json", json.dumps({"meta": TOP, "data": FLAT}).replace('"1:1:0"', '"1:1:9"'), "another shape"),
    ],
)  # fmt: skip
def test_a_hostile_or_foreign_message_is_refused_in_plain_words(
    tmp_path: Path, kind: str, message: str, says: str
) -> None:
    with pytest.raises(Quarantined, match=says):
        rows(opened(tmp_path, kind, message))


@pytest.mark.fault
def test_a_json_message_over_the_limit_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYPERF_MAX_SDMX_JSON_MB", "1")
    with pytest.raises(Quarantined, match="at most 1 MB"):
        opened(tmp_path, "json", b"{" + b" " * (2 << 20))


def test_the_samples_service_gives_the_same_figures_in_every_format(tmp_path: Path) -> None:
    night = date(2026, 11, 20)
    portal = SamplePortal(Settings(profile="sample", home=tmp_path))
    path = f"{sdmx.ROOT}/data/DF_18100205/4+5."

    def said(kind: str) -> bytes:
        asked = Ask("GET", sdmx.HOST, path, night, {"lastNObservations": "6"}, accept=ACCEPT[kind])
        answer = portal.answer(asked)
        assert answer is not None
        return answer.body

    columns = dict.fromkeys(("geography", "new_housing_price_indexes", "time_period", "obs_value"), "text")
    told = [
        {name.lower(): value for name, value in row.items() if value and name != "DATAFLOW"}
        for row in csv.DictReader(io.StringIO(said("csv").decode()))
    ]
    assert len(told) > 10
    assert rows(opened(tmp_path, "xml", said("xml"), columns)) == told
    assert rows(opened(tmp_path, "json", said("json"), columns)) == [
        {**row, "obs_value": str(float(row["obs_value"]))} for row in told
    ]
