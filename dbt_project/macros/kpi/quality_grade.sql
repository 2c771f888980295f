{# The open data catalogue's quality score and grade (repository open-data-toronto/operations). The parts are shares of
   one; a resource that is kept as files has the first three only. The reference in Python, with the rules of the parts
   themselves, is cityperf.quality.catalogue_grade. #}
{% macro quality_score(store_type, metadata, freshness, accessibility, completeness, usability) -%}
    {{ half_to_even(
        'case ' ~ store_type ~ " when 'datastore' then 0.35 * " ~ metadata ~ ' + 0.35 * ' ~ freshness ~ ' + 0.15 * '
        ~ accessibility ~ ' + 0.10 * ' ~ completeness ~ ' + 0.05 * ' ~ usability
        ~ ' else 0.41 * ' ~ metadata ~ ' + 0.41 * ' ~ freshness ~ ' + 0.18 * ' ~ accessibility ~ ' end'
    ) }}
{%- endmacro %}

{# To three decimals, a half to the even neighbour as Python rounds; round() takes halves away from 0. #}
{% macro half_to_even(figure) -%}
    case
        when ({{ figure }}) * 1000 % 2 = 0.5 then floor(({{ figure }}) * 1000) / 1000
        else round({{ figure }}, 3)
    end
{%- endmacro %}

{# Bronze up to 0.6, Silver up to 0.8, Gold above. #}
{% macro quality_grade_of(score) -%}
    case when {{ score }} <= 0.6 then 'Bronze' when {{ score }} <= 0.8 then 'Silver' when {{ score }} <= 1 then 'Gold' end
{%- endmacro %}

{# Freshness of what was last refreshed `days` ago: mean of a part for the periods that it is behind and one for age.
   `behind` is in periods; `patience` is how many of them leave nothing of the first part. #}
{% macro quality_freshness(refresh, behind, patience, days) -%}
    case {{ refresh }}
        when 'real_time' then 1
        else (
            case
                when {{ refresh }} = 'as_available' then 1
                else greatest(0, 1 - ({{ behind }} / {{ patience }}) ^ 2)
            end
            + case when {{ days }} <= 730 then 1 else greatest(0, 1 - ({{ days }} / 1095.0) ^ 2) end
        ) / 2
    end
{%- endmacro %}
