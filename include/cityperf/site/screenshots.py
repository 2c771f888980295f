"""Pictures of every kind of page, in both languages and three widths, for people who change how the site looks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cityperf.site.browser import WIDTHS, chromium, look, shoot
from cityperf.site.build import INDEX


@contextmanager
def served(site: Path, status: Path) -> Iterator[str]:
    """The site over HTTP with its headers, at a free port of this machine; gives the address."""
    import socket
    import time

    import uvicorn

    from cityperf.site.serve import app

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(site, status), log_level="warning"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def one_of_each(site: Path) -> dict[str, str]:
    """Kind of page → an English address of it, below `en/`: the first of each folder, and every page beside them."""
    paths = sorted(json.loads((site / INDEX).read_bytes())["pages"])
    found: dict[str, str] = {}
    for path in paths:
        if path.startswith("en/") and path.endswith(".html"):
            inside = path.removeprefix("en/")
            folder, _, name = inside.rpartition("/")
            found.setdefault(folder or name.removesuffix(".html"), inside)
    return found


def take(site: Path, status: Path, folder: Path) -> Iterator[Path]:
    """Save the pictures into `folder`, as <kind>-<language>-<width>.png, and yield each as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with served(site, status) as address, chromium() as page:
        for kind, inside in one_of_each(site).items():
            for lang in ("en", "fr"):
                for width in WIDTHS:
                    look(page, f"{address}/{lang}/{inside}", width)
                    path = folder / f"{kind.replace('/', '-')}-{lang}-{width}.png"
                    shoot(page, str(path), width)
                    yield path
