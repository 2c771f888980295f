"""The release list names the candidate itself, and sample tables say that they are a sample."""

from __future__ import annotations

from cityperf.publish.swap import SAMPLE_NOTICE
from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    listed = []
    if candidate.number is not None:
        listed.append(
            Rule(
                check="names_the_candidate",
                expectation="ExpectColumnMaxToBeBetween",
                arguments={"column": "number", "min_value": candidate.number, "max_value": candidate.number},
                severity="block",
                owner=OWNER,
                runbook="publish.md#tables",
                expected=f"release {candidate.number} as the newest in the list",
                location="column number",
                remedy="the tables were built for another candidate: build the publish models again",
            )
        )
    sample = candidate.profile == "sample"
    listed.append(
        Rule(
            check="sample_says_so",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select c.relname::text as table_name from pg_catalog.pg_class as c, "
                "(select count(*) from t) as counted where c.relnamespace = 'publish_next'::regnamespace "
                "and c.relkind in ('r', 'p') and "
                f"starts_with(coalesce(obj_description(c.oid, 'pg_class'), ''), '{SAMPLE_NOTICE}') <> "
                f"{sample}"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#sample-marking",
            expected=f"table comments that {'begin' if sample else 'never begin'} with '{SAMPLE_NOTICE}'",
            location="table comments",
            remedy="invented figures must never be taken for real ones, nor real ones for invented",
        )
    )
    return listed
