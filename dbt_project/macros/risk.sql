{# Level of a risk's score (likelihood times impact, 1 to 25). #}
{% macro risk_level(score) -%}
    case
        when {{ score }} >= 15 then 'extreme'
        when {{ score }} >= 10 then 'high'
        when {{ score }} >= 5 then 'medium'
        when {{ score }} >= 1 then 'low'
    end
{%- endmacro %}
