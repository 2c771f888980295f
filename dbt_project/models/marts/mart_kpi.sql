-- The registry: one row per KPI. Our own come from the YAML beside their SQL; those of the dashboard feed from the feed's
-- current delivery, with names, dimension and owner from the list beside `dashboard_feed`. A measure that the list does
-- not know is published under its category's dimension and marked; one that has left the feed stays, inactive.
{%- set feed_unit -%}
    coalesce(
        listed.unit,
        case feed.value_type when 'currency' then 'cad' when 'percent' then 'percent' else 'number' end
    )
{%- endset -%}
{%- set feed_flow = 'coalesce(feed.is_year_to_date, listed.is_flow, false)' %}

with registered as (
    {{ kpi_registry_rows() | indent(4) }}
),

own as (
    select * from registered
    where model_name <> 'dashboard_feed'
),

listed as (
    select * from registered
    where model_name = 'dashboard_feed'
),

feed as (
    select * from {{ ref('int_dashboard_definitions') }}
),

feed_kpis as (
    select
        coalesce(feed.measure_id, listed.kpi_id) as kpi_id,
        'feed' as origin,
        'dashboard_feed' as model_name,
        coalesce(listed.name_en, feed.measure_name) as name_en,
        coalesce(listed.name_fr, feed.measure_name) as name_fr,
        coalesce(listed.definition_en, feed.measure_name) as definition_en,
        coalesce(listed.definition_fr, feed.measure_name) as definition_fr,
        feed.measure_name as source_name,
        coalesce(
            listed.dimension,
            case feed.category
                when 'Services' then 'service_delivery'
                when 'Economy' then 'quality_of_life'
                when 'Community Vulnerability' then 'quality_of_life'
                when 'Crime' then 'neighbourhood'
                when 'Development & Construction' then 'neighbourhood'
                else 'corporate_performance'
            end
        ) as dimension,
        coalesce(listed.report_section, 'accountability_transparency_openness') as report_section,
        listed.objective,
        coalesce(listed.measure_type, 'statistic') as measure_type,
        listed.logic_level,
        {{ feed_unit }} as unit,
        coalesce(feed.decimals, listed.decimals, 0) as decimals,
        coalesce(feed.desired_direction, listed.direction, 'none') as direction,
        coalesce(feed.period_grain, listed.period_grain) as period_grain,
        {{ feed_flow }} as is_flow,
        {{ rollup_columns('listed', feed_unit, feed_flow, 'not_additive') }},
        coalesce(feed.period_threshold, listed.threshold_period, 0) as threshold_period,
        coalesce(feed.year_threshold, listed.threshold_year, listed.threshold_period, 0) as threshold_year,
        coalesce(feed.target_threshold, listed.threshold_target, listed.threshold_period, 0) as threshold_target,
        {{ feed_target_type() }} as target_type,
        null::numeric as target_value,
        null::numeric as target_low,
        null::numeric as target_high,
        case when {{ feed_target_type() }} = 'historical_baseline' then listed.target_baseline_years end
            as target_baseline_years,
        {{ computed_target_note(feed_target_type(), 'en') }} as target_note_en,
        {{ computed_target_note(feed_target_type(), 'fr') }} as target_note_fr,
        coalesce(listed.multiplier, 1) as multiplier,
        coalesce(listed.owner, 'City Manager''s Office') as owner,
        coalesce(listed.steward, 'Performance Office') as steward,
        coalesce(listed.sources, 'dashboard_measures, dashboard_targets') as sources,
        coalesce(listed.privacy_class, 'public') as privacy_class,
        listed.mbncanada_measure,
        listed.iso_37120_indicator,
        listed.report_card_indicator,
        coalesce(listed.lifecycle_state, 'active') as lifecycle_state,
        listed.lifecycle_since,
        listed.lifecycle_note_en,
        listed.lifecycle_note_fr,
        coalesce(listed.version, 1) as version,
        listed.version_effective_on,
        coalesce(listed.suitable_for_signals, false) as suitable_for_signals,
        coalesce(listed.signal_basis, 'value') as signal_basis,
        listed.signal_baseline_points,
        listed.signal_reason_en,
        listed.signal_reason_fr,
        feed.category,
        feed.data_source_note as source_note,
        feed.city_perspective,
        listed.kpi_id is not null as is_registered,
        feed.measure_id is not null and coalesce(listed.lifecycle_state, 'active') <> 'retired' as is_active
    from feed
    full join listed on feed.measure_id = listed.kpi_id
),

own_kpis as (
    select
        kpi_id,
        'own' as origin,
        model_name,
        name_en,
        name_fr,
        definition_en,
        definition_fr,
        null::text as source_name,
        dimension,
        report_section,
        objective,
        measure_type,
        logic_level,
        unit,
        coalesce(decimals, 0) as decimals,
        direction,
        period_grain,
        coalesce(is_flow, false) as is_flow,
        {{ rollup_columns('own', 'unit', 'is_flow', 'ratio') }},
        coalesce(threshold_period, 0) as threshold_period,
        coalesce(threshold_year, threshold_period, 0) as threshold_year,
        coalesce(threshold_target, threshold_period, 0) as threshold_target,
        coalesce(target_type, 'none') as target_type,
        target_value,
        target_low,
        target_high,
        target_baseline_years,
        coalesce(target_note_en, {{ computed_target_note('target_type', 'en') }}) as target_note_en,
        coalesce(target_note_fr, {{ computed_target_note('target_type', 'fr') }}) as target_note_fr,
        coalesce(multiplier, 1) as multiplier,
        owner,
        coalesce(steward, owner) as steward,
        sources,
        coalesce(privacy_class, 'public') as privacy_class,
        mbncanada_measure,
        iso_37120_indicator,
        report_card_indicator,
        lifecycle_state,
        lifecycle_since,
        lifecycle_note_en,
        lifecycle_note_fr,
        coalesce(version, 1) as version,
        version_effective_on,
        coalesce(suitable_for_signals, false) as suitable_for_signals,
        coalesce(signal_basis, 'value') as signal_basis,
        signal_baseline_points,
        signal_reason_en,
        signal_reason_fr,
        null::text as category,
        null::text as source_note,
        null::text as city_perspective,
        true as is_registered,
        lifecycle_state <> 'retired' as is_active
    from own
)

select * from feed_kpis
union all
select * from own_kpis
