-- One row per KPI or table and file behind it.
select
    subject_type,
    subject,
    dataset,
    file_name,
    sha256,
    bytes,
    url,
    delivered_night,
    is_current
from {{ ref('mart_provenance') }}
