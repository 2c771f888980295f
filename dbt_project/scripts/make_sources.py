"""Write models/sources/raw.yml from the source contracts, so that a new data set needs no dbt source by hand.

Usage: python dbt_project/scripts/make_sources.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[1]
CONTRACTS = PROJECT.parent / "include" / "sources"
TARGET = PROJECT / "models" / "sources" / "raw.yml"
PROVENANCE = {
    "_file_id": "Landed file (ops.landed_file) that the row came in.",
    "_row": "Line or record number in the file.",
    "_night": "Night on which the file was delivered.",
}


def read_contracts(folder: Path = CONTRACTS) -> list[dict[str, Any]]:
    """Every contract below the folder, by data set name."""
    contracts = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.yml"))]
    return sorted(contracts, key=lambda contract: str(contract["dataset"]))


def age(text: str) -> dict[str, Any]:
    """'40 days' as dbt's count and period."""
    count, unit = text.split()
    return {"count": int(count), "period": unit.rstrip("s")}


def table(contract: dict[str, Any]) -> dict[str, Any]:
    """One dbt source table: description, owner, licence, privacy class, freshness and the named columns."""
    dataset = contract["dataset"]
    schedule = contract["schedule"]
    named = [column for column in contract["columns"] if "name" in column]
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
    head = (
        "# Made by dbt_project/scripts/make_sources.py from include/sources: change the contract, run it.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the file is in step; exit 1 if not")
    arguments = parser.parse_args()
    text = render(read_contracts())
    if arguments.check:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET} is not in step with include/sources: run {Path(__file__).name}", file=sys.stderr)
        return 1
    if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != text:
        TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
