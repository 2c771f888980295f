-- One row per division and quarter, also in all. Counts by level only: what the risks are, who owns them and how they are
-- treated stays inside.
select
    division,
    quarter_start,
    open_risks,
    extreme,
    high,
    medium,
    low,
    mean_score,
    new_risks,
    rising,
    falling,
    stable,
    closed_in_quarter
from {{ ref('mart_risk_trend') }}
