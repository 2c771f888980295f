"""How long ago each data set last brought something new, against what its contract promises.

dbt is the judge (`dbt source freshness`, limits from the contract, `night` for a clock). Here its verdicts are put into
words and written down beside the other checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.quality import known
from cityperf.quality.results import RUNBOOKS, CheckResult, Status, record
from cityperf.sources import Contract

if TYPE_CHECKING:
    from cityperf.transform import Freshness

SUITE: Final = "freshness"
RUNBOOK: Final = f"{RUNBOOKS}/freshness.md#late-source"
_STATUS: Final[dict[str, Status]] = {"pass": "pass", "warn": "warn"}


def in_words(contract: Contract, verdict: Freshness, night: date, *, listed: bool = True) -> CheckResult:
    """dbt's verdict on one data set as a result of ours; anything but pass and warn is a failure.

    `listed`: whether tonight's replay has the data set; one that it has not, and that never came, is not expected.
    """
    schedule = contract.schedule
    expected = f"a new delivery within {schedule.warn_after.days} days ({schedule.refresh})"
    status = _STATUS.get(verdict.status, "fail")
    if verdict.status == "runtime error":
        found = f"that dbt could not tell: {verdict.message or 'it gave no reason'}"
    elif not listed and verdict.last == night:
        found = "that tonight's replay does not list it"
    elif verdict.last is None:
        found = "none so far"
    else:
        found = f"the last on {verdict.last.isoformat()}, {(night - verdict.last).days} days ago"
    message = f"{contract.dataset}: expected {expected}, found {found}"
    if verdict.status == "runtime error":
        message += "; run `dbt source freshness` on it by hand"
    elif status == "fail":
        message += (
            f"; beyond {schedule.fail_after.days} days its figures are no longer current: "
            f"ask {contract.owner.division}"
        )
    elif status == "warn":
        message += f"; ask {contract.owner.division} when the next one comes"
    return CheckResult(
        border="freshness",
        suite=SUITE,
        check="delivered_in_time",
        subject=contract.dataset,
        severity="warn",
        status=status,
        expected=expected,
        found=found,
        owner=contract.owner.steward,
        runbook=RUNBOOK,
        message=message,
    )


def check_freshness(
    settings: Settings, night: date, contracts: Mapping[str, Contract] | Iterable[Contract]
) -> list[CheckResult]:
    """One result per data set as of `night`, written to ops.check_result. It warns and never blocks.

    Raises TransformFailed when dbt does not run at all.
    """
    from cityperf.transform import source_freshness

    verdicts = source_freshness(settings, night)
    with connect(settings, "loader") as connection:
        unlisted = {
            dataset
            for (dataset,) in connection.execute(
                "select dataset from ops.fetch where night = %s and state = 'not_in_replay'", (night,)
            )
        }
        results = [
            in_words(each, verdicts[each.dataset], night, listed=each.dataset not in unlisted)
            for each in (contracts.values() if isinstance(contracts, Mapping) else contracts)
        ]
        judged = known.apply_known(results, known.read_known_issues(), night)
        record(connection, night, judged)
    return judged
