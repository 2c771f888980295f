-- Quality score and grade by the rule of the City's open data catalogue, for two kinds of things: each resource of the
-- catalogue from the parts that the portal worked out, and each data set of the warehouse from its contract and its
-- deliveries. Ours are scored as files, by three of the five parts: completeness and usability would need every cell of
-- every table read each night. What the rule asks of a catalogue page is asked of the contract here: a description, a
-- steward to ask, tags, and an address to go to, which a file that is handed in has not.
with resources as (
    select
        'catalogue' as origin,
        *
    from {{ ref('int_catalogue_quality') }}
),

datasets as (
    {{ dataset_registry_rows() | indent(4) }}
),

refresh_rates (refresh, period_days, patience) as (
    values
    ('daily', 1, 7.0),
    ('weekly', 7, 4.0),
    ('monthly', 30, 2.0),
    ('quarterly', 91, 2.0),
    ('semi_annually', 182, 2.0),
    ('annually', 365, 0.5)
),

deliveries as (
    select
        dataset,
        max(night) as last_night,
        max(max(night)) over () as newest_night
    from {{ source('ops', 'batch') }}
    where state in ('loaded', 'superseded')
    group by dataset
),

known as (
    select
        datasets.*,
        refresh_rates.patience,
        datasets.connector in ('drop_folder', 'reviewed_file') as is_handed_in,
        deliveries.newest_night - deliveries.last_night as days,
        greatest(
            0, deliveries.newest_night - deliveries.last_night - refresh_rates.period_days
        )::numeric / refresh_rates.period_days as behind
    from datasets
    inner join deliveries on datasets.dataset = deliveries.dataset
    left join refresh_rates on datasets.refresh = refresh_rates.refresh
),

own as (
    select
        'warehouse' as origin,
        dataset as package,
        dataset as resource,
        owner as division,
        'filestore' as store_type,
        (
            (
                (coalesce(description, '') <> '')::integer
                + (coalesce(steward, '') <> '')::integer
                + (tags > 0)::integer
                + (not is_handed_in)::integer
            ) / 4.0
            + columns_described::numeric / nullif(columns_staged, 0)
        ) / 2 as metadata,
        {{ quality_freshness('refresh', 'behind', 'patience', 'days') }} as freshness,
        ((case when tags > 0 then 1 else 0.5 end) + (case when is_handed_in then 0.5 else 0.8 end)) / 2 as accessibility,
        null::numeric as completeness,
        null::numeric as usability,
        concat(
            case when is_handed_in then '~metadata_missing:information_url' end,
            case when columns_described < columns_staged then '~missing_def_cols' end,
            case when behind > 0 then '~periods_behind:' || trim_scale(round(behind, 1)) end,
            case when tags = 0 then '~no_tags' end,
            case when is_handed_in then '~no_pipeline_found' end,
            '~filestore_resource'
        ) as codes,
        null::numeric as published_score,
        null::text as published_grade
    from known
),

together as (
    select * from resources
    union all
    select * from own
),

scored as (
    select
        *,
        {{
            quality_score('store_type', 'metadata', 'freshness', 'accessibility', 'completeness', 'usability')
        }} as score
    from together
),

-- Codes stand one after another, each behind a tilde, some with a colon and what they are about.
explained as (
    select
        scored.origin,
        scored.package,
        scored.resource,
        string_agg(
            coalesce(texts.text_en, found.part[1]) || coalesce(': ' || nullif(found.part[2], ''), ''), '; '
            order by found.place
        ) as explanation_en,
        string_agg(
            coalesce(texts.text_fr, found.part[1]) || coalesce(' : ' || nullif(found.part[2], ''), ''), '; '
            order by found.place
        ) as explanation_fr
    from scored
    cross join lateral regexp_matches(scored.codes, '~([a-z_]+):?([^~]*)', 'g') with ordinality as found (part, place)
    left join {{ ref('quality_code') }} as texts on found.part[1] = texts.code
    group by scored.origin, scored.package, scored.resource
)

select
    scored.origin,
    scored.package,
    scored.resource,
    scored.division,
    scored.store_type,
    trim_scale(round(scored.metadata, 9)) as metadata,
    trim_scale(round(scored.freshness, 9)) as freshness,
    trim_scale(round(scored.accessibility, 9)) as accessibility,
    trim_scale(scored.completeness) as completeness,
    trim_scale(scored.usability) as usability,
    trim_scale(scored.score) as score,
    {{ quality_grade_of('scored.score') }} as grade,
    nullif(scored.codes, '') as codes,
    explained.explanation_en,
    explained.explanation_fr,
    scored.published_score,
    scored.published_grade
from scored
left join explained
    on
        scored.origin = explained.origin
        and scored.package = explained.package
        and scored.resource = explained.resource
