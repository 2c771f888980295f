"""The landing gate on sound feeds, night after night: every alarm is a false one.

    ./cityperf bench false-alarms [--years 5] [--every 1] [--since 2021-11-08]

Simulates nights from --since on: each is visited over HTTP, and what is new is loaded through the gate, without Airflow and
dbt. The first night brings the history and is not counted. Freshness is held against the contracts' limits, which is
what dbt does at night. `--every 7` looks at one night a week. Prints each alarm, and how many gates ran.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import date, timedelta
from functools import partial
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parents[2] / "include"),
    str(Path(__file__).resolve().parents[2]),
]

DATASETS = (
    "dashboard_measures", "dashboard_targets", "ttc_subway_delays", "operating_budget", "service_requests_311",
    "statcan_indicators", "bank_of_canada_rates", "neighbourhood_crime_rates", "mbncanada_results", "commitments",
)  # fmt: skip


def main() -> None:
    from cityperf import postgres
    from cityperf.config import Settings

    from tests.feeds import feeds, simulate

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--years", type=float, default=5)
    parser.add_argument("--every", type=int, default=1, help="nights from one visit to the next")
    parser.add_argument("--since", type=date.fromisoformat, default=date(2021, 11, 8))
    parser.add_argument("--datasets", default=",".join(DATASETS))
    options = parser.parse_args()
    datasets = options.datasets.split(",")
    nights = [
        options.since + timedelta(days=n) for n in range(0, int(365.25 * options.years) + 1, options.every)
    ]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=Path(folder))
        postgres.start(settings)
        try:
            with feeds(settings, datasets) as running:
                seen = simulate(running, datasets, nights, partial(print, flush=True))
        finally:
            postgres.stop(settings)
    print(
        f"{len(nights)} nights from {nights[0]} to {nights[-1]}: {seen.gates:,} gates, {seen.checks:,} checks, "
        f"{len(seen.alarms)} alarms, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
