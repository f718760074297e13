# SPDX-License-Identifier: Apache-2.0
"""Bring metadata events from Kafka into Mongo and the archive, until SIGTERM.

Each record is stored, archived and only then committed. What comes twice or late changes nothing; what cannot be taken goes to the topic
of dead letters, from which `dataops replay` sends it back. Run as many as the topic has partitions: they share them. SIGTERM lets one
finish the batch that it is in; one that is killed loses nothing. /healthz, /readyz and /metrics are served where --listen says.

Secrets are no arguments. Kafka: librdkafka's properties (security.protocol=SASL_SSL …) in the file of --config, or of
DATAOPS_KAFKA_CONFIG, a name=value a line; the address is --bootstrap or DATAOPS_KAFKA_BOOTSTRAP. Mongo: DATAOPS_MONGO_URI, or the file of
--mongo-uri-file. S3 takes S3_… and AWS_… variables. It needs READ on topic and group, WRITE on the dead letters' topic, and readWrite on
the database.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dag_factories.cli._metadata import add_kafka, listens, mongo_uri

if TYPE_CHECKING:
    from airflow_dataops.services.metadata_worker import WorkerSettings

EXAMPLES = """\
examples:
  DATAOPS_MONGO_URI=mongodb://localhost dataops run-worker --bootstrap localhost:9092 --archive /data/metadata
  dataops run-worker --config kafka.properties --mongo-uri-file /run/secrets/mongo --archive s3://lake/metadata
  dataops run-worker --config kafka.properties --no-archive --transforms gpu_metadata.yaml --listen 0.0.0.0:9464

exit status: 0 stopped by a signal, 1 something that will not pass (the log says what), 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_kafka(parser)
    parser.add_argument("--group", help="whose offsets are read and committed (default: edge-worker)")
    parser.add_argument("--mongo-uri-file", type=Path, metavar="FILE", help="holds the URI of Mongo")
    parser.add_argument("--database", help="of Mongo (default: metadata)")
    parser.add_argument("--collection", help="of Mongo, without a collation (default: gpu_metadata)")
    where = parser.add_mutually_exclusive_group(required=not os.environ.get("DATAOPS_METADATA_ARCHIVE"))
    where.add_argument("--archive", metavar="FOLDER", help="/folder, s3://… or gs://… (or DATAOPS_METADATA_ARCHIVE)")
    where.add_argument("--no-archive", action="store_true", help="keep no archive")
    parser.add_argument("--transforms", type=Path, metavar="FILE", help="YAML with transforms, as a pipeline has them")
    parser.add_argument("--rebalance", choices=["cooperative", "eager"], default="cooperative", help="of its group")
    parser.add_argument("--accept-loss", action="store_true", help="go on where retention deleted what was not read")
    parser.add_argument(
        "--records", type=_count, default=10_000, metavar="N", help="of a cycle, at most (default: 10000)"
    )
    parser.add_argument("--mib", type=_count, default=64, metavar="N", help="of a cycle, at most (default: 64)")
    parser.add_argument(
        "--listen", type=listens, default=("127.0.0.1", 9464), metavar="HOST:PORT", help="probes and metrics"
    )
    parser.add_argument("--log-level", choices=["DEBUG", "INFO", "WARNING"], default="INFO", help="(default: INFO)")


def run(arguments: argparse.Namespace) -> int:
    """Work until a signal comes, and return the exit status."""
    settings = _settings(arguments)
    from airflow_dataops.services.metadata_worker import serve
    from dag_factories.cli import start_long

    start_long()
    host, port = arguments.listen
    serve(settings, host=host, port=port, level=arguments.log_level)
    return 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is none; write 1 or more")
    return int(text)


def _settings(arguments: argparse.Namespace) -> WorkerSettings:
    from airflow_dataops.clients.metadata.kafka_settings import find_settings
    from airflow_dataops.clients.metadata.mongo_store import MongoSettings
    from airflow_dataops.core.metadata.dead_letter import DEAD_TOPIC
    from airflow_dataops.core.metadata.transforms import TransformSpec
    from airflow_dataops.core.metadata.wire import COLLECTION, DATABASE, GROUP, TOPIC
    from airflow_dataops.jobs.metadata.watching import Limits
    from airflow_dataops.services.metadata_worker import WorkerSettings, read_transforms

    uri = mongo_uri(arguments.mongo_uri_file, os.environ)
    archive = None if arguments.no_archive else arguments.archive or os.environ["DATAOPS_METADATA_ARCHIVE"]
    return WorkerSettings(
        kafka=find_settings(arguments.bootstrap, arguments.config, os.environ),
        mongo=MongoSettings(uri, arguments.database or DATABASE, arguments.collection or COLLECTION),
        archive=archive,
        topic=arguments.topic or TOPIC,
        group=arguments.group or GROUP,
        dead_topic=arguments.dead_topic or DEAD_TOPIC,
        transforms=read_transforms(arguments.transforms) if arguments.transforms else TransformSpec(),
        rebalance=arguments.rebalance,
        accept_loss=arguments.accept_loss,
        limits=Limits(records=arguments.records, size=arguments.mib << 20),
    )
