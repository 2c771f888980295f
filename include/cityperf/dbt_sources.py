"""dbt's sources are made from the contracts, so that a new data set needs no dbt source by hand.

The refresh brings `dbt_project/models/sources/raw.yml` in step before dbt parses; the file is committed so that the
project also works in an editor, and a test keeps the two in step.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from cityperf.config import ROOT
from cityperf.marked import read_yaml

PROJECT = ROOT / "dbt_project"
CONTRACTS = ROOT / "include" / "sources"
TARGET = PROJECT / "models" / "sources" / "raw.yml"
PROVENANCE = {
    "_file_id": "Landed file (ops.landed_file) that the row came in.",
    "_row": "Line or record number in the file.",
    "_night": "Night on which the file was delivered.",
}


def read_contracts(folder: Path = CONTRACTS) -> list[dict[str, Any]]:
    """Every contract below the folder, by data set name."""
    contracts = [read_yaml(path.read_bytes()) for path in sorted(folder.rglob("*.yml"))]
    return sorted(contracts, key=lambda contract: str(contract["dataset"]))


def age(text: str) -> dict[str, Any]:
    """'40 days' as dbt's count and period; dbt knows no weeks."""
    count, unit = text.split()
    period = unit.rstrip("s")
    days, period = (7, "day") if period == "week" else (1, period)
    return {"count": int(count) * days, "period": period}


def days(text: str) -> int:
    """The same in whole days, begun ones counted."""
    limit = age(text)
    return int(limit["count"]) if limit["period"] == "day" else -(-int(limit["count"]) // 24)


def table(contract: dict[str, Any]) -> dict[str, Any]:
    """One dbt source table: description, owner, licence, privacy class, freshness and the named columns."""
    dataset = contract["dataset"]
    schedule = contract["schedule"]
    named = [column for column in contract["columns"] if "name" in column and not column.get("personal")]
    columns = [
        {"name": column["name"], "description": _described(column), "data_type": "text"} for column in named
    ]
    columns += [{"name": name, "description": text} for name, text in PROVENANCE.items()]
    return {
        "name": dataset,
        "description": contract["description"],
        "config": {
            "loaded_at_query": f"{{{{ last_delivery('{dataset}') }}}}",
            "freshness": {
                "warn_after": age(schedule["warn_after"]),
                "error_after": age(schedule["fail_after"]),
            },
            "meta": {
                "owner": contract["owner"]["division"],
                "steward": contract["owner"]["steward"],
                "licence": contract["licence"],
                "privacy": contract["privacy"]["class"],
                "tier": contract["tier"],
                "connector": contract["extract"]["connector"],
                "refresh": schedule["refresh"],
                "promised_days": days(schedule["warn_after"]),
            },
        },
        "columns": columns,
    }


def _described(column: dict[str, Any]) -> str:
    found = column.get("header") or [column.get("path", column["name"])]
    headers = " or ".join(str(name) for name in found)
    return f"Text as found under {headers}; the contract says {column['type']}."


def render(contracts: list[dict[str, Any]]) -> str:
    """The whole source file as YAML."""
    document = {
        "sources": [
            {
                "name": "raw",
                "schema": "raw",
                "description": "Every column as text, as delivered, with the landed file of each row.",
                "tables": [table(contract) for contract in contracts],
            }
        ]
    }
    head = "# Made by cityperf.dbt_sources from include/sources: change the contract, not this file.\n"
    # libyaml's dumper: the same text in a fifth of the time, twice a night.
    return head + yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=110)


def bring_in_step() -> bool:
    """Write the file if it is not what the contracts say, atomically; returns whether it was written."""
    text = render(read_contracts())
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return False
    temporary = TARGET.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(TARGET)
    return True


if __name__ == "__main__":
    bring_in_step()
