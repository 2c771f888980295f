"""Neighbourhoods: ranks among those that have a figure."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="rank_within_neighbourhoods",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, rank, neighbourhoods from t "
                "where rank < 1 or greatest(rank, rank_from_highest) > neighbourhoods"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#benchmarks",
            expected="ranks from 1 to the number of neighbourhoods",
            location="column rank",
            remedy="see the neighbourhood mart",
        )
    ]
