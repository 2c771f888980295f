"""A publisher that does as it is told: an HTTP server with scripted answers, and contracts for it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cityperf import landing
from cityperf.config import Settings
from cityperf.db import connect
from cityperf.load import BatchResult, load_file
from cityperf.sources import Contract

NIGHT = date(2026, 11, 20)


@dataclass
class Answer:
    """One scripted answer. `cut`: bytes really sent; `drip`, `wait`: seconds between and before bytes;
    `parts`: a part of it may be asked for (Range, If-Range).
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    drip: float = 0.0
    wait: float = 0.0
    parts: bool = False

    @cached_property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'  # noqa: S324 - a tag, not a secret


@dataclass
class Publisher:
    """`script[path]` is a list of answers: each is used once, the last one from then on."""

    url: str
    script: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    callers: set[int] = field(default_factory=set)  # ports of the connections that were made

    def says(self, path: str, *answers: Answer | bytes) -> None:
        self.script[path] = [Answer(each) if isinstance(each, bytes) else each for each in answers]

    def asked(self, path: str) -> int:
        return sum(1 for _, where, _, _ in self.seen if where.split("?")[0] == path)


def part(answer: Answer, tag: str, asked: str | None, if_range: str | None) -> Answer:
    """What a server that can give parts makes of an answer."""
    if not asked or if_range not in (None, tag):
        return replace(answer, headers={"Accept-Ranges": "bytes"} | answer.headers)
    start, size = int(asked.removeprefix("bytes=").rstrip("-")), len(answer.body)
    headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}", "ETag": tag}
    return replace(answer, body=answer.body[start:], status=206, headers=headers | answer.headers)


@contextmanager
def publisher() -> Iterator[Publisher]:
    """The server, on a free port of loopback, while the context lasts."""
    told = Publisher("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            return

        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.callers.add(self.client_address[1])
            told.seen.append((self.command, self.path, dict(self.headers), body))
            answers = told.script.get(self.path) or told.script.get(self.path.split("?")[0])
            answer = (
                Answer(b"nothing here", 404)
                if not answers
                else answers.pop(0)
                if len(answers) > 1
                else answers[0]
            )
            if answer.wait:
                time.sleep(answer.wait)
            tag = answer.tag
            if answer.status == 200 and self.headers.get("If-None-Match") == tag:
                answer = Answer(status=304)
            if answer.parts:
                answer = part(answer, tag, self.headers.get("Range"), self.headers.get("If-Range"))
            self.send_response(answer.status)
            headers = {"ETag": tag, "Content-Length": str(len(answer.body))} | answer.headers
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            sent = answer.body if answer.cut is None else answer.body[: answer.cut]
            try:
                if answer.drip:
                    for byte in sent:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(answer.drip)
                else:
                    self.wfile.write(sent)
            except OSError:
                return  # the client has had enough
            if answer.cut is not None:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def contract(dataset: str = "delays", columns: dict[str, Any] | None = None, **more: Any) -> Contract:
    """A contract with text columns, or `columns` as name → type or column definition."""
    listed = []
    for name, what in (columns or {"id": "text", "station": "text", "minutes": "integer"}).items():
        listed.append(
            {"name": name, "header": [name], "type": what}
            if isinstance(what, str)
            else {"name": name, **what}
        )
    extract = {
        "connector": "drop_folder",
        "folder": dataset,
        "match": "(?P<year>20[0-9]{2})",
        "read": {"format": "auto"},
    }
    return Contract.model_validate(
        {
            "dataset": dataset,
            "title": "Delays",
            "description": "What was late.",
            "owner": {"division": "TTC", "steward": "Reliability"},
            "licence": "OGL-Toronto",
            "privacy": {"class": "public"},
            "tier": 1,
            "extract": extract,
            "schedule": {"refresh": "daily", "warn_after": "2 days", "fail_after": "3 days"},
            "columns": listed,
            **more,
        }
    )


def land(
    settings: Settings,
    agreed: Contract,
    content: bytes,
    name: str = "delays.csv",
    night: date = NIGHT,
    modified: str = "",
) -> int:
    """Put bytes into landing under a name, as a connector would; returns the file_id."""
    with connect(settings, "loader", autocommit=True) as db, landing.incoming(settings) as arriving:
        arriving.write(content)
        stored = landing.keep(settings, arriving)
        meta = {"source_modified": modified}
        url = f"https://example.org/{name}"
        return landing.register(settings, db, night, agreed.dataset, name, stored, url=url, source_meta=meta)


def open_gate(*_: object) -> list[Any]:
    """A landing gate that lets all pass: Great Expectations has tests of its own."""
    return []


def deliver(
    settings: Settings,
    agreed: Contract,
    content: bytes | Path,
    name: str = "delays.csv",
    night: date = NIGHT,
    modified: str = "",
    gate: Any = open_gate,
) -> BatchResult:
    """Land and load one file."""
    data = content.read_bytes() if isinstance(content, Path) else content
    return load_file(settings, night, agreed, land(settings, agreed, data, name, night, modified), gate=gate)
