"""The Warehouse pages in the Airflow UI: how the warehouse stands, Data Docs, runbooks, and what a release would change.

Whoever may look at the cluster's activity in Airflow may look at them.
"""

from __future__ import annotations

import re
from typing import Any

SIGNS = {"pass": ".", "known": "k", "warn": "w", "fail": "F"}


def make_app() -> Any:
    """The pages as a FastAPI app."""
    from datetime import datetime

    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from cityperf.board import board
    from cityperf.config import ROOT, TORONTO, Settings
    from cityperf.publish.difference_page import path_of
    from cityperf.quality import docs
    from cityperf.reference import as_html
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import FileResponse, HTMLResponse
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    pages = Environment(autoescape=True, loader=FileSystemLoader(ROOT / "plugins" / "templates"))
    allowed = Depends(requires_access_view(AccessView.CLUSTER_ACTIVITY))
    app = FastAPI(title="Warehouse", dependencies=[allowed], default_response_class=HTMLResponse)

    def show(template: str, **values: Any) -> str:
        return pages.get_template(f"{template}.html").render(**values)

    @app.get("/")
    def warehouse() -> str:
        return show("warehouse", **board(Settings.from_env(), datetime.now(TORONTO)))

    @app.get("/checks")
    def all_suites() -> str:
        return show("suites", suites=docs.suites(Settings.from_env()))

    @app.get("/checks/{suite}")
    def one_suite(suite: str) -> str:
        found = docs.checks(Settings.from_env(), suite)
        if not found:
            raise HTTPException(
                404, f"expected a suite that ran in the last {docs.NIGHTS} nights, found {suite!r}"
            )
        return show("suite", suite=suite, checks=found, signs=SIGNS)

    @app.get("/runbooks/{name}")
    def runbook(name: str) -> str:
        path = ROOT / "docs" / "runbooks" / name
        if not re.fullmatch(r"[a-z_]+\.md", name) or not path.is_file():
            raise HTTPException(404, f"expected the name of a runbook such as source.md, found {name!r}")
        return show("runbook", name=name, text=Markup(as_html(path.read_text("utf-8"))))  # noqa: S704  # our own text

    @app.get("/reference/{page:path}")
    def reference(page: str) -> FileResponse:
        folder = Settings.from_env().base / "docs"
        path = (folder / (page or "index.html")).resolve()
        if not path.is_file() or not path.is_relative_to(folder.resolve()):
            raise HTTPException(404, f"found no page {page!r}; ./cityperf docs build writes the reference")
        return FileResponse(path)

    @app.get("/approvals/{number}")
    def difference(number: int) -> str:
        path = path_of(Settings.from_env(), number)
        if not path.is_file():
            raise HTTPException(
                404, f"expected a release that is or was held, found none with number {number}"
            )
        return path.read_text("utf-8")

    return app
