"""A look at a source without landing anything: the connector runs, its files go to a folder that is thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cityperf.config import Settings
from cityperf.extract import arguments_of
from cityperf.extract.visit import Landed, Visit
from cityperf.sources import Contract, connector

if TYPE_CHECKING:
    from cityperf.landing import Incoming


@dataclass
class _Look(Visit):
    folder: Path = field(default_factory=Path)
    seen: list[tuple[str, Path]] = field(default_factory=list)

    def keep(self, arriving: Incoming, name: str, url: str, **_: Any) -> Landed:
        arriving.handle.flush()
        place = self.folder / str(len(self.seen))
        shutil.copyfile(arriving.path, place)
        self.seen.append((name, place))
        return Landed(-len(self.seen), name)

    def share(self, *_: Any, **__: Any) -> bool:
        return False

    def landed_before(self) -> Iterator[Landed]:
        return iter(())


def look(settings: Settings, night: date, contract: Contract, folder: Path) -> list[tuple[str, Path]]:
    """The files that the source offers tonight as (name, copy in `folder`), in order of delivery.

    Nothing is registered: no landing, no ops row, no cursor. Raises what a visit raises.
    """
    visit = _Look(settings, night, contract, None, {}, folder=folder)
    try:
        list(connector(contract.extract.connector)(visit, **arguments_of(contract)))
    finally:
        visit.close()
    return visit.seen
