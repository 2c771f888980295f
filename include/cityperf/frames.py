"""Published tables as typed pandas frames, for analysts: `from cityperf import frames`.

A frame is read from the Parquet file of the release that was up at a date, after its SHA-256 was compared with the one
recorded when it was published. So the same call with the same `as_of` gives the same frame for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cityperf.config import Settings, tonight
from cityperf.errors import CityperfError
from cityperf.publish import tree
from cityperf.publish.as_of import NothingPublished, Past, past
from cityperf.publish.exports import SAMPLE_PREFIX
from cityperf.publish.swap import SAMPLE_NOTICE

VINTAGES: Final = "kpi_value"
PROVENANCE: Final = "provenance"
NEAR: Final = 5  # ids that an error names


class NotReadable(CityperfError):
    """What was asked for cannot be read: the message says what there is."""


def tables(as_of: date | str | None = None, *, settings: Settings | None = None) -> pd.DataFrame:
    """The tables that `read` knows: name, title, description, columns (their number), key. One row per table.

    Raises NothingPublished for a date before the first release.
    """
    found = _release(as_of, settings)
    names = sorted(
        path.removeprefix(SAMPLE_PREFIX).removesuffix(".parquet")
        for path in found.files
        if path.endswith(".parquet")
    )
    about = _definitions(found)["tables"]
    rows = [
        {
            "table": name,
            "title": about[name]["title"],
            "description": about[name]["description"],
            "columns": len(about[name]["columns"]),
            "key": ", ".join(about[name].get("key", [])),
        }
        for name in names
    ]
    return pd.DataFrame(rows, columns=["table", "title", "description", "columns", "key"])


def read(
    table: str,
    *,
    kpi: str | Sequence[str] | None = None,
    as_of: date | str | None = None,
    columns: Sequence[str] | None = None,
    vintages: bool = False,
    exact: bool = False,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """A published table as it was at the end of `as_of` (Toronto; default: today), in the order of its key.

    Types: dates are `datetime64[s]`; text of the table's key is a category, other text a string; whole numbers are
    `Int64` and yes/no `boolean`, both with `<NA>`; figures are `float64` with NaN (15 digits), or with `exact=True` the
    `Decimal` that was published, None where there is none. Shares are fractions.

    `kpi` keeps one KPI or several. Of `kpi_value` only figures as they stood come back, unless `vintages=True` asks
    for every value that they ever had. `columns` names those to read.

    `attrs` says what the frame is: `title`, `notice` (set for a sample), `key`, `columns` (name → description), `units`
    (KPI → unit of its figures) and `provenance` (release, night, published_on, table, file with its sha256, root_hash,
    licences, and `landed`: the files behind these KPIs, or behind the table, with sha256, address and night).

    Raises NothingPublished for a date before the first release or an unknown table, NotReadable for unknown columns or
    KPIs, NoLongerWhatItWas when the file is not the published one any more.
    """
    found = _release(as_of, settings)
    path = found.table(table, "parquet")
    definitions = _definitions(found)
    about = definitions["tables"][table]
    schema = pq.read_schema(path)
    wanted = list(columns) if columns is not None else schema.names
    if unknown := [name for name in wanted if name not in schema.names]:
        raise NotReadable(
            f"expected columns of {table}, found {', '.join(unknown)}; it has {', '.join(schema.names)}"
        )
    kpis = _known(kpi, table, schema, definitions, found)
    content = pq.read_table(path, columns=wanted, filters=_filter(table, schema, kpis, vintages))
    frame = _typed(content, frozenset(about.get("key", [])), exact)
    frame.attrs = {
        "title": about["title"],
        "notice": SAMPLE_NOTICE if path.name.startswith(SAMPLE_PREFIX) else None,
        "key": list(about.get("key", [])),
        "columns": {name: about["columns"][name] for name in wanted},
        "units": _units(schema, kpis, definitions),
        "provenance": {
            "release": found.number,
            "night": found.night.isoformat(),
            "published_on": found.published_on.isoformat(),
            "table": table,
            "file": path.name,
            "sha256": found.files[path.name],
            "root_hash": found.root_hash,
            "licences": list(about["licences"]),
            "landed": _landed(found, table, kpis),
        },
    }
    return frame


def _release(as_of: date | str | None, settings: Settings | None) -> Past:
    try:
        on = tonight() if as_of is None else date.fromisoformat(str(as_of))
    except ValueError:
        raise NotReadable(f"expected as_of as a date such as 2026-03-01, found {as_of!r}") from None
    return past(settings or Settings.from_env(), on)


def _definitions(found: Past) -> dict[str, Any]:
    """What was published about KPIs and tables, once its bytes were found to be those."""
    name = next((path for path in found.files if path.endswith(tree.DEFINITIONS)), tree.DEFINITIONS)
    found.file(name)
    return tree.read_definitions(found.folder)


def _known(
    kpi: str | Sequence[str] | None, table: str, schema: pa.Schema, definitions: dict[str, Any], found: Past
) -> list[str] | None:
    if kpi is None:
        return None
    if "kpi_id" not in schema.names:
        raise NotReadable(
            f"expected a table with kpi_id to choose a KPI from, found {table}; read it without kpi="
        )
    asked = [kpi] if isinstance(kpi, str) else list(kpi)
    for each in asked:
        if each not in definitions["kpis"]:
            near = [known for known in sorted(definitions["kpis"]) if each.lower() in known.lower()][:NEAR]
            raise NotReadable(
                f"expected the id of a KPI of release {found.number}, found {each!r}; "
                + (f"near it: {', '.join(near)}" if near else 'frames.read("kpi") lists all')
            )
    return asked


def _filter(table: str, schema: pa.Schema, kpis: list[str] | None, vintages: bool) -> pc.Expression | None:
    asked = pc.field("kpi_id").isin(kpis) if kpis is not None else None
    if table != VINTAGES or vintages:
        return asked
    stands = pc.field("is_latest")
    return stands if asked is None else asked & stands


def _typed(content: pa.Table, key: frozenset[str], exact: bool) -> pd.DataFrame:
    made: dict[str, pd.Series[Any]] = {}
    for field in content.schema:
        values, kind = content[field.name], field.type
        if pa.types.is_date(kind):
            made[field.name] = values.cast(pa.timestamp("s")).to_pandas()
        elif pa.types.is_decimal(kind):
            made[field.name] = (
                pd.Series([_plain(each) for each in values.to_pylist()], dtype=object)
                if exact
                else values.cast(pa.float64()).to_pandas()
            )
        elif pa.types.is_boolean(kind):
            made[field.name] = values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
        elif pa.types.is_integer(kind):
            made[field.name] = values.cast(pa.int64()).to_pandas(
                types_mapper={pa.int64(): pd.Int64Dtype()}.get
            )
        elif pa.types.is_string(kind) and field.name in key:
            # Categories in order of code, so that they depend on the values alone.
            text = values.to_pandas()
            made[field.name] = text.astype(pd.CategoricalDtype(sorted(text.dropna().unique())))
        elif pa.types.is_string(kind):
            made[field.name] = values.to_pandas().astype("string")
        else:
            made[field.name] = values.to_pandas()
    return pd.DataFrame(made)


def _plain(figure: Decimal | None) -> Decimal | None:
    """The figure without the zeros that fill the file's twenty decimals."""
    if figure is None:
        return None
    short = figure.normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))


def _units(schema: pa.Schema, kpis: list[str] | None, definitions: dict[str, Any]) -> dict[str, str]:
    if "kpi_id" not in schema.names:
        return {}
    named = kpis if kpis is not None else sorted(definitions["kpis"])
    return {each: definitions["kpis"][each]["unit"] for each in named}


def _landed(found: Past, table: str, kpis: list[str] | None) -> list[dict[str, Any]]:
    """Files behind the KPIs, else behind the table, as the release lists them; none where it publishes no list."""
    try:
        path = found.table(PROVENANCE, "parquet")
    except NothingPublished:
        return []
    subjects = kpis if kpis is not None else [table]
    kind = "kpi" if kpis is not None else "table"
    rows = pq.read_table(
        path,
        columns=["dataset", "file_name", "sha256", "url", "delivered_night"],
        filters=(pc.field("subject_type") == kind)
        & pc.field("subject").isin(subjects)
        & pc.field("is_current"),
    ).to_pylist()
    return [
        {**row, "delivered_night": row["delivered_night"] and row["delivered_night"].isoformat()}
        for row in {row["sha256"]: row for row in rows}.values()
    ]
