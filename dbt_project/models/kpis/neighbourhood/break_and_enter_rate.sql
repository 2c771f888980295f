-- Break and enter incidents per 100,000 residents, by neighbourhood and for the city.
{{ crime_rate('NB-CRM-01', 'break_and_enter') }}
