"""Benchmarks: ranks among those that reported, and nothing unlicensed in the live profile."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

SOURCE = "mbncanada_results"


def rules(candidate: Candidate) -> list[Rule]:
    listed = [
        Rule(
            check="rank_within_reporters",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select measure_code, period_year, municipality, rank, reporters from t "
                "where rank < 1 or rank > reporters"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#benchmarks",
            expected="ranks from 1 to the number of reporters",
            location="column rank",
            remedy="peers that did not report have no rank: see the benchmark mart",
        ),
        Rule(
            check="reporters_counted",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select measure_code, period_year, reporters, count(*) as rows from t "
                "group by measure_code, period_year, reporters having count(*) <> reporters"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#benchmarks",
            expected="as many rows per measure and year as reporters",
            location="column reporters",
            remedy="a reporter is missing or doubled: see the benchmark mart",
        ),
        Rule(
            check="quartile_1_to_4",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "quartile", "value_set": [1, 2, 3, 4]},
            severity="block",
            owner=OWNER,
            runbook="publish.md#benchmarks",
            expected="quartiles 1 to 4, or none",
            location="column quartile",
            remedy="see the benchmark mart",
        ),
        Rule(
            check="value_present",
            expectation="ExpectColumnValuesToNotBeNull",
            arguments={"column": "value"},
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a value on every row, as it counts as a reporter",
            location="column value",
            remedy="leave out who did not report",
        ),
    ]
    if candidate.profile == "live" and SOURCE in candidate.unlicensed:
        listed.append(
            Rule(
                check="unlicensed_is_empty",
                expectation="ExpectTableRowCountToEqual",
                arguments={"value": 0},
                severity="block",
                owner=OWNER,
                runbook="publish.md#licences",
                expected=f"no row, because {SOURCE} carries no licence",
                remedy="obtain a licence and write it into the contract, or keep the table empty in this "
                "profile",
            )
        )
    return listed
