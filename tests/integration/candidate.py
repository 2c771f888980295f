"""A small candidate in publish_next, made as dbt makes it: by role transformer, in the shapes of
models/publish."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from typing import Any

import yaml
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from psycopg import sql

NIGHT = date(2024, 3, 15)
SHA = "ab" * 32
Row = dict[str, Any]


@cache
def shapes() -> dict[str, Any]:
    """Model name → its entry in models/publish/*.yml: columns, types, key, description."""
    found = {}
    for path in sorted((ROOT / "dbt_project" / "models" / "publish").glob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            found[model["name"]] = model
    return found


def key_of(model: dict[str, Any]) -> list[str]:
    return next(c["columns"] for c in model["constraints"] if c["type"] == "primary_key")


def value(kpi_id: str, period: date, figure: str | None, vintage: date = NIGHT, **more: Any) -> Row:
    return {
        "kpi_id": kpi_id,
        "kpi_version": 1,
        "geography_type": "city",
        "geography_code": "toronto",
        "period_grain": "month",
        "period_start": period,
        "vintage": vintage,
        "value": figure,
        "numerator": figure,
        "is_withdrawn": False,
        **more,
    }


def comparison(kpi_id: str, **more: Any) -> Row:
    return {
        "kpi_id": kpi_id,
        "kpi_version": 1,
        "geography_type": "city",
        "geography_code": "toronto",
        "period_grain": "month",
        "period_start": date(2024, 1, 1),
        "comparison": "period",
        "is_headline": True,
        "change_unit": "percent",
        "periods": 1,
        **more,
    }


def charted(kpi_id: str, **more: Any) -> Row:
    return {
        "kpi_id": kpi_id,
        "geography_type": "city",
        "geography_code": "toronto",
        "period_grain": "month",
        "period_start": date(2024, 1, 1),
        "value": "10",
        "charted": "10",
        "mean": "10",
        "lower_limit": "5",
        "upper_limit": "15",
        "point_type": "common_cause",
        **more,
    }


def assessed(kpi_id: str, variation: str, reason: str | None = None) -> Row:
    area = {"geography_type": "city", "geography_code": "toronto", "period_grain": "month"}
    return {"kpi_id": kpi_id, "variation": variation, "assurance": "no_target", "reason_en": reason, **area}


def expected(kpi_id: str, **more: Any) -> Row:
    """A forecast of March 2024, when February is known."""
    return {
        "kpi_id": kpi_id,
        "kpi_version": 1,
        "geography_type": "city",
        "geography_code": "toronto",
        "period_grain": "month",
        "period_start": date(2024, 3, 1),
        "value": "10",
        "low": "9",
        "high": "11",
        **more,
    }


def on_trial(kpi_id: str, mean_error: str, *, is_shown: bool) -> Row:
    area = {"geography_type": "city", "geography_code": "toronto", "period_grain": "month"}
    reason = None if is_shown else "No better than the same season a year before"
    trial = {"mean_error": mean_error, "naive_error": "1", "is_shown": is_shown, "reason_en": reason}
    return {"kpi_id": kpi_id, "kpi_version": 1, **trial, **area}


def edition(edition_id: str, **more: Any) -> Row:
    """An edition of February 2024 that release 1 froze."""
    text = dict.fromkeys(("title_en", "title_fr", "summary_en", "summary_fr"), edition_id)
    return {
        "edition_id": edition_id,
        **text,
        "period_start": date(2024, 2, 1),
        "period_end": date(2024, 2, 29),
        "as_of": NIGHT,
        "signed_off_by": "City Manager",
        "signed_off_on": NIGHT,
        "night": NIGHT,
        "release_number": 1,
        **more,
    }


def edition_figure(edition_id: str, kpi_id: str, **more: Any) -> Row:
    """The city's January 2024 in an edition, neither restated nor redefined."""
    names = ("section_name_en", "section_name_fr", "name_en", "name_fr", "definition_en", "definition_fr")
    return {
        "edition_id": edition_id,
        "kpi_id": kpi_id,
        **dict.fromkeys(names, kpi_id),
        "place": 1,
        "section_place": 1,
        "report_section": "customer_service",
        "dimension": "service_delivery",
        "unit": "number",
        "decimals": 0,
        "direction": "up",
        "owner": "Transit",
        "kpi_version": 1,
        "geography_type": "city",
        "geography_code": "toronto",
        "period_grain": "month",
        "period_start": date(2024, 1, 1),
        "status": "favourable",
        "is_restated": False,
        "is_redefined": False,
        **more,
    }


def node(level: str, name: str, parent: str | None, attainment: str | None) -> Row:
    """A node of the balanced scorecard, the only one of its parent's that has an attainment."""
    share = None if attainment is None else "1"
    return {
        "node_level": level,
        "node": name,
        "parent": parent,
        "weight": "1",
        "weight_share": share,
        "attainment": attainment,
    }


def sound_rows(number: int, night: date = NIGHT, marker: int = 0) -> dict[str, list[Row]]:
    """Rows of a candidate that passes every check; `marker` makes one candidate differ from another
    everywhere."""
    kpi = {
        "dimension": "service_delivery",
        "unit": "number",
        "owner": "Transit",
        "version": 1,
        "origin": "own",
        "target_type": "none",
        "is_registered": True,
        "is_active": True,
        "objective": "serve_on_time",
        "lifecycle_state": "active",
        "suitable_for_signals": False,
    }
    rows: dict[str, list[Row]] = {
        "kpi": [
            {"kpi_id": "1.02", "name_en": f"Unemployment rate {marker}", "direction": "down", **kpi},
            {
                "kpi_id": "2.05",
                "name_en": "Ridership",
                "direction": "up",
                **kpi,
                "suitable_for_signals": True,
            },
            {"kpi_id": "1.10", "name_en": "Consumer prices", "direction": "none", **kpi},
        ],
        "kpi_version": [
            {"kpi_id": kpi_id, "kpi_version": 1, "is_current": True, "is_break": False}
            for kpi_id in ("1.02", "2.05", "1.10")
        ],
        "balanced_scorecard": [
            node("corporate", "corporate", None, "0.8"),
            node("perspective", "customer", "corporate", "0.8"),
            node("objective", "serve_on_time", "customer", "0.8"),
            node("kpi", "1.02", "serve_on_time", "0.8"),
            node("kpi", "2.05", "serve_on_time", None),
            node("kpi", "1.10", "serve_on_time", None),
        ],
        "kpi_value": [
            value("1.02", date(2023, 12, 1), "0.06918"),
            value("1.02", date(2024, 1, 1), "0.06884"),
            value("1.02", date(2024, 2, 1), None),
            value("2.05", date(2024, 1, 1), "53236000"),
            value("1.10", date(2024, 1, 1), "137.45"),
        ],
        "kpi_comparison": [
            comparison(
                "1.02",
                current_value="0.06884",
                compared_value="0.06918",
                threshold="0.01",
                trend="stable",
                impact=0,
                status="stable",
            ),
            comparison(
                "2.05",
                current_value="53236000",
                compared_value="50000000",
                threshold="0.01",
                trend="up",
                impact=1,
                status="favourable",
            ),
            comparison(
                "1.10",
                current_value="137.45",
                compared_value="133.1",
                threshold="0.02",
                trend="up",
                impact=None,
                status="neutral",
            ),
        ],
        "kpi_signal": [charted("2.05")],
        "kpi_forecast": [expected("2.05")],
        "kpi_forecast_trial": [
            on_trial("2.05", "0.5", is_shown=True),
            on_trial("1.10", "2", is_shown=False),
        ],
        "kpi_assessment": [
            assessed("1.02", "not_suitable", "A moving average."),
            assessed("2.05", "common_cause"),
            assessed("1.10", "not_suitable", "A rate of change."),
        ],
        "period": [
            {
                "period_grain": "month",
                "period_start": start,
                "period_end": end,
                "calendar_year": start.year,
                "label_en": f"{start:%b %Y}",
            }
            for start, end in (
                (date(2023, 12, 1), date(2023, 12, 31)),
                (date(2024, 1, 1), date(2024, 1, 31)),
                (date(2024, 2, 1), date(2024, 2, 29)),
            )
        ],
        "geography": [
            {"geography_type": "country", "geography_code": "canada", "geography_name": "Canada"},
            {
                "geography_type": "city",
                "geography_code": "toronto",
                "geography_name": f"Toronto {marker}",
                "parent_type": "country",
                "parent_code": "canada",
            },
        ],
        "organisation": [
            {
                "organisation_name": "Transit",
                "division_code": "TRN",
                "division_name": f"Transit {marker}",
                "name_role": "current",
                "is_current_name": True,
            },
        ],
        "vintage": [
            {
                "vintage": NIGHT,
                "release_number": 1,
                "figures": 5,
                "figures_new": 5,
                "figures_changed": 0,
                "figures_withdrawn": 0,
                "kpis": 3,
            },
        ],
        "scorecard": [
            {"kpi_id": "1.02", "direction": "down", "status": "stable", "name_en": f"Rate {marker}"},
            {"kpi_id": "2.05", "direction": "up", "status": "favourable"},
            {"kpi_id": "1.10", "direction": "none", "status": "neutral"},
        ],
        "dimension_scorecard": [
            {
                "dimension": "service_delivery",
                "comparison": "period",
                "kpis": 3,
                "favourable": 1,
                "unfavourable": 0,
                "stable": 1,
                "neutral": 1,
                "no_comparison": 0,
                "targets_set": 0,
                "targets_met": 0,
            },
        ],
        "benchmark": [
            {
                "measure_code": "ROAD307T",
                "municipality": "Toronto",
                "period_year": 2018,
                "value": "11809",
                "median": "12488.25",
                "rank": 1,
                "reporters": 2,
                "quartile": None,
                "direction": "down",
            },
            {
                "measure_code": "ROAD307T",
                "municipality": "London",
                "period_year": 2018,
                "value": "13167.50",
                "median": "12488.25",
                "rank": 2,
                "reporters": 2,
                "quartile": None,
                "direction": "down",
            },
        ],
        "report_card": [
            {
                "publisher": "A board",
                "report_card": "Cities",
                "edition": "2023",
                "indicator": "Air",
                "rank": 3,
                "peers": 9,
                "url": "https://example.org/cities",
                "direction": "up",
            },
        ],
        "report_edition": [edition("CPR-2024-Q1", kpis=1, figures=1, figures_restated=0)],
        "report_edition_figure": [
            edition_figure("CPR-2024-Q1", "2.05", value="53236000", latest_value="53236000")
        ],
        "commitment": [
            {
                "commitment_id": "C-1",
                "goal": "=1+1",
                "commitment": "-5",
                "division": 'Parks, "Forestry"\nand more',
                "status": "on_track",
                "comment": "@home",
                "status_label": "Underway - on track",
            },
            {
                "commitment_id": "C-2",
                "goal": "",
                "commitment": "-5 degrees",
                "division": "Élan ☃",
                "status": "completed",
                "comment": None,
                "status_label": "+1",
            },
        ],
        "data_quality": [
            {
                "dataset": "dashboard_measures",
                "rows_loaded": 5,
                "rows_quarantined": 0,
                "rows_discarded": 0,
                "checks_passed": 3,
                "checks_warned": 0,
                "checks_failed": marker,
                "last_delivery_night": night,
                "freshness_state": "fresh",
            },
        ],
        "provenance": [
            {
                "subject_type": "kpi",
                "subject": kpi_id,
                "dataset": "dashboard_measures",
                "file_name": "tpp_measures.json",
                "sha256": SHA,
                "bytes": 10,
                "url": "https://www.toronto.ca/app_content/tpp_measures",
                "delivered_night": night,
                "is_current": True,
            }
            for kpi_id in ("1.02", "2.05", "1.10")
        ],
        "release": [{"number": number, "night": night, "code_version": "0.1.0"}],
    }
    rows["catalogue"] = [
        {
            "table_name": name,
            "description": f"About {name} {marker}",
            "grain": "one row",
            "row_count": len(rows.get(name, [])),
            "example_query": f"select * from publish.{name}",
            "row_key": "x",
            "owner": "Performance Office",
        }
        for name in shapes()
    ]
    return {name: rows.get(name, []) for name in shapes()}


def build_candidate(
    settings: Settings,
    number: int,
    *,
    night: date = NIGHT,
    marker: int = 0,
    change: dict[str, list[Row]] | None = None,
) -> None:
    """(Re)build publish_next as dbt would: role transformer, every table replaced whole, keys and
    comments."""
    with connect(settings, "transformer") as connection:
        for name, rows in {**sound_rows(number, night, marker), **(change or {})}.items():
            model = shapes()[name]
            table, key = sql.Identifier("publish_next", name), key_of(model)
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(c["name"]), sql.SQL(c["data_type"]))
                for c in model["columns"]
            )
            connection.execute(sql.SQL("drop table if exists {}").format(table))
            connection.execute(
                sql.SQL("create table {} ({}, primary key ({}))").format(
                    table, columns, sql.SQL(", ").join(map(sql.Identifier, key))
                )
            )
            connection.execute(
                sql.SQL("comment on table {} is {}").format(table, sql.Literal(model["description"]))
            )
            for row in rows:
                connection.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        table,
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join(sql.Placeholder() * len(row)),
                    ),
                    list(row.values()),
                )


def manifest() -> dict[str, Any]:
    """The part of dbt's manifest that exports read, with the project's own exposures.

    benchmark is made of a source without a licence.
    """
    prefix, source = "model.cityperf.", "source.cityperf.raw."

    def parents(name: str) -> list[str]:
        return {
            "benchmark": [f"{source}mbncanada_results"],
            "kpi_value": [f"{source}dashboard_measures"],
        }.get(name, [])

    nodes = {
        prefix + name: {
            "name": name,
            "alias": name,
            "resource_type": "model",
            "description": model["description"],
            "columns": {
                c["name"]: {"name": c["name"], "description": c["description"]} for c in model["columns"]
            },
            "depends_on": {"nodes": parents(name)},
            "config": {"meta": model["config"]["meta"]},
        }
        for name, model in shapes().items()
    }
    exposures = yaml.safe_load((ROOT / "dbt_project" / "models" / "exposures.yml").read_text())["exposures"]
    return {
        "nodes": nodes,
        "sources": {
            source + dataset: {"source_name": "raw", "name": dataset, "identifier": dataset}
            for dataset in ("mbncanada_results", "dashboard_measures")
        },
        "exposures": {
            f"exposure.cityperf.{e['name']}": {
                **e,
                "depends_on": {"nodes": [prefix + re.findall(r"'(.+)'", r)[0] for r in e["depends_on"]]},
            }
            for e in exposures
        },
    }


def write_manifest(settings: Settings) -> None:
    """Where cityperf.transform leaves it."""
    path = settings.base / "dbt" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest()))
