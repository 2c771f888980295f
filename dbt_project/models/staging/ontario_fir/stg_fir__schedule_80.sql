-- Counts of several kinds: what a line counts is in its description.
with source as (
    select * from {{ source('raw', 'fir_schedule_80') }}
)

select
    {{ fir_place() }},
    {{ clean_text('forms.line_description') }} as line_description,
    cells.column_name,
    '80 ' || lpad(forms.line, 4, '0') || ' ' || cells.column_name as cell_code,
    cells.text_value,
    {{ to_number('cells.text_value') }} as amount,
    {{ fir_delivery() }}
from source as forms
{{ fir_numbered_cells(16) }}
where cells.text_value <> ''
