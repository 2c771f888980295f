"""KPIs of our own on the sample, from the portal to `kpi_point`: there, varied, distinct, in bounds, adding up."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import yaml
from cityperf.config import ROOT, Settings
from cityperf.load import ensure_raw_tables
from cityperf.portal import deliver_drops
from cityperf.sources import load_contracts

from tests.conftest import empty_warehouse
from tests.integration.builds import dbt
from tests.integration.test_every_source import visit
from tests.integration.test_kpi_rules import WITHOUT_TESTS
from tests.integration.test_portal import start

NIGHT = date(2026, 11, 19)
FEED = {"dashboard_measures", "dashboard_targets", "dashboard_narratives", "dashboard_measure_downloads"}
# Shares that are no part of a whole: changes may be negative, spending may pass its budget.
CHANGES = {"NB-POP-01", "QL-CPI-01"}
OVER_ONE = {"CP-BUD-02"}
# A median of wards says nothing of the city's.
MEDIANS = {"SD-FIR-03", "SD-BLD-01", "SD-PLN-01"}
# Most of the plan is for the whole city and for no ward.
CITY_WIDE = {"NB-CAP-01"}

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
def figures(warehouse: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    """Identifier → place → period → value, numerator and denominator of one night of the sample."""
    empty_warehouse(warehouse)
    contracts = load_contracts()
    ensure_raw_tables(warehouse, contracts)
    process, port = start(tmp_path_factory.mktemp("portal"), "sample", scale="0.05")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CITYPERF_PORTAL_URL", f"http://127.0.0.1:{port}")
            names = sorted(FEED.union(*(kpi["sources"] for kpi in OWN.values())))
            folders = (contracts[name].extract.arguments.get("folder") for name in names)
            deliver_drops(warehouse, NIGHT, {folder: "" for folder in folders if folder})
            with ThreadPoolExecutor(max_workers=3) as pool:  # the portal draws one while another is loaded
                visits = pool.map(lambda name: visit(warehouse, contracts[name], NIGHT), names)
                bad = {
                    n: found for n, found in zip(names, visits, strict=True) if isinstance(found, Exception)
                }
        assert bad == {}
    finally:
        process.kill()
        process.wait()
    statuses = dbt(warehouse, NIGHT, "build", *WITHOUT_TESTS, "--select", "+kpi_point")
    assert set(statuses.values()) <= {"success"}, statuses
    yield read(warehouse)
    empty_warehouse(warehouse)


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
            series[period][1] for (kind, _), series in places.items() if kind in kinds and period in series
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
            if kind in by_kind:
                by_kind[kind].add(code)
    assert by_kind["ward"] == {f"{n:02d}" for n in range(1, 26)}
    assert (len(by_kind["neighbourhood_140"]), len(by_kind["neighbourhood_158"])) == (140, 158)
