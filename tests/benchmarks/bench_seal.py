"""Encrypted landing: `./cityperf bench seal`. MB/s and memory of landing a file, plain and sealed, and of reading it."""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from cityperf import landing
from cityperf.config import Settings

MEGABYTE = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    megabytes = parser.parse_args().megabytes
    chunk = os.urandom(MEGABYTE)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        for private in (False, True):
            begin = time.perf_counter()
            with landing.incoming(settings, private=private) as arriving:
                for number in range(megabytes):
                    arriving.write(number.to_bytes(2, "big") + bytes([private]) + chunk[3:])
                stored = landing.keep(settings, arriving)
            kept = time.perf_counter() - begin
            begin = time.perf_counter()
            assert landing.intact(settings, stored.sha256)
            read = time.perf_counter() - begin
            print(
                f"{'sealed' if private else 'plain':<7} landed at {megabytes / kept:,.0f} MB/s, "
                f"read back and compared at {megabytes / read:,.0f} MB/s, "
                f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB"
            )


if __name__ == "__main__":
    main()
