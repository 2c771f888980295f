{# Respondents that a weighted sample is worth: (sum of weights)^2 / sum of squared weights (Kish). #}
{% macro effective_base(weight_sum, weight_squares) -%}
    ({{ weight_sum }})::numeric ^ 2 / nullif({{ weight_squares }}, 0)
{%- endmacro %}

{# Margin of error at 95 %, in percentage points to two places, of a share of one half: 1.96 * sqrt(0.25 / n) * 100. With
   the population it is that of a sample drawn without replacement, times sqrt((N - n) / (N - 1)). #}
{% macro margin_of_error(base, population=none) -%}
    trim_scale(round(
        1.96 * sqrt(0.25 / nullif({{ base }}, 0)) * 100
        {%- if population is not none %}
        * sqrt(greatest({{ population }} - {{ base }}, 0)::numeric / nullif({{ population }} - 1, 0))
        {%- endif -%}
    , 2))
{%- endmacro %}

{# z of the difference of two shares, with the share of both together in the standard error. #}
{% macro two_proportion_z(share, base, earlier_share, earlier_base) -%}
    {%- set pooled = "((" ~ share ~ " * " ~ base ~ " + " ~ earlier_share ~ " * " ~ earlier_base ~ ") / nullif("
        ~ base ~ " + " ~ earlier_base ~ ", 0))" -%}
    ({{ share }} - {{ earlier_share }})
    / nullif(
        sqrt(
            {{ pooled }} * (1 - {{ pooled }}) * (1 / nullif({{ base }}, 0) + 1 / nullif({{ earlier_base }}, 0))
        ), 0
    )
{%- endmacro %}
