"""Neighbourhood crime rates: the 158 neighbourhoods, and no count or rate below zero."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract

NEIGHBOURHOODS = 158


def rules(contract: Contract, night: date) -> list[Rule]:
    del night
    owner = contract.owner.steward
    return [
        Rule(
            check="neighbourhoods_complete",
            expectation="ExpectTableRowCountToEqual",
            arguments={"value": NEIGHBOURHOODS},
            severity="warn",
            owner=owner,
            runbook="landing.md#rows",
            expected=f"{NEIGHBOURHOODS} neighbourhoods",
            remedy="a neighbourhood without a row has no figure: ask the owner for the whole layer",
        ),
        Rule(
            check="range.counts",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select hood_id, figure.key as column_name, figure.value as found from t, "
                "jsonb_each_text(to_jsonb(t)) as figure where figure.key ~ '_[0-9]{{4}}$' "
                "and figure.value ~ '^ *-'"
            ),
            severity="block",
            owner=owner,
            runbook="landing.md#ranges",
            expected="counts, rates and populations of zero or more",
            remedy="a negative count is damage: keep the last delivery and ask for the layer again",
        ),
    ]
