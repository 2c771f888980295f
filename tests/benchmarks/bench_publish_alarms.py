"""The publish gate on sound nights: every alarm is a false one.

    ./cityperf bench publish-alarms [--years 5] [--every 30] [--since 2021-11-08] [--sources PATTERNS]

Simulates nights from --since on, without Airflow: what is new is visited and loaded through the landing gate, the models
are built, the candidate is checked against the release that is up, and goes up. Releases are numbered and swapped as
ever; pages are not drawn, since no check reads them, and no person is asked. One night in --every is looked at: then a
candidate differs from what is up by all that came since, which is more than between two nights. The first night brings
the history and is not counted. Prints each check of the publish gate that did not pass, and each source that was not
there; a dbt test that fails ends the run. Alarms of the landing gate are `bench false-alarms`' matter.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]
if TYPE_CHECKING:
    from cityperf.config import Settings


def main() -> None:
    from tests.e2e.conftest import CORE
    from tests.feeds import nights_asked, nights_of, own_warehouse

    parser = nights_asked(__doc__, every=30)
    parser.add_argument("--sources", default=CORE, help="as CITYPERF_SOURCES")
    asked = parser.parse_args()
    os.environ["CITYPERF_SOURCES"] = asked.sources
    with own_warehouse() as settings:
        simulate(settings, nights_of(asked))


def simulate(settings: Settings, nights: list[date]) -> None:
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
                try:
                    running.load(dataset, night)
                except SourceUnavailable as problem:  # such as a register whose first hand-in is yet to come
                    print(f"-- {night}: {problem}", flush=True)
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
