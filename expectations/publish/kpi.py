"""The registry: nobody's KPI disappears, and nothing is judged that has no better way."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

DIMENSIONS = [
    "service_delivery",
    "quality_of_life",
    "neighbourhood",
    "customer_service",
    "corporate_performance",
]

# What a figure means to its readers: none of it changes without a version of the definition.
MEANING = ("unit", "multiplier", "is_flow")


def rules(candidate: Candidate) -> list[Rule]:
    listed = [
        Rule(
            check="allowed.dimension",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "dimension", "value_set": DIMENSIONS},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected=f"dimension to be one of {', '.join(DIMENSIONS)}",
            location="column dimension",
            remedy="put the KPI under one of the corporate dimensions in its YAML",
        ),
        Rule(
            check="allowed.direction",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "direction", "value_set": ["up", "down", "none", "range"]},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected="direction to be up, down, none or range",
            location="column direction",
            remedy="decide which way is better in the KPI's YAML; none if neither is",
        ),
        Rule(
            check="identifier_form",
            expectation="UnexpectedRowsExpectation",
            # Feed ids keep two decimals or more, as text: 1.10 is not 1.1.
            arguments=sql_rule(
                "select kpi_id, name_en from t where kpi_id !~ '^([0-9]+[.][0-9]{{2,}}|[A-Z0-9][A-Z0-9-]+)$'"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="ids such as 1.10 or CS-311-02",
            location="column kpi_id",
            remedy="an id that lost its trailing zero names another KPI: keep ids as text everywhere",
        ),
        Rule(
            check="named_and_owned",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id from t "
                "where coalesce(name_en, '') = '' or coalesce(unit, '') = '' or coalesce(owner, '') = ''"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="a name, a unit and an owner for every KPI",
            remedy="fill them in the KPI's YAML",
        ),
    ]
    if candidate.has("kpi", "kpi_id"):
        listed.append(
            Rule(
                check="no_kpi_vanished",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select up.kpi_id from publish.kpi as up "
                    "where not exists (select from t where t.kpi_id = up.kpi_id)"
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#vanished-kpis",
                expected="every KPI of the release that is up",
                remedy="a KPI is retired by marking it inactive, never by dropping it",
            )
        )
    if candidate.has("kpi", "direction", *MEANING, "version"):
        was = ", ".join(f"up.{column}" for column in MEANING)
        now = ", ".join(f"t.{column}" for column in MEANING)
        shown = ", ".join(f"up.{c} as {c}_was, t.{c} as {c}_is" for c in ("direction", *MEANING))
        turned = "(t.direction, up.direction) in (('up', 'down'), ('down', 'up'))"
        listed += [
            Rule(
                check="meaning_kept",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    f"select t.kpi_id, version, {shown} from t join publish.kpi as up using (kpi_id, version) "
                    f"where ({now}) is distinct from ({was}) or {turned}"
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#meaning",
                expected=f"{', '.join(MEANING)} of a KPI's version as readers know them, and its direction not turned round",
                location=f"columns direction, {', '.join(MEANING)}",
                remedy="what turns a good figure into a bad one is a new definition: give the KPI's YAML a new version "
                "with a note, or take the change back",
            ),
            Rule(
                check="direction_kept",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select t.kpi_id, version, up.direction as direction_was, t.direction as direction_is "
                    "from t join publish.kpi as up using (kpi_id, version) "
                    f"where t.direction <> up.direction and not {turned}"
                ),
                severity="warn",
                owner=OWNER,
                runbook="publish.md#meaning",
                expected="the direction of a KPI's version as readers know it",
                location="column direction",
                remedy="it is judged from now on, or no longer: ask its steward if that is meant, and give it a version",
            ),
        ]
    return listed
