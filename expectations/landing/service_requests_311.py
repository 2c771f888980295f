"""311 requests: a yearly file holds its own year."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract


def rules(contract: Contract, night: date) -> list[Rule]:
    del night  # the year comes from the file's name
    return [
        Rule(
            check="range.creation_date",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select _row, _period, creation_date from t "
                "where _period ~ '^[0-9]{{4}}' and position(left(_period, 4) in creation_date) = 0"
            ),
            severity="warn",
            owner=contract.owner.steward,
            runbook="landing.md#ranges",
            expected="requests of the year that the file is named after",
            location="column creation_date",
            remedy="the requests count in the year of their own date: tell the owner that the file holds "
            "others",
        ),
    ]
