"""Killed at every point of a publication: `./cityperf bench kill-points`. Readers must see one whole release each time.

A release is made once to write down every point that it passes: each table that is hashed, each file, each statement of
the swap. Then it is made again and again, each time killed at another point, and what readers see is compared row by
row with the releases before and after. Every killed attempt is the next one's start, as after a real power cut.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from cityperf import postgres, publish
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.publish import garbage
from cityperf.publish.exports import file_sha256, files_of
from cityperf.publish.tables import tables

sys.path.insert(0, str(ROOT))

from tests.integration.candidate import NIGHT, build_candidate, write_manifest


def in_a_child(settings: Settings, night: int, **variables: str) -> int:
    """Release in a process of its own; returns the signal that ended it, 0 when it came to its end."""
    child = os.fork()
    if child == 0:
        os.environ.update(variables)
        status = 1
        try:
            publish.release(settings, NIGHT + timedelta(days=night))
            status = 0
        finally:
            os._exit(status)
    ended = os.waitpid(child, 0)[1]
    if os.WIFEXITED(ended) and os.WEXITSTATUS(ended):
        raise SystemExit(f"a release failed by itself (exit status {os.WEXITSTATUS(ended)})")
    return ended & 0x7F


def seen(settings: Settings) -> tuple[int, str]:
    """The release that readers see, and a fingerprint of all rows of all its tables, read as bi_reader."""
    with connect(settings, "publisher") as connection:
        names = list(tables(connection, "publish"))
    with connect(settings, "bi_reader") as connection:
        rows = {
            name: connection.execute(
                f"select md5(string_agg(t::text, ',' order by t::text)) from publish.{name} as t"
            ).fetchone()
            for name in names
        }
        row = connection.execute("select max(number) from publish.release").fetchone()
    return (row[0] if row else 0) or 0, str(sorted(rows.items()))


def whole_on_disk(settings: Settings) -> int:
    """The release that `current` leads to; SystemExit when a file of it is not the one recorded."""
    folder = (settings.releases / "current").resolve()
    with connect(settings, "publisher") as connection:
        listed = dict(
            connection.execute(
                "select path, sha256 from ops.release_file where number = %s", (int(folder.name),)
            ).fetchall()
        )
    found = {name: file_sha256(path) for name, path in files_of(folder).items()}
    if not listed or found != listed:
        raise SystemExit(f"release {folder.name} is not whole on disk")
    return int(folder.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100, help="so many, evenly spread (0: all)")
    wanted = parser.parse_args().points
    home = Path(tempfile.mkdtemp(prefix="kill-points-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    postgres.start(settings)
    try:
        write_manifest(settings)
        log = home / "points"
        build_candidate(settings, publish.open_candidate(settings, NIGHT), marker=1)
        in_a_child(settings, 0)
        build_candidate(settings, publish.open_candidate(settings, NIGHT), night=NIGHT, marker=2)
        in_a_child(settings, 0, CITYPERF_FAILPOINT_LOG=str(log))
        points = list(dict.fromkeys(log.read_text().splitlines()))
        chosen = points if not wanted else points[:: max(1, len(points) // wanted)]
        print(f"{len(points)} points on the way of one release, killed at {len(chosen)} of them", flush=True)
        up, began, slowest = 2, time.monotonic(), 0.0
        for turn, point in enumerate(chosen):
            before = seen(settings)
            number = publish.open_candidate(settings, NIGHT + timedelta(days=turn))
            build_candidate(settings, number, night=NIGHT + timedelta(days=turn), marker=turn + 3)
            # The number and the retired schemas differ from release to release.
            detail = point.replace("publish_old_0", f"publish_old_{up - garbage.KEPT - 1}")
            died = in_a_child(settings, turn, CITYPERF_FAILPOINT=detail)
            now = seen(settings)
            old, new = now == before, now[0] == number and now[1] != before[1]
            if not (old or new):
                raise SystemExit(f"killed at {point}: readers see neither release {up} nor {number} whole")
            if whole_on_disk(settings) not in (up, number):
                raise SystemExit(f"killed at {point}: the link leads to another release")
            clock = time.monotonic()
            in_a_child(settings, turn)
            slowest = max(slowest, time.monotonic() - clock)
            after = seen(settings)
            if after[0] != number or whole_on_disk(settings) != number or (new and after[1] != now[1]):
                raise SystemExit(f"killed at {point}: the next run did not bring release {number} up whole")
            up = number
            print(
                f"{turn + 1:>4} {point:<52}{'killed' if died == signal.SIGKILL else 'not reached'}, "
                f"readers saw {'the old' if old else 'the new'} release",
                flush=True,
            )
        print(
            f"{len(chosen)} of {len(chosen)} left exactly one whole release; the next run came up in at most "
            f"{slowest:.1f} s; {time.monotonic() - began:.0f} s in all"
        )
    finally:
        postgres.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
