-- A record carries no number, so two equal ones in one file may be one incident keyed twice or two at one time: they
-- stay and are flagged. Across files nothing repeats, because a later delivery of a month replaces the month.
{{ ttc_delays('ttc_subway_delays', line='line', place='station', bound='bound', subway=true) }}
