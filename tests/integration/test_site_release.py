"""The public site as part of a release: verified with it, taken over where nothing changed, told what became of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from cityperf import publish
from cityperf.config import Settings
from cityperf.publish.exports import files_of
from cityperf.publish.rollback import rollback
from cityperf.publish.verify import verify
from cityperf.site.rebuild import rebuild

from tests.integration.candidate import build_candidate, sound_rows, write_manifest
from tests.integration.trust import approvers_are, figure, night, put_up

pytestmark = pytest.mark.fault


@pytest.fixture
def home(clean_warehouse: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    write_manifest(clean_warehouse)
    approvers_are(monkeypatch, tmp_path)
    return clean_warehouse


def said_of(home: Settings, number: int) -> str:
    return (home.releases / "status" / f"{number}.css").read_text()


def test_what_becomes_of_a_release_is_told_without_touching_its_bytes(home: Settings, tmp_path: Path) -> None:
    put_up(home)
    site = home.releases / "1" / "site"
    page = (site / "en" / "kpi" / "2.05.html").read_text()
    assert "<h1>2.05</h1>" in page and "SAMPLE" in page and "./cityperf release verify 1" in page
    assert '@import url("../../status/1.css")' in (site / "release.css").read_text()
    assert ".notice" not in said_of(home, 1)

    number = publish.open_candidate(home, night(1))
    build_candidate(home, number, night=night(1), marker=1)
    assert publish.hold(home, night(1), 'a check failed: "} body{display:none}').status == "held"
    assert ".notice.stale{display:block}" in said_of(home, 1)
    assert said_of(home, 1).count("{") == 2  # the reason stayed inside its string
    assert all(verdict.ok for verdict in verify(home))

    put_up(home, days=2, marker=2)
    assert ".notice.replaced{display:block}" in said_of(home, 1)
    up = int((home.releases / "current").readlink().name)
    assert ".notice" not in said_of(home, up)
    again = rollback(home, 1, "cara", "the source was wrong", night(3)).number
    assert ".notice.repeated{display:block}" in said_of(home, again)
    assert ".notice.replaced{display:block}" in said_of(home, up)
    assert all(verdict.ok for verdict in verify(home)), verify(home)

    rebuild(home, tmp_path / "again")
    made = files_of(home.releases / str(again) / "site")
    assert {name: path.read_bytes() for name, path in files_of(tmp_path / "again").items()} == {
        name: path.read_bytes() for name, path in made.items()
    }


def test_only_pages_whose_data_changed_are_new_and_an_altered_one_is_found(home: Settings) -> None:
    before = sound_rows(1)
    owned = [{**row, "owner": f"Owner of {row['kpi_id']}"} for row in before["scorecard"]]
    put_up(home, scorecard=owned)
    changed = [{**row, "name_en": "Riders"} if row["kpi_id"] == "2.05" else row for row in owned]
    put_up(home, days=1, scorecard=changed, provenance=before["provenance"])
    first, second = (home.releases / str(number) / "site" for number in (1, 2))

    def same(path: str) -> bool:
        return (first / path).stat().st_ino == (second / path).stat().st_ino

    assert same("en/kpi/1.02.html") and same("fr/kpi/1.02.html")
    assert not same("en/kpi/2.05.html") and not same("en/release.html")
    for made_beside in ("en/report/CPR-2024-Q1.pdf", "fr/briefing/owner-of-1-02.docx"):
        assert same(made_beside), made_beside
    assert not same("fr/briefing/owner-of-2-05.docx")
    assert "since release 1" in (second / "en" / "kpi" / "1.02.html").read_text()
    assert "since release 2" in (second / "en" / "kpi" / "2.05.html").read_text()

    victim = second / "en" / "kpi" / "2.05.html"
    victim.write_text(victim.read_text().replace("Riders", "Riderz"))
    found = [finding.node for verdict in verify(home, 2) for finding in verdict.findings]
    assert found == ["file site/en/kpi/2.05.html"]


def test_the_first_page_tells_what_changed_since_the_release_before_it(home: Settings) -> None:
    """Also what a night brought whose release was held: readers have not seen it."""
    put_up(home)
    assert "nothing before it to compare with" in (home.releases / "1/site/en/index.html").read_text()
    rows = sound_rows(2, night(2))
    (this,) = rows["release"]
    came = {"figures": 4, "kpis": 1, "figures_new": 3, "figures_changed": 1, "figures_withdrawn": 0}
    late = [{"vintage": night(days), "release_number": 2, **came} for days in (1, 2)]
    listed = [{**this, "number": 1, "night": night()}, {**this, "number": 2, "night": night(2)}]
    crossed = {
        "is_target_met": False,
        "was_target_met": True,
        "target_value": 5,
        "value": 4,
        "unit": "number",
        "decimals": 0,
    }
    tiles = {"1.02": crossed | {"vintage": night()}, "2.05": crossed | {"vintage": night(2)},
             "1.10": crossed | {"vintage": night(2), "was_target_met": False}}  # fmt: skip
    scorecard = [
        {**row, **tiles[row["kpi_id"]], "period_start": date(2024, 2, 1)} for row in rows["scorecard"]
    ]
    put_up(home, days=2, release=listed, vintage=[*rows["vintage"], *late], scorecard=scorecard)
    english = (home.releases / "2/site/en/index.html").read_text()
    assert "What changed since release 1 of 15 March 2024" in english
    assert "Figures: 6 new, 2 changed, 0 withdrawn." in english
    assert "This page is as it is since release 2." in english
    assert "the target (5) is missed; the figure before met its own" in english
    assert english.count("the target (") == 1, "1.02 came earlier and is no news, 1.10 was met before"
    french = (home.releases / "2/site/fr/index.html").read_text()
    assert "la cible (5) est manquée" in french
    assert "Ce qui a changé depuis la publication 1 du 15 mars 2024" in french


def test_a_measure_of_the_whole_country_has_its_series_and_one_of_both_shows_the_city(home: Settings) -> None:
    month, other = date(2024, 1, 1), date(2023, 12, 1)
    canada = {"geography_type": "country", "geography_code": "canada"}
    values = [
        figure("1.10", month, "41"), figure("1.10", other, "40"), figure("2.05", month, "51"), figure("2.05", month, "99"),
    ]  # fmt: skip
    values[:2] = [{**row, **canada} for row in values[:2]]
    values[3] |= canada
    scorecard = [
        {
            **row,
            "period_start": month,
            "period_grain": "month",
            "decimals": 0,
            "unit": "number",
            "geography_type": "city",
        }
        for row in sound_rows(1)["scorecard"]
    ]
    for row in scorecard:
        row |= {"1.10": {"value": 41, **canada}, "2.05": {"value": 51}}.get(row["kpi_id"], {})
    put_up(home, scorecard=scorecard, kpi_value=values)
    site = home.releases / "1" / "site"
    national, urban = ((site / f"en/kpi/{kpi}.html").read_text() for kpi in ("1.10", "2.05"))
    assert "January 2024, Canada" in national and ">41<" in national and ">40<" in national
    assert "January 2024, city-wide" in urban and ">51<" in urban and ">99<" not in urban
