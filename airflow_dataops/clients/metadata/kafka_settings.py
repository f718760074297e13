# SPDX-License-Identifier: Apache-2.0
"""How a Kafka cluster is reached: addresses, and librdkafka's properties as a file or the environment has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import MissingDependency, SpecError

BOOTSTRAP = "DATAOPS_KAFKA_BOOTSTRAP"
CONFIG = "DATAOPS_KAFKA_CONFIG"


@dataclass(frozen=True)
class KafkaSettings:
    """A cluster.

    Attributes:
        bootstrap: ``host:port``, several with commas.
        properties: Of librdkafka: ``security.protocol``, ``sasl.password`` …; never shown.
    """

    bootstrap: str
    properties: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def client(self, **more: Any) -> dict[str, Any]:
        """Return the settings of a client.

        Args:
            more: Properties that stand over the user's, with underscores for dots.
        """
        own = {name.replace("_", "."): value for name, value in more.items()}
        return {"log_level": 0, **self.properties, "bootstrap.servers": self.bootstrap, **own}


def find_settings(bootstrap: str | None, config: str | None, environment: Mapping[str, str]) -> KafkaSettings:
    """Return the settings that an argument, a file or the environment names, in this order.

    Args:
        bootstrap: Addresses; None: those of the file, else ``DATAOPS_KAFKA_BOOTSTRAP``.
        config: File of properties, a ``name=value`` a line; None: that of ``DATAOPS_KAFKA_CONFIG``, if any.
        environment: The process's.

    Raises:
        SpecError: No address is to be found, or the file cannot be read (``KAFKA_SETTINGS``).
    """
    file = config or environment.get(CONFIG)
    properties = read_properties(Path(file)) if file else {}
    found = bootstrap or properties.pop("bootstrap.servers", None) or environment.get(BOOTSTRAP)
    properties.pop("bootstrap.servers", None)
    if not found:
        hint = f"--bootstrap HOST:PORT, or {BOOTSTRAP}, or bootstrap.servers in the file of --config"
        raise SpecError("no address of a Kafka cluster was given", hint=hint, code="KAFKA_SETTINGS")
    return KafkaSettings(found, properties)


def read_properties(path: Path) -> dict[str, str]:
    """Return the properties in a file; empty lines and those that begin with ``#`` are none.

    Raises:
        SpecError: It cannot be read, or a line has no ``=`` (``KAFKA_SETTINGS``); the line is not shown, it may hold a password.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "it is no text"
        raise SpecError(f"{path} cannot be read: {what}", code="KAFKA_SETTINGS") from None
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, mark, value = line.partition("=")
        if not mark:
            message = f"line {number} of {path} is no property"
            raise SpecError(message, hint="write name=value, as security.protocol=SSL", code="KAFKA_SETTINGS")
        found[name.strip()] = value.strip()
    return found


def confluent() -> Any:
    """Return the module ``confluent_kafka``.

    Raises:
        MissingDependency: It is not installed.
    """
    try:
        import confluent_kafka
    except ImportError as error:
        hint = 'pip install "airflow-dataops[metadata]"'
        raise MissingDependency(f"confluent-kafka is not installed: {error}", hint=hint) from error
    return confluent_kafka


__all__ = ["BOOTSTRAP", "CONFIG", "KafkaSettings", "confluent", "find_settings", "read_properties"]
