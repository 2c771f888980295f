{# Figures of areas of one kind and, over the same rows, of the city: `areas` gives the columns, `areas_and_city` the end
   of the query, whose rows have a period_start. Rows that no area has (unknown, or of the whole city) stand as the area
   `unplaced`, which no reader sees: roll-ups are checked with it. `model`: the column that says of which kind an area is,
   where that changes with time. #}
{% macro areas(geography_type, code, model=none) -%}
    case
        when grouping({{ code }}) = 1 then 'city'
        else {{ "coalesce(" ~ model ~ ", '" ~ geography_type ~ "')" if model else "'" ~ geography_type ~ "'" }}
    end as geography_type,
    case when grouping({{ code }}) = 1 then 'toronto' else coalesce({{ code }}, 'unplaced') end as geography_code
{%- endmacro %}

{% macro areas_and_city(code, model=none) -%}
group by grouping sets ((period_start, {{ model ~ ', ' if model }}{{ code }}), (period_start))
{%- endmacro %}

{# The last day of the 44 wards. The 25 are in force since the day after (package city-wards of the City's catalogue). #}
{% macro last_day_of_44_wards() -%}
    '2018-11-30'::date
{%- endmacro %}

{# The two columns ward_model and ward_code of a record that has a ward's number and no name: numbers 1 to 25 mean another
   place before December 2018 than after. `grain` is the length of the period that begins on `period_start`; a period in
   which the wards changed has no wards at all, as its figures would cover a part of it. Numbers that the model has not
   are unknown. #}
{% macro ward_of_period(code, period_start, grain) -%}
    {%- set length = {'month': '1 month', 'quarter': '3 months', 'year': '1 year'}[grain] -%}
    {%- set is_old -%}
        ({{ period_start }} + interval '{{ length }}' - interval '1 day')::date <= {{ last_day_of_44_wards() }}
        and {{ code }} between '01' and '44'
    {%- endset -%}
    {%- set is_new -%}
        {{ period_start }} > {{ last_day_of_44_wards() }} and {{ code }} between '01' and '25'
    {%- endset -%}
    case
        when {{ is_old }} then 'ward_44'
        when {{ is_new }} then 'ward'
    end as ward_model,
    case when ({{ is_old }}) or ({{ is_new }}) then {{ code }} end as ward_code
{%- endmacro %}

{# The same of a record that has the ward's name as well, joined to the seeds `wards_25` and `wards_44` by `ward_is`: a name
   and a number together tell the model, whenever the record was made, since files are written anew with the wards of
   today. Number 1 was and is Etobicoke North, and some records have no name: there the period decides. #}
{% macro ward_by_name(code, period_start, grain) -%}
    {%- set length = {'quarter': '3 months', 'year': '1 year'}[grain] -%}
    {%- set by_name -%}
        case
            when wards_25.ward_code is not null and wards_44.ward_code is null then 'ward'
            when wards_44.ward_code is not null and wards_25.ward_code is null then 'ward_44'
            when
                ({{ period_start }} + interval '{{ length }}' - interval '1 day')::date <= {{ last_day_of_44_wards() }}
                and {{ code }} between '01' and '44'
                then 'ward_44'
            when {{ period_start }} > {{ last_day_of_44_wards() }} and {{ code }} between '01' and '25' then 'ward'
        end
    {%- endset -%}
    {{ by_name }} as ward_model,
    case when {{ by_name }} is not null then {{ code }} end as ward_code
{%- endmacro %}

{% macro ward_is(seed, code, name) -%}
    {{ code }} = {{ seed }}.ward_code
    and {{ place_key(name) }} = {{ place_key(seed ~ '.ward_name') }}
{%- endmacro %}

{# The name of a ward or neighbourhood for joins: without its number in brackets, case and punctuation. #}
{% macro place_key(expression) -%}
    regexp_replace(lower(regexp_replace({{ expression }}, '\s*\(\d+\)\s*$', '')), '[^a-z0-9]+', '', 'g')
{%- endmacro %}
