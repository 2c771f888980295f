"""`./cityperf kpi`: the published indicators, read as a BI tool reads them, the way back to their files, and the
registry they are defined in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from cityperf.cli import profile_option, settings

if TYPE_CHECKING:
    from cityperf.config import Settings

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

COMPARED_WITH: Final = {
    "period": "previous period",
    "year": "same period last year",
    "ytd": "year to date",
    "rolling_12": "last twelve months",
    "target": "target",
}
# A sign beside the word: status is never told by colour alone.
SIGNS: Final = {"favourable": "✔", "unfavourable": "✘", "stable": "=", "neutral": "~", "no_comparison": "·"}
COLOURS: Final = {"favourable": "green", "unfavourable": "red", "stable": "default", "neutral": "cyan"}


@click.group()
def kpi() -> None:
    """Published indicators: list, show, and trace one to its source file; check the registry, add to it."""


@kpi.command(name="list")
@profile_option
@click.option("--dimension", help="Only this dimension, such as customer_service.")
@as_json_option
def list_all(dimension: str | None, as_json: bool) -> None:
    """Every published KPI with its latest figure and headline status."""
    chosen = settings()
    rows = _read(
        chosen,
        "select k.kpi_id, k.name_en as name, k.dimension, k.unit, k.decimals, k.direction, k.period_grain, "
        "k.owner, "
        "k.is_active, v.period_start, v.value, c.comparison, c.change, c.change_unit, c.status from "
        "publish.kpi as k "
        "left join lateral (select distinct on (kpi_id) * from publish.kpi_value as each where each.kpi_id "
        "= k.kpi_id "
        "and each.kpi_version = k.version and geography_type in ('city', 'country') and value is not null "
        "order by kpi_id, period_start desc, vintage desc) as v on true "
        "left join publish.kpi_comparison as c on c.kpi_id = k.kpi_id and c.geography_type = "
        "v.geography_type "
        "and c.geography_code = v.geography_code and c.is_headline "
        "where %(dimension)s::text is null or k.dimension = %(dimension)s order by k.dimension, k.kpi_id",
        {"dimension": dimension},
    )
    if dimension and not rows:
        known = [
            row["dimension"] for row in _read(chosen, "select distinct dimension from publish.kpi order by 1")
        ]
        raise click.BadParameter(
            f"expected one of {', '.join(known)}, found {dimension!r}", param_hint="--dimension"
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=_plain))
        return
    from rich.table import Table

    table = Table(title=_title(chosen, f"{len(rows)} KPIs"), title_justify="left")
    for heading, justify in (
        ("id", "left"),
        ("name", "left"),
        ("dimension", "left"),
        ("period", "left"),
        ("latest", "right"),
        ("status", "left"),
    ):
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a Literal of rich
    for row in rows:
        table.add_row(
            row["kpi_id"],
            row["name"],
            row["dimension"],
            _period(row["period_start"], row["period_grain"]),
            _figure(row["value"], row),
            _status(row["status"]),
        )
    _print(table)


@kpi.command()
@click.argument("kpi_id")
@profile_option
@as_json_option
def show(kpi_id: str, as_json: bool) -> None:
    """One KPI: its definition, its latest figures, how they compare, and its target."""
    from cityperf.publish.trace import NotPublished

    chosen = settings()
    found = _read(chosen, "select * from publish.kpi where kpi_id = %(id)s", {"id": kpi_id})
    if not found:
        near = _read(
            chosen,
            "select kpi_id from publish.kpi where kpi_id ilike %(like)s order by 1 limit 5",
            {"like": f"%{kpi_id}%"},
        )
        hint = ", ".join(row["kpi_id"] for row in near) or "see ./cityperf kpi list"
        raise NotPublished(f"expected the id of a published KPI, found {kpi_id!r}; near it: {hint}")
    entry = found[0]
    places = _read(
        chosen,
        "select geography_type, count(distinct geography_code) as places, count(distinct period_start) as "
        "periods, "
        "min(period_start) as first, max(period_start) as last, count(distinct vintage) as vintages "
        "from publish.kpi_value where kpi_id = %(id)s and kpi_version = %(version)s and not is_withdrawn "
        "group by 1 order by 1",
        {"id": kpi_id, "version": entry["version"]},
    )
    latest = _latest(chosen, entry)
    comparisons = _comparisons(chosen, kpi_id)
    if as_json:
        everything = {"kpi": entry, "coverage": places, "latest": latest, "comparisons": comparisons}
        click.echo(json.dumps(everything, indent=2, ensure_ascii=False, default=_plain))
        return
    _show(chosen, entry, places, latest, comparisons)


@kpi.command()
@click.argument("kpi_id")
@profile_option
@click.option(
    "--period",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m"]),
    help="First day of the period; the latest if not given.",
)
@click.option("--geography", help="Code or kind of area, such as 03 or ward; the city if not given.")
@click.option("--verify", is_flag=True, help="Hash every landed file again and compare.")
@as_json_option
def trace(kpi_id: str, period: datetime | None, geography: str | None, verify: bool, as_json: bool) -> None:
    """Walk one published figure back to the SHA-256 of the landed files it came from.

    Exit status 1 when --verify finds a file that is gone or changed.
    """
    from cityperf.publish import trace as tracing

    chosen = settings()
    found = tracing.trace(chosen, kpi_id, period.date() if period else None, geography, verify)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        _walk(found)
    broken = [each for each in found.files if each.intact is False]
    if broken:
        raise click.ClickException(
            f"expected {len(found.files)} landed files as they were received, found {len(broken)} gone or "
            "changed, such "
            f"as {broken[0].name} ({broken[0].sha256}); restore landing from its backup"
        )


@kpi.command()
@as_json_option
def check(as_json: bool) -> None:
    """Read every KPI's two files and say what is wrong with them, with file and line.

    Needs no database. Exit status 1 when something is wrong.
    """
    from cityperf.registry import read_registry

    registry = read_registry()
    if as_json:
        found = {
            "kpis": len(registry.kpis),
            "mistakes": [{"file": m.file, "line": m.line, "message": m.message} for m in registry.mistakes],
        }
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif registry.mistakes:
        for mistake in registry.mistakes:
            click.echo(str(mistake), err=True)
        many = len(registry.mistakes)
        click.echo(f"{many} mistake{'' if many == 1 else 's'} in the registry", err=True)
    else:
        _print(_coverage([entry.definition for entry in registry.kpis.values()]))
    if registry.mistakes:
        raise SystemExit(1)


@kpi.command()
@click.argument("kpi_id")
@click.option(
    "--dimension",
    required=True,
    type=click.Choice(
        ["service_delivery", "quality_of_life", "neighbourhood", "customer_service", "corporate_performance"]
    ),
    help="Dimension of the corporate dashboard.",
)
@click.option("--name", required=True, help="Name in English; the files are named after it.")
@click.option("--name-fr", required=True, help="Name in French.")
@click.option("--source", "dataset", required=True, help="Data set that it is computed from.")
@click.option("--objective", help="Objective of the balanced scorecard (default: the dimension's usual one).")
def new(kpi_id: str, dimension: Any, name: str, name_fr: str, dataset: str, objective: str | None) -> None:
    """Write the two files of a new KPI, SQL and YAML, for a person to finish.

    The KPI is proposed: it is computed, and counted nowhere, until its definition is written and its state is
    active. Nothing that is there is overwritten.
    """
    from cityperf.marked import shown_path
    from cityperf.registry import read_registry
    from cityperf.registry.scaffold import draft

    made = draft(read_registry(), kpi_id, dimension, name, name_fr, dataset, objective)
    try:
        made.write()
    except FileExistsError as problem:
        raise click.ClickException(str(problem)) from None
    for path in (made.sql_path, made.yaml_path):
        click.echo(f"wrote {shown_path(path, path.parent)}")
    click.echo(
        "next    write the definition in both languages, what is counted, unit, direction and target; then set "
        "lifecycle.state to active: ./cityperf kpi check"
    )


@kpi.command()
@click.argument("kpi_id")
@profile_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "html"]),
    default="text",
    show_default=True,
    help="For the terminal, as Markdown, or as a page of its own.",
)
def card(kpi_id: str, form: str) -> None:
    """One KPI's card: definition, target, latest figures, lineage, tests, notes, versions and SQL.

    All but the figures is read from the KPI's files; figures come from the release that is up, if one is.
    """
    from cityperf.registry import read_registry
    from cityperf.registry.card import as_html, as_markdown, make_card

    registry = read_registry()
    entry = registry.get(kpi_id)
    made = make_card(registry, entry, _published(settings(), kpi_id))
    if form == "html":
        click.echo(as_html(made), nl=False)
    elif form == "md":
        click.echo(as_markdown(made), nl=False)
    else:
        from rich.markdown import Markdown

        _print(Markdown(as_markdown(made)))


def _coverage(definitions: list[Any]) -> Any:
    """How many KPIs each dimension has, by state, and how many of them aim at a target."""
    from rich.table import Table

    table = Table(title=f"{len(definitions)} KPIs, all sound", title_justify="left")
    table.add_column("dimension")
    for heading in ("KPIs", "of the feed", "active", "proposed", "retired", "with a target of our own"):
        table.add_column(heading, justify="right")
    for dimension in sorted({each.dimension for each in definitions}):
        those = [each for each in definitions if each.dimension == dimension]
        states = [each.lifecycle.state for each in those]
        table.add_row(
            dimension,
            str(len(those)),
            str(sum("." in each.id for each in those)),
            *(str(states.count(state)) for state in ("active", "proposed", "retired")),
            str(sum(getattr(each, "target_type", "none") != "none" for each in those)),
        )
    return table


def _published(chosen: Settings, kpi_id: str) -> list[Any]:
    """What the release that is up says of a KPI, as parts of its card; one sentence where there is none."""
    import psycopg

    from cityperf.errors import CityperfError
    from cityperf.registry.card import Facts, Grid, Paragraph

    try:
        found = _read(chosen, "select * from publish.kpi where kpi_id = %(id)s", {"id": kpi_id})
        release = _read(chosen, "select number, night from publish.release order by number desc limit 1")
        latest = _latest(chosen, found[0]) if found else []
        comparisons = _comparisons(chosen, kpi_id)
    except (psycopg.OperationalError, RuntimeError, CityperfError) as problem:
        reason = str(problem).strip().splitlines()[0]
        return [
            Paragraph(f"Left out, since no release could be read: {reason} (./cityperf up starts the stack).")
        ]
    if not found:
        return [
            Paragraph(
                "None: the release that is up does not have this KPI yet; ./cityperf refresh builds it."
            )
        ]
    entry = found[0]
    parts: list[Any] = [
        Paragraph(
            _title(chosen, f"release {release[0]['number']}, night {release[0]['night']}")
            if release
            else _title(chosen, "as published")
        ),
        Grid(
            ("period", "figure", "known since"),
            [
                (
                    _period(row["period_start"], entry["period_grain"]),
                    _figure(row["value"], entry),
                    str(row["vintage"]),
                )
                for row in latest
            ],
        ),
        Grid(
            ("compared with", "figure", "was", "change", "status"),
            [
                (
                    COMPARED_WITH.get(row["comparison"], row["comparison"]),
                    _figure(row["current_value"], entry),
                    _figure(row["compared_value"], entry),
                    _change(row),
                    f"{SIGNS.get(row['status'], '')} {(row['status'] or '-').replace('_', ' ')}"
                    + {True: ", target met", False: ", target missed", None: ""}[row["is_target_met"]],
                )
                for row in comparisons
            ],
        ),
    ]
    notes = [
        (label, str(entry[column]))
        for label, column in (("source", "source_note"), ("City's perspective", "city_perspective"))
        if entry.get(column)
    ]
    return [*parts, Facts(notes)] if notes else parts


def _latest(chosen: Settings, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest six figures of a KPI's present version at its widest area."""
    return _read(
        chosen,
        "select distinct on (period_start) period_start, value, vintage from publish.kpi_value "
        "where kpi_id = %(id)s and kpi_version = %(version)s and geography_type in ('city', 'country') "
        "order by period_start desc, vintage desc limit 6",
        {"id": entry["kpi_id"], "version": entry["version"]},
    )


def _comparisons(chosen: Settings, kpi_id: str) -> list[dict[str, Any]]:
    """A KPI's comparisons at its widest area."""
    return _read(
        chosen,
        "select comparison, period_start, current_value, compared_value, compared_period_start, change, "
        "change_unit, "
        "trend, status, is_target_met, is_headline, threshold from publish.kpi_comparison where kpi_id = "
        "%(id)s "
        "and geography_type in ('city', 'country') order by comparison",
        {"id": kpi_id},
    )


def _read(chosen: Settings, query: str, arguments: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    from psycopg.errors import UndefinedTable
    from psycopg.rows import dict_row

    from cityperf.db import connect
    from cityperf.errors import CityperfError

    with connect(chosen, "bi_reader") as connection, connection.cursor(row_factory=dict_row) as cursor:
        try:
            return cursor.execute(query.encode(), arguments).fetchall()
        except UndefinedTable as absent:
            raise CityperfError(
                f"expected a release in {chosen.warehouse_db}, found none; ./cityperf refresh makes the "
                "first one"
            ) from absent


def _title(chosen: Settings, text: str) -> str:
    return f"SAMPLE - invented figures · {text}" if chosen.profile == "sample" else text


def _plain(value: Any) -> Any:
    """What JSON has no form for: numbers become JSON numbers, the rest text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _period(start: Any, grain: str | None) -> str:
    if start is None:
        return "-"
    if grain == "year":
        return str(start.year)
    if grain == "quarter":
        return f"{start.year} Q{(start.month + 2) // 3}"
    if grain == "season":
        season = ("winter", "spring", "summer", "fall")[start.month % 12 // 3]
        return f"{season} {start.year + (start.month == 12)}"
    return f"{start:%Y-%m}"


def _figure(value: Decimal | None, entry: Mapping[str, Any]) -> str:
    if value is None:
        return "-"
    if entry.get("decimals") is None:
        return f"{value:,}"
    decimals = int(entry["decimals"])
    if entry.get("unit") == "percent":
        return f"{value * 100:,.{decimals}f} %"
    if entry.get("unit") == "cad":
        return f"${value:,.{decimals}f}"
    return f"{value:,.{decimals}f}"


def _status(status: str | None) -> str:
    if status is None:
        return "-"
    return f"[{COLOURS.get(status, 'default')}]{SIGNS.get(status, '')} {status.replace('_', ' ')}[/]"


def _change(row: Mapping[str, Any]) -> str:
    if row["change"] is None:
        return "-"
    return f"{row['change']:+.2f} {'pp' if row['change_unit'] == 'pp' else '%'}"


def _print(*parts: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)  # a pipe has no width, and a SHA-256 must not be broken
    for part in parts:
        console.print(part)


def _show(
    chosen: Settings,
    entry: Mapping[str, Any],
    places: list[dict[str, Any]],
    latest: list[dict[str, Any]],
    comparisons: list[dict[str, Any]],
) -> None:
    from rich.markup import escape
    from rich.table import Table

    facts = Table.grid(padding=(0, 2))
    wanted = [
        ("definition", entry["definition_en"]),
        ("dimension", f"{entry['dimension']} · {entry['measure_type']}"),
        ("unit", f"{entry['unit']}, {entry['decimals']} decimals, {entry['period_grain']}"),
        (
            "better",
            {"up": "higher", "down": "lower", "range": "inside its range"}.get(entry["direction"], "neither"),
        ),
        (
            "stable within",
            f"{entry['threshold_period']} (period), {entry['threshold_year']} (year), "
            f"{entry['threshold_target']} (target)",
        ),
        ("target", _target(entry)),
        ("owner", f"{entry['owner']} ({entry['steward']})"),
        ("sources", entry["sources"]),
        ("version", str(entry["version"]) + (" · no longer computed" if entry["is_active"] is False else "")),
        ("note", " ".join(filter(None, (entry["source_note"], entry["city_perspective"])))),
    ]
    for label, text in wanted:
        if text:
            facts.add_row(f"[dim]{label}[/]", escape(str(text)))
    figures = Table(title="latest figures", title_justify="left")
    for heading in ("period", "figure", "known since"):
        figures.add_column(heading, justify="right" if heading == "figure" else "left")
    for row in latest:
        figures.add_row(
            _period(row["period_start"], entry["period_grain"]),
            _figure(row["value"], entry),
            f"{row['vintage']}",
        )
    compared = Table(title="compared", title_justify="left")
    for heading in ("with", "figure", "was", "change", "status", ""):
        compared.add_column(heading, justify="right" if heading in ("figure", "was", "change") else "left")
    for row in comparisons:
        met = {True: "target met", False: "target missed", None: ""}[row["is_target_met"]]
        compared.add_row(
            COMPARED_WITH.get(row["comparison"], row["comparison"]),
            _figure(row["current_value"], entry),
            _figure(row["compared_value"], entry),
            _change(row),
            _status(row["status"]),
            met or ("headline" if row["is_headline"] else ""),
        )
    covered = Table(title="coverage", title_justify="left")
    for heading in ("area", "places", "periods", "from", "to", "nights with news"):
        covered.add_column(heading)
    for row in places:
        covered.add_row(
            *(str(row[c]) for c in ("geography_type", "places", "periods", "first", "last", "vintages"))
        )
    title = _title(chosen, f"{entry['kpi_id']}  {entry['name_en']}")
    _print(f"[bold]{escape(title)}[/]", facts, figures, compared, covered)


def _target(entry: Mapping[str, Any]) -> str | None:
    kind = entry["target_type"]
    if kind in (None, "none"):
        return "none"
    if kind == "range":
        return f"between {_figure(entry['target_low'], entry)} and {_figure(entry['target_high'], entry)}"
    if kind == "historical_baseline":
        return f"mean of the {entry['target_baseline_years']} years before"
    if kind == "peer_median":
        return "median of the peers of the same year"
    if kind == "trajectory":
        return "set per period"
    return f"{kind.replace('_', ' ')} {_figure(entry['target_value'], entry)}"


def _walk(found: Any) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    release, entry, figure = found.release, found.kpi, found.figure
    sample = "SAMPLE - invented figures · " if found.profile == "sample" else ""
    when = _period(figure["period_start"], figure["period_grain"])
    tree = Tree(
        f"[bold]{sample}{escape(str(entry['kpi_id']))} {escape(str(entry['name_en']))}[/]: "
        f"{_figure(figure['value'], entry)} for {when}, {figure['geography_type']} {figure['geography_code']}"
    )
    tree.add(
        f"release {release.get('number')}, night {release.get('night')}, code {release.get('code_version')}"
    )
    values = tree.add(
        f"publish.kpi_value, definition version {figure['kpi_version']}, exactly {figure['value']}"
        + (
            f" = {figure['numerator']} / {figure['denominator']}"
            if figure.get("denominator") is not None
            else ""
        )
    )
    for row in found.vintages:
        values.add(f"known since {row['vintage']}: {'withdrawn' if row['is_withdrawn'] else row['value']}")
    models = tree.add("models, nearest first")
    for each in found.models:
        models.add(escape(each))
    files = tree.add("landed files")
    for each in found.files:
        state = {True: " · bytes verified", False: " · GONE OR CHANGED", None: ""}[each.intact]
        rows = f"{each.rows:,} row{'' if each.rows == 1 else 's'}" + (
            f" from row {each.first_row}" if each.first_row is not None else ""
        )
        leaf = files.add(f"{escape(each.name)} → {each.table}, {rows}{state}")
        leaf.add(f"sha256 {each.sha256}" + (f", deleted {each.expired}" if each.expired else ""))
        leaf.add(f"{escape(each.url)}, received {each.retrieved_at[:19]}")
    if found.more_files:
        files.add(f"and {found.more_files} more (--json or --verify shows all)")
    for note in found.notes:
        tree.add(f"note: {escape(note)}")
    _print(tree)
