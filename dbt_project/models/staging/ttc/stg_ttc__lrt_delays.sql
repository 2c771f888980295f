-- As the bus and streetcar records since 2025: the incident is a code.
{{ ttc_delays('ttc_lrt_delays', line='line', place='station', bound='bound') }}
