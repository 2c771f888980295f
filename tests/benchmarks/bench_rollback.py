"""Going back to an earlier release: `./cityperf bench rollback`. Seconds, with tables of the sample's size and larger ones.

Promised: under 5 s until readers have it. One figure in a hundred differs; the ledger of that is written afterwards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from cityperf import postgres, publish
from cityperf.config import ROOT, Settings
from cityperf.db import connect
from cityperf.publish import rollback as module
from cityperf.publish.exports import files_of

sys.path.insert(0, str(ROOT))

from tests.integration.candidate import NIGHT, build_candidate, write_manifest

FILL = """
insert into publish_next.kpi_value (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start,
    vintage, value, numerator, is_withdrawn, is_latest)
select '2.05', 1, 'ward', lpad((n %% 500)::text, 3, '0'), 'month', date '1900-01-01' + (n / 500) * interval '1 month',
    date '2024-03-15', n + (n %% 100 = 0)::integer * %(factor)s, n, false, true
from generate_series(1, %(rows)s) as n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[40_000, 400_000, 1_000_000], help="of kpi_value"
    )
    readers = list[float]()
    mend_ledger = module.mend

    def mend(settings: Settings) -> int:
        readers.append(time.monotonic())
        return mend_ledger(settings)

    module.mend = mend
    for rows in parser.parse_args().rows:
        home = Path(tempfile.mkdtemp(prefix="rollback-"))
        home.chmod(0o755)
        settings = Settings(home=home)
        postgres.start(settings)
        try:
            write_manifest(settings)
            for number in (1, 2):
                night = NIGHT + timedelta(days=number)
                build_candidate(settings, publish.open_candidate(settings, night), night=night, marker=number)
                with connect(settings, "transformer") as connection:
                    connection.execute(FILL, {"rows": rows, "factor": number})
                began = time.monotonic()
                publish.release(settings, night)
                made = time.monotonic() - began
            began = time.monotonic()
            outcome = module.rollback(settings, 1, "m.osei", "measured", NIGHT + timedelta(days=3))
            size = sum(path.stat().st_size for path in files_of(settings.releases / "1").values())
            print(
                f"{rows:>10,} figures, {size / 1e6:>6.0f} MB of files: readers have the earlier release after "
                f"{readers[-1] - began:5.2f} s, the ledger {outcome.restated:,} restatements after "
                f"{time.monotonic() - began:5.2f} s; making release 2 took {made:.1f} s; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        finally:
            postgres.stop(settings)
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
