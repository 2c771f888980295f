"""Data sets whose contract carries a `sample` section: rows drawn by its recipe, served as its connector asks.

Each period is drawn from a stream of its own and each column from another, so a new night never changes an
older row and a new column never changes another column. Recipes are described in `cityperf.recipe`.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import numpy as np

from cityperf.portal import arcgis
from cityperf.portal.answers import Answer, Ask, Make, file_answer
from cityperf.portal.ckan import Package, Resource, with_copies
from cityperf.portal.sample import workbook
from cityperf.portal.sample.shapes import shapes
from cityperf.portal.sample.world import World, at, first_of_month, table
from cityperf.recipe import Recipe, Sample
from cityperf.sources import Column, Contract, load_contracts

_BASE: Final = 2021  # the year in which trends start from one
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
_CKAN: Final = ("ckan_files", "ckan_datastore")

Row = dict[str, Any]


@dataclass(frozen=True)
class Period:
    """The days from `first` to before `end`."""

    first: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.first).days


# -- what is served where ------------------------------------------------------------------------------------
@functools.lru_cache(maxsize=1)
def _cooked() -> tuple[Contract, ...]:
    return tuple(each for each in load_contracts().values() if each.sample)


def packages(world: World, host: str, night: date) -> Iterator[Package]:
    """The CKAN packages of a host that recipes fill."""
    grouped: defaultdict[str, list[Contract]] = defaultdict(list)
    for contract in _cooked():
        arguments = contract.extract.arguments
        if contract.extract.connector in _CKAN and urlsplit(arguments["base_url"]).netloc == host:
            grouped[arguments["package"]].append(contract)
    for name, contracts in grouped.items():
        resources = [each for contract in contracts for each in _resources(world, contract, night)]
        fields = {
            "owner_division": contracts[0].owner.division,
            "refresh_rate": contracts[0].schedule.refresh.replace("_", "-").capitalize(),
            "excerpt": "SAMPLE rows in the shape of the published table.",
            "notes": "SAMPLE data made by the portal: every row is invented.",
        }
        yield Package(name, contracts[0].title, tuple(resources), fields)


def answer(world: World, ask: Ask) -> Answer | None:
    """The answer at a plain address or a feature layer; None when no recipe is served there."""
    for contract in _cooked():
        arguments = contract.extract.arguments
        if contract.extract.connector == "arcgis_feature_server":
            parts = urlsplit(arguments["layer_url"])
            layer = arcgis.Layer(
                host=parts.netloc,
                path=parts.path.rstrip("/"),
                name=contract.dataset,
                collection=functools.partial(_collection, world, contract, ask.night),
            )
            if (found := arcgis.answer(ask, layer)) is not None:
                return found
        elif contract.extract.connector == "http_file" and "url" in arguments:
            parts = urlsplit(arguments["url"])
            if (parts.netloc, unquote(parts.path)) == (ask.host, ask.path):
                return published(world, contract, ask.night)
    return None


def drops(world: World, folder: str, night: date) -> Mapping[str, Make] | None:
    """The files of a drop folder; None when no recipe fills it."""
    found: dict[str, Make] = {}
    for contract in _cooked():
        if contract.extract.connector == "drop_folder" and contract.extract.arguments["folder"] == folder:
            for file in files(contract, night):
                found[file] = functools.partial(published, world, contract, night, file)
    return found or None


def _resources(world: World, contract: Contract, night: date) -> Iterator[Resource]:
    sample = sample_of(contract)
    package = contract.extract.arguments["package"]
    for file, shown in files(contract, night).items():
        resource = Resource(
            package,
            Path(file).stem,
            file,
            Path(file).suffix[1:].upper(),
            _modified(sample, shown, night),
            functools.partial(published, world, contract, night, file),
            datastore=contract.extract.connector == "ckan_datastore",
            types={header: _CKAN_TYPES.get(c.type, "text") for c, header, _ in _fields(contract)},
        )
        yield from with_copies(resource) if resource.datastore else (resource,)


_CKAN_TYPES: Final = {"integer": "int4", "numeric": "float8", "date": "date", "timestamp": "timestamp"}


# -- files ---------------------------------------------------------------------------------------------------
def published(world: World, contract: Contract, night: date, file: str | None = None) -> Answer:
    """One of the data set's files as it stands on a night; the only one if it is not named."""
    sample = sample_of(contract)
    there = files(contract, night)
    file = file or next(iter(there))
    shown = there[file]
    changing = any(recipe.date and recipe.days[1] for recipe in sample.columns.values())
    stamp = night if changing else shown[-1].first if shown else night
    digest = hashlib.sha256(contract.model_dump_json().encode()).hexdigest()[:8]

    def write(path: Path) -> None:
        rows = _rows(world, contract, shown, night)
        _WRITERS[_format(contract)](path, contract, rows, _modified(sample, shown, night), file)

    cached = world.cache.file(f"recipes/{contract.dataset}/{digest}-{stamp}-{file}", write)
    return file_answer(cached, last_modified=_modified(sample, shown, night), name=file)


def files(contract: Contract, night: date) -> dict[str, list[Period]]:
    """The names of the data set's files on a night and the periods that each holds, the oldest first."""
    sample = sample_of(contract)
    found: dict[str, list[Period]] = {}
    for period in periods(sample, night):
        found.setdefault(_file_name(contract, period.first), []).append(period)
    return found or {_file_name(contract, sample.since): []}


def _file_name(contract: Contract, first: date) -> str:
    """The file in which the period that begins on `first` stands."""
    sample, read = sample_of(contract), contract.extract.read
    suffix = ".zip" if read.inside_zip else f".{_format(contract)}"
    name = sample.file or contract.dataset
    if not isinstance(name, str):
        name = name[max((start for start in name if start <= first), default=min(name))]
    name = name.format(year=first.year, month=f"{first.month:02d}")
    return name if Path(name).suffix == suffix else name + suffix


def _format(contract: Contract) -> str:
    kind = contract.extract.read.format
    return "csv" if kind == "auto" or contract.extract.connector == "ckan_datastore" else kind


def _write_csv(path: Path, contract: Contract, rows: Iterable[Row], when: datetime, file: str) -> None:
    read = contract.extract.read
    encoding = "utf-8" if contract.extract.connector == "ckan_datastore" else read.encoding

    def write(binary: Any) -> None:
        with io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="") as text:
            writer = csv.writer(text, delimiter=read.delimiter, lineterminator="\r\n")
            writer.writerows(sample_of(contract).above)
            headers = [header for _, header, _ in _fields(contract)]
            writer.writerow(headers)
            writer.writerows([row[header] for header in headers] for row in rows)

    if not read.inside_zip:
        with path.open("wb") as handle:
            write(handle)
        return
    member = zipfile.ZipInfo(f"{Path(file).stem}.csv", (when.year, when.month, when.day, 12, 0, 0))
    member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    with zipfile.ZipFile(path, "w", compresslevel=3) as archive, archive.open(member, "w") as inner:
        write(inner)


def _write_xlsx(path: Path, contract: Contract, rows: Iterable[Row], when: datetime, _file: str) -> None:
    sample = sample_of(contract)
    headers = [header for _, header, _ in _fields(contract)]

    def cells() -> Iterator[Sequence[workbook.Cell]]:
        yield from sample.above
        yield headers
        for row in rows:
            yield [None if row[header] is None else row[header] for header in headers]

    workbook.write(path, [(sample.sheet, cells())], when)


def _write_json(path: Path, contract: Contract, rows: Iterable[Row], _when: datetime, _file: str) -> None:
    *outer, inner = (contract.extract.read.each or "[]").split("[]")[:-1]
    elements: list[Any] = []
    for row in rows:
        element = _nested(contract, row, parent=False)
        if outer:  # one child for each parent
            element = _inside(inner, [element]) | _nested(contract, row, parent=True)
        elements.append(element)
    path.write_text(json.dumps(_inside(outer[0] if outer else inner, elements), ensure_ascii=False), "utf-8")


def _inside(place: str, body: Any) -> Any:
    """`body` below the keys of a dotted place."""
    for key in reversed([part for part in place.split(".") if part]):
        body = {key: body}
    return body


def _nested(contract: Contract, row: Row, *, parent: bool) -> dict[str, Any]:
    """The row's own fields as an object, or those of its parent; a column of type json holds JSON."""
    element: dict[str, Any] = {}
    for column, header, _ in _fields(contract):
        if header.startswith("parent.") != parent:
            continue
        inside = element
        *above, last = header.removeprefix("parent.").split(".")
        for name in above:
            inside = inside.setdefault(name, {})
        value = row[header]
        inside[last] = json.loads(value) if column.type == "json" and isinstance(value, str) else value
    return element


def _collection(world: World, contract: Contract, night: date) -> Mapping[str, Any]:
    digest = hashlib.sha256(contract.model_dump_json().encode()).hexdigest()
    return _features(world, contract.dataset, night, digest)


@functools.lru_cache(maxsize=4)
def _features(world: World, dataset: str, night: date, _digest: str) -> Mapping[str, Any]:
    """A layer: every row a point near the middle of a neighbourhood; the areas of a table of places, whose contract keeps
    their geometry, a polygon each."""
    contract = next(each for each in _cooked() if each.dataset == dataset)
    sample, places = sample_of(contract), table("neighbourhoods_158")
    drawn = shapes(sample.place) if sample.place and contract.extract.read.geometry == "keep" else ()
    features = []
    for number, row in enumerate(_rows(world, contract, periods(sample, night), night), start=1):
        place = places[int(world.unit(contract.dataset, "place", number) * len(places))]
        point = [
            round(float(place["longitude"]) + 0.01 * world.bell(contract.dataset, "x", number), 6),
            round(float(place["latitude"]) + 0.01 * world.bell(contract.dataset, "y", number), 6),
        ]
        identity = {} if any(name.startswith("OBJECTID") for name in row) else {"OBJECTID": number}
        features.append(
            {
                "type": "Feature",
                "id": number,
                "properties": identity | row,
                "geometry": drawn[number - 1] if drawn else {"type": "Point", "coordinates": point},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _write_geojson(path: Path, contract: Contract, rows: Iterable[Row], _when: datetime, _file: str) -> None:
    features = [{"type": "Feature", "properties": row, "geometry": None} for row in rows]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")


_WRITERS: Final = {"csv": _write_csv, "xlsx": _write_xlsx, "json": _write_json, "geojson": _write_geojson}


# -- periods -------------------------------------------------------------------------------------------------
def periods(sample: Sample, night: date) -> list[Period]:
    """The periods that are out by the night, the oldest first."""
    if sample.grain == "none":
        return [Period(sample.since, sample.since + timedelta(days=365))]
    found = []
    first = _start(sample)
    while True:
        end = _next(sample.grain, first)
        if end + timedelta(days=sample.lag) > night:
            break
        found.append(Period(first, end))
        first = end
    return found[-sample.last :] if sample.last else found


def _start(sample: Sample) -> date:
    if sample.grain in ("day", "week"):
        return sample.since
    if sample.grain == "year":
        return date(sample.since.year, 1, 1)
    return date(sample.since.year, sample.since.month, 1)


def _next(grain: str, first: date) -> date:
    if grain in _MONTHS:
        return first_of_month(first.year, first.month + _MONTHS[grain])
    return first + timedelta(days=7 if grain == "week" else 1)


def _modified(sample: Sample, shown: Sequence[Period], night: date) -> datetime:
    if sample.grain == "none" or not shown:
        return at(sample.since)
    return at(min(night, shown[-1].end + timedelta(days=sample.lag)))


# -- rows ----------------------------------------------------------------------------------------------------
def _rows(world: World, contract: Contract, shown: Sequence[Period], night: date) -> Iterator[Row]:
    for period in shown:
        yield from _draw(world, contract, period, night)


def _draw(world: World, contract: Contract, period: Period, night: date) -> Iterator[Row]:
    """The rows of one period, in order of their moment."""
    sample, dataset = sample_of(contract), contract.dataset
    rng = world.rng(dataset, "rows", period.first)
    if sample.rows is not None:
        size = world.count(sample.rows * growth(sample.trend, sample.season, period))
        members = np.arange(size)
        seconds = np.sort(rng.integers(0, max(1, period.days) * 86_400, size))
        groups = np.repeat(members, rng.integers(sample.group[0], sample.group[1] + 1, size))[:size]
        seconds = seconds[groups]
    else:
        total = len(table(sample.place)) if sample.place else sample.members or 1
        members = np.flatnonzero(rng.random(total) < sample.present)
        groups = np.arange(len(members))
        seconds = np.zeros(len(members), dtype=int)
    drawing = _Drawing(world, contract, period, night, members, groups, seconds)
    fields = list(_fields(contract))
    columns = [drawing.values(header, recipe) for _, header, recipe in fields]
    headers = [header for _, header, _ in fields]
    for values in zip(*columns, strict=True):
        yield dict(zip(headers, values, strict=True))


class _Drawing:
    """One period's rows while their columns are drawn."""

    def __init__(
        self,
        world: World,
        contract: Contract,
        period: Period,
        night: date,
        members: Any,
        groups: Any,
        seconds: Any,
    ) -> None:
        self.world, self.contract, self.period, self.night = world, contract, period, night
        self.sample = sample_of(contract)
        self.members, self.seconds, self.size = members, seconds, len(members)
        self.groups = groups
        self.parts = np.arange(len(groups)) - np.searchsorted(groups, groups)  # row within its group, from 0
        self._plain: dict[str, list[Any]] = {}
        self._places: dict[str, Any] = {}
        self._recipes = {header: recipe for _, header, recipe in _fields(contract)}
        self._headers = {str(c.name): header for c, header, _ in _fields(contract) if c.name}

    def values(self, header: str, recipe: Recipe) -> list[Any]:
        """The column's values as they stand in the file: text, or numbers where the file has numbers."""
        plain = self.plain(header)
        if recipe.show:
            plain = [None if each is None else recipe.show.format(each) for each in plain]
        if recipe.blank:
            kept = self._rng(header, "blank").random(self.size) >= recipe.blank
            plain = [each if keep else None for each, keep in zip(plain, kept, strict=True)]
        for other, wanted in recipe.when.items():
            plain = [
                each if seen in wanted else None for each, seen in zip(plain, self.plain(other), strict=True)
            ]
        return plain

    def plain(self, name: str) -> list[Any]:
        header = self._headers.get(name, name)
        if header not in self._plain:
            self._plain[header] = self._make(header, self._recipes[header])
        return self._plain[header]

    def _rng(self, header: str, *labels: object) -> np.random.Generator:
        return self.world.rng(self.contract.dataset, header, self.period.first, *labels)

    def _spread(self, header: str, recipe: Recipe, draw: Any) -> list[Any]:
        """`draw(rng, n)` once a row, once a member (the same in every period) or once a period."""
        if recipe.by == "member":
            total = int(self.members.max()) + 1 if self.size else 0
            drawn = draw(self.world.rng(self.contract.dataset, header, "member"), total)
            return [drawn[member] for member in self.members]
        if recipe.by == "period":
            return list(draw(self._rng(header), 1)) * self.size
        if recipe.by == "group":
            drawn = list(draw(self._rng(header), self.size))
            return [drawn[group] for group in self.groups]
        return list(draw(self._rng(header), self.size))

    def _make(self, header: str, recipe: Recipe) -> list[Any]:
        if recipe.one_of is not None:
            names = list(recipe.one_of)
            share = np.array(list(recipe.one_of.values()))
            share = np.cumsum(share / share.sum())
            return self._spread(
                header,
                recipe,
                lambda rng, n: [names[k] for k in np.searchsorted(share, rng.random(n), "right")],
            )
        if recipe.number is not None:
            return self._numbers(header, recipe, *recipe.number)
        if recipe.count is not None:
            mean = recipe.count * growth(recipe.trend, recipe.season, self.period)
            means = np.full(self.size, mean)
            if self.sample.rows is None and self.size:
                sizes = self.world.rng(self.contract.dataset, header, "size")
                means *= sizes.lognormal(0, 0.5, int(self.members.max()) + 1)[self.members]
            return [int(each) for each in self._rng(header).poisson(means)]
        if recipe.part is not None:
            low, high = recipe.part.between
            share = self._rng(header).uniform(low, high, self.size)
            return [
                None if whole is None else rounded(whole * s, recipe.decimals)
                for whole, s in zip(self.plain(recipe.part.of), share, strict=True)
            ]
        if recipe.same is not None:
            return self.plain(recipe.same)
        if recipe.nth is not None:
            order = self.members if self.sample.rows is None else self.parts
            return [recipe.nth[number % len(recipe.nth)] for number in order]
        if recipe.sum is not None:
            terms = [(self.plain(name), factor) for name, factor in recipe.sum.items()]
            return [
                rounded(sum((values[n] or 0) * factor for values, factor in terms), recipe.decimals)
                for n in range(self.size)
            ]
        if recipe.percent is not None:
            some, every = (self.plain(name) for name in recipe.percent)
            return [
                rounded(100 * a / b, recipe.decimals) if a is not None and b else None
                for a, b in zip(some, every, strict=True)
            ]
        if recipe.place is not None:
            return self._place(recipe.place)
        if recipe.text is not None:
            return [self._text(header, recipe.text, n) for n in range(self.size)]
        return self._moments(header, recipe)

    def _numbers(self, header: str, recipe: Recipe, low: float, high: float) -> list[Any]:
        drift = growth(recipe.trend, recipe.season, self.period)

        def draw(rng: np.random.Generator, n: int) -> list[float]:
            if recipe.shape == "log":
                return list(np.exp(rng.uniform(np.log(max(low, 1e-9)), np.log(high), n)))
            return list(rng.uniform(low, high, n))

        return [rounded(each * drift, recipe.decimals) for each in self._spread(header, recipe, draw)]

    def _place(self, place: str) -> list[Any]:
        name, column = place.split(".")
        rows = table(name)
        if name not in self._places:
            if name == self.sample.place:
                self._places[name] = self.members
            else:
                places = self.world.rng(self.contract.dataset, "place", name, self.period.first)
                self._places[name] = places.integers(0, len(rows), self.size)[self.groups]
        return [rows[int(k)][column] for k in self._places[name]]

    def _moments(self, header: str, recipe: Recipe) -> list[Any]:
        low, high = recipe.days
        rng = self._rng(header)
        plus = rng.integers(low, high + 1, self.size) * 86_400
        plus += rng.integers(recipe.seconds[0], recipe.seconds[1] + 1, self.size)
        if recipe.by == "group":
            plus = plus[self.groups]
        start = datetime.combine(self.period.first, time(), UTC)
        found: list[Any] = []
        for seconds, later in zip(self.seconds, plus, strict=True):
            moment = start + timedelta(seconds=int(seconds + later))
            if high and moment.date() >= self.night and not recipe.ahead:
                found.append(None)
            elif recipe.epoch:
                found.append(int(moment.timestamp()) * 1000)
            else:
                found.append(moment.strftime(recipe.date or ""))
        return found

    def _text(self, header: str, form: str, number: int) -> str:
        day = self.period.first + timedelta(seconds=int(self.seconds[number]))
        member = int(self.members[number]) + 1
        digits = ""
        if "{hex" in form:
            label = f"{self.world.seed}/{self.contract.dataset}/{header}/{self.period.first}/{number}"
            digits = hashlib.blake2b(label.encode(), digest_size=8).hexdigest()
        return form.format(
            i=number + 1,
            member=member,
            group=int(self.groups[number]) + 1,
            part=int(self.parts[number]) + 1,
            year=day.year,
            yy=f"{day.year % 100:02d}",
            quarter=(day.month + 2) // 3,
            month=day.month,
            day=day,
            hex=digits,
        )


def growth(trend: float, season: float, period: Period) -> float:
    """Growth since 2021 and a yearly wave that peaks in July."""
    years = (period.first - date(_BASE, 1, 1)).days / 365.25
    middle = period.first + (period.end - period.first) / 2
    wave = 1 + season * np.cos(2 * np.pi * (middle.timetuple().tm_yday - 196) / 365.25)
    return float((1 + trend) ** years * wave)


def rounded(value: float, decimals: int) -> float | int:
    return round(float(value), decimals) if decimals else round(float(value))


def sample_of(contract: Contract) -> Sample:
    """The contract's recipe. Raises ValueError for a data set without one."""
    if contract.sample is None:
        raise ValueError(f"{contract.dataset} has no `sample` section to draw from")
    return contract.sample


def _fields(contract: Contract) -> Iterator[tuple[Column, str, Recipe]]:
    """(column, name in the file, recipe) in the file's order, which is the recipe's."""
    by_name = {str(column.name): column for column in contract.columns if column.name}
    patterns = [column for column in contract.columns if column.pattern]
    for name, recipe in sample_of(contract).columns.items():
        column = by_name.get(name)
        if column is None:
            matching = next(c for c in patterns if re.search(c.pattern or "", name))
            yield matching, name, recipe
        else:
            yield column, column.header[0] if column.header else column.path or name, recipe
