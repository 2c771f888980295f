-- A split neighbourhood has no successor that its figures could be carried to: shares of ground are not shares of people.
select
    relation.code_140,
    old.neighbourhood_name as name_140,
    relation.code_158,
    new.neighbourhood_name as name_158,
    relation.relation,
    relation.share_of_140,
    relation.relation in ('same', 'renamed') as is_comparable
from {{ ref('neighbourhood_140_to_158') }} as relation
inner join {{ ref('neighbourhoods_140') }} as old
    on relation.code_140 = old.neighbourhood_code
inner join {{ ref('neighbourhoods_158') }} as new
    on relation.code_158 = new.neighbourhood_code
