"""What was published at a date: figures, definitions and files, byte for byte, from the folder of the release that was up.

Every file is compared with the SHA-256 that was recorded when it was published, before anything is said of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.errors import CityperfError
from cityperf.publish import tree
from cityperf.publish.exports import SAMPLE_PREFIX, file_sha256, sync_folder


class NothingPublished(CityperfError):
    """At that date nothing was published, or not what was asked for."""


class NoLongerWhatItWas(CityperfError):
    """A file of a release was altered or lost since it was published."""


@dataclass(frozen=True)
class Past:
    """The release that was up at the end of a Toronto date."""

    number: int
    night: date
    published_on: date
    code_version: str
    root_hash: str | None
    repeats: int | None
    folder: Path
    files: Mapping[str, str]  # path → SHA-256 as published

    def file(self, name: str) -> Path:
        """The path of a file, once its bytes were found to be those that were published.

        Raises NothingPublished for a file that the release had not, NoLongerWhatItWas for one that changed.
        """
        if name not in self.files:
            raise NothingPublished(
                f"expected a file of release {self.number}, found {name!r}; it has {', '.join(sorted(self.files))}"
            )
        path = self.folder / name
        found = file_sha256(path) if path.is_file() else "nothing"
        if found != self.files[name]:
            raise NoLongerWhatItWas(
                f"expected {path} with SHA-256 {self.files[name]} as published, found {found}; bring it back from a "
                f"backup (./cityperf release verify {self.number} says what else)"
            )
        return path

    def table(self, name: str, format_: str) -> Path:
        """The file of a table in one of the formats; as `file`."""
        for path in (f"{SAMPLE_PREFIX}{name}.{format_}", f"{name}.{format_}"):
            if path in self.files:
                return self.file(path)
        there = sorted(
            {p.removeprefix(SAMPLE_PREFIX).split(".")[0] for p in self.files if p.endswith(".parquet")}
        )
        raise NothingPublished(
            f"expected a table of release {self.number}, found {name!r}; it has {', '.join(there)}"
        )


def past(settings: Settings, on: date) -> Past:
    """The release that was up at the end of `on`. Raises NothingPublished for a date before the first."""
    with connect(settings, "publisher") as connection:
        row = connection.execute(
            "select number, night, published_on, code_version, root_hash, repeats from ops.release "
            "where number = as_of.release(%s)",
            (on,),
        ).fetchone()
        if row is None:
            first = connection.execute(
                "select min(published_on) from ops.release where state = 'released'"
            ).fetchone()
            raise NothingPublished(
                f"expected a release that was up on {on}, found none; the first one went up on "
                f"{first[0] if first and first[0] else 'no day yet'}"
            )
        files = dict(
            connection.execute(
                "select path, sha256 from ops.release_file where number = %s", (row[0],)
            ).fetchall()
        )
    number, night, published_on, code_version, root_hash, repeats = row
    folder = settings.releases / str(number)
    return Past(number, night, published_on, code_version, root_hash, repeats, folder, files)


def definition(found: Past, kpi_id: str) -> dict[str, Any]:
    """A KPI's definition as it was published. Raises NothingPublished for one that was not."""
    name = next((each for each in found.files if each.endswith(tree.DEFINITIONS)), tree.DEFINITIONS)
    found.file(name)
    kpis = tree.read_definitions(found.folder)["kpis"]
    if kpi_id not in kpis:
        raise NothingPublished(
            f"expected a KPI of release {found.number}, found {kpi_id!r}; it has {len(kpis)} others"
        )
    definition: dict[str, Any] = kpis[kpi_id]
    return definition


def figures(found: Past, kpi_id: str) -> Iterator[dict[str, Any]]:
    """The figures of a KPI as they were published, without those that had been replaced or withdrawn by then."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(found.table("kpi_value", "parquet")).iter_batches():
        yield from batch.filter(
            pc.and_(pc.equal(batch["kpi_id"], kpi_id), pc.fill_null(batch["is_latest"], False))
        ).to_pylist()


def export(found: Past, target: Path) -> list[Path]:
    """Copy every file of the release into `target`, a new or empty folder. All are compared first.

    Raises NoLongerWhatItWas before anything is written, FileExistsError for a folder that is not empty.
    """
    sources = [found.file(name) for name in sorted(found.files)]
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise FileExistsError(f"expected a new or empty folder, found files in {target}; name another one")
    for source in sources:
        copy = target / source.relative_to(found.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    sync_folder(target)
    return [target / source.relative_to(found.folder) for source in sources]
