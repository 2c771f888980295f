-- Cancelled reviews and those taken out of the register are not counted.
with reviews as (
    select * from {{ ref('int_service_reviews_history') }}
    where
        is_latest
        and not is_removed
        and status <> 'cancelled'
)

select
    {{ or_all('division', 'All divisions') }} as division,
    review_year,
    count(*) as reviews,
    count(*) filter (where status = 'completed') as completed,
    coalesce(sum(savings_planned), 0) as savings_planned,
    coalesce(sum(savings_realised), 0) as savings_realised,
    {{ ratio('sum(savings_realised)', 'sum(savings_planned)') }} as realised_share,
    coalesce(sum(recommendations), 0) as recommendations,
    coalesce(sum(recommendations_implemented), 0) as recommendations_implemented,
    {{ ratio('sum(recommendations_implemented)', 'sum(recommendations)') }} as implemented_share
from reviews
group by grouping sets ((division, review_year), (review_year))
