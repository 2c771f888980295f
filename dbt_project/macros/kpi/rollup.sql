{# The four columns that say how a KPI's figures roll up: as its YAML declares (columns of `listed`), else by the rule of
   cityperf.registry.rollup, which has the reasons. `quotient` is what a figure does that is no amount: ratio, or
   not_additive where nobody gives its parts. #}
{% macro rollup_columns(listed, unit, is_flow, quotient) -%}
    {%- set is_amount = unit ~ " in ('number', 'thousands', 'cad', 'thousand_cad', 'hours')" -%}
    {%- set geography -%}
        coalesce(
            {{ listed }}.rollup_geography,
            case when {{ is_amount }} or {{ unit }} = 'per_day' then 'additive' else '{{ quotient }}' end
        )
    {%- endset -%}
    {%- set time -%}
        coalesce(
            {{ listed }}.rollup_time,
            case
                when not {{ is_amount }} then '{{ quotient }}'
                when {{ is_flow }} then 'additive'
                else 'not_additive'
            end
        )
    {%- endset -%}
    {%- set level = {
        'en': 'A level at one moment: periods are not added.',
        'fr': 'Un niveau à un moment donné : les périodes ne s’additionnent pas.',
    } -%}
    {%- set without_parts = {
        'en': 'The feed gives the finished figure without its numerator and denominator.',
        'fr': 'Le flux donne le résultat sans son numérateur ni son dénominateur.',
    } -%}
    {{ geography }} as rollup_geography,
    {{ time }} as rollup_time
    {%- for language in ('en', 'fr') %},
        case
            when 'not_additive' in ({{ geography }}, {{ time }})
                then coalesce(
                    {{ listed }}.rollup_reason_{{ language }},
                    case when {{ is_amount }} then '{{ level[language] }}' else '{{ without_parts[language] }}' end
                )
        end as rollup_reason_{{ language }}
    {%- endfor %}
{%- endmacro %}

{# How far a sum of parts may be off its whole by rounding alone: a billionth. #}
{% macro rollup_tolerance(whole) -%}
    greatest(coalesce(abs({{ whole }}), 0) * 0.000000001, 0.000000001)
{%- endmacro %}
