"""The release that is up as a CKAN package: a DataStore table per published table, row for row.

Every row bears `row_id`, a hash of its values. A push reads back which rows the portal holds, deletes those that the
release no longer says, and adds those that are missing; so it can be cut short anywhere and run again, and what was
withdrawn here goes there too. A resource keeps the hash of what it was filled with in its own `hash` field: a table
that did not change is not asked about again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import yaml
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.errors import CityperfError, SourceRefused
from cityperf.extract import connections, http
from cityperf.extract.ckan import action, result
from cityperf.extract.refusal import Missing
from cityperf.publish import ledger, tree
from cityperf.publish.dictionary import Allowed, published_dictionary
from cityperf.publish.licences import LICENCES
from cityperf.publish.verify import altered_files

REGISTER: Final = ROOT / "include" / "destinations.yml"
BATCH: Final = 1_000  # rows of one request
PAGE: Final = 32_000  # rows of one answer, which a portal may lower
ROW_ID: Final = "row_id"
TABLE: Final = "cityperf_table"  # a resource's own field: resources without it are somebody else's


class NotPushed(CityperfError):
    """A release that does not go to a portal, or a portal that does not take it."""


class Ckan(BaseModel):
    """One portal of `include/destinations.yml`. The token stands in the environment, under `connection`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    base_url: Annotated[str, Field(pattern=r"^(https://[^@/\s]+|http://127\.0\.0\.1:\d+)(/[^\s?#]*)?$")]
    package: Annotated[str, Field(pattern=r"^[a-z0-9_-]{2,100}$")]
    organization: Annotated[str, Field(min_length=1)]
    connection: connections.ConnectionName
    allow_hosts: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        return (urlsplit(self.base_url).hostname or "", *self.allow_hosts)


@dataclass
class Pushed:
    """What a push came to: tables that changed, rows added and deleted, requests made."""

    destination: str
    release: int
    requests: int = 0
    tables: list[str] = field(default_factory=list)
    added: int = 0
    deleted: int = 0
    removed: list[str] = field(default_factory=list)  # tables that the release no longer offers


def read_destinations(path: Path = REGISTER) -> list[Ckan]:
    """The portals of the reviewed file. Raises NotPushed for an entry that is not as it should be."""
    entries = (yaml.safe_load(path.read_text("utf-8")) or {}).get("ckan") or []
    found = []
    for place, entry in enumerate(entries, 1):
        try:
            found.append(Ckan.model_validate(entry))
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the entry"
            raise NotPushed(
                "expected a CKAN destination with name, base_url, package, organization and connection, found a "
                f"mistake in {where} ({first['msg']}), in {path.name} entry {place}"
            ) from None
    return found


def push(settings: Settings, place: Ckan) -> Pushed:
    """Make the portal say what the release that is up says. Doing it twice changes nothing.

    Raises NotPushed for a profile other than live, without a release or a token, for files that were altered, while
    another push is at work, or when the portal refuses; SourceUnavailable when it does not answer.
    """
    if settings.profile != "live":
        raise NotPushed(
            f"expected the profile live, found {settings.profile}: invented and replayed figures go to no portal"
        )
    token = connections.secret(place.connection)
    if token is None:
        raise connections.lacking(place.connection, "an API token of the portal")
    settings.run.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.run / f"push-{place.name}.lock", timeout=0):
            return _push(settings, place, token)
    except Timeout:
        raise NotPushed(
            f"expected no other push to {place.name}, found one at work; wait for it, or end it and try again"
        ) from None


def _push(settings: Settings, place: Ckan, token: str) -> Pushed:
    with connect(settings, "publisher") as connection:
        up = ledger.current(connection)
        if up is None:
            raise NotPushed(
                "expected a release that is up, found none; ./cityperf refresh makes the first one"
            )
        altered = altered_files(settings, connection, up.number)
        leaves = {(n.kind, n.name): n.sha256 for n in tree.recorded(connection, up.number)}
    if altered:
        raise NotPushed(
            f"expected the files of release {up.number} as they were published, found {altered[0]}; "
            f"./cityperf release verify {up.number} lists what differs"
        )
    folder = settings.releases / str(up.number)
    dictionary = published_dictionary(tree.read_definitions(folder))
    wanted = {n: each for n, each in dictionary.allowed.items() if "ckan" in each.destinations}
    done = Pushed(place.name, up.number)
    portal = _Portal(settings, up.night, place, token, done)
    try:
        package = portal.package()
        ours: dict[str, list[dict[str, Any]]] = {}
        for resource in package.get("resources") or []:
            if resource.get(TABLE):
                ours.setdefault(resource[TABLE], []).append(resource)
        # What is no longer offered goes first; of two resources of one table (a lost answer), one stays.
        for name, resources in sorted(ours.items()):
            for resource in resources[1:] if name in wanted else resources:
                portal.remove(resource["id"])
                if name not in wanted:
                    done.removed.append(name)
        for name, allowed in sorted(wanted.items()):
            state = tree.digest_of([leaves[("table", name)], leaves[("definition", f"tables/{name}")]])
            there = ours.get(name, [None])[0]
            if there is None or there.get("hash") != state:
                portal.fill(package["id"], there, allowed, folder / f"{name}.parquet", state)
                done.tables.append(name)
        portal.describe(package, up.number, up.night, sorted(wanted.values(), key=lambda each: each.name))
    finally:
        portal.close()
    return done


class _Portal:
    """The calls of one push. A request is repeated by the client of `extract`, which checks every address."""

    def __init__(self, settings: Settings, night: date, place: Ckan, token: str, done: Pushed) -> None:
        self._client = http.Client(settings, night, place.hosts)
        self._place, self._token, self._done = place, token, done

    def close(self) -> None:
        self._client.close()

    def call(self, name: str, /, **body: Any) -> dict[str, Any]:
        """The `result` of an action. Raises Missing for what is not there, NotPushed for any other refusal."""
        address, memory, answer = action(self._place.base_url, name), http.Memory(), list[Any]()

        def is_json(_: http.Reply) -> None:
            answer[:] = [http.parse_json(bytes(memory.content), "an answer of CKAN as JSON")]

        self._done.requests += 1
        headers = {"Authorization": self._token}
        try:
            self._client.fetch(address, memory, method="POST", body=body, headers=headers, check=is_json)
            found = answer[0].get("result") if isinstance(answer[0], dict) else None
            if found is None and answer[0].get("success"):
                return {}
            return result(answer[0], "an answer of CKAN", address, "look at the portal's log")
        except Missing:
            raise
        except SourceRefused as problem:
            raise NotPushed(
                f"expected {self._place.name} to take {name}, found: {connections.hidden(str(problem), self._token)}; "
                "see docs/runbooks/destinations.md"
            ) from None

    def package(self) -> dict[str, Any]:
        """The package as it is there; made first where it is not."""
        try:
            return self.call("package_show", id=self._place.package)
        except Missing:
            owner = self._place.organization
            return self.call(
                "package_create", name=self._place.package, title="City performance", owner_org=owner
            )

    def describe(self, package: Mapping[str, Any], number: int, night: date, tables: list[Allowed]) -> None:
        """Last of all, what the package says of itself: its `version` is the release that it holds whole."""
        licences = sorted({licence for each in tables for licence in each.licences})
        own = tables[0] if tables else None
        said: dict[str, Any] = {
            "title": "City performance",
            "notes": "Key performance indicators of the City with their history, comparisons, benchmarks and origin. "
            "Licences: " + ", ".join(LICENCES[name][0] for name in licences) + ".",
            "version": str(number),
            "license_id": own.licences[0] if own else "",
            "maintainer": own.contact if own else "",
            "maintainer_email": own.email if own else "",
            "state": "active",
        }
        extras = {"night": night.isoformat(), "release": str(number)}
        there = {each["key"]: each["value"] for each in package.get("extras") or []}
        if extras.items() <= there.items() and all((package.get(k) or "") == v for k, v in said.items()):
            return
        merged = [{"key": key, "value": value} for key, value in sorted({**there, **extras}.items())]
        self.call("package_patch", id=package["id"], extras=merged, **said)

    def remove(self, resource: str) -> None:
        """A resource with its table; one that is gone already is fine."""
        for step, body in (
            ("datastore_delete", {"resource_id": resource, "force": True}),
            ("resource_delete", {"id": resource}),
        ):
            try:
                self.call(step, **body)
            except Missing:
                continue

    def fill(
        self, package: str, there: Mapping[str, Any] | None, allowed: Allowed, parquet: Path, state: str
    ) -> None:
        """Bring a resource and its table to what the Parquet file says."""
        import pyarrow.parquet as pq

        said = {
            "name": allowed.title,
            "description": allowed.description,
            "format": "CSV",
            TABLE: allowed.name,
        }
        if there is None:
            new = {
                "package_id": package,
                "url": "_datastore_only_resource",
                "url_type": "datastore",
                "hash": "",
            }
            resource = str(self.call("resource_create", **new, **said)["id"])
        else:
            resource = str(there["id"])
            if there.get("hash"):  # cut short from here on, it is no state that anything equals
                self.call("resource_patch", id=resource, hash="")
        columns = {each.name: _type(str(each.type)) for each in pq.read_schema(parquet)}
        self._table(resource, columns, allowed)
        held = set(self._held(resource))
        kept = {row_id for row_id, _ in _rows(parquet)}
        gone = sorted(held - kept)
        for start in range(0, len(gone), BATCH):
            ids = [each.hex() for each in gone[start : start + BATCH]]
            self.call("datastore_delete", resource_id=resource, filters={ROW_ID: ids}, force=True)
            self._done.deleted += len(ids)
        batch: list[dict[str, Any]] = []
        for row_id, row in _rows(parquet):
            if row_id not in held:
                batch.append({**row, ROW_ID: row_id.hex()})
            if len(batch) == BATCH:
                self._add(resource, batch)
                batch = []
        if batch:
            self._add(resource, batch)
        self.call("resource_patch", id=resource, hash=state, **said)

    def _add(self, resource: str, rows: list[dict[str, Any]]) -> None:
        # An upsert: repeated after a lost answer, it writes the same rows once more.
        self.call("datastore_upsert", resource_id=resource, method="upsert", records=rows, force=True)
        self._done.added += len(rows)

    def _table(self, resource: str, columns: Mapping[str, str], allowed: Allowed) -> None:
        """Have a table with exactly these columns: one with others is dropped, or a withdrawn column would stay."""
        wanted = {**columns, ROW_ID: "text"}
        try:
            shown = self.call("datastore_search", resource_id=resource, limit=0)["fields"]
            if {each["id"]: each["type"] for each in shown if each["id"] != "_id"} != wanted:
                self.call("datastore_delete", resource_id=resource, force=True)
        except Missing:
            pass
        meaning = {**allowed.columns, ROW_ID: "Hash of the row's values."}
        fields = [
            {"id": name, "type": type_, "info": {"label": name, "notes": meaning[name]}}
            for name, type_ in wanted.items()
        ]
        self.call("datastore_create", resource_id=resource, fields=fields, primary_key=[ROW_ID], force=True)

    def _held(self, resource: str) -> Iterator[bytes]:
        """The ids of all rows that the portal holds."""
        offset = 0
        while True:
            page = self.call(
                "datastore_search",
                resource_id=resource,
                fields=[ROW_ID],
                sort="_id",
                limit=PAGE,
                offset=offset,
            )
            rows = page["records"]
            if not rows:
                return
            offset += len(rows)
            yield from (bytes.fromhex(row[ROW_ID]) for row in rows)
            if offset >= page.get("total", offset + 1):
                return


def _rows(parquet: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """(id, values as JSON knows them) of each row: exact numbers and times as text, which CKAN casts."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(parquet).iter_batches(10_000):
        for row in batch.to_pylist():
            plain = {name: _plain(value) for name, value in row.items()}
            text = json.dumps(list(plain.values()), ensure_ascii=False)
            yield hashlib.sha256(text.encode()).digest()[:16], plain


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _type(arrow: str) -> str:
    """PostgreSQL's name, as CKAN gives it back, of an Arrow type."""
    if arrow.startswith("decimal"):
        return "numeric"
    if arrow.startswith("timestamp"):
        return "timestamp"
    kinds = {"int16": "int4", "int32": "int4", "int64": "int8", "bool": "bool", "date32[day]": "date"}
    return kinds.get(arrow, "float8" if arrow in ("float", "double") else "text")
