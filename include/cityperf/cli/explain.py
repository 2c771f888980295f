"""`./cityperf explain`: a paragraph about one KPI, with the numbers that it rests on."""

from __future__ import annotations

import json
import textwrap
from datetime import date
from decimal import Decimal
from typing import Any

import click

from cityperf.cli import profile_option, settings


@click.command()
@click.argument("kpi_id", metavar="ID")
@profile_option
@click.option("--lang", type=click.Choice(("en", "fr")), default="en", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: sentences and numbers.")
def explain(kpi_id: str, lang: str, as_json: bool) -> None:
    """What KPI ID did, and whether it is signal or noise, in a paragraph with the numbers it rests on."""
    from cityperf.explain import explain as explanation_of
    from cityperf.site.words import LANGS, text

    chosen = settings()
    language = LANGS[LANGS.index(lang)]
    found = explanation_of(chosen, kpi_id, language)
    if as_json:
        said = {
            "kpi_id": found.kpi_id,
            "name": found.name,
            "lang": lang,
            "sample": chosen.profile == "sample",
            "sentences": found.sentences,
            "numbers": found.numbers,
        }
        click.echo(json.dumps(said, indent=2, ensure_ascii=False, default=_plain))
        return
    click.echo(f"{found.kpi_id}  {found.name}")
    if chosen.profile == "sample":
        click.echo(text("explain.sample", language))
    click.echo("\n" + textwrap.fill(found.paragraph, 100, break_on_hyphens=False) + "\n")
    for name, value in found.numbers.items():
        if value is not None:
            click.echo(f"  {name:<22}{_plain(value)}")


def _plain(value: Any) -> Any:
    """A value as JSON has it: decimals as numbers, dates as ISO."""
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value
