"""Building the public site: `./cityperf bench site`. Seconds for all pages of 1,000 KPIs in two languages, and for a
night in which one KPI in a hundred changed.

Promised: under 180 s on two cores, and under 10 s. Every KPI has 60 months, a chart of 48 points with limits, five
comparisons and a target; figures are drawn from a hash of the KPI and the month.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from cityperf import postgres, publish
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.publish.dictionary import load_dictionary
from cityperf.publish.exports import files_of
from cityperf.site.build import build
from cityperf.site.model import Edition
from cityperf.sources import load_contracts

sys.path.insert(0, str(ROOT))

from tests.integration.candidate import NIGHT, build_candidate, write_manifest

AREA = "'city', 'toronto', 'month'"
FIGURE = "(100 + abs(hashtext(k || m::text)) %% 200 / 10.0)::numeric(10, 1)"
MONTH = "(date '2019-03-01' + m * interval '1 month')::date"
KPIS = "(select 'BENCH-' || lpad(i::text, 4, '0') as k, i from generate_series(1, %(kpis)s) as i) as b"
DIMENSION = "('{service_delivery,quality_of_life,neighbourhood,customer_service,corporate_performance}'::text[])[1 + i %% 5]"
FILL = f"""
insert into publish_next.kpi (kpi_id, origin, name_en, name_fr, definition_en, definition_fr, dimension, unit, decimals,
    direction, period_grain, owner, version, target_type, is_registered, is_active, objective, lifecycle_state,
    suitable_for_signals)
select k, 'own', 'Measure ' || i, 'Mesure ' || i, 'What is counted', 'Ce qui est compté', {DIMENSION}, 'number', 1,
    'up', 'month', 'Division ' || i %% 30, 1, 'floor', true, true, 'serve_on_time', 'active', true from {KPIS};
insert into publish_next.kpi_version (kpi_id, kpi_version, is_current, is_break) select k, 1, true, false from {KPIS};
insert into publish_next.kpi_value (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start,
    vintage, value, is_withdrawn, is_latest)
select k, 1, {AREA}, {MONTH}, date '2024-03-15', {FIGURE}, false, true from {KPIS}, generate_series(0, 59) as m;
insert into publish_next.kpi_signal (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start,
    phase, place, phase_points, is_trial, value, signal_basis, charted, mean, average_moving_range, lower_limit,
    upper_limit, point_type)
select k, 1, {AREA}, {MONTH}, 1, m + 1, 60, false, {FIGURE}, 'value', {FIGURE}, 110, 6, 94, 126, 'common_cause'
from {KPIS}, generate_series(0, 59) as m;
insert into publish_next.kpi_assessment (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start,
    value, variation, is_trial, signal_basis, phase_points, mean, lower_limit, upper_limit, assurance)
select k, 1, {AREA}, {MONTH}, {FIGURE}, 'common_cause', false, 'value', 60, 110, 94, 126, 'hit_or_miss'
from {KPIS}, (select 59 as m) as last;
insert into publish_next.kpi_comparison (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start,
    comparison, current_value, compared_value, compared_period_start, periods, change, change_unit, trend, status,
    is_target_met, is_headline)
select k, 1, {AREA}, {MONTH}, c, {FIGURE}, 108, {MONTH} - 365, 1, 1.5, 'percent', 'up', 'favourable', c = 'target',
    c = 'year' from {KPIS}, (select 59 as m) as last, unnest(array['period', 'year', 'ytd', 'rolling_12', 'target']) as c;
insert into publish_next.scorecard (kpi_id, name_en, name_fr, dimension, unit, decimals, direction, owner, geography_type,
    geography_code, period_grain, period_start, value, vintage, headline, change, change_unit, trend, status,
    target_value, target_change, target_status, is_target_met, variation, assurance, recent_values, quality_grade)
select k, 'Measure ' || i, 'Mesure ' || i, {DIMENSION}, 'number', 1, 'up', 'Division ' || i %% 30, {AREA}, {MONTH},
    {FIGURE}, date '2024-03-15', 'year', 1.5, 'percent', 'up', 'favourable', 108, 1.5, 'favourable', true,
    'common_cause', 'hit_or_miss', '[1, 2, 3]', 'Gold' from {KPIS}, (select 59 as m) as last;
"""
CHANGED = "(select kpi_id from publish_next.kpi where kpi_id like 'BENCH-%%' order by kpi_id limit %(some)s)"
CHANGE = f"""
update publish_next.kpi_value set value = value + 1 where period_start = date '2024-02-01' and kpi_id in {CHANGED};
update publish_next.kpi_signal set value = value + 1, charted = charted + 1
    where period_start = date '2024-02-01' and kpi_id in {CHANGED};
update publish_next.scorecard set value = value + 1 where kpi_id in {CHANGED};
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kpis", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=None, help="processes that draw; default one per core")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="site-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    postgres.start(settings)
    try:
        write_manifest(settings)
        build_candidate(settings, publish.open_candidate(settings, NIGHT))
        _run(settings, FILL, kpis=asked.kpis)
        before: Path | None = None
        for number, what in ((1, "everything"), (2, "1 % changed"), (3, "nothing changed")):
            if number == 2:
                _run(settings, CHANGE, some=max(1, asked.kpis // 100))
            folder = home / str(number)
            began, used = time.monotonic(), sum(os.times()[:4])
            with connect(settings, "publisher") as connection:
                dictionary = load_dictionary(settings, load_contracts())
                edition = Edition(number, NIGHT, "sample")
                built = build(connection, "publish_next", dictionary, edition, folder, before, asked.workers)
            seconds = time.monotonic() - began
            size = sum(path.stat().st_size for path in files_of(folder).values())
            print(
                f"{what:<16} {seconds:7.1f} s: {built.pages:,} pages, {built.drawn:,} drawn, {built.taken:,} taken over; "
                f"{size / 1e6:.0f} MB; "
                f"{sum(os.times()[:4]) - used:.1f} s of processor, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            before = folder
    finally:
        postgres.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


def _run(settings: Settings, statements: str, **values: int) -> None:
    with connect(settings, "transformer") as connection:
        for statement in filter(str.strip, statements.split(";\n")):
            connection.execute(statement, values if "%" in statement else None)


if __name__ == "__main__":
    main()
