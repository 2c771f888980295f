-- How satisfied the public is overall, by quarter.
{{ satisfaction('CS-SUR-01', 'Public', 'quarter') }}
