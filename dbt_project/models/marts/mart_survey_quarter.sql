-- The question on overall satisfaction (Q1), all waves of a quarter together; samples and open links apart.
with waves as (
    select
        *,
        date_trunc('quarter', field_to)::date as quarter_start
    from {{ ref('int_survey_results') }}
    where question_id = 'Q1'
),

summed as (
    select
        {{ or_all('division', 'All divisions') }} as division,
        audience,
        is_open_link,
        quarter_start,
        count(*) as waves,
        sum(valid_answers) as valid_answers,
        sum(weight_sum) as weight_sum,
        sum(weight_squares) as weight_squares,
        sum(top_two_weight) as top_two_weight
    from waves
    group by grouping sets ((division, audience, is_open_link, quarter_start), (audience, is_open_link, quarter_start))
),

based as (
    select
        *,
        {{ effective_base('weight_sum', 'weight_squares') }} as effective_base
    from summed
)

select
    division,
    audience,
    is_open_link,
    quarter_start,
    waves::integer as waves,
    valid_answers::bigint as valid_answers,
    trim_scale(round(effective_base, 1)) as effective_base,
    case when valid_answers >= 30 then {{ ratio('top_two_weight', 'weight_sum') }} end as top_two_share,
    case when valid_answers >= 30 and not is_open_link then {{ margin_of_error('effective_base') }} end as margin_of_error,
    valid_answers < 30 as is_suppressed
from based
