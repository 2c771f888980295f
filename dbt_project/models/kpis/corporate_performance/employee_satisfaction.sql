-- How satisfied employees are overall, by year: no survey of them is in the field every quarter.
{{ satisfaction('CP-EMP-01', 'Employee', 'year') }}
