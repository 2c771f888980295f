"""TTC subway delays: what the contract's types cannot say. All of it warns; figures are cast again in
staging."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract

MINUTES_IN_A_DAY = 1440


def rules(contract: Contract, night: date) -> list[Rule]:
    owner = contract.owner.steward
    return [
        Rule(
            check="range.date",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select _row, date from t where date ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}' "
                f"and left(date, 10) not between '2008-01-01' and '{night.isoformat()}'"
            ),
            severity="warn",
            owner=owner,
            runbook="landing.md#ranges",
            expected=f"incidents between 2008 and the night ({night.isoformat()})",
            location="column date",
            remedy="a date outside is a typing error at the source: report the rows to the owner",
        ),
        Rule(
            check="range.min_delay",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select _row, date, station, min_delay from t "
                f"where min_delay ~ '^-?[0-9]{{{{1,9}}}}$' and min_delay::integer not between 0 and "
                f"{MINUTES_IN_A_DAY}"
            ),
            severity="warn",
            owner=owner,
            runbook="landing.md#ranges",
            expected=f"delays of 0 to {MINUTES_IN_A_DAY} minutes",
            location="column min_delay",
            remedy="longer than a day is a typing error at the source: report the rows to the owner",
        ),
        Rule(
            check="range.time",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select _row, date, time from t "
                "where time !~ '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$'"
            ),
            severity="warn",
            owner=owner,
            runbook="landing.md#ranges",
            expected="times of day as HH:MM",
            location="column time",
            remedy="such incidents have no hour in staging: report the rows to the owner",
        ),
    ]
