-- Scores are means of those who were tested before and after, so they are weighted by how many these are.
with runs as (
    select
        *,
        extract(year from held_on)::integer as held_year,
        case when pre_score is not null and post_score is not null then scored end as tested
    from {{ ref('int_training_history') }}
    where
        is_latest
        and not is_removed
),

summed as (
    select
        {{ or_all('division', 'All divisions') }} as division,
        {{ or_all('course', 'All courses') }} as course,
        held_year,
        count(*) as runs,
        sum(sessions) as sessions,
        sum(invited) as invited,
        sum(attended) as attended,
        sum(completed) as completed,
        coalesce(sum(tested), 0) as tested,
        {{ ratio('sum(pre_score * tested)', 'sum(tested)') }} as pre_score,
        {{ ratio('sum(post_score * tested)', 'sum(tested)') }} as post_score
    from runs
    group by grouping sets ((division, course, held_year), (course, held_year), (division, held_year), (held_year))
)

select
    division,
    course,
    held_year,
    runs,
    sessions,
    invited,
    attended,
    {{ ratio('attended', 'invited') }} as attendance_share,
    completed,
    {{ ratio('completed', 'attended') }} as completion_share,
    tested,
    pre_score,
    post_score,
    trim_scale(post_score - pre_score) as score_gain
from summed
