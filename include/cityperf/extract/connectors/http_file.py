"""Plain files: one behind one address, one behind a link of a page, or one for each year."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urljoin

from pydantic import Field

from cityperf.extract.refusal import Missing, Refused
from cityperf.extract.visit import Landed, Visit
from cityperf.sources import Regex

if TYPE_CHECKING:
    from cityperf.extract.http import Client

PAGE_LIMIT: Final = 8 << 20  # bytes of a page that is searched for a link


def fetch(
    visit: Visit,
    *,
    url: str,
    name: str,
    link: Regex | None = None,
    first_year: Annotated[int, Field(ge=1900, le=2200)] | None = None,
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands `url` under `name`; asks conditionally, so an unchanged file costs a 304.

    `link`: `url` is a page, and the file is behind its one link whose address or text this pattern is found
    in, for download addresses that change. `first_year`: `url` and `name` hold `{year}`, and there is a file
    for each year since then; the newest ones may not be out yet, which is a warning.
    """
    client = visit.client(url.replace("{year}", "0"), also=allow_hosts)
    if first_year is None:
        yield _land(visit, client, url, name, link)
    else:
        yield from _years(visit, client, url, name, link, first_year)


def _years(
    visit: Visit, client: Client, url: str, name: str, link: str | None, first: int
) -> Iterator[Landed]:
    """The years' files, the earliest first. A year without a file before one that has a file is refused."""
    from cityperf.extract.http import NotInReplay

    if "{year}" not in url + (link or "") or "{year}" not in name:
        raise Refused(
            "`{year}` in `name` and in `url` or `link`", f"{name!r} and {url!r}", url, "correct the contract"
        )
    landed: list[Landed] = []
    to_come: list[int] = []
    unlisted: NotInReplay | None = None
    for year in range(visit.night.year, first - 1, -1):
        text = str(year)
        filled = [each.replace("{year}", text) if each else None for each in (url, name, link)]
        try:
            landed.append(
                _land(visit, client, filled[0] or "", filled[1] or "", filled[2], groups={"year": text})
            )
        except NotInReplay as problem:
            unlisted = problem
        except Missing:
            if landed or year == first:
                raise
            to_come.append(year)
    if not landed and unlisted is not None:
        raise unlisted
    if to_come:
        visit.warnings.append(f"nothing yet for {', '.join(map(str, reversed(to_come)))} at {url}")
    yield from reversed(landed)


def _land(
    visit: Visit,
    client: Client,
    url: str,
    name: str,
    link: str | None,
    groups: dict[str, str] | None = None,
) -> Landed:
    meta: dict[str, object] = {"groups": groups} if groups else {}
    if link is not None:
        meta["landing_page"], url = url, _linked(client, url, link)
    return visit.download(client, url, name, meta=meta)


def _linked(client: Client, page: str, pattern: str) -> str:
    """The address of the one link that matches. Raises Missing when there is none, Refused when there are
    several.
    """
    from cityperf.extract.http import Memory

    memory = Memory()
    reply = client.fetch(page, memory)
    links = _Links()
    links.feed(bytes(memory.content[:PAGE_LIMIT]).decode("utf-8", "replace"))
    links.close()
    found = {
        urljoin(reply.url, address): text
        for address, text in links.found
        if re.search(pattern, address) or re.search(pattern, text)
    }
    if len(found) == 1:
        return next(iter(found))
    where, remedy = page, "open the page by hand and correct `link`"
    if found:
        raise Refused(
            f"one link that matches {pattern!r}", f"{len(found)}: {', '.join(found)}"[:300], where, remedy
        )
    raise Missing(f"a link that matches {pattern!r}", f"none among {len(links.found)} links", where, remedy)


class _Links(HTMLParser):
    """(address, text) of each link of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            address = dict(attrs).get("href")
            if address:
                self.found.append((address.strip(), ""))
            self._open = bool(address)

    def handle_data(self, data: str) -> None:
        if self._open and self.found:
            address, text = self.found[-1]
            self.found[-1] = (address, f"{text} {data}".strip())

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"
