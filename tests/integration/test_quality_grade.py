"""The open data catalogue's quality grade, from the landed files to the published table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cityperf.config import Settings
from cityperf.load import ensure_raw_tables
from cityperf.quality import catalogue_grade as rule
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.publisher import NIGHT, deliver

Query = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def graded(warehouse: Settings, real_data: Path) -> Iterator[None]:
    """The portal's real files of 5 July 2023, loaded by their contracts and graded."""
    empty_warehouse(warehouse)
    contracts = load_contracts()
    ensure_raw_tables(warehouse, contracts)
    for dataset, name in (
        ("catalogue_quality_inputs", "dqs_raw_scores_and_codes.csv"),
        ("catalogue_quality_scores", "dqs_final_scores_and_codes.csv"),
    ):
        deliver(warehouse, contracts[dataset], real_data / "catalogue" / name, name)
    statuses = dbt(
        warehouse, NIGHT, "build", "--exclude-resource-type", "unit_test", "--select",
        "stg_open_data__quality_inputs", "stg_open_data__quality_scores", "quality_code",
        "int_catalogue_quality", "mart_quality_grade", "quality_grade",
    )  # fmt: skip
    assert {*statuses.values()} <= {"success", "pass"}, statuses
    yield
    empty_warehouse(warehouse)


def test_all_125_published_grades_come_out_of_the_pipeline(graded: None, query: Query) -> None:
    """kpi-rules 3.13: scores and grades as the portal recorded them, and every code in words."""
    rows = query(
        "select resource, score, published_score, grade, published_grade from publish_next.quality_grade "
        "where origin = 'catalogue'"
    )
    assert len(rows) == 125
    assert [row for row in rows if row[1] != row[2] or row[3] != row[4]] == []
    codes = query(
        "select distinct (regexp_matches(codes, '~([a-z_]+)', 'g'))[1] from publish_next.quality_grade"
    )
    in_words = query("select code from reference.quality_code")
    assert len(codes) > 8
    assert {*codes} <= {*in_words}


def test_our_own_grades_follow_the_reference_in_python(graded: None, query: Query) -> None:
    """kpi-rules 3.13 on our own data sets, as files: described, with a steward and a tag; one is fetched, one handed
    in and so without an address."""
    rows = query(
        "select package, metadata, freshness, accessibility, score, grade from publish_next.quality_grade "
        "where origin = 'warehouse' order by package"
    )
    expected = {"catalogue_quality_inputs": Decimal("0.875"), "catalogue_quality_scores": Decimal(1)}
    assert {row[0]: row[1] for row in rows} == expected
    for package, metadata, freshness, accessibility, score, grade in rows:
        refresh = load_contracts()[package].schedule.refresh.replace("_", " ")
        fetched = package == "catalogue_quality_scores"
        assert float(freshness) == rule.freshness(refresh, 0)
        assert float(accessibility) == rule.accessibility("filestore", tags=1, has_pipeline=fetched)
        parts = {"metadata": metadata, "freshness": freshness, "accessibility": accessibility}
        assert score == rule.score(parts, "filestore")
        assert grade == rule.grade(score)
