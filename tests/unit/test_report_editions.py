"""The reviewed list of editions: what it says holds together, and each mistake is told with its line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from cityperf.registry import read_registry
from cityperf.registry.editions import FILE, WrongEditions, read_editions
from cityperf.registry.lineage import PROJECT
from cityperf.transform import OWN_HISTORY

ENTRY: dict[str, Any] = {
    "id": "CPR-2026-Q4",
    "profiles": ["live"],
    "title": {"en": "Report", "fr": "Rapport"},
    "summary": {"en": "Summary", "fr": "Sommaire"},
    "period": {"start": date(2026, 10, 1), "end": date(2026, 12, 31)},
    "as_of": date(2027, 2, 12),
    "signed_off": {"by": "City Manager", "date": date(2027, 2, 10)},
    "sections": ["customer_service", "employee_engagement"],
    "notes": {"2.05": {"en": "A note.", "fr": "Une note."}},
}


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Path]:
    """Write a list of these entries and give the project's folder."""

    def write(*entries: dict[str, Any]) -> Path:
        file = tmp_path / FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "models": [{"name": "report_edition_plan", "config": {"meta": {"editions": list(entries)}}}]
        }
        file.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
        return tmp_path

    return write


def changed(**more: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ENTRY), **more}


def test_the_projects_own_list_holds_together_and_the_sample_has_two_in_a_row() -> None:
    editions = [each for each in read_editions(read_registry().kpis) if "sample" in each.profiles]
    assert len(editions) >= 2
    assert [each.as_of for each in editions] == sorted({each.as_of for each in editions})
    assert all(each.notes for each in editions)


def test_a_sound_entry_is_read(listed: Callable[..., Path]) -> None:
    [edition] = read_editions({"2.05"}, listed(ENTRY))
    assert edition.id == "CPR-2026-Q4"
    assert str(edition.signed_off.day) == "2027-02-10"


@pytest.mark.parametrize(
    ("entry", "key", "says"),
    [
        (changed(id="Fall report"), "id", "id: String should match pattern"),
        (changed(as_of=date(2026, 12, 31)), "as_of", "as_of: expected a day after the period's last, 2026-12-31"),
        (changed(signed_off={"by": "Me", "date": date(2027, 3, 1)}), "signed_off", "signed_off: expected no day after"),
        (changed(period={"start": date(2027, 1, 1), "end": date(2026, 12, 31)}), "period", "expected start before end"),
        (changed(sections=["weather"]), "- weather", "sections.0: Input should be 'financial_asset_stewardship'"),
        (changed(sections=["customer_service"] * 2), "sections", "sections: expected each section once"),
        (changed(notes={"2.06": {"en": "A", "fr": "B"}}), "'2.06'", "notes: no KPI '2.06'"),
        (changed(notes={"2.05": {"en": "A"}}), "'2.05'", "notes.2.05.fr: is missing; add it"),
        (changed(sumary={}), "sumary", "sumary: no such key"),
        ({k: v for k, v in ENTRY.items() if k != "title"}, "", "title: is missing; add it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    listed: Callable[..., Path], entry: dict[str, Any], key: str, says: str
) -> None:
    folder = listed(entry)
    with pytest.raises(WrongEditions) as problem:
        read_editions({"2.05"}, folder)
    place, message = str(problem.value).splitlines()[0].split(": ", 1)
    assert says in message
    line = int(place.rsplit(":", 1)[1])
    assert key in (folder / FILE).read_text("utf-8").splitlines()[line - 1]


def test_an_id_stands_once(listed: Callable[..., Path]) -> None:
    with pytest.raises(WrongEditions, match="CPR-2026-Q4 stands here a second time"):
        read_editions({"2.05"}, listed(ENTRY, copy.deepcopy(ENTRY)))


def test_every_model_that_names_the_release_being_built_is_built_with_each() -> None:
    """A mart that was built for a candidate nobody saw must not say of the next one that it was it."""
    naming = {
        path.stem
        for path in (PROJECT / "models" / "marts").glob("*.sql")
        if "report_edition_standing" in path.read_text() or "mart_report_edition_figure" in path.read_text()
    }
    assert naming | {"report_edition_standing"} <= OWN_HISTORY
