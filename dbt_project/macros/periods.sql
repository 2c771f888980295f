{# A model that counts a large table of periods keeps what it counted of each, with the batch that gave the period its
   rows, and counts again only the periods whose rows came with another batch since: a correction, a late delivery, a
   backfill or its undoing. `forget_periods` takes out what stands no more (the model's pre-hook), `new_periods` is the
   condition on the rows to count, `batch_of_period` the batch. The model says `meta.periods_of`, so that it is built
   when the data set has a new batch and not when any other has; when its own SQL changes, the transform drops it. #}
{% macro standing_periods(dataset) -%}
    select
        served.period,
        max(batch.batch_id) as batch_id
    from {{ source('ops', 'batch') }} as batch
    cross join lateral unnest(batch.periods) as served (period)
    where batch.dataset = '{{ dataset }}' and batch.state = 'loaded'
    group by served.period
{%- endmacro %}

{% macro forget_periods(relation, dataset) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }}
        where (_period, batch_id) not in (
            {{ standing_periods(dataset) | indent(12) }}
        )
    {%- endif -%}
{%- endmacro %}

{# The periods are asked for before and written as words, as PostgreSQL leaves other partitions out only if it knows them
   while it plans. #}
{% macro new_periods(dataset) -%}
    {%- if is_incremental() -%}
        {%- set found -%}
            select standing.period
            from (
                {{ standing_periods(dataset) | indent(16) }}
            ) as standing
            where (standing.period, standing.batch_id) not in (select distinct _period, batch_id from {{ this }})
            order by 1
        {%- endset -%}
        {%- set periods = run_query(found).columns[0].values() if run_query is defined else [] -%} {# not in sqlfluff #}
        {%- if periods -%}
            _period in ('{{ periods | join("', '") }}')
        {%- else -%}
            false
        {%- endif -%}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
