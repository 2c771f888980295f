-- As the bus records. Their own numbers (Incident ID) came in one month only and are no key.
{{ ttc_delays('ttc_streetcar_delays', line='route', place='location', bound='direction', worded=true) }}
