{# Process measures of Six Sigma, as the R package SixSigma works them out. Defects are units that failed for good, rework
   those that passed only at a second try. #}
{% macro process_yield(units, failed) -%}
    trim_scale(round(({{ units }} - {{ failed }})::numeric / nullif({{ units }}, 0), 12))
{%- endmacro %}

{# Product over the steps of the share that passed each at once; 0 where nothing did. An aggregate over steps. #}
{% macro rolled_throughput_yield(units, failed) -%}
    trim_scale(round(
        case
            when bool_or({{ units }} > 0 and {{ units }} <= {{ failed }}) then 0
            else exp(sum(ln(case when {{ units }} > {{ failed }} then ({{ units }} - {{ failed }})::numeric / {{ units }} end)))
        end, 12
    ))
{%- endmacro %}

{% macro defects_per_million(defects, units) -%}
    trim_scale(round({{ defects }} * 1000000::numeric / nullif({{ units }}, 0), 6))
{%- endmacro %}

{# Standard deviations from the mean to the nearer limit. A missing limit is no limit. #}
{% macro process_z(mean, deviation, lower, upper) -%}
    trim_scale(round(
        least({{ upper }} - {{ mean }}, {{ mean }} - {{ lower }}) / nullif({{ deviation }}, 0), 6
    ))
{%- endmacro %}

{% macro process_cp(deviation, lower, upper) -%}
    trim_scale(round(({{ upper }} - {{ lower }}) / nullif(6 * {{ deviation }}, 0), 6))
{%- endmacro %}

{% macro process_cpk(mean, deviation, lower, upper) -%}
    trim_scale(round(
        least({{ upper }} - {{ mean }}, {{ mean }} - {{ lower }}) / nullif(3 * {{ deviation }}, 0), 6
    ))
{%- endmacro %}
