-- The codes are the return's own: 26 9199 03 is line 9199, column 03. Sheets repeat line numbers, so a cell is named
-- with its sheet. Line 9199 is the total before adjustments.
with source as (
    select * from {{ source('raw', 'fir_schedule_26') }}
)

select
    {{ fir_place() }},
    {{ clean_text('forms.line_description') }} as line_description,
    cells.column_name,
    '26 ' || lpad(forms.line, 4, '0') || ' ' || cells.column_name as cell_code,
    cells.text_value,
    {{ to_number('cells.text_value') }} as amount,
    {{ fir_delivery() }}
from source as forms
{{ fir_numbered_cells(16) }}
where cells.text_value <> ''
