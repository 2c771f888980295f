"""The landing gate on sound feeds, night after night: every alarm is a false one.

    ./cityperf bench false-alarms [--years 5] [--every 1] [--since 2021-11-08]

Simulates nights from --since on: each is visited over HTTP, and what is new is loaded through the gate, without Airflow and
dbt. The first night brings the history and is not counted. Freshness is held against the contracts' limits, which is
what dbt does at night. `--every 7` looks at one night a week: daily feeds then bring a week at once, most others what they
bring night by night. Prints each alarm, and how many gates ran. True changes of the sample, of which an alarm is right,
are listed in TRUE_CHANGES and counted apart.
"""

from __future__ import annotations

import sys
import time
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


# (data set, file, how the alarm begins, why it is right). The number of rows is part of it: nothing else hides behind it.
TRUE_CHANGES = (
    ("operating_budget", "operating-budget-2022.csv",
     "shape_as_before: 1 row, such as column_name year, problem empty more often,",
     "the City's file of 2022 has its year on one row only; the sample repeats that"),
    ("operating_budget", "approved-operating-budget-summary-2024.xlsx",
     "values_kept: 3 rows, such as column_name program, gone 311 Toronto, rows_before 4; column_name program, gone "
     "Shelter, Support & Housing Administration, rows_before 4; column_name program, gone Office of Emergency Management,",
     "three programmes were renamed, as the City's were in the budget of 2024"),
    ("service_requests_311", "SR2024.zip",
     "shape_as_before: 2 rows, such as column_name division, problem a value gone, before 'Parks, Forestry & Recreation' ",
     "the division of trees got another name at the beginning of 2024"),
    ("service_requests_311", "not fresh:", "last on 2022-05-05", "the sample brings May of 2022 on the 20th"),
    ("service_requests_311", "not fresh:", "last on 2024-11-05", "the sample brings November of 2024 on the 20th"),
)  # fmt: skip


def is_true(alarm: str) -> bool:
    """Whether an alarm of `simulate` (night, data set, file, check, finding) is of a registered change."""
    _, told = alarm.split(" ", 1)
    return any(told.startswith(" ".join(change[:3])) for change in TRUE_CHANGES)


def main() -> None:
    from tests.feeds import feeds, nights_asked, nights_of, own_warehouse, simulate

    parser = nights_asked(__doc__, every=1)
    parser.add_argument("--datasets", default=",".join(DATASETS))
    asked = parser.parse_args()
    datasets, nights = asked.datasets.split(","), nights_of(asked)
    began = time.monotonic()
    with own_warehouse() as settings, feeds(settings, datasets) as running:
        seen = simulate(running, datasets, nights, partial(print, flush=True))
    false = [each for each in seen.alarms if not is_true(each)]
    print(*(f"FALSE ALARM {each}" for each in false), sep="\n")
    print(
        f"{len(nights)} nights from {nights[0]} to {nights[-1]}: {seen.gates:,} gates, {seen.checks:,} checks, "
        f"{len(false)} false alarms, {len(seen.alarms) - len(false)} of true changes, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
