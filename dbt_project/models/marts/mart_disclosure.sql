{{ config(materialized='view') }}
-- What publish models hide of each row, as cityperf.privacy decided when the other marts were built.
select
    table_name,
    row_key,
    hidden,
    rounded
from {{ source('ops', 'disclosure') }}
