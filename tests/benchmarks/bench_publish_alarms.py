"""The publish gate on sound nights: every alarm is a false one.

    ./cityperf bench publish-alarms [--years 5] [--every 30] [--since 2021-11-08] [--sources PATTERNS]

Simulates nights from --since on, without Airflow: what is new is visited and loaded through the landing gate, the models
are built, the candidate is checked against the release that is up, and goes up. Releases are numbered and swapped as
ever; pages are not drawn, since no check reads them, and no person is asked. One night in --every is looked at: then a
candidate differs from what is up by all that came since, which is more than between two nights. The first night brings
the history and is not counted. Prints each check that did not pass, and each dbt test.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]


def main() -> None:
    from cityperf import postgres
    from cityperf.config import Settings

    from tests.e2e.conftest import CORE

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--years", type=float, default=5)
    parser.add_argument("--every", type=int, default=30, help="nights from one candidate to the next")
    parser.add_argument("--since", type=date.fromisoformat, default=date(2021, 11, 8))
    parser.add_argument("--sources", default=CORE, help="as CITYPERF_SOURCES")
    asked = parser.parse_args()
    os.environ["CITYPERF_SOURCES"] = asked.sources
    nights = [asked.since + timedelta(days=n) for n in range(0, int(365.25 * asked.years) + 1, asked.every)]
    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=Path(folder))
        postgres.start(settings)
        try:
            simulate(settings, nights)
        finally:
            postgres.stop(settings)


def simulate(settings: object, nights: list[date]) -> None:
    from cityperf.errors import SourceUnavailable
    from cityperf.night import open_night
    from cityperf.publish import release
    from cityperf.quality import check_freshness, check_publish
    from cityperf.sources import nightly_contracts
    from cityperf.transform import transform

    from tests.feeds import feeds

    began, alarms, checks, candidates = time.monotonic(), 0, 0, 0
    contracts = nightly_contracts()
    with (
        feeds(settings, list(contracts)) as running,
        mock.patch("cityperf.publish.release._site"),
        mock.patch("cityperf.publish.release._why_a_person", return_value=None),
    ):
        for night in nights:
            open_night(settings, night)
            for dataset in contracts:
                with suppress(SourceUnavailable):  # a register whose first hand-in is yet to come
                    running.load(dataset, night)
            check_freshness(settings, night, contracts)
            if not transform(settings, night).release_wanted:
                print(f"-- {night}: nothing new", flush=True)
                continue
            verdict = check_publish(settings, night)
            outcome = release(settings, night)
            if night != nights[0]:
                candidates += 1
                checks += len(verdict.results)
                bad = [each for each in verdict.results if each.status != "pass"]
                alarms += len(bad)
                for each in bad:
                    print(f"FALSE ALARM {night} {each.severity} {each.suite} {each.check}: {each.found}")
            print(
                f"-- {night}: {outcome.status} {outcome.number}, {candidates} candidates and {checks:,} checks so far, "
                f"{alarms} alarms, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    print(
        f"{len(nights)} nights from {nights[0]} to {nights[-1]}: {candidates} candidates, {checks:,} checks of the publish "
        f"gate, {alarms} false alarms, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
