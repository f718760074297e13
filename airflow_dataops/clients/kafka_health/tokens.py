# SPDX-License-Identifier: Apache-2.0
"""OAuth tokens for a probe, fetched here: its process lives for less time than any of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Token
from airflow_dataops.core.errors import MissingDependency, SpecError, TransientError
from airflow_dataops.core.kafka_health.connection import CODE, KafkaConnection, TokenFrom

Callback = Callable[[str], Any]


def access_of(
    connection: KafkaConnection, *, aws: Mapping[str, Any] | None = None, google: Callback | None = None
) -> KafkaAccess:
    """Return how to reach the cluster of a connection, with a token where it needs one.

    Args:
        connection: It.
        aws: Who asks AWS: ``key``, ``secret``, ``token``, ``role_arn``, ``profile``, each may be missing; None for whom AWS's own
            tools find.
        google: Brings a token of Google's.

    Raises:
        MissingDependency: What fetches the token is not installed.
        SpecError: The callback of the connection is no function, or what it returns is no token (``KAFKA_CONNECTION``).
        TransientError: The token was not to be had (``KAFKA_TOKEN``).
    """
    if connection.token_from is TokenFrom.NOBODY:
        return KafkaAccess(connection.settings)
    return KafkaAccess(connection.settings, _fetched(_source(connection, aws or {}, google), connection.argument))


def _source(connection: KafkaConnection, aws: Mapping[str, Any], google: Callback | None) -> Callback:
    if connection.token_from is TokenFrom.CALLBACK:
        return _imported(connection.callback)
    if connection.token_from is TokenFrom.MSK:
        return lambda _: _of_msk(connection.region, aws)
    if google is None:
        hint = "run the check in Airflow, with apache-airflow-providers-google"
        raise MissingDependency("a token for Google's managed Kafka comes from Airflow's provider", hint=hint)
    return google


def _imported(path: str) -> Callback:
    module, _, name = path.rpartition(".")
    try:
        found: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        hint = "install its package where the check runs: on workers, and on triggerers for tasks that are deferred"
        raise SpecError(f"oauth_cb {path} cannot be imported: {error}", hint=hint, code=CODE) from None
    if not callable(found):
        raise SpecError(f"oauth_cb {path} is no function", hint="name a function", code=CODE)
    return found  # type: ignore[no-any-return]


def _fetched(source: Callback, argument: str) -> Token:
    try:
        found = source(argument)
    except (MissingDependency, SpecError):
        raise
    except Exception as error:  # noqa: BLE001  anybody's function
        # Its message may hold what it was called with.
        why = f"the token was not to be had: {type(error).__name__}"
        raise TransientError(why, hint="look at who issues it", code="KAFKA_TOKEN") from None
    if not isinstance(found, list | tuple) or not 2 <= len(found) <= 4 or not _is_token(found):
        hint = "return (token, seconds since 1970 at which it expires, principal, extensions)"
        raise SpecError("what oauth_cb returns is no token", hint=hint, code=CODE)
    value, expires_at, principal, extensions = (*found, "", {})[:4] if len(found) < 4 else found
    return Token(value, float(expires_at), principal or "", dict(extensions or {}))


def _is_token(found: Any) -> bool:
    value, expires_at = found[:2]
    return isinstance(value, str) and bool(value) and isinstance(expires_at, int | float) and math.isfinite(expires_at)


def _of_msk(region: str, aws: Mapping[str, Any]) -> tuple[str, float]:
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider as Signer
    except ImportError:
        hint = "pip install 'airflow-dataops[msk]' where the check runs"
        raise MissingDependency("IAM of Amazon MSK needs aws-msk-iam-sasl-signer-python", hint=hint) from None
    if aws.get("key"):
        token, expires_ms = Signer.generate_auth_token_from_credentials_provider(region, _given(aws))
    elif aws.get("role_arn"):
        token, expires_ms = Signer.generate_auth_token_from_role_arn(region, aws["role_arn"])
    elif aws.get("profile"):
        token, expires_ms = Signer.generate_auth_token_from_profile(region, aws["profile"])
    else:
        token, expires_ms = Signer.generate_auth_token(region)
    return token, expires_ms / 1000


def _given(aws: Mapping[str, Any]) -> Any:
    """Return AWS's form of keys; of those of a role that they may take, where one is named."""
    from botocore.credentials import CredentialProvider, Credentials  # type: ignore[import-untyped]
    from botocore.session import get_session  # type: ignore[import-untyped]

    keys: dict[str, Any] = {"access_key": aws["key"], "secret_key": aws.get("secret"), "token": aws.get("token")}
    if aws.get("role_arn"):
        session = get_session()
        session.set_credentials(*keys.values())
        answer = session.create_client("sts").assume_role(RoleArn=aws["role_arn"], RoleSessionName="airflow-dataops")
        names = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "token": "SessionToken"}
        keys = {name: answer["Credentials"][theirs] for name, theirs in names.items()}

    class Given(CredentialProvider):  # type: ignore[misc]
        METHOD = "airflow-dataops"

        def load(self) -> Any:
            return Credentials(**keys)

    return Given()


__all__ = ["access_of"]
