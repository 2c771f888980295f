{{ config(materialized='view') }}
-- How much of each table is hidden. Nothing says which cells are hidden for being small: that would tell what they are.
select
    table_name,
    measure,
    max(threshold)::integer as threshold,
    count(*)::integer as cells,
    count(reason)::integer as hidden
from {{ source('ops', 'disclosure_cell') }}
group by table_name, measure
