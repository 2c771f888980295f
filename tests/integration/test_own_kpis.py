"""KPIs of our own on the sample, from the portal to `kpi_point`: there, varied, distinct, in bounds, adding up."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import yaml
from cityperf.config import ROOT, Settings
from cityperf.registry import read_registry
from cityperf.registry.rollup import rolls_up

from tests.integration.builds import dbt
from tests.integration.conftest import SECOND, Sample
from tests.integration.test_kpi_rules import WITHOUT_TESTS

FEED = {"dashboard_measures", "dashboard_targets", "dashboard_narratives", "dashboard_measure_downloads"}
# Shares that are no part of a whole: changes may be negative, spending may pass its budget.
CHANGES = {"NB-POP-01", "QL-CPI-01"}
OVER_ONE = {"CP-BUD-02"}
# A median of wards says nothing of the city's.
MEDIANS = {"SD-FIR-03", "SD-BLD-01", "SD-PLN-01"}
# Most of the plan is for the whole city and for no ward.
CITY_WIDE = {"NB-CAP-01"}
UNPLACED = "unplaced"

Place = tuple[str, str]
Figure = tuple[Decimal | None, Decimal, Decimal | None]
Series = Mapping[date, Figure]
Figures = Mapping[str, Mapping[Place, Series]]


def kpis(part: str = "kpi") -> dict[str, dict[str, Any]]:
    """Identifier → what the YAML says, with its folder; of our own (`kpi`) or of the feed (`kpis`)."""
    found = {}
    for path in sorted((ROOT / "dbt_project" / "models" / "kpis").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            said = model["config"]["meta"].get(part, [])
            for kpi in said if isinstance(said, list) else [said]:
                found[str(kpi["id"])] = {**kpi, "folder": path.parent.name}
    return found


OWN = kpis()


@pytest.fixture(scope="module")
def figures(sample: Sample) -> Figures:
    """Identifier → place → period → value, numerator and denominator after two nights of the sample."""
    names = sorted(FEED.union(*(kpi["sources"] for kpi in OWN.values())))
    bad = {name: found for name in names for found in sample.visited(name) if isinstance(found, Exception)}
    assert bad == {}
    statuses = dbt(
        sample.warehouse, SECOND, "build", *WITHOUT_TESTS, "--select", "+mart_rollup_reconciliation"
    )
    assert set(statuses.values()) <= {"success"}, statuses
    return read(sample.warehouse)


def read(settings: Settings) -> Figures:
    found: dict[str, dict[Place, dict[date, Figure]]] = defaultdict(lambda: defaultdict(dict))
    with psycopg.connect(settings.dsn("transformer")) as db:
        rows = db.execute(
            "select kpi_id, geography_type, geography_code, period_start, value, numerator, denominator "
            "from marts.kpi_point order by period_start"
        )
        for kpi_id, kind, code, period, value, numerator, denominator in rows:
            found[kpi_id][kind, code][period] = (value, numerator, denominator)
    return found


def headline(figures: Figures, kpi_id: str) -> dict[date, Decimal]:
    """The series of the city or, where there is none, of the country; periods without a value left out."""
    places = figures[kpi_id]
    series = places.get(("city", "toronto")) or places[("country", "canada")]
    return {period: value for period, (value, _, _) in series.items() if value is not None}


def test_the_registry_has_enough_kpis_everywhere() -> None:
    everything = [*OWN.values(), *kpis("kpis").values()]
    assert len(everything) >= 120
    assert len(OWN) >= 60
    dimensions = Counter(kpi["dimension"] for kpi in OWN.values())
    assert len(dimensions) == 5
    assert min(dimensions.values()) >= 8, dimensions
    sections = Counter(kpi["report_section"] for kpi in OWN.values())
    assert len(sections) == 4
    assert min(sections.values()) >= 4, sections
    assert all(kpi["folder"] == kpi["dimension"] for kpi in OWN.values())


@pytest.mark.parametrize("kpi_id", sorted(OWN))
def test_a_kpi_has_figures_that_vary(figures: Figures, kpi_id: str) -> None:
    values = headline(figures, kpi_id)
    assert len(values) >= 2, "fewer than two periods"
    assert len({*values.values()}) >= 2, "every period has the same value"


@pytest.mark.parametrize("kpi_id", sorted(kpi_id for kpi_id, kpi in OWN.items() if kpi["unit"] == "percent"))
def test_a_share_is_a_fraction_of_its_whole(figures: Figures, kpi_id: str) -> None:
    low, high = (-1, 1) if kpi_id in CHANGES else (0, 2) if kpi_id in OVER_ONE else (0, 1)
    values = [
        value for series in figures[kpi_id].values() for value, _, _ in series.values() if value is not None
    ]
    assert low <= min(values) <= max(values) <= high


def test_no_kpi_is_a_copy_of_another_nor_its_multiple_or_complement(figures: Figures) -> None:
    """Two headline series with an exact straight line between them say the same thing in other words."""
    series = {kpi_id: headline(figures, kpi_id) for kpi_id in figures}
    copies = []
    for one, other in itertools.combinations(sorted(series), 2):
        if one not in OWN and other not in OWN:
            continue  # the feed is the City's
        shared = sorted(series[one].keys() & series[other].keys())
        if len(shared) < 2:
            continue
        pairs = [(series[one][period], series[other][period]) for period in shared]
        if all(a == b for a, b in pairs) or (len(shared) >= 4 and straight(pairs)):
            copies.append((one, other))
    assert copies == []


def straight(pairs: list[tuple[Decimal, Decimal]]) -> bool:
    """Whether all pairs lie on one line that neither axis is parallel to, to twelve digits."""
    n = len(pairs)
    mean_x, mean_y = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    xx = sum((x - mean_x) ** 2 for x, _ in pairs)
    yy = sum((y - mean_y) ** 2 for _, y in pairs)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    return bool(xx and yy) and abs(xy * xy / (xx * yy) - 1) < Decimal("1e-12")


@pytest.mark.parametrize("kpi_id", sorted(OWN))
def test_areas_add_up_to_the_city_but_for_what_has_no_area(figures: Figures, kpi_id: str) -> None:
    """Numerators of each period; where they do not have to, the definition says so."""
    places = figures[kpi_id]
    kinds = {kind for kind, _ in places} - {"city", "country"}
    if kpi_id in MEDIANS or not kinds:
        assert kpi_id not in MEDIANS or "do not add up" in OWN[kpi_id]["definition"]["en"]
        return
    total, found = Decimal(0), Decimal(0)
    for period, (_, whole, _) in places["city", "toronto"].items():
        parts = [
            series[period][1]
            for (kind, code), series in places.items()
            if kind in kinds and code != UNPLACED and period in series
        ]
        if parts:
            assert sum(parts) <= whole, period
            total, found = total + abs(whole), found + abs(sum(parts))
    assert kpi_id in CITY_WIDE or total * Decimal("0.75") <= found <= total


def test_wards_and_neighbourhoods_are_covered(figures: Figures) -> None:
    """A figure for an area that does not exist would reach no map."""
    by_kind = {kind: set[str]() for kind in ("ward", "neighbourhood_140", "neighbourhood_158")}
    for kpi_id in OWN:
        for kind, code in figures[kpi_id]:
            if kind in by_kind and code != UNPLACED:
                by_kind[kind].add(code)
    assert by_kind["ward"] == {f"{n:02d}" for n in range(1, 26)}
    assert (len(by_kind["neighbourhood_140"]), len(by_kind["neighbourhood_158"])) == (140, 158)


def test_parts_with_what_no_part_has_make_the_whole(figures: Figures, sample: Sample) -> None:
    """Every KPI with areas or divisions is held against the city in every period; only medians say that they cannot be."""
    with psycopg.connect(sample.warehouse.dsn("transformer")) as db:
        rows = db.execute(
            "select kpi_id, part_type, verdict, count(*), sum(unplaced_numerator), bool_and(reason_fr is not null) "
            "from marts.rollup_reconciliation group by 1, 2, 3"
        ).fetchall()
    verdicts = {(kpi_id, part): verdict for kpi_id, part, verdict, *_ in rows}
    assert len(verdicts) == len(rows), "one verdict a KPI and kind of part"
    assert {kpi_id for (kpi_id, _), verdict in verdicts.items() if verdict == "must_not_be_summed"} == MEDIANS
    assert {*verdicts.values()} == {"must_not_be_summed", "reconciles"}
    assert all(has_reason for *_, verdict, _, _, has_reason in rows if verdict == "must_not_be_summed")
    areas = {kpi_id for kpi_id in OWN for kind, _ in figures[kpi_id] if kind not in ("city", "country")}
    assert areas <= {kpi_id for kpi_id, _ in verdicts}
    assert {part for _, part in verdicts} == {"ward", "neighbourhood_140", "neighbourhood_158", "division"}
    unplaced = {kpi_id: total for kpi_id, _, _, _, total, _ in rows if total}
    assert unplaced["NB-CAP-01"] > 0, "what is planned for the whole city"


def test_sql_and_python_agree_on_how_kpis_roll_up(figures: Figures, sample: Sample) -> None:
    """The rule is written twice, for `kpi card` and for `publish.kpi`."""
    del figures  # the KPIs are built with them
    with psycopg.connect(sample.warehouse.dsn("transformer")) as db:
        rows = db.execute(
            "select kpi_id, rollup_geography, rollup_time, rollup_reason_en, rollup_reason_fr from marts.kpi "
            "where is_registered"
        ).fetchall()
    expected = {}
    for kpi_id, entry in read_registry().kpis.items():
        said = rolls_up(entry.definition)
        reason = (said.reason.en, said.reason.fr) if said.reason else (None, None)
        expected[kpi_id] = (said.geography, said.time, *reason)
    assert {kpi_id: tuple(rest) for kpi_id, *rest in rows} == expected
