"""Dashboard feed: periods that exist, directions that are known, and no measure lost on the way."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract

FEWEST_MEASURES = 50  # the feed has carried 69; half of it is not a feed


def rules(contract: Contract, night: date) -> list[Rule]:
    owner = contract.owner.steward
    return [
        Rule(
            check="range.period",
            expectation="UnexpectedRowsExpectation",
            # Yearly points repeat the year in the period.
            arguments=sql_rule(
                "select measure_id, interval_type, year, period from t "
                "where year ~ '^[0-9]+$' and period ~ '^[0-9]+$' and not case interval_type "
                "when 'm' then period::integer between 1 and 12 "
                "when 'y' then period = year or period::integer = 1 "
                "else period::integer between 1 and 4 end"
            ),
            severity="block",
            owner=owner,
            runbook="landing.md#ranges",
            expected="periods 1 to 12, 1 to 4, or the year itself, as the interval says",
            location="column period",
            remedy="a period that does not exist has no place in a series: report the measures to the "
            "feed's keeper",
        ),
        Rule(
            check="range.year",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select measure_id, year, period from t "
                f"where year ~ '^[0-9]+$' and year::integer not between 1990 and {night.year + 1}"
            ),
            severity="warn",
            owner=owner,
            runbook="landing.md#ranges",
            expected=f"years from 1990 to {night.year + 1}",
            location="column year",
            remedy="report the measures to the feed's keeper",
        ),
        Rule(
            check="range.desired_direction",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "desired_direction", "value_set": ["Up", "Down", "None"]},
            severity="warn",
            owner=owner,
            runbook="landing.md#allowed-values",
            expected="desired_direction to be Up, Down or None",
            location="column desired_direction",
            remedy="an unknown direction is shown as neutral until somebody decides",
        ),
        Rule(
            check="measures_complete",
            expectation="ExpectColumnUniqueValueCountToBeBetween",
            arguments={"column": "measure_id", "min_value": FEWEST_MEASURES},
            severity="warn",
            owner=owner,
            runbook="landing.md#rows",
            expected=f"at least {FEWEST_MEASURES} measures",
            location="column measure_id",
            remedy="ask the feed's keeper whether measures were withdrawn",
        ),
    ]
