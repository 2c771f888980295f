-- One row per night on which figures were written.
select
    vintage,
    release_number,
    figures,
    figures_new,
    figures_changed,
    figures_withdrawn,
    kpis,
    earliest_period,
    latest_period
from {{ ref('mart_vintage') }}
