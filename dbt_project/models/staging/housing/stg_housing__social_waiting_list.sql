-- Each breakdown splits another total: add within one, never across.
with source as (
    {{ current_delivery('social_housing_waiting_list', ['quarter']) }}
),

counts as (
    select
        {{ quarter_start('source.quarter') }} as quarter_start,
        cell.breakdown,
        cell.category,
        {{ to_number('cell.households') }}::integer as households,
        source._file_id,
        source._row,
        source._night
    from source
    cross join lateral (
        values
        ('activity', 'new_or_reactivated', source.new_reactivated),
        ('activity', 'housed', source.housed),
        ('waiting', 'all', source.total_active),
        ('household', 'without_dependents', source.no_dependents),
        ('household', 'with_dependents', source.with_dependents),
        ('household', 'seniors', source.seniors),
        ('household', 'all', source.total),
        ('unit', 'room', source.room),
        ('unit', 'bachelor', source.bachelor),
        ('unit', '1_bedroom', source.bedroom_1),
        ('unit', '2_bedroom', source.bedroom_2),
        ('unit', '3_bedroom', source.bedroom_3),
        ('unit', '4_bedroom', source.bedroom_4),
        ('unit', '5_bedroom', source.bedroom_5),
        ('housed_by_priority', 'special_priority', source.special_priority),
        ('housed_by_priority', 'terminally_ill', source.terminally_ill),
        ('housed_by_priority', 'over_housed', source.over_housed),
        ('housed_by_priority', 'homeless_youth_separated', source.homeless_youth),
        ('housed_by_priority', 'indigenous', source.indigenous),
        ('housed_by_priority', 'exiting_supportive', source.exiting_supportive),
        ('housed_by_priority', 'seniors_corporation', source.seniors_corporation),
        ('housed_by_priority', 'general', source.general_list),
        ('housed_by_provider', 'toronto_community_housing', source.tchc),
        ('housed_by_provider', 'coop_nonprofit_rent_supplement', source.coop_rent_supplement)
    ) as cell (breakdown, category, households)
)

select * from counts
where households is not null
