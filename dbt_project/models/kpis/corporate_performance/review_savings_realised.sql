-- Savings realised of those that service reviews planned, by the year of the review, both as last handed in.
with reviews as (
    select
        *,
        case when is_removed then previous_status else status end as stated_status
    from {{ ref('int_service_reviews_history') }}
    where is_latest
)

select
    'CP-SRV-01' as kpi_id,
    make_date(review_year, 1, 1) as period_start,
    'year' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    coalesce(sum(savings_realised), 0) as numerator,
    sum(savings_planned) as denominator
from reviews
where stated_status = 'completed'
group by review_year
having sum(savings_planned) > 0
