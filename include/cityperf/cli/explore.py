"""`./cityperf source new | preview | diff`: look at a source before, and while, it feeds the warehouse."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cityperf.cli import profile_option, settings

if TYPE_CHECKING:
    from cityperf.sources import Contract

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
file_option = click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look at this file instead of asking the source.",
)


@click.command()
@profile_option
@click.argument("address")
@click.option("--name", help="The data set's name (default: made from the address).")
@click.option("--print", "only_print", is_flag=True, help="Print the files instead of writing them.")
def new(address: str, name: str | None, only_print: bool) -> None:
    """Draft a contract and a staging model from ADDRESS, for review.

    ADDRESS is a data set's page on a CKAN portal, a feature layer, a file's address, or a file on this
    machine. What came is only looked at: nothing is landed.
    """
    from cityperf import dbt_sources, scaffold
    from cityperf.config import ROOT, tonight

    found = scaffold.draft(settings(), tonight(), address, name)
    if only_print:
        click.echo(scaffold.contract_text(found))
        click.echo(scaffold.staging_text(found))
        click.echo(scaffold.properties_text(found, f"stg_{found.folder}__{found.dataset}"))
    else:
        try:
            written = scaffold.write(found)
        except FileExistsError as problem:
            raise click.ClickException(str(problem)) from None
        dbt_sources.bring_in_step()
        for path in (written.contract, written.staging, written.properties):
            click.echo(f"wrote {path.relative_to(ROOT)}")
    click.echo(
        f"{len(found.columns)} columns, keys: {', '.join(found.keys) or 'none'}, privacy: {found.privacy}",
        err=only_print,
    )
    for each in found.review:
        click.echo(f"review  {each}", err=only_print)
    click.echo(
        f"next    edit them, then: ./cityperf source check {found.dataset} && ./cityperf source preview {found.dataset}",
        err=only_print,
    )


@click.command()
@profile_option
@click.argument("name")
@click.option("--rows", default=10, show_default=True, help="How many rows to show.")
@file_option
@as_json_option
def preview(name: str, rows: int, file: Path | None, as_json: bool) -> None:
    """The first rows of data set NAME as they would land in raw."""
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from cityperf.load.readers import BadRow, open_file

    contract = _contract(name)
    with _offered(contract, file) as (file_name, path):
        reader = open_file(contract, path, file_name)
        records = list(islice(reader.records(), rows))
    good = [record.values for record in records if not isinstance(record, BadRow)]
    bad = [record for record in records if isinstance(record, BadRow)]
    frame = pd.DataFrame(good, columns=list(reader.columns), dtype=object)
    if as_json:
        click.echo(frame.to_json(orient="records", force_ascii=False, indent=2))
        return
    table = Table(title=f"{name} from {file_name}", show_lines=False)
    for column in frame.columns:
        table.add_column(str(column), overflow="ellipsis", no_wrap=True)
    for row in frame.itertuples(index=False):
        table.add_row(*("∅" if value is None else str(value) for value in row))
    Console().print(table)
    for each in bad:
        click.echo(f"held    row {each.row}: {each.reason}, expected {each.expected}")
    for note in reader.notes:
        click.echo(f"note    {note}")
    for column, header in reader.new.items():
        click.echo(f"new     {header!r} is not in the contract; it would land as {column}")
    for column in reader.missing:
        click.echo(f"missing {column}")


@click.command()
@profile_option
@click.argument("name")
@file_option
@as_json_option
def diff(name: str, file: Path | None, as_json: bool) -> None:
    """What changed in the shape of data set NAME since it last landed."""
    from cityperf.shape import differences, shape_of

    contract = _contract(name)
    with _offered(contract, file) as (file_name, path), _landed(contract, file_name) as landed:
        if landed is None:
            raise click.ClickException(
                f"nothing of {name} has landed yet; `source preview {name}` shows what would"
            )
        found = list(
            differences(shape_of(contract, landed[1], landed[0]), shape_of(contract, path, file_name))
        )
    if as_json:
        click.echo(
            json.dumps({"dataset": name, "before": landed[0], "now": file_name, "changes": found}, indent=2)
        )
        return
    click.echo(f"{name}: {file_name} against {landed[0]}, which stands since {landed[2]}")
    for line in found or ["no change in shape"]:
        click.echo(f"  {line}")


def _contract(name: str) -> Contract:
    from cityperf.sources import load_contracts

    contracts = load_contracts()
    if name not in contracts:
        raise click.ClickException(f"no data set is named {name}; `source list` shows them")
    return contracts[name]


@contextmanager
def _offered(contract: Contract, file: Path | None) -> Iterator[tuple[str, Path]]:
    """The file to look at: the given one, else the last that the source offers now."""
    if file is not None:
        yield file.name, file
        return
    from cityperf.config import tonight
    from cityperf.extract.look import look

    run = settings().run  # not /tmp: what is looked at may be about persons
    run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="look-", dir=run) as folder:
        files = look(settings(), tonight(), contract, Path(folder))
        if not files:
            raise click.ClickException(f"{contract.dataset} offers no file now")
        yield files[-1]


@contextmanager
def _landed(contract: Contract, file_name: str) -> Iterator[tuple[str, Path, Any] | None]:
    """The file that stands now under this name, else the data set's latest: name, place, night."""
    from cityperf.db import connect
    from cityperf.landing import opened

    with connect(settings(), "loader") as db:
        row = db.execute(
            "select c.name, f.file_id, c.night from ops.cursor as c join ops.landed_file as f using (file_id) "
            "where c.dataset = %s order by (c.name = %s) desc, c.night desc, f.file_id desc limit 1",
            (contract.dataset, file_name),
        ).fetchone()
        if row is None:
            yield None
            return
        with opened(settings(), db, row[1]) as path:
            yield row[0], path, row[2]
