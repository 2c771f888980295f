"""Building the site of a release: gather the data of every page, draw those that are new, take the others over.

A page's bytes follow from its data, from the site's code, templates and words (together the recipe), and from the release
since which it is as it is. None of them is the release's own number, so a page whose data did not change is the earlier
release's file (docs/decisions/0032). What is said of the release itself stands in three small files that every release
gets anew: `release.css`, `<lang>/release.html` and `pages.json`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from cityperf.config import ROOT
from cityperf.errors import CityperfError
from cityperf.publish.dictionary import Dictionary
from cityperf.publish.exports import file_sha256, sync_folder
from cityperf.publish.failpoints import reached
from cityperf.publish.tables import SESSION
from cityperf.publish.tree import digest_of
from cityperf.site import release_files
from cityperf.site.model import Edition, Page, Tables
from cityperf.site.pages import KINDS

FOLDER: Final = "site"  # in a release's folder
INDEX: Final = "pages.json"
STATIC: Final = ROOT / "include" / "site" / "static"
TOGETHER: Final = (
    16  # pages handed to a worker at a time: both languages of a KPI, so that its charts are drawn once
)
FEW: Final = 100  # up to so many pages are drawn here: starting workers would take longer
LIBRARIES: Final = (
    "altair", "babel", "feedgen", "jinja2", "markupsafe", "python-docx", "typst", "vl-convert-python"
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A page as an earlier site had it: key of its data, SHA-256 of its bytes, the release since which they are so."""

    key: str
    sha256: str
    since: int


@dataclass(frozen=True)
class Built:
    """What a build did: pages in all, those drawn, and those taken over from the earlier site."""

    pages: int
    drawn: int
    taken: int


def build(
    connection: Connection[Any],
    schema: str,
    dictionary: Dictionary,
    edition: Edition,
    folder: Path,
    earlier: Path | None = None,
    workers: int | None = None,
    *,
    take: bool = True,
) -> Built:
    """Write the site of `edition` into the empty or new `folder` from the tables of `schema`.

    `connection` is put into one read-only transaction, so all pages show the same state. `earlier`: another site, whose
    files are taken over (linked, or copied) where their data is the same; without `take` they are drawn all the same,
    and only say since when they are so. `workers`: processes that draw; default one per core.
    Raises CityperfError for two pages with one address.
    """
    connection.execute(SESSION)
    connection.commit()
    connection.execute("set transaction isolation level repeatable read read only")
    reader = Tables(
        connection, schema, {name: allowed.columns for name, allowed in dictionary.allowed.items()}
    )
    folder.mkdir(parents=True, exist_ok=True)
    known = read_index(earlier) if earlier else {}
    facts = release_files.facts(reader, edition)
    index: dict[str, Known] = {}
    drawn = taken = 0
    last: tuple[Mapping[str, Any], str] | None = None
    with _Studio(folder, edition.sample, workers) as studio:
        for page in _all_pages(reader, edition):
            if page.path in index:
                raise CityperfError(
                    f"expected one page at {page.path}, found a second of kind {page.kind}; rename one"
                )
            if last is None or last[0] is not page.data:  # both languages of a page share their data
                last = (page.data, digest_of(page.data))
            key = key_of(page, edition.sample, last[1])
            before = known.get(page.path)
            same = before is not None and before.key == key
            since = before.since if same and before else edition.number
            source = earlier / page.path if take and same and before and earlier else None
            if source and before and _taken_over(source, before.sha256, folder / page.path):
                index[page.path] = before
                taken += 1
                continue
            index[page.path] = Known(key, "", since)
            studio.draw(page, since)
            drawn += 1
        reached("site.gathered")
    connection.commit()
    for path, sha256 in studio.written.items():
        index[path] = Known(index[path].key, sha256, index[path].since)
    write_static(folder)
    release_files.write(folder, facts)
    _write(folder / INDEX, _index_text(index))
    for each in {path.parent for path in folder.rglob("*")} | {folder}:
        sync_folder(each)
    reached("site.written")
    return Built(len(index), drawn, taken)


def key_of(page: Page, sample: bool, data: str | None = None) -> str:
    """SHA-256 over all that a page's bytes follow from, but for the release since which it stands. `data`: the digest of
    the page's data, where it is known."""
    return digest_of([recipe(), sample, page.path, page.kind, page.lang, data or digest_of(page.data)])


@cache
def recipe() -> str:
    """SHA-256 over the code, templates and words of the site and the versions of the libraries that draw it."""
    digest = hashlib.sha256()
    code, words = ROOT / "include" / "cityperf" / "site", ROOT / "include" / "site"
    for path in sorted(
        [*code.rglob("*.py"), *words.glob("*.yml"), *words.glob("*.typ"), *words.glob("templates/**/*")]
    ):
        if path.is_file():
            digest.update(f"{path.relative_to(ROOT)}\0{file_sha256(path)}\n".encode())
    digest.update(", ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    return digest.hexdigest()


def read_index(site: Path) -> dict[str, Known]:
    """Path → page of a site that was built before; empty where it has no index that can be read."""
    try:
        pages = json.loads((site / INDEX).read_bytes())["pages"]
        return {path: Known(*said) for path, said in pages.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_static(folder: Path) -> None:
    """Style sheet (one file of several), script and font."""
    target = folder / "static"
    target.mkdir(exist_ok=True)
    sheets = sorted(STATIC.glob("*.css"), key=lambda path: (path.name != "site.css", path.name))
    _write(target / "site.css", "".join(path.read_text("utf-8") for path in sheets))
    for path in sorted(STATIC.iterdir()):
        if path.is_file() and path.suffix != ".css":
            shutil.copyfile(path, target / path.name)


def _all_pages(reader: Tables, edition: Edition) -> Iterator[Page]:
    for kind in KINDS:
        yield from importlib.import_module(f"cityperf.site.pages.{kind}").pages(reader, edition)


def _taken_over(source: Path, sha256: str, target: Path) -> bool:
    """Whether the earlier file stands at `target` now. One whose bytes are no longer what was written is not taken."""
    try:
        if file_sha256(source) != sha256:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True


def _index_text(index: Mapping[str, Known]) -> str:
    pages = {path: [each.key, each.sha256, each.since] for path, each in sorted(index.items())}
    said = {
        "how": "path: [key of its data, SHA-256 of its bytes, release since which it is so]",
        "pages": pages,
    }
    return json.dumps(said, indent=0, ensure_ascii=False) + "\n"


def _write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


# -- drawing -------------------------------------------------------------------------------------------------
class _Studio:
    """Draws pages into a folder: a few here, many in worker processes. They are spawned, because the library that draws
    charts hangs in a process that was forked."""

    def __init__(self, folder: Path, sample: bool, workers: int | None) -> None:
        self.written: dict[str, str] = {}
        self._folder, self._sample = folder, sample
        self._workers = workers or os.cpu_count() or 1
        self._waiting: list[tuple[Page, int]] = []
        self._pool: ProcessPoolExecutor | None = None
        self._running: list[Any] = []

    def __enter__(self) -> _Studio:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._send(last=True)
                for each in self._running:
                    self.written.update(each.result())
        finally:
            if self._pool:
                self._pool.shutdown(cancel_futures=True)

    def draw(self, page: Page, since: int) -> None:
        self._waiting.append((page, since))
        if len(self._waiting) >= (TOGETHER if self._pool else FEW):
            self._send()

    def _send(self, last: bool = False) -> None:
        if self._pool is None and (last or self._workers == 1):
            self.written.update(draw(self._waiting, self._folder, self._sample))
        else:
            if self._pool is None:
                allow_children()
                self._pool = ProcessPoolExecutor(self._workers, multiprocessing.get_context("spawn"))
            for start in range(0, len(self._waiting), TOGETHER):
                some = self._waiting[start : start + TOGETHER]
                self._running.append(self._pool.submit(draw, some, self._folder, self._sample))
        self._waiting = []


def allow_children() -> None:
    """A Celery worker's tasks count as daemons, which may not start processes. Ours end before the task does."""
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # its setter refuses


def draw(pages: Iterable[tuple[Page, int]], folder: Path, sample: bool) -> dict[str, str]:
    """Draw pages, each with the release since which it is so, into `folder`; path → SHA-256."""
    from cityperf.site.render import render

    found: dict[str, str] = {}
    for page, since in pages:
        content = render(page, since, sample)
        _write(folder / page.path, content)
        found[page.path] = hashlib.sha256(content).hexdigest()
    return found
