"""What every sample generator shares: seeded randomness, volumes, months and bytes kept on disk.

Nothing here or in the generators knows today's date: everything follows from seed, scale and night.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import os
import shutil
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

TABLES: Final = Path(__file__).resolve().parents[1] / "tables"
_CODE: Final = Path(__file__).resolve().parent


class Cache:
    """Generated files, made once per (generator version, seed, scale, name) and moved into place whole.

    The version is a hash of the generators and their tables, so changed code never serves old bytes.
    """

    def __init__(self, root: Path, seed: int, scale: float) -> None:
        self.root = root / f"{generator_version()}-{seed}-{scale:g}"
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def file(self, name: str, write: Callable[[Path], None]) -> Path:
        """The file `name`; `write` gets a temporary path to fill when it is not there yet."""
        path = self.root / name
        if path.exists():
            return path
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
                try:
                    write(temporary)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)
        return path

    def prune(self) -> None:
        """Remove what other versions of the generators left behind."""
        for folder in self.root.parent.glob("*"):
            if folder.is_dir() and not folder.name.startswith(generator_version()):
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class World:
    """Seed, scale and cache: all that a generator may depend on besides the night."""

    seed: int
    scale: float
    cache: Cache

    def rng(self, *labels: object) -> np.random.Generator:
        """A generator of its own for these labels, the same in every process whatever was drawn before."""
        text = "\x1f".join([str(self.seed), *map(str, labels)])
        return np.random.Generator(
            np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
        )

    def unit(self, *labels: object) -> float:
        """One number in [0, 1) for these labels: cheaper than a generator when a single draw is wanted."""
        text = "\x1f".join([str(self.seed), *map(str, labels)])
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)

    def bell(self, *labels: object) -> float:
        """One roughly normal number (mean 0, standard deviation 1, never beyond 3.5)."""
        text = "\x1f".join([str(self.seed), *map(str, labels)])
        four = struct.unpack("<4Q", hashlib.blake2b(text.encode(), digest_size=32).digest())
        return float(sum(four) / (1 << 64) - 2.0) * 1.7320508

    def count(self, full: float) -> int:
        """A volume at this scale, never less than one."""
        return max(1, round(full * self.scale))


@functools.cache
def generator_version() -> str:
    """Ten hex digits over the generators' source and tables."""
    digest = hashlib.sha256()
    for path in sorted([*_CODE.glob("*.py"), *TABLES.iterdir()]):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:10]


@functools.cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """A table of facts (names and numbers of places, codes) that ships with the portal."""
    with (TABLES / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


# -- days and months -----------------------------------------------------------------------------------------
def first_of_month(year: int, month: int) -> date:
    """The first day of a month; months beyond 1..12 run on into other years."""
    years, zero_based = divmod(month - 1, 12)
    return date(year + years, zero_based + 1, 1)


def last_of_month(year: int, month: int) -> date:
    return first_of_month(year, month + 1) - timedelta(days=1)


def months(start: date, end: date) -> Iterator[tuple[int, int]]:
    """(year, month) from start's month to end's, both included."""
    year, month = start.year, start.month
    while (year, month) <= (end.year, end.month):
        yield year, month
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def working_day(day: date) -> date:
    """The day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def published_on(world: World, source: str, covered: date, day_of_month: int) -> date:
    """The day on which a file that ends with `covered` (the last day of a month) comes out.

    That is `day_of_month` of the next month, or up to sixteen days later for one month in eight.
    """
    day = first_of_month(covered.year, covered.month + 1) + timedelta(days=day_of_month - 1)
    if world.unit("late", source, covered) < 0.125:
        day += timedelta(days=4 + int(world.unit("how late", source, covered) * 12))
    return day


def published_through(world: World, source: str, night: date, day_of_month: int) -> tuple[date, date]:
    """(last day covered, day of publication) of the newest monthly file that is out by the night."""
    covered = date(night.year, night.month, 1) - timedelta(days=1)
    while (published := published_on(world, source, covered, day_of_month)) > night:
        covered = date(covered.year, covered.month, 1) - timedelta(days=1)
    return covered, published


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
