# SPDX-License-Identifier: Apache-2.0
# The image of drivers and executors: Spark, this package, and what both need, each file by its checksum.
#
#   python -m build --wheel
#   docker build -f docker/spark.Dockerfile --build-arg SPARK=3.5 -t registry.example.com/data/dataops-spark:3.5.7 .
#   docker build -f docker/spark.Dockerfile --build-arg SPARK=4.0 -t registry.example.com/data/dataops-spark:4.0.1 .
#
# BASE brings Python 3.11 and Debian's packages; one of the company's own, with Python 3.11 and Java 17 in it, does as well: then nothing is
# installed but what the locks name. INDEX is where pip looks (its own default without it), REPOSITORY where the jars come from.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS jars
ARG SPARK=3.5
ARG REPOSITORY=https://repo1.maven.org/maven2
COPY docker/spark-jars.lock docker/fetch_jars.py /build/
RUN python3 /build/fetch_jars.py /build/spark-jars.lock "${SPARK}" "${REPOSITORY}" /jars

FROM ${BASE}
ARG SPARK=3.5
ARG INDEX=
ARG VERSION=dev
LABEL org.opencontainers.image.title="airflow-dataops for Spark" \
      org.opencontainers.image.description="Drivers and executors of airflow-dataops: Spark with S3A, Delta and this package" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      io.k8s.display-name="airflow-dataops for Spark ${SPARK}" \
      io.openshift.tags="spark,dataops"

USER 0
RUN command -v java > /dev/null || { apt-get update && apt-get install --yes --no-install-recommends openjdk-17-jre-headless procps \
      && rm -rf /var/lib/apt/lists/*; }
COPY requirements/ /build/requirements/
COPY docker/spark-jars.lock docker/image_contents.py /build/
COPY --from=jars /jars/ /opt/spark/jars/
COPY dist/airflow_dataops-*.whl /build/
RUN python3 -m pip install --no-cache-dir ${INDEX:+--index-url "${INDEX}"} --require-hashes -r "/build/requirements/spark$(echo "${SPARK}" | tr -d .).txt" \
 && python3 -m pip install --no-cache-dir --no-deps --no-index /build/airflow_dataops-*.whl \
 && home="$(python3 -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')" \
 && mkdir -p /opt/spark/conf /opt/spark/work-dir /opt/dataops \
 && ln -s "$home/bin" "$home/python" "$home/sbin" /opt/spark/ && ln -s "$home"/jars/*.jar /opt/spark/jars/ \
 && python3 -c "import shutil, importlib.resources as r; shutil.copy(str(r.files('airflow_dataops') / 'resources/spark/step.py'), '/opt/dataops/step.py')" \
 && python3 /build/image_contents.py "/build/requirements/spark$(echo "${SPARK}" | tr -d .).txt" /build/spark-jars.lock "${SPARK}" /opt/spark/jars \
 && rm -rf /build
COPY docker/spark-entrypoint.sh /opt/entrypoint.sh
# Whoever the container runs as belongs to the group root, and needs no more than this.
RUN useradd --uid 185 --gid 0 --no-create-home --home-dir /tmp spark \
 && chgrp -R 0 /opt/spark/work-dir && chmod -R g=u /opt/spark/work-dir /etc/passwd

ENV SPARK_HOME=/opt/spark \
    PYSPARK_PYTHON=python3 \
    PYSPARK_DRIVER_PYTHON=python3 \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/spark/work-dir
USER 185
ENTRYPOINT ["/opt/entrypoint.sh"]
