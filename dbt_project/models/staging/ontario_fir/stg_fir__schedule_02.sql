-- Answers in words stay as text; numbers are read where the cell is one.
with source as (
    select * from {{ source('raw', 'fir_schedule_02') }}
)

select
    {{ fir_place() }},
    {{ clean_text('forms.line_description') }} as line_description,
    cells.column_name,
    '02 ' || lpad(forms.line, 4, '0') || ' ' || cells.column_name as cell_code,
    cells.text_value,
    {{ to_number('cells.text_value') }} as amount,
    {{ fir_delivery() }}
from source as forms
{{ fir_numbered_cells(4) }}
where cells.text_value <> ''
