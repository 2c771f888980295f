"""Neighbourhood crime rates: the 158 neighbourhoods, and no count or rate below zero, rates that fit their counts."""

from __future__ import annotations

from datetime import date

from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule
from cityperf.sources import Contract

NEIGHBOURHOODS = 158
FACTOR = 3  # between a rate and its count over the residents, in the middle of all


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
        Rule(
            check="rates_match_counts",
            expectation="UnexpectedRowsExpectation",
            # The file has one year's population: a rate's people differ from it by far less than the margin.
            arguments=sql_rule(
                ", figures as (select hood_id, lower(figure.key) as name, figure.value::float8 as value from t, "
                "jsonb_each_text(to_jsonb(t)) as figure where figure.key ~* '_[0-9]{{4}}$' "
                "and figure.value ~ '^[0-9]+[.]?[0-9]*$'), "
                # Grouped, not joined: a planner that knows nothing of these rows would compare each with each.
                "pairs as (select max(value) filter (where name ~ '_rate_') as rate, "
                "max(value) filter (where name !~ '_rate_') as counted, "
                "max(max(value) filter (where name ~ '^population_')) over (partition by hood_id) as people "
                "from figures group by hood_id, replace(name, '_rate_', '_')) "
                "select round(middle::numeric, 4) as rate_by_count from (select percentile_cont(0.5) within group "
                "(order by rate * people / 100000 / nullif(counted, 0)) as middle from pairs where rate is not null) "
                f"as m where middle not between 1.0 / {FACTOR} and {FACTOR}"
            ),
            severity="block",
            owner=owner,
            runbook="landing.md#ranges",
            expected="rates per 100,000 of the residents that the counts are of",
            location="columns of counts and rates",
            remedy="the rates are per another number of people, or the columns were mixed up: ask the owner",
        ),
    ]
