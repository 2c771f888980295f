-- Robberies per 100,000 residents, by neighbourhood and for the city.
{{ crime_rate('QL-CRM-02', 'robbery') }}
