"""A file of this repository that people key and review like code."""

from __future__ import annotations

from collections.abc import Iterator

from cityperf.config import ROOT
from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit


def fetch(visit: Visit, *, path: str) -> Iterator[Landed]:
    """Lands the file at `path`, relative to the project's root."""
    from cityperf.extract.http import Unsound
    from cityperf.extract.sanity import check_file

    file = (ROOT / path).resolve()
    if not file.is_relative_to(ROOT) or not file.is_file():
        raise Refused("a file of this project", "none", path, "correct `path` in the contract")
    with visit.document() as arriving, file.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            arriving.write(chunk)
        arriving.handle.flush()
        try:
            check_file(visit.contract, file.name, arriving.path)
        except Unsound as problem:
            raise Refused(problem.expected, problem.found, path, problem.remedy) from None
        yield visit.keep(arriving, file.name, path)
