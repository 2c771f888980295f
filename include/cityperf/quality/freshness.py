"""How long ago each data set last brought something new, against what its contract promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from cityperf.config import Settings
from cityperf.db import connect
from cityperf.quality import known
from cityperf.quality.results import RUNBOOKS, CheckResult, Status, record
from cityperf.sources import Contract

SUITE: Final = "freshness"
RUNBOOK: Final = f"{RUNBOOKS}/freshness.md#late-source"


def freshness_of(contract: Contract, last: date | None, night: date, state: str | None) -> CheckResult:
    """The result for one data set. `last`: night of its last new file; `state`: tonight's state of the
    source.

    A data set that a replay does not list is not expected; otherwise one that never came counts as overdue.
    """
    warn, fail = contract.schedule.warn_after, contract.schedule.fail_after
    expected = f"a new delivery within {warn.days} days ({contract.schedule.refresh})"
    status: Status
    if last is None and state == "not_in_replay":
        status, found = "pass", "that tonight's replay does not list it"
    elif last is None:
        status, found = "fail", "none so far"
    else:
        age = night - last
        found = f"the last on {last.isoformat()}, {age.days} days ago"
        status = "fail" if age > fail else "warn" if age > warn else "pass"
    message = f"{contract.dataset}: expected {expected}, found {found}"
    if status == "fail":
        message += (
            f"; beyond {fail.days} days its figures are no longer current: ask {contract.owner.division}"
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
    """One result per data set as of `night`, written to ops.check_result. It warns and never blocks."""
    listed = list(contracts.values() if isinstance(contracts, Mapping) else contracts)
    with connect(settings, "loader") as connection:
        last: dict[str, date] = dict(
            connection.execute(
                "select f.dataset, max(f.night) from ops.landed_file as f where f.night <= %s and exists "
                "(select from ops.batch as b where b.file_id = f.file_id and b.state in ('loaded', "
                "'superseded')) "
                "group by f.dataset",
                (night,),
            ).fetchall()
        )
        states: dict[str, str] = dict(
            connection.execute("select dataset, state from ops.fetch where night = %s", (night,)).fetchall()
        )
        results = [freshness_of(c, last.get(c.dataset), night, states.get(c.dataset)) for c in listed]
        judged = known.apply_known(results, known.read_known_issues(), night)
        record(connection, night, judged)
    return judged
