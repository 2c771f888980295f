{# Parts of a composite index (OECD handbook; rules as in the COINr package). `over` is the set that a figure is compared
   in. A set whose figures are all equal tells nothing apart: then the result is null, never 0. Where lower is better the
   caller turns the sign first. #}
{% macro normal_min_max(value, over, low, high) -%}
    ({{ value }} - min({{ value }}) over {{ over }})
    / nullif(max({{ value }}) over {{ over }} - min({{ value }}) over {{ over }}, 0)
    * ({{ high }} - {{ low }}) + {{ low }}
{%- endmacro %}

{% macro normal_z(value, over) -%}
    ({{ value }} - avg({{ value }}) over {{ over }}) / nullif(stddev_samp({{ value }}) over {{ over }}, 0)
{%- endmacro %}

{# Share of the way from the worst figure to the target, at most 1. Null where the worst figure meets it already. #}
{% macro normal_to_target(value, target, direction, over) -%}
    case
        when {{ direction }} = 'up' and {{ target }} > min({{ value }}) over {{ over }}
            then least(
                ({{ value }} - min({{ value }}) over {{ over }}) / ({{ target }} - min({{ value }}) over {{ over }}), 1
            )
        when {{ direction }} = 'down' and {{ target }} < max({{ value }}) over {{ over }}
            then least(
                (max({{ value }}) over {{ over }} - {{ value }}) / (max({{ value }}) over {{ over }} - {{ target }}), 1
            )
    end
{%- endmacro %}

{# Place between two fixed posts, cut off at 0 and 1; turned round where lower is better. #}
{% macro normal_goalposts(value, low, high, direction) -%}
    case {{ direction }}
        when 'down' then 1 - greatest(least(({{ value }} - {{ low }}) / nullif({{ high }} - {{ low }}, 0), 1), 0)
        when 'up' then greatest(least(({{ value }} - {{ low }}) / nullif({{ high }} - {{ low }}, 0), 1), 0)
    end
{%- endmacro %}

{# Points by rank, 0 for the lowest figure; equal figures share the lower rank. `ordered` is the set in ascending order. #}
{% macro normal_borda(ordered) -%}
    rank() over {{ ordered }} - 1
{%- endmacro %}

{% macro normal_percentile_rank(ordered, over) -%}
    (rank() over {{ ordered }} - 1)::numeric / nullif(count(*) over {{ over }} - 1, 0)
{%- endmacro %}

{# Weighted means of the rows that have a figure: the weights of the others fall away and the rest are scaled up. #}
{% macro weighted_arithmetic(value, weight) -%}
    sum({{ value }} * {{ weight }}) / nullif(sum({{ weight }}) filter (where {{ value }} is not null), 0)
{%- endmacro %}

{# Null if a figure is 0 or below: a product with it means nothing. #}
{% macro weighted_geometric(value, weight) -%}
    case
        when min({{ value }}) > 0
            then exp(
                sum({{ weight }} * ln(case when {{ value }} > 0 then {{ value }} end))
                / nullif(sum({{ weight }}) filter (where {{ value }} is not null), 0)
            )
    end
{%- endmacro %}

{% macro weighted_harmonic(value, weight) -%}
    case
        when min({{ value }}) > 0
            then sum({{ weight }}) filter (where {{ value }} is not null)
                / nullif(sum({{ weight }} / nullif({{ value }}, 0)), 0)
    end
{%- endmacro %}

{# Skewness (G1) and excess kurtosis (G2) of a sample, as aggregates. Null without spread or with too few figures.
   Products, because powers of numeric are slow. #}
{% macro sample_skewness(x) -%}
    count({{ x }}) * sqrt(nullif(count({{ x }}) - 1, 0)::numeric) / nullif(count({{ x }}) - 2, 0)
    * (
        sum({{ x }} * {{ x }} * {{ x }}) - 3 * avg({{ x }}) * sum({{ x }} * {{ x }})
        + 2 * count({{ x }}) * avg({{ x }}) ^ 3
    )
    / nullif(greatest(sum({{ x }} * {{ x }}) - count({{ x }}) * avg({{ x }}) ^ 2, 0) ^ 1.5, 0)
{%- endmacro %}

{% macro sample_kurtosis(x) -%}
    count({{ x }}) * (count({{ x }}) + 1) * (count({{ x }}) - 1)::numeric
    / nullif((count({{ x }}) - 2) * (count({{ x }}) - 3), 0)
    * (
        sum({{ x }} * {{ x }} * {{ x }} * {{ x }}) - 4 * avg({{ x }}) * sum({{ x }} * {{ x }} * {{ x }})
        + 6 * avg({{ x }}) ^ 2 * sum({{ x }} * {{ x }}) - 3 * count({{ x }}) * avg({{ x }}) ^ 4
    )
    / nullif((sum({{ x }} * {{ x }}) - count({{ x }}) * avg({{ x }}) ^ 2) ^ 2, 0)
    - 3 * (count({{ x }}) - 1)::numeric ^ 2 / nullif((count({{ x }}) - 2) * (count({{ x }}) - 3), 0)
{%- endmacro %}

{# Too far from bell-shaped for a mean to speak for all: |skewness| above 2 and kurtosis above 3.5. #}
{% macro has_outliers(x) -%}
    coalesce(abs({{ sample_skewness(x) }}) > 2 and {{ sample_kurtosis(x) }} > 3.5, false)
{%- endmacro %}
