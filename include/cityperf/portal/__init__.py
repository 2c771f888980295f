"""The portal: one small web server that stands in for every publisher the warehouse reads.

`python -m cityperf.portal --profile sample|replay --port N` serves, on loopback only,

* ``/{host}/{path}?query`` - the real address ``https://host/path?query``. The night is the request header
  ``X-Cityperf-Night: YYYY-MM-DD``; without it the latest night is meant;
* ``/drop/{folder}/`` - what a division had handed in by that night, and ``/drop/{folder}/{name}`` each file;
* ``/healthz``.

Profile ``sample`` makes its answers up from seed, scale and night and from nothing else; profile ``replay``
serves recorded files as a ``replay.yml`` maps them (docs/replay.md). Addresses inside an answer are the real
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cityperf.config import Settings

NIGHT_HEADER: Final = "X-Cityperf-Night"
REPLAY_HEADER: Final = "X-Cityperf-Replay"

__all__ = ["NIGHT_HEADER", "REPLAY_HEADER", "deliver_drops", "replay_nights"]


def deliver_drops(settings: Settings, night: date, folders: Mapping[str, str] | None = None) -> list[Path]:
    """See `cityperf.portal.drops.deliver_drops`."""
    from cityperf.portal.drops import deliver_drops as deliver

    return deliver(settings, night, folders)


def replay_nights(settings: Settings) -> list[date]:
    """See `cityperf.portal.replay.replay_nights`."""
    from cityperf.portal.replay import replay_nights as nights

    return nights(settings)
