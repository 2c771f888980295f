-- What is expected of KPIs: made between marts and publish by cityperf.forecast, which reads one and feeds the other.
create schema forecast;
grant usage on schema forecast to loader, transformer, publisher;

create table forecast.series (                          -- every series that was looked at, shown or not
    kpi_id         text not null,
    kpi_version    integer not null,
    geography_type text not null,
    geography_code text not null,
    period_grain   text not null,
    fingerprint    text not null,                       -- of the method and the figures: the same is not done again
    first_period   date not null,
    last_period    date not null,
    points         integer not null,
    method         text not null,
    origins        integer not null,                    -- from how many periods of the past it was tried
    mean_error     double precision,                    -- mean absolute error of those tries, in the KPI's unit
    naive_error    double precision,                    -- of the seasonal naive forecast in the same tries
    coverage       double precision,                    -- share of those tries that fell into the interval
    is_shown       boolean not null,
    reason         text check (reason in ('too_short', 'not_better', 'no_answer')),
    primary key (kpi_id, kpi_version, geography_type, geography_code, period_grain)
);

create table forecast.step (
    kpi_id         text not null,
    kpi_version    integer not null,
    geography_type text not null,
    geography_code text not null,
    period_grain   text not null,
    period_start   date not null,
    value          double precision not null,
    low            double precision not null,
    high           double precision not null,
    confidence     double precision not null,
    primary key (kpi_id, kpi_version, geography_type, geography_code, period_grain, period_start),
    foreign key (kpi_id, kpi_version, geography_type, geography_code, period_grain)
    references forecast.series on delete cascade
);
grant select on all tables in schema forecast to loader, transformer, publisher;
grant insert, update, delete on all tables in schema forecast to transformer;
