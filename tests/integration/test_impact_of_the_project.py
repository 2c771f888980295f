"""Column lineage of the project's own models, compiled by dbt without a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cityperf.config import ROOT
from cityperf.impact import (
    Graph,
    Impact,
    Read,
    compare,
    depends_on,
    graph_of,
    keep_shapes,
    readers,
    shapes_kept,
)
from cityperf.impact.project import PROJECT, Project, working_tree

Edit = Callable[[str, str, str], Impact]


@pytest.fixture(scope="module")
def project() -> Project:
    return working_tree("sample")


@pytest.fixture(scope="module")
def graph(project: Project) -> Graph:
    kept = shapes_kept()
    found = graph_of(project, kept)
    keep_shapes(kept, [found])
    return found


@pytest.fixture(scope="module")
def read_by() -> dict[Read, tuple[str, ...]]:
    return readers.read_by()


@pytest.fixture
def edit(project: Project, graph: Graph, read_by: dict[Read, tuple[str, ...]]) -> Edit:
    """Compares with the project in which a model's compiled SQL says something else."""

    def edited(name: str, old: str, new: str) -> Impact:
        model = project.models[name]
        assert old in model.sql
        other = {**project.models, name: replace(model, sql=model.sql.replace(old, new))}
        return compare(graph, graph_of(replace(project, models=other), shapes_kept()), read_by)

    return edited


def test_every_model_is_compiled(project: Project) -> None:
    assert {path.stem for path in (ROOT / PROJECT / "models").rglob("*.sql")} == set(project.models)


def test_lineage_is_by_column_for_every_model(graph: Graph) -> None:
    assert {name: shape.whole for name, shape in graph.shapes.items() if shape.whole} == {}
    assert len(graph.shapes) >= 407


def test_the_columns_found_are_those_that_the_models_document(graph: Graph) -> None:
    """KPIs share one description of their columns, which is none of the model's own."""
    wrong = {
        name: set(shape.columns) ^ set(graph.project.models[name].documented)
        for name, shape in graph.shapes.items()
        if not graph.project.models[name].kpis
    }
    assert {name: columns for name, columns in wrong.items() if columns} == {}


def test_every_column_read_is_one_that_its_table_has(graph: Graph) -> None:
    tables = {graph.table[name]: set(shape.columns) for name, shape in graph.shapes.items()}
    lost = {
        read
        for read in graph.readers
        if read[0] in tables and read[1] not in {*tables[read[0]], "*", "(rows)"}
    }
    assert lost == set()


def test_a_marts_column_reaches_its_published_table_export_and_pages(
    graph: Graph, read_by: dict[Read, tuple[str, ...]]
) -> None:
    found = depends_on(graph, "mart_commitment.status_label", read_by)
    assert [(each.model, each.columns, each.rows) for each in found.published] == [
        ("commitment", ("status_label",), False)
    ]
    assert [(each.exposure, each.columns) for each in found.exports] == [
        ("commitment_dataset", ("status_label",))
    ]
    assert set(found.pages) == {"overview", "register"}
    assert found.kpis == ()


def test_a_published_column_reaches_the_dashboards_that_show_it(
    graph: Graph, read_by: dict[Read, tuple[str, ...]]
) -> None:
    found = depends_on(graph, "quality_grade.grade", read_by)
    assert [each for each in found.pages if each.startswith("Superset")] == ["Superset: data-trust"]


def test_a_staged_column_reaches_the_kpis_that_are_made_of_it_and_no_other(
    graph: Graph, read_by: dict[Read, tuple[str, ...]]
) -> None:
    found = depends_on(graph, "stg_311__service_requests.status", read_by)
    assert "CS-311-02" in found.kpis and "2.05" not in found.kpis
    columns = {each.model: each.columns for each in found.reached}
    assert "numerator" in columns["cancelled_requests"]
    assert "value" in columns["kpi_value"] and "sha256" not in columns.get("provenance", ())


def test_a_kpi_defined_otherwise_reaches_its_figure(edit: Edit) -> None:
    found = edit("open_requests", "sum(open_requests)", "sum(open_requests) * 2")
    assert [(each.model, dict(each.columns), each.rows) for each in found.changes] == [
        ("open_requests", {"numerator": "changed"}, False)
    ]
    assert found.kpis == ("CS-311-02",)
    published = {each.model: each for each in found.published}
    assert {"value", "numerator"} <= set(published["kpi_value"].columns)
    assert not published["kpi_value"].rows
    assert "kpi" in found.pages and "kpi_value_dataset" in {each.exposure for each in found.exports}


def test_a_published_expression_reaches_that_column_alone(edit: Edit) -> None:
    found = edit(
        "kpi_value", "case when not figures.is_withdrawn then marks.mark end as mark", "marks.mark as mark"
    )
    assert [(each.model, each.columns, each.rows) for each in found.published] == [
        ("kpi_value", ("mark",), False)
    ]


def test_a_model_moved_into_a_cte_means_the_same(project: Project, graph: Graph) -> None:
    other = {
        name: replace(model, sql=f"with moved as (\n{model.sql}\n)\nselect * from moved")
        for name, model in project.models.items()
        if model.schema in ("marts", "publish_next")
    }
    found = compare(graph, graph_of(replace(project, models={**project.models, **other}), shapes_kept()), {})
    assert {each.model for each in found.changes} == {*other}
    assert [each for each in found.changes if each.columns or each.rows or each.by_table] == []
    assert found.reached == ()
