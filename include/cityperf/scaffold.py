"""`source new`: from an address to a contract and a staging model for review.

A first contract is guessed that reads everything as text; the source is looked at through it, as it would be at
night; then types, keys and a privacy class are proposed from what came.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations, islice
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml

from cityperf.config import ROOT, Settings
from cityperf.errors import CityperfError
from cityperf.load.header import snake
from cityperf.shape import ROWS, Shape, shape_of
from cityperf.sources import CONTRACTS, Contract, read_contract

PORTALS: Final = {"open.toronto.ca": "https://ckan0.cf.opendata.inter.prod-toronto.ca"}
STAGING: Final = ROOT / "dbt_project" / "models" / "staging"
REFRESH: Final = {  # warn_after, fail_after
    "real_time": ("2 days", "7 days"), "daily": ("4 days", "10 days"), "weekly": ("14 days", "30 days"),
    "monthly": ("45 days", "90 days"), "quarterly": ("120 days", "200 days"),
    "semi_annually": ("220 days", "400 days"), "annually": ("400 days", "800 days"),
    "as_available": ("400 days", "1000 days"),
}  # fmt: skip
LICENCES: Final = {"open-government-licence-toronto": "OGL-Toronto"}
_PERSON: Final = re.compile(
    r"(first|last|full|middle|contact|applicant|owner|client|resident|licen[cs]ee|holder)[ _]?name|e-?mail|phone"
    r"|birth|\bsin\b|health[ _]?card|home[ _]?address|postal|gender|ethnic",
    re.I,
)
_PERSON_VALUE: Final = re.compile(
    r"^[^@\s]+@[^@\s]+\.\w+$|^\(?\d{3}\)?[ -.]\d{3}[ -.]\d{4}$|^[A-Z]\d[A-Z] ?\d[A-Z]\d$"
)
_SMALL_COUNTS: Final = re.compile(r"death|victim|shelter|crime|assault|overdose|homeless|injur|patient", re.I)
_ID: Final = re.compile(r"(^|_)(id|num|number|no|code|key|uuid)$")


class NotUnderstood(CityperfError):
    """The address gave nothing that a contract could be made of."""


@dataclass
class Draft:
    """A data set as far as it is known. `review` holds what a person must look at."""

    dataset: str
    title: str
    owner: str
    connector: str
    arguments: dict[str, Any]
    read: dict[str, Any]
    licence: str | None = None
    refresh: str = "as_available"
    privacy: str = "public"
    partition: dict[str, str] | None = None
    keys: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    columns: list[dict[str, Any]] = field(default_factory=list)
    review: list[str] = field(default_factory=list)

    @property
    def folder(self) -> str:
        return snake(self.owner)[:40]


@dataclass(frozen=True)
class Written:
    """The files of a new data set, and what to look at in them."""

    contract: Path
    staging: Path
    properties: Path
    review: tuple[str, ...]


def draft(settings: Settings, night: date, address: str, dataset: str | None = None) -> Draft:
    """What the address leads to: a CKAN package, a feature layer, a StatCan table, a file, or a file on disk.

    Raises NotUnderstood, SourceUnavailable or SourceRefused.
    """
    found = _locate(settings, night, address)
    if dataset:
        found.dataset = dataset
    with tempfile.TemporaryDirectory(prefix="cityperf-look-") as folder:
        files = _fetch(settings, night, found, address, Path(folder))
        name, path = files[-1]
        _guess_read(found, name, path)
        contract, headers = _as_text(found, name, path)
        shape = shape_of(contract, path, name)
        _propose(found, shape, _rows(contract, path, name), headers)
    return found


def write(found: Draft, contracts: Path = CONTRACTS, staging: Path = STAGING) -> Written:
    """The contract and the staging model on disk. Raises FileExistsError rather than overwrite a contract."""
    contract = contracts / found.folder / f"{found.dataset}.yml"
    model = f"stg_{found.folder}__{found.dataset}"
    sql, properties = staging / found.folder / f"{model}.sql", staging / found.folder / f"{model}.yml"
    for path in (contract, sql, properties):
        if path.exists():
            raise FileExistsError(
                f"{path.name} is there already: choose another name with --name, or edit it"
            )
    for path, text in (
        (contract, contract_text(found)),
        (sql, staging_text(found)),
        (properties, properties_text(found, model)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    read_contract(contract)
    return Written(contract, sql, properties, tuple(found.review))


# -- where it is ---------------------------------------------------------------------------------------------
def _locate(settings: Settings, night: date, address: str) -> Draft:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return _local(Path(address))
    if match := re.search(r"/(?:Feature|Map)Server/\d+", parts.path):
        layer = f"https://{parts.netloc}{parts.path[: match.end()]}"
        name = parts.path[: match.start()].rsplit("/", 1)[-1]
        arguments = {"layer_url": layer, "name": f"{snake(name)}.geojson"}
        return Draft(snake(name)[:47], _words(name), parts.netloc, "arcgis_feature_server", arguments, {})
    query = parse_qs(parts.query)
    slug = query.get("id", [""])[0] if parts.path.endswith("package_show") else ""
    if not slug and (match := re.search(r"/dataset/([^/]+)/?$", parts.path)):
        slug = match[1]
    if slug:
        return _package(settings, night, PORTALS.get(parts.netloc, f"https://{parts.netloc}"), unquote(slug))
    name = unquote(PurePosixPath(parts.path).name) or parts.netloc
    if not PurePosixPath(name).suffix:
        name += f".{query.get('format', ['json'])[0]}"
    plain = f"https://{parts.netloc}{parts.path}{'?' + parts.query if parts.query else ''}"
    return Draft(
        snake(Path(name).stem)[:47], _words(Path(name).stem), parts.netloc, "http_file",
        {"url": plain, "name": name}, {},
    )  # fmt: skip


def _local(path: Path) -> Draft:
    if not path.is_file():
        raise NotUnderstood(
            f"expected an http(s) address or a file, found {str(path)!r}; quote addresses with & or ? in them"
        )
    match, partition = _pattern(path.stem)
    dataset = snake(re.sub(r"\d+", "", path.stem))[:47]
    return Draft(
        dataset, _words(path.stem), "Unknown division", "drop_folder",
        {"folder": dataset, "match": f"{match}.*{re.escape(path.suffix)}$"}, {}, partition=partition,
        review=["owner: say which division hands this file in"],
    )  # fmt: skip


def _package(settings: Settings, night: date, base: str, slug: str) -> Draft:
    from cityperf.extract.connectors.ckan_files import choose
    from cityperf.extract.http import Client

    address = f"{base}/api/3/action/package_show?id={quote(slug)}"
    client = Client(settings, night, (str(urlsplit(base).hostname),))
    try:
        _, answer = client.page(address, what="a CKAN package as JSON")
    finally:
        client.close()
    package = answer.get("result") or {}
    resources = package.get("resources") or []
    candidates = [
        (kind, each)
        for kind in ("csv", "xlsx", "geojson", "json")
        for each in choose(resources, ".", kind)
        if not re.search(r"readme|description|dictionary|metadata", each[0], re.I)
    ]
    if not candidates:
        named = ", ".join(f"{each.get('name')} ({each.get('format')})" for each in resources) or "none"
        raise NotUnderstood(f"expected a CSV, XLSX, JSON or GeoJSON resource in {slug}, found {named}")
    kind, (_, _, resource) = candidates[-1] if candidates[-1][0] == candidates[0][0] else candidates[0]
    match, partition = _pattern(str(resource.get("name") or ""))
    refresh = snake(str(package.get("refresh_rate") or "as available"))
    review = (
        []
        if len(candidates) == 1
        else [f"match: {len(candidates)} resources could be meant; this one is {resource.get('name')!r}"]
    )
    return Draft(
        snake(slug)[:47].rstrip("_"), str(package.get("title") or _words(slug)),
        str(package.get("owner_division") or "Unknown division"), "ckan_files",
        {"base_url": base, "package": slug, "match": match}, {"format": kind},
        licence=LICENCES.get(str(package.get("license_id"))),
        refresh=refresh if refresh in REFRESH else "as_available", partition=partition, review=review,
    )  # fmt: skip


def _pattern(name: str) -> tuple[str, dict[str, str] | None]:
    """A pattern for the name in which a year or month may change, and the partition that it gives.

    A whole date is a delivery's stamp and 'since 2025' a beginning: neither says what period the rows are of.
    """
    stem = re.sub(r"\.\w{2,7}$", "", name)
    found = re.search(r"(?<!\d)(?:19|20)\d\d(?P<month>-(?:0[1-9]|1[0-2]))?(?P<day>[-_]\d\d)?(?!\d)", stem)
    before = re.escape(stem[: found.start()] if found else stem).replace(r"\ ", " ").replace(r"\-", "-")
    if not found or found["day"] or re.search(r"since\W*$", stem[: found.start()], re.I):
        return f"(?i)^{before}", None
    if found["month"]:
        return rf"(?i)^{before}(?P<month>(?:19|20)\d\d-\d\d)", {"from_name": "month", "grain": "month"}
    return rf"(?i)^{before}(?P<year>(?:19|20)\d\d)", {"from_name": "year", "grain": "year"}


def _fetch(
    settings: Settings, night: date, found: Draft, address: str, folder: Path
) -> Sequence[tuple[str, Path]]:
    if found.connector == "drop_folder":
        return [(Path(address).name, Path(address))]
    from cityperf.extract.look import look

    if found.connector == "arcgis_feature_server":
        found.read = {"format": "geojson", "geometry": "drop"}
    files = look(settings, night, _as_contract(found, [{"pattern": ".+", "type": "text"}]), folder)
    if not files:
        raise NotUnderstood(f"expected a file at {address}, found none")
    return files


# -- how to read it ------------------------------------------------------------------------------------------
def _guess_read(found: Draft, name: str, path: Path) -> None:
    with path.open("rb") as handle:
        head = handle.read(1 << 16)
    suffix = PurePosixPath(name).suffix.lower()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if found.read.get("format") == "geojson" or suffix == ".geojson":
        found.read = {"format": "geojson", "geometry": "drop"}
    elif start in (b"{", b"["):
        found.read = {"format": "json", "each": _elements(path)}
    elif suffix in (".xlsx", ".xlsm", ".xls"):
        found.read = {"format": "xlsx"}
    else:
        found.read = {"format": "csv"}
        if head.startswith(b"PK"):
            found.read |= {"inside_zip": True} | _member(path)
        else:
            found.read |= _csv_dialect(head)


def _member(path: Path) -> dict[str, str]:
    """Which file of the archive is meant: the largest, where there are several."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        files = [each for each in archive.infolist() if not each.is_dir()]
    if len(files) == 1:
        return {}
    largest = max(files, key=lambda each: each.file_size).filename
    return {"member": "^" + re.sub(r"\d+", r"\\d+", re.escape(largest)) + "$"}


def _csv_dialect(head: bytes) -> dict[str, Any]:
    import csv

    dialect: dict[str, Any] = {}
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as problem:
        if problem.start < len(head) - 4:  # not just a character cut in two
            dialect["encoding"] = "cp1252"
        text = head.decode("cp1252", "replace")
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t|", key=lambda each: len(next(csv.reader([first], delimiter=each), [])))
    if delimiter != ",":
        dialect["delimiter"] = delimiter
    return dialect


def _elements(path: Path) -> str:
    """Where the longest list of objects stands in a JSON file, as `each` says it."""
    import json

    best: tuple[int, str] = (0, "")

    def walk(value: Any, place: str) -> None:
        nonlocal best
        if isinstance(value, list):
            if value and isinstance(value[0], dict) and len(value) > best[0]:
                best = (len(value), f"{place}[]")
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{place}.{key}" if place else key)

    walk(json.loads(path.read_bytes()), "")
    if not best[0]:
        raise NotUnderstood("expected a list of objects somewhere in the JSON, found none")
    return best[1]


def _as_text(found: Draft, name: str, path: Path) -> tuple[Contract, Mapping[str, str]]:
    """A contract that reads every column of this file as text, and the name of each column in the file."""
    from cityperf.load.readers import open_file

    if found.read["format"] in ("csv", "xlsx"):
        headers: dict[str, str] = {}
        for cell in _header(found, path, name):
            column = snake(cell)
            while column in headers:
                column += "_2"
            headers[column] = cell
        columns = [{"name": column, "header": [cell], "type": "text"} for column, cell in headers.items()]
        contract = _as_contract(found, columns)
        return contract, {**open_file(contract, path, name).new, **headers}
    blind = _as_contract(found, [{"pattern": "(?!)", "type": "text"}])
    return blind, dict(open_file(blind, path, name).new)


def _header(found: Draft, path: Path, name: str) -> list[str]:
    rows = _top(found, path, name)
    if (header := _likely_header(rows)) is None:
        raise NotUnderstood(f"expected a header among the first {len(rows)} rows of {name}, found none")
    return header


def _likely_header(rows: Sequence[Sequence[Any]]) -> list[str] | None:
    """The first row that is nearly as wide as the widest and holds no number: titles above it are narrow."""
    texts = [[" ".join(str(cell or "").split()) for cell in row] for row in rows]
    widest = max((sum(map(bool, row)) for row in texts), default=0)
    for row in texts:
        filled = [cell for cell in row if cell]
        if len(filled) >= max(1, 0.6 * widest) and not any(
            re.fullmatch(r"[-+]?[\d.,]+", cell) for cell in filled
        ):
            return filled
    return None


def _top(found: Draft, path: Path, name: str, rows: int = 30) -> list[list[Any]]:
    if found.read["format"] == "xlsx":
        return _top_of_workbook(found, path, rows)
    import csv

    from cityperf.load.readers.zip import plain_bytes

    contract = _as_contract(found, [{"pattern": ".+", "type": "text"}])
    with plain_bytes(contract, path, name) as (stream, _):
        head = stream.read(1 << 18)
    if found.read.get("inside_zip"):
        found.read |= _csv_dialect(head)
    text = head.decode(found.read.get("encoding", "utf-8"), "replace").lstrip("\ufeff")
    return list(islice(csv.reader(text.splitlines(), delimiter=found.read.get("delimiter", ",")), rows))


def _top_of_workbook(found: Draft, path: Path, rows: int) -> list[list[Any]]:
    """The first rows of the longest sheet; sheets with another header are left out, by name."""
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(str(path))
    sheets = {title: book.get_sheet_by_name(title) for title in book.sheet_names}
    tops = {title: list(islice(sheet.iter_rows(), rows)) for title, sheet in sheets.items() if sheet.height}
    longest = max(tops, key=lambda title: sheets[title].height)
    header = set(_likely_header(tops[longest]) or ())
    alike = [
        title
        for title, top in tops.items()
        if len(header & set(_likely_header(top) or ())) >= 0.8 * len(header)
    ]
    if len(alike) < len(sheets):
        found.read["sheets"] = alike
        others = [title for title in sheets if title not in alike]
        found.review.append(
            f"sheets: {', '.join(others)} have another shape: a contract of their own, or left out"
        )
    return tops[longest]


def _rows(contract: Contract, path: Path, name: str) -> list[list[str | None]]:
    from cityperf.load.readers import BadRow, open_file

    records = islice(open_file(contract, path, name).records(), ROWS)
    return [record.values for record in records if not isinstance(record, BadRow)]


# -- what it holds -------------------------------------------------------------------------------------------
def _propose(found: Draft, shape: Shape, rows: list[list[str | None]], headers: Mapping[str, str]) -> None:
    personal = [
        name for name, values in shape.columns.items() if _looks_personal(headers[name], values.values)
    ]
    for name, values in shape.columns.items():
        if name in personal:
            continue
        address = "path" if found.read["format"] == "json" else "header"
        column: dict[str, Any] = {"name": name if name not in ("id", "_id") else "source_id"}
        column[address] = headers[name] if address == "path" else [headers[name]]
        column["type"] = "text" if values.kind == "integer" and _ID.search(name) else values.kind
        if not values.blank and values.filled:
            column["required"] = True
        found.columns.append(column)
    names = [str(column["name"]) for column in found.columns]
    at = [position for position, name in enumerate(shape.columns) if name not in personal]
    found.keys = _keys(names, [[row[k] for k in at] for row in rows], found.columns)
    for column in found.columns:
        if column.get("required") and column["name"] not in found.keys:
            del column["required"]  # that a column is full today is no promise
    if personal:
        found.ignored = tuple(headers[name] for name in personal)
        found.review.append(
            f"privacy: {', '.join(found.ignored)} may tell of persons and are left out; "
            "if they must come in, the class is person_level and each is `personal: true`"
        )
    if _SMALL_COUNTS.search(f"{found.title} {' '.join(names)}"):
        found.privacy = "counts"
        found.review.append("privacy: counts of people are suppressed where small; say public if none can be")
    if not found.keys:
        found.review.append("keys: no column or pair is unique, so repeats cannot be told")
    if found.licence is None:
        found.review.append("licence: none known, so nothing of it is exported until one is named")
    if shape.bad:
        found.review.append(f"{shape.bad} of {shape.rows} rows could not be read")
    found.review += [f"read: {note}" for note in shape.notes if not note.startswith("not in the contract")]


def _looks_personal(header: str, values: set[str] | None) -> bool:
    if _PERSON.search(header.replace("_", " ")) or _PERSON.search(header):
        return True
    some = list(values or ())[:50]
    return bool(some) and sum(bool(_PERSON_VALUE.match(each.strip())) for each in some) > len(some) / 2


def _keys(
    names: Sequence[str], rows: Sequence[Sequence[str | None]], columns: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """The first column, pair or triple that is full and unique; columns that look like identifiers go first."""
    if len(rows) < 2:
        return ()
    full = [
        k for k, column in enumerate(columns)
        if column.get("required") and column["type"] not in ("numeric", "money", "json") and names[k] != "source_id"
    ][:12]  # fmt: skip
    full.sort(key=lambda k: (not _ID.search(names[k]), k))

    def unique(chosen: tuple[int, ...]) -> bool:
        seen = {tuple(row[k] for k in chosen) for row in rows}
        return len(seen) == len(rows)

    for size in (1, 2, 3):
        for chosen in combinations(full[:6] if size > 1 else full, size):
            if unique(chosen):
                return tuple(names[k] for k in sorted(chosen))
    return ()


# -- texts ---------------------------------------------------------------------------------------------------
def _as_contract(found: Draft, columns: Sequence[Mapping[str, Any]]) -> Contract:
    """The draft as a contract that looks at whatever comes and refuses nothing."""
    content = {
        "dataset": found.dataset, "title": found.title, "description": found.title,
        "owner": {"division": found.owner, "steward": found.owner}, "licence": None,
        "privacy": {"class": "public"}, "tier": 3,
        "extract": {"connector": found.connector, **found.arguments, "read": found.read},
        "schedule": {"refresh": "daily", "warn_after": "1 day", "fail_after": "1 day"},
        "columns": list(columns),
        "drift": {"new_column": "accept", "missing_column": "warn", "type_error": "warn"}, "path": Path(),
    }  # fmt: skip
    return Contract.model_validate(content)


def contract_text(found: Draft) -> str:
    """The contract in the form that reviewed ones have."""
    warn, fail = REFRESH[found.refresh]
    lines = [
        "# Drafted by `source new`: read every line, say in plain words what the data set is, then delete this one.",
        f"dataset: {found.dataset}",
        f"title: {_flow(found.title)}",
        f"description: {_flow(f'{found.title}, as {found.owner} publishes it.')}",
        f"owner: {{division: {_flow(found.owner)}, steward: {_flow(found.owner)}}}",
        f"licence: {found.licence or 'null'}",
        f"privacy: {{class: {found.privacy}}}",
        "tier: 3",
        "extract:",
        f"  connector: {found.connector}",
        *(f"  {key}: {_flow(value)}" for key, value in found.arguments.items()),
        f"  read: {_flow(found.read)}",
    ]
    if found.partition:
        lines.append(f"partition: {_flow(found.partition)}")
    lines.append(f"schedule: {{refresh: {found.refresh}, warn_after: {warn}, fail_after: {fail}}}")
    if found.keys:
        lines.append(f"keys: {_flow(list(found.keys))}")
    if found.ignored:
        lines.append(f"ignored: {_flow(list(found.ignored))}   # may tell of persons")
    lines += ["columns:", *(f"  - {_flow(column)}" for column in found.columns)]
    lines.append("drift: {new_column: warn, missing_column: quarantine_file, type_error: quarantine_row}")
    return "\n".join(lines) + "\n"


_CASTS: Final = {
    "integer": "{0}::integer as {0}", "numeric": "{0}::numeric as {0}", "date": "left({0}, 10)::date as {0}",
    "timestamp": "{0}::timestamp as {0}", "boolean": "{0}::boolean as {0}",
    "money": "{{{{ to_money('{0}') }}}} as {0}", "text": "{{{{ clean_text('{0}') }}}} as {0}",
}  # fmt: skip


def staging_text(found: Draft) -> str:
    """A staging model: what stands now, typed, under clear names."""
    source = (
        f"{{{{ current_delivery('{found.dataset}', {list(found.keys)!r}) }}}}"
        if found.keys and not found.partition
        else f"select * from {{{{ source('raw', '{found.dataset}') }}}}"  # noqa: S608 - a name that was checked
    )
    lines = []
    for column in found.columns:
        name = str(column["name"])
        key = name in found.keys and column["type"] == "text"
        lines.append(name if key else _CASTS.get(column["type"], "{0}").format(name))
    fields = ",\n    ".join([*lines, "_file_id", "_row", "_night"])
    return f"with source as (\n    {source}\n)\n\nselect\n    {fields}\nfrom source\n"


def properties_text(found: Draft, model: str) -> str:
    """The model's description, tests and columns."""
    columns = [
        f"      - {{name: {column['name']}, data_type: {_SQL_TYPES.get(column['type'], column['type'])}, "
        f"description: {_flow(_words(str(column['name'])) + '.')}}}"
        for column in found.columns
    ]
    tests = [
        "    data_tests:",
        f"      - grain: {{arguments: {{columns: {_flow(list(found.keys))}}}}}",
    ]
    lines = [
        "models:",
        f"  - name: {model}",
        f"    description: {_flow(f'One row per {_row_name(found)} of {found.title}.')}",
        "    config:",
        f"      tags: [{found.folder}]",
        f"      meta: {{owner: {_flow(found.owner)}, dataset: {found.dataset}}}",
        *(tests if found.keys and not found.partition else []),
        "    columns:",
        *columns,
        "      - {name: _file_id, data_type: bigint, description: Landed file.}",
        "      - {name: _row, data_type: bigint, description: Record number in the file.}",
        "      - {name: _night, data_type: date, description: Night of delivery.}",
    ]
    return "\n".join(lines) + "\n"


_SQL_TYPES: Final = {"money": "numeric", "json": "text"}


def _row_name(found: Draft) -> str:
    return " and ".join(_words(key).lower() for key in found.keys) or "record"


def _words(name: str) -> str:
    text = " ".join(re.sub(r"[_\-.]+", " ", name).split())
    return text[:1].upper() + text[1:]


def _flow(value: Any) -> str:
    """One line of YAML."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("...").strip()
