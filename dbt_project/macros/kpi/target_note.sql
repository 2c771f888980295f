{# Where a target comes from that is computed or the feed's; one that somebody set says so in the KPI's YAML. #}
{% macro computed_target_note(target_type, language) -%}
    {%- set notes = {
        'en': {
            'historical_baseline': 'Mean of its own figures of the years before',
            'peer_median': 'Median of the municipalities that report the same measure',
            'trajectory': "Target of the City''s dashboard feed.",
            'whose': ": the office''s working target, not adopted by Council.",
        },
        'fr': {
            'historical_baseline': 'Moyenne de ses propres valeurs des années précédentes',
            'peer_median': 'Médiane des municipalités qui déclarent la même mesure',
            'trajectory': 'Cible du flux du tableau de bord de la Ville.',
            'whose': ' : cible de travail du bureau, non adoptée par le conseil municipal.',
        },
    }[language] -%}
    case {{ target_type }}
        when 'historical_baseline' then '{{ notes.historical_baseline ~ notes.whose }}'
        when 'peer_median' then '{{ notes.peer_median ~ notes.whose }}'
        when 'trajectory' then '{{ notes.trajectory }}'
    end
{%- endmacro %}

{# A measure of the feed has the feed's targets; while there are none, its own past where the list says so. #}
{% macro feed_target_type() -%}
    case
        when feed.has_targets then 'trajectory'
        when listed.target_baseline_years > 0 and coalesce(feed.desired_direction, listed.direction) in ('up', 'down')
            then 'historical_baseline'
        else 'none'
    end
{%- endmacro %}
