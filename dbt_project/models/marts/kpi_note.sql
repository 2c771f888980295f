-- What the City wrote about a measure's movement, per period.
with points as (
    select * from {{ ref('int_dashboard_points') }}
)

select
    measure_id as kpi_id,
    period_grain,
    period_start,
    note as note_en
from points
where note is not null
