-- Workbooks name the incident in words, the CSV since 2025 by a code: a record has one or the other.
{{ ttc_delays('ttc_bus_delays', line='route', place='location', bound='direction', worded=true) }}
