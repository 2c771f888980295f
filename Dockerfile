# One image for every part that is ours; the same lock file as the command line uses.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends curl libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 cityperf
WORKDIR /opt/cityperf
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY --chown=cityperf . .
RUN mkdir -p /var/lib/cityperf && chown cityperf /var/lib/cityperf /opt/cityperf
USER cityperf
ENV PYTHONPATH=/opt/cityperf/include CITYPERF_HOME=/var/lib/cityperf
ENTRYPOINT ["python", "-m", "cityperf.cli"]
CMD ["--help"]
