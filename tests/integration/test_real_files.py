"""Real files of the City and its partners, as published, load whole through their contracts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cityperf.config import Settings
from cityperf.sources import load_contracts

from tests.integration.publisher import deliver

Query = Callable[..., list[tuple[Any, ...]]]


class Real(NamedTuple):
    """A file below the folder of real files: its data set, its rows, and what one of them must say."""

    path: str
    dataset: str
    rows: int
    where: str
    column: str
    value: str


FILES = [
    Real("geography/city-wards-25.geojson", "city_wards", 25,
         "area_short_code = '7'", "area_name", "Humber River-Black Creek"),
    Real("geography/neighbourhoods-140.geojson", "neighbourhoods_140", 140,
         "area_short_code = '94'", "area_name", "Wychwood (94)"),
    Real("geography/community-councils.geojson", "community_councils", 4,
         "area_short_code = 'EA'", "area_name", "Scarborough Community Council"),
    Real("catalogue/portal-usage-2024-11.csv", "open_data_portal_usage", 680,
         "page_url = 'open.toronto.ca/dataset/3d-massing/' and _period = '2024-11'", "sessions", "840"),
    Real("catalogue/dqs_final_scores_and_codes.csv", "catalogue_quality_scores", 125,
         "package = 'earlyon-child-and-family-centres'", "grade", "Gold"),
    Real("catalogue/dqs_raw_scores_and_codes.csv", "catalogue_quality_inputs", 125,
         "package = 'earlyon-child-and-family-centres'", "usability", "0.926470588"),
    Real("toronto-311/resolution_by_ward_2022-2026.csv", "toronto_311_by_ward", 26,
         "ward_code = 'UNK'", "requests", "43"),
    Real("mbncanada/mbnc_measure_dictionary.csv", "mbncanada_measures", 533,
         "measure_number = 'FINV030'", "measure_name", "Municipal Purchases (Operating and Capital)"),
]  # fmt: skip


@pytest.mark.parametrize("real", FILES, ids=[Path(each.path).name for each in FILES])
def test_a_real_file_loads_whole_through_its_contract(
    clean_warehouse: Settings, real_data: Path, query: Query, real: Real
) -> None:
    agreed = load_contracts()[real.dataset]
    file = real_data / real.path
    if not file.is_file():
        pytest.skip(f"no {real.path} among the real files")
    result = deliver(clean_warehouse, agreed, file, file.name)
    assert (result.rows_in, result.loaded, result.quarantined) == (real.rows, real.rows, 0)
    assert query(f"select {real.column} from raw.{real.dataset} where {real.where}") == [(real.value,)]
    assert query("select schema_change from ops.batch") == [(None,)]
