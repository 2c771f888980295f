"""What stands on a data set, a model or a published table: KPIs, tables and exports, read from dbt's manifest."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cityperf.config import Settings

SHOWN: Final = 4
PUBLISHED: Final = "publish_next"  # the schema in which dbt builds what goes up


@dataclass(frozen=True)
class Radius:
    """How far a failure reaches, nearest first. `whole`: everything that is published. `known`: there was lineage."""

    kpis: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    whole: bool = False
    known: bool = True

    @property
    def size(self) -> int:
        return len(self.kpis) + len(self.tables) + len(self.exports)

    def in_words(self, became: str = "") -> str:
        """'→ 6 KPIs (CS-311-01, …), 24 tables, 24 exports kept as they were'."""
        if not self.known:
            return "→ what stands on it is not known before dbt's first run"
        if not self.size:
            return "→ nothing published stands on it"
        groups = ((self.kpis, "KPI"), (self.tables, "table"), (self.exports, "export"))
        told = ", ".join(_told(names, one, bare=self.whole) for names, one in groups if names)
        return " ".join(filter(None, [f"→ {'all of ' if self.whole else ''}{told}", became]))

    def as_dict(self) -> dict[str, list[str]]:
        return {"kpis": list(self.kpis), "tables": list(self.tables), "exports": list(self.exports)}


def _told(names: tuple[str, ...], one: str, *, bare: bool) -> str:
    count = f"{len(names)} {one}{'' if len(names) == 1 else 's'}"
    if bare or one == "export":
        return count
    return f"{count} ({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"


NOTHING: Final = Radius()
UNKNOWN: Final = Radius(known=False)


class Lineage:
    """dbt's graph turned round: from what fails to what stands on it. Empty where dbt has not run yet."""

    def __init__(self, manifest: Mapping[str, Any] | None) -> None:
        self._nodes: Mapping[str, Any] = manifest["nodes"] if manifest else {}
        self._exposures: Mapping[str, Any] = {
            uid: each
            for uid, each in (manifest or {}).get("exposures", {}).items()
            if each.get("type") != "dashboard"  # reads tables, which are told; nothing leaves by it
        }
        self._known = manifest is not None
        self._children: dict[str, list[str]] = defaultdict(list)
        self._kpis: dict[str, list[Mapping[str, Any]]] = {}
        self._by_name: dict[str, str] = {}
        self.stewards: dict[str, str] = {}  # of KPIs
        for uid, node in sorted({**self._nodes, **self._exposures}.items()):
            for parent in node["depends_on"].get("nodes", []):
                self._children[parent].append(uid)
        for uid, node in self._nodes.items():
            if node["resource_type"] != "model":
                continue
            self._by_name[node["name"]] = uid
            meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
            single = [meta["kpi"]] if isinstance(meta.get("kpi"), Mapping) else []
            defined = [*single, *(each for each in meta.get("kpis", []) if isinstance(each, Mapping))]
            if defined:
                self._kpis[uid] = defined
            for each in defined:
                self.stewards[str(each["id"])] = str(each.get("steward") or each.get("owner") or "")
        self._sources = {
            str(source["name"]): uid
            for uid, source in (manifest or {}).get("sources", {}).items()
            if source.get("schema", "raw") == "raw" and source["source_name"] == "raw"
        }

    def of_dataset(self, dataset: str) -> Radius:
        """What stands on a data set's raw table."""
        return self._below([self._sources[dataset]] if dataset in self._sources else [])

    def of_datasets(self, datasets: Iterable[str]) -> Radius:
        return self._below([self._sources[each] for each in datasets if each in self._sources])

    def of_model(self, name: str) -> Radius:
        """What stands on a model or a published table, itself among it."""
        return self._below([self._by_name[name]] if name in self._by_name else [])

    def of_kpis(self, kpi_ids: Iterable[str]) -> Radius:
        """KPIs by themselves, with all tables and exports that show KPIs."""
        wanted = tuple(sorted(kpi_ids))
        homes = [uid for uid, each in self._kpis.items() if {str(kpi["id"]) for kpi in each} & {*wanted}]
        found = self._below(homes)
        return Radius(wanted, found.tables, found.exports, known=self._known)

    @property
    def everything(self) -> Radius:
        """All that is published."""
        found = self._below([*self._sources.values(), *self._by_name.values()])
        return Radius(found.kpis, found.tables, found.exports, whole=True, known=self._known)

    def _below(self, starts: list[str]) -> Radius:
        if not self._known:
            return UNKNOWN
        seen, waiting = {*starts}, list(starts)
        kpis: dict[str, None] = {}
        tables: list[str] = []
        exports: list[str] = []
        while waiting:
            level, waiting = waiting, []
            for uid in level:
                node = self._nodes.get(uid)
                kpis |= dict.fromkeys(str(each["id"]) for each in self._kpis.get(uid, []))
                if node is not None and node["resource_type"] == "model" and _is_published(node):
                    tables.append(str(node["name"]))
                if uid in self._exposures:
                    exports.append(str(self._exposures[uid]["name"]))
                fresh = [child for child in self._children[uid] if child not in seen]
                seen.update(fresh)
                waiting += fresh
        return Radius(tuple(kpis), tuple(tables), tuple(exports))


def _is_published(node: Mapping[str, Any]) -> bool:
    return str(node.get("schema")) == PUBLISHED


def read_lineage(settings: Settings) -> Lineage:
    """From the manifest of the profile's last dbt run (0.1 s, once for each manifest); of nothing where there is none."""
    from cityperf.publish.dictionary import NoDictionary, manifest_path

    try:
        path = manifest_path(settings)
    except NoDictionary:
        return Lineage(None)
    return _lineage(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _lineage(path: Path, _: int) -> Lineage:
    return Lineage(json.loads(path.read_bytes()))
