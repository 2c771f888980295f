# One image for every Airflow part and for the portal; the same lock file as the command line uses.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends curl libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 cityperf
WORKDIR /opt/cityperf
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY --chown=cityperf . .
RUN mkdir -p /var/lib/cityperf && chown cityperf /var/lib/cityperf
USER cityperf
ENV PYTHONPATH=/opt/cityperf/include:/opt/cityperf/plugins \
    CITYPERF_HOME=/var/lib/cityperf \
    AIRFLOW_HOME=/var/lib/cityperf/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/cityperf/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/cityperf/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    GX_ANALYTICS_ENABLED=False DO_NOT_TRACK=1 SCARF_ANALYTICS=false
ENTRYPOINT ["python", "-m"]
CMD ["airflow", "version"]
