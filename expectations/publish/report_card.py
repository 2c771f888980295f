"""Report cards: a rank among the peers, and an address where it can be read."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # nothing here depends on what is up
    return [
        Rule(
            check="rank_within_peers",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select publisher, edition, indicator, rank, peers from t where rank < 1 or rank > peers"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#benchmarks",
            expected="ranks from 1 to the number of peers",
            location="column rank",
            remedy="look the rank up at the publisher and correct the keyed entry",
        ),
        Rule(
            check="address_present",
            expectation="ExpectColumnValuesToNotBeNull",
            arguments={"column": "url"},
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="an address for every entry",
            location="column url",
            remedy="add where it was read, so that a reader can check it",
        ),
    ]
