-- Stolen vehicles per 100,000 residents, by neighbourhood and for the city.
{{ crime_rate('NB-CRM-02', 'auto_theft') }}
