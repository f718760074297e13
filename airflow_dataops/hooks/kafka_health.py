# SPDX-License-Identifier: Apache-2.0
"""As whom Kafka is asked, and by which way: Airflow connections of the types ``kafka`` (as apache-kafka has it), ``aws`` and ``ssh``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, conf, mask_secret

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.probe import KafkaAccess
    from airflow_dataops.core.kafka_health.bastion import Bastion

DEFAULT_CONNECTION = "kafka_default"
_SECTION, _ALLOWLIST = "apache_kafka", "callback_allowlist"


class KafkaHealthHook(BaseHook):
    """Turn a connection into what a probe of :mod:`airflow_dataops.clients.kafka_health.probe` needs.

    Args:
        kafka_config_id: Connection of type ``kafka``: its extra holds settings of librdkafka, such as ``bootstrap.servers``,
            ``security.protocol``, ``sasl.*`` and ``ssl.*``, certificates as files or as text (``ssl.ca.pem``). ``oauth_cb`` is the
            dotted path of a function that is in ``[apache_kafka] callback_allowlist``; it is called here, and not in the probe's process.
        aws_conn_id: Connection of type ``aws``, for MSK by IAM: keys, ``aws_session_token``, ``role_arn`` or ``profile_name``;
            None for whom AWS's own tools find.
        ssh_conn_id: Connection of type ``ssh``, for brokers behind a bastion: ``host``, ``port``, ``login``, and a ``password``, or in its
            extra ``private_key`` or ``key_file`` and ``private_key_passphrase``. The server's key has to be known: ``host_key``, or
            ``~/.ssh/known_hosts`` where the check runs, unless ``no_host_key_check`` is true.
    """

    conn_name_attr = "kafka_config_id"
    default_conn_name = DEFAULT_CONNECTION
    hook_name = "Kafka consumer health"

    def __init__(
        self, kafka_config_id: str = DEFAULT_CONNECTION, aws_conn_id: str | None = None, ssh_conn_id: str | None = None
    ) -> None:
        super().__init__()
        self.ssh_conn_id = ssh_conn_id
        self.kafka_config_id = kafka_config_id
        self.aws_conn_id = aws_conn_id

    def access(self) -> KafkaAccess:
        """Return how to reach the cluster, with a token where the connection needs one; its secrets are hidden in logs. It blocks.

        Raises:
            SpecError: There is no such connection, or something in it cannot be meant (``KAFKA_CONNECTION``, ``KAFKA_BASTION``).
            MissingDependency: What fetches the token is not installed.
            TransientError: The token was not to be had (``KAFKA_TOKEN``).
        """
        from airflow_dataops.clients.kafka_health.tokens import access_of
        from airflow_dataops.core.kafka_health.connection import TokenFrom, read_connection
        from airflow_dataops.core.kafka_health.settings import secrets_in

        extra = self._connection(self.kafka_config_id).extra_dejson
        found = read_connection(f"the connection {self.kafka_config_id}", extra, _allowed())
        for secret in secrets_in(found.settings):
            mask_secret(secret)
        is_msk = found.token_from is TokenFrom.MSK
        access = access_of(found, aws=self._aws() if is_msk else None, google=_google_token)
        if access.token is not None:
            mask_secret(access.token.value)
        return access if self.ssh_conn_id is None else replace(access, bastion=self._bastion(self.ssh_conn_id))

    def _bastion(self, name: str) -> Bastion:
        from airflow_dataops.core.kafka_health.bastion import read_bastion

        found = self._connection(name)
        fields = (found.host, found.port, found.login, found.password)
        bastion = read_bastion(f"the connection {name}", *fields, found.extra_dejson)
        for secret in bastion.secrets:
            mask_secret(secret)
        return bastion

    def _aws(self) -> dict[str, Any]:
        if self.aws_conn_id is None:
            return {}
        found = self._connection(self.aws_conn_id)
        extra = found.extra_dejson
        return {
            "key": found.login or extra.get("aws_access_key_id"),
            "secret": found.password or extra.get("aws_secret_access_key"),
            "token": extra.get("aws_session_token"),
            "role_arn": extra.get("role_arn"),
            "profile": extra.get("profile_name"),
        }

    def _connection(self, name: str) -> Any:
        from airflow_dataops.core.errors import SpecError

        try:
            return self.get_connection(name)
        except AirflowNotFoundException:
            hint = f"airflow connections add {name} --conn-type …"
            raise SpecError(f"there is no connection {name}", hint=hint, code="KAFKA_CONNECTION") from None


def _allowed() -> frozenset[str]:
    """Return the callbacks that whoever runs this Airflow trusts; releases of the provider without that list trust none."""
    paths = conf.get(_SECTION, _ALLOWLIST, fallback="") or ""
    return frozenset(path.strip() for path in paths.split(",") if path.strip())


def _google_token(argument: str) -> Any:
    from airflow_dataops.core.errors import MissingDependency

    try:
        from airflow.providers.google.cloud.hooks.managed_kafka import ManagedKafkaHook
    except ImportError:
        hint = "pip install 'apache-airflow-providers-google>=14.1' where the check runs"
        raise MissingDependency("a token for Google's managed Kafka comes from Airflow's provider", hint=hint) from None
    return ManagedKafkaHook().get_confluent_token(argument)


__all__ = ["KafkaHealthHook"]
