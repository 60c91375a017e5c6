FROM python:3.12.8-slim-bookworm AS build
# requirements-console.lock makes an image for the console.
ARG LOCK=requirements-worker.lock
COPY ${LOCK} /requirements.lock
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
       --require-hashes --only-binary :all: -r /requirements.lock

FROM python:3.12.8-slim-bookworm
# Numba and Matplotlib keep caches, and the user has no home.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin earshot \
    && install --directory --owner earshot /app/output
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY . .
USER 10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9108/live', timeout=3)"]
CMD ["python", "-m", "bytewax.run", "run_flow"]
