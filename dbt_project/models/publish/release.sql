-- One row per release.
select
    number,
    night,
    code_version,
    content_hash,
    restatements,
    stale_reason
from {{ ref('mart_release') }}
