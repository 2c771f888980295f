"""Observations of an SDMX web service: one dataflow, cut by a key and by periods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit

if TYPE_CHECKING:
    from cityperf.extract.http import Reply
    from cityperf.landing import Incoming

ACCEPT: Final = {
    "csv": "application/vnd.sdmx.data+csv;version=1.0.0",
    "xml": "application/vnd.sdmx.structurespecificdata+xml;version=2.1,"
    "application/vnd.sdmx.genericdata+xml;version=2.1;q=0.9",
    "json": "application/vnd.sdmx.data+json;version=1.0.0",
}
KINDS: Final = {"csv": "SDMX-CSV", "xml": "SDMX-ML", "json": "SDMX-JSON"}


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    """What a service takes beside the key. StatCan answers HTTP 406 to a period and a number of
    observations together, so that mistake is found before anything runs.
    """
    known = {"startPeriod", "endPeriod", "lastNObservations", "firstNObservations", "updatedAfter", "detail"}
    unknown = sorted(set(value) - known)
    if unknown:
        raise ValueError(f"expected parameters of {', '.join(sorted(known))}, found {', '.join(unknown)}")
    if {"lastNObservations", "firstNObservations"} & set(value) and {"startPeriod", "endPeriod"} & set(value):
        raise ValueError(
            "expected a period or a number of observations, found both: Statistics Canada answers HTTP 406"
        )
    return value


def fetch(
    visit: Visit,
    *,
    base_url: str,
    dataflow: str,
    key: Annotated[str, Field(min_length=1)] = "all",
    params: Annotated[dict[str, str | int], AfterValidator(_parameters)] | None = None,
    format: Literal["csv", "xml", "json"] = "csv",
    name: str | None = None,
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands the answer as `<dataflow>.<format>` or `name`: SDMX-CSV, SDMX-ML 2.1 or SDMX-JSON.

    `dataflow` is an id or `AGENCY,ID,VERSION`; `key` has one place per dimension, `1.2+3.` for example.
    An answer in another format than the one asked for is refused.
    """
    client = visit.client(base_url, also=allow_hosts)
    url = address(base_url, dataflow, key, params or {})
    flow = dataflow.split(",")[1] if "," in dataflow else dataflow

    def is_data(arriving: Incoming, reply: Reply) -> None:
        from cityperf.extract.http import Unsound, looks_like_html
        from cityperf.extract.sanity import check_file

        with arriving.path.open("rb") as handle:
            head = handle.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
        kind = {b"<": "xml", b"{": "json"}.get(head[:1], "csv")
        if kind == format != "csv" and not looks_like_html(head):
            return
        if kind != format and head and not looks_like_html(head):
            raise Unsound(
                KINDS[format], KINDS[kind], "say in `format` what the service gives, or read the table's file"
            )
        check_file(visit.contract, flow, arriving.path)

    yield visit.download(
        client,
        url,
        name or f"{flow}.{format}",
        headers={"Accept": ACCEPT[format]},
        check=is_data,
    )


def address(base_url: str, dataflow: str, key: str, params: dict[str, Any]) -> str:
    """The address of a data query in SDMX REST 2.1, as sdmx1 writes it."""
    from sdmx.rest import Resource
    from sdmx.rest.v21 import URL
    from sdmx.source import Source

    source = Source(id="source", url=base_url.rstrip("/"), name="the contract's service")
    asked = {name: value for name, value in params.items() if value is not None}
    try:
        url = URL(source, resource_type=Resource.data, resource_id=dataflow, key=key, params=asked)
    except ValueError as problem:
        raise Refused(
            "a dataflow, a key and parameters", str(problem), base_url, "correct the contract"
        ) from None
    return url.join()
