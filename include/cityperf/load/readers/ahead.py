"""One thread makes what another one uses: unpacking beside searching, reading beside COPY."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

Item = TypeVar("Item")

DEPTH: Final = 4  # items made before they are asked for; they are held in memory


def ahead(items: Iterator[Item], depth: int = DEPTH) -> Iterator[Item]:
    """The same items in the same order, made by a thread up to `depth` ahead of their use.

    Raises what `items` raises, where it would have. Left early, it waits for the item that is being made.
    """
    end = object()
    with ThreadPoolExecutor(1, "cityperf-ahead") as thread:
        coming = deque(thread.submit(next, items, end) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not end:
                coming.append(thread.submit(next, items, end))
                yield item  # type: ignore[misc]  # `end` was looked for
        finally:
            for each in coming:
                each.cancel()
