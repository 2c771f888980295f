"""What may leave the warehouse: dbt exposures, the documented columns of their tables, and the licences
behind them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError
from cityperf.publish.exposure import FORMATS, WHERE, Outgoing, outgoing
from cityperf.publish.licences import SAMPLE_LICENCE

LAYOUT: Final = "2"  # raise it when a writer gives other bytes for equal rows: files are then written anew


class NoDictionary(CityperfError):
    """dbt's manifest is missing or names nothing to export."""


class Licensed(Protocol):
    """What exports need to know of a source's contract."""

    @property
    def licence(self) -> str | None: ...


@dataclass(frozen=True)
class Allowed:
    """One table that an exposure sends out: only `columns` leave, in this order."""

    name: str
    title: str
    description: str
    columns: dict[str, str]  # name → description
    datasets: frozenset[str]  # raw data sets that the table is made of
    formats: tuple[str, ...] = FORMATS
    destinations: tuple[str, ...] = ("files",)
    licences: tuple[str, ...] = ("OGL-Toronto",)  # of the table itself, then of its sources
    contact: str = ""
    email: str = ""
    rhythm: str = "nightly"
    key: tuple[str, ...] = ()
    layout: str = ""

    def entry(self) -> dict[str, Any]:
        """All that decides what the table's files look like beside its rows, as `definitions.json` has it."""
        return {
            "title": self.title,
            "description": self.description,
            "columns": self.columns,
            "datasets": sorted(self.datasets),
            "formats": list(self.formats),
            "destinations": list(self.destinations),
            "licences": list(self.licences),
            "contact": self.contact,
            "email": self.email,
            "rhythm": self.rhythm,
            "key": list(self.key),
            "layout": self.layout,
        }


@dataclass(frozen=True)
class Dictionary:
    """Tables on the allow-list and tables refused because a source of theirs has no licence (name → data
    sets)."""

    allowed: dict[str, Allowed]
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)


def manifest_path(settings: Settings) -> Path:
    """dbt's manifest of this profile, or the project's own where the profile has none.

    Raises NoDictionary when there is neither.
    """
    places = (settings.base / "dbt" / "manifest.json", ROOT / "dbt_project" / "target" / "manifest.json")
    for place in places:
        if place.exists():
            return place
    raise NoDictionary(
        f"expected dbt's manifest at {places[0]}, found none; it says which tables may be exported: "
        "run dbt parse (./cityperf refresh does)"
    )


def read_dictionary(
    manifest: Mapping[str, Any], contracts: Mapping[str, Licensed], profile: str
) -> Dictionary:
    """The allow-list of a manifest's exposures with `meta.export`.

    A table built from a source without a licence is refused, by name, except in the sample profile where all
    figures
    are invented and carry the sample's own licence. Raises NoDictionary when no exposure exports anything.
    """
    nodes = manifest["nodes"]
    allowed: dict[str, Allowed] = {}
    refused: dict[str, tuple[str, ...]] = {}
    for exposure in sorted(manifest.get("exposures", {}).values(), key=lambda e: str(e["name"])):
        said = outgoing(exposure)
        if said is None:
            continue
        meta, contact = said
        unique_id, node = _model(exposure, meta, nodes)
        name = meta.table
        if name in {*allowed, *refused}:
            raise NoDictionary(
                f"expected one exposure to send table {name} out, found {exposure['name']} and another; take one of "
                "them off"
            )
        datasets = frozenset(_datasets(manifest, unique_id))
        without = tuple(sorted(d for d in datasets if d in contracts and contracts[d].licence is None))
        if without and profile != "sample":
            refused[name] = without
            continue
        sources = {contracts[d].licence for d in datasets if d in contracts} - {None, meta.licence}
        licences = (meta.licence, *sorted(map(str, sources)))
        allowed[name] = Allowed(
            name,
            str(exposure.get("label") or name),
            " ".join(str(node.get("description") or "").split()),
            _columns(exposure, node, meta.columns),
            datasets,
            tuple(f for f in FORMATS if f in meta.formats),
            meta.destinations,
            (SAMPLE_LICENCE,) if profile == "sample" else licences,
            contact.name,
            contact.email,
            meta.rhythm,
            meta.primary_key,
            f"{LAYOUT}, {_writers()}",
        )
    if not allowed:
        raise NoDictionary(
            "expected at least one exposure with meta.export in dbt's manifest, found none that may leave; "
            f"see {WHERE}"
        )
    return Dictionary(dict(sorted(allowed.items())), dict(sorted(refused.items())))


def _model(
    exposure: Mapping[str, Any], meta: Outgoing, nodes: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any]]:
    """The model behind an exposure's table: one that it depends on, so that dbt's lineage and the export agree."""
    found = {
        str(nodes[uid].get("alias") or nodes[uid]["name"]): uid
        for uid in exposure["depends_on"]["nodes"]
        if uid in nodes and nodes[uid]["resource_type"] == "model"
    }
    if meta.table not in found:
        raise NoDictionary(
            f"expected exposure {exposure['name']} to depend on table {meta.table}, which it sends out, found "
            f"{', '.join(sorted(found)) or 'no model'}; mend `depends_on` or `table` in {WHERE}"
        )
    return found[meta.table], nodes[found[meta.table]]


@cache
def _writers() -> str:
    """The libraries whose version may change the bytes of a file."""
    return ", ".join(f"{name} {version(name)}" for name in ("pyarrow", "xlsxwriter"))


def _columns(exposure: Mapping[str, Any], node: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Name → description of the columns that may leave, in the exposure's order."""
    documented = {
        str(column["name"]): " ".join(str(column.get("description") or "").split())
        for column in node["columns"].values()
    }
    unknown = [name for name in names if not documented.get(name)]
    if unknown:
        raise NoDictionary(
            f"expected every column of exposure {exposure['name']} to be described in the YAML of model "
            f"{node['name']}, "
            f"found no description of {', '.join(unknown)}; describe it or take it off the exposure"
        )
    return {name: documented[name] for name in names}


def published_dictionary(definitions: Mapping[str, Any]) -> Dictionary:
    """The allow-list that a release was made by, from its `definitions.json`."""
    allowed = {
        name: Allowed(
            name,
            entry["title"],
            entry["description"],
            entry["columns"],
            frozenset(entry["datasets"]),
            tuple(entry["formats"]),
            tuple(entry.get("destinations", ["files"])),
            tuple(entry.get("licences", ["OGL-Toronto"])),
            entry.get("contact", ""),
            entry.get("email", ""),
            entry.get("rhythm", "nightly"),
            tuple(entry.get("key", [])),
            entry.get("layout", ""),
        )
        for name, entry in definitions.get("tables", {}).items()
    }
    return Dictionary(allowed, {name: tuple(sets) for name, sets in definitions.get("refused", {}).items()})


def load_dictionary(settings: Settings, contracts: Mapping[str, Licensed]) -> Dictionary:
    """`read_dictionary` of this profile's manifest."""
    return read_dictionary(json.loads(manifest_path(settings).read_bytes()), contracts, settings.profile)


def _datasets(manifest: Mapping[str, Any], start: str) -> Iterable[str]:
    """Raw data sets anywhere upstream of a node. A model with `meta.lineage: metadata` reads about data, not
    data."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        unique_id = waiting.pop()
        if unique_id in seen:
            continue
        seen.add(unique_id)
        if unique_id.startswith("source."):
            source = manifest["sources"][unique_id]
            if source["source_name"] == "raw":
                yield str(source.get("identifier") or source["name"])
            continue
        node = manifest["nodes"].get(unique_id)
        if node is None:
            continue
        meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
        if meta.get("lineage") != "metadata":
            waiting.extend(node.get("depends_on", {}).get("nodes", []))
