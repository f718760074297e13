# SPDX-License-Identifier: Apache-2.0
"""Run a service of this package: metadata-api, which takes metadata events over HTTP and publishes them to Kafka.

POST an event, or a list of up to 1000, to /v1/metadata: 202 says that all replicas of the topic have them, and under which keys; anything
else says what to mend, or when to send it again. /healthz, /readyz and /metrics are for whoever runs it; --listen serves them at an address
of their own, for probes that have no certificate. SIGTERM stops it: what it has taken is finished first.

Beyond this machine it listens only where it asks who comes: by tokens (--token-file, read again when it changes, so that a new token is
added before the old one is taken away; or DATAOPS_METADATA_TOKENS), by client certificates (--client-ca), or by both.
Kafka's address is --bootstrap or DATAOPS_KAFKA_BOOTSTRAP; librdkafka's properties (security.protocol=SASL_SSL …) stand in the file of
--config or DATAOPS_KAFKA_CONFIG, a name=value a line. It needs no right but WRITE and DESCRIBE on the topic, and no database.

Without Kafka, --embedded names the log of a target without servers: what is posted there, the next `dataops run` of its pipeline drains.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dag_factories.cli._metadata import listens

if TYPE_CHECKING:
    from airflow_dataops.clients.metadata.ports import Publisher
    from airflow_dataops.services.metadata_api.auth import Tokens
    from airflow_dataops.services.metadata_api.publishing import Probe
    from airflow_dataops.services.metadata_api.settings import ApiSettings
    from airflow_dataops.services.metadata_api.tls import Tls

EXAMPLES = """\
examples:
  dataops serve metadata-api --bootstrap localhost:9092
  dataops serve metadata-api --config kafka.properties --host 0.0.0.0 --token-file tokens --tls-cert api.pem --tls-key api.key
  dataops serve metadata-api --config kafka.properties --host 0.0.0.0 \\
    --tls-cert api.pem --tls-key api.key --client-ca ca.pem --subject notebooks
  dataops serve metadata-api --embedded lake/.dataops/metadata/gpu-metadata.log.sqlite
  curl -H 'Content-Type: application/json' --data @event.json http://127.0.0.1:8080/v1/metadata

exit status: 0 stopped by a signal, 1 it could not start, 2 wrong usage
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("service", choices=["metadata-api"], help="what to run")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8080, help="port to listen on (default: 8080; 0: any free one)")
    parser.add_argument("--topic", help="where events go (default: gpu-metadata)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT[,…]", help="brokers of Kafka")
    parser.add_argument("--config", metavar="FILE", help="properties of Kafka's client")
    parser.add_argument("--embedded", type=Path, metavar="FILE", help="a log in a file, in the place of Kafka")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="bearer tokens that may post, a line each")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate of this server, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    parser.add_argument("--client-ca", type=Path, metavar="FILE", help="ask for client certificates of this authority")
    parser.add_argument(
        "--subject", action="append", default=[], metavar="NAME", help="common name that may post; again for more"
    )
    parser.add_argument(
        "--listen", type=listens, metavar="HOST:PORT", help="probes and metrics here, too, in plain HTTP: no certificate is asked for"
    )  # fmt: skip
    parser.add_argument(
        "--publish-seconds", type=float, default=10.0, metavar="S", help="that brokers have (default: 10)"
    )
    parser.add_argument(
        "--log-level", choices=["DEBUG", "INFO", "WARNING"], default="INFO", help="of the log (default: INFO)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes, and return the exit status."""
    from airflow_dataops.services.metadata_api.server import check_exposure, serve
    from airflow_dataops.services.metadata_api.tls import tls_of

    tls = tls_of(arguments.tls_cert, arguments.tls_key, arguments.client_ca)
    tokens, settings = _rules(arguments, tls)
    check_exposure(arguments.host, tokens=bool(tokens), tls=tls)
    publisher, probe = _publisher(arguments, settings)
    from airflow_dataops.services.metadata_api.app import Service
    from dag_factories.cli import start_long

    start_long()
    service = Service(settings, publisher, probe, tokens)
    started = serve(
        service, host=arguments.host, port=arguments.port, tls=tls, listen=arguments.listen, level=arguments.log_level
    )
    return int(not started)


def _rules(arguments: argparse.Namespace, tls: Tls | None) -> tuple[Tokens, ApiSettings]:
    from airflow_dataops.core.errors import SpecError
    from airflow_dataops.core.metadata.wire import TOPIC
    from airflow_dataops.services.metadata_api.auth import Tokens
    from airflow_dataops.services.metadata_api.settings import ApiSettings, Limits

    mutual = tls is not None and tls.client_ca is not None
    if arguments.subject and not mutual:
        raise SpecError("--subject names client certificates", hint="--client-ca FILE asks for them", code="USAGE")
    tokens = Tokens(arguments.token_file, os.environ)
    limits = Limits(publish_seconds=arguments.publish_seconds)
    subjects = frozenset(arguments.subject)
    return tokens, ApiSettings(arguments.topic or TOPIC, subjects, needs_certificate=mutual, limits=limits)


def _publisher(arguments: argparse.Namespace, settings: ApiSettings) -> tuple[Publisher, Probe]:
    """Return where events go, and what tells whether they can."""
    if arguments.embedded is not None:
        return _embedded(arguments, settings)
    from airflow_dataops.clients.metadata.kafka_producer import Bounds, KafkaProducer
    from airflow_dataops.clients.metadata.kafka_settings import find_settings

    kafka = find_settings(arguments.bootstrap, arguments.config, os.environ)
    limits = settings.limits
    producer = KafkaProducer(kafka, Bounds(size=2 * limits.size, seconds=limits.publish_seconds))
    return producer, lambda: producer.partitions(settings.topic)


def _embedded(arguments: argparse.Namespace, settings: ApiSettings) -> tuple[Publisher, Probe]:
    from airflow_dataops.clients.metadata.embedded_log import EmbeddedPublisher, LogFile
    from airflow_dataops.core.errors import SpecError

    if arguments.bootstrap or arguments.config:
        raise SpecError("--embedded takes the place of Kafka", hint="leave out --bootstrap and --config", code="USAGE")
    file = LogFile(str(arguments.embedded.absolute()))
    return EmbeddedPublisher(file), lambda: file.partitions(settings.topic)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write 8080")
    return number
