{# CityScore as the City of Boston's toolkit works it out. Always up to the next hundredth, in decimal arithmetic; ten
   decimals take away what a division left beyond them. Rounding up flatters: that is the rule. #}
{% macro cityscore_round_up(score) -%}
    trim_scale(ceil(round({{ score }}, 10) * 100) / 100)
{%- endmacro %}

{# Score of an average against its target: their ratio, turned round where lower is better. An average of 0 scores 0
   either way. A metric with a single value so far is not turned round. Near 0 the turned ratio knows no bound. #}
{% macro cityscore_score(average, target, direction, entries) -%}
    case
        when {{ average }} = 0 and {{ target }} is not null then 0
        when {{ average }} < 0 or {{ target }} <= 0 then null
        when {{ direction }} = 'up' or {{ entries }} < 2 then {{ cityscore_round_up(average ~ ' / ' ~ target) }}
        else {{ cityscore_round_up(target ~ ' / ' ~ average) }}
    end
{%- endmacro %}

{# Target from a metric's own past, for one that has none set. `same_season`: mean of its entries of a year ago, used for
   rare events once there is more than a year of entries. Else, with more than 90 entries, one standard deviation on the
   easy side of the mean. A target of 0 becomes 1. Null without a past that is long enough. #}
{% macro cityscore_historic_target(direction, mean, deviation, entries, is_trend, same_season, has_a_year) -%}
    case
        when {{ is_trend }} and {{ has_a_year }} then coalesce(nullif({{ same_season }}, 0), 1)
        when {{ entries }} > 90 and {{ direction }} = 'up' then coalesce(nullif(abs({{ mean }} - {{ deviation }}), 0), 1)
        when {{ entries }} > 90 then coalesce(nullif({{ mean }} + {{ deviation }}, 0), 1)
    end
{%- endmacro %}
