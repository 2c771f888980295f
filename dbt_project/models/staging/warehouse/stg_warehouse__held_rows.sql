-- Rows of files that were loaded all the same, held in quarantine, by the key they came with: a register takes them for
-- handed in.
select
    dataset,
    file_id,
    key
from {{ source('quarantine', 'rows') }}
where key is not null and state <> 'discarded'
