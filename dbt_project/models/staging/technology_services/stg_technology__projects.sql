with source as (
    {{ register_rows('projects', ['project_id']) }}
)

select
    {{ clean_text('division') }} as division,
    as_of::date as as_of,
    btrim(project_id) as project_id,
    {{ clean_text('project') }} as project,
    btrim(kind) as kind,
    {{ clean_text('purpose') }} as purpose,
    {{ clean_text('sponsor_role') }} as sponsor_role,
    start_date::date as start_date,
    planned_end::date as planned_end,
    {{ label_code('status') }} as status,
    btrim(stated_health) as stated_health,
    {{ clean_text('funding_source') }} as funding_source,
    {{ to_money('budget') }} as budget,
    {{ to_money('spent') }} as spent,
    {{ clean_text('comment') }} as comment,
    hand_in,
    is_current_hand_in,
    _file_id,
    _row,
    _night
from source
