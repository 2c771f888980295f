-- One row per data set.
select
    dataset,
    description,
    owner,
    steward,
    licence,
    privacy_class,
    tier,
    last_delivery_night,
    next_delivery_due_on,
    late_by_days,
    files,
    rows_loaded,
    rows_quarantined,
    rows_discarded,
    files_quarantined,
    checks_passed,
    checks_warned,
    checks_failed,
    known_issues,
    freshness_state
from {{ ref('mart_data_quality') }}
