{# Why the figures of a data set are not the newest there could be, in both languages; null where they are. The last good
   delivery stays up while a newer one is held back or none has come. #}
{% macro stale_reason(held_night, delivered_night, days_late) -%}
case
    when {{ held_night }} > {{ delivered_night }}
        then format('Delivery of %s held back; last good one of %s.', {{ held_night }}, {{ delivered_night }})
    when {{ delivered_night }} is null and {{ held_night }} is not null
        then format('Delivery of %s held back; none before it.', {{ held_night }})
    when {{ days_late }} > 0
        then format('Late by %s days; last delivery of %s.', {{ days_late }}, {{ delivered_night }})
end as stale_reason_en,
case
    when {{ held_night }} > {{ delivered_night }}
        then format('Livraison du %s retenue; dernière bonne du %s.', {{ held_night }}, {{ delivered_night }})
    when {{ delivered_night }} is null and {{ held_night }} is not null
        then format('Livraison du %s retenue; aucune avant elle.', {{ held_night }})
    when {{ days_late }} > 0
        then format('En retard de %s jours; dernière livraison du %s.', {{ days_late }}, {{ delivered_night }})
end as stale_reason_fr
{%- endmacro %}
