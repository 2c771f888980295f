"""`./cityperf template`, `submit` and `handin`: what divisions hand in, from the empty workbook to the receipt."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cityperf.cli import profile_option, settings

if TYPE_CHECKING:
    from cityperf.handin import Workbook
    from cityperf.handin.receipt import Receipt

DAY: Final = click.DateTime(["%Y-%m-%d"])
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("name", required=False)
@click.option("--division", help="Fill in the division already.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it.")
@click.option(
    "--rows", type=click.IntRange(1, 19_000), default=1000, show_default=True, help="Rows of the table."
)
def template(name: str | None, division: str | None, out: Path | None, rows: int) -> None:
    """Write the workbook that divisions fill in for NAME, a workbook or one of its registers."""
    from cityperf.handin import division_key
    from cityperf.handin.template import template as make

    workbook = _workbook(name)
    if division:
        division = _division(workbook, division)
    named = f"{workbook.folder}_{division_key(division)}" if division else workbook.folder
    out = out or Path(f"{named}_template_v{workbook.register.version}.xlsx")
    out.write_bytes(make(workbook, division, rows))
    click.echo(f"{out}: template {workbook.template}, {len(workbook.sheets)} register(s)")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "name", required=True, help="The workbook, or one of its registers.")
@click.option("--division", help="Whose it is (default: as its title block says).")
@click.option("--as-of", type=DAY, help="The date it reflects (default: as its title block says).")
@click.option("--check", is_flag=True, help="Only check; hand nothing in.")
@profile_option
@as_json_option
def submit(
    file: Path, name: str, division: str | None, as_of: datetime | None, check: bool, as_json: bool
) -> None:
    """Check FILE as the night would, print its receipt, and hand it in unless it is refused (exit status 1)."""
    from cityperf.config import tonight
    from cityperf.handin.submit import hand_in, rehearse

    workbook = _workbook(name)
    whose = _division(workbook, division) if division else None
    submission = rehearse(settings(), workbook, file, tonight(), whose, as_of.date() if as_of else None)
    receipt = submission.receipt
    refused = [sheet.sheet for sheet in receipt.sheets if sheet.outcome == "refused"]
    if as_json:
        click.echo(receipt.model_dump_json(indent=2))
    else:
        _show(receipt)
    if receipt.outcome == "refused":
        click.echo("Refused: nothing was handed in.", err=True)
        raise SystemExit(1)
    if check:
        click.echo("Only checked: nothing was handed in.", err=True)
    else:
        placed = hand_in(settings(), workbook, submission)
        left = f" without the sheet(s) {', '.join(refused)}" if refused else ""
        click.echo(f"Handed in{left} for the night: {placed}", err=True)


@click.group()
def handin() -> None:
    """What divisions hand in: what is due, and the receipts."""


@handin.command()
@click.option("--night", type=DAY, help="As of this night (default: tonight).")
@profile_option
@as_json_option
def due(night: datetime | None, as_json: bool) -> None:
    """The hand-ins that are late or due soon, the latest first."""
    from dataclasses import asdict

    from cityperf.config import tonight
    from cityperf.handin.chase import expected

    found = expected(settings(), night.date() if night else tonight())
    if as_json:
        rows = [{**asdict(each), "state": each.state} for each in found]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=str))
        return
    for each in found:
        click.echo(str(each))
    if not found:
        click.echo("Nothing is late and nothing is due soon.")


@handin.command()
@click.argument("name", required=False)
@profile_option
@as_json_option
def receipts(name: str | None, as_json: bool) -> None:
    """The receipts of all hand-ins, or of the workbook NAME, by file."""
    from cityperf.handin.receipt import folder_of, stored

    config = settings()
    folders = [_workbook(name).folder] if name else [each.folder for each in _workbooks().values()]
    found = [each for folder in folders for each in stored(folder_of(config, folder))]
    if as_json:
        click.echo(
            json.dumps([json.loads(each.model_dump_json()) for each in found], indent=2, ensure_ascii=False)
        )
        return
    if not found:
        click.echo("No receipts yet.")
        return
    width = max(len(each.file) for each in found)
    click.echo(f"{'file':<{width}}  {'night':<12}{'outcome':<10}{'rows':>8}{'accepted':>10}")
    for each in found:
        rows, accepted = (sum(getattr(s, key) for s in each.sheets) for key in ("rows", "accepted"))
        click.echo(
            f"{each.file:<{width}}  {each.night.isoformat():<12}{each.outcome:<10}{rows:>8,}{accepted:>10,}"
        )


def _workbooks() -> dict[str, Workbook]:
    from cityperf.handin import workbooks
    from cityperf.sources import load_contracts

    return workbooks(load_contracts().values())


def _workbook(name: str | None) -> Workbook:
    from cityperf.handin import workbook_named

    if name is None:
        raise click.UsageError(f"expected one of {', '.join(_workbooks())}")
    return workbook_named(name)


def _division(workbook: Workbook, said: str) -> str:
    """The division's name as the register has it, said in full or as in file names."""
    from cityperf.handin import division_key

    known = {division_key(each): each for each in workbook.divisions}
    if division_key(said) not in known:
        raise click.UsageError(
            f"expected a division that hands in {workbook.folder}: {', '.join(known.values())}"
        )
    return known[division_key(said)]


def _show(receipt: Receipt) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from cityperf.handin import render

    console = Console(highlight=False)
    for words, value in render.fields_of(receipt):
        console.print(f"{escape(render.both(words))}: {escape(value)}")
    for sheet in receipt.sheets:
        console.print(f"\n[bold]{escape(render.both(sheet.title))}[/bold]: {escape(render.counted(sheet))}")
        tables: tuple[tuple[str, tuple[str, ...], list[tuple[str, ...]]], ...] = (
            ("Why the sheet is refused / Pourquoi la feuille est refusée",
             ("cell", "expected", "found", "how to mend it"), render.remarks_of(sheet.refusals)),
            ("Rows not accepted / Lignes refusées",
             ("cell", "column", "expected", "found", "how to mend it"), render.rows_of(sheet)),
            ("Please look at / À vérifier",
             ("cell", "expected", "found", "what to do"), render.remarks_of(sheet.warnings)),
        )  # fmt: skip
        for title, heads, rows in tables:
            if rows:
                table = Table(*heads, title=title, title_justify="left", box=None, pad_edge=False)
                for row in rows[: render.MOST]:
                    table.add_row(*map(escape, row))
                console.print(table)
                if len(rows) > render.MOST:
                    console.print(f"and {len(rows) - render.MOST:,} more (--json has them all)")
        if sheet.notes:
            console.print(escape(sheet.notes))
        if sheet.changes:
            console.print(f"Since {escape(sheet.changes.since)}:")
            for words, lines in render.changes_of(sheet.changes):
                console.print(f"  {escape(render.both(words))}: {len(lines):,}")
                for line in lines[:5]:
                    console.print(f"    {escape(line)}")
