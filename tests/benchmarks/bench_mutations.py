"""Kinds of corruption put into good feeds of the sample: which of them the gates stop or flag.

    ./cityperf bench mutations [--only WORD]

Starts a PostgreSQL and the sample portal in a temporary home, loads a night, and delivers each damaged file of the next
(tests/mutations.py says what is wanted of each). Prints the table, the share caught and the names of those let pass.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).resolve().parents[2] / "include"),
    str(Path(__file__).resolve().parents[2]),
]


def main() -> None:
    from cityperf import postgres
    from cityperf.config import Settings

    from tests.feeds import feeds
    from tests.mutations import LANDING, at_landing, caught, damaged, prepared, severity

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="mutations whose name or data set has this word")
    only = parser.parse_args().only
    chosen = [m for m in LANDING if only in m.name or only in m.dataset]
    datasets = list(dict.fromkeys(m.dataset for m in chosen))
    missed = []
    with tempfile.TemporaryDirectory(prefix="cityperf-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings(profile="sample", home=Path(folder))
        postgres.start(settings)
        try:
            with feeds(settings, datasets) as running:
                good = prepared(running, datasets)
                for mutation in chosen:
                    content = good[mutation.dataset][2]
                    if damaged(mutation, content, good[mutation.dataset][1]) == content:
                        raise SystemExit(f"{mutation.name}: changes nothing")
                    judged = at_landing(running, mutation, good)
                    got = severity(judged)
                    by = (
                        ", ".join(each.check for each in judged.alarms)
                        or (judged.refused or judged.notes)[:60]
                    )
                    ok = caught(mutation.wanted, got)
                    if not ok:
                        missed.append(mutation.name)
                    mark = "" if ok else "  MISSED"
                    print(
                        f"{mutation.name:50} landing  {mutation.dataset:28} wanted {mutation.wanted:8} got {got:8} "
                        f"{by}{mark}",
                        flush=True,
                    )
        finally:
            postgres.stop(settings)
    share = 1 - len(missed) / len(chosen)
    print(f"{len(chosen)} kinds, {share:.1%} stopped or flagged; let pass: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    main()
