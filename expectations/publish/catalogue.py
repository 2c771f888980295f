"""The catalogue lists what is there, and nothing that is not."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    del candidate  # the tables are looked up in the database itself
    return [
        Rule(
            check="lists_every_table",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select coalesce(t.table_name, c.relname) as table_name, c.relname is not null as is_there "
                "from t full join (select relname::text from pg_catalog.pg_class "
                "where relnamespace = 'publish_next'::regnamespace and relkind in ('r', 'p')) as c "
                "on c.relname = t.table_name where c.relname is null or t.table_name is null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#tables",
            expected="exactly the tables of the release",
            remedy="a table without an entry is not on the allow-list: describe it or take it out",
        ),
        Rule(
            check="described",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select table_name from t "
                "where coalesce(description, '') = '' or coalesce(grain, '') = '' or "
                "coalesce(example_query, '') = ''"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#tables",
            expected="a description, a grain and an example query for every table",
            remedy="write them into the model's YAML",
        ),
    ]
