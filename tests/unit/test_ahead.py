"""Items made ahead of their use by a thread: the same items, the same order, the same errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from cityperf.load.readers.ahead import ahead
from cityperf.load.readers.records import copy_columns, copy_text


@pytest.mark.parametrize("count", [0, 1, 4, 5, 100])
def test_items_come_in_their_order(count: int) -> None:
    assert list(ahead(iter(range(count)))) == list(range(count))


def test_an_error_comes_where_it_would_have() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("the third")

    taken = []
    with pytest.raises(ValueError, match="the third"):
        for item in ahead(items()):
            taken.append(item)
    assert taken == [1, 2]


def test_left_early_no_thread_goes_on_and_no_more_than_the_depth_was_made() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    coming = ahead(items(), depth=3)
    assert next(coming) == 0
    coming.close()  # type: ignore[attr-defined]  # a generator, told as an iterator
    assert len(made) <= 5
    assert not [each for each in threading.enumerate() if each.name.startswith("cityperf-ahead")]


@pytest.mark.parametrize("odd", ["", "a\tb", "a\nb", "a\rb", "a\\b", "\\."])
def test_columns_are_written_as_their_rows_are(odd: str) -> None:
    columns = [["1", "2", "3"], ["x", odd, ""]]
    assert copy_columns(columns) == copy_text(list(zip(*columns, strict=True)))
