# One image for web, worker, beat and migrate; docker-compose.yml says which command each runs.
FROM python:3.13-slim-bookworm AS packages
COPY requirements.txt /
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.txt

FROM python:3.13-slim-bookworm
# git comes from Debian's security updates, whatever their number is.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin skillport \
    && install --directory --owner=skillport /var/lib/skillport
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY skillport skillport
COPY marketplaces marketplaces
COPY connector connector
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SKILLPORT_DATA=/var/lib/skillport
# Settings are read at start; to collect files, any that are well-formed will do, and none of them stays in the image.
RUN SITE_URL=https://build.invalid SECRET_KEY=only-to-collect-static-files-only-to-collect-static-files \
    SKILLPORT_ENCRYPTION_KEYS=build:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    DATABASE_URL=postgresql://build@/build python manage.py collectstatic --noinput
USER 10001
EXPOSE 8000
CMD ["uvicorn", "skillport.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--no-server-header", "--proxy-headers", "--timeout-graceful-shutdown", "5"]
