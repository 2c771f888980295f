{# Text without doubled spaces, line breaks or blank ends; null where nothing is left. #}
{% macro clean_text(expression) -%}
    nullif(btrim(regexp_replace({{ expression }}, '[\s\u00a0]+', ' ', 'g')), '')
{%- endmacro %}

{# Text with its HTML entities decoded; the ampersand comes last, so that a doubly encoded one is decoded once. #}
{% macro decode_html(expression) -%}
    {%- set entities = [
        ('&lt;', '<'), ('&gt;', '>'), ('&quot;', '"'), ('&#39;', "''"), ('&nbsp;', ' '),
        ('&ndash;', '–'), ('&rsquo;', '’'), ('&eacute;', 'é'), ('&amp;', '&'),
    ] -%}
    {%- set decoded = namespace(sql=expression) -%}
    {%- for entity, character in entities -%}
        {%- set decoded.sql = "replace(" ~ decoded.sql ~ ", '" ~ entity ~ "', '" ~ character ~ "')" -%}
    {%- endfor -%}
    {{ decoded.sql }}
{%- endmacro %}

{# Ward number as two digits from 'Etobicoke-Lakeshore (03)'; null for anything without a number in brackets. #}
{% macro ward_code(expression) -%}
    lpad(substring({{ expression }} from '\((\d{1,2})\)\s*$'), 2, '0')
{%- endmacro %}

{# Dashes and quotation marks of a UTF-8 file that was once read as Latin-1 and written again. #}
{% macro mend_punctuation(expression) -%}
    {%- set mended = namespace(sql=expression) -%}
    {%- for code, character in [(147, '–'), (148, '—'), (152, '‘'), (153, '’'), (156, '“'), (157, '”')] -%}
        {%- set mended.sql = "replace(" ~ mended.sql ~ ", chr(226) || chr(128) || chr(" ~ code ~ "), '" ~ character ~ "')" -%}
    {%- endfor -%}
    {{ mended.sql }}
{%- endmacro %}

{# First entry of a JSON list; text that is no list as it stands. #}
{% macro first_of_list(expression) -%}
    case
        when {{ expression }} ~ '^\s*\[' then {{ clean_text('(' ~ expression ~ '::jsonb ->> 0)') }}
        else {{ clean_text(expression) }}
    end
{%- endmacro %}
