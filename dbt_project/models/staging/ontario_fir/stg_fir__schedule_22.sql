-- Five sheets of different width: general levies by property class (22GPL), special areas (22SRA-LT, 22SRA-UT), other
-- charges (22SPC) and totals (22Total), in which line 9201 is the sum of the general levies. In the file of 2022 the first
-- municipality's name and number were dragged over rows of others in the last two sheets.
with source as (
    select * from {{ source('raw', 'fir_schedule_22') }}
)

select
    {{ fir_place() }},
    forms.levy_area,
    {{ clean_text('forms.levy_area_name') }} as levy_area_name,
    forms.levy_type,
    forms.levy_sequence,
    {{ clean_text('forms.levy_description') }} as levy_description,
    forms.tax_class,
    forms.tax_band,
    {{ clean_text('forms.property_class') }} as property_class,
    {{ clean_text('forms.tax_rate_description') }} as tax_rate_description,
    cells.column_name,
    cells.text_value::numeric as amount,
    {{ fir_delivery() }}
from source as forms
{{ fir_cells([
    ('tax_ratio', 'tax_ratio'),
    ('percent_of_full_rate', 'percent_of_full_rate'),
    ('cva_assessment', 'cva_assessment'),
    ('phase_in_assessment', 'phase_in_assessment'),
    ('lower_single_tier_rate', 'lower_single_tier_rate'),
    ('upper_tier_rate', 'upper_tier_rate'),
    ('education_rate', 'education_rate'),
    ('total_rate', 'total_rate'),
    ('lower_single_tier_taxes', 'lower_single_tier_taxes'),
    ('upper_tier_taxes', 'upper_tier_taxes'),
    ('education_taxes', 'education_taxes'),
    ('total_taxes', 'total_taxes')
]) }}
where cells.text_value <> ''
