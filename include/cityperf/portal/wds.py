"""Statistics Canada's Web Data Service: the shapes of its answers, shared by both profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

HOST: Final = "www150.statcan.gc.ca"
ROOT: Final = "/t1/wds/rest"

Item = dict[str, Any]


def success(value: Any) -> Item:
    return {"status": "SUCCESS", "object": value}


def failed(vector: int) -> Item:
    """What the service says about a vector that it does not know, among the answers for those it does."""
    return {
        "status": "FAILED",
        "object": {
            "responseStatusCode": 1,
            "productId": 0,
            "coordinate": None,
            "vectorId": vector,
            "vectorDataPoint": [],
        },
    }


def in_service_order(items: Iterable[Item]) -> list[Item]:
    """Sorted by coordinate as the service does, whatever the order of the request; failures come last."""
    return sorted(items, key=lambda item: (item["status"] != "SUCCESS", *_place(item["object"])))


def _place(entry: Mapping[str, Any]) -> tuple[int, tuple[int, ...], int]:
    coordinate = tuple(int(part) for part in str(entry.get("coordinate") or "0").split(".") if part.isdigit())
    return int(entry.get("productId") or 0), coordinate, int(entry.get("vectorId") or 0)


def latest_n(item: Item, count: int) -> Item:
    """The item with no more than its last `count` points, in the order of their reference periods."""
    points = sorted(item["object"]["vectorDataPoint"], key=lambda p: str(p["refPer"]))
    return {**item, "object": item["object"] | {"vectorDataPoint": points[-count:] if count > 0 else []}}


def released_between(item: Item, start: str, end: str) -> Item:
    """The item with the points released in [start, end], compared as the ISO minutes the service uses."""
    points = [p for p in item["object"]["vectorDataPoint"] if start <= str(p["releaseTime"]) <= end]
    return {**item, "object": item["object"] | {"vectorDataPoint": points}}


def vector_id(value: Any) -> int:
    """41692457 from 41692457, '41692457' or 'v41692457'; ValueError when it is none of these."""
    return int(str(value).lower().lstrip("v"))


def requests_for(body: Any) -> list[tuple[int, int]]:
    """(vector, latestN) pairs of a getDataFromVectorsAndLatestNPeriods body; ValueError when it has another
    shape.
    """
    if not isinstance(body, list) or not all(
        isinstance(entry, dict) and "vectorId" in entry for entry in body
    ):
        raise ValueError('expected a list such as [{"vectorId": 41690973, "latestN": 5}]')
    return [(vector_id(entry["vectorId"]), int(entry.get("latestN", 1))) for entry in body]
