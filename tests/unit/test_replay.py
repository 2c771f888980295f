"""The rules of a replay.yml: what a night inherits, what is served how, and what an error must say."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import textwrap
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cityperf.config import ROOT, Settings
from cityperf.portal import ckan, replay_nights
from cityperf.portal.answers import Answer, Ask
from cityperf.portal.replay import ReplayError, ReplayPortal, load

REAL = Path(os.environ.get("CITYPERF_REAL_DATA") or ROOT.parent / "shared" / "data")
FEED = "https://www.toronto.ca/app_content/tpp_measures"
SHOW = f"https://{ckan.HOST}/api/3/action/package_show"
WDS = "https://www150.statcan.gc.ca/t1/wds/rest/getDataFromVectorsAndLatestNPeriods"
LAYER = "https://services.arcgis.com/x/arcgis/rest/services/Rates/FeatureServer/0"
FIRST, SECOND = date(2025, 10, 29), date(2025, 11, 19)


def vector_item(vector: int, coordinate: str, points: list[tuple[str, float, str]]) -> dict[str, Any]:
    data = [{"refPer": p, "value": v, "releaseTime": r} for p, v, r in points]
    entry = {"productId": 18100004, "coordinate": coordinate, "vectorId": vector, "vectorDataPoint": data}
    return {"status": "SUCCESS", "object": entry}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of recorded files, small but of every kind."""
    root = tmp_path / "data"
    files = {
        "feed/one.json": b'{"measures": [1]}',
        "feed/two.json": b'{"measures": [2]}',
        "ttc/b 2019.xlsx": b"PK b",
        "ttc/a-2018.xlsx": b"PK a",
        "ttc/codes.csv": b"CODE\nX\n",
        "mbnc/results.csv.gz": gzip.compress(b"a,b\n1,2\n", mtime=0),
        "catalogue/result.json": b'{"name": "death-registry-statistics"}',
        "rates.geojson": json.dumps(
            {
                "type": "FeatureCollection",
                "features": [
                    {
                        "type": "Feature",
                        "properties": {"OBJECTID_1": n, "HOOD_ID": n, "RATE": n / 3},
                        "geometry": None,
                    }
                    for n in range(1, 6)
                ],
            }
        ).encode(),
    }
    body = [{"vectorId": 7, "latestN": 2}, {"vectorId": 5, "latestN": 2}]
    seven = vector_item(
        7, "23.2", [("2020-01-01", 1, "2020-02-01T08:30"), ("2020-02-01", 2, "2020-03-01T08:30")]
    )
    five = vector_item(5, "2.2", [("2020-01-01", 3, "2020-02-01T08:30")])
    recorded = {
        "request": {"method": "POST", "uri": WDS, "body": json.dumps(body)},
        "response": [seven, five],
    }
    files["wds/one.json"] = json.dumps(recorded).encode()
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "replay.yml"
    path.write_text(textwrap.dedent(text))
    return path


def portal(tmp_path: Path, data: Path, text: str) -> ReplayPortal:
    path = write(tmp_path, text)
    return ReplayPortal(Settings(profile="replay", home=tmp_path / "home", replay_file=path, real_data=data))


def ask(served: ReplayPortal, url: str, night: date = SECOND, body: Any = None) -> Answer | None:
    parts = urlsplit(url)
    method = "POST" if body is not None else "GET"
    query = dict(parse_qsl(parts.query))
    sent = json.dumps(body).encode() if body is not None else b""
    return served.answer(Ask(method, parts.hostname or "", parts.path, night, query, sent))


def found(served: ReplayPortal, url: str, night: date = SECOND, body: Any = None) -> Answer:
    answer = ask(served, url, night, body)
    assert answer is not None, url
    return answer


TWO_NIGHTS = f"""
nights:
  - night: 2025-10-29
    urls:
      - {{url: {FEED}, file: feed/one.json}}
      - {{url: "https://{ckan.HOST}/api/3/action/package_show?id=death-registry-statistics",
         file: catalogue/result.json, envelope: ckan}}
    ckan:
      - package: ttc-subway-delay-data
        resources:
          - ttc/b 2019.xlsx
          - file: ttc/*.xlsx
          - {{file: ttc/codes.csv, name: Code Descriptions, last_modified: 2024-05-01}}
    wds: [{{files: [wds/*.json]}}]
    arcgis: [{{layer: "{LAYER}", file: rates.geojson, max_record_count: 2}}]
    drop:
      mbncanada: [mbnc/results.csv.gz]
  - night: 2025-11-19
    urls:
      - {{url: {FEED}, file: feed/two.json}}
"""


# -- nights -----------------------------------------------------------------------------------------------
def test_nights_are_listed_in_the_order_in_which_they_run(tmp_path: Path, data: Path) -> None:
    path = write(tmp_path, TWO_NIGHTS)
    assert replay_nights(Settings(profile="replay", replay_file=path, real_data=data)) == [FIRST, SECOND]


def test_a_later_night_overrides_what_it_lists_and_inherits_the_rest(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    assert found(served, FEED, FIRST).content() == b'{"measures": [1]}'
    assert found(served, FEED, SECOND).content() == b'{"measures": [2]}'
    assert found(served, f"{SHOW}?id=ttc-subway-delay-data", SECOND).status == 200
    assert served.latest_night() == SECOND


def test_a_date_between_two_nights_sees_the_earlier_one(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    assert found(served, FEED, date(2025, 11, 18)).content() == b'{"measures": [1]}'
    assert found(served, FEED, date(2026, 1, 1)).content() == b'{"measures": [2]}'
    assert ask(served, FEED, date(2025, 10, 28)) is None


def test_a_night_can_remove_what_earlier_nights_listed(tmp_path: Path, data: Path) -> None:
    gone = "    remove: {packages: ['ttc-*'], wds: true, drop: [mbncanada], layers: ['*']}\n"
    served = portal(tmp_path, data, TWO_NIGHTS + gone)
    assert ask(served, f"{SHOW}?id=ttc-subway-delay-data", FIRST) is not None
    assert ask(served, f"{SHOW}?id=ttc-subway-delay-data", SECOND) is None
    assert ask(served, WDS, SECOND, [{"vectorId": 7, "latestN": 1}]) is None
    assert ask(served, f"{LAYER}?f=json", SECOND) is None
    assert served.drops("mbncanada", FIRST) is not None and served.drops("mbncanada", SECOND) is None


def test_only_forgets_everything_that_came_before(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS + "    only: true\n")
    assert found(served, FEED, SECOND).content() == b'{"measures": [2]}'
    assert ask(served, f"{SHOW}?id=ttc-subway-delay-data", SECOND) is None


def test_what_is_not_listed_says_so_in_a_header(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    assert ask(served, "https://www.bankofcanada.ca/valet/observations/FXUSDCAD/json") is None
    answer = served.missing("https://www.bankofcanada.ca/valet", SECOND)
    assert answer.status == 404
    assert answer.headers["X-Cityperf-Replay"] == "not-listed"
    assert "2025-11-19" in json.loads(answer.body)["error"]


# -- plain addresses --------------------------------------------------------------------------------------
def test_a_query_must_match_and_a_slash_at_the_end_does_not_matter(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    assert found(served, f"{FEED}/").content() == b'{"measures": [2]}'
    assert ask(served, f"{FEED}?page=2") is None


def test_a_recorded_result_gets_the_envelope_that_it_was_stored_without(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    answer = json.loads(found(served, f"{SHOW}?id=death-registry-statistics").body)
    assert answer["success"] and answer["result"] == {"name": "death-registry-statistics"}


PREFIX = """
nights:
  - night: 2025-10-29
    urls: [{url: "https://example.org/tables/*", file: "feed/*"}]
"""


def test_a_prefix_maps_everything_below_it_and_nothing_beside_it(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, PREFIX)
    assert found(served, "https://example.org/tables/one.json", FIRST).content() == b'{"measures": [1]}'
    assert ask(served, "https://example.org/tables/none.json", FIRST) is None
    for escape in ("../rates.geojson", "../../replay.yml", "/etc/hostname"):
        assert ask(served, f"https://example.org/tables/{escape}", FIRST) is None


# -- packages ---------------------------------------------------------------------------------------------
def test_list_order_is_the_order_of_delivery(tmp_path: Path, data: Path) -> None:
    served = portal(
        tmp_path, data, """
        nights:
          - night: 2025-10-29
            ckan:
              - package: p
                resources: [ttc/b 2019.xlsx, "ttc/a*.xlsx", ttc/codes.csv]
        """
    )  # fmt: skip
    shown = json.loads(found(served, f"{SHOW}?id=p").body)["result"]["resources"]
    assert [r["name"] for r in shown] == ["b 2019", "a-2018", "codes"]
    assert [r["format"] for r in shown] == ["XLSX", "XLSX", "CSV"]
    stamps = [datetime.fromisoformat(r["last_modified"]) for r in shown]
    assert stamps == sorted(stamps) and len(set(stamps)) == 3


def test_names_and_dates_can_be_given_and_files_come_byte_for_byte(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    shown = json.loads(found(served, f"{SHOW}?id=ttc-subway-delay-data").body)["result"]["resources"]
    codes = next(r for r in shown if r["name"] == "Code Descriptions")
    assert codes["last_modified"].startswith("2024-05-01T00:00:00")
    answer = found(served, codes["url"])
    assert answer.file == data / "ttc/codes.csv"
    assert answer.sha256 == hashlib.sha256(b"CODE\nX\n").hexdigest()
    assert answer.last_modified == datetime(2024, 5, 1, tzinfo=UTC)


def test_a_file_name_with_a_space_is_quoted_in_its_address(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    shown = json.loads(found(served, f"{SHOW}?id=ttc-subway-delay-data").body)["result"]["resources"]
    assert shown[0]["url"].endswith("/download/b%202019.xlsx")


# -- Statistics Canada ------------------------------------------------------------------------------------
def test_a_recorded_request_gets_the_recorded_answer_unchanged(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    body = [{"vectorId": 7, "latestN": 2}, {"vectorId": 5, "latestN": 2}]
    answer = json.loads(found(served, WDS, body=body).body)
    assert answer == json.loads((data / "wds/one.json").read_bytes())["response"]


def test_other_requests_are_put_together_from_the_recorded_vectors(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    body = [{"vectorId": n, "latestN": 1} for n in (9, 7, 5)]
    answer = json.loads(found(served, WDS, body=body).body)
    assert [(i["status"], i["object"]["vectorId"]) for i in answer] == [
        ("SUCCESS", 5),
        ("SUCCESS", 7),
        ("FAILED", 9),
    ]
    assert [p["refPer"] for p in answer[1]["object"]["vectorDataPoint"]] == ["2020-02-01"]
    assert answer[2]["object"]["vectorDataPoint"] == []


def test_a_call_that_was_never_recorded_is_not_listed(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    assert ask(served, "https://www150.statcan.gc.ca/t1/wds/rest/getCodeSets") is None
    assert (
        ask(served, "https://www150.statcan.gc.ca/t1/wds/rest/getCubeMetadata", body=[{"productId": 1}])
        is None
    )


# -- layers and drop folders ------------------------------------------------------------------------------
def test_a_recorded_layer_is_served_in_pages(tmp_path: Path, data: Path) -> None:
    served = portal(tmp_path, data, TWO_NIGHTS)
    described = json.loads(found(served, f"{LAYER}?f=json").body)
    assert (described["maxRecordCount"], described["objectIdField"]) == (2, "OBJECTID_1")
    got: list[Any] = []
    for offset in (0, 2, 4):
        page = json.loads(found(served, f"{LAYER}/query?where=1%3D1&f=geojson&resultOffset={offset}").body)
        got += [f["properties"] for f in page["features"]]
        assert bool(page.get("exceededTransferLimit")) == (offset < 4)
    assert got == [f["properties"] for f in json.loads((data / "rates.geojson").read_bytes())["features"]]


def test_a_gzip_file_stays_a_gzip_file(tmp_path: Path, data: Path) -> None:
    files = portal(tmp_path, data, TWO_NIGHTS).drops("mbncanada", SECOND)
    assert files is not None
    answer = files["results.csv.gz"]()
    assert answer.content() == (data / "mbnc/results.csv.gz").read_bytes()
    assert answer.media_type == "application/gzip"
    assert not answer.headers


# -- errors -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("nights:\n  - night: 2025-10-29\n    colour: red\n", 3, "nights[0].colour: Extra inputs"),
        ("nights:\n  - night: soon\n", 2, "nights[0].night"),
        ("nights: []\n", 1, "nights"),
        ("nights:\n  - night: 2025-10-29\n  - night: 2025-10-29\n", 3, "not after 2025-10-29"),
        (
            "nights:\n  - night: 2025-10-29\n    ckan:\n      - package: p\n        resources:\n"
            "          - {file: a.csv, fomat: CSV}\n",
            6,
            "nights[0].ckan[0].resources[0].fomat",
        ),
        (
            "nights:\n  - night: 2025-10-29\n    urls:\n      - {url: 'https://a/*', file: a.csv}\n",
            4,
            "file must end in *",
        ),
        (
            "nights:\n  - night: 2025-10-29\n    drop:\n      f:\n        - {file: '*.csv', name: a}\n",
            5,
            "cannot be given for the glob",
        ),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ReplayError) as raised:
        load(path)
    assert f"{path}:{line}: " in str(raised.value)
    assert says in str(raised.value)


def test_a_file_that_is_no_yaml_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"replay\.yml: is not YAML"):
        load(write(tmp_path, "nights: ]["))
    with pytest.raises(ReplayError, match=r"absent\.yml: cannot be read"):
        load(tmp_path / "absent.yml")


def test_a_recorded_file_that_is_missing_is_found_before_the_night_starts(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ReplayError) as raised:
        portal(tmp_path, data, TWO_NIGHTS.replace("feed/two.json", "feed/three.json"))
    message = str(raised.value)
    assert "feed/three.json" in message and str(data) in message and "CITYPERF_REAL_DATA" in message


def test_without_a_replay_file_the_remedy_is_named() -> None:
    with pytest.raises(ReplayError, match="--replay FILE or set CITYPERF_REPLAY"):
        replay_nights(Settings(profile="replay"))


@pytest.mark.real
def test_the_real_replay_maps_files_that_are_there() -> None:
    if not REAL.is_dir():
        pytest.skip(f"the real files are not at hand (CITYPERF_REAL_DATA={REAL})")
    settings = Settings(profile="replay", replay_file=ROOT / "tests/real/replay.yml", real_data=REAL)
    served = ReplayPortal(settings)
    first, second = replay_nights(settings)
    editions = [json.loads(found(served, FEED, night).content()) for night in (first, second)]
    assert [sum(len(m["vs"]) for m in e["measures"]) for e in editions] == [7518, 7576]
    names = [
        r["name"]
        for r in json.loads(found(served, f"{SHOW}?id=ttc-subway-delay-data").body)["result"]["resources"]
    ]
    assert names.index("ttc-subway-delay-August-2019") < names.index("ttc-subway-delay-data-2019")
    assert served.drops("commitments", second) is None
