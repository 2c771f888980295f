-- One row per questionnaire.
select
    division,
    instrument_id,
    instrument,
    audience,
    recruitment,
    status,
    is_removed,
    as_of,
    checks_met,
    checks_missed,
    conformance,
    is_conformant,
    missed
from {{ ref('mart_survey_conformance') }}
