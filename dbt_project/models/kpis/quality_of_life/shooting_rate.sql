-- Shootings and firearm discharges per 100,000 residents, by neighbourhood and for the city.
{{ crime_rate('QL-CRM-03', 'shooting') }}
