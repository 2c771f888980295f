"""The open data catalogue's quality score: kpi-rules 3.13, and the scores and grades recorded in July 2023."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from cityperf.quality import catalogue_grade as rule

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def recorded(real_data: Path) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Every resource's inputs beside the score that the portal published."""

    def rows(name: str) -> Rows:
        with (real_data / "catalogue" / name).open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    inputs = {(row["package"], row["resource"]): row for row in rows("dqs_raw_scores_and_codes.csv")}
    return [(inputs[row["package"], row["resource"]], row) for row in rows("dqs_final_scores_and_codes.csv")]


@pytest.mark.real
def test_all_125_published_scores_and_grades_are_reproduced(
    recorded: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    wrong = []
    for given, published in recorded:
        store: rule.Store = "datastore" if given["store_type"] == "datastore" else "filestore"
        score = rule.score({name: Decimal(given[name]) for name in rule.WEIGHTS["datastore"]}, store)
        if (score, rule.grade(score)) != (Decimal(published["score"]), published["grade"]):
            wrong.append((published["resource"], score, published["score"], published["grade"]))
    assert (len(recorded), wrong) == (125, [])


@pytest.mark.real
def test_recorded_freshness_follows_from_the_periods_behind(
    recorded: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    """Of a daily data set the periods behind say the days exactly: one more."""
    daily = {
        "earlyon-child-and-family-centres", "toronto-beaches-water-quality", "street-furniture-bicycle-parking",
        "red-light-cameras", "on-street-permit-parking-area-maps", "licensed-child-care-centres",
        "non-regulated-lead-sample",
    }  # fmt: skip
    seen = {
        given["package"]: (int(given["freshness_code"].split(":")[1]), float(given["freshness"]))
        for given, _ in recorded
        if given["package"] in daily
    }
    assert set(seen) == daily
    for package, (behind, freshness) in seen.items():
        assert rule.freshness("Daily", behind + 1, rule.AGES_2023) == pytest.approx(freshness, abs=1e-8), (
            package
        )


@pytest.mark.real
def test_recorded_accessibility_follows_from_its_codes(
    recorded: list[tuple[dict[str, str], dict[str, str]]],
) -> None:
    for given, _ in recorded:
        code = given["accessibility_code"]
        store: rule.Store = "datastore" if given["store_type"] == "datastore" else "filestore"
        found = rule.accessibility(
            store, tags=0 if "~no_tags" in code else 1, has_pipeline="~no_pipeline_found" not in code
        )
        assert found == pytest.approx(float(given["accessibility"])), given["resource"]


@pytest.mark.parametrize(
    ("total", "grade"),
    [
        ("0.6", "Bronze"),
        ("0.601", "Silver"),
        ("0.8", "Silver"),
        ("0.801", "Gold"),
        ("1", "Gold"),
        ("0", "Bronze"),
    ],
)
def test_a_bound_belongs_to_the_lower_grade(total: str, grade: str) -> None:
    assert rule.grade(Decimal(total)) == grade


@pytest.mark.parametrize(
    ("rate", "days", "freshness"),
    [
        ("Real-time", 5000, 1.0),
        ("As available", 730, 1.0),
        ("As available", 1095, 0.5),
        ("Daily", 1, 1.0),
        ("Daily", 8, 0.5),  # seven periods behind: nothing left of that part
        ("Monthly", 60, 0.875),
        ("Quarterly", 182, 0.875),
        ("Annually", 365, 1.0),
        ("Annually", 1095, 0.0),
    ],
)
def test_freshness_is_half_periods_and_half_age(rate: str, days: int, freshness: float) -> None:
    assert rule.freshness(rate, days) == pytest.approx(freshness)


def test_an_unknown_refresh_rate_is_named() -> None:
    with pytest.raises(ValueError, match="found 'Fortnightly'"):
        rule.freshness("Fortnightly", 3)


def test_the_shared_mailbox_is_no_owner_and_columns_count_half() -> None:
    package = {"notes": "x", "topics": "Health", "owner_email": "opendata@toronto.ca", "information_url": ""}
    assert rule.metadata(package) == 0.5
    assert rule.metadata({**package, "owner_email": "a@toronto.ca"}, ["a note", None, " ", "b"]) == 0.625


def test_completeness_costs_only_from_one_half_missing() -> None:
    assert (rule.completeness(100, 49), rule.completeness(100, 50)) == (1.0, 0.5)
    with pytest.raises(ValueError, match="found 11"):
        rule.completeness(10, 11)


def test_files_in_closed_formats_only_have_no_pipeline() -> None:
    assert rule.accessibility("filestore", tags=1, has_pipeline=True, formats=["csv", "ZIP"]) == 0.5
    assert rule.accessibility("filestore", tags=1, has_pipeline=True, formats=["csv", "GPKG"]) == 0.9
