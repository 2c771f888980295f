"""The `register` section of a contract: what it says must fit the columns, and the other registers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cityperf.sources import Contract, ContractError, load_contracts, read_contract, register_mistakes

MILESTONES = """\
dataset: milestones
title: Project milestones
description: Invented for tests.
owner: {division: Transportation Services, steward: Projects}
licence: OGL-Toronto
privacy: {class: public}
tier: 2
extract:
  connector: drop_folder
  folder: projects
  match: '(?i)^projects_(?P<division_key>[a-z0-9-]+)_(?P<as_of>\\d{4}-\\d{2}-\\d{2})\\.xlsx$'
  read: {format: xlsx, sheets: [Milestones]}
schedule: {refresh: quarterly, warn_after: 100 days, fail_after: 200 days}
keys: [division, milestone_id]
register:
  version: 1
  title: {en: Project milestones, fr: Jalons des projets}
  due: {months: [1, 4, 7, 10], day: 15}
  divisions: [Transportation Services, City Planning]
  status: {column: status, forward: [Planned, Underway, Completed]}
  rules:
    - {column: actual_date, not_before: start_date}
    - {column: spent, at_most: budget}
    - {column: actual_date, needs: status}
  links: [{column: project_id, to: projects.project_id}]
columns:
  - {name: division, above: Division, type: text, required: true}
  - {name: as_of, above: Reflects progress up to, type: date, required: true}
  - {name: template, above: Template, type: text}
  - {name: milestone_id, header: [Milestone ID], type: text, required: true, example: M-001}
  - {name: project_id, header: [Project ID], type: text}
  - {name: status, header: [Status, Statut], label: {fr: Statut}, type: text, allowed: [Planned, Underway, Completed]}
  - {name: start_date, header: [Start], type: date, example: 2026-01-15}
  - {name: actual_date, header: [Actual], type: date}
  - {name: budget, header: [Budget], type: money, min: 0}
  - {name: spent, header: [Spent], type: money, min: 0, max: 1000000}
"""
PROJECTS = (
    MILESTONES[: MILESTONES.index("  status: {column")]
    .replace("dataset: milestones", "dataset: projects")
    .replace("milestone_id", "project_id")
    .replace("sheets: [Milestones]", "sheets: [Projects]")
    + """\
columns:
  - {name: division, above: Division, type: text, required: true}
  - {name: as_of, above: Reflects progress up to, type: date, required: true}
  - {name: project_id, header: [Project ID], type: text, required: true}
"""
)


def read(tmp_path: Path, text: str, name: str = "milestones") -> Contract:
    file = tmp_path / f"{name}.yml"
    file.write_text(text)
    return read_contract(file)


def test_a_register_is_read_with_its_rules(tmp_path: Path) -> None:
    contract = read(tmp_path, MILESTONES)
    register = contract.register
    assert register is not None
    assert [(rule.column, rule.kind, rule.other) for rule in register.rules] == [
        ("actual_date", "not_before", "start_date"),
        ("spent", "at_most", "budget"),
        ("actual_date", "needs", "status"),
    ]
    assert (register.links[0].dataset, register.links[0].target) == ("projects", "project_id")
    assert register.due.remind.days == 10
    assert [c.example for c in contract.columns if c.example] == ["M-001", "2026-01-15"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("not_before: start_date", "not_before: starts", "no column is named starts;"),
        ("not_before: start_date", "not_before: budget", "not_before compares date, timestamp"),
        ("at_most: budget", "at_most: status", "at_most compares integer, numeric, money, percent"),
        ("at_most: budget", "at_most: budget, needs: status", "expected exactly one of `not_before`"),
        ("{column: status, forward", "{column: state, forward", "status: no column is named state"),
        ("forward: [Planned, Underway, Completed]", "forward: [Planned, Done]", "'Done' is not among the `allowed`"),
        ("links: [{column: project_id", "links: [{column: project", "links: no column is named project;"),
        ("to: projects.project_id", "to: projects", "should match pattern"),
        ("keys: [division, milestone_id]", "keys: [milestone_id]", "expected `division` as the first of `keys`"),
        ("keys: [division, milestone_id]", "keys: []", "expected `keys`"),
        ("months: [1, 4, 7, 10]", "months: [13]", "less than or equal to 12"),
        ("  version: 1\n", "  versions: 1\n", "register.versions: no such key; did you mean 'version'?"),
        ("day: 15", "days: 15", "register.due.days: no such key; did you mean 'day'?"),
        ("min: 0, max: 1000000", "min: 5, max: 1", "max is less than min"),
        ("header: [Start], type: date", "header: [Start], type: date, min: 1", "`min` and `max` are for numbers"),
        ("label: {fr: Statut}", "label: {fr: Statut}, example: Late", "expected an example that is allowed"),
        ("{name: as_of, above: Reflects progress up to, type: date", "{name: at, type: date", "expected a column 'as_of'"),
    ],
)  # fmt: skip
def test_a_register_that_does_not_fit_its_columns_is_told(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in MILESTONES
    with pytest.raises(ContractError) as caught:
        read(tmp_path, MILESTONES.replace(old, new))
    assert told in str(caught.value)
    assert "milestones.yml:" in str(caught.value)


def test_only_what_lies_in_a_drop_folder_is_handed_in(tmp_path: Path) -> None:
    begin, end = MILESTONES.index("  connector:"), MILESTONES.index("  read:")
    elsewhere = "  connector: http_file\n  url: https://example.org/a.xlsx\n  name: a.xlsx\n"
    with pytest.raises(ContractError, match="expected the connector drop_folder, found http_file"):
        read(tmp_path, MILESTONES[:begin] + elsewhere + MILESTONES[end:])


def test_links_lead_to_registers_and_sheets_of_one_workbook_agree(tmp_path: Path) -> None:
    milestones, projects = read(tmp_path, MILESTONES), read(tmp_path, PROJECTS, "projects")
    assert list(register_mistakes({"milestones": milestones, "projects": projects})) == []
    assert "no register is named projects" in "".join(register_mistakes({"milestones": milestones}))
    renamed = read(tmp_path, PROJECTS.replace("project_id", "project_number"), "projects")
    assert "projects has no column project_id" in "".join(
        register_mistakes({"milestones": milestones, "projects": renamed})
    )
    newer = read(tmp_path, PROJECTS.replace("version: 1", "version: 2"), "projects")
    assert "share match, version, due and divisions" in "".join(
        register_mistakes({"milestones": milestones, "projects": newer})
    )


def test_only_known_divisions_hand_in(tmp_path: Path) -> None:
    contract = read(
        tmp_path, MILESTONES.replace("City Planning]", "City Planing]").replace("  links:", "  # links:")
    )
    (told,) = register_mistakes({"milestones": contract})
    assert "'City Planing' is not in divisions.csv; did you mean 'City Planning'?" in told


def test_the_registers_of_the_project_fit_each_other() -> None:
    assert list(register_mistakes(load_contracts())) == []
