-- From a KPI or a published table to the files it was made of: name, SHA-256, address and the night each came in. Files
-- of a data set whose earlier deliveries stay in raw are all listed, because earlier vintages were computed from them.
with lineage as (
    select * from {{ ref('lineage') }}
),

loaded as (
    select
        batches.dataset,
        files.file_id,
        files.name,
        files.sha256,
        files.bytes,
        files.url,
        files.retrieved_at,
        min(batches.night) as delivered_night
    from {{ source('ops', 'batch') }} as batches
    inner join {{ source('ops', 'landed_file') }} as files on batches.file_id = files.file_id
    where batches.state = 'loaded'
    group by batches.dataset, files.file_id, files.name, files.sha256, files.bytes, files.url, files.retrieved_at
)

select
    lineage.subject_type,
    lineage.subject,
    lineage.dataset,
    loaded.name as file_name,
    loaded.sha256,
    loaded.bytes,
    loaded.url,
    loaded.retrieved_at,
    loaded.delivered_night,
    standing.file_id is not null as is_current
from lineage
inner join loaded on lineage.dataset = loaded.dataset
left join {{ source('ops', 'cursor') }} as standing
    on
        loaded.dataset = standing.dataset
        and loaded.name = standing.name
        and loaded.file_id = standing.file_id
