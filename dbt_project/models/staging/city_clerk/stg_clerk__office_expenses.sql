-- Fifteen categories stand side by side; a row here is one of them that has an amount.
with source as (
    {{ current_delivery('council_business_travel', ['year', 'ward', 'councillor']) }}
)

select
    source.year::integer as expense_year,
    {{ clean_text('source.ward') }} as ward,
    {{ clean_text('source.councillor') }} as councillor,
    entry.name as category,
    {{ to_money('entry.value') }} as amount,
    source._file_id,
    source._row,
    source._night
from source
cross join lateral jsonb_each_text(to_jsonb(source)) as entry (name, value)
where entry.value is not null and entry.name not in ('year', 'ward', 'councillor') and entry.name !~ '^_'
