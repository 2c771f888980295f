"""`./cityperf edition`: editions of the Corporate Performance Report, planned and frozen, and what was restated since."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.kpi import SIGNS, _change, _figure, _plain, _print, _read, _title, as_json_option


@click.group()
def edition() -> None:
    """Editions of the Corporate Performance Report: frozen figures, and what was restated since."""


@edition.command(name="list")
@profile_option
@as_json_option
def list_all(as_json: bool) -> None:
    """Every edition of the profile: frozen, with what was restated since, or planned."""
    from cityperf.registry import read_registry
    from cityperf.registry.editions import read_editions

    chosen = settings()
    frozen = _read(chosen, "select * from publish.report_edition order by as_of, edition_id")
    known = {row["edition_id"] for row in frozen}
    planned = [
        {"edition_id": each.id, "title_en": each.title.en, "title_fr": each.title.fr, "as_of": each.as_of}
        for each in sorted(read_editions(read_registry().kpis), key=lambda each: each.as_of)
        if chosen.profile in each.profiles and each.id not in known
    ]
    rows = [{**row, "state": "frozen"} for row in frozen] + [{**row, "state": "planned"} for row in planned]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=_plain))
        return
    if not rows:
        click.echo(f"no edition is planned for profile {chosen.profile}; dbt_project/{_list_file()} has them")
        return
    from rich.table import Table

    table = Table(title=_title(chosen, f"{len(rows)} editions"), title_justify="left")
    for heading in ("id", "title", "as of", "state"):
        table.add_column(heading, overflow="fold")
    for heading in ("figures", "targets met", "restated", "redefined"):
        table.add_column(heading, justify="right")
    for row in rows:
        frozen_by = f"frozen by release {row['release_number']}" if row["state"] == "frozen" else "planned"
        counts = (
            (
                f"{row['figures']} of {row['kpis']}",
                f"{row['targets_met']} of {row['targets_set']}",
                str(row["figures_restated"]),
                str(row["kpis_redefined"]),
            )
            if row["state"] == "frozen"
            else ("-",) * 4
        )
        table.add_row(row["edition_id"], row["title_en"], str(row["as_of"]), frozen_by, *counts)
    _print(table)


@edition.command()
@click.argument("edition_id")
@profile_option
@as_json_option
def show(edition_id: str, as_json: bool) -> None:
    """One edition: its figures as frozen, and beside them as they stand now."""
    from cityperf.errors import CityperfError

    chosen = settings()
    found = _read(
        chosen, "select * from publish.report_edition where edition_id = %(id)s", {"id": edition_id}
    )
    if not found:
        known = _read(chosen, "select edition_id from publish.report_edition order by as_of, edition_id")
        raise CityperfError(
            f"expected the id of a frozen edition, found {edition_id!r}; there are "
            f"{', '.join(row['edition_id'] for row in known) or 'none'} (./cityperf edition list)"
        )
    figures = _read(
        chosen,
        "select * from publish.report_edition_figure where edition_id = %(id)s order by place",
        {"id": edition_id},
    )
    if as_json:
        click.echo(
            json.dumps(
                {"edition": found[0], "figures": figures}, indent=2, ensure_ascii=False, default=_plain
            )
        )
        return
    _print(*_head(chosen, found[0]), *_sections(figures))


def _list_file() -> str:
    from cityperf.registry.editions import FILE

    return str(FILE)


def _head(chosen: Any, entry: Mapping[str, Any]) -> list[str]:
    return [
        _title(chosen, f"{entry['edition_id']} · {entry['title_en']}"),
        f"{entry['period_start']} to {entry['period_end']}, as of {entry['as_of']}; signed off by "
        f"{entry['signed_off_by']} on {entry['signed_off_on']}",
        f"frozen by release {entry['release_number']} on night {entry['night']}: {entry['figures']} figures of "
        f"{entry['kpis']} KPIs; {entry['figures_restated']} restated and {entry['kpis_redefined']} KPIs "
        "redefined since",
        entry["summary_en"],
    ]


def _sections(figures: list[dict[str, Any]]) -> list[Any]:
    """One table for each section; beneath it what has become of its figures, and its notes."""
    from rich.table import Table

    parts: list[Any] = []
    for name in dict.fromkeys(row["section_name_en"] for row in figures):
        table = Table(title=f"\n{name}", title_justify="left")
        for heading in ("KPI", "name", "period"):
            table.add_column(heading, overflow="fold")
        for heading in ("figure", "target", "change"):
            table.add_column(heading, justify="right")
        table.add_column("status")
        table.add_column("now", justify="right")
        rows = [row for row in figures if row["section_name_en"] == name]
        for row in rows:
            table.add_row(
                row["kpi_id"],
                row["name_en"],
                row["period_label_en"] or "-",
                _figure(row["value"], row),
                _target(row),
                _change(row),
                f"{SIGNS[row['status']]} {row['status'].replace('_', ' ')}",
                _figure(row["latest_value"], row) if row["is_restated"] else "as frozen",
            )
        parts.append(table)
        parts += [
            f"{row['kpi_id']}: {said}" for row in rows for said in (*_since(row), row["note_en"]) if said
        ]
    return parts


def _target(row: Mapping[str, Any]) -> str:
    if row["target_type"] == "range":
        return f"{_figure(row['target_low'], row)} to {_figure(row['target_high'], row)}"
    return _figure(row["target_value"], row)


def _since(row: Mapping[str, Any]) -> list[str]:
    """What has become of a frozen figure, in words."""
    said = []
    if row["is_restated"]:
        what, new = row["restatement_cause"].replace("_", " "), _figure(row["latest_value"], row)
        by = f" by release {row['restated_in_release']}" if row["restated_in_release"] else ""
        said.append(f"restated{by} ({what}): {_figure(row['value'], row)} became {new}")
    if row["is_redefined"]:
        why = f": {row['redefinition_note_en']}" if row["redefinition_note_en"] else ""
        said.append(f"redefined since, version {row['kpi_version']} became {row['latest_version']}{why}")
    return said
