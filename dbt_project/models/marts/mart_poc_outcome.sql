-- What became of proofs of concept, the failed ones too, by division and in all.
with proofs as (
    select * from {{ ref('mart_proof_of_concept') }}
)

select
    case when grouping(division) = 1 then 'All divisions' else division end as division,
    count(*)::integer as proofs,
    count(*) filter (where outcome in ('planned', 'running'))::integer as under_way,
    count(*) filter (where outcome = 'scaled')::integer as scaled,
    count(*) filter (where outcome = 'extended')::integer as extended,
    count(*) filter (where outcome = 'stopped')::integer as stopped,
    count(*) filter (where outcome = 'abandoned')::integer as abandoned,
    count(*) filter (where outcome = 'undecided')::integer as undecided,
    count(*) filter (where is_target_met)::integer as target_met,
    count(*) filter (where not is_target_met)::integer as target_missed,
    count(*) filter (where not is_target_met and outcome = 'scaled')::integer as scaled_below_target,
    {{
        ratio(
            "count(*) filter (where outcome = 'scaled')",
            "count(*) filter (where outcome in ('scaled', 'extended', 'stopped', 'abandoned'))",
        )
    }} as scaled_share,
    {{ quantile('days', 0.5) }} as median_days
from proofs
group by grouping sets ((division), ())
having count(*) > 0
