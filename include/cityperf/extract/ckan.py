"""What the CKAN connectors share: a package's resources, and a resource's own time stamp."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cityperf.extract.refusal import Refused

if TYPE_CHECKING:
    from cityperf.extract.http import Client


def action(base_url: str, name: str) -> str:
    """The address of one action of the API."""
    return f"{base_url.rstrip('/')}/api/3/action/{name}"


def result(answer: Any, what: str, where: str, remedy: str) -> dict[str, Any]:
    """The `result` of an answer. Raises Refused when CKAN says that there is none."""
    found = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(found, dict) or not answer.get("success", True):
        raise Refused(what, str(answer)[:120], where, remedy)
    return found


def resources(client: Client, base_url: str, package: str) -> tuple[str, list[dict[str, Any]]]:
    """(address asked, resources of the package)."""
    address = f"{action(base_url, 'package_show')}?id={quote(package)}"
    _, answer = client.page(address, what="a CKAN package as JSON")
    shown = result(answer, "a CKAN package with resources", address, "check the package's name")
    return address, shown.get("resources") or []


def no_match(match: str, found: list[dict[str, Any]], address: str) -> Refused:
    """The refusal that says which resources there are instead."""
    names = ", ".join(repr(each.get("name")) for each in found) or "no resource at all"
    return Refused(
        f"a resource that matches {match!r}", names, address, "check `match` against the new names"
    )


def modified(resource: dict[str, Any]) -> str:
    """The resource's own time stamp as sortable text; CKAN writes it with and without T and microseconds."""
    text = str(resource.get("last_modified") or resource.get("created") or "")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="microseconds")
    except ValueError:
        return text
