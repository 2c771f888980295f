{# Why the figures of a data set are not the newest there could be, in both languages; null where they are. The last good
   delivery stays up while a newer one is held back or none has come. The days that one is late are left out: they would
   make the words, and the pages that show them, new every night. #}
{% macro stale_reason(held_night, delivered_night, due_on, days_late) -%}
case
    when {{ held_night }} > {{ delivered_night }}
        then format('Delivery of %s held back; last good one of %s.', {{ held_night }}, {{ delivered_night }})
    when {{ delivered_night }} is null and {{ held_night }} is not null
        then format('Delivery of %s held back; none before it.', {{ held_night }})
    when {{ days_late }} > 0
        then format('Due on %s and not here; last delivery of %s.', {{ due_on }}, {{ delivered_night }})
end as stale_reason_en,
case
    when {{ held_night }} > {{ delivered_night }}
        then format('Livraison du %s retenue; dernière bonne du %s.', {{ held_night }}, {{ delivered_night }})
    when {{ delivered_night }} is null and {{ held_night }} is not null
        then format('Livraison du %s retenue; aucune avant elle.', {{ held_night }})
    when {{ days_late }} > 0
        then format('Attendue le %s et pas encore là; dernière livraison du %s.', {{ due_on }}, {{ delivered_night }})
end as stale_reason_fr
{%- endmacro %}
