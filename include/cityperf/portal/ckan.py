"""CKAN's action API and file downloads over a set of packages, as Toronto's portal answers them.

Used by both profiles: the packages differ, the protocol does not. Resource addresses are absolute real ones.
"""

from __future__ import annotations

import csv
import functools
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape  # writes only: nothing is parsed here

from cityperf.portal.answers import Answer, Ask, Make, json_answer

HOST: Final = "ckan0.cf.opendata.inter.prod-toronto.ca"
ROW_LIMIT: Final = 32_000  # the server lowers a larger `limit` without saying so
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, HOST)


@dataclass(frozen=True)
class Resource:
    """One file of a package. `content` makes the answer when somebody downloads it, not before.

    With `datastore` the file must be a CSV; its rows are then also served by `datastore_search`, typed by
    `types` (CKAN names such as int4 and text; text where a column is not named).
    """

    package: str
    name: str
    filename: str
    format: str
    last_modified: datetime
    content: Make
    datastore: bool = False
    types: Mapping[str, str] = field(default_factory=dict)
    copy_of: str | None = None  # id of the datastore resource of which this is a file copy

    @property
    def id(self) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.package}/{self.name}"))

    def url(self, host: str) -> str:
        if self.datastore:
            return f"https://{host}/datastore/dump/{self.id}"
        package = package_uuid(self.package)
        return f"https://{host}/dataset/{package}/resource/{self.id}/download/{quote(self.filename)}"


def with_copies(resource: Resource) -> tuple[Resource, ...]:
    """A datastore resource followed by the CSV, XML and JSON copies that the City's portal keeps of each."""
    base = Path(resource.filename).stem

    def copy(kind: str, content: Make) -> Resource:
        name, filename = f"{resource.name}.{kind}", f"{base}.{kind}"
        when = resource.last_modified
        return Resource(resource.package, name, filename, kind.upper(), when, content, copy_of=resource.id)

    return (
        resource,
        copy("csv", resource.content),
        copy("xml", functools.partial(_as_xml, resource)),
        copy("json", functools.partial(_as_json, resource)),
    )


def _as_xml(resource: Resource) -> Answer:
    header, rows = _rows(resource)
    body = "".join(
        f'<ROW count="{number}">'
        + "".join(
            f"<{n.replace(' ', '_')}>{escape(v)}</{n.replace(' ', '_')}>"
            for n, v in zip(header, row, strict=True)
        )
        + "</ROW>"
        for number, row in enumerate(rows, start=1)
    )
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<DATA>{body}</DATA>\n'
    return Answer(text.encode(), media_type="application/xml", last_modified=resource.last_modified)


def _as_json(resource: Resource) -> Answer:
    header, rows = _rows(resource)
    return json_answer(
        [dict(zip(header, row, strict=True)) for row in rows], last_modified=resource.last_modified
    )


@dataclass(frozen=True)
class Package:
    """A package as `package_show` describes it; `fields` are added to the answer as they are."""

    name: str
    title: str
    resources: tuple[Resource, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)


_NAMES: Final[dict[str, str]] = {}  # package id to name, as far as this process has met them


def package_uuid(name: str) -> str:
    identity = str(uuid.uuid5(_NAMESPACE, name))
    _NAMES[identity] = name
    return identity


def readable(address: str) -> str:
    """``host/dataset/{package id}/...`` with the package's name in place of its id; any other address as it
    is.
    """
    parts = address.split("/")
    if len(parts) > 2 and parts[1] == "dataset":
        parts[2] = _NAMES.get(parts[2], parts[2])
    return "/".join(parts)


def answer(ask: Ask, packages: Iterable[Package]) -> Answer | None:
    """The CKAN answer to a request; None when the address names no package or resource that is here."""
    known = list(packages)
    if action := action_of(ask):
        return _action(ask, action, known)
    parts = ask.path.strip("/").split("/")
    if len(parts) == 6 and (parts[0], parts[2], parts[4]) == ("dataset", "resource", "download"):
        found = _resource(parts[3], known)
        return found.content() if found and package_uuid(found.package) == parts[1] else None
    if len(parts) == 3 and parts[:2] == ["datastore", "dump"]:
        found = _resource(parts[2], known)
        return found.content() if found and found.datastore else None
    return None


def not_found(ask: Ask, kind: str = "Not found") -> Answer:
    """CKAN's own way of saying that something is not there."""
    error = {"__type": "Not Found Error", "message": kind}
    return json_answer({"help": _help(ask), "success": False, "error": error}, status=404)


def enveloped(ask: Ask, result: bytes, *, last_modified: datetime | None = None) -> Answer:
    """A recorded result in the envelope of every answer, its bytes untouched: numbers keep their digits."""
    head = json.dumps({"help": _help(ask), "success": True})[:-1].encode()
    body = head + b', "result": ' + result.strip() + b"}"
    return Answer(body, media_type="application/json;charset=utf-8", last_modified=last_modified)


def action_of(ask: Ask) -> str:
    """The action that an address of the API names, else ''."""
    api, _, action = ask.path.rstrip("/").rpartition("/")
    return action if api in ("/api/3/action", "/api/action") else ""


def arguments(ask: Ask) -> dict[str, Any]:
    """What an action is asked with, by query or by JSON body."""
    body = ask.json() if ask.method == "POST" else None
    return dict(ask.query) | (body if isinstance(body, dict) else {})


def answers(page: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Is a recorded page of `datastore_search` what a server would say to this? It may lower the limit, but
    it starts where it was asked to. Filters and orders other than `_id` are never recorded pages.
    """
    table = asked.get("resource_id") or asked.get("id")
    plain = not asked.get("filters") and asked.get("sort", "_id") in ("_id", "_id asc")
    try:
        same_start = int(asked.get("offset") or 0) == int(page.get("offset") or 0)
        limit = int(asked.get("limit", 100))
    except ValueError:
        return False
    return bool(plain and same_start and page.get("resource_id") == table and limit >= len(page["records"]))


def show(package: Package, host: str = HOST) -> dict[str, Any]:
    """A package as `package_show` gives it: Toronto's own fields, and timestamps with and without a T."""
    newest = max(
        (r.last_modified for r in package.resources), default=datetime(2019, 7, 23, 17, 2, tzinfo=UTC)
    )
    resources = []
    for position, resource in enumerate(package.resources):
        stamp = resource.last_modified.replace(tzinfo=None)
        copies = {r.format: r.id for r in package.resources if r.copy_of == resource.id}
        links: dict[str, Any] = {"datastore_cache": copies} if copies else {}
        if resource.copy_of:
            links["datastore_resource_id"] = resource.copy_of
        resources.append(
            links
            | {
                "cache_last_updated": None,
                "cache_url": None,
                "created": "2019-07-23T17:02:12.916986",
                "datastore_active": resource.datastore,
                "format": resource.format,
                "hash": "",
                "id": resource.id,
                "is_datastore_cache_file": resource.copy_of is not None,
                "is_preview": position == 0,
                "last_modified": stamp.isoformat(timespec="microseconds"),
                "metadata_modified": stamp.isoformat(timespec="microseconds"),
                "mimetype": None,
                "name": resource.name,
                "package_id": package_uuid(package.name),
                "position": position,
                "size": None,
                "state": "active",
                "url": resource.url(host),
                "url_type": "datastore" if resource.datastore else "upload",
            }
        )
    shown = {
        "dataset_category": "Table",
        "date_published": "2019-07-23 17:02:12.337973",
        "formats": ",".join(sorted({r.format for r in package.resources})),
        "id": package_uuid(package.name),
        "is_retired": "false",
        "isopen": False,
        "last_refreshed": newest.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds"),
        "license_id": "open-government-licence-toronto",
        "license_title": "open-government-licence-toronto",
        "metadata_created": "2019-07-23T17:02:12.628084",
        "metadata_modified": newest.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "name": package.name,
        "num_resources": len(package.resources),
        "num_tags": 0,
        "owner_email": "opendata@toronto.ca",
        "private": False,
        "state": "active",
        "tags": [],
        "title": package.title,
        "type": "dataset",
    }
    return shown | dict(package.fields) | {"resources": resources}


def _action(ask: Ask, action: str, packages: list[Package]) -> Answer | None:
    asked = arguments(ask)
    if action == "package_list":
        return _success(ask, sorted(p.name for p in packages))
    if action in ("package_show", "package_metadata"):
        wanted = str(asked.get("id", ""))
        for package in packages:
            if wanted in (package.name, package_uuid(package.name)):
                return _success(ask, show(package, ask.host))
        return None
    if action == "resource_show":
        wanted = str(asked.get("id", ""))
        for package in packages:
            for entry in show(package, ask.host)["resources"]:
                if entry["id"] == wanted:
                    return _success(ask, entry)
        return None
    if action == "datastore_search":
        resource = _resource(str(asked.get("resource_id") or asked.get("id") or ""), packages)
        return _datastore_search(ask, asked, resource) if resource and resource.datastore else None
    return None


def _datastore_search(ask: Ask, asked: Mapping[str, Any], resource: Resource) -> Answer:
    header, rows = _rows(resource)
    columns = [(name, resource.types.get(name, "int4" if name == "_id" else "text")) for name in header]
    try:
        limit = min(int(asked.get("limit", 100)), ROW_LIMIT)
        offset = int(asked.get("offset", 0))
        order = _order(str(asked.get("sort", "")), header)
    except ValueError as error:
        refusal = {"__type": "Validation Error", "query": [str(error)]}
        return json_answer({"help": _help(ask), "success": False, "error": refusal}, status=409)
    numeric = [kind.startswith(("int", "numeric", "float")) for _, kind in columns]
    chosen = list(rows)
    for index, descending in reversed(order):
        chosen.sort(key=lambda row: _sort_key(row[index], numeric[index]), reverse=descending)
    filters = asked.get("filters")
    if isinstance(filters, str):
        filters = json.loads(filters)
    for name, value in (filters or {}).items():
        wanted = {str(v) for v in (value if isinstance(value, list) else [value])}
        at = header.index(name)
        chosen = [row for row in chosen if row[at] in wanted]
    shown = str(asked["fields"]).split(",") if asked.get("fields") else list(header)
    at_shown = [header.index(name.strip()) for name in shown]
    records = [
        {header[i]: _typed(row[i], numeric[i]) for i in at_shown}
        for row in chosen[offset : offset + max(limit, 0)]
    ]
    result = {
        "include_total": True,
        "limit": limit,
        "offset": offset,
        "records_format": "objects",
        "resource_id": resource.id,
        "total_estimation_threshold": None,
        "records": records,
        "fields": [{"id": columns[i][0], "type": columns[i][1]} for i in at_shown],
        "total": len(chosen),
        "total_was_estimated": False,
    }
    return _success(ask, result)


def _rows(resource: Resource) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    source = resource.content()
    if source.file is None:
        raise ValueError(f"resource {resource.name!r} is in the datastore but has no CSV file behind it")
    return _table(str(source.file), source.sha256)


@functools.lru_cache(maxsize=2)
def _table(path: str, _sha256: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    with Path(path).open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.reader(handle)
        header = tuple(next(reader))
        rows = tuple(tuple(row) for row in reader)
    if "_id" not in header:
        header = ("_id", *header)
        rows = tuple((str(number), *row) for number, row in enumerate(rows, start=1))
    return header, rows


def _order(sort: str, header: tuple[str, ...]) -> list[tuple[int, bool]]:
    order = []
    for term in filter(None, (t.strip() for t in sort.split(","))):
        name, _, direction = (
            term.rpartition(" ") if term.lower().endswith((" asc", " desc")) else (term, "", "asc")
        )
        name = name.strip().strip('"')
        if name not in header:
            raise ValueError(f'column "{name}" does not exist')
        order.append((header.index(name), direction.lower() == "desc"))
    return order or [(header.index("_id"), False)]


def _sort_key(value: str, numeric: bool) -> tuple[float, str]:
    return (float(value) if value else float("-inf"), "") if numeric else (0.0, value)


def _typed(value: str, numeric: bool) -> str | int | float | None:
    if not numeric:
        return value
    if not value:
        return None
    return int(value) if value.lstrip("-").isdigit() else float(value)


def _resource(wanted: str, packages: list[Package]) -> Resource | None:
    return next((r for p in packages for r in p.resources if r.id == wanted), None)


def _success(ask: Ask, result: Any) -> Answer:
    return json_answer({"help": _help(ask), "success": True, "result": result})


def _help(ask: Ask) -> str:
    return f"https://{ask.host}/api/3/action/help_show?name={ask.path.rsplit('/', 1)[1]}"
