-- Visits to all branches by the residents of the year.
{{ library_use('QL-LIB-01', ref('stg_library__visits'), 'visits') }}
