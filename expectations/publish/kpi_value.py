"""Figures: a withdrawn point has none, every point has a KPI, and history is only added to."""

from __future__ import annotations

from cityperf.quality.gate import OWNER, Candidate
from cityperf.quality.plausible import CHANCES, jumps_query
from cityperf.quality.results import Rule
from cityperf.quality.suites import sql_rule

FAR_AHEAD = 400  # days: a budget's year is known before it begins, the year after it is not
SERIES = "kpi_id, kpi_version, geography_type, geography_code, period_grain"
FEWEST_TO_REPEAT = (
    5  # areas with different figures that are all as in the period before; fewer may be so by chance
)


def points(night: str) -> str:
    """CTE `points` of the series that got a figure on the night: `was` is what stood on the night before. `chance` is the
    standard error of a ratio of counted cases: of a share with two cases of either kind added (Agresti and Coull 1998), of
    a rate by Poisson's with one; none of few is never sure. A family is a KPI's areas of one kind. `first` is the figure of
    the first vintage.
    """
    share = "sqrt((numerator + 2)::float8 * (denominator - numerator + 2)::float8 / (denominator + 4)::float8 ^ 3)"
    rate = "sqrt(numerator::float8 + 1) * coalesce(multiplier, 1)::float8 / denominator::float8"
    return (
        ", tonight as (select distinct kpi_id from t "
        f"where vintage = date '{night}' and not is_withdrawn and value is not null), "
        "versions as (select kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start, "
        f"min(vintage) as at_first, max(vintage) as at_night, max(vintage) filter (where vintage < date '{night}') "
        "as at_before from t join tonight using (kpi_id) group by 1, 2, 3, 4, 5, 6), "
        "points as (select concat_ws(' ', kpi_id, 'v' || v.kpi_version, v.geography_type, v.geography_code, "
        "v.period_grain) as series, to_char(v.period_start, 'YYYY-MM-DD') as place, "
        "case when v.period_grain = 'year' then '' else to_char(v.period_start, 'MM') end as season, "
        "max(value::float8) filter (where vintage = at_night) as now, "
        "max(value::float8) filter (where vintage = at_before) as was, "
        "concat_ws(' ', kpi_id, 'v' || v.kpi_version, v.geography_type, v.period_grain) as family, "
        "max(value::float8) filter (where vintage = at_first) as first, "
        f"max(case when numerator between 0 and denominator and coalesce(multiplier, 1) = 1 then {share} "
        f"when numerator >= 0 and numerator = trunc(numerator) and denominator > 0 then {rate} end) "
        "filter (where vintage in (at_night, at_before)) as chance "
        "from versions as v join t using (kpi_id, kpi_version, geography_type, geography_code, period_grain, "
        "period_start) left join publish_next.kpi as k using (kpi_id) "
        "where vintage in (at_first, at_night, at_before) group by 1, 2, 3, 6)"
    )


def swapped(night: str) -> str:
    """The night's figures whose numerator is about what denominators of the series are, and the other way round.

    The two are told apart where the series' middle numerator and denominator differ by a factor of two at least.
    """
    return (
        f", tonight as (select * from t where vintage = date '{night}' and is_latest and numerator > 0 "
        "and denominator > 0), "
        f"usual as (select {SERIES}, percentile_cont(0.5) within group (order by numerator::float8) as numerators, "
        "percentile_cont(0.5) within group (order by denominator::float8) as denominators from t "
        f"where vintage < date '{night}' and numerator > 0 and denominator > 0 and kpi_id in (select kpi_id from tonight) "
        "group by 1, 2, 3, 4, 5 having count(*) >= 5) "
        "select kpi_id, geography_code, to_char(period_start, 'YYYY-MM-DD') as period_start, numerator, denominator, "
        f"numerators as usual_numerator, denominators as usual_denominator from tonight join usual using ({SERIES}) "
        "where abs(ln(numerators / denominators)) > ln(2) "
        "and abs(ln(numerator::float8 / numerators)) > 2 * abs(ln(numerator::float8 / denominators)) "
        "and abs(ln(denominator::float8 / denominators)) > 2 * abs(ln(denominator::float8 / numerators))"
    )


def repeated(night: str) -> str:
    """KPIs whose newest figures, of the night, are those of the period before: in every one of several areas, or in
    numerator and denominator of a thousand and more.
    """
    return (
        ", tonight as (select distinct kpi_id from t "
        f"where vintage = date '{night}' and not is_withdrawn and value is not null), "
        "figures as (select *, lag(value) over series as was, lag(numerator) over series as numerator_was, "
        "lag(denominator) over series as denominator_was, "
        f"row_number() over (partition by {SERIES} order by period_start desc) as back from t join tonight using (kpi_id) "
        "where is_latest and not is_withdrawn and value is not null "
        f"window series as (partition by {SERIES} order by period_start)) "
        "select kpi_id, geography_type, to_char(max(period_start), 'YYYY-MM-DD') as period_start, count(*) as areas "
        "from figures where back = 1 and was is not null group by kpi_id, geography_type, period_grain "
        f"having max(vintage) = date '{night}' and bool_and(value = was) and (count(distinct value) >= {FEWEST_TO_REPEAT} "
        "or bool_and(numerator = numerator_was and denominator = denominator_was and numerator >= 1000))"
    )


def areas_gone(night: str) -> str:
    """KPIs whose newest period came on the night and lacks areas that both periods before it have; if both always had the
    same ones, since others come and go. An area of few cases (a share's are its denominator, else the numerator) may have
    none in a period: within CHANCES of Poisson's standard errors, the square root of what is usual, none is usual too.
    """
    return (
        ", figures as (select kpi_id, geography_type, geography_code, period_grain, period_start, vintage, "
        "case when unit = 'percent' then denominator else numerator end as cases, dense_rank() over (partition by kpi_id, "
        "geography_type, period_grain order by period_start desc) as back from t "
        "left join (select kpi_id, unit from publish_next.kpi) as k using (kpi_id) "
        "where not is_withdrawn and value is not null and geography_type not in ('city', 'country')), "
        "areas as (select kpi_id, geography_type, period_grain, geography_code, bool_or(back = 1) as is_there, "
        "count(distinct back) filter (where back > 1) as before, "
        f"coalesce(bool_and(cases = trunc(cases)) and min(cases) filter (where back > 1) <= {CHANCES**2}, false) "
        "as is_small "
        "from figures where back <= 3 group by 1, 2, 3, 4) "
        "select kpi_id, geography_type, (select max(period_start) from figures where figures.kpi_id = areas.kpi_id "
        "and figures.geography_type = areas.geography_type and figures.period_grain = areas.period_grain) as period_start, "
        "count(*) filter (where is_there) as areas, count(*) filter (where before = 2) as before, "
        "min(geography_code) filter (where not is_there and not is_small) as gone "
        "from areas where (kpi_id, geography_type, period_grain) in (select kpi_id, geography_type, period_grain "
        f"from figures where back = 1 group by 1, 2, 3 having max(vintage) = date '{night}') "
        "group by kpi_id, geography_type, period_grain "
        "having bool_and(before <> 1 or is_small) and bool_or(before = 2 and not is_there and not is_small)"
    )


def many_jumps(night: str) -> str:
    """A row where a tenth of the night's series, and five at least, jump together: a broken source or model."""
    return (
        jumps_query(points(night)).rpartition("select series, place, now")[0]
        + "select count(distinct series) filter (where is_jump) as series_that_jump, count(distinct series) as series "
        "from verdicts having count(distinct series) filter (where is_jump) >= greatest(5, 0.1 * count(distinct series))"
    )


def rules(candidate: Candidate) -> list[Rule]:
    night = candidate.night.isoformat()
    listed = [
        Rule(
            check="no_jump",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(jumps_query(points(night))),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#jumps",
            expected="tonight's figures within what their series' own seasons make plausible",
            location="column value",
            remedy="look the figure up at its source; if it is damage, hold the source's file and run the night again",
        ),
        Rule(
            check="no_jump_of_many",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(many_jumps(night)),
            severity="block",
            owner=OWNER,
            runbook="publish.md#jumps",
            expected="at most a tenth of tonight's series to jump at once",
            location="column value",
            remedy="one cause moved them all: a unit, a join or a source; find it before anything is published",
        ),
        Rule(
            check="value_is_its_ratio",
            expectation="UnexpectedRowsExpectation",
            # Only under the definition that stands: the registry has no other version's multiplier.
            arguments=sql_rule(
                "select t.kpi_id, geography_code, to_char(period_start, 'YYYY-MM-DD') as period_start, value, numerator, "
                "denominator, multiplier from t join publish_next.kpi as k on k.kpi_id = t.kpi_id "
                "and k.version = kpi_version where value is not null and numerator is not null and value <> 'NaN' "
                "and abs(value - numerator * coalesce(multiplier, 1) / coalesce(nullif(denominator, 0), 1)) "
                "> 0.000001 * greatest(abs(value), 0.000001)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#ratios",
            expected="every figure to be its numerator, per unit of its denominator, times the KPI's multiplier",
            location="column value",
            remedy="numerator and denominator are published beside the figure: see the KPI's SQL, which has them otherwise",
        ),
        Rule(
            check="not_swapped",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(swapped(night)),
            severity="block",
            owner=OWNER,
            runbook="publish.md#ratios",
            expected="tonight's numerators to be about what the series' numerators are, not what its denominators are",
            location="columns numerator, denominator",
            remedy="the source or the KPI's SQL has changed the two about: mend it and run the night again",
        ),
        Rule(
            check="not_repeated",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(repeated(night)),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#repeats",
            expected="the newest period to have figures of its own",
            location="column value",
            remedy="the source has likely sent the period before once more under a new date: ask its steward",
        ),
        Rule(
            check="latest_once",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                f"select {SERIES}, to_char(period_start, 'YYYY-MM-DD') as period_start, count(*) filter (where is_latest) "
                f"as latest from t group by {SERIES}, t.period_start having count(*) filter (where is_latest) > 1 "
                "or bool_and(not is_latest)"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#keys",
            expected="one latest vintage of every figure",
            location="column is_latest",
            remedy="two vintages are mixed: see how marts.kpi_value marks the latest",
        ),
        Rule(
            check="no_period_far_ahead",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(
                "select kpi_id, geography_code, period_start, vintage from t "
                f"where period_start > date '{night}' + {FAR_AHEAD} and not is_withdrawn"
            ),
            severity="block",
            owner=OWNER,
            runbook="publish.md#values",
            expected=f"periods that begin at most {FAR_AHEAD} days after the night",
            location="column period_start",
            remedy="a date was read wrongly: see the KPI's staging model",
        ),
        Rule(
            check="areas_complete",
            expectation="UnexpectedRowsExpectation",
            arguments=sql_rule(areas_gone(night)),
            severity="warn",
            owner=OWNER,
            runbook="publish.md#values",
            expected="every area in the newest period that is in both before it, but for areas of few cases",
            location="column geography_code",
            remedy="an area without a row is missing at the source or was lost in a join: compare with the period before",
        ),
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
                check="history_unchanged",
                expectation="UnexpectedRowsExpectation",
                arguments=sql_rule(
                    "select t.kpi_id, t.geography_code, t.period_start, t.vintage, up.value as was, t.value as is_now "
                    "from t join publish.kpi_value as up "
                    "using (kpi_id, kpi_version, geography_type, geography_code, period_grain, "
                    f"period_start, vintage) where vintage < date '{night}' and t.value <> up.value"
                ),
                severity="warn",
                owner=OWNER,
                runbook="publish.md#vanished-kpis",
                expected="the figures of earlier vintages as readers have them",
                location="column value",
                remedy="a correction is a vintage of its own: find what rewrote marts.kpi_value",
            )
        )
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
