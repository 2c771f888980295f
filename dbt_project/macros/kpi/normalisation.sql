{# One end ('-' or '+') of Wilson's 95 % interval of a share counted as `part` of `whole`:
   (2x + z2 -+ z * sqrt(z2 + 4x * (1 - x/n))) / (2 * (n + z2)). Null where these are no counts of a share. #}
{% macro wilson_bound(part, whole, side) -%}
    case
        when {{ whole }} > 0 and {{ part }} between 0 and {{ whole }}
            then trim_scale(round(
                (
                    2 * {{ part }} + 3.8416
                    {{ side }} 1.96 * sqrt(3.8416 + 4 * {{ part }} * (1 - {{ part }}::numeric / {{ whole }}))
                ) / (2 * ({{ whole }} + 3.8416)), 12
            ))
    end
{%- endmacro %}

{# A count per 100,000 residents. #}
{% macro per_100000(value, population) -%}
    trim_scale(round({{ value }} * 100000 / nullif({{ population }}, 0), 12))
{%- endmacro %}

{# Growth at the pace of three months, in per cent a year: ((v / v three months before)^4 - 1) * 100. Null unless both
   are above 0. #}
{% macro annualised_from_three_months(value, three_months_before) -%}
    case
        when {{ value }} > 0 and {{ three_months_before }} > 0
            then trim_scale(round((({{ value }} / {{ three_months_before }}) ^ 4 - 1) * 100, 6))
    end
{%- endmacro %}
