"""Figures: a withdrawn point has none, every point has a KPI, and history is only added to."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule


def rules(candidate: Candidate) -> list[Rule]:
    listed = [
        Rule(
            check="allowed.period_grain",
            expectation="ExpectColumnValuesToBeInSet",
            arguments={"column": "period_grain", "value_set": ["month", "quarter", "season", "year"]},
            severity="block",
            owner=OWNER,
            runbook="publish.md#allowed-values",
            expected="period_grain to be month, quarter, season or year",
            location="column period_grain",
            remedy="mend the KPI model's period_grain",
        ),
        Rule(
            check="withdrawn_has_no_value",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, vintage, value from t "
                "where is_withdrawn and value is not null"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="no figure on a withdrawn point",
            remedy="see how marts.kpi_value writes withdrawals",
        ),
        Rule(
            check="finite_values",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, value from t "
                "where value in ('NaN', 'Infinity', '-Infinity')"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="finite figures",
            location="column value",
            remedy="a division by nothing is null: mend the KPI model",
        ),
        Rule(
            check="values_present",
            expectation="UnexpectedRowsExpectation",
            # A source may leave single periods blank; a KPI without any figure is a broken join.
            arguments=sql_rule(
                "select kpi_id, geography_type, count(*) as points from t where not is_withdrawn "
                "group by kpi_id, geography_type having count(value) = 0"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected="at least one figure per KPI and kind of area",
            location="column value",
            remedy="look at the KPI's numerator and denominator in schema kpis",
        ),
        Rule(
            check="registered",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select distinct kpi_id from t "
                "where not exists (select from publish_next.kpi as k where k.kpi_id = t.kpi_id)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="every figure to belong to a KPI of the registry",
            location="column kpi_id",
            remedy="give the KPI its entry in models/kpis",
        ),
        Rule(
            check="person_level_is_city_wide",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select distinct kpi_id, geography_type from t where geography_type not in ('city', 'country') and exists "
                "(select from publish_next.kpi as k where k.kpi_id = t.kpi_id and k.privacy_class = 'person_level')"
            ),
            severity="block",
            owner=OWNER,
            runbook="privacy.md#a-kpi-on-persons-by-area",
            expected="a KPI of class person_level for the city as a whole only",
            remedy="its figures by area go into a table of their own that declares `disclosure`",
        ),
        Rule(
            check="no_vintage_after_the_night",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, vintage from t "
                f"where vintage > date '{candidate.night.isoformat()}'"
            ),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected=f"vintages up to the night ({candidate.night.isoformat()})",
            location="column vintage",
            remedy="an earlier night was run again after a later one: expected in a backfill only",
        ),
    ]
    if candidate.has(
        "kpi_value", "kpi_id", "kpi_version", "geography_type", "geography_code", "period_start", "vintage"
    ):
        listed.append(
            Rule(
                check="history_kept",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select kpi_id, geography_type, geography_code, period_start, vintage from "
                    "publish.kpi_value "
                    f"where vintage < date '{candidate.night.isoformat()}' except "
                    "select kpi_id, geography_type, geography_code, period_start, vintage from t"
                ),
                severity="block",
                owner=OWNER,
                runbook="publish.md#vanished-kpis",
                expected="every earlier vintage that readers have",
                remedy="earlier vintages are never rewritten: rebuild marts.kpi_value by replaying landing "
                "in night order",
            )
        )
    return listed
