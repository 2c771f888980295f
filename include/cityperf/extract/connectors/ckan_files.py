"""The files of a CKAN package whose name matches: file ids and names change, the package does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from cityperf.extract import ckan
from cityperf.extract.visit import Landed, Visit
from cityperf.sources import Regex

_SUFFIXES: Final = {
    ".csv": "CSV",
    ".xlsx": "XLSX",
    ".xlsm": "XLSX",
    ".xls": "XLSX",
    ".zip": "ZIP",
    ".gz": "CSV",
    ".json": "JSON",
    ".geojson": "GEOJSON",
    ".xml": "XML",
}
_READABLE: Final = {
    "auto": {"CSV", "XLSX", "XLS", "XLSM", "ZIP"},
    "csv": {"CSV", "ZIP", "TXT"},
    "xlsx": {"XLSX", "XLS", "XLSM"},
    "json": {"JSON"},
    "geojson": {"GEOJSON", "JSON"},
}


def fetch(
    visit: Visit,
    *,
    base_url: str,
    package: str,
    match: Regex,
    trust_last_modified: bool = False,
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands every matching resource, the earliest modified first, so that the last one is the latest
    delivery.

    `match` is searched in the resource's name, then in its file's name; named groups go into the manifest.
    Other formats of the same resource (the portal keeps CSV, XML and JSON copies) are passed over.
    `trust_last_modified`: a file of which the catalogue still says the same time, size and address is not
    even asked for. Only for portals that are known to keep these in step with the file.
    """
    from cityperf.extract.http import NotInReplay

    client = visit.client(base_url, also=allow_hosts)
    address, found = ckan.resources(client, base_url, package)
    chosen = choose(found, match, visit.contract.extract.read.format)
    if not chosen and visit.settings.profile == "replay" and not visit.known:
        raise NotInReplay(f"{match!r} in {address}")  # a replay may list a part of a package
    if not chosen:
        raise ckan.no_match(match, found, address)
    for name, groups, resource in chosen:
        meta = {
            "resource_id": resource.get("id"),
            "resource_name": resource.get("name"),
            "source_modified": ckan.modified(resource),
            "source_size": resource.get("size"),
            "groups": groups,
        }
        url = str(resource["url"])
        known = visit.known.get(name)
        if trust_last_modified and known and known.url == url and _said_the_same(known.meta, meta):
            yield Landed(known.file_id, name, "stamp")
        else:
            yield visit.download(client, url, name, meta=meta)


def _said_the_same(known: dict[str, Any], now: dict[str, Any]) -> bool:
    return bool(now["source_modified"]) and all(
        known.get(what) == now[what] for what in ("resource_id", "source_modified", "source_size")
    )


def choose(
    resources: list[dict[str, Any]], match: str, kind: str
) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """(file name, named groups, resource) of the resources to fetch, in order of delivery."""
    pattern = re.compile(match)
    hits: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    for resource in resources:
        if resource.get("state", "active") != "active" or not resource.get("url"):
            continue
        file_name = unquote(PurePosixPath(urlsplit(str(resource["url"])).path).name)
        found = pattern.search(str(resource.get("name") or "")) or pattern.search(file_name)
        if not found or _format(resource, file_name) not in _READABLE[kind]:
            continue
        title = str(resource.get("name") or "")
        if not PurePosixPath(file_name).suffix:  # a table of the datastore, which is given out as CSV
            file_name = title if PurePosixPath(title).suffix == ".csv" else f"{title}.csv"
        hits.append((file_name, {k: v for k, v in found.groupdict().items() if v is not None}, resource))
    # A table of the datastore comes with a CSV copy in the same package: the copy is a plain file, so it is
    # taken.
    copied = {r.get("datastore_resource_id") for _, _, r in hits if r.get("is_datastore_cache_file")}
    hits = [hit for hit in hits if hit[2].get("id") not in copied]
    hits.sort(key=lambda hit: (ckan.modified(hit[2]), hit[0], str(hit[2].get("id"))))
    seen: dict[str, int] = {}
    unique = []
    for name, groups, resource in hits:
        seen[name] = seen.get(name, 0) + 1
        unique.append((name if seen[name] == 1 else f"{resource.get('name')} {name}", groups, resource))
    return unique


def _format(resource: dict[str, Any], file_name: str) -> str:
    """The file's own ending is trusted first: the catalogue calls zipped CSV 'CSV' or 'ZIP' as it likes."""
    suffix = PurePosixPath(file_name).suffix.lower()
    return _SUFFIXES.get(suffix) or str(resource.get("format") or "").upper()
