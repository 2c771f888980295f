with source as (
    {{ current_delivery('shelter_system_flow', ['month', 'population_group']) }}
)

select
    {{ any_date("'1-' || month") }} as month_start,
    {{ clean_text('population_group') }} as population_group,
    returned_from_housing::integer as returned_from_housing,
    returned_to_shelter::integer as returned_to_shelter,
    newly_identified::integer as newly_identified,
    moved_to_housing::integer as moved_to_housing,
    became_inactive::integer as became_inactive,
    actively_homeless::integer as actively_homeless,
    ageunder16::integer as age_under_16,
    age16_24::integer as age_16_24,
    age25_34::integer as age_25_34,
    age35_44::integer as age_35_44,
    age45_54::integer as age_45_54,
    age55_64::integer as age_55_64,
    age65over::integer as age_65_and_over,
    gender_male::integer as gender_male,
    gender_female::integer as gender_female,
    gender_other::integer as gender_transgender_nonbinary_two_spirit,
    {{ to_number("rtrim(btrim(population_group_percentage), '%')") }} as population_group_percent,
    _file_id,
    _row,
    _night
from source
