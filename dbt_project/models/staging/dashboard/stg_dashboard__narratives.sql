-- A note is a run of paragraphs, each headed [Month yyyy], [Quarter n yyyy], [Annual yyyy] or a season. The City drops
-- a paragraph whose heading it cannot read; here it stays, without a period.
with source as (
    {{ current_delivery('dashboard_narratives', ['measure_id']) }}
),

paragraphs as (
    select
        source.measure_id,
        source._file_id,
        source._row,
        source._night,
        part.paragraph_number::integer as paragraph_number,
        {{ clean_text("regexp_replace(" ~ decode_html('part.paragraph') ~ ", '<[^>]*>', ' ', 'g')") }} as paragraph
    from source
    cross join lateral regexp_split_to_table(source.note, '(<br\s*/?>\s*){2}') with ordinality
        as part (paragraph, paragraph_number)
),

headed as (
    select
        paragraphs.*,
        substring(paragraph from '^\[([^\]]+)\]') as period_label,
        lower(substring(paragraph from '^\[\s*([A-Za-z]+)')) as period_word,
        substring(paragraph from '^\[[^\]]*?(\d{4})\s*\]')::integer as period_year,
        substring(paragraph from '^\[\s*[Qq]uarter\s+([1-4])\s')::integer as quarter_number
    from paragraphs
    where paragraph is not null
),

placed as (
    select
        headed.*,
        array_position(
            array[
                'january', 'february', 'march', 'april', 'may', 'june',
                'july', 'august', 'september', 'october', 'november', 'december'
            ], period_word
        ) as month_number,
        array_position(array['winter', 'spring', 'summer', 'fall'], replace(period_word, 'autumn', 'fall'))
            as season_number
    from headed
),

graded as (
    select
        placed.*,
        case
            when period_year is null then null
            when month_number is not null then 'month'
            when quarter_number is not null then 'quarter'
            when season_number is not null then 'season'
            when period_word = 'annual' then 'year'
        end as period_grain
    from placed
)

select
    {{ measure_id('measure_id') }} as measure_id,
    paragraph_number,
    period_label,
    period_grain,
    {{ period_start(
        'left(period_grain, 1)', 'period_year', 'coalesce(month_number, quarter_number, season_number, 1)'
    ) }} as period_start,
    {{ clean_text("regexp_replace(paragraph, '^\\[[^\\]]*\\]', '')") }} as note,
    period_grain is not null as is_dated,
    _file_id,
    _row,
    _night
from graded
