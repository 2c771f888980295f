"""One HTTP client for all connectors: bounded in time, size and attempts, and wary of where a redirect
leads.

A request succeeds whole or not at all. A body that breaks off is continued where it stopped if the server
can (Accept-Ranges, and a tag that proves it is still the same file); a wrong length or a damaged gzip stream
starts the request over. Everything that may pass by itself (connection refused, time-outs, 408, 425, 429,
5xx, a cut body) is tried again with full-jitter back-off, honouring Retry-After, until `patience` seconds
are over; then SourceUnavailable. Everything else (404, 401, a redirect out of the allowed hosts, a bomb) is
SourceRefused at once. Requests to one host keep a distance from each other, in all processes together.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cityperf.config import Settings
from cityperf.errors import SourceUnavailable
from cityperf.extract.courtesy import Closed, Turnstile
from cityperf.extract.refusal import Missing, Refused

PATIENCE: Final = 60.0  # seconds for one request with all its attempts
CONNECT_TIMEOUT: Final = 5.0
READ_TIMEOUT: Final = 20.0
ATTEMPTS: Final = 6
UNSOUND_ATTEMPTS: Final = 3  # for a whole body that is not what the address should give
HOPS: Final = 5
CHUNK: Final = 256 << 10
MAX_BYTES: Final = 4 << 30
INTERVAL: Final = 0.25  # seconds between the starts of two requests to one real host
MAX_RATIO: Final = 200  # decoded bytes per received byte, looked at from the first megabyte on
TRANSIENT: Final = frozenset({408, 425, 429, *range(500, 600)})
AGENT: Final = "cityperf/0.1 (City Performance Warehouse)"


class Sink(Protocol):
    """Where a body goes. `restart` forgets what an attempt that failed has written; `size` is what came."""

    @property
    def size(self) -> int: ...
    def write(self, chunk: bytes) -> Any: ...
    def restart(self) -> None: ...


class Memory:
    """A sink for small answers: catalogue entries, counts, pages of an API."""

    def __init__(self) -> None:
        self.content = bytearray()

    @property
    def size(self) -> int:
        return len(self.content)

    def write(self, chunk: bytes) -> None:
        self.content += chunk

    def restart(self) -> None:
        self.content.clear()


class NotInReplay(Exception):
    """The replay lists no recording for this address."""


class Unsound(Exception):
    """The body came whole but is not what the address should give. Tried again, then refused."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected, self.found, self.remedy = expected, found, remedy


@dataclass(frozen=True)
class Reply:
    """A whole answer: status 200 (body in the sink) or 304 (nothing new). Header names are lower case."""

    status: int
    url: str
    size: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class _Again(Exception):
    """This attempt failed in a way that may pass; `after` is the server's own wish in seconds.

    `tag` is what the rest of the body may be asked for with; without one the next attempt starts over.
    """

    def __init__(
        self, found: str, after: float | None = None, unsound: Unsound | None = None, tag: str | None = None
    ) -> None:
        super().__init__(found)
        self.after, self.unsound, self.tag = after, unsound, tag


class _Refused(Exception):
    def __init__(self, expected: str, found: str, remedy: str, status: int = 0) -> None:
        super().__init__(found)
        self.expected, self.found, self.remedy, self.status = expected, found, remedy, status


class Client:
    """Fetches the real address, or in sample and replay the portal's stand-in for it.

    `hosts` is the contract's allow-list: a host itself or a domain whose subdomains are meant too.
    """

    def __init__(
        self,
        settings: Settings,
        night: date,
        hosts: tuple[str, ...],
        *,
        patience: float | None = None,
        max_bytes: int | None = None,
        resolve: Callable[..., Any] = socket.getaddrinfo,
    ) -> None:
        self.night, self.hosts = night, hosts
        self.portal = settings.portal_url
        self.max_bytes = int(_from_env("MAX_BYTES", MAX_BYTES)) if max_bytes is None else max_bytes
        self.patience = _from_env("PATIENCE", PATIENCE) if patience is None else patience
        interval = _from_env("INTERVAL", INTERVAL if self.portal is None else 0.0)
        self._turnstile = Turnstile(settings.run / "hosts", interval)
        self._resolve = resolve
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": AGENT, "Accept-Encoding": "gzip", "Accept": "*/*"})
        if self.portal is not None:
            self._session.trust_env = False  # a proxy of the environment cannot reach the portal on loopback
            self._session.headers["X-Cityperf-Night"] = night.isoformat()
        else:
            self._session.mount("http://", _PublicOnly())
            self._session.mount("https://", _PublicOnly())

    def close(self) -> None:
        self._session.close()

    def fetch(
        self,
        url: str,
        sink: Sink,
        *,
        method: str = "GET",
        body: object | None = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Reply], None] | None = None,
    ) -> Reply:
        """Bring `url` into `sink`. `body` is sent as JSON; `check` may raise Unsound to have it tried again.

        POST is only used for questions (WDS asks by POST), so it is repeated like GET.
        Raises SourceUnavailable, SourceRefused (Missing for 404 and 410) or NotInReplay.
        """
        started = time.monotonic()
        deadline = started + self.patience
        data = None if body is None else json.dumps(body).encode()
        sent = dict(headers or {}) | ({"Content-Type": "application/json"} if data is not None else {})
        history: list[str] = []
        unsound: Unsound | None = None
        tag: str | None = None
        attempt = 0
        while True:
            attempt += 1
            if tag is None:
                sink.restart()
            had = sink.size
            try:
                reply = self._attempt(url, sink, method, data, _resuming(sent, tag, had), deadline)
                if check is not None and reply.status != 304:
                    try:
                        check(reply)
                    except Unsound as problem:
                        raise _Again(str(problem), unsound=problem) from None
                return reply
            except _Refused as problem:
                kind = Missing if problem.status in (404, 410) else Refused
                raise kind(problem.expected, problem.found, url, problem.remedy) from None
            except _Again as problem:
                history.append(str(problem))
                unsound, tag = problem.unsound, problem.tag
                if tag is not None and sink.size > had:
                    attempt = 0  # it brought us further: only the deadline counts
                pause = random.uniform(0, min(8.0, 0.25 * 2**attempt))  # noqa: S311 - jitter, not a secret
                if problem.after is not None:
                    pause = max(pause, problem.after)
                last = attempt == ATTEMPTS or (unsound is not None and attempt >= UNSOUND_ATTEMPTS)
                if last or time.monotonic() + pause >= deadline:
                    if problem.after is not None and attempt < ATTEMPTS:
                        history[-1] += f", asking for {problem.after:.0f} s of patience"
                    break
                time.sleep(pause)
        if unsound is not None:
            raise Refused(unsound.expected, f"{unsound.found} ({_times(len(history))})", url, unsound.remedy)
        seconds = time.monotonic() - started
        raise SourceUnavailable(
            f"expected an answer from {url}, found {history[-1]} after {_times(len(history))} in "
            f"{seconds:.0f} s; "
            "the source may be down: it is tried again on the next attempt of the night"
        )

    def page(
        self, url: str, *, method: str = "GET", body: object | None = None, what: str = "JSON"
    ) -> tuple[bytes, Any]:
        """A small JSON answer: its bytes and its content. Cut or foreign content is tried again, then
        refused.
        """
        memory = Memory()
        parsed: list[Any] = []

        def is_json(_: Reply) -> None:
            parsed[:] = [parse_json(bytes(memory.content), what)]

        limit, self.max_bytes = self.max_bytes, min(self.max_bytes, 128 << 20)
        try:
            self.fetch(url, memory, method=method, body=body, check=is_json)
        finally:
            self.max_bytes = limit
        return bytes(memory.content), parsed[0]

    # -- one attempt ---------------------------------------------------------------------------------------
    def _attempt(
        self,
        url: str,
        sink: Sink,
        method: str,
        data: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> Reply:
        for _ in range(HOPS + 1):
            self._allow(url)
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Again("no answer in time")
            host = urlsplit(url).hostname or ""
            try:
                left -= self._turnstile.pass_(host, left)
            except Closed as problem:
                raise _Again(f"no turn at {host} yet", problem.seconds) from None
            try:
                response = self._session.request(
                    method,
                    self._actual(url),
                    data=data,
                    headers=dict(headers),
                    stream=True,
                    allow_redirects=False,
                    timeout=(min(CONNECT_TIMEOUT, left), min(READ_TIMEOUT, left)),
                )
            except requests.Timeout as problem:
                raise _Again(f"a time-out ({type(problem).__name__})") from None
            except requests.RequestException as problem:
                inner = _innermost(problem)
                if isinstance(inner, _PrivateAddress):  # urllib3 takes it for a connection that failed
                    raise _Refused("a public address", str(inner), _REDIRECT_REMEDY) from None
                raise _Again(f"no connection ({_root_cause(problem)})") from None
            with response:
                if response.is_redirect or response.status_code in (301, 302, 303, 307, 308):
                    target = response.headers.get("Location")
                    if not target:
                        raise _Again(f"HTTP {response.status_code} without a Location")
                    url = urljoin(url, self._real(target))
                    if response.status_code == 303:
                        method, data = "GET", None
                    continue
                return self._read(response, url, sink, deadline, resuming="Range" in headers)
        raise _Refused(f"at most {HOPS} redirects", "one more", _REDIRECT_REMEDY)

    def _read(
        self, response: requests.Response, url: str, sink: Sink, deadline: float, *, resuming: bool
    ) -> Reply:
        status = response.status_code
        if status == 304:
            response.raw.drain_conn()  # there is no body: the connection serves the next file too
            return Reply(304, url, 0, _lower(response.headers))
        if status == 404 and response.headers.get("X-Cityperf-Replay") == "not-listed":
            raise NotInReplay(url)
        if status in TRANSIENT:
            after = _retry_after(response.headers)
            if after is not None:
                self._turnstile.close(urlsplit(url).hostname or "", after)
            raise _Again(f"HTTP {status} {response.reason or ''}".strip(), after)
        total: int | None = None
        if resuming and status == 206:
            total = _total(response.headers.get("Content-Range", ""), sink.size)
            if total is None:
                raise _Again(f"another part than the one from byte {sink.size} on")
        elif resuming and status == 416:
            raise _Again("HTTP 416: the rest of the body is not given")
        elif status != 200:
            raise _Refused(
                "HTTP 200",
                f"HTTP {status} {response.reason or ''}".strip() + _said(response),
                "the address may have moved: correct it in the contract",
                status,
            )
        elif resuming:
            sink.restart()  # the file has changed, or the server gives no parts after all
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        announced = response.headers.get("Content-Length")
        received, decoded = 0, sink.size
        inflate: Any = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            inflate = zlib.decompressobj(wbits=47)
        elif encoding not in ("identity", ""):
            raise _Refused("plain or gzip content", f"Content-Encoding {encoding}", "extend the client")
        if announced and announced.isdigit() and decoded + int(announced) > self.max_bytes:
            raise _Refused(f"at most {self.max_bytes} bytes", f"{announced} bytes", _SIZE_REMEDY)
        tag = (
            _tag(response.headers)
            if inflate is None and (total is not None or _gives_parts(response))
            else None
        )
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                received += len(chunk)
                if time.monotonic() > deadline:
                    raise _Again(f"only {received} bytes in {self.patience:.0f} s", tag=tag)
                for piece in _inflated(inflate, chunk) if inflate else (chunk,):
                    decoded += len(piece)
                    if decoded > self.max_bytes:
                        raise _Refused(f"at most {self.max_bytes} bytes", "more", _SIZE_REMEDY)
                    if inflate and decoded > 1 << 20 and decoded > MAX_RATIO * received:
                        raise _Refused(
                            f"content compressed at most {MAX_RATIO}-fold",
                            f"{decoded} bytes out of {received}",
                            "this looks like a gzip bomb; ask the publisher",
                        )
                    sink.write(piece)
        except (urllib3.exceptions.HTTPError, OSError) as problem:
            cause = _root_cause(problem)
            raise _Again(f"a body cut off after {received} bytes ({cause})", tag=tag) from None
        except zlib.error as problem:
            raise _Again(f"damaged gzip content ({problem})") from None
        if announced and announced.isdigit() and received != int(announced):
            short = received < int(announced)
            raise _Again(
                f"a body of {received} bytes where {announced} were announced", tag=tag if short else None
            )
        if total is not None and decoded != total:
            raise _Again(f"{decoded} bytes in parts where {total} were announced")
        if inflate is not None and not inflate.eof:
            raise _Again(f"gzip content cut off after {received} bytes")
        return Reply(200, url, decoded, _lower(response.headers))

    # -- addresses -----------------------------------------------------------------------------------------
    def _actual(self, url: str) -> str:
        if self.portal is None:
            return url
        parts = urlsplit(url)
        return f"{self.portal}/{parts.netloc}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"

    def _real(self, target: str) -> str:
        """A redirect that names the portal itself means the real address behind it."""
        if self.portal is not None and target.startswith(self.portal + "/"):
            return "https://" + target[len(self.portal) + 1 :]
        return target

    def _allow(self, url: str) -> None:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("https", "http"):
            raise _Refused("an http(s) address", f"{parts.scheme or 'no'} scheme in {url}", _REDIRECT_REMEDY)
        if not any(host == each or host.endswith("." + each) for each in self.hosts):
            raise _Refused(f"a host of {', '.join(self.hosts)}", host or "none", _REDIRECT_REMEDY)
        if self.portal is None:
            try:
                answers = self._resolve(host, parts.port or 443, type=socket.SOCK_STREAM)
            except OSError as problem:
                raise _Again(f"no address for {host} ({problem})") from None
            for answer in answers:
                if not is_public(str(answer[4][0])):
                    raise _Refused("a public address", f"{host} at {answer[4][0]}", _REDIRECT_REMEDY)


_REDIRECT_REMEDY: Final = (
    "if the publisher moved, name the new host in the contract's allow_hosts after a review"
)
_SIZE_REMEDY: Final = (
    "if this is right, raise extract.limits.max_megabytes in the contract or CITYPERF_HTTP_MAX_BYTES"
)


def is_public(address: str) -> bool:
    """May a live connection lead to this IP address? Everything inside is refused."""
    return ip_address(address.split("%")[0]).is_global


class _PrivateAddress(requests.ConnectionError):
    pass


def _checked(connection: HTTPConnection, connected: socket.socket) -> socket.socket:
    """The peer really reached must be public: a name may resolve differently the second time it is asked."""
    peer = str(connected.getpeername()[0])
    if not is_public(peer):
        connected.close()
        raise _PrivateAddress(f"{connection.host} at {peer}")
    return connected


class _PublicHTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _PublicHTTPS(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


class _PublicOnly(HTTPAdapter):
    """Connections of the live profile, each checked after the handshake."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}


def parse_json(content: bytes, what: str = "JSON") -> Any:
    """The parsed content. Raises Unsound, saying what came instead (nothing, HTML, cut JSON)."""
    if not content.strip():
        raise Unsound(what, "an empty body", "wait for the publisher, or ask them")
    if looks_like_html(content[:512]):
        raise Unsound(
            what, f"an HTML page beginning {glimpse(content)}", "open the address: it may be a notice"
        )
    try:
        return json.loads(content)
    except ValueError as problem:
        raise Unsound(what, f"JSON that breaks off or is damaged: {problem}", "ask the publisher") from None


def looks_like_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or (
        start.startswith((b"<!--", b"<?xml")) and b"<html" in start
    )


def glimpse(content: bytes, length: int = 60) -> str:
    """The first characters of content on one line, for messages."""
    return repr(" ".join(content[: length * 2].decode("utf-8", "replace").split())[:length])


def _inflated(inflate: Any, chunk: bytes) -> Iterator[bytes]:
    pending = chunk
    while True:
        piece = inflate.decompress(pending, CHUNK)
        pending = inflate.unconsumed_tail
        if piece:
            yield piece
        if inflate.eof or (not pending and len(piece) < CHUNK):
            return


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After")
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _resuming(headers: Mapping[str, str], tag: str | None, size: int) -> dict[str, str]:
    """The headers that ask for the rest of a body of which `size` bytes are here, or the headers as they
    are. Nothing is conditional any more then, and nothing packed: bytes are counted as they lie there.
    """
    if tag is None:
        return dict(headers)
    kept = {k: v for k, v in headers.items() if k not in ("If-None-Match", "If-Modified-Since")}
    return kept | {"Range": f"bytes={size}-", "If-Range": tag, "Accept-Encoding": "identity"}


def _gives_parts(response: requests.Response) -> bool:
    return response.request.method == "GET" and response.headers.get("Accept-Ranges", "").lower() == "bytes"


def _tag(headers: Mapping[str, str]) -> str | None:
    """What proves that a file is still the same byte for byte: a strong ETag, else its date."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def _total(content_range: str, start: int) -> int | None:
    """The whole size from 'bytes 5-9/10' when it goes from `start` to the end; None otherwise."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range.strip())
    if not match:
        return None
    first, last, total = map(int, match.groups())
    return total if first == start and last == total - 1 else None


def _said(response: requests.Response) -> str:
    """What a service gives as the reason of its refusal, in short: CKAN and others say it in JSON.

    Only what comes at once is looked at: a refusal is not worth waiting for, nor unpacking without bounds.
    """
    try:
        content = response.raw.read1(64 << 10, decode_content=False)
        if response.headers.get("Content-Encoding", "").lower() == "gzip":
            content = zlib.decompressobj(wbits=47).decompress(content, 64 << 10)
        answer = json.loads(content)
    except (ValueError, zlib.error, urllib3.exceptions.HTTPError, OSError):
        return ""
    reason = (answer.get("error") or answer.get("message")) if isinstance(answer, dict) else answer
    return f": {json.dumps(reason, ensure_ascii=False)[:200]}" if reason else ""


def _from_env(name: str, default: float) -> float:
    return float(os.environ.get(f"CITYPERF_HTTP_{name}") or default)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _innermost(problem: BaseException) -> BaseException:
    inner: BaseException = problem
    while True:
        deeper = inner.__cause__ or inner.__context__ or getattr(inner, "reason", None)
        if deeper is None and inner.args and isinstance(inner.args[0], BaseException):
            deeper = inner.args[0]
        if not isinstance(deeper, BaseException) or deeper is inner:
            return inner
        inner = deeper


def _root_cause(problem: BaseException) -> str:
    inner = _innermost(problem)
    name, text = type(inner).__name__, str(inner)
    return text if text.startswith(name) else f"{name}: {text}" if text else name


def _times(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number} attempts"
