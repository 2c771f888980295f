{{ config(severity='warn') }}
-- Rates are published with float precision, hence the tolerance; a larger gap means another population was used.
select
    neighbourhood_code,
    crime,
    crime_year,
    rate,
    published_rate
from {{ ref('int_crime_rates') }}
where
    is_computed
    and abs(rate - published_rate) > 2e-4
