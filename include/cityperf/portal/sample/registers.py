"""Workbooks that divisions hand in: the sheets of every register that shares a drop folder, drawn by recipe.

A register's rows live: each comes on a day of its own, moves along the statuses that its contract calls `forward`,
and is gone some day; numbers are not used again. What a hand-in says follows from seed, division and date alone, so a
new night never changes an older file.
"""

from __future__ import annotations

import functools
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from cityperf.handin import division_key, register_of, sheet_name
from cityperf.portal.answers import Answer, Make, file_answer
from cityperf.portal.sample import workbook
from cityperf.portal.sample.recipes import Period, growth, periods, rounded, sample_of
from cityperf.portal.sample.world import World, at, first_of_month, table
from cityperf.recipe import Recipe
from cityperf.sources import Column, Contract, load_contracts

_PACE: Final = (0.3, 1.7)  # how fast a row moves along its statuses; a slow one is gone before the last

_YEARS: Final = 20  # that rows are numbered for in advance


@dataclass(frozen=True)
class Member:
    """The `number`th row that a division ever entered, there from `born` to before `gone`."""

    number: int
    born: date
    gone: date

    def there(self, day: date) -> bool:
        return self.born <= day < self.gone


# -- files ---------------------------------------------------------------------------------------------------
def drops(world: World, folder: str, night: date) -> Mapping[str, Make] | None:
    """The hand-ins that lie in a folder by a night; None when no register with a recipe is handed in there."""
    sheets = [each for each in _registers().values() if each.extract.arguments["folder"] == folder]
    if not sheets:
        return None
    found: dict[str, Make] = {}
    for first in sheets:
        for division in divisions(first):
            for period in periods(sample_of(first), night):
                day = as_of(period)
                name = f"{folder}_{division_key(division)}_{day}.xlsx"
                found.setdefault(name, functools.partial(_workbook, world, name, division, period, sheets))
    return found


def divisions(contract: Contract) -> tuple[str, ...]:
    """Who hands the register in."""
    return register_of(contract).divisions or (contract.owner.division,)


def as_of(period: Period) -> date:
    """The day up to which the hand-in of a period reflects progress: the period's last."""
    return period.end - timedelta(days=1)


def _workbook(world: World, name: str, division: str, period: Period, sheets: list[Contract]) -> Answer:
    mine = [each for each in sheets if division in divisions(each)]
    when = at(max(period.end + timedelta(days=sample_of(each).lag) for each in mine))
    said = "".join(each.model_dump_json() for each in mine)
    digest = hashlib.sha256(said.encode()).hexdigest()[:8]

    def write(path: Path) -> None:
        pages = [(sheet_name(each), list(_sheet(world, each, division, as_of(period)))) for each in mine]
        notes: list[tuple[workbook.Cell, ...]] = [("SAMPLE: invented by the portal.",)]
        workbook.write(path, [*pages, ("Notes", notes)], when)

    return file_answer(world.cache.file(f"registers/{digest}/{name}", write), last_modified=when, name=name)


def _sheet(world: World, contract: Contract, division: str, day: date) -> Iterator[tuple[workbook.Cell, ...]]:
    """Title block, header and rows, as the template lays them out."""
    register = register_of(contract)
    told: dict[str, workbook.Cell] = {
        "division": division,
        "as_of": day,
        "template": f"{contract.extract.arguments['folder']} v{register.version}",
    }
    yield (register.title.en,)
    for column in contract.named_columns:
        if column.above and column.name in told:
            yield column.above, told[str(column.name)]
    yield ()
    columns = [each for each in contract.named_columns if not each.above]
    yield tuple(_header(each) for each in columns)
    for row in rows(world, contract, division, day):
        yield tuple(row[str(each.name)] for each in columns)


def _header(column: Column) -> str:
    return column.header[0] if column.header else str(column.name)


# -- rows ----------------------------------------------------------------------------------------------------
def rows(world: World, contract: Contract, division: str, day: date) -> Iterator[dict[str, workbook.Cell]]:
    """The register's rows as a division states them as of a day, by column."""
    sample = sample_of(contract)
    for member in _alive(world, contract, division, day):
        if not _stands(world, contract, division, member, day):
            continue
        for month in _months(sample.months, day) if sample.months else (None,):
            if month is None or month >= member.born:
                row = _Row(world, contract, division, member, day, month)
                yield {str(c.name): row.cell(c) for c in contract.named_columns if not c.above}


def members(world: World, contract: Contract, division: str) -> tuple[Member, ...]:
    """All rows that a division ever enters, past and to come."""
    sample = sample_of(contract)
    if sample.members:
        return tuple(Member(n, sample.since, date.max) for n in range(1, sample.members + 1))
    return _population(world, contract.dataset, division, sample.since, sample.rows or 1, sample.life)


@functools.lru_cache(maxsize=512)
def _population(
    world: World, dataset: str, division: str, since: date, rows: int, life: tuple[int, int]
) -> tuple[Member, ...]:
    """A row every so many days, so that about `rows` stand at any time from `since` on."""
    low, high = life
    apart = (low + high) / 2 / rows
    first = since - timedelta(days=high)
    found = []
    for number in range(1, round(365 * _YEARS / apart)):
        born = first + timedelta(days=int((number + world.unit(dataset, division, "born", number)) * apart))
        lives = low + int(world.unit(dataset, division, "life", number) * (high - low))
        found.append(Member(number, born, born + timedelta(days=lives)))
    return tuple(found)


def _alive(world: World, contract: Contract, division: str, day: date) -> list[Member]:
    there = members(world, contract, division)
    begin = bisect_left(there, day - timedelta(days=sample_of(contract).life[1]), key=lambda each: each.born)
    begin = 0 if sample_of(contract).members else begin
    end = bisect_right(there, day, key=lambda each: each.born)
    return [each for each in there[begin:end] if each.there(day)]


def _stands(world: World, contract: Contract, division: str, member: Member, day: date) -> bool:
    """Whether the row is in the hand-in of a day: it lives, and so do the rows that it belongs to."""
    if not member.there(day):
        return False
    for link in register_of(contract).links:
        if link.dataset in _registers() and link.column not in sample_of(contract).columns:
            parent = _parent(world, link.dataset, division, member)
            if parent is None or not _stands(world, _registers()[link.dataset], division, parent, day):
                return False
    return True


@functools.lru_cache(maxsize=1 << 16)
def _parent(world: World, dataset: str, division: str, child: Member) -> Member | None:
    """The row of another register that a row belongs to all its life: one that was there when it came."""
    there = _alive(world, _registers()[dataset], division, child.born)
    return there[(child.number - 1) % len(there)] if there else None


def _months(number: int, day: date) -> Iterator[date]:
    """The first days of the last so many whole months by the end of `day`, the oldest first."""
    after = day + timedelta(days=1)
    for back in range(number, 0, -1):
        yield first_of_month(after.year, after.month - back)


class _Row:
    """One row of one hand-in while its columns are drawn."""

    def __init__(
        self, world: World, contract: Contract, division: str, member: Member, day: date, month: date | None
    ) -> None:
        self.world, self.contract, self.division, self.member = world, contract, division, member
        self.day, self.month = day, month
        self.moment = month or member.born
        self._plain: dict[str, Any] = {}
        self._columns = {str(each.name): each for each in contract.named_columns}

    def cell(self, column: Column) -> workbook.Cell:
        """What stands in the column's cell; None leaves it empty."""
        name = str(column.name)
        recipe, value = self._recipe(name), self.plain(name)
        if recipe is None or value is None:
            return self._written(column, value)
        if recipe.blank and self.world.unit(*self._labels(name, recipe), "blank") < recipe.blank:
            return None
        if any(str(self.plain(other)) not in wanted for other, wanted in recipe.when.items()):
            return None
        return self._written(column, recipe.show.format(value) if recipe.show else value)

    def plain(self, name: str) -> Any:
        """The column's value before anything is left blank."""
        if name not in self._plain:
            recipe = self._recipe(name)
            self._plain[name] = self._linked(name) if recipe is None else self._made(name, recipe)
        return self._plain[name]

    def _recipe(self, name: str) -> Recipe | None:
        return sample_of(self.contract).columns.get(name)

    @staticmethod
    def _written(column: Column, value: Any) -> workbook.Cell:
        if isinstance(value, date) and column.type != "date":
            return value.isoformat()
        cell: workbook.Cell = value
        return cell

    def _labels(self, name: str, recipe: Recipe) -> tuple[object, ...]:
        """What a draw depends on: the row, its month, and with `by: period` the hand-in."""
        labels: tuple[object, ...] = (self.contract.dataset, self.division, name, self.member.number)
        if self.month and recipe.by != "member":
            labels += (self.month,)
        return (*labels, self.day) if recipe.by == "period" else labels

    def _made(self, name: str, recipe: Recipe) -> Any:
        register = register_of(self.contract)
        if register.status and name == register.status.column and recipe.one_of:
            return self._status(recipe)
        if recipe.reached is not None:
            return self._reached(name, recipe)
        if recipe.same is not None:
            return self.plain(recipe.same)
        if recipe.nth is not None:
            return recipe.nth[(self.member.number - 1) % len(recipe.nth)]
        if recipe.sum is not None:
            total = sum((self.plain(other) or 0) * factor for other, factor in recipe.sum.items())
            return rounded(total, recipe.decimals)
        if recipe.percent is not None:
            some, every = (self.plain(other) for other in recipe.percent)
            return rounded(100 * some / every, recipe.decimals) if some is not None and every else None
        if recipe.text is not None:
            return self._text(recipe.text)
        return self._drawn(name, recipe, self.world.rng(*self._labels(name, recipe)))

    def _drawn(self, name: str, recipe: Recipe, rng: np.random.Generator) -> Any:
        if recipe.one_of is not None:
            share = np.cumsum(list(recipe.one_of.values()))
            return list(recipe.one_of)[int(np.searchsorted(share / share[-1], rng.random(), "right"))]
        if recipe.part is not None:
            whole = self.plain(recipe.part.of)
            part = float(rng.uniform(*recipe.part.between))
            return None if whole is None else rounded(whole * part, recipe.decimals)
        if recipe.place is not None:
            places, column = recipe.place.split(".")
            found = table(places)
            own = self.world.rng(self.contract.dataset, self.division, places, self.member.number)
            return found[int(own.integers(len(found)))][column]
        if recipe.date is not None:
            later = self.moment + timedelta(days=int(rng.integers(recipe.days[0], recipe.days[1] + 1)))
            return later if later <= self.day or recipe.ahead else None
        grown = growth(recipe.trend, recipe.season, Period(self.moment, self.moment + timedelta(days=30)))
        if recipe.count is not None:
            own = self.world.rng(self.contract.dataset, self.division, name, self.member.number, "size")
            return int(rng.poisson(recipe.count * grown * own.lognormal(0, 0.5)))
        low, high = recipe.number or (0, 0)
        if recipe.shape == "log":
            return rounded(
                float(np.exp(rng.uniform(np.log(max(low, 1e-9)), np.log(high)))) * grown, recipe.decimals
            )
        return rounded(float(rng.uniform(low, high)) * grown, recipe.decimals)

    def _text(self, form: str) -> str:
        label = f"{self.world.seed}/{self.contract.dataset}/{self.division}/{self.member.number}/{self.month}"
        digits = hashlib.blake2b(label.encode(), digest_size=8).hexdigest() if "{hex" in form else ""
        day, number = self.moment, self.member.number
        return form.format(
            i=number, member=number, year=day.year, yy=f"{day.year % 100:02d}",
            quarter=(day.month + 2) // 3, month=day.month, day=day, hex=digits,
        )  # fmt: skip

    def _linked(self, name: str) -> Any:
        """The number of the row that this one belongs to; None for a column without link and recipe."""
        for link in register_of(self.contract).links:
            if link.column == name:
                target = _registers()[link.dataset]
                parent = _parent(self.world, link.dataset, self.division, self.member)
                if parent is not None:
                    return _Row(self.world, target, self.division, parent, self.day, None).plain(link.target)
        return None

    # -- statuses ---------------------------------------------------------------------------------------------
    def _status(self, recipe: Recipe) -> str | None:
        """The status as of the hand-in: the last of `forward` that was reached, or the one beside it."""
        turned = self._turned(recipe)
        if turned is not None and turned[0] <= self.day:
            return turned[1]
        reached = [name for name, day in self._steps(recipe).items() if day <= self.day]
        return reached[-1] if reached else None

    def _steps(self, recipe: Recipe) -> dict[str, date]:
        """The day on which each status of `forward` is reached: their weights are their shares of the row's life."""
        status = register_of(self.contract).status
        if status is None or recipe.one_of is None:
            raise ValueError(f"{self.contract.dataset}: only a status that is drawn by `one_of` has steps")
        low, high = _PACE
        unit = self.world.unit(self.contract.dataset, self.division, "pace", self.member.number)
        gone = min(self.member.gone, self.member.born + timedelta(days=sample_of(self.contract).life[1]))
        way = (gone - self.member.born).days * (low + unit * (high - low))
        names = [name for name in status.forward if name in recipe.one_of]
        weights = [recipe.one_of[name] for name in names]
        return {
            name: self.member.born + timedelta(days=int(way * sum(weights[:k]) / sum(weights)))
            for k, name in enumerate(names)
        }

    def _turned(self, recipe: Recipe) -> tuple[date, str] | None:
        """(day, status) of a row that left the way before its end, such as one that was cancelled, for good."""
        steps = self._steps(recipe)
        beside = {name: weight for name, weight in (recipe.one_of or {}).items() if name not in steps}
        share = self.world.unit(self.contract.dataset, self.division, "turn", self.member.number)
        share *= sum((recipe.one_of or {}).values())
        for name, weight in beside.items():
            if share < weight:
                way = (max(steps.values()) - self.member.born).days
                part = self.world.unit(self.contract.dataset, self.division, "turned", self.member.number)
                return self.member.born + timedelta(days=int(part * way)), name
            share -= weight
        return None

    def _reached(self, name: str, recipe: Recipe) -> date | None:
        status = register_of(self.contract).status
        statuses = self._recipe(status.column) if status else None
        if statuses is None or recipe.reached not in self._steps(statuses):
            raise ValueError(f"{self.contract.dataset}.{name}: no status of `forward` is {recipe.reached!r}")
        day, turned = self._steps(statuses)[recipe.reached], self._turned(statuses)
        low, high = recipe.days
        later = int(self.world.rng(*self._labels(name, recipe)).integers(low, high + 1))
        if not recipe.ahead and (day > self.day or (turned is not None and turned[0] < day)):
            return None
        day += timedelta(days=later)
        return day if recipe.ahead or day <= self.day else None


# -- contracts -----------------------------------------------------------------------------------------------
@functools.lru_cache(maxsize=1)
def _registers() -> dict[str, Contract]:
    """The registers that a recipe fills."""
    return {name: each for name, each in load_contracts().items() if each.register and each.sample}
