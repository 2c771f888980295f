"""Bank of Canada rates: an exchange rate that could be one."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract


def rules(contract: Contract, night: date) -> list[Rule]:
    del night
    return [
        Rule(
            check="range.fxusdcad",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select date, value from t where series = 'FXUSDCAD' and value ~ '^-?[0-9.]+$' "
                "and value::numeric not between 0.5 and 2"
            ),
            severity="warn",
            owner=contract.owner.steward,
            runbook="landing.md#ranges",
            expected="0.5 to 2 Canadian dollars for one of the United States",
            location="column value",
            remedy="look at the bank's own page before the figure is used",
        ),
    ]
