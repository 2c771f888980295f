{# A day from text written in one of several ways, as the contract's `formats` list them (strptime's %Y %y %m %b %B %d %H %I
   %M %S %p); null where it fits none of them. The first that fits is taken. #}
{% macro parse_date(expression, formats) -%}
    {%- set patterns = {
        'Y': ('[0-9]{4}', 'YYYY'), 'y': ('[0-9]{2}', 'YY'), 'm': ('[0-9]{1,2}', 'MM'), 'b': ('[A-Za-z]{3}', 'Mon'),
        'B': ('[A-Za-z]+', 'Month'), 'd': ('[0-9]{1,2}', 'DD'), 'H': ('[0-9]{1,2}', 'HH24'), 'I': ('[0-9]{1,2}', 'HH12'),
        'M': ('[0-9]{2}', 'MI'), 'S': ('[0-9]{2}', 'SS'), 'p': ('[AaPp][Mm]', 'AM'),
    } -%}
    case
    {%- for format in formats %}
        {%- set made = namespace(regex='', template='', rest=format) -%}
        {%- for part in format.split('%')[1:] -%}
            {%- set signs = part[1:] -%}
            {%- set made.regex = made.regex ~ patterns[part[0]][0] ~ signs | replace('.', '[.]') | replace(' ', '\\s+') -%}
            {%- set made.template = made.template ~ patterns[part[0]][1] ~ signs | replace('T', '"T"') -%}
        {%- endfor %}
        when btrim({{ expression }}) ~ '^{{ made.regex }}$' then to_date(btrim({{ expression }}), '{{ made.template }}')
    {%- endfor %}
    end
{%- endmacro %}

{# A number from French text: '1 234,5', '(1 234,50 $)', '12,5 %'. Spaces of any kind part thousands; null if blank. #}
{% macro to_number_fr(expression) -%}
    nullif(replace(regexp_replace({{ expression }}, '[^0-9,]', '', 'g'), ',', '.'), '')::numeric
        * case when {{ expression }} ~ '[-−(]' then -1 else 1 end
{%- endmacro %}
