"""Statistics Canada's Web Data Service: the shapes of its answers, shared by both profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cityperf.portal.answers import Answer, Ask, Make, json_answer

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


# -- whole tables --------------------------------------------------------------------------------------------
ZIPS: Final = "/n1/tbl/csv/"
_LANGUAGES: Final = {"en": "eng", "fr": "fra"}


@dataclass(frozen=True)
class Table:
    """A table that is given out whole. `cube` is what getCubeMetadata says of it (`releaseTime` at least,
    such as 2026-11-19T08:30); `zips` makes the answer for each language (eng, fra) there is.
    """

    product: int
    cube: Mapping[str, Any]
    zips: Mapping[str, Make]


def table_answer(ask: Ask, tables: Mapping[int, Table]) -> Answer | None:
    """The answer about tables that are here: metadata, address of the zip, the zip itself. None for all else."""
    if ask.path.startswith(ZIPS):
        number, _, language = ask.path.removeprefix(ZIPS).removesuffix(".zip").partition("-")
        table = tables.get(int(number)) if number.isdigit() else None
        return table.zips[language]() if table and language in table.zips else None
    if not ask.path.startswith(f"{ROOT}/"):
        return None
    action, *arguments = ask.path.removeprefix(f"{ROOT}/").strip("/").split("/")
    if action == "getFullTableDownloadCSV" and arguments and arguments[0].isdigit():
        table = tables.get(int(arguments[0]))
        language = _LANGUAGES.get(arguments[1] if len(arguments) > 1 else "en", "")
        if table and language in table.zips:
            return json_answer(success(f"https://{HOST}{ZIPS}{table.product}-{language}.zip"))
    if action == "getCubeMetadata":
        asked = ask.json()
        wanted = [product_id(e) for e in asked] if isinstance(asked, list) else []
        if wanted and all(each in tables for each in wanted):
            return json_answer([success(dict(tables[each].cube)) for each in wanted])
    return None


def product_id(entry: Any) -> int:
    """18100205 from {"productId": 18100205} or {"productId": "18100205"}; 0 from anything else."""
    text = str(entry.get("productId", "")) if isinstance(entry, Mapping) else ""
    return int(text) if text.isdigit() else 0


def changed_on(tables: Mapping[int, Table], day: str) -> list[Item]:
    """The entries of getChangedCubeList for the tables that were released on a day."""
    return [
        {"responseStatusCode": 0, "productId": product, "releaseTime": table.cube["releaseTime"]}
        for product, table in sorted(tables.items())
        if str(table.cube["releaseTime"]).startswith(day)
    ]
