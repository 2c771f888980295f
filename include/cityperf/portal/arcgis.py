"""An ArcGIS FeatureServer layer over a GeoJSON feature collection: description, counts and paged queries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cityperf.portal.answers import Answer, Ask, json_answer

_CONDITION: Final = re.compile(
    r"^\s*(\w+)\s*(=|<>|!=|>=|<=|>|<)\s*(?:'((?:[^']|'')*)'|(-?\d+(?:\.\d+)?))\s*$"
)
_OBJECT_ID: Final = re.compile(r"^(OBJECTID\w*|FID|_id)$")


@dataclass(frozen=True)
class Layer:
    """`collection` gives the GeoJSON; a page never holds more than `max_record_count` features."""

    host: str
    path: str
    name: str
    collection: Callable[[], Mapping[str, Any]]
    max_record_count: int = 1000


class _Refused(Exception):
    """A query that the server does not understand; ArcGIS says so in a body with HTTP status 200."""


def answer(ask: Ask, layer: Layer) -> Answer | None:
    """The layer's answer; None when the address is not one of its own."""
    if ask.host != layer.host:
        return None
    path = ask.path.rstrip("/")
    if path == layer.path:
        return json_answer(_describe(layer))
    if path == f"{layer.path}/query":
        asked: dict[str, str] = dict(ask.query)
        if ask.method == "POST" and ask.body:
            from urllib.parse import parse_qsl

            asked |= dict(parse_qsl(ask.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return json_answer(_query(layer, asked))
        except _Refused as error:
            body = {"error": {"code": 400, "message": "Cannot perform query. Invalid query parameters.",
                              "details": [str(error)]}}  # fmt: skip
            return json_answer(body)
    return None


def _describe(layer: Layer) -> dict[str, Any]:
    features = layer.collection()["features"]
    properties = features[0]["properties"] if features else {}
    object_id = _object_id(properties)
    geometry = ((features[0].get("geometry") or {}).get("type") or "") if features else ""
    return {
        "currentVersion": 11.2,
        "id": int(layer.path.rsplit("/", 1)[1]),
        "name": layer.name,
        "type": "Feature Layer",
        "geometryType": _GEOMETRY_TYPES.get(geometry, "esriGeometryPolygon"),
        "objectIdField": object_id,
        "fields": _fields(features, object_id),
        "maxRecordCount": layer.max_record_count,
        "standardMaxRecordCount": layer.max_record_count,
        "supportedQueryFormats": "JSON, geoJSON",
        "advancedQueryCapabilities": {
            "supportsPagination": True,
            "supportsOrderBy": True,
            "supportsStatistics": False,
        },
        "capabilities": "Query",
    }


_GEOMETRY_TYPES = {"Point": "esriGeometryPoint", "LineString": "esriGeometryPolyline"}


def _fields(features: list[Mapping[str, Any]], object_id: str) -> list[dict[str, Any]]:
    kinds: dict[str, str] = {}
    for feature in features:
        for name, value in feature["properties"].items():
            kind = kinds.get(name)
            if isinstance(value, str):
                kinds[name] = "esriFieldTypeString"
            elif isinstance(value, float) and kind != "esriFieldTypeString":
                kinds[name] = "esriFieldTypeDouble"
            elif kind is None:
                kinds[name] = "" if value is None else "esriFieldTypeInteger"
            elif kind == "" and value is not None:
                kinds[name] = "esriFieldTypeInteger"
    if object_id in kinds:
        kinds[object_id] = "esriFieldTypeOID"
    return [
        {"name": n, "type": k or "esriFieldTypeInteger", "alias": n, "nullable": True}
        for n, k in kinds.items()
    ]


def _query(layer: Layer, asked: Mapping[str, str]) -> dict[str, Any]:
    everything: list[dict[str, Any]] = list(layer.collection()["features"])
    object_id = _object_id(everything[0]["properties"] if everything else {})
    numbered = [
        f if object_id in f["properties"] else _numbered(f, object_id, i) for i, f in enumerate(everything, 1)
    ]
    chosen = _where(numbered, asked.get("where", ""))
    if _true(asked.get("returnCountOnly")):
        return {"count": len(chosen)}
    for term in reversed([t.strip() for t in asked.get("orderByFields", object_id).split(",") if t.strip()]):
        name, _, direction = term.partition(" ")
        if chosen and name not in chosen[0]["properties"]:
            raise _Refused(f"'Invalid field: {name}' parameter is invalid")
        chosen.sort(key=lambda f: _order(f["properties"][name]), reverse=direction.strip().upper() == "DESC")
    if _true(asked.get("returnIdsOnly")):
        return {"objectIdFieldName": object_id, "objectIds": [f["properties"][object_id] for f in chosen]}
    try:
        offset = int(asked.get("resultOffset") or 0)
        count = min(int(asked.get("resultRecordCount") or layer.max_record_count), layer.max_record_count)
    except ValueError as error:
        raise _Refused(str(error)) from error
    page = chosen[offset : offset + count]
    more = offset + count < len(chosen)
    wanted = None if asked.get("outFields", "*").strip() in ("*", "") else asked["outFields"].split(",")
    geometry = asked.get("returnGeometry", "true").lower() != "false"
    shown = []
    for feature in page:
        properties = feature["properties"]
        if wanted is not None:
            properties = {n.strip(): properties[n.strip()] for n in wanted if n.strip() in properties}
        shown.append((properties, feature.get("geometry") if geometry else None))
    if asked.get("f", "json").lower() == "geojson":
        collection: dict[str, Any] = {
            "type": "FeatureCollection",
            "crs": {"type": "name", "properties": {"name": "EPSG:4326"}},
        }
        if more:
            collection |= {"properties": {"exceededTransferLimit": True}, "exceededTransferLimit": True}
        collection["features"] = [
            {"type": "Feature", "id": f["properties"][object_id], "geometry": g, "properties": p}
            for (p, g), f in zip(shown, page, strict=True)
        ]
        return collection
    result: dict[str, Any] = {
        "objectIdFieldName": object_id,
        "geometryType": "esriGeometryPolygon",
        "spatialReference": {"wkid": 4326, "latestWkid": 4326},
        "fields": _fields([{"properties": p} for p, _ in shown], object_id),
        "features": [
            {"attributes": p} | ({"geometry": _esri(g)} if g else {}) for p, g in shown
        ],
    }  # fmt: skip
    if more:
        result["exceededTransferLimit"] = True
    return result


def _where(features: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    if not where.strip():
        raise _Refused("'where' or another filter is required")
    chosen = features
    for part in re.split(r"\s+and\s+", where.strip(), flags=re.IGNORECASE):
        if re.fullmatch(r"\(?\s*1\s*=\s*1\s*\)?", part):
            continue
        match = _CONDITION.match(part)
        if not match or (chosen and match[1] not in chosen[0]["properties"]):
            raise _Refused(f"'where' clause is invalid: {part}")
        name, operator, text, number = match.groups()
        value: Any = text.replace("''", "'") if text is not None else float(number)
        chosen = [f for f in chosen if _holds(f["properties"][name], operator, value)]
    return list(chosen)


def _holds(found: Any, operator: str, value: Any) -> bool:
    if found is None:
        return False
    left = str(found) if isinstance(value, str) else float(found)
    if operator in ("<>", "!="):
        return bool(left != value)
    return bool(
        (operator == "=" and left == value)
        or (operator in (">", ">=") and left > value)
        or (operator in ("<", "<=") and left < value)
        or (operator in (">=", "<=") and left == value)
    )


def _order(value: Any) -> tuple[int, float, str]:
    if value is None:
        return (0, -math.inf, "")
    return (1, 0.0, value) if isinstance(value, str) else (1, float(value), "")


def _object_id(properties: Mapping[str, Any]) -> str:
    return next((name for name in properties if _OBJECT_ID.match(name)), "OBJECTID")


def _numbered(feature: dict[str, Any], object_id: str, number: int) -> dict[str, Any]:
    return feature | {"properties": {object_id: number} | feature["properties"]}


def _true(text: str | None) -> bool:
    return (text or "").lower() == "true"


def _esri(geometry: Mapping[str, Any]) -> dict[str, Any]:
    coordinates = geometry["coordinates"]
    match geometry["type"]:
        case "Point":
            return {"x": coordinates[0], "y": coordinates[1]}
        case "Polygon":
            return {"rings": coordinates}
        case "MultiPolygon":
            return {"rings": [ring for polygon in coordinates for ring in polygon]}
        case "LineString":
            return {"paths": [coordinates]}
        case other:
            raise _Refused(f"geometry type {other} is not served")
