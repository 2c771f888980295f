"""`./cityperf impact`: which side it compares with, and what it prints."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cityperf import cli, impact, publish
from cityperf.errors import CityperfError
from cityperf.impact import project as projects
from cityperf.impact.project import Exposure, Model, Project
from cityperf.publish.ledger import Release

SQL = 'select kpi_id, value, value * 100 as share from "w"."marts"."mart_figure"'


def project(sql: str = SQL) -> Project:
    model = Model(
        "scorecard",
        "publish_next",
        "scorecard",
        "models/publish/scorecard.sql",
        sql,
        (),
        False,
        (),
        ("K-1",),
        sql,
    )
    sent = Exposure("scorecard_dataset", "scorecard", ("kpi_id", "value"), ("csv",), ("files", "ckan"))
    return Project({"scorecard": model}, {"marts.mart_figure": ("kpi_id", "value")}, (sent,), {}, {})


def released(number: int, code: str, repeats: int | None = None) -> Release:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    return Release(number, date(2026, 11, 20), "released", "x", code, None, now, now, repeats=repeats)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The refs that were compiled, in place of compiling them."""
    refs: list[str] = []

    def both(ref: str, profile: str) -> tuple[Project, Project]:
        refs.append(ref)
        return project(), project(
            SQL.replace("value * 100", "round(value * 100)").replace("value,", "value + 1 as value,")
        )

    monkeypatch.setattr(projects, "both", both)
    monkeypatch.setattr(projects, "working_tree", lambda profile: project())
    monkeypatch.setattr(impact, "SHAPES", tmp_path / "shapes.json")
    return refs


def releases(monkeypatch: pytest.MonkeyPatch, *known: Release) -> None:
    monkeypatch.setattr(publish, "list_releases", lambda settings: list(known))


def test_the_other_side_is_the_commit_of_the_release_that_is_up(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    releases(monkeypatch, released(4, "0.1.0+abcdef123456"), released(3, "0.1.0+000000000000"))
    assert cli.main(["impact"]) == 0
    assert asked == ["abcdef123456"]
    said = capsys.readouterr().out
    assert said.startswith("against release 4, night 2026-11-20, commit abcdef123456\n")
    for line in (
        "scorecard                             changed: value, share",
        "scorecard                             value, share",
        "KPIs whose figures are reached: 1\n  K-1",
        "scorecard_dataset                     scorecard.csv, ckan",
        "overview                              scorecard.value",
    ):
        assert f"  {line}" in said or line in said


def test_of_a_rollback_it_is_the_commit_of_the_release_that_it_repeats(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    releases(
        monkeypatch, released(5, "0.1.0+new", repeats=3), released(4, "0.1.0+new"), released(3, "0.1.0+old")
    )
    assert cli.main(["impact", "--json"]) == 0
    assert asked == ["old"]
    said = json.loads(capsys.readouterr().out)
    assert said["about"] == "against release 5, night 2026-11-20, commit old"
    assert said["changes"][0]["columns"] == {"value": "changed", "share": "changed"}
    assert said["exports"][0]["columns"] == ["value"]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ((), "expected a release that is up, found none"),
        ((released(1, "0.1.0"),), "found code 0.1.0, which was no clone"),
    ],
)
def test_without_a_commit_to_compare_with_it_says_what_to_do(
    known: tuple[Release, ...],
    said: str,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    releases(monkeypatch, *known)
    assert cli.main(["impact"]) == 1
    told = capsys.readouterr().err
    assert said in told and "--against REF" in told


def test_a_ref_takes_the_place_of_the_release_and_a_column_asks_about_now(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["impact", "--against", "main"]) == 0
    assert asked == ["main"]
    assert capsys.readouterr().out.startswith("against main\n")
    assert cli.main(["impact", "--column", "scorecard.value"]) == 0
    assert capsys.readouterr().out.startswith("what depends on scorecard.value\n")
    assert cli.main(["impact", "--column", "scorecard.value", "--against", "main"]) == 2
    assert asked == ["main"]


def test_a_ref_that_git_does_not_know_is_named() -> None:
    with pytest.raises(CityperfError, match="none called 'no-such-ref'"):
        projects.at("no-such-ref", "sample")


def test_the_project_is_taken_from_the_commit_and_not_from_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def git(*arguments: str) -> None:
        author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    model = tmp_path / "dbt_project" / "models" / "one.sql"
    model.parent.mkdir(parents=True)
    model.write_text("as committed")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    model.write_text("as edited")
    seen: list[str] = []

    def compiled(folder: Path, profile: str, which: str) -> dict[str, Any]:
        seen.append((folder / "models" / "one.sql").read_text())
        return {"models": [], "others": {}, "exposures": [], "kpis": {}, "seeds": {}}

    monkeypatch.setattr(projects, "ROOT", tmp_path)
    monkeypatch.setattr(projects, "_compiled", compiled)
    projects.both("HEAD", "sample")
    assert sorted(seen) == ["as committed", "as edited"]
