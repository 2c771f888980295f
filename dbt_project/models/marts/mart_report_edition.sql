-- Editions of the Corporate Performance Report with what they reported and what has become of it.
with counted as (
    select
        edition_id,
        count(*)::integer as kpis,
        count(value)::integer as figures,
        count(*) filter (where status = 'favourable')::integer as favourable,
        count(*) filter (where status = 'unfavourable')::integer as unfavourable,
        count(is_target_met)::integer as targets_set,
        count(*) filter (where is_target_met)::integer as targets_met,
        count(*) filter (where is_restated)::integer as figures_restated,
        count(*) filter (where is_redefined)::integer as kpis_redefined
    from {{ ref('mart_report_edition_figure') }}
    group by edition_id
)

select
    editions.edition_id,
    editions.title_en,
    editions.title_fr,
    editions.summary_en,
    editions.summary_fr,
    editions.period_start,
    editions.period_end,
    editions.as_of,
    editions.signed_off_by,
    editions.signed_off_on,
    editions.night,
    editions.release_number,
    counted.kpis,
    counted.figures,
    counted.favourable,
    counted.unfavourable,
    counted.targets_set,
    counted.targets_met,
    counted.figures_restated,
    counted.kpis_redefined
from {{ ref('report_edition_standing') }} as editions
inner join counted on editions.edition_id = counted.edition_id
