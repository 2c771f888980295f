"""Kinds of corruption put into good feeds and good candidates: which of them the gates stop or flag.

    ./cityperf bench mutations [--only WORD]

Landing: loads a night of the sample and delivers each damaged file of the next (tests/mutations.py says what is wanted of
each). Publish: releases a sound night and judges each damaged candidate of the next (tests/mutations_of_candidates.py).
In a temporary home with a PostgreSQL and a portal of its own. Prints the table, the share caught and the names let pass.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [
    str(Path(__file__).resolve().parents[2] / "include"),
    str(Path(__file__).resolve().parents[2]),
]


def main() -> None:
    from cityperf import postgres
    from cityperf.config import Settings

    from tests.mutations import caught

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="kinds whose name, border or data set has this word")
    only = parser.parse_args().only
    tried = passed = 0
    missed = []
    for border, campaign in (("landing", landing), ("publish", candidates)):
        with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
            Path(folder).chmod(0o755)
            settings = Settings(profile="sample", home=Path(folder))
            postgres.start(settings)
            try:
                for name, subject, wanted, got, by in campaign(settings, only):
                    ok = caught(wanted, got)
                    tried, passed = tried + 1, passed + ok
                    missed += [] if ok else [name]
                    mark = "" if ok else "  MISSED"
                    print(
                        f"{name:58} {border} {subject:26} wanted {wanted:6} got {got:8} {by}{mark}",
                        flush=True,
                    )
            finally:
                postgres.stop(settings)
    if not tried:
        raise SystemExit(f"expected a kind with {only!r} in its name, border or data set, found none")
    print(f"{tried} kinds, {passed / tried:.1%} stopped or flagged; let pass: {', '.join(missed) or 'none'}")


# What a campaign yields of each kind: its name, what it damages, wanted, got, and by which checks.
Outcomes = Iterator[tuple[str, str, str, str, str]]


def landing(settings: Any, only: str) -> Outcomes:
    from tests.feeds import feeds
    from tests.mutations import LANDING, at_landing, damaged, prepared, severity

    chosen = [m for m in LANDING if any(only in word for word in (m.name, m.dataset, "landing"))]
    datasets = list(dict.fromkeys(m.dataset for m in chosen))
    if not chosen:
        return
    with feeds(settings, datasets) as running:
        good = prepared(running, datasets)
        for mutation in chosen:
            content = good[mutation.dataset][2]
            if damaged(mutation, content, good[mutation.dataset][1]) == content:
                raise SystemExit(f"{mutation.name}: changes nothing")
            judged = at_landing(running, mutation, good)
            by = ", ".join(each.check for each in judged.alarms) or (judged.refused or judged.notes)[:60]
            yield mutation.name, mutation.dataset, mutation.wanted, severity(judged), by


def candidates(settings: Any, only: str) -> Outcomes:
    from tests import mutations_of_candidates as on_publish
    from tests.integration.candidate import write_manifest

    chosen = [m for m in on_publish.PUBLISH if only in m.name or only in "publish candidate"]
    if not chosen:
        return
    write_manifest(settings)
    good = on_publish.prepared(settings)
    for mutation in chosen:
        bad = mutation.change(good)
        if bad == good:
            raise SystemExit(f"{mutation.name}: changes nothing")
        found = on_publish.judged(settings, bad)
        yield (
            mutation.name,
            "candidate",
            mutation.wanted,
            on_publish.strictest(found),
            ", ".join(sorted(found)),
        )


if __name__ == "__main__":
    main()
