select * from {{ ref('int_stint_outcomes') }}
