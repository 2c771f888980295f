{# Top-2-box of the question on overall satisfaction (Q1) in the surveys of one audience whose sample was drawn, by the
   quarter or year in which they left the field. Periods with fewer than 30 valid answers are not shown; answers over an
   open link are no sample. #}
{% macro satisfaction(kpi_id, audience, grain) -%}
with results as (
    select
        *,
        date_trunc('{{ grain }}', field_to)::date as period_start
    from {{ ref('int_survey_results') }}
    where
        question_id = 'Q1'
        and audience = '{{ audience }}'
        and not is_open_link
)

select
    '{{ kpi_id }}' as kpi_id,
    period_start,
    '{{ grain }}' as period_grain,
    'city' as geography_type,
    'toronto' as geography_code,
    sum(top_two_weight) as numerator,
    sum(weight_sum) as denominator
from results
group by period_start
having sum(valid_answers) >= 30
{%- endmacro %}
