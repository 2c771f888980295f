{# What an edition freezes of a figure: the columns of ops.report_edition_figure. #}
{% macro frozen_columns() -%}
    edition_id, kpi_id, place, section_place, report_section, section_name_en, section_name_fr, perspective,
    objective, objective_name_en, objective_name_fr, dimension, measure_type, name_en, name_fr, definition_en,
    definition_fr, unit, decimals, direction, owner, kpi_version, geography_type, geography_code, period_grain,
    period_start, period_label_en, period_label_fr, value, vintage, comparison, compared_value, change,
    change_unit, trend, status, target_type, target_value, target_low, target_high, target_change,
    target_status, is_target_met, variation, special_cause, assurance, note_en, note_fr
{%- endmacro %}
