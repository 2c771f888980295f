-- One row per table and count of persons in it.
select
    table_name,
    measure,
    threshold,
    cells,
    hidden,
    {{ ratio('hidden', 'cells') }} as hidden_share
from {{ ref('mart_suppression') }}
