"""Random rounding, and what published figures say of the true ones.

Statistics Canada's way: a count with remainder r to the base b goes up with probability r/b, down with (b - r)/b. It is
unbiased, moves at most b - 1 and, to the base 5, has a standard deviation of 2. The draw is a keyed hash of what the cell
is and of its count: the same cell is rounded the same way in every release, and repeating tells nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

BASE: Final = 5


def draw(key: bytes, *told: object) -> float:
    """A number in [0, 1) that only the key's holder can tell, always the same for the same things."""
    digest = hmac.digest(key, _joined("draw", *told), hashlib.sha256)
    return int.from_bytes(digest[:7]) / 2**56


def random_round(count: int, base: int, chance: float) -> int:
    """`count` to a multiple of `base`, up if `chance` (0 to 1) is below remainder / base."""
    down, remainder = divmod(count, base)
    return (down + (chance * base < remainder)) * base


def of_random(published: int, base: int = BASE) -> tuple[int, int]:
    """Smallest and largest count behind a randomly rounded one."""
    return max(0, published - base + 1), published + base - 1


def of_nearest(published: float, base: int = BASE) -> tuple[float, float]:
    """Bounds of what was rounded to the nearest multiple."""
    return max(0.0, published - base / 2), published + base / 2


def of_below(limit: int) -> tuple[int, int]:
    """Bounds of a cell that says '<limit'."""
    return 0, limit - 1


def tag(key: bytes, *told: object) -> str:
    """What a cell's figure is remembered by: equal figures have equal tags, and a tag does not tell the figure."""
    return hmac.digest(key, _joined("tag", *told), hashlib.sha256)[:12].hex()


def _joined(*told: object) -> bytes:
    return "\x1f".join(map(str, told)).encode()
