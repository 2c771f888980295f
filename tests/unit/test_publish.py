"""What may leave, under which licence, and who says so."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import ROOT, Settings
from cityperf.publish import ledger
from cityperf.publish.dictionary import Dictionary, NoDictionary, load_dictionary, read_dictionary
from cityperf.publish.exposure import WrongExposure
from cityperf.publish.failpoints import POINTS, reached
from cityperf.publish.tables import Column, Table
from cityperf.publish.trace import _place_in_year, _rows_of_figure
from cityperf.quality.gate import TABLES


@dataclass(frozen=True)
class Licence:
    licence: str | None


CONTRACTS = {"budget": Licence("OGL-Toronto"), "peers": Licence(None)}


def model(name: str, parents: list[str], **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "alias": name,
        "resource_type": "model",
        "description": f"About\n {name}.",
        "columns": {
            "a": {"name": "a", "description": "First."},
            "b": {"name": "b", "description": "Second."},
        },
        "depends_on": {"nodes": parents},
        "meta": {},
        "config": {},
        **more,
    }


SAID = {
    "export": True,
    "primary_key": ["a"],
    "columns": ["a", "b"],
    "destinations": ["files"],
    "formats": ["csv", "parquet"],
    "licence": "OGL-Toronto",
    "rhythm": "nightly",
}


def exposure(name: str, **meta: Any) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.title(),
        "meta": {},
        "owner": {"name": "Performance Office", "email": "performance@city.example"},
        "config": {"meta": {**SAID, "table": name, **meta}},
        "depends_on": {"nodes": [f"model.{name}"]},
    }


def manifest(**exposures: Any) -> dict[str, Any]:
    chosen = exposures or {
        "money": exposure("money"),
        "benchmark": exposure("benchmark"),
        "quality": exposure("quality"),
    }
    return {
        "nodes": {
            "model.stg_peers": model("stg_peers", ["source.raw.peers"]),
            "model.stg_budget": model("stg_budget", ["source.raw.budget"]),
            "model.money": model("money", ["model.stg_budget", "source.ops.batch"]),
            "model.benchmark": model("benchmark", ["model.stg_peers", "model.stg_budget"]),
            "model.quality": model("quality", ["model.benchmark"], config={"meta": {"lineage": "metadata"}}),
            "model.secret": model("secret", ["model.stg_budget"]),
        },
        "sources": {
            "source.raw.peers": {"source_name": "raw", "name": "peers"},
            "source.raw.budget": {"source_name": "raw", "name": "other", "identifier": "budget"},
            "source.ops.batch": {"source_name": "ops", "name": "batch"},
        },
        "exposures": {f"exposure.{name}": each for name, each in chosen.items()},
    }


@pytest.mark.parametrize("profile", ["replay", "live"])
def test_a_table_made_of_an_unlicensed_source_is_refused_by_name(profile: str) -> None:
    found = read_dictionary(manifest(), CONTRACTS, profile)
    assert set(found.allowed) == {"money", "quality"}
    assert found.refused == {"benchmark": ("peers",)}


def test_invented_figures_of_an_unlicensed_source_may_leave_in_the_sample() -> None:
    found = read_dictionary(manifest(), CONTRACTS, "sample")
    assert set(found.allowed) == {"money", "benchmark", "quality"}
    assert found.refused == {}
    assert {each.licences for each in found.allowed.values()} == {("CC0-1.0",)}


def test_only_tables_on_an_exposure_leave() -> None:
    assert "secret" not in read_dictionary(manifest(), CONTRACTS, "sample").allowed
    with pytest.raises(NoDictionary, match="expected at least one exposure"):
        read_dictionary({**manifest(), "exposures": {}}, CONTRACTS, "sample")
    quiet = exposure("money")
    quiet["config"]["meta"]["export"] = False
    with pytest.raises(NoDictionary):
        read_dictionary(manifest(money=quiet), CONTRACTS, "sample")


def test_only_listed_columns_leave_in_the_listed_order() -> None:
    found = read_dictionary(
        manifest(money=exposure("money", columns=["b"], primary_key=["b"])), CONTRACTS, "live"
    )
    assert found.allowed["money"].columns == {"b": "Second."}
    found = read_dictionary(manifest(money=exposure("money", columns=["b", "a"])), CONTRACTS, "live")
    assert list(found.allowed["money"].columns) == ["b", "a"]


def test_a_column_that_nobody_described_does_not_leave() -> None:
    with pytest.raises(NoDictionary, match="no description of c"):
        read_dictionary(manifest(money=exposure("money", columns=["a", "c"])), CONTRACTS, "live")


def test_descriptions_lose_their_line_breaks() -> None:
    assert read_dictionary(manifest(), CONTRACTS, "live").allowed["money"].description == "About money."


def test_without_a_manifest_exports_say_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityperf.publish.dictionary.ROOT", tmp_path)
    settings = Settings(profile="sample", home=tmp_path / "home")
    with pytest.raises(NoDictionary, match=r"expected dbt's manifest at .*manifest.json, found none"):
        load_dictionary(settings, CONTRACTS)


def test_the_projects_own_exposures_export_every_table_of_the_contract() -> None:
    import yaml

    exposures = yaml.safe_load((ROOT / "dbt_project" / "models" / "exposures.yml").read_text())["exposures"]
    listed = {each["config"]["meta"]["table"] for each in exposures if each["config"]["meta"].get("export")}
    assert listed == set(TABLES)


def test_the_analysts_page_names_every_table() -> None:
    page = (ROOT / "docs" / "star_schema.md").read_text(encoding="utf-8")
    assert [name for name in TABLES if f"`{name}`" not in page] == []


def test_rows_are_ordered_by_the_key_without_regard_to_the_servers_language() -> None:
    columns = (Column("id", "text", False), Column("day", "date", False))
    ordered = Table("publish", "t", columns, ("id", "day")).order().as_string(None)
    assert ordered == '"t"."id" collate "C", "t"."day"'


def test_a_table_without_a_key_is_ordered_by_its_whole_rows() -> None:
    assert (
        Table("publish", "t", (Column("a", "text", True),), ()).order().as_string(None)
        == '("t".*)::text collate "C"'
    )


def test_an_unknown_failpoint_is_an_error_and_a_known_one_does_nothing_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CITYPERF_FAILPOINT", raising=False)
    for point in POINTS:
        reached(point)
    with pytest.raises(ValueError, match="failpoint 'nowhere' is not known"):
        reached("nowhere")


@pytest.mark.parametrize("packed", [True, False])
def test_the_code_version_names_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "4.5.6"\n')
    monkeypatch.setattr(ledger, "ROOT", tmp_path)
    assert ledger.code_version() == "4.5.6"
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    else:
        (git / "refs" / "heads" / "main").write_text(commit + "\n")
    assert ledger.code_version() == "4.5.6+0123456789ab"


@pytest.mark.parametrize(
    ("start", "grain", "place"),
    [
        (date(2019, 10, 1), "month", (2019, 10)),
        (date(2019, 7, 1), "quarter", (2019, 3)),
        (date(2018, 12, 1), "season", (2019, 1)),
        (date(2019, 3, 1), "season", (2019, 2)),
        (date(2019, 9, 1), "season", (2019, 4)),
        (date(2018, 1, 1), "year", (2018, 1)),
    ],
)
def test_a_period_leads_back_to_the_feeds_year_and_number(
    start: date, grain: str, place: tuple[int, int]
) -> None:
    """Winter of year y is December y-1 to February y."""
    assert _place_in_year(start, grain) == place


def test_a_figure_bears_on_the_rows_of_its_own_period() -> None:
    figure = {"period_start": date(2024, 11, 1), "period_grain": "quarter"}
    _, arguments = _rows_of_figure({"_period"}, "SD-TTC-02", figure)
    assert arguments["months"] == ["2024-11", "2024-12", "2025-01"]
    _, arguments = _rows_of_figure(
        {"measure_id", "year", "period"}, "1.10", {**figure, "period_grain": "month"}
    )
    assert arguments == {"measure": "1.10", "year": "2024", "number": "11"}
    clause, arguments = _rows_of_figure({"code"}, "SD-TTC-02", figure)
    assert (clause.as_string(None), arguments) == ("true", {})


def test_a_dictionary_is_in_alphabetical_order_so_that_files_are_too() -> None:
    found = read_dictionary(manifest(), CONTRACTS, "sample")
    assert isinstance(found, Dictionary)
    assert list(found.allowed) == sorted(found.allowed)
    assert os.sep not in "".join(found.allowed)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"formats": ["csv", "parquet", "pdf"]}, "formats.2 = 'pdf'"),
        ({"formats": ["csv"]}, "expected parquet among the formats"),
        ({"destinations": ["ckan"], "formats": []}, "expected the destination `files` beside `ckan`"),
        ({"licence": "mine"}, "licence = 'mine': expected one of"),
        ({"primary_key": ["c"]}, "expected the key among the columns, found no c"),
        ({"columns": ["a", "a"]}, "expected each once, found a twice"),
        ({"colums": ["a"]}, "`colums`, which means nothing here"),
    ],
)
def test_an_exposure_that_is_not_clear_is_named_with_its_mistake(meta: dict[str, Any], said: str) -> None:
    with pytest.raises(WrongExposure, match="expected exposure money to say") as told:
        read_dictionary(manifest(money=exposure("money", **meta)), CONTRACTS, "live")
    assert said in str(told.value)


def test_an_exposure_without_columns_a_contact_or_its_own_table_sends_nothing_out() -> None:
    for part in ("columns", "licence", "rhythm", "destinations"):
        lacking = exposure("money")
        del lacking["config"]["meta"][part]
        with pytest.raises(WrongExposure, match=f"no `{part}`"):
            read_dictionary(manifest(money=lacking), CONTRACTS, "live")
    with pytest.raises(WrongExposure, match="no `name`; no `email`"):
        read_dictionary(manifest(money={**exposure("money"), "owner": None}), CONTRACTS, "live")
    with pytest.raises(NoDictionary, match="depend on table secret, which it sends out, found money"):
        read_dictionary(manifest(money=exposure("money", table="secret")), CONTRACTS, "live")
    twice = {"one": exposure("money"), "two": {**exposure("money"), "name": "again"}}
    with pytest.raises(NoDictionary, match="one exposure to send table money out"):
        read_dictionary(manifest(**twice), CONTRACTS, "live")
