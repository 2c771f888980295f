-- Thefts from vehicles per 100,000 residents, by neighbourhood and for the city.
{{ crime_rate('NB-CRM-03', 'theft_from_motor_vehicle') }}
