-- How satisfied partners are overall, by year: no survey of them is in the field every quarter.
{{ satisfaction('CS-SUR-02', 'Partner', 'year') }}
