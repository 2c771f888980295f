"""From a published number back to the bytes it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from psycopg import Connection, sql
from psycopg.rows import dict_row

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.landing import intact, path_of
from cityperf.publish.dictionary import NoDictionary, manifest_path

SHOWN_FILES: Final = 12


class NotPublished(CityperfError):
    """The release that is up has no such figure."""


@dataclass(frozen=True)
class LandedFile:
    """One file behind a figure. `rows`: rows of it in raw that bear on the figure; `intact` after
    verification; `expired`: when and why its bytes were deleted, if they were."""

    dataset: str
    name: str
    sha256: str
    bytes: int
    url: str
    retrieved_at: str
    table: str
    rows: int
    first_row: int | None
    path: str | None
    intact: bool | None = None
    expired: str | None = None


@dataclass(frozen=True)
class Trace:
    """Every station from a published figure to its files."""

    profile: str
    release: Mapping[str, Any]
    kpi: Mapping[str, Any]
    figure: Mapping[str, Any]
    vintages: Sequence[Mapping[str, Any]]
    models: list[str]
    files: list[LandedFile]
    more_files: int = 0
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def trace(
    settings: Settings,
    kpi_id: str,
    period: date | None = None,
    geography: str | None = None,
    verify: bool = False,
) -> Trace:
    """Walk one figure of the release that is up: its latest period and widest area unless told otherwise.

    Raises NotPublished when there is no such KPI or figure. With `verify`, each file in landing is hashed
    again.
    """
    notes: list[str] = []
    with connect(settings, "bi_reader") as reader:
        kpi = _one(reader, "select * from publish.kpi where kpi_id = %s", (kpi_id,))
        if kpi is None:
            raise NotPublished(no_such_kpi(reader, kpi_id))
        release = _one(reader, "select * from publish.release order by number desc limit 1") or {}
        vintages = _all(
            reader,
            "select * from publish.kpi_value where kpi_id = %(id)s and kpi_version = %(version)s "
            "and (%(period)s::date is null or period_start = %(period)s) "
            "and (%(place)s::text is null or geography_code = %(place)s or geography_type = %(place)s) "
            "order by geography_type in ('city', 'country') desc, geography_type, geography_code, "
            "period_start desc, "
            "vintage desc",
            {"id": kpi_id, "version": kpi.get("version", 1), "period": period, "place": geography},
        )
        known = [
            v for v in vintages if period is not None or (v["value"] is not None and not v["is_withdrawn"])
        ]
        if not known:
            raise NotPublished(
                f"expected a figure of {kpi_id}"
                + (f" for the period that starts on {period}" if period else "")
                + (f" in {geography}" if geography else "")
                + f", found none in release {release.get('number')}; ./cityperf kpi show {kpi_id} lists "
                "what there is"
            )
        figure = known[0]
        same = ("geography_type", "geography_code", "period_grain", "period_start")
        history = [v for v in vintages if all(v[c] == figure[c] for c in same)]
        datasets = [
            row["dataset"]
            for row in _all(
                reader,
                "select distinct dataset from publish.provenance where subject_type = 'kpi' and subject = "
                "%s order by 1",
                (kpi_id,),
            )
        ]
    model = _model_of(settings, kpi, notes)
    with connect(settings, "publisher") as connection:
        files: list[LandedFile] = []
        for dataset in datasets:
            files += _files(settings, connection, dataset, release.get("number"), kpi_id, figure, notes)
    # A data set may stand behind the KPI and have nothing on this period (a measure without a target).
    files = [each for each in files if each.rows] or files
    shown = [_verified(settings, each) for each in files] if verify else files[:SHOWN_FILES]
    return Trace(
        settings.profile, release, kpi, figure, history, model, shown, len(files) - len(shown), notes
    )


def _all(connection: Connection[Any], query: str, arguments: Any = None) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), arguments).fetchall()


def _one(connection: Connection[Any], query: str, arguments: Any = None) -> dict[str, Any] | None:
    return next(iter(_all(connection, query, arguments)), None)


def no_such_kpi(connection: Connection[Any], kpi_id: str) -> str:
    """What to say to somebody who asks for a KPI that is not published: the ids near it, else where they are listed."""
    near = _all(
        connection,
        "select kpi_id from publish.kpi where kpi_id like %s or kpi_id ilike %s order by kpi_id limit 5",
        (f"{kpi_id}%", f"%{kpi_id}%"),
    )
    hint = (
        f"; near it: {', '.join(row['kpi_id'] for row in near)}"
        if near
        else "; ./cityperf kpi list shows all"
    )
    return f"expected the id of a published KPI, found {kpi_id!r}{hint}"


def _model_of(settings: Settings, kpi: Mapping[str, Any], notes: list[str]) -> list[str]:
    """dbt models from the publish table back to staging, nearest first; empty without a manifest."""
    try:
        manifest = json.loads(manifest_path(settings).read_bytes())
    except NoDictionary as absent:
        notes.append(str(absent))
        return []
    nodes = manifest["nodes"]
    start = next(
        (
            uid
            for uid, node in nodes.items()
            if node["resource_type"] == "model" and _registers(node, str(kpi["kpi_id"]))
        ),
        None,
    )
    if start is None and kpi.get("origin") == "feed":
        start = next((uid for uid, node in nodes.items() if node["name"] == "dashboard_feed"), None)
    if start is None:
        notes.append("no model in dbt's manifest names this KPI")
        return []
    path, waiting, seen = [], [start], set()
    while waiting:
        uid = waiting.pop(0)
        if uid in seen or uid not in nodes or nodes[uid]["resource_type"] != "model":
            continue
        seen.add(uid)
        path.append(f"{nodes[uid]['schema']}.{nodes[uid]['name']} ({nodes[uid]['original_file_path']})")
        waiting += sorted(nodes[uid]["depends_on"]["nodes"])
    return path


def _registers(node: Mapping[str, Any], kpi_id: str) -> bool:
    meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
    entries = [meta["kpi"]] if isinstance(meta.get("kpi"), Mapping) else []
    entries += [e for e in meta.get("kpis", []) if isinstance(e, Mapping)]
    return any(str(entry.get("id")) == kpi_id for entry in entries)


def _files(
    settings: Settings,
    connection: Connection[Any],
    dataset: str,
    number: int | None,
    kpi_id: str,
    figure: Mapping[str, Any],
    notes: list[str],
) -> list[LandedFile]:
    inputs = _all(
        connection,
        "select f.* from ops.release_input as i join ops.landed_file as f using (file_id) "
        "where i.number = %s and f.dataset = %s order by f.name, f.file_id",
        (number, dataset),
    )
    columns = {
        row["attname"]
        for row in _all(
            connection,
            "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and "
            "not attisdropped",
            (f"raw.{dataset}",),
        )
    }
    if not columns:
        notes.append(f"raw.{dataset} is not there: its rows cannot be counted")
    counts: dict[int, tuple[int, int | None]] = {}
    if columns:
        where, arguments = _rows_of_figure(columns, kpi_id, figure)
        counts = {
            row["_file_id"]: (row["rows"], row["first_row"])
            for row in _all(
                connection,
                sql.SQL(
                    "select _file_id, count(*) as rows, min(_row) as first_row from {} "
                    "where _file_id = any(%(files)s) and {} group by _file_id"
                )
                .format(sql.Identifier("raw", dataset), where)
                .as_string(connection),
                {"files": [f["file_id"] for f in inputs], **arguments},
            )
        }
    bearing = [f for f in inputs if f["file_id"] in counts] or inputs
    return [
        LandedFile(
            dataset=dataset,
            name=f["name"],
            sha256=f["sha256"],
            bytes=f["bytes"],
            url=f["url"],
            retrieved_at=f["retrieved_at"].isoformat(),
            table=f"raw.{dataset}",
            rows=counts.get(f["file_id"], (0, None))[0],
            first_row=counts.get(f["file_id"], (0, None))[1],
            path=_landed_path(settings, f["sha256"]),
            expired=f"{f['expired_on']}, {f['expired_why']}" if f["expired_on"] else None,
        )
        for f in bearing
    ]


def _rows_of_figure(
    columns: set[str], kpi_id: str, figure: Mapping[str, Any]
) -> tuple[sql.Composable, dict[str, Any]]:
    """Which rows of a raw table bear on the figure: the measure's own point, the partition of the period, or
    all."""
    start: date = figure["period_start"]
    if {"measure_id", "year", "period"} <= columns and kpi_id.replace(".", "").isdigit():
        year, number = _place_in_year(start, str(figure["period_grain"]))
        # Raw keeps ids as the feed wrote them, where 1.10 lost its zero; yearly points repeat the year as the
        # period.
        return (
            sql.SQL(
                "measure_id ~ '^[0-9.]+$' and measure_id::numeric = %(measure)s::numeric and year = %(year)s "
                "and (period = %(number)s or period = year)"
            ),
            {"measure": kpi_id, "year": str(year), "number": str(number)},
        )
    if "_period" in columns and figure["period_grain"] in ("month", "year", "quarter"):
        months = [
            f"{start.year + (start.month - 1 + n) // 12}-{(start.month - 1 + n) % 12 + 1:02d}"
            for n in range({"month": 1, "quarter": 3, "year": 12}[figure["period_grain"]])
        ]
        return (
            sql.SQL("(left(_period, 7) = any(%(months)s) or _period = %(year)s)"),
            {"months": months, "year": str(start.year)},
        )
    return sql.SQL("true"), {}


def _place_in_year(start: date, grain: str) -> tuple[int, int]:
    """The feed's year and number of the period that begins on `start`; winter belongs to the year it ends
    in."""
    if grain == "month":
        return start.year, start.month
    if grain == "quarter":
        return start.year, (start.month + 2) // 3
    if grain == "season":
        return start.year + (start.month == 12), start.month % 12 // 3 + 1
    return start.year, 1


def _landed_path(settings: Settings, sha256: str) -> str | None:
    """Where the bytes lie; None when they are gone."""
    path = path_of(settings, sha256)
    return str(path) if path.exists() else None


def _verified(settings: Settings, each: LandedFile) -> LandedFile:
    if each.expired:
        return each
    return LandedFile(**{**asdict(each), "intact": intact(settings, each.sha256)})
