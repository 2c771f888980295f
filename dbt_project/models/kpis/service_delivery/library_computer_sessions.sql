-- Sessions at public computers by the residents of the year. Until 2017 sessions were estimated from counts by hand, so
-- the series begins with the booking system in 2018.
{{ library_use('SD-LIB-02', ref('stg_library__workstation_usage'), 'sessions', only='not is_estimate') }}
