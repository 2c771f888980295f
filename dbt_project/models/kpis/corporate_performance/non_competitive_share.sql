-- Share of the dollars awarded that went to contracts without a competitive call. The two lists begin and end on days of
-- their own: a quarter counts when both cover it.
with awards as (
    select
        awarded_on,
        award_amount,
        false as is_non_competitive
    from {{ ref('stg_purchasing__awarded_contracts') }}
    where not is_repeat
    union all
    select
        contracted_on as awarded_on,
        contract_amount as award_amount,
        true as is_non_competitive
    from {{ ref('stg_purchasing__non_competitive_contracts') }}
    where not is_repeat
),

lists as (
    select
        is_non_competitive,
        min(awarded_on) as first_day,
        max(awarded_on) as newest_day
    from awards
    group by is_non_competitive
),

covered as (
    select
        max(first_day) as first_day,
        min(newest_day) as newest_day
    from lists
    having count(*) = 2
),

dated as (
    select
        awards.award_amount,
        awards.is_non_competitive,
        date_trunc('quarter', awards.awarded_on)::date as period_start,
        covered.first_day,
        covered.newest_day
    from awards
    cross join covered
)

select
    'CP-PUR-01' as kpi_id,
    period_start,
    'quarter' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    coalesce(sum(award_amount) filter (where is_non_competitive), 0) as numerator,
    sum(award_amount) as denominator
from dated
where
    period_start >= first_day
    and {{ is_complete_period('quarter', 'period_start', 'newest_day') }}
group by period_start
having sum(award_amount) > 0
