{# Whose return a row of the Financial Information Return is; the query calls its rows `forms`. #}
{% macro fir_place() -%}
    forms.year::integer as year,
    {{ clean_text('forms.municipality') }} as municipality,
    forms.municipality_id,
    forms.assessment_code,
    forms.mah_code,
    lpad(forms.upper_tier, 2, '0') as upper_tier_code,
    forms.tier,
    regexp_replace({{ clean_text('forms._sheet') }}, '^SCHEDULE ', '') as sheet,
    forms.line::integer as line
{%- endmacro %}

{# When the return and its file last changed, and how many municipalities had sent theirs. #}
{% macro fir_delivery() -%}
    left(forms.last_update, 10)::date as updated_on,
    left(forms.file_last_update, 10)::date as file_updated_on,
    forms.municipalities_submitted::integer as municipalities_submitted,
    forms.municipalities_total::integer as municipalities_total,
    forms._file_id,
    forms._row,
    forms._night
{%- endmacro %}

{# One row per filled cell: `cells` turns a row's columns into rows of name and text. #}
{% macro fir_cells(columns) -%}
    cross join lateral (
        values
        {% for name, column in columns -%}
            ('{{ name }}', btrim(forms.{{ column }})){{ "," if not loop.last }}
        {% endfor -%}
    ) as cells (column_name, text_value)
{%- endmacro %}

{# The same for schedules whose columns are numbered: ('01', column_01) and so on. #}
{% macro fir_numbered_cells(columns) -%}
    {%- set pairs = [] -%}
    {%- for number in range(1, columns + 1) -%}
        {%- do pairs.append(("%02d" | format(number), "column_%02d" | format(number))) -%}
    {%- endfor -%}
    {{ fir_cells(pairs) }}
{%- endmacro %}
