"""One file behind one address."""

from __future__ import annotations

from collections.abc import Iterator

from cityperf.extract.visit import Landed, Visit


def fetch(visit: Visit, *, url: str, name: str, allow_hosts: tuple[str, ...] = ()) -> Iterator[Landed]:
    """Lands `url` under `name`; asks conditionally, so an unchanged file costs a 304."""
    yield visit.download(visit.client(url, also=allow_hosts), url, name)
