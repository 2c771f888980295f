"""Killed at every point of a publication: `./cityperf bench kill-points`. Readers must see one whole release each time.

Two homes publish the same nights. In one nothing happens. In the other each release is killed once with SIGKILL, in
three ways: at the points that the code names; before one of the steps that it takes (each change of a file or folder,
each fsync, each exchange with the database: watched from outside by Python's audit hook and psycopg's one way to the
server); and at moments drawn from a seed. Every killed attempt is the next one's start. PostgreSQL runs without fsync here:
this is about killed processes, not about power cuts.

After each kill readers must see the old release or the new one in every row, and `current` must lead to a folder that
agrees with its hash tree. Then the release is made once more, and folder, link, status files, tables, schemas and ledger
must be those of the home in which nothing happened. At the drawn moments every table changes; else it is a quiet night,
whose files are mostly taken over from the release before.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from itertools import count, groupby
from pathlib import Path
from typing import Any

import psycopg
from cityperf import postgres, publish
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.publish import garbage
from cityperf.publish.exports import file_sha256, files_of
from cityperf.publish.tables import tables
from cityperf.publish.verify import verify
from psycopg import sql

sys.path.insert(0, str(ROOT))

from tests.integration.candidate import NIGHT, build_candidate, write_manifest

CHANGES = ("os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
STEP = "step "  # how a line of the log begins that is no named point


def watch(taken: Callable[[str], None]) -> None:
    """Call `taken` before each step that this process takes from now on. A hook cannot be taken off: children only."""

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            path = Path(os.fsdecode(arguments[0])) if isinstance(arguments[0], str | bytes | Path) else Path()
            if path.name != "points":
                taken(f"{event.removeprefix('os.')} {path.name}")

    def before(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            taken(what)
            return call(*arguments, **options)

        return noted

    sys.addaudithook(audited)
    os.fsync = before("fsync", os.fsync)
    # Put in place of the method on purpose: every exchange with the server goes through it.
    psycopg.Connection.wait = before("database", psycopg.Connection.wait)  # type: ignore[method-assign]


def write_down(log: Path) -> None:
    """Have every named point and every step written to `log`, in their order."""
    os.environ["CITYPERF_FAILPOINT_LOG"] = str(log)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    watch(lambda what: os.write(handle, f"{STEP}{what}\n".encode()) and None)


def die_before(step: int) -> None:
    """Have this process die before its step of that number, counted from 0."""
    numbers = count()
    watch(lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(numbers) == step else None)


def die_at(point: str) -> None:
    """Have this process die at a point that the code names."""
    os.environ["CITYPERF_FAILPOINT"] = point


def in_a_child(
    settings: Settings, night: int, prepare: Callable[[], None] = lambda: None, seconds: float | None = None
) -> bool:
    """Release in a process of its own, killed after so many `seconds`. Returns whether it was killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            prepare()
            publish.release(settings, NIGHT + timedelta(days=night))
            status = 0
        finally:
            os._exit(status)
    killer = threading.Timer(seconds or 0, os.kill, (child, signal.SIGKILL))
    if seconds is not None:
        killer.start()
    ended = os.waitpid(child, 0)[1]  # the number of the process stays its own until here
    killer.cancel()
    if os.WIFEXITED(ended) and os.WEXITSTATUS(ended):
        raise SystemExit(f"a release failed by itself (exit status {os.WEXITSTATUS(ended)})")
    return os.WIFSIGNALED(ended)


def settled(settings: Settings) -> None:
    """Wait until the server has noticed that its client is gone; what it was told to commit, it has committed then."""
    with connect(settings, "publisher", autocommit=True) as connection:
        deadline = time.monotonic() + 30
        others = (
            "select count(*) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()"
        )
        while connection.execute(others).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise SystemExit("a killed release is still at work in the database after 30 s")
            time.sleep(0.01)


def seen(settings: Settings) -> tuple[int, dict[str, Any]]:
    """The release that readers see, and a fingerprint of all rows of each of its tables, read as bi_reader."""
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
    return (row[0] if row else 0) or 0, rows


def whole_on_disk(settings: Settings) -> int:
    """The release that `current` leads to; SystemExit when folder, tables and hash tree do not agree."""
    number = int((settings.releases / "current").resolve().name)
    for finding in verify(settings, number)[0].findings:
        raise SystemExit(f"release {number} is not whole: {finding}")
    return number


def ledger(settings: Settings) -> dict[str, list[str]]:
    """Every row of schema ops without moments of the clock, and the names of the releases' schemas."""
    found: dict[str, list[str]] = {}
    with connect(settings, "admin") as connection:
        columns = connection.execute(
            "select table_name, array_agg(column_name::text order by ordinal_position) from information_schema.columns "
            "join information_schema.tables using (table_schema, table_name) where table_schema = 'ops' "
            "and table_type = 'BASE TABLE' and table_name <> 'migration' and data_type not like 'timestamp%%' "
            "group by table_name"
        ).fetchall()
        for name, kept in columns:
            query = sql.SQL("select row({})::text from {} order by 1").format(
                sql.SQL(", ").join(map(sql.Identifier, kept)), sql.Identifier("ops", name)
            )
            found[name] = [row for (row,) in connection.execute(query)]
        schemas = "select nspname from pg_namespace where nspname like 'publish%' order by 1"
        found["schemas"] = [name for (name,) in connection.execute(schemas)]
    return found


def on_disk(settings: Settings, number: int) -> dict[str, str]:
    """What lies in the releases' folder: names, where the link leads, the bytes of `number` and of the status files."""
    folder = settings.releases
    said = {path.name: str(path.readlink()) if path.is_symlink() else "" for path in folder.iterdir()}
    for part in (str(number), "status"):
        said |= {
            f"{part}/{name}": file_sha256(path)
            for name, path in files_of(folder / part).items()
            if path.suffix != ".new"
        }
    return said


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def spread(steps: Iterable[tuple[str, int]], wanted: int) -> list[tuple[str, int]]:
    """So many points or steps, from every part of the way: a part lies between two points of different names."""
    parts = [list(part) for _, part in groupby(steps, key=lambda step: re.split("[ :]", step[0])[0])]
    chosen: list[tuple[str, int]] = []
    while len(chosen) < wanted and any(parts):
        for part in filter(None, parts):
            if len(chosen) < wanted:
                chosen.append(part.pop(len(part) // 2))
    return sorted(chosen, key=lambda step: step[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--points", type=int, default=36, help="so many named points, from every part of the way"
    )
    parser.add_argument("--steps", type=int, default=42, help="so many steps, from every part of the way")
    parser.add_argument(
        "--moments", type=int, default=30, help="so many kills at moments drawn from the seed"
    )
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument(
        "--only", default="", help="only kills at a place with this in its name, such as swap.statement"
    )
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    homes = [Path(tempfile.mkdtemp(prefix="kill-points-")) for _ in range(2)]
    for home in homes:
        home.chmod(0o755)
    calm, settings = (Settings(home=home) for home in homes)
    try:
        for each in (calm, settings):
            postgres.start(each)
            with psycopg.connect(each.dsn("admin"), autocommit=True) as connection:
                # SIGKILL takes nothing from the kernel or the server; without this half the time is the disk's.
                connection.execute("alter system set fsync = off")
                connection.execute("select pg_reload_conf()")
            write_manifest(each)
        log = homes[1] / "points"

        def candidate(night: int, everything: bool = True) -> int:
            """The next candidate in both homes, released in the calm one. Every table changes, or what a quiet night
            changes: then most files are taken over from the release before."""
            numbers, marker = set(), night + 1 if everything else 0
            for each in (calm, settings):
                numbers.add(publish.open_candidate(each, NIGHT + timedelta(days=night)))
                build_candidate(each, max(numbers), night=NIGHT + timedelta(days=night), marker=marker)
            (number,) = numbers  # the same in both, or the next run did not go on where the killed one ended
            in_a_child(calm, night)
            return number

        # So many releases that the last one has all there is to do: kept schemas, and an old one to drop.
        first = garbage.KEPT + 1
        for night in range(first):
            candidate(night)
            began = time.monotonic()
            in_a_child(settings, night)
            lasts = time.monotonic() - began
        for night in (first, first + 1):  # the first of them changes every table once more
            candidate(night, everything=False)
            in_a_child(settings, night, (lambda: write_down(log)) if night > first else lambda: None)
        first += 2
        lines = log.read_text().splitlines()
        named = list(dict.fromkeys(line for line in lines if not line.startswith(STEP)))
        numbers, steps, part = count(), [], "start"
        for line in lines:
            if line.startswith(STEP):
                steps.append((f"{part} {line.removeprefix(STEP)}", next(numbers)))
            else:
                part = line.split(":")[0]
        kills: list[tuple[str, Callable[[], None], float | None]] = [
            *(
                (f"at {point}", lambda point=point: die_at(point), None)
                for point, _ in spread(zip(named, count(), strict=False), asked.points)
            ),
            *((f"in {name}", lambda n=n: die_before(n), None) for name, n in spread(steps, asked.steps)),
            *(
                (f"after {moment:.3f} s", lambda: None, moment)
                for moment in (draw.uniform(0, 0.95 * lasts) for _ in range(asked.moments))
            ),
        ]
        kills = [kill for kill in kills if asked.only in kill[0]]
        print(
            f"One release takes {lasts:.1f} s, passes {len(named)} named points and takes {len(steps)} steps. It is "
            f"killed {len(kills)} times: at named points (at), before steps (in), at moments of seed {asked.seed} (after)",
            flush=True,
        )
        killed, slowest, begun = 0, 0.0, time.monotonic()
        for night, (where, prepare, seconds) in enumerate(kills, first):
            before, up = seen(settings), night
            number = candidate(night, everything=seconds is not None)
            # The retired schema's and the folder's number differ from release to release.
            if "publish_old_" in where:
                point = (
                    where.removeprefix("at ").split("publish_old_")[0] + f"publish_old_{up - garbage.KEPT}"
                )
                prepare = partial(die_at, point)
            died = in_a_child(settings, night, prepare, seconds)
            killed += died
            settled(settings)
            now, wanted = seen(settings), seen(calm)
            old, new = now == before, now == wanted
            if not (old or new):
                raise SystemExit(f"killed {where}: readers see neither release {up} nor {number} whole")
            if whole_on_disk(settings) not in (up, number):
                raise SystemExit(f"killed {where}: the link leads to another release")
            clock = time.monotonic()
            in_a_child(settings, night)
            slowest = max(slowest, time.monotonic() - clock)
            if seen(settings) != wanted or whole_on_disk(settings) != number:
                raise SystemExit(f"killed {where}: the next run did not bring release {number} up whole")
            other = differences(on_disk(settings, number), on_disk(calm, number))
            other += differences(ledger(settings), ledger(calm))
            if other:
                raise SystemExit(f"killed {where}: after the next run these differ: {', '.join(other[:5])}")
            print(
                f"{night - first + 1:>4} {where:<58}{'killed' if died else 'ended before'}, "
                f"readers saw the {'new' if new else 'old'} release",
                flush=True,
            )
        print(
            f"{killed} of {killed} kills left readers exactly one whole release ({len(kills) - killed} releases ended "
            "before their kill), and the next run left what one undisturbed run leaves; it took at most "
            f"{slowest:.1f} s; {time.monotonic() - begun:.0f} s in all"
        )
    finally:
        for each in (calm, settings):
            postgres.stop(each)
        for home in homes:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
