"""The portal as an ASGI application: addresses to publishers, conditional requests, nights and faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import date
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from cityperf.portal import NIGHT_HEADER, ckan, faults
from cityperf.portal.answers import Answer, Ask, Portal, json_answer


class ConnectionDropped(Exception):
    """Raised inside a response to make the server drop the connection, as a fault asks."""


def application(
    portal: Portal, faults_file: Path, profile: str, sftp: Mapping[str, Any] | None = None
) -> Starlette:
    """The ASGI application over one profile's portal; faults come from `faults_file` while it exists, and
    `sftp` says how to reach the SFTP server beside it.
    """
    injected = faults.Faults(faults_file)

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "profile": profile})

    async def beside(_request: Request) -> Response:
        return JSONResponse(dict(sftp or {}))

    async def serve(request: Request) -> Response:
        night_text = request.headers.get(NIGHT_HEADER, "")
        try:
            night = date.fromisoformat(night_text) if night_text else portal.latest_night()
        except ValueError:
            message = f"header {NIGHT_HEADER} is {night_text!r}; expected a date such as 2026-01-31"
            return JSONResponse({"error": message}, status_code=400)
        address = request.path_params["address"]
        rule = injected.next({address, ckan.readable(address)}, night.isoformat())
        if rule and (refused := await _before_answer(rule)):
            return refused
        body = await request.body()
        # Making an answer may take seconds of computing: never on the event loop, or others would wait for
        # it.
        answer = await run_in_threadpool(_answer, portal, request, address, night, body)
        if rule:
            return await run_in_threadpool(_spoiled, rule, answer)
        return await run_in_threadpool(_respond, request, answer)

    methods = ["GET", "HEAD", "POST"]
    routes = [
        Route("/healthz", healthz),
        Route("/sftp", beside),
        Route("/{address:path}", serve, methods=methods),
    ]
    return Starlette(routes=routes, exception_handlers={Exception: _failed})


def _answer(portal: Portal, request: Request, address: str, night: date, body: bytes) -> Answer:
    host, _, path = address.partition("/")
    if host == "drop":
        return _drop(portal, path, night)
    ask = Ask(
        method=request.method,
        host=host.lower(),
        path=f"/{path}",
        night=night,
        query=dict(request.query_params),
        body=body,
        accept=request.headers.get("accept", ""),
    )
    return portal.answer(ask) or portal.missing(f"https://{host}/{path}", night)


def _drop(portal: Portal, path: str, night: date) -> Answer:
    folder, _, name = path.partition("/")
    files = portal.drops(folder, night)
    if files is None:
        return portal.missing(f"drop folder {folder!r}", night)
    if not name:
        return json_answer([{"name": n, "url": f"/drop/{quote(folder)}/{quote(n)}"} for n in sorted(files)])
    return files[name]() if name in files else portal.missing(f"drop file {folder}/{name}", night)


def _respond(request: Request, answer: Answer) -> Response:
    headers = _headers(answer)
    if answer.status == 200 and _unchanged(request, answer):
        kept = {k: v for k, v in headers.items() if k in ("ETag", "Last-Modified")}
        return Response(status_code=304, headers=kept)
    if answer.file:
        return FileResponse(
            answer.file, status_code=answer.status, headers=headers, media_type=answer.media_type
        )
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)


def _headers(answer: Answer) -> dict[str, str]:
    headers = dict(answer.headers)
    if answer.status == 200:
        headers["ETag"] = f'"{answer.sha256}"'
        headers["Cache-Control"] = "no-cache"
    if answer.last_modified:
        headers["Last-Modified"] = format_datetime(answer.last_modified, usegmt=True)
    if answer.filename:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.filename)}"
    return headers


def _unchanged(request: Request, answer: Answer) -> bool:
    if request.method == "POST":
        return False
    tags = request.headers.get("If-None-Match")
    if tags is not None:
        return tags.strip() == "*" or f'"{answer.sha256}"' in [
            t.strip().removeprefix("W/") for t in tags.split(",")
        ]
    since = request.headers.get("If-Modified-Since")
    if since and answer.last_modified:
        try:
            return answer.last_modified.replace(microsecond=0) <= parsedate_to_datetime(since)
        except (TypeError, ValueError):
            return False
    return False


async def _before_answer(rule: faults.Rule) -> Response | None:
    match rule:
        case faults.Status(status=status, retry_after=retry_after):
            headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
            return JSONResponse(
                {"error": f"injected fault: HTTP {status}"}, status_code=status, headers=headers
            )
        case faults.Timeout(seconds=seconds):
            await asyncio.sleep(seconds)
        case faults.Redirect(location=location, status=status):
            return Response(status_code=status, headers={"Location": location})
        case faults.GzipBomb(megabytes=megabytes):
            packed = {"Content-Encoding": "gzip"}
            return StreamingResponse(faults.bomb(megabytes), media_type="text/csv", headers=packed)
        case _:
            return None
    return None


def _spoiled(rule: faults.Rule, answer: Answer) -> Response:
    content = answer.content()
    media = answer.media_type
    match rule:
        case faults.Drip(chunk=chunk, seconds=seconds):
            headers = _headers(answer) | {"Content-Length": str(len(content))}
            return StreamingResponse(_dripping(content, chunk, seconds), media_type=media, headers=headers)
        case faults.HalfBody(keep=keep):
            headers = _headers(answer) | {"Content-Length": str(len(content))}
            if answer.file:
                headers["Accept-Ranges"] = "bytes"  # as without the fault: the rest may be asked for
            part = content[: int(len(content) * keep)]
            return StreamingResponse(_dropping(part), media_type=media, headers=headers)
        case faults.Timeout():
            return Response(content, status_code=answer.status, headers=_headers(answer), media_type=media)
    changed = faults.damaged(rule, content)
    headers = _headers(answer) | {"ETag": f'"{hashlib.sha256(changed).hexdigest()}"'}
    return Response(changed, headers=headers, media_type="text/html" if rule.fault == "html" else media)


async def _dripping(content: bytes, chunk: int, seconds: float) -> AsyncIterator[bytes]:
    for start in range(0, len(content), chunk):
        yield content[start : start + chunk]
        await asyncio.sleep(seconds)


async def _dropping(part: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(part), 1 << 16):
        yield part[start : start + (1 << 16)]
    await asyncio.sleep(0.05)  # lets the bytes leave before the connection goes
    raise ConnectionDropped


async def _failed(_request: Request, error: Exception) -> Response:
    """A broken generator or faults.json is told to the caller: nobody reads the portal's terminal."""
    if isinstance(error, ConnectionDropped):
        raise error
    detail: dict[str, Any] = {"error": f"the portal failed: {type(error).__name__}: {error}"}
    return JSONResponse(detail, status_code=500)
