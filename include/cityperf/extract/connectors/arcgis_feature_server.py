"""All features of one ArcGIS layer, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from cityperf.errors import SourceUnavailable
from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit, write_page

PAGE: Final = 1000  # when the layer does not say how many records it gives at once
ROUNDS: Final = 2  # a total that moves while paging is read again from the start, once


def fetch(
    visit: Visit, *, layer_url: str, name: str, where: str = "1=1", allow_hosts: tuple[str, ...] = ()
) -> Iterator[Landed]:
    """Lands the pages, ordered by object id, as one document. The count is asked before and after.

    Raises SourceUnavailable if the number of features moves or a page repeats itself while it is read.
    """
    client = visit.client(layer_url, also=allow_hosts)
    query = f"{layer_url.rstrip('/')}/query"
    _, layer = client.page(f"{layer_url.rstrip('/')}?f=json", what="the layer's description as JSON")
    _no_error(layer, layer_url)
    size = min(int(layer.get("maxRecordCount") or PAGE), 2000)
    order = layer.get("objectIdField") or next(
        (field["name"] for field in layer.get("fields") or [] if field.get("type") == "esriFieldTypeOID"),
        "OBJECTID",
    )

    def count() -> int:
        url = f"{query}?{urlencode({'where': where, 'returnCountOnly': 'true', 'f': 'json'})}"
        _, answer = client.page(url, what="a count as JSON")
        _no_error(answer, url)
        if not isinstance(answer.get("count"), int):
            raise Refused("a count of features", str(answer)[:120], url, "open the address by hand")
        return int(answer["count"])

    for round_ in range(ROUNDS):
        with visit.document() as arriving:
            total = count()
            got, trouble = 0, ""
            seen: set[Any] = set()
            while got < total and not trouble:
                wanted = {
                    "where": where,
                    "outFields": "*",
                    "outSR": 4326,
                    "orderByFields": order,
                    "resultOffset": got,
                    "resultRecordCount": size,
                    "f": "geojson",
                }
                url = f"{query}?{urlencode(wanted)}"
                body, page = client.page(url, what="GeoJSON features")
                _no_error(page, url)
                features = page.get("features") or []
                marks = {(f.get("id"), (f.get("properties") or {}).get(order)) for f in features}
                if not features:
                    trouble = f"an empty page at {got} of {total} features"
                elif marks != {(None, None)} and (marks & seen or len(marks) < len(features)):
                    trouble = f"features that came before again at {got} of {total}"
                seen |= marks
                got += len(features)
                write_page(arriving, url, body)
            after = count()
            if not trouble and got == total == after and total > 0:
                yield visit.keep(
                    arriving, name, layer_url, media_type="application/geo+json", meta={"features": total}
                )
                return
            if total == 0:
                raise Refused(
                    "at least one feature", "none", layer_url, "check the layer's address and `where`"
                )
            trouble = (
                trouble or f"{got} features where the layer counted {total} before and {after} afterwards"
            )
            if round_ == ROUNDS - 1:
                raise SourceUnavailable(
                    f"expected {total} features that stand still while they are read, found {trouble}; "
                    f"at {layer_url}; the layer is being changed: the next attempt of the night tries again"
                )


def _no_error(answer: Any, url: str) -> None:
    """ArcGIS reports errors inside an HTTP 200."""
    if not isinstance(answer, dict):
        raise Refused("a JSON object", str(answer)[:80], url, "open the address by hand")
    error = answer.get("error")
    if isinstance(error, dict):
        text = f"error {error.get('code')}: {error.get('message')}"
        if int(error.get("code") or 0) in (408, 429) or int(error.get("code") or 0) >= 500:
            raise SourceUnavailable(f"expected features, found {text}; at {url}; it is tried again tonight")
        raise Refused("features", text, url, "check the layer's address in the contract")
