with known as (
    select * from {{ ref('int_recommendation_quarters') }}
),

counted as (
    select
        {{ or_all('division', 'All divisions') }} as division,
        quarter_start,
        count(*) as recommendations,
        count(*) filter (where is_open) as open_recommendations,
        count(*) filter (where is_open and days_past_due < 0) as not_due,
        count(*) filter (where is_open and days_past_due between 0 and 30) as past_due_0_30,
        count(*) filter (where is_open and days_past_due between 31 and 90) as past_due_31_90,
        count(*) filter (where is_open and days_past_due between 91 and 365) as past_due_91_365,
        count(*) filter (where is_open and days_past_due > 365) as past_due_over_365,
        count(*) filter (where due_date <= quarter_end) as fallen_due,
        count(*) filter (where due_date <= quarter_end and implemented_on <= due_date) as implemented_on_time
    from known
    group by grouping sets ((division, quarter_start), (quarter_start))
)

select
    counted.*,
    {{ ratio('implemented_on_time', 'fallen_due') }} as on_time_share
from counted
