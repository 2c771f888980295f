{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_periods(this, 'ttc_bus_delays') }}",
    )
}}

{{ surface_delays_daily('ttc_bus_delays', ref('stg_ttc__bus_delays')) }}
