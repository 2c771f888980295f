"""The replay profile: recorded files behind real addresses, night by night, as a replay.yml maps them.

The format is documented in docs/replay.md. Files are served from where they lie, byte for byte; what a
publisher says
*about* its files (`package_show`, a layer's description, a paged query, the answer for one vector) is put
together from them.
"""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    ValidationError,
    model_validator,
)

from cityperf.config import Settings
from cityperf.portal import REPLAY_HEADER, arcgis, ckan, wds
from cityperf.portal.answers import Answer, Ask, Make, file_answer, json_answer


class ReplayError(ValueError):
    """A replay.yml that cannot be used: says the file, the line, what is wrong and what to do."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Entry):
    """One recorded file, or several by a glob; `name` and `format` only make sense for one."""

    file: str
    name: str | None = None
    format: str | None = None
    last_modified: AwareDatetime | NaiveDatetime | date | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"file": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _named_file_is_single(self) -> FileEntry:
        if self.name and _is_glob(self.file):
            raise ValueError(
                f"'name' cannot be given for the glob {self.file!r}, which may stand for several files"
            )
        return self


class UrlEntry(_Entry):
    """A plain address. A `*` at the end of both url and file maps everything below the prefix."""

    url: str = Field(pattern=r"^https?://")
    file: str
    content_type: str | None = None
    envelope: str | None = Field(default=None, pattern="^ckan$")
    last_modified: AwareDatetime | NaiveDatetime | date | None = None

    @model_validator(mode="after")
    def _prefix_maps_to_prefix(self) -> UrlEntry:
        if self.url.endswith("*") and not self.file.endswith("*"):
            raise ValueError(f"url {self.url!r} ends in *, so file must end in * too")
        return self


class CkanEntry(_Entry):
    """A package put together from files, or as it was recorded: the result of `package_show` and, for tables
    of the datastore, the results of `datastore_search`.
    """

    package: str
    base: str = Field(default=f"https://{ckan.HOST}", pattern=r"^https?://")
    title: str | None = None
    resources: tuple[FileEntry, ...] = ()
    recorded: str | None = None
    datastore: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _files_or_recording(self) -> CkanEntry:
        if bool(self.resources) == bool(self.recorded):
            raise ValueError("expected either `resources` or `recorded`")
        if self.datastore and not self.recorded:
            raise ValueError("`datastore` needs `recorded`, the package whose tables it holds")
        return self


class WdsEntry(_Entry):
    """`files`: recorded calls, JSON with request {method, uri, body} and response. `tables`: full-table zips
    named as the service names them, each with the table's recorded metadata beside it as `<product>.json`.
    """

    files: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> WdsEntry:
        if not self.files and not self.tables:
            raise ValueError("expected `files`, `tables` or both")
        return self


class LayerEntry(_Entry):
    layer: str = Field(pattern=r"^https?://.*/\d+$")
    file: str
    name: str | None = None
    max_record_count: int = Field(default=1000, ge=1)


class Removal(_Entry):
    """What an earlier night listed and this night no longer does."""

    urls: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    wds: bool = False


class NightEntry(_Entry):
    night: date
    note: str | None = None
    only: bool = False
    urls: tuple[UrlEntry, ...] = ()
    ckan: tuple[CkanEntry, ...] = ()
    wds: tuple[WdsEntry, ...] = ()
    arcgis: tuple[LayerEntry, ...] = ()
    drop: Mapping[str, tuple[FileEntry, ...]] = Field(default_factory=dict)
    remove: Removal = Removal()


class ReplayFile(_Entry):
    title: str | None = None
    nights: tuple[NightEntry, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Listed:
    """An entry together with the night that listed it, which dates it when nothing else does."""

    night: date
    entry: Any


@dataclass(frozen=True)
class Known:
    """All that is listed as of one night."""

    urls: Mapping[str, Listed] = field(default_factory=dict)
    packages: Mapping[tuple[str, str], Listed] = field(default_factory=dict)
    wds: tuple[str, ...] = ()
    tables: tuple[Listed, ...] = ()  # of patterns
    layers: Mapping[str, Listed] = field(default_factory=dict)
    drop: Mapping[str, Listed] = field(default_factory=dict)


def replay_nights(settings: Settings) -> list[date]:
    """The nights of the replay in order. Raises ReplayError when the file is missing or wrong."""
    return [entry.night for entry in load(_replay_file(settings)).nights]


def load(path: Path) -> ReplayFile:
    """The checked contents of a replay.yml. Raises ReplayError that names file, line and field."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReplayError(
            f"{path}: cannot be read ({error.strerror}); name a replay.yml with --replay"
        ) from error
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        value = yaml.load(text, Loader=yaml.CSafeLoader)  # the safe loader, in C
    except yaml.YAMLError as error:
        raise ReplayError(f"{path}: is not YAML: {error}") from error
    try:
        checked = ReplayFile.model_validate(value)
    except ValidationError as error:
        problems = [f"{path}:{_line(root, e['loc'])}: {_where(e['loc'])}: {e['msg']}" for e in error.errors()]
        raise ReplayError("\n".join([*problems, "The format is described in docs/replay.md."])) from error
    for number, (before, after) in enumerate(zip(checked.nights, checked.nights[1:], strict=False)):
        if after.night <= before.night:
            line = _line(root, ("nights", number + 1, "night"))
            raise ReplayError(
                f"{path}:{line}: nights[{number + 1}].night is {after.night}, not after {before.night}; "
                "list the nights in the order in which they ran"
            )
    return checked


class ReplayPortal:
    """Answers from recorded files. Missing files are found when the portal starts, not in the middle of a
    night.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = _replay_file(settings)
        self._root = settings.real_data
        self._replay = load(self._path)
        self._known = _accumulate(self._replay.nights)
        for known in self._known.values():
            for pattern in _patterns(known):
                self._files(pattern)
            for _host, name in known.packages:
                ckan.package_uuid(name)

    def latest_night(self) -> date:
        return self._replay.nights[-1].night

    def missing(self, address: str, night: date) -> Answer:
        message = f"{address} is not in replay for {night}: {self._path.name} does not list it"
        answer = json_answer({"error": message}, status=404)
        return Answer(body=answer.body, status=404, headers={REPLAY_HEADER: "not-listed"})

    def answer(self, ask: Ask) -> Answer | None:
        known = self._as_of(ask.night)
        if known is None:
            return None
        return (
            self._plain(ask, known)
            or self._recorded_package(ask, known)
            or self._package(ask, known)
            or self._layer(ask, known)
            or (self._statcan(ask, known) if ask.host == wds.HOST else None)
        )

    def drops(self, folder: str, night: date) -> Mapping[str, Make] | None:
        known = self._as_of(night)
        listed = known.drop.get(folder) if known else None
        if listed is None:
            return None
        return {
            name: functools.partial(file_answer, path, last_modified=when, name=name)
            for path, name, _format, when in self._named(listed.entry, listed.night, with_suffix=True)
        }

    def _as_of(self, night: date) -> Known | None:
        """What was listed by a night: the latest listed night that is not after it."""
        nights = [entry.night for entry in self._replay.nights if entry.night <= night]
        return self._known[nights[-1]] if nights else None

    # -- plain addresses -------------------------------------------------------------------------------------
    def _plain(self, ask: Ask, known: Known) -> Answer | None:
        if ask.method == "POST":
            return None
        path = ask.path.rstrip("/")
        for url, listed in known.urls.items():
            parts = urlsplit(url)
            if parts.hostname != ask.host or dict(parse_qsl(parts.query)) != dict(ask.query):
                continue
            entry: UrlEntry = listed.entry
            if url.endswith("*"):
                prefix = parts.path[:-1]
                if not ask.path.startswith(prefix):
                    continue
                found = self._below(entry.file[:-1], ask.path[len(prefix) :])
                if found is None:
                    continue
            elif path == parts.path.rstrip("/"):
                found = self._files(entry.file)[0]
            else:
                continue
            when = _moment(entry.last_modified) or _evening(listed.night, 0)
            if entry.envelope == "ckan":
                return ckan.enveloped(ask, found.read_bytes(), last_modified=when)
            return file_answer(found, last_modified=when, media=entry.content_type)
        return None

    def _below(self, folder: str, rest: str) -> Path | None:
        root = (
            (self._root / folder).resolve()
            if folder.endswith("/")
            else (self._root / folder).parent.resolve()
        )
        path = Path(
            f"{self._root / folder}/{rest}" if folder.endswith("/") else f"{self._root / folder}{rest}"
        )
        resolved = path.resolve()
        return resolved if resolved.is_file() and resolved.is_relative_to(root) else None

    # -- CKAN packages ---------------------------------------------------------------------------------------
    def _recorded_package(self, ask: Ask, known: Known) -> Answer | None:
        """The recorded result of the action that is asked for, its bytes untouched."""
        for (host, name), listed in known.packages.items():
            entry: CkanEntry = listed.entry
            if host != ask.host or not entry.recorded:
                continue
            when = _evening(listed.night, 0)
            shown = self._files(entry.recorded)[0].read_bytes()
            action = ckan.action_of(ask)
            asked = ckan.arguments(ask)
            if action == "package_show" and asked.get("id") in (name, json.loads(shown).get("id")):
                return ckan.enveloped(ask, shown, last_modified=when)
            if action == "datastore_search":
                for path in (p for pattern in entry.datastore for p in self._files(pattern)):
                    page = path.read_bytes()
                    content = json.loads(page)
                    if str(asked.get("limit")) == "0" and ckan.answers(content, asked | {"limit": 32_000}):
                        page = json.dumps(content | {"limit": 0, "records": []}).encode()  # only a count
                    elif not ckan.answers(content, asked):
                        continue
                    return ckan.enveloped(ask, page, last_modified=when)
        return None

    def _package(self, ask: Ask, known: Known) -> Answer | None:
        packages = []
        for (host, name), listed in known.packages.items():
            entry: CkanEntry = listed.entry
            if host != ask.host or entry.recorded:
                continue
            resources = tuple(
                ckan.Resource(
                    package=name,
                    name=shown,
                    filename=path.name,
                    format=kind,
                    last_modified=when,
                    content=functools.partial(file_answer, path, last_modified=when),
                )
                for path, shown, kind, when in self._named(entry.resources, listed.night, with_suffix=False)
            )
            packages.append(ckan.Package(name, entry.title or name, resources))
        return ckan.answer(ask, packages) if packages else None

    def _named(
        self, entries: Iterable[FileEntry], night: date, *, with_suffix: bool
    ) -> Iterable[tuple[Path, str, str, datetime]]:
        """(file, name, format, last modified) of each file, in list order where no date is given."""
        position = 0
        for entry in entries:
            for path in self._files(entry.file):
                name = entry.name or (path.name if with_suffix else _stem(path))
                kind = entry.format or path.suffix.lstrip(".").upper() or "BIN"
                yield path, name, kind, _moment(entry.last_modified) or _evening(night, position)
                position += 1

    # -- layers ----------------------------------------------------------------------------------------------
    def _layer(self, ask: Ask, known: Known) -> Answer | None:
        for url, listed in known.layers.items():
            parts = urlsplit(url)
            if parts.hostname != ask.host or not ask.path.startswith(parts.path):
                continue
            entry: LayerEntry = listed.entry
            path = self._files(entry.file)[0]
            stat = path.stat()
            layer = arcgis.Layer(
                host=ask.host,
                path=parts.path,
                name=entry.name or parts.path.strip("/").split("/")[-3],
                collection=functools.partial(_geojson, str(path), stat.st_size, stat.st_mtime_ns),
                max_record_count=entry.max_record_count,
            )
            answer = arcgis.answer(ask, layer)
            if answer is not None:
                return answer
        return None

    # -- Statistics Canada -----------------------------------------------------------------------------------
    def _statcan(self, ask: Ask, known: Known) -> Answer | None:
        tables = self._tables(known)
        found = wds.table_answer(ask, tables) or (self._vectors(ask, known) if known.wds else None)
        action, _, day = ask.path.removeprefix(f"{wds.ROOT}/").strip("/").partition("/")
        if found is None and tables and action == "getChangedCubeList" and day:
            return json_answer(wds.success(wds.changed_on(tables, day)))
        return found

    def _tables(self, known: Known) -> dict[int, wds.Table]:
        """The whole tables that are listed, by product number."""
        tables: dict[int, wds.Table] = {}
        for listed in known.tables:
            for path in self._files(listed.entry):
                found = _ZIP_NAME.match(path.name)
                if not found:
                    continue
                product, language = int(found[1]), found[2]
                cube = _cube(path.with_name(f"{product}.json"), product, listed.night)
                released = _moment(datetime.fromisoformat(str(cube["releaseTime"])))
                zips = dict(tables[product].zips) if product in tables else {}
                zips[language] = functools.partial(file_answer, path, last_modified=released)
                tables[product] = wds.Table(product, cube, zips)
        return tables

    def _vectors(self, ask: Ask, known: Known) -> Answer | None:
        calls = _recorded_calls(tuple(str(p) for pattern in known.wds for p in self._files(pattern)))
        body = ask.json() if ask.method == "POST" else None
        same = [c for c in calls if c.method == ask.method and c.path == ask.path.rstrip("/")]
        for call in reversed(same):
            if call.body == body:
                return json_answer(call.response)
        if not same or ask.method != "POST":
            return None
        items: dict[int, wds.Item] = {}
        for call in same:
            for item in call.response if isinstance(call.response, list) else [call.response]:
                if item.get("status") == "SUCCESS" and isinstance(item.get("object"), dict):
                    items[int(item["object"].get("vectorId") or item["object"].get("productId") or 0)] = item
        action = ask.path.rstrip("/").rsplit("/", 1)[1]
        try:
            if action == "getCubeMetadata" and not any(wds.product_id(each) in items for each in body or ()):
                return None  # a table of which nothing was recorded is not listed
            return json_answer(wds.in_service_order(_assembled(action, body, items)))
        except (ValueError, KeyError, TypeError) as error:
            return json_answer({"status": "FAILED", "object": f"{action}: {error}"}, status=406)

    def _files(self, pattern: str) -> list[Path]:
        """The files that a path or glob below the data folder stands for, sorted. Raises ReplayError when
        none.
        """
        if _is_glob(pattern):
            found = sorted(p for p in self._root.glob(pattern) if p.is_file())
        else:
            found = [self._root / pattern] if (self._root / pattern).is_file() else []
        if not found:
            raise ReplayError(
                f"{self._path}:{_line_of(self._path, pattern)}: no file {pattern!r} below {self._root}; "
                "set CITYPERF_REAL_DATA to the folder that holds the recorded files, or correct the path"
            )
        return found


def _assembled(action: str, body: Any, items: Mapping[int, wds.Item]) -> list[wds.Item]:
    """The answer to a request that was never recorded as such, put together from the items that were."""
    match action:
        case "getDataFromVectorsAndLatestNPeriods":
            return [
                wds.latest_n(items[v], n) if v in items else wds.failed(v) for v, n in wds.requests_for(body)
            ]  # fmt: skip
        case "getBulkVectorDataByRange":
            start, end = str(body["startDataPointReleaseDate"]), str(body["endDataPointReleaseDate"])
            wanted = [wds.vector_id(v) for v in body["vectorIds"]]
            return [
                wds.released_between(items[v], start, end) if v in items else wds.failed(v) for v in wanted
            ]
        case _:
            wanted = [wds.vector_id(e.get("vectorId") or e["productId"]) for e in body]
            return [items.get(v) or wds.failed(v) for v in wanted]


_ZIP_NAME: Final = re.compile(r"^(\d{8})-(eng|fra)\.zip$")


def _cube(path: Path, product: int, night: date) -> dict[str, Any]:
    """A table's recorded metadata; where there is none, a release on the morning of the night that lists it."""
    if not path.is_file():
        return {"productId": str(product), "releaseTime": f"{night.isoformat()}T08:30"}
    recorded: dict[str, Any] = json.loads(path.read_bytes())
    return recorded


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: Any
    response: Any


@functools.lru_cache(maxsize=4)
def _recorded_calls(paths: tuple[str, ...]) -> tuple[_Call, ...]:
    calls = []
    for path in paths:
        recorded = json.loads(Path(path).read_bytes())
        request = recorded["request"]
        body = json.loads(request["body"]) if request.get("body") else None
        response = recorded["response"]
        calls.append(
            _Call(request["method"].upper(), urlsplit(request["uri"]).path.rstrip("/"), body, response)
        )
    return tuple(calls)


@functools.lru_cache(maxsize=2)
def _geojson(path: str, _size: int, _mtime_ns: int) -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(path).read_bytes())
    return loaded


def _accumulate(nights: Iterable[NightEntry]) -> dict[date, Known]:
    """What is listed as of each night: a later one adds to, overrides or removes earlier ones."""
    known: dict[date, Known] = {}
    now = Known()
    for entry in nights:
        before = Known() if entry.only else now
        gone = entry.remove
        urls = {u: v for u, v in before.urls.items() if not _matches(u, gone.urls)}
        packages = {k: v for k, v in before.packages.items() if not _matches(k[1], gone.packages)}
        layers = {u: v for u, v in before.layers.items() if not _matches(u, gone.layers)}
        drop = {f: v for f, v in before.drop.items() if not _matches(f, gone.drop)}
        recorded = () if gone.wds else before.wds
        tables = () if gone.wds else before.tables
        urls |= {e.url: Listed(entry.night, e) for e in entry.urls}
        packages |= {(urlsplit(e.base).hostname or "", e.package): Listed(entry.night, e) for e in entry.ckan}
        layers |= {e.layer: Listed(entry.night, e) for e in entry.arcgis}
        drop |= {folder: Listed(entry.night, files) for folder, files in entry.drop.items()}
        recorded += tuple(pattern for e in entry.wds for pattern in e.files)
        tables += tuple(Listed(entry.night, pattern) for e in entry.wds for pattern in e.tables)
        now = Known(urls, packages, recorded, tables, layers, drop)
        known[entry.night] = now
    return known


def _patterns(known: Known) -> Iterable[str]:
    for listed in known.urls.values():
        if not listed.entry.url.endswith("*"):
            yield listed.entry.file
    for listed in known.packages.values():
        yield from (e.file for e in listed.entry.resources)
        yield from filter(None, [listed.entry.recorded, *listed.entry.datastore])
    yield from known.wds
    yield from (listed.entry for listed in known.tables)
    yield from (listed.entry.file for listed in known.layers.values())
    for listed in known.drop.values():
        yield from (e.file for e in listed.entry)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _is_glob(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _evening(night: date, position: int) -> datetime:
    """List order as time: one second apart on the morning of the night that lists the files."""
    return datetime(night.year, night.month, night.day, tzinfo=UTC) + timedelta(seconds=position)


def _moment(value: datetime | date | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def _replay_file(settings: Settings) -> Path:
    if settings.replay_file is None:
        raise ReplayError("no replay file is named; give --replay FILE or set CITYPERF_REPLAY")
    return settings.replay_file


# -- where in the file an error is ---------------------------------------------------------------------------
_UNION_MEMBERS: Final = re.compile(r"^(function-|datetime|date$|tuple)")


def _where(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _UNION_MEMBERS.match(part):
            text += f".{part}" if text else part
    return text or "the file"


def _line(root: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest node on the way to `loc`."""
    node, line = root, 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, start=1) if text in line), 1)
