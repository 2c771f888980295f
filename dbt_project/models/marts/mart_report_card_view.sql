-- Toronto's view of an indicator beside the result that the publisher printed, where the warehouse holds it.
with views as (
    select * from {{ ref('int_report_card_views_history') }}
    where is_latest
),

results as (
    select * from {{ ref('int_report_cards') }}
)

select
    views.division,
    views.view_id,
    views.publisher,
    views.edition,
    views.indicator,
    results.publisher is not null as has_result,
    results.toronto_value,
    results.rank as toronto_rank,
    results.peers,
    views.perspective,
    views.recommendation,
    views.sent_on,
    views.answered_on,
    views.answered_on - views.sent_on as days_to_answer,
    views.answer,
    views.status as state,
    views.is_removed,
    views.as_of
from views
left join results
    on
        views.publisher = results.publisher
        and views.edition = results.edition
        and views.indicator = results.indicator
