"""Tables of a CKAN datastore, page by page through `datastore_search`."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from pydantic import Field

from cityperf.errors import SourceUnavailable
from cityperf.extract import ckan
from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit, write_page
from cityperf.sources import Regex

if TYPE_CHECKING:
    from cityperf.extract.http import Client
    from cityperf.landing import Incoming

PAGE: Final = 10_000  # rows asked for at once; the server may give fewer
ROUNDS: Final = 2  # a table that moves while it is read is read again from the start, once


def fetch(
    visit: Visit,
    *,
    base_url: str,
    package: str,
    match: Regex,
    filters: dict[str, Any] | None = None,
    fields: list[str] | None = None,
    page_size: Annotated[int, Field(gt=0, le=32_000)] = PAGE,
    trust_last_modified: bool = False,
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands each table whose resource's name matches as one document of pages, `<name>.json`.

    Rows come in the order of `_id`; `_id` itself is no key, for it changes with every refill.
    `trust_last_modified`: a table of which the catalogue says the same time, and the datastore the same
    number of rows, is not read. Only for portals that move the time with the data; CKAN 2.11 does not.
    Raises SourceUnavailable if the table moves while it is read, Refused if it is not in the datastore.
    """
    client = visit.client(base_url, also=allow_hosts)
    address, found = ckan.resources(client, base_url, package)
    pattern = re.compile(match)
    named = [(hit, each) for each in found if (hit := pattern.search(str(each.get("name") or "")))]
    tables = [(hit, each) for hit, each in named if each.get("datastore_active")]
    if not named:
        raise ckan.no_match(match, found, address)
    if not tables:
        raise Refused(
            f"a table in the datastore that matches {match!r}",
            f"only files: {', '.join(repr(each.get('name')) for _, each in named)}",
            address,
            "read the file with connector ckan_files, or ask the publisher to put it into the datastore",
        )
    tables.sort(key=lambda table: (ckan.modified(table[1]), str(table[1].get("id"))))
    for hit, resource in tables:
        name = f"{str(resource.get('name')).replace('/', '-')}.json"
        query = {"resource_id": str(resource["id"]), "sort": "_id"}
        if filters:
            query["filters"] = json.dumps(filters, sort_keys=True)
        if fields:
            query["fields"] = ",".join(dict.fromkeys(["_id", *fields]))
        table = _Table(client, ckan.action(base_url, "datastore_search"), query, page_size)
        meta = {
            "resource_id": resource.get("id"),
            "resource_name": resource.get("name"),
            "source_modified": ckan.modified(resource),
            "groups": {k: v for k, v in hit.groupdict().items() if v is not None},
            "asked": query,
        }
        known = visit.known.get(name)
        if trust_last_modified and known and meta.items() <= known.meta.items():
            total = table.count()
            if total == known.meta.get("total"):
                yield Landed(known.file_id, name, "stamp")
                continue
        for left in reversed(range(ROUNDS)):
            with visit.document() as arriving:
                trouble, total = table.read(arriving)
                if not trouble:
                    more = meta | {"total": total}
                    yield visit.keep(arriving, name, table.address, media_type="application/json", meta=more)
                    break
            if not left:
                raise SourceUnavailable(
                    f"expected a table that stands still while it is read, found {trouble}; at "
                    f"{table.address}; it is being refilled: the next attempt of the night tries again"
                )


class _Table:
    """One table behind `datastore_search`."""

    def __init__(self, client: Client, url: str, query: dict[str, str], page_size: int) -> None:
        self.client, self.url, self.query, self.page_size = client, url, query, page_size
        self.address = f"{url}?resource_id={query['resource_id']}"

    def count(self) -> int:
        """The number of rows now."""
        return int(self._ask(limit=0, offset=0)[2]["total"])

    def read(self, arriving: Incoming) -> tuple[str, int]:
        """Write all pages; ('', rows) when they make one whole table, else what was wrong and the total."""
        got, total, last = 0, -1, -1
        while total < 0 or got < total:
            url, body, page = self._ask(limit=self.page_size, offset=got)
            if total < 0:
                total = page["total"]
                if total == 0:
                    raise Refused("at least one row", "none", self.address, "check the table and `filters`")
            if page["total"] != total:
                return f"{page['total']} rows where it had {total} before", total
            numbers = [_number(record, url) for record in page["records"]]
            if not numbers:
                return f"an empty page at {got} of {total} rows", total
            if numbers[0] <= last or any(b <= a for a, b in itertools.pairwise(numbers)):
                return f"rows that came before again at {got} of {total}", total
            last = numbers[-1]
            got += len(numbers)
            write_page(arriving, url, body)
        after = self.count()
        if got != total or after != total:
            return f"{got} rows where it counted {total} before and {after} afterwards", total
        return "", total

    def _ask(self, *, limit: int, offset: int) -> tuple[str, bytes, dict[str, Any]]:
        url = f"{self.url}?{urlencode(self.query | {'limit': limit, 'offset': offset})}"
        body, answer = self.client.page(url, what="rows of the datastore as JSON")
        page = ckan.result(answer, "rows of the datastore", url, "open the address by hand")
        if not isinstance(page.get("total"), int) or not isinstance(page.get("records"), list):
            raise Refused("`records` and their `total`", str(page)[:120], url, "open the address by hand")
        return url, body, page


def _number(record: Any, url: str) -> int:
    if isinstance(record, dict) and isinstance(record.get("_id"), int):
        return int(record["_id"])
    raise Refused(
        "records with an `_id`",
        str(record)[:80],
        url,
        "it may be a view, or hold a column named j, which CKAN 2.11 mixes up: read a file of it instead",
    )
