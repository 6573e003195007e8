# rtp as a container: `docker build --tag rtp .`. In it are rtp, its libraries and the Python that runs them: no shell, no
# package manager. It runs as an ordinary user, and its root may be read-only.
FROM debian:13-slim AS build
# Debian mends its packages within a release without another name for them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements-image.lock .
RUN python3 -m venv /opt/rtp && /opt/rtp/bin/pip install --quiet --no-deps --requirement requirements-image.lock
COPY . .
RUN /opt/rtp/bin/pip install --quiet --no-deps --no-build-isolation . && sh deploy/container/assemble.sh /image

# For compose.yaml alone: an SQS endpoint to try rtp with.
FROM python:3.13-slim AS sqs
COPY requirements-dev.lock /
RUN pip install --no-cache-dir --disable-pip-version-check --constraint /requirements-dev.lock ministack \
    && useradd --system --create-home --uid 10001 sqs
USER 10001:10001
ENV SERVICES=sqs GATEWAY_PORT=4566 LOG_LEVEL=WARNING
CMD ["ministack"]

FROM scratch AS rtp
COPY --from=build /image /
ENV PATH=/opt/rtp/bin:/usr/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    RTP_HTTP_LISTEN=0.0.0.0:9464
USER 65532:65532
WORKDIR /etc/rtp
EXPOSE 9464 8787
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["/opt/rtp/bin/python", "/opt/rtp/healthy.py"]
ENTRYPOINT ["/opt/rtp/bin/rtp"]
CMD ["run", "--config", "/etc/rtp/rtp.yaml"]
