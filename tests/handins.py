"""Registers for tests, and workbooks filled in as a division would."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
from cityperf.handin import Workbook, workbooks
from cityperf.handin.template import entered, header_row, template
from cityperf.sources import Contract, read_contract
from openpyxl.workbook import Workbook as Book

_HEAD = """\
dataset: {dataset}
title: {title}
description: Invented for tests.
owner: {{division: Transportation Services, steward: Projects}}
licence: OGL-Toronto
privacy: {{class: public}}
tier: 2
extract:
  connector: drop_folder
  folder: trial_projects
  match: '(?i)^trial_projects_(?P<division_key>[a-z0-9-]+)_(?P<as_of>\\d{{4}}-\\d{{2}}-\\d{{2}})\\.xlsx$'
  read: {{format: xlsx, sheets: [{title}]}}
schedule: {{refresh: quarterly, warn_after: 100 days, fail_after: 200 days}}
drift: {{new_column: warn, unknown_sheet: accept}}
keys: [division, {key}]
register:
  version: 1
  title: {{en: {title}, fr: {french}}}
  due: {{months: [1, 4, 7, 10], day: 15}}
  divisions: [Transportation Services, "Parks, Forestry & Recreation"]
{more}columns:
  - {{name: division, above: Division, type: text, required: true}}
  - {{name: as_of, above: Reflects progress up to, type: date, required: true}}
  - {{name: template, above: Template, type: text}}
"""
MILESTONES = _HEAD.format(
    dataset="trial_milestones", title="Milestones", french="Jalons", key="milestone_id",
    more="""\
  status: {column: status, forward: [Planned, Underway, Completed]}
  rules: [{column: actual_date, not_before: start_date}]
""",
) + """\
  - {name: milestone_id, header: [Milestone ID], type: text, required: true, example: M-001}
  - name: status
    header: [Status, Statut]
    type: text
    required: true
    allowed: [Planned, Underway, Completed, Cancelled]
    label: {fr: Statut}
    help: {en: How far it is, fr: Où il en est}
    example: Underway
  - {name: start_date, header: [Start], type: date, label: {fr: Début}, example: 2026-01-15}
  - {name: actual_date, header: [Finished], type: date, example: 2026-06-30}
  - {name: share, header: [Share done], type: percent, min: 0, max: 100, example: 40}
  - {name: budget, header: [Budget], type: money, min: 0, example: 125000.5}
  - {name: is_public, header: [Public], type: boolean, example: 'Yes'}
  - {name: reviews, header: [Reviews], type: integer, example: 3}
"""  # fmt: skip
RISKS = _HEAD.format(dataset="trial_risks", title="Risks", french="Risques", key="risk_id", more="") + """\
  - {name: risk_id, header: [Risk ID], type: text, required: true, example: R-01}
  - {name: score, header: [Score], type: integer, min: 1, max: 25, example: 12}
"""  # fmt: skip


def registers(folder: Path) -> Workbook:
    """The workbook `trial_projects` of two registers, its contracts below `folder`."""
    found: list[Contract] = []
    for text in (MILESTONES, RISKS):
        file = folder / f"{text.split(maxsplit=2)[1]}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        found.append(read_contract(file))
    return workbooks(found)["trial_projects"]


def example(contract: Contract) -> dict[str, Any]:
    """The contract's own example row, as a person would type it."""
    typed: dict[str, Any] = {}
    for column in entered(contract):
        value: Any = column.example
        if value is not None and column.type == "date":
            value = date.fromisoformat(value)
        elif value is not None and column.type in ("integer", "numeric", "money", "percent"):
            value = float(value)
        typed[str(column.name)] = value
    return typed


def filled(
    workbook: Workbook,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    as_of: date,
    division: str = "Transportation Services",
) -> Book:
    """The template with these rows of each register in it; one that is not named gets its example row."""
    book = openpyxl.load_workbook(io.BytesIO(template(workbook)))
    for contract in workbook.sheets:
        sheet = book[contract.extract.read.sheets[0]]
        sheet["B2"], sheet["B3"] = division, as_of
        for line, row in enumerate(rows.get(contract.dataset, [example(contract)]), header_row(contract) + 2):
            for position, column in enumerate(entered(contract), 1):
                if row.get(str(column.name)) is not None:
                    sheet.cell(line, position, row[str(column.name)])
    return book
