"""What a connector works with during one visit to one source: the night, a client, landing, and what is
known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cityperf.config import Settings
from cityperf.errors import SourceUnavailable
from cityperf.sources import Contract, is_private, reading_the_same

if TYPE_CHECKING:
    from cityperf.extract.http import Client, Reply
    from cityperf.landing import Incoming


@dataclass(frozen=True)
class Known:
    """The file that stands for a name now, with what the server said of it."""

    file_id: int
    sha256: str
    url: str
    etag: str | None
    last_modified: str | None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Landed:
    """A file that the source offers tonight; it may well be the one that is known already: `told_by` says what told
    us so (etag, last_modified, stamp, watermark, partition, hash).
    """

    file_id: int
    name: str
    told_by: str | None = field(default=None, compare=False)


@dataclass
class Visit:
    """One visit. `warnings` are kept in ops.fetch: things worth a look that stop nothing."""

    settings: Settings
    night: date
    contract: Contract
    db: Any
    known: dict[str, Known]
    patience: float | None = None
    warnings: list[str] = field(default_factory=list)
    _client: Client | None = None

    def client(self, *urls: str, also: tuple[str, ...] = ()) -> Client:
        """The HTTP client, allowed to reach the hosts of `urls` and the ones the contract names."""
        if self._client is None:
            from cityperf.extract.http import Client

            hosts = tuple(dict.fromkeys([*((urlsplit(url).hostname or "") for url in urls), *also]))
            limits = self.contract.extract.limits
            self._client = Client(
                self.settings,
                self.night,
                hosts,
                patience=self.patience or limits.patience_seconds,
                max_bytes=limits.max_megabytes and limits.max_megabytes << 20,
            )
        return self._client

    @cached_property
    def private(self) -> bool:
        """Whether what is fetched holds person-level data."""
        return is_private(self.contract)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def download(
        self,
        client: Client,
        url: str,
        name: str,
        *,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        check: Callable[[Incoming, Reply], None] | None = None,
    ) -> Landed:
        """Land one file, or recognise by a 304 that it is the known one. Sanity is checked before it gets a
        name.
        """
        from cityperf import landing
        from cityperf.extract.sanity import check_file

        known = self.known.get(name)
        conditional = dict(headers or {})
        if known is not None and known.url == url:
            if known.etag:
                conditional["If-None-Match"] = known.etag
            if known.last_modified:
                conditional["If-Modified-Since"] = known.last_modified
        with landing.incoming(self.settings, private=self.private) as arriving:

            def sound(reply: Reply) -> None:
                arriving.handle.flush()
                (check or (lambda file, _: check_file(self.contract, name, file.path)))(arriving, reply)

            reply = client.fetch(url, arriving, headers=conditional, check=sound)
            if reply.status == 304 and known is not None:
                told_by = "etag" if "If-None-Match" in conditional else "last_modified"
                if meta and meta.get("source_modified") != known.meta.get("source_modified"):
                    landing.describe(self.db, known.file_id, meta)
                return Landed(known.file_id, name, told_by)
            return self.keep(
                arriving,
                name,
                url,
                meta=meta,
                media_type=reply.headers.get("content-type"),
                etag=reply.headers.get("etag"),
                last_modified=reply.headers.get("last-modified"),
            )

    @contextmanager
    def document(self) -> Iterator[Incoming]:
        """A file that a connector writes itself: the pages of an API, one after the other."""
        from cityperf import landing

        with landing.incoming(self.settings, private=self.private) as arriving:
            yield arriving

    def keep(
        self,
        arriving: Incoming,
        name: str,
        url: str,
        *,
        meta: dict[str, Any] | None = None,
        media_type: str | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Landed:
        """Give the arrived bytes their place and their manifest row."""
        from cityperf import landing

        stored = landing.keep(self.settings, arriving)
        file_id = landing.register(
            self.settings,
            self.db,
            self.night,
            self.contract.dataset,
            name,
            stored,
            url=url,
            media_type=media_type,
            etag=etag,
            last_modified=last_modified,
            source_meta=meta,
        )
        return Landed(file_id, name, "hash")

    def share(self, arriving: Incoming, name: str, url: str, *, meta: dict[str, Any]) -> bool:
        """Register a kept file also for the other data sets that read it, after a look that it can be read back;
        returns whether its original may go. Raises SourceUnavailable when landing does not give the same bytes.
        """
        from cityperf import landing

        stored = landing.keep(self.settings, arriving)
        if not landing.intact(self.settings, stored.sha256):
            raise SourceUnavailable(
                f"expected {name} to be read back from {stored.path}, found other bytes there"
            )
        for other in reading_the_same(self.contract):
            wants = other.register or re.search(other.extract.arguments["match"], name)
            if other.dataset != self.contract.dataset and wants:
                landing.register(
                    self.settings, self.db, self.night, other.dataset, name, stored, url=url, source_meta=meta
                )
        return True

    def landed_before(self) -> Iterator[Landed]:
        """The latest file of each name that landing has of this data set."""
        rows = self.db.execute(
            "select distinct on (name) file_id, name from ops.landed_file where dataset = %s and expired_on is null "
            "order by name, source_meta ->> 'source_modified' desc nulls last, file_id desc",
            (self.contract.dataset,),
        )
        for file_id, name in rows.fetchall():
            yield Landed(file_id, name, "landing")


def write_page(arriving: Incoming, url: str, body: bytes, request: object | None = None) -> None:
    """Append one answer of an API, its bytes untouched, to a landed document.

    The document is a run of JSON values `{"cityperf_page": {"url": ..., "request": ...}, "body": <the
    bytes>}`.
    """
    import json

    head = json.dumps({"url": url, "request": request}, sort_keys=True)
    arriving.write(b'{"cityperf_page": ' + head.encode() + b', "body": ')
    arriving.write(body.strip())
    arriving.write(b"}\n")
