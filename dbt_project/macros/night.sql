{# The only clock: a Toronto date, from the run. dbt reparses the whole project when a variable changes, but only the
   models that ask when an environment variable does. The default lets `dbt parse` and the editor work without a run. #}
{% macro night() -%}
    {{ env_var('CITYPERF_NIGHT', '2000-01-01') }}
{%- endmacro %}

{# sample, replay or live, from the run and for the same reason. #}
{% macro profile() -%}
    {{ env_var('CITYPERF_PROFILE', 'sample') }}
{%- endmacro %}
