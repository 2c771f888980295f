{# The City's own trend rule. A movement is stable when it is no larger than the threshold's share of the figure it is
   compared with; a threshold of 0 leaves only equality. Null when either figure is missing. #}
{% macro kpi_trend(current, previous, threshold) -%}
    case
        when {{ current }} is null or {{ previous }} is null then null
        when abs({{ current }} - {{ previous }}) <= abs({{ previous }}) * {{ threshold }} then 'stable'
        when {{ current }} > {{ previous }} then 'up'
        else 'down'
    end
{%- endmacro %}

{# Size of a movement: percentage points for shares (which are stored as fractions), else per cent of the earlier
   figure. Nothing is a percentage of 0, so then there is a direction but no size. #}
{% macro kpi_change(current, previous, is_share) -%}
    case
        when {{ previous }} = 0 then null
        when {{ is_share }} then trim_scale(round(({{ current }} - {{ previous }}) * 100, 6))
        else trim_scale(round(({{ current }} / {{ previous }} - 1) * 100, 6))
    end
{%- endmacro %}

{# 1 for the desired way, -1 for the other, 0 for stable. A KPI without a desired direction has no impact when it
   moves: counting that as bad is a fault of the City's former front end. #}
{% macro kpi_impact(trend, direction) -%}
    case
        when {{ trend }} = 'stable' then 0
        when {{ trend }} is null or {{ direction }} not in ('up', 'down') then null
        when {{ trend }} = {{ direction }} then 1
        else -1
    end
{%- endmacro %}

{% macro kpi_status(trend, impact) -%}
    case
        when {{ trend }} is null then 'no_comparison'
        when {{ trend }} = 'stable' then 'stable'
        when {{ impact }} = 1 then 'favourable'
        when {{ impact }} = -1 then 'unfavourable'
        else 'neutral'
    end
{%- endmacro %}

{# How far the period before lies back. Seasons last three months like quarters but start in December. #}
{% macro period_length(period_grain) -%}
    case {{ period_grain }}
        when 'month' then interval '1 month'
        when 'quarter' then interval '3 months'
        when 'season' then interval '3 months'
        when 'year' then interval '1 year'
    end
{%- endmacro %}

{# Year a period counts to: the winter that starts in December belongs to the next year. #}
{% macro period_year(period_grain, period_start) -%}
    case
        when {{ period_grain }} = 'season' then extract(year from {{ period_start }} + interval '1 month')::integer
        else extract(year from {{ period_start }})::integer
    end
{%- endmacro %}

{# A KPI's figure from its numerator and denominator: per unit of the denominator where there is one, times the
   multiplier of the registry. Twelve decimals make equal inputs equal figures whatever the division's own scale. #}
{% macro kpi_figure(numerator, denominator, multiplier) -%}
    case
        when {{ denominator }} is null then {{ numerator }} * {{ multiplier }}
        else trim_scale(round({{ numerator }} * {{ multiplier }} / nullif({{ denominator }}, 0), 12))
    end
{%- endmacro %}
