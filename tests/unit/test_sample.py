"""The sample's promises: seed, scale and night decide every byte, and its feeds have the real shapes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import openpyxl
import pytest
import yaml
from cityperf.config import ROOT, Settings
from cityperf.extract.connectors.ckan_files import choose
from cityperf.portal import arcgis, ckan
from cityperf.portal.answers import Answer, Ask
from cityperf.portal.sample import (
    SamplePortal,
    benchmarks,
    budget,
    commitments,
    crime,
    dashboard,
    division_databases,
    packages,
    ttc,
)
from cityperf.portal.sample.world import Cache, World
from python_calamine import CalamineWorkbook

NIGHT = date(2026, 11, 19)  # a Thursday
SCALE = 0.02


@pytest.fixture
def portal(tmp_path: Path) -> SamplePortal:
    return SamplePortal(Settings(profile="sample", home=tmp_path, seed=7, scale=SCALE))


@pytest.fixture
def world(portal: SamplePortal) -> World:
    return portal.world


def ask(portal: SamplePortal, url: str, night: date = NIGHT, body: Any = None, **query: str) -> Answer:
    parts = urlsplit(url)
    method = "POST" if body is not None else "GET"
    asked = Ask(
        method,
        parts.hostname or "",
        unquote(parts.path),
        night,
        query,
        json.dumps(body).encode() if body else b"",
    )
    answer = portal.answer(asked)
    assert answer is not None, url
    return answer


def feed(portal: SamplePortal, night: date) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        ask(portal, "https://www.toronto.ca/app_content/tpp_measures", night).body
    )
    return loaded


def points(portal: SamplePortal, night: date) -> dict[tuple[float, int, int], Any]:
    return {(m["id"], p["y"], p["p"]): p["v"] for m in feed(portal, night)["measures"] for p in m["vs"]}


def resources(world: World, package: str, night: date = NIGHT) -> dict[str, ckan.Resource]:
    chosen = next(p for p in packages(world, night) if p.name == package)
    return {r.name: r for r in chosen.resources}


# -- determinism ----------------------------------------------------------------------------------------
FINGERPRINT = """
import hashlib, sys
from datetime import date
from pathlib import Path
from cityperf.config import Settings
from cityperf.portal.answers import Ask
from cityperf.portal.sample import SamplePortal, packages
portal = SamplePortal(Settings(profile="sample", home=Path(sys.argv[1]), seed=7, scale=0.01))
digest = hashlib.sha256()
night = date(2026, 11, 19)
for package in packages(portal.world, night):
    for resource in package.resources:
        digest.update(resource.content().content())
for folder in ("mbncanada", "commitments"):
    for name, make in sorted(portal.drops(folder, night).items()):
        digest.update(name.encode() + make().content())
for host, path in (("www.toronto.ca", "/app_content/tpp_measures"),
                   ("www.toronto.ca", "/app_content/tpp_narratives/"),
                   ("www.bankofcanada.ca", "/valet/observations/FXUSDCAD/json"),
                   ("www150.statcan.gc.ca", "/n1/tbl/csv/18100004-eng.zip")):
    digest.update(portal.answer(Ask("GET", host, path, night)).content())
print(digest.hexdigest())
"""


def test_the_same_seed_scale_and_night_give_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    running = []
    for hash_seed, zone in (("0", "UTC"), ("4242", "Asia/Tokyo")):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT / "include"), "PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": "C",
        }  # fmt: skip
        running.append(subprocess.Popen(
            [sys.executable, "-c", FINGERPRINT, str(tmp_path / hash_seed)],
            env=environment, stdout=subprocess.PIPE, text=True,
        ))  # fmt: skip
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert len(set(said)) == 1 and len(said[0].strip()) == 64


def test_another_seed_gives_other_figures(tmp_path: Path, portal: SamplePortal) -> None:
    other = SamplePortal(Settings(profile="sample", home=tmp_path, seed=8, scale=SCALE))
    assert points(portal, NIGHT) != points(other, NIGHT)


def test_closed_years_keep_their_bytes_from_night_to_night(world: World) -> None:
    for package in (ttc.PACKAGE, budget.PACKAGE, "311-service-requests-customer-initiated"):
        before, after = resources(world, package, NIGHT), resources(world, package, date(2027, 6, 20))
        closed = [n for n in before if n in after and re.search(r"20(2[2-5])", n) and "since" not in n]
        assert len(closed) >= 3, package
        for name in closed:
            assert before[name].content().sha256 == after[name].content().sha256, name
            assert before[name].last_modified == after[name].last_modified


def test_changed_generators_never_serve_bytes_of_older_ones(tmp_path: Path) -> None:
    stale = tmp_path / "portal-cache" / "0123456789-7-1"
    stale.mkdir(parents=True)
    cache = Cache(tmp_path / "portal-cache", 7, 1.0)
    kept = cache.file("a.txt", lambda path: path.write_text("made") and None)
    cache.prune()
    assert not stale.exists()
    assert kept.read_text() == "made"


def test_a_generator_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 7, 1.0)

    def broken(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        cache.file("a.txt", broken)
    assert not [p for p in cache.root.rglob("*") if p.is_file()]
    assert cache.file("a.txt", lambda path: path.write_text("whole") and None).read_text() == "whole"


def test_full_scale_has_six_hundred_thousand_rows_even_on_the_first_of_january(tmp_path: Path) -> None:
    twentieth = SamplePortal(Settings(profile="sample", home=tmp_path, seed=2026, scale=0.05)).world
    night = date(2027, 1, 1)
    requests = sum(
        len(_zipped(r.content().content()).splitlines()) - 1
        for r in resources(twentieth, "311-service-requests-customer-initiated", night).values()
    )
    delays = sum(
        len(ttc.incidents(twentieth, year, month)) for year in range(2022, 2027) for month in range(1, 12)
    )
    whole = World(2026, 1.0, twentieth.cache)
    lines = sum(len(budget.lines(whole, year)) for year in range(2022, 2027))
    assert (requests + delays) * 20 + lines >= 600_000


# -- every contract is served ---------------------------------------------------------------------------
CONTRACTS = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "include" / "sources").glob("*/*.yml"))
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=[c["dataset"] for c in CONTRACTS])
def test_every_address_that_a_contract_names_is_answered(
    portal: SamplePortal, contract: dict[str, Any], tmp_path: Path
) -> None:
    extract = contract["extract"]
    match extract["connector"]:
        case "http_file":
            url = extract["url"].replace("{year}", str(extract.get("first_year", "")))
            assert ask(portal, url).status == 200
        case "ckan_files":
            url = f"{extract['base_url']}/api/3/action/package_show"
            found = json.loads(ask(portal, url, id=extract["package"]).body)["result"]["resources"]
            matching = choose(found, extract["match"], extract["read"].get("format", "auto"))
            assert matching
            assert all(ask(portal, r["url"]).status == 200 for _, _, r in matching[:2])
        case "ckan_datastore":
            url = f"{extract['base_url']}/api/3/action/package_show"
            found = json.loads(ask(portal, url, id=extract["package"]).body)["result"]["resources"]
            tables = [r for r in found if re.search(extract["match"], r["name"]) and r["datastore_active"]]
            assert tables
            url = f"{extract['base_url']}/api/3/action/datastore_search"
            answer = ask(portal, url, resource_id=tables[0]["id"], limit="5", sort="_id")
            assert json.loads(answer.body)["result"]["records"]
        case "statcan_table":
            url = f"{extract['base_url']}/getFullTableDownloadCSV/{extract['product']}/en"
            address = json.loads(ask(portal, url).body)["object"]
            assert ask(portal, address).content().startswith(b"PK")
        case "sdmx":
            url = f"{extract['base_url']}/data/{extract['dataflow']}/{extract.get('key', 'all')}"
            assert ask(portal, url).body.startswith(b"DATAFLOW,")
        case "statcan_wds":
            body = [{"vectorId": v["id"], "latestN": 3} for v in extract["vectors"]]
            answer = ask(portal, f"{extract['base_url']}/getDataFromVectorsAndLatestNPeriods", body=body)
            assert {item["status"] for item in json.loads(answer.body)} == {"SUCCESS"}
        case "boc_valet":
            for series in extract["series"]:
                answer = ask(portal, f"{extract['base_url']}/observations/{series}/json")
                assert json.loads(answer.body)["observations"]
        case "arcgis_feature_server":
            assert "fields" in json.loads(ask(portal, extract["layer_url"], f="json").body)
        case "drop_folder":
            files = portal.drops(extract["folder"], NIGHT)
            assert files
            assert all(re.search(extract["match"], name) for name in files)
        case "sftp":
            files = portal.drops(f"sftp/{extract['host']}/{extract['folder']}", NIGHT)
            assert files
            assert all(re.search(extract["match"], name) for name in files)
        case "database":
            settings = Settings(profile="sample", home=tmp_path, seed=7, scale=SCALE)
            assert division_databases.database(settings, NIGHT, extract["connection"]).is_file()
        case "reviewed_file":
            assert (ROOT / extract["path"]).is_file()
        case other:
            pytest.fail(f"the sample serves nothing for connector {other!r}")


# -- the dashboard's feed -------------------------------------------------------------------------------
def test_the_feed_keeps_the_flaws_of_the_real_one(portal: SamplePortal) -> None:
    text = ask(portal, "https://www.toronto.ca/app_content/tpp_measures").body.decode()
    loaded = json.loads(text)
    assert list(loaded) == ["measures", "targets", "categories"]
    assert len(loaded["measures"]) == 69
    assert '"id":1.1,' in text and '"id":1.10' not in text
    first = loaded["measures"][0]
    assert list(first) == [
        "id",
        "m",
        "it",
        "vt",
        "ytd",
        "ht",
        "v",
        "yv",
        "bv",
        "da",
        "dd",
        "c",
        "ds",
        "cp",
        "kw",
        "vs",
    ]
    assert "\n" in first["m"]
    assert {m["ht"] for m in loaded["measures"]} == {"False"}
    assert {m["ytd"] for m in loaded["measures"]} == {"True", "False"}
    assert "Development &amp; Construction" in loaded["categories"]
    assert all(isinstance(m[k], str) for m in loaded["measures"] for k in ("v", "yv", "bv", "da"))
    assert len(loaded["targets"]) == 1 and "2.4" in loaded["targets"][0]
    values = [p["v"] for m in loaded["measures"] for p in m["vs"]]
    assert None in values and {int, float} <= {type(v) for v in values}
    yearly = next(m for m in loaded["measures"] if m["it"] == "y")
    assert all(p["p"] == p["y"] for p in yearly["vs"])


def test_crime_is_revised_for_two_years_and_then_stands(portal: SamplePortal) -> None:
    before, after = points(portal, NIGHT), points(portal, date(2026, 12, 17))
    changed = {key for key in before if before[key] != after[key] and 3.0 < key[0] < 3.09}
    assert changed
    assert min(year * 12 + period for _, year, period in changed) >= 2024 * 12 + 9
    assert set(before) < set(after)


def test_every_working_night_revises_something(portal: SamplePortal) -> None:
    before, after = points(portal, NIGHT), points(portal, date(2026, 11, 20))
    assert [key for key in before if before[key] != after[key]]


def test_the_labour_force_survey_moves_its_whole_history_once_a_year(portal: SamplePortal) -> None:
    def labour(night: date) -> dict[tuple[float, int, int], Any]:
        return {k: v for k, v in points(portal, night).items() if k[0] == 1.02 and k[1] < 2026}

    assert labour(date(2026, 2, 3)) == labour(NIGHT)
    january, february = labour(date(2026, 1, 26)), labour(date(2026, 2, 3))
    moved = [k for k in january if january[k] != february[k]]
    assert len(moved) > 0.9 * len(january)


def test_a_weekend_serves_the_edition_of_friday(portal: SamplePortal) -> None:
    url = "https://www.toronto.ca/app_content/tpp_measures"
    friday, sunday, monday = (ask(portal, url, date(2026, 11, d)) for d in (20, 22, 23))
    assert friday.sha256 == sunday.sha256 != monday.sha256


def test_a_definition_break_shows_as_a_step_in_the_series(portal: SamplePortal) -> None:
    series = points(portal, NIGHT)
    assert series[2.18, 2022, 2] / series[2.18, 2022, 1] < 0.8
    assert 0.9 < series[2.18, 2022, 3] / series[2.18, 2022, 2] < 1.1


def test_seasons_are_extreme_where_the_real_ones_are(portal: SamplePortal) -> None:
    series = points(portal, NIGHT)
    for year in (2016, 2018, 2025):
        assert series[2.35, year, 2] > 10 * series[2.35, year, 1]


def test_notes_name_their_period_in_brackets(portal: SamplePortal) -> None:
    notes = json.loads(ask(portal, "https://www.toronto.ca/app_content/tpp_narratives/").body)["narratives"]
    paragraphs = [p for n in notes for p in n["n"].split("<br /><br />")]
    dated = [p for p in paragraphs if re.match(r"\[(\w+ \d{4}|Quarter [1-4] \d{4})\] ", p)]
    assert len(paragraphs) - len(dated) == 1  # the one that the City's own reader drops


def test_annual_periods_end_with_their_year() -> None:
    assert dashboard.period_end("y", 2025, 1) == date(2025, 12, 31)
    assert dashboard.period_end("s", 2026, 1) == date(2026, 2, 28)
    assert dashboard.period_end("q", 2026, 4) == date(2026, 12, 31)


# -- files of the open data portal ----------------------------------------------------------------------
def test_package_show_has_the_fields_of_a_recorded_answer(portal: SamplePortal) -> None:
    url = f"https://{ckan.HOST}/api/3/action/package_show"
    result = json.loads(ask(portal, url, id=ttc.PACKAGE).body)["result"]
    assert result["name"] == ttc.PACKAGE and result["is_retired"] == "false"
    assert "T" not in result["last_refreshed"] and "T" in result["metadata_modified"]
    by_name = {r["name"]: r for r in result["resources"]}
    table = by_name["TTC Subway Delay Data since 2025"]
    assert table["datastore_active"] and table["url"].endswith(f"/datastore/dump/{table['id']}")
    copy = by_name["TTC Subway Delay Data since 2025.csv"]
    assert copy["is_datastore_cache_file"] and copy["datastore_resource_id"] == table["id"]
    assert table["datastore_cache"]["CSV"] == copy["id"]


def test_the_datastore_lowers_a_large_limit_without_a_word(portal: SamplePortal, world: World) -> None:
    resource = resources(world, ttc.PACKAGE)["TTC Subway Delay Data since 2025"]
    url = f"https://{ckan.HOST}/api/3/action/datastore_search"

    def page(**query: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(portal, url, resource_id=resource.id, **query).body)["result"]
        return found

    assert page(limit="100000")["limit"] == 32_000
    assert len(page()["records"]) == 100
    total = page()["total"]
    ids = [
        r["_id"]
        for o in range(0, total, 250)
        for r in page(limit="250", offset=str(o), sort="_id")["records"]
    ]
    assert ids == list(range(1, total + 1))
    assert page(limit="1", sort="_id desc")["records"][0]["_id"] == total
    assert page()["fields"][0] == {"id": "_id", "type": "int4"}


def test_an_unknown_package_is_refused_in_ckan_s_own_words(portal: SamplePortal) -> None:
    answer = ask(portal, f"https://{ckan.HOST}/api/3/action/package_show", id="no-such-package")
    assert answer.status == 404
    assert json.loads(answer.body)["error"]["__type"] == "Not Found Error"


def test_a_yearly_workbook_supersedes_the_monthly_file_that_it_overlaps(world: World) -> None:
    found = resources(world, ttc.PACKAGE)
    monthly, yearly = found["ttc-subway-delay-August-2022"], found["ttc-subway-delay-data-2022"]
    assert monthly.last_modified < yearly.last_modified
    first = _sheets(monthly.content())["August 22"]
    final = next(rows for name, rows in _sheets(yearly.content()).items() if name.startswith("August"))
    assert {r[0].month for r in first[1:]} == {8}
    assert len(first) < len(final)


def test_sheet_names_never_agree_and_one_header_is_too_wide(world: World) -> None:
    found = resources(world, ttc.PACKAGE)
    names = [
        list(_sheets(found[f"ttc-subway-delay-data-{year}"].content())) for year in (2021, 2022, 2023, 2024)
    ]
    assert [len(n) for n in names] == [12, 12, 1, 1]
    assert {re.sub(r"\d", "", n) for n in names[0]} != {re.sub(r"\d", "", n) for n in names[1]}
    assert names[2:] == [["2023"], ["Subway"]]
    workbook = io.BytesIO(found["ttc-subway-delay-data-2022"].content().content())
    claimed = [sheet.max_column for sheet in openpyxl.load_workbook(workbook).worksheets]
    assert claimed == [13] + [10] * 11


def test_the_line_to_scarborough_closes_in_july_2023(world: World) -> None:
    lines = {
        (year, i[8]) for year in (2022, 2024) for m in range(1, 13) for i in ttc.incidents(world, year, m)
    }
    assert (2022, "SRT") in lines
    assert (2024, "SRT") not in lines


def test_the_last_row_of_the_2022_budget_is_the_sum_of_all_others(world: World) -> None:
    text = resources(world, budget.PACKAGE)["operating-budget-2022"].content().content().decode()
    *rows, last = list(csv.DictReader(io.StringIO(text)))
    assert [r["Year"] for r in rows[:3]] == ["2022", "", ""]
    assert any(r["Amount"].startswith("(") for r in rows)

    def amount(cell: str) -> Decimal:
        number = Decimal(re.sub(r"[$,()]", "", cell))
        return -number if cell.startswith("(") else number

    assert not last["Program"]
    assert amount(last["Amount"]) == sum(amount(r["Amount"]) for r in rows)


def test_programmes_are_renamed_in_2024(world: World) -> None:
    before, after = ({line[0] for line in budget.lines(world, year)} for year in (2023, 2024))
    assert "311 Toronto" in before - after
    assert "Customer Experience" in after - before


def test_service_requests_are_cp1252_and_worded_differently_in_one_year(world: World) -> None:
    found = resources(world, "311-service-requests-customer-initiated")
    assert list(found) == [f"SR{year}" for year in range(2021, 2027)]
    headers = {}
    for name, resource in found.items():
        raw = _zipped_bytes(resource.content().content())
        headers[name] = raw.decode("cp1252").splitlines()[0].split(",")[2]
        if name == "SR2025":
            assert "Côté" in raw.decode("cp1252")
            assert "Sidewalk – Snow and Ice" in raw.decode("cp1252")
            with pytest.raises(UnicodeDecodeError):
                raw.decode("utf-8")
    assert [n for n, h in headers.items() if h == "First 3 Characters of Postal Code"] == ["SR2024"]
    assert set(headers.values()) == {"First 3 Chars of Postal Code", "First 3 Characters of Postal Code"}


def test_requests_grow_with_the_months_and_their_statuses_move_on(world: World) -> None:
    october = resources(world, "311-service-requests-customer-initiated", date(2026, 10, 28))["SR2026"]
    november = resources(world, "311-service-requests-customer-initiated", date(2026, 11, 28))["SR2026"]
    early, late = (_zipped(r.content().content()).splitlines()[1:] for r in (october, november))
    assert len(early) < len(late)
    for then, now in zip(early, late, strict=False):
        assert then.split(",")[0] == now.split(",")[0] and then.split(",")[2:] == now.split(",")[2:]
    still_open = [line.split(",")[1] in ("New", "In Progress") for line in early]
    closed_since = [
        was and now.split(",")[1] not in ("New", "In Progress")
        for was, now in zip(still_open, late, strict=False)
    ]
    reopened = [
        not was and now.split(",")[1] in ("New", "In Progress")
        for was, now in zip(still_open, late, strict=False)
    ]
    assert any(closed_since) and not any(reopened)


def test_snow_is_asked_for_in_winter_only(world: World) -> None:
    rows = csv.DictReader(
        io.StringIO(
            _zipped(resources(world, "311-service-requests-customer-initiated")["SR2025"].content().content())
        )
    )
    months = {
        int(r["Creation Date"][5:7]) for r in rows if r["Service Request Type"] == "Road Plowing Request"
    }
    assert months and not months & {5, 6, 7, 8, 9}


def test_ward_profiles_repeat_their_header_below_a_title_block(portal: SamplePortal, world: World) -> None:
    book = next(iter(resources(world, "ward-profiles-25-ward-model").values())).content().content()
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(book))
    assert workbook.sheet_names == ["2021 One Variable", "2016 Census One Variable"]
    rows = workbook.get_sheet_by_name("2021 One Variable").to_python()
    header = ["", "Toronto", *(f"Ward {number}" for number in range(1, 26))]
    assert [number for number, row in enumerate(rows, 1) if row == header] == [18, 24, 28]
    label, city, *wards = rows[18]
    assert label == "Total - Age"
    assert abs(float(city) - sum(map(float, wards))) <= 25 * 2.5 + 2.5, "each count is rounded to 5"


def test_the_city_column_is_the_sum_of_the_neighbourhoods(world: World) -> None:
    text = next(iter(resources(world, "neighbourhood-profiles").values())).content().content().decode()
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows[0]) == 146
    population = next(r for r in rows if r[4] == "Population, 2016")
    number: Callable[[str], int] = lambda cell: int(cell.replace(",", ""))  # noqa: E731
    assert number(population[5]) == sum(map(number, population[6:]))
    labels = [r[4] for r in rows[1:]]
    assert len(labels) > len(set(labels))


# -- services -------------------------------------------------------------------------------------------
WDS = "https://www150.statcan.gc.ca/t1/wds/rest"


def test_vectors_come_sorted_by_coordinate_and_unknown_ones_fail(portal: SamplePortal) -> None:
    body = [{"vectorId": v, "latestN": 4} for v in (74804, 41692457, 5, 41690973)]
    items = json.loads(ask(portal, f"{WDS}/getDataFromVectorsAndLatestNPeriods", body=body).body)
    assert [i["object"]["vectorId"] for i in items] == [41690973, 41692457, 74804, 5]
    assert items[-1]["status"] == "FAILED" and items[-1]["object"]["vectorDataPoint"] == []
    assert len(items[0]["object"]["coordinate"].split(".")) == 10
    assert [len(i["object"]["vectorDataPoint"]) for i in items[:-1]] == [4, 4, 4]


def test_no_point_is_known_before_its_release_and_revisions_carry_a_later_one(portal: SamplePortal) -> None:
    def series(night: date) -> dict[str, tuple[Any, str]]:
        answer = ask(portal, f"{WDS}/getDataFromVectorsAndLatestNPeriods", night,
                     body=[{"vectorId": 1999000001, "latestN": 24}])  # fmt: skip
        found = json.loads(answer.body)[0]["object"]["vectorDataPoint"]
        return {p["refPer"]: (p["value"], p["releaseTime"]) for p in found}

    then, now = series(date(2026, 9, 20)), series(NIGHT)
    assert all(released[:10] <= "2026-09-20" for _, released in then.values())
    revised = [p for p in then if p in now and then[p][1] < now[p][1]]
    assert revised
    assert all(then[p] == now[p] for p in then if p in now and then[p][1] == now[p][1])


def test_nothing_is_released_on_a_weekend(portal: SamplePortal) -> None:
    assert (
        json.loads(ask(portal, f"{WDS}/getChangedCubeList/2026-11-21", date(2026, 11, 22)).body)["object"]
        == []
    )
    month = [
        json.loads(ask(portal, f"{WDS}/getChangedCubeList/2026-11-{d:02d}", date(2026, 11, 30)).body)[
            "object"
        ]
        for d in range(1, 31)
    ]
    assert any(month)


def test_a_full_table_is_a_zip_with_byte_order_mark_and_metadata(portal: SamplePortal) -> None:
    url = json.loads(ask(portal, f"{WDS}/getFullTableDownloadCSV/18100004/en").body)["object"]
    with zipfile.ZipFile(io.BytesIO(ask(portal, url).content())) as archive:
        assert archive.namelist() == ["18100004.csv", "18100004_MetaData.csv"]
        assert archive.read("18100004.csv").startswith(b'\xef\xbb\xbf"REF_DATE","GEO"')


def test_valet_nests_text_under_the_series_and_rests_on_weekends(portal: SamplePortal) -> None:
    url = "https://www.bankofcanada.ca/valet/observations/FXUSDCAD/json"
    found = json.loads(ask(portal, url, start_date="2026-01-01", end_date="2026-03-31").body)
    days = [date.fromisoformat(o["d"]) for o in found["observations"]]
    assert days and all(d.weekday() < 5 for d in days)
    assert min(days) >= date(2026, 1, 2) and max(days) <= date(2026, 3, 31)
    assert all(isinstance(o["FXUSDCAD"]["v"], str) for o in found["observations"])
    assert ask(portal, "https://www.bankofcanada.ca/valet/observations/NOPE/json").status == 404


def test_a_rate_is_count_over_population_and_no_homicide_is_null(world: World) -> None:
    features = crime.collection(world, 2025)["features"]
    assert len(features) == 158
    homicides = [f["properties"]["HOMICIDE_2025"] for f in features]
    assert None in homicides and 0 not in homicides
    for feature in features:
        p = feature["properties"]
        for name in ("ASSAULT", "HOMICIDE"):
            if p[f"{name}_2025"] is None:
                assert p[f"{name}_RATE_2025"] is None
            else:
                rate = p[f"{name}_2025"] / p["POPULATION_2025"] * 1e5
                assert abs(p[f"{name}_RATE_2025"] - rate) < 2e-4


def test_a_new_year_of_crime_leaves_older_years_alone(world: World) -> None:
    before, after = crime.collection(world, 2024)["features"], crime.collection(world, 2025)["features"]
    for old, new in zip(before, after, strict=True):
        kept = {k: v for k, v in old["properties"].items() if not k.startswith("POPULATION")}
        assert kept.items() <= new["properties"].items()


def test_a_layer_pages_and_says_that_there_is_more(world: World) -> None:
    layer = arcgis.Layer("h", "/a/FeatureServer/0", "a", lambda: crime.collection(world, 2025), 100)

    def query(**asked: str) -> dict[str, Any]:
        answer = arcgis.answer(Ask("GET", "h", "/a/FeatureServer/0/query", NIGHT, asked), layer)
        assert answer is not None
        found: dict[str, Any] = json.loads(answer.body)
        return found

    assert query(where="1=1", returnCountOnly="true", f="json") == {"count": 158}
    first, second = (query(where="1=1", f="geojson", resultOffset=o) for o in ("0", "100"))
    assert first["properties"] == {"exceededTransferLimit": True} and "properties" not in second
    assert len(first["features"]) + len(second["features"]) == 158
    assert len(query(where="HOOD_ID<=5 and HOOD_ID<>3", f="json")["features"]) == 4
    assert query(where="NOPE=1")["error"]["code"] == 400
    assert query()["error"]["code"] == 400


# -- what divisions hand in -----------------------------------------------------------------------------
def test_a_commitment_leaves_a_later_hand_in_and_statuses_are_the_allowed_ones(world: World) -> None:
    contract = next(c for c in CONTRACTS if c["dataset"] == "commitments")
    allowed = next(c["allowed"] for c in contract["columns"] if c["name"] == "status")
    headers = [c["header"][0] for c in contract["columns"]]
    hand_ins = {n: _sheets(make())["Commitments"] for n, make in commitments.drops(world, NIGHT).items()}
    assert list(hand_ins)[-1] == "commitments_2026-q3.xlsx"
    for rows in hand_ins.values():
        assert list(rows[0]) == headers
        assert {r[6] for r in rows[1:]} <= set(allowed)
    first, last = (
        {r[0] for r in rows[1:]} for rows in (next(iter(hand_ins.values())), list(hand_ins.values())[-1])
    )
    assert first - last == {"C-017"}
    assert len({r[6] for r in list(hand_ins.values())[-1][1:]}) == 5


def test_a_quarter_is_handed_in_three_weeks_after_its_end(world: World) -> None:
    assert "commitments_2026-q3.xlsx" not in commitments.drops(world, date(2026, 10, 20))
    assert "commitments_2026-q3.xlsx" in commitments.drops(world, date(2026, 10, 21))


def test_benchmark_results_are_ratios_and_toronto_always_reports(world: World) -> None:
    make = benchmarks.drops(world, NIGHT)["mbnc_results_2025.csv"]
    rows = list(csv.DictReader(io.StringIO(make().content().decode())))
    wanted = {"ROAD307T", "PLIB305T", "EMDS430", "SWST311T", "SWST330T"}
    toronto = {
        r["measure_number"] for r in rows if r["municipality"] == "Toronto" and r["fiscal_year"] == "2025"
    }
    assert wanted <= toronto
    assert any(not r["result"] for r in rows)
    for row in rows:
        if row["numerator"]:
            ratio = Decimal(row["numerator"]) / Decimal(row["denominator"])
            assert abs(Decimal(row["result"]) - ratio) <= Decimal("0.5001")
            if row["measure_number"].startswith(("PLIB", "SWST3")):
                assert abs(Decimal(row["result"]) - ratio) <= Decimal("0.0051")


def test_deliveries_are_dated_and_never_later_than_the_night(portal: SamplePortal, world: World) -> None:
    evening = datetime(NIGHT.year, NIGHT.month, NIGHT.day, 23, 59, tzinfo=UTC)
    for package in packages(world, NIGHT):
        assert all(r.last_modified <= evening for r in package.resources), package.name
    for folder in ("mbncanada", "commitments"):
        for make in (portal.drops(folder, NIGHT) or {}).values():
            moment = make().last_modified
            assert moment is not None and moment <= evening


def _zipped_bytes(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(opened.namelist()[0])


def _zipped(archive: bytes) -> str:
    return _zipped_bytes(archive).decode("cp1252")


def _sheets(answer: Answer) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content()))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
