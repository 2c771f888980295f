{# Whether a point of a chart is a signal. Reads the columns suitable_for_signals, lower_limit and point_type. #}
{% macro kpi_variation() -%}
    case
        when not suitable_for_signals then 'not_suitable'
        when lower_limit is null then 'too_few_points'
        else point_type
    end
{%- endmacro %}

{# Whether the chart's limits lie wholly on the target's good side (consistent_pass), wholly on the other (consistent_fail)
   or around it. Reads the columns target_type, target_low, target_high, lower_limit, upper_limit, signal_basis and
   direction. #}
{% macro kpi_assurance() -%}
    case
        when target_type is null then 'no_target'
        -- Differences between years have no level that a target could be compared with.
        when lower_limit is null or signal_basis = 'same_season' then 'not_assessed'
        when target_type = 'range'
            then case
                when lower_limit >= target_low and upper_limit <= target_high then 'consistent_pass'
                when lower_limit > target_high or upper_limit < target_low then 'consistent_fail'
                else 'hit_or_miss'
            end
        when direction not in ('up', 'down') then 'not_assessed'
        when target_low > upper_limit
            then case direction when 'up' then 'consistent_fail' else 'consistent_pass' end
        when target_low < lower_limit
            then case direction when 'up' then 'consistent_pass' else 'consistent_fail' end
        else 'hit_or_miss'
    end
{%- endmacro %}
