-- Loans and renewals by the residents of the year.
{{ library_use('SD-LIB-01', ref('stg_library__circulation'), 'circulation') }}
