"""What an edit of the project reaches, on small projects made up here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from cityperf.errors import CityperfError
from cityperf.impact import Graph, Impact, compare, depends_on, graph_of
from cityperf.impact.columns import ROWS, shape_of
from cityperf.impact.project import Exposure, Model, Project, kept_of

PAGES = {("figure", "value"): ("kpi", "data"), ("figure", "period_start"): ("kpi",)}
RAW = {"raw.calls": ("call_id", "opened", "status", "ward", "_file_id"), "reference.ward": ("code", "name")}
MODELS = {
    "staging.stg_calls": "select call_id, opened::date as opened_on, status as state, ward as ward_code from @raw.calls",
    "kpis.open_calls": """
        select 'K-1' as kpi_id, opened_on as period_start, ward_code as geography_code,
            count(*) filter (where state = 'Open') as numerator, count(*) as denominator
        from @staging.stg_calls group by 1, 2, 3""",
    "kpis.all_calls": """
        select 'K-2' as kpi_id, opened_on as period_start, ward_code as geography_code,
            count(*) as numerator, null::bigint as denominator
        from @staging.stg_calls group by 1, 2, 3""",
    "marts.mart_figure": """
        with every as (select * from @kpis.open_calls union all select * from @kpis.all_calls)
        select every.*, wards.name as ward_name,
            every.numerator::numeric / nullif(every.denominator, 0) as value
        from every left join @reference.ward as wards on every.geography_code = wards.code""",
    "publish_next.figure": "select kpi_id, period_start, ward_name, value from @marts.mart_figure",
}


def sql_of(text: str) -> str:
    return re.sub(r"@(\w+)\.(\w+)", r'"w"."\1"."\2"', text)


def project(models: Mapping[str, str] | None = None, **changes: Any) -> Project:
    """The models above with some written otherwise, as dbt would have compiled them."""
    made = {}
    for place, text in {**MODELS, **(models or {})}.items():
        schema, name = place.split(".")
        kpis = {"open_calls": ("K-1",), "all_calls": ("K-2",)}.get(name, ())
        file = f"models/{schema.removesuffix('_next')}/{name}.sql"
        made[name] = Model(name, schema, name, file, sql_of(text), ("a", "b"), False, (), kpis, text)
    sent = Exposure(
        "figure_dataset", "figure", ("kpi_id", "period_start", "value"), ("csv", "parquet"), ("files",)
    )
    whole = {
        "others": RAW,
        "exposures": (sent,),
        "kpis": {"K-1": "1", "K-2": "1"},
        "seeds": {"reference.ward": "1"},
    }
    return Project(made, **{**whole, **changes})


def graph(models: Mapping[str, str] | None = None, **changes: Any) -> Graph:
    return graph_of(project(models, **changes))


def impact(models: Mapping[str, str], **changes: Any) -> Impact:
    return compare(graph(), graph(models, **changes), PAGES)


def changed(found: Impact) -> dict[str, Mapping[str, str]]:
    return {each.model: each.columns for each in found.changes}


def reached(found: Impact) -> dict[str, tuple[str, ...]]:
    return {each.model: each.columns for each in found.reached}


def test_nothing_changed_reaches_nothing() -> None:
    assert impact({}) == Impact((), (), (), (), {}, (), {}, {})


def test_sql_laid_out_otherwise_means_the_same() -> None:
    found = impact(
        {
            "publish_next.figure": """
        with named as (select m.value as v, m.kpi_id, m.period_start, m.ward_name from @marts.mart_figure as m)
        -- the same in other words
        select named.kpi_id, named.period_start, named.ward_name, v as value from named"""
        }
    )
    assert changed(found) == {"figure": {}}
    assert not found.changes[0].rows and not found.published and not found.exports


def test_a_changed_expression_reaches_what_is_worked_out_with_it_and_nothing_else() -> None:
    found = impact({"kpis.open_calls": MODELS["kpis.open_calls"].replace("'Open'", "'New'")})
    assert changed(found) == {"open_calls": {"numerator": "changed"}}
    assert reached(found) == {
        "open_calls": ("numerator",), "mart_figure": ("numerator", "value"), "figure": ("value",)
    }  # fmt: skip
    assert not any(each.rows for each in found.reached)
    assert found.kpis == ("K-1",)
    (export,) = found.exports
    assert (export.exposure, export.columns, export.files) == (
        "figure_dataset", ("value",), ("figure.csv", "figure.parquet")
    )  # fmt: skip
    assert found.pages == {"kpi": ("figure.value",), "data": ("figure.value",)}


def test_a_renamed_column_is_one_gone_and_one_come_and_its_readers_are_reached() -> None:
    found = impact(
        {"staging.stg_calls": MODELS["staging.stg_calls"].replace("status as state", "status as standing")}
    )
    assert changed(found)["stg_calls"] == {"state": "removed", "standing": "added"}
    # The KPI still asks for the old name: dbt would fail there, and that is where to look.
    assert set(reached(found)["open_calls"]) >= {"a", "b"}
    (broken,) = [each for each in found.changes if each.model == "open_calls"]
    assert "column state" in broken.by_table


def test_a_removed_column_reaches_those_that_read_it_before() -> None:
    found = impact({
        "marts.mart_figure": MODELS["marts.mart_figure"].replace("wards.name as ward_name,", ""),
        "publish_next.figure": MODELS["publish_next.figure"].replace("ward_name, ", ""),
    })  # fmt: skip
    assert changed(found) == {"mart_figure": {"ward_name": "removed"}, "figure": {"ward_name": "removed"}}
    assert reached(found) == {"mart_figure": ("ward_name",), "figure": ("ward_name",)}
    assert not found.exports and not found.pages  # it never left


def test_an_added_column_comes_through_select_star_and_reaches_no_further() -> None:
    more = {
        name: MODELS[name].replace("as denominator", "as denominator, 1 as weight")
        for name in MODELS
        if "kpis." in name
    }
    found = impact(more)
    assert changed(found)["mart_figure"] == {"weight": "added"}
    assert not found.published


def test_a_filter_reaches_every_column_through_the_rows() -> None:
    found = impact({"staging.stg_calls": MODELS["staging.stg_calls"] + " where ward is not null"})
    (change,) = found.changes
    assert change.rows and not change.columns
    assert all(each.rows for each in found.published)
    assert found.kpis == ("K-1", "K-2")
    assert found.pages == {"kpi": (f"figure.{ROWS}",), "data": (f"figure.{ROWS}",)}


def test_a_join_key_reaches_the_rows_and_a_mere_label_does_not() -> None:
    by_key, by_label = (
        depends_on(graph(), "reference.ward.code", PAGES),
        depends_on(graph(), "reference.ward.name", PAGES),
    )
    assert [each.rows for each in by_key.published] == [True]
    assert [(each.columns, each.rows) for each in by_label.published] == [(("ward_name",), False)]


def test_a_union_reaches_by_place_whatever_the_second_part_calls_its_columns() -> None:
    second = MODELS["kpis.all_calls"].replace("as numerator", "as calls")
    found = depends_on(graph({"kpis.all_calls": second}), "all_calls.calls", PAGES)
    assert reached(found)["mart_figure"] == ("numerator", "value")


def test_a_mart_is_a_figure_of_every_kpi_that_it_is_made_of() -> None:
    assert depends_on(graph(), "mart_figure.value", PAGES).kpis == ("K-1", "K-2")
    assert depends_on(graph(), "reference.ward.name", PAGES).kpis == ()


def test_a_seed_with_other_rows_is_a_change() -> None:
    found = impact({}, seeds={"reference.ward": "2"})
    assert changed(found) == {"reference.ward": {"code": "changed", "name": "changed"}}
    assert [each.model for each in found.published] == ["figure"]


def test_an_incremental_model_whose_increment_changed_is_reached_by_table() -> None:
    before, now = project(), project()
    incremental = {name: Model(**{**vars(each), "incremental": True}) for name, each in now.models.items()}
    edited = Model(**{**vars(incremental["mart_figure"]), "rest": "other macro"})
    now = Project(**{**vars(now), "models": {**incremental, "mart_figure": edited}})
    found = compare(graph_of(before), graph_of(now), PAGES)
    assert found.changes[0].by_table.startswith("what it does to the rows it has")
    assert found.published[0].rows


def test_a_star_over_a_table_that_nobody_knows_is_told_by_table() -> None:
    found = graph({"staging.stg_calls": "select * from @ops.unknown"})
    assert found.shapes["stg_calls"].whole == "every column of ops.unknown, which are not known"
    assert reached(depends_on(found, "stg_calls.a", PAGES))["open_calls"]


def test_sql_that_cannot_be_read_is_told_by_table() -> None:
    shape = shape_of('select {% from "w"."raw"."calls"', RAW, ("a",))
    assert shape.whole and shape.columns["a"].reads == {("raw.calls", "*"), ("raw.calls", ROWS)}


@pytest.mark.parametrize(
    ("sql", "column", "reads"),
    [
        ("select (select max(opened) from @raw.calls as c where c.ward = w.code) as newest from @reference.ward as w",
         "newest", {"raw.calls.opened", "raw.calls.ward", "raw.calls.(rows)", "reference.ward.code"}),
        ("select t.part from @raw.calls as c cross join lateral unnest(string_to_array(c.status, ',')) as t (part)",
         "part", {"raw.calls.status"}),
        ("select row_number() over w as place from @raw.calls window w as (partition by ward order by opened)",
         "place", {"raw.calls.ward", "raw.calls.opened"}),
        ("with recursive up as (select code, 1 as n from @reference.ward union all select up.code, up.n + 1 from up) "
         "select code from up", "code", {"reference.ward.code"}),
        ("select coalesce(a.ward, b.code) as ward from @raw.calls as a full join @reference.ward as b on a.ward = b.code",
         "ward", {"raw.calls.ward", "reference.ward.code"}),
        ("select v.code from (values (1, 'x')) as v (place, code)", "code", set()),
        ("select code from @reference.ward union select status from @raw.calls", "code",
         {"reference.ward.code", "raw.calls.status"}),
    ],
)  # fmt: skip
def test_what_a_column_is_made_of(sql: str, column: str, reads: set[str]) -> None:
    shape = shape_of(sql_of(sql), RAW)
    assert shape.whole == ""
    assert {".".join(read) for read in shape.columns[column].reads} == reads


def test_a_question_about_what_is_not_there_says_what_is() -> None:
    with pytest.raises(CityperfError, match="it has call_id, opened_on, state, ward_code"):
        depends_on(graph(), "stg_calls.nothing", PAGES)
    with pytest.raises(CityperfError, match=r"expected MODEL\.COLUMN"):
        depends_on(graph(), "nothing.at_all", PAGES)


def test_kpis_and_the_allow_list_are_compared_too() -> None:
    less = Exposure("figure_dataset", "figure", ("kpi_id", "value"), ("csv",), ("files",))
    found = impact({}, kpis={"K-1": "2", "K-3": "1"}, exposures=(less,))
    assert found.kpi_definitions == {"K-1": "changed", "K-2": "removed", "K-3": "added"}
    assert found.allow_list == {"figure.period_start": "removed"}


def test_of_dbts_manifest_the_macros_a_model_calls_are_kept_too(tmp_path: Any) -> None:
    def manifest(macro: str) -> dict[str, Any]:
        node = {
            "unique_id": "model.c.open_calls", "resource_type": "model", "name": "open_calls", "schema": "kpis",
            "alias": None,
            "original_file_path": "models/kpis/open_calls.sql", "columns": {"kpi_id": {}}, "raw_code": "{{ one() }}",
            "config": {"materialized": "table", "meta": {"kpi": {"id": "K-1", "direction": "up"}}},
            "depends_on": {"nodes": ["source.c.raw.calls"], "macros": ["macro.c.one", "macro.dbt.ref"]},
        }  # fmt: skip
        macros = {
            "macro.c.one": {"macro_sql": "two", "depends_on": {"macros": ["macro.c.two"]}},
            "macro.c.two": {"macro_sql": macro, "depends_on": {"macros": ["macro.c.one"]}},
        }
        sources = {"source.c.raw.calls": {"schema": "raw", "name": "calls", "columns": {"ward": {}}}}
        return {"nodes": {node["unique_id"]: node}, "macros": macros, "sources": sources, "exposures": {}}

    one, other = (
        kept_of(manifest(text), {"model.c.open_calls": "select 1"}, tmp_path) for text in ("x", "y")
    )
    assert one["models"][0]["kpis"] == ("K-1",) and set(one["kpis"]) == {"K-1"}
    assert {"ward", "_file_id", "_period"} <= set(one["others"]["raw.calls"])
    assert one["models"][0]["rest"] != other["models"][0]["rest"]
