"""Observations of the Bank of Canada's Valet service, one call per series."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from pydantic import Field

from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit, write_page


def fetch(
    visit: Visit,
    *,
    base_url: str,
    series: Annotated[list[str], Field(min_length=1)],
    start_date: date,
    name: str = "observations.json",
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands the answers as one document, in the contract's order of series."""
    client = visit.client(base_url, also=allow_hosts)
    with visit.document() as arriving:
        for each in series:
            url = f"{base_url.rstrip('/')}/observations/{each}/json?start_date={start_date.isoformat()}"
            body, answer = client.page(url, what="Valet observations as JSON")
            if not isinstance(answer, dict) or "observations" not in answer:
                raise Refused(
                    "`observations`", str(answer)[:120], url, "check the series' name in the contract"
                )
            write_page(arriving, url, body)
        yield visit.keep(
            arriving, name, f"{base_url.rstrip('/')}/observations", media_type="application/json"
        )
