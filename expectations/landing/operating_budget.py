"""Operating budget: amounts that are amounts, and the two signs of a budget line."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract


def rules(contract: Contract, night: date) -> list[Rule]:
    del night  # a budget is dated by its file's year
    owner = contract.owner.steward
    return [
        Rule(
            check="range.expense_revenue",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "expense_revenue", "value_set": ["Expenses", "Revenues"]},
            severity="warn",
            owner=owner,
            runbook="landing.md#allowed-values",
            expected="each line to be Expenses or Revenues",
            location="column expense_revenue",
            remedy="lines of a third kind are in neither total: agree their sign with the owner",
        ),
        Rule(
            check="range.amount",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule("select _row, program, amount from t where amount !~ '[0-9]'"),
            severity="block",
            owner=owner,
            runbook="landing.md#ranges",
            expected="an amount on every line",
            location="column amount",
            remedy="a line without digits cannot be added up: ask the owner for the file again",
        ),
    ]
