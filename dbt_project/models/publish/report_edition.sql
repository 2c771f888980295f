-- One row per edition.
select
    edition_id,
    title_en,
    title_fr,
    summary_en,
    summary_fr,
    period_start,
    period_end,
    as_of,
    signed_off_by,
    signed_off_on,
    night,
    release_number,
    kpis,
    figures,
    favourable,
    unfavourable,
    targets_set,
    targets_met,
    figures_restated,
    kpis_redefined
from {{ ref('mart_report_edition') }}
