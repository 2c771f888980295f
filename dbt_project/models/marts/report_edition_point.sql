-- Figures of the editions, with the definitions and notes that they were reported under: as they were frozen, or as the
-- release being built will freeze them. An edition reports every active KPI of its sections at the widest area that it is
-- computed for, in the latest period that was over on the edition's last day; a KPI without a figure is there too.
with due as (
    select * from {{ ref('report_edition_standing') }}
    where not is_frozen
),

section_names (report_section, name_en, name_fr) as (
    values
    ('financial_asset_stewardship', 'Financial and asset stewardship', 'Gestion des finances et des actifs'),
    ('customer_service', 'Customer service', 'Service à la clientèle'),
    ('employee_engagement', 'Employee engagement', 'Mobilisation du personnel'),
    (
        'accountability_transparency_openness',
        'Accountability, transparency and openness',
        'Responsabilité, transparence et ouverture'
    )
),

sections as (
    select
        due.edition_id,
        listed.place::integer as section_place,
        section_names.*
    from due
    cross join lateral jsonb_array_elements_text(due.sections) with ordinality as listed (report_section, place)
    inner join section_names on listed.report_section = section_names.report_section
),

kpis as (
    select * from {{ ref('mart_kpi') }}
    where is_active and is_registered and lifecycle_state = 'active'
),

objectives as (
    select * from {{ ref('objectives') }}
),

periods as (
    select * from {{ ref('mart_period') }}
),

figures as (
    select distinct on (due.edition_id, points.kpi_id)
        due.edition_id,
        points.*
    from due
    inner join periods on due.period_end >= periods.period_end
    inner join {{ ref('kpi_current') }} as points
        on
            periods.period_grain = points.period_grain
            and periods.period_start = points.period_start
    where points.geography_type in ('city', 'country') and points.value is not null
    order by due.edition_id, points.kpi_id, points.geography_type, points.period_start desc
),

last_periods as (
    select
        due.edition_id,
        periods.period_grain,
        max(periods.period_start) as period_start
    from due
    inner join periods on due.period_end >= periods.period_end
    group by due.edition_id, periods.period_grain
),

reported as (
    select
        due.edition_id,
        due.notes,
        sections.section_place,
        sections.name_en as section_name_en,
        sections.name_fr as section_name_fr,
        kpis.*,
        coalesce(figures.kpi_version, kpis.version) as kpi_version,
        coalesce(figures.geography_type, 'city') as geography_type,
        coalesce(figures.geography_code, 'toronto') as geography_code,
        coalesce(figures.period_grain, kpis.period_grain) as reported_grain,
        -- Without a figure, the period that one was to be expected for: what comes later is late.
        coalesce(figures.period_start, last_periods.period_start) as period_start,
        figures.value,
        figures.vintage
    from due
    inner join sections on due.edition_id = sections.edition_id
    inner join kpis on sections.report_section = kpis.report_section
    left join figures
        on
            due.edition_id = figures.edition_id
            and kpis.kpi_id = figures.kpi_id
    left join last_periods
        on
            due.edition_id = last_periods.edition_id
            and kpis.period_grain = last_periods.period_grain
),

comparisons as (
    select * from {{ ref('kpi_period_comparison') }}
    where geography_type in ('city', 'country') and comparison in ('year', 'ytd', 'target')
),

-- The year to date where there is one, as in every headline.
headlines as (
    select distinct on (kpi_id, geography_type, geography_code, period_grain, period_start) *
    from comparisons
    where comparison in ('year', 'ytd')
    order by kpi_id, geography_type, geography_code, period_grain, period_start, comparison desc
),

joined as (
    select
        reported.edition_id,
        reported.kpi_id,
        reported.section_place,
        reported.report_section,
        reported.section_name_en,
        reported.section_name_fr,
        objectives.perspective,
        reported.objective,
        objectives.name_en as objective_name_en,
        objectives.name_fr as objective_name_fr,
        reported.dimension,
        reported.measure_type,
        reported.name_en,
        reported.name_fr,
        reported.definition_en,
        reported.definition_fr,
        reported.unit,
        reported.decimals,
        reported.direction,
        reported.owner,
        reported.kpi_version,
        reported.geography_type,
        reported.geography_code,
        reported.reported_grain as period_grain,
        reported.period_start,
        periods.label_en as period_label_en,
        periods.label_fr as period_label_fr,
        reported.value,
        reported.vintage,
        headlines.comparison,
        headlines.compared_value,
        headlines.change,
        headlines.change_unit,
        headlines.trend,
        coalesce(headlines.status, 'no_comparison') as status,
        against_target.compared_value as target_value,
        against_target.change as target_change,
        against_target.status as target_status,
        against_target.is_target_met,
        reported.suitable_for_signals,
        reported.signal_basis,
        signals.point_type,
        signals.special_cause,
        signals.lower_limit,
        signals.upper_limit,
        targets.target_type,
        coalesce(targets.target_low, targets.target_value) as target_low,
        coalesce(targets.target_high, targets.target_value) as target_high,
        reported.notes #>> array[reported.kpi_id, 'en'] as note_en,
        reported.notes #>> array[reported.kpi_id, 'fr'] as note_fr
    from reported
    left join objectives on reported.objective = objectives.objective
    left join periods
        on
            reported.reported_grain = periods.period_grain
            and reported.period_start = periods.period_start
    {%- for table, alias, more in [
        ('headlines', 'headlines', ''),
        ('comparisons', 'against_target', "and against_target.comparison = 'target'"),
        (ref('mart_kpi_signal'), 'signals', ''),
        (ref('kpi_target'), 'targets', ''),
    ] %}
        left join {{ table }} as {{ alias }}
            on
                reported.kpi_id = {{ alias }}.kpi_id
                and reported.geography_type = {{ alias }}.geography_type
                and reported.geography_code = {{ alias }}.geography_code
                and reported.reported_grain = {{ alias }}.period_grain
                and reported.period_start = {{ alias }}.period_start
                {{ more }}
    {%- endfor %}
),

judged as (
    select
        *,
        row_number() over (
            partition by edition_id order by section_place, objective collate "C", kpi_id collate "C"
        )::integer as place,
        case when value is not null then {{ kpi_variation() }} end as variation,
        case when value is not null then {{ kpi_assurance() }} end as assurance
    from joined
)

select {{ frozen_columns() }} from judged
union all
select {{ frozen_columns() }} from {{ source('ops', 'report_edition_figure') }}
