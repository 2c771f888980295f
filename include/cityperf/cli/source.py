"""`./cityperf source`: what feeds the warehouse, and whether the contracts hold together."""

from __future__ import annotations

import json
from typing import Any

import click

from cityperf.cli import profile_option, settings
from cityperf.cli.backfill import backfill
from cityperf.cli.explore import diff, new, preview
from cityperf.cli.vintages import as_of, changes

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def source() -> None:
    """The data sets that feed the warehouse."""


@source.command(name="list")
@profile_option
@as_json_option
def list_sources(as_json: bool) -> None:
    """Every data set: its owner, how often it comes, and how its last night went."""
    from cityperf.sources import load_contracts

    contracts = load_contracts()
    nights = _last_nights(settings())
    rows: list[dict[str, Any]] = []
    for name, contract in contracts.items():
        last = nights.get(name, {})
        rows.append(
            {
                "dataset": name,
                "title": contract.title,
                "owner": contract.owner.division,
                "steward": contract.owner.steward,
                "tier": contract.tier,
                "licence": contract.licence,
                "connector": contract.extract.connector,
                "refresh": contract.schedule.refresh,
                "night": last.get("night"),
                "state": last.get("state", "never"),
                "message": last.get("message"),
                "last_delivery": last.get("last_delivery"),
                "rows": last.get("rows", 0),
                "quarantined": last.get("quarantined", 0),
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    width = max(len(row["dataset"]) for row in rows)
    click.echo(
        f"{'data set':<{width}}  "
        f"{'owner':<30}{'refresh':<14}{'night':<12}{'state':<15}{'rows':>10}{'held':>6}"
    )
    for row in rows:
        click.echo(
            f"{row['dataset']:<{width}}  {row['owner'][:28]:<30}{row['refresh'].replace('_', ' '):<14}"
            f"{row['night'] or '-':<12}{row['state']:<15}{row['rows']:>10,}{row['quarantined']:>6,}"
        )


@source.command()
@click.argument("names", nargs=-1)
@as_json_option
def check(names: tuple[str, ...], as_json: bool) -> None:
    """Read the contracts (all, or NAMES) and say what is wrong with them, with file and line."""
    from cityperf.retirement import mistakes
    from cityperf.sources import ContractError, load_contracts, register_mistakes

    try:
        contracts = load_contracts()
        if not names and (wrong := [*mistakes(contracts), *register_mistakes(contracts)]):
            raise ContractError("\n".join(wrong))
    except ContractError as problem:
        if as_json:
            problems = [{"ok": False, "problem": line} for line in str(problem).splitlines()]
            click.echo(json.dumps(problems, indent=2))
        else:
            click.echo(str(problem), err=True)
        raise SystemExit(1) from None
    unknown = [name for name in names if name not in contracts]
    if unknown:
        known = ", ".join(contracts)
        raise click.ClickException(f"no data set is named {', '.join(unknown)}; there are {known}")
    chosen = [contracts[name] for name in names] if names else list(contracts.values())
    if as_json:
        found = [
            {"ok": True, "dataset": c.dataset, "columns": len(c.columns), "tier": c.tier} for c in chosen
        ]
        click.echo(json.dumps(found, indent=2))
        return
    for contract in chosen:
        click.echo(
            f"{contract.dataset}: {len(contract.columns)} columns, {contract.extract.connector}, sound"
        )


for _command in (new, preview, diff, backfill, as_of, changes):
    source.add_command(_command)


def _last_nights(settings: Any) -> dict[str, dict[str, Any]]:
    """Per data set its latest night; empty if the warehouse is not up, so that the list still shows the
    contracts.
    """
    import psycopg

    from cityperf.db import connect

    query = """
        select distinct on (s.dataset) s.dataset, s.night, s.state, s.message, d.last_delivery, d.rows,
            s.rows_quarantined
        from ops.source_night as s
        left join lateral (
            select max(b.night) as last_delivery,
                sum(b.rows_loaded) filter (where c.file_id is not null) as rows
            from ops.batch as b left join ops.cursor as c on c.dataset = b.dataset and c.file_id = b.file_id
            where b.dataset = s.dataset and b.state = 'loaded'
        ) as d on true
        order by s.dataset, s.night desc
    """
    try:
        with connect(settings, "loader") as db:
            return {
                row[0]: {
                    "night": row[1].isoformat(),
                    "state": row[2],
                    "message": row[3],
                    "last_delivery": row[4].isoformat() if row[4] else None,
                    "rows": int(row[5] or 0),
                    "quarantined": int(row[6] or 0),
                }
                for row in db.execute(query)
            }
    except (psycopg.OperationalError, RuntimeError):
        return {}
