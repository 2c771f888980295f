{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_periods(this, 'ttc_streetcar_delays') }}",
    )
}}

{{ surface_delays_daily('ttc_streetcar_delays', ref('stg_ttc__streetcar_delays')) }}
