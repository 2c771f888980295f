"""What machines read about a release: DCAT-AP as JSON-LD for catalogues, CSVW for who reads the CSV files.

Addresses are relative to the release's folder, wherever it is served from. Every node has an id of its own kind: a data
set, its files and the catalogue may have the same name. Ranges are written out as types, so that a validator can check
them without the vocabularies that it would have to download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from cityperf.publish.dictionary import Allowed
from cityperf.publish.licences import LICENCES
from cityperf.publish.tables import Column, Table

DCAT: Final = "dcat.jsonld"
CSVW: Final = "csv-metadata.json"  # where the CSVW standard looks for it, beside the CSV files
LICENCE_TEXT: Final = "LICENCE.md"
PUBLISHER: Final = "City of Toronto"
_FREQUENCY: Final = "http://publications.europa.eu/resource/authority/frequency/"
_RHYTHMS: Final = {
    "nightly": "DAILY",
    "weekly": "WEEKLY",
    "monthly": "MONTHLY",
    "quarterly": "QUARTERLY",
    "yearly": "ANNUAL",
    "irregular": "IRREG",
}
_THEME: Final = (
    "http://publications.europa.eu/resource/authority/data-theme/GOVE"  # government and public sector
)
_ENGLISH: Final = "http://publications.europa.eu/resource/authority/language/ENG"
_FILE_TYPE: Final = "http://publications.europa.eu/resource/authority/file-type/"
_FILE_TYPES: Final = {"csv": "CSV", "json": "JSON", "parquet": "PARQUET", "xlsx": "XLSX"}
_MEDIA_TYPE: Final = "https://www.iana.org/assignments/media-types/"
_CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "spdx": "http://spdx.org/rdf/terms#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_DATATYPES: Final = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "numeric": "decimal",
    "real": "float",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "json": "json",
    "jsonb": "json",
    "timestamp without time zone": "dateTime",
    "timestamp with time zone": "dateTimeStamp",
}


def dcat(
    resources: Sequence[Mapping[str, Any]],
    allowed: Mapping[str, Allowed],
    updated: Mapping[str, date],
    title: str,
    description: str,
    night: date,
) -> str:
    """A catalogue with a data set per table and a distribution per file (each `resource` of the data package, with
    `table`)."""
    catalogue = {
        "@context": _CONTEXT,
        "@id": "#catalogue",
        "@type": "dcat:Catalog",
        "dct:title": _en(title),
        "dct:description": _en(description),
        "dct:publisher": _publisher(),
        "dct:modified": _day(night),
        "dct:language": _typed(_ENGLISH, "dct:LinguisticSystem"),
        "dcat:dataset": [
            _dataset(each, [r for r in resources if r["table"] == name], updated.get(name))
            for name, each in sorted(allowed.items())
        ],
    }
    return json.dumps(catalogue, indent=1, ensure_ascii=False) + "\n"


def csvw(
    tables: Mapping[str, tuple[str, Table, Allowed]],
    updated: Mapping[str, date],
    title: str,
    notice: str | None,
) -> str:
    """A table group over the CSV files (name → path, table, entry): columns, types, keys, licence and date of each."""
    group: dict[str, Any] = {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "dc:title": title,
        **({"dc:description": notice} if notice else {}),
        "dialect": {
            "delimiter": ",",
            "quoteChar": '"',
            "doubleQuote": True,
            "header": True,
            "encoding": "utf-8",
            "lineTerminators": ["\r\n"],
        },
        "tables": [
            {
                "url": path,
                "dc:title": allowed.title,
                "dc:description": allowed.description,
                "dc:license": [_licence(licence) for licence in allowed.licences],
                **({"dc:modified": updated[name].isoformat()} if name in updated else {}),
                "tableSchema": {
                    "columns": [_column(column, allowed, table) for column in table.columns],
                    **({"primaryKey": list(table.key)} if table.key else {}),
                },
            }
            for name, (path, table, allowed) in sorted(tables.items())
        ],
    }
    return json.dumps(group, indent=1, ensure_ascii=False) + "\n"


def _column(column: Column, allowed: Allowed, table: Table) -> dict[str, Any]:
    return {
        "name": column.name,
        "titles": column.name,
        "dc:description": allowed.columns[column.name],
        "datatype": _DATATYPES.get(column.type, "json" if column.type.endswith("[]") else "string"),
        "null": [""],
        **({"required": True} if column.name in table.key or not column.nullable else {}),
    }


def _dataset(allowed: Allowed, files: Sequence[Mapping[str, Any]], updated: date | None) -> dict[str, Any]:
    return {
        "@id": f"#dataset-{allowed.name}",
        "@type": "dcat:Dataset",
        "dct:identifier": allowed.name,
        "dct:title": _en(allowed.title),
        "dct:description": _en(allowed.description or allowed.title),
        "dct:publisher": _publisher(),
        **({"dct:modified": _day(updated)} if updated else {}),
        "dct:accrualPeriodicity": _typed(_FREQUENCY + _RHYTHMS[allowed.rhythm], "dct:Frequency"),
        "dcat:theme": {"@id": _THEME},
        "dcat:keyword": [_en("municipal performance"), _en("key performance indicators")],
        **(
            {
                "dcat:contactPoint": {
                    "@type": ["vcard:Organization", "vcard:Kind"],
                    "vcard:fn": allowed.contact,
                    "vcard:hasEmail": {"@id": f"mailto:{allowed.email}"},
                }
            }
            if allowed.email
            else {}
        ),
        "dcat:distribution": [_distribution(each, allowed) for each in files],
    }


def _distribution(file: Mapping[str, Any], allowed: Allowed) -> dict[str, Any]:
    return {
        "@id": f"#distribution-{file['name']}",
        "@type": "dcat:Distribution",
        "dct:title": _en(f"{allowed.title} ({str(file['format']).upper()})"),
        "dcat:accessURL": {"@id": file["path"]},
        "dcat:downloadURL": {"@id": file["path"]},
        "dcat:mediaType": _typed(_MEDIA_TYPE + file["mediatype"], "dct:MediaType"),
        "dct:format": _typed(_FILE_TYPE + _FILE_TYPES[file["format"]], "dct:MediaTypeOrExtent"),
        "dct:license": _typed(_one_licence(allowed), "dct:LicenseDocument"),
        "dcat:byteSize": {"@value": str(file["bytes"]), "@type": "xsd:nonNegativeInteger"},
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": {
                "@value": str(file["hash"]).removeprefix("sha256:"),
                "@type": "xsd:hexBinary",
            },
        },
    }


def _one_licence(allowed: Allowed) -> str:
    """DCAT-AP has room for one document: where several licences hold, the release's own, which has them all."""
    return _licence(allowed.licences[0]) if len(allowed.licences) == 1 else LICENCE_TEXT


def _typed(address: str, type_: str) -> dict[str, str]:
    return {"@id": address, "@type": type_}


def _licence(name: str) -> str:
    return LICENCES[name][1]


def _publisher() -> dict[str, Any]:
    return {"@id": "#publisher", "@type": "foaf:Agent", "foaf:name": _en(PUBLISHER)}


def _en(text: str) -> dict[str, str]:
    return {"@value": text, "@language": "en"}


def _day(day: date) -> dict[str, str]:
    return {"@value": day.isoformat(), "@type": "xsd:date"}
