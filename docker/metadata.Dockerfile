# SPDX-License-Identifier: Apache-2.0
# The image of infra/edge: this package, and what the metadata API and worker need, each file by its checksum.
#
#   python -m build --wheel
#   docker build -f docker/metadata.Dockerfile -t registry.example.com/data/dataops-metadata:0.1.0 .
#
# BASE may be one of the company's own, with Python 3.11; INDEX is where pip looks (its own default without it).
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE}
ARG INDEX=
ARG VERSION=dev
LABEL org.opencontainers.image.title="airflow-dataops for metadata" \
      org.opencontainers.image.description="Metadata API and worker of airflow-dataops" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

USER 0
COPY requirements/metadata.txt dist/airflow_dataops-*.whl /build/
RUN python3 -m pip install --no-cache-dir ${INDEX:+--index-url "${INDEX}"} --require-hashes -r /build/metadata.txt \
 && python3 -m pip install --no-cache-dir --no-deps --no-index /build/airflow_dataops-*.whl \
 && dataops --version \
 && rm -rf /build

ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp
USER 10001
ENTRYPOINT ["dataops"]
