# SPDX-License-Identifier: Apache-2.0
"""Arguments that the commands of the metadata pipeline share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path


def add_kafka(parser: argparse.ArgumentParser) -> None:
    """Declare where Kafka is, and which topics."""
    parser.add_argument("--bootstrap", metavar="HOST:PORT[,…]", help="brokers (or DATAOPS_KAFKA_BOOTSTRAP)")
    parser.add_argument("--config", metavar="FILE", help="properties of Kafka's client (or DATAOPS_KAFKA_CONFIG)")
    parser.add_argument("--topic", help="of the events (default: gpu-metadata)")
    parser.add_argument("--dead-topic", help="of the dead letters (default: gpu-metadata.dead)")


def mongo_uri(file: Path | None, environment: Mapping[str, str]) -> str:
    """Return the URI of Mongo, which may hold a password: from a file, else the environment.

    Raises:
        SpecError: There is none (``MONGO_URI``).
    """
    from airflow_dataops.clients.metadata.mongo_store import URI
    from airflow_dataops.core.errors import SpecError

    try:
        found = file.read_text(encoding="utf-8").strip() if file else environment.get(URI, "")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read: {error}", code="MONGO_URI") from None
    if not found:
        hint = f"{URI}=mongodb://user:password@host:27017/?replicaSet=rs0&tls=true, or a file with it: --mongo-uri-file"
        raise SpecError("no address of Mongo was given", hint=hint, code="MONGO_URI")
    return found


def listens(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; write 127.0.0.1:9464")
    return host.strip("[]"), int(port)
