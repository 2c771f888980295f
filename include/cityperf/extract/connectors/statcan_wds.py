"""Series of Statistics Canada's Web Data Service, asked for by vector number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from cityperf.extract.refusal import Refused
from cityperf.extract.visit import Landed, Visit, write_page

CHUNK: Final = 250  # vectors a call may ask for


class Vector(TypedDict):
    id: Annotated[int, Field(gt=0)]
    label: str


def fetch(
    visit: Visit,
    *,
    base_url: str,
    vectors: Annotated[list[Vector], Field(min_length=1)],
    latest_n: Annotated[int, Field(gt=0)],
    name: str = "vectors.json",
    allow_hosts: tuple[str, ...] = (),
) -> Iterator[Landed]:
    """Lands all answers as one document. A vector that fails is a warning; if all fail, the source is
    refused.
    """
    client = visit.client(base_url, also=allow_hosts)
    url = f"{base_url.rstrip('/')}/getDataFromVectorsAndLatestNPeriods"
    numbers = sorted({vector["id"] for vector in vectors})
    failed: list[str] = []
    answered: set[int] = set()
    with visit.document() as arriving:
        for start in range(0, len(numbers), CHUNK):
            asked = [{"vectorId": number, "latestN": latest_n} for number in numbers[start : start + CHUNK]]
            body, answer = client.page(url, method="POST", body=asked, what="a list of WDS answers as JSON")
            for item in answer if isinstance(answer, list) else [answer]:
                if not isinstance(item, dict) or item.get("status") != "SUCCESS":
                    failed.append(str(item)[:100])
                    continue
                answered.add(int((item.get("object") or {}).get("vectorId") or 0))
            write_page(arriving, url, body, asked)
        silent = [number for number in numbers if number not in answered]
        if len(silent) == len(numbers):
            raise Refused(
                f"data for at least one of {len(numbers)} vectors",
                f"none; {failed[0] if failed else 'no items'}",
                url,
                "check the vector numbers in the contract: tables retire and vectors change with them",
            )
        if silent:
            visit.warnings.append(
                f"no answer for vectors {', '.join(map(str, silent))}: check them in the contract"
            )
        yield visit.keep(arriving, name, url, media_type="application/json", meta={"silent_vectors": silent})
