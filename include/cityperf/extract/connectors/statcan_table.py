"""A whole table of Statistics Canada's Web Data Service, as the zip the agency makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit

RETIRED = "look the table up by its title: tables retire, and a new number takes over"


def fetch(
    visit: Visit,
    *,
    base_url: str,
    product: Annotated[int, Field(ge=10_000_000, le=99_999_999)],
    language: Literal["en", "fr"] = "en",
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands `<product>-eng.zip` (data and metadata). `product` is the table's number of eight digits.

    The release time in the table's metadata is asked first and kept in the manifest: while it stands still,
    nothing is downloaded.
    """
    client = visit.client(base_url, also=allow_hosts)
    base = base_url.rstrip("/")
    url = f"{base}/getCubeMetadata"
    asked = [{"productId": product}]
    _, answer = client.page(url, method="POST", body=asked, what="a table's metadata as JSON")
    cube = _object(answer[0] if isinstance(answer, list) and answer else answer, url)
    if not isinstance(cube, dict) or not cube.get("releaseTime"):
        raise Refused("a table with a release time", str(cube)[:120], url, RETIRED)
    name = f"{product}-{'eng' if language == 'en' else 'fra'}.zip"
    released = str(cube["releaseTime"])
    known = visit.known.get(name)
    if known and known.meta.get("source_modified") == released:
        yield Landed(known.file_id, name, "stamp")
        return
    url = f"{base}/getFullTableDownloadCSV/{product}/{language}"
    _, answer = client.page(url, what="the address of a table's zip as JSON")
    meta = {"source_modified": released, "product": product, "title": cube.get("cubeTitleEn")}
    yield visit.download(client, str(_object(answer, url)), name, meta=meta)


def _object(item: Any, url: str) -> Any:
    """What an answer carries. The service says FAILED inside an HTTP 200."""
    if not isinstance(item, dict) or item.get("status") != "SUCCESS":
        raise Refused("an answer with status SUCCESS", str(item)[:120], url, RETIRED)
    return item["object"]
