with programs as (
    select
        fiscal_year,
        program,
        coalesce(sum(amount) filter (where flow = 'expense'), 0) as expenses,
        -coalesce(sum(amount) filter (where flow = 'revenue'), 0) as revenues,
        coalesce(
            sum(amount) filter (where flow = 'expense' and category ~* '^(salar|benefit)'), 0
        ) as salaries_and_benefits,
        count(*) as lines
    from {{ ref('stg_finance__operating_budget') }}
    group by fiscal_year, program
)

select
    programs.fiscal_year,
    programs.program,
    organisation.division_code,
    coalesce(organisation.division_name, programs.program) as division_name,
    programs.expenses,
    programs.revenues,
    programs.expenses - programs.revenues as net,
    programs.salaries_and_benefits,
    programs.lines
from programs
left join {{ ref('int_organisation') }} as organisation
    on {{ organisation_key('programs.program') }} = organisation.name_key
