# SPDX-License-Identifier: Apache-2.0
"""Settings of S3 as they stand in environment variables or in an Airflow connection. Keys become references; none is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.errors import SpecError, unknown_name

KEY_NAMES = "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY"
_SIGNATURES = {"v4": "v4", "4": "v4", "s3v4": "v4", "v2": "v2", "2": "v2", "s3": "v2", "s3v2": "v2"}
_FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_ENVIRONMENT = {
    "endpoint_url": ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "ca_bundle": ("S3_CA_BUNDLE", "AWS_CA_BUNDLE"),
    "truststore": ("S3_TRUSTSTORE",),
}
_FLAG_NAMES = {"path_style": "S3_PATH_STYLE", "conditional_writes": "S3_CONDITIONAL_WRITES"}
_SIGNATURE = "AWS_S3_SIGNATURE_VERSION"
_KEYS = {
    "access_key": "S3_ACCESS_KEY_ID",
    "secret_key": "S3_SECRET_ACCESS_KEY",
    "session_token": "S3_SESSION_TOKEN",
}
KEY_VARIABLES = tuple(_KEYS.values())
OWN_VARIABLES = (*(known[0] for known in _ENVIRONMENT.values()), *_FLAG_NAMES.values(), *KEY_VARIABLES)
"""The variables of our own that are read, AWS's aside."""
_EXTRA = {
    *(
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "ca_bundle",
        "conditional_writes",
        "config_kwargs",
    ),
    *("endpoint_url", "path_style", "region_name", "service_config", "signature_version", "truststore", "verify"),
}


def of_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of settings that environment variables give.

    Raises:
        SpecError: A flag or the signature's version cannot be meant (``S3_SETTINGS``).
    """
    found: dict[str, Any] = {}
    for field, names in _ENVIRONMENT.items():
        found[field] = next((environ[name] for name in names if environ.get(name)), None)
    for field, name in _KEYS.items():
        found[field] = f"env:{name}" if environ.get(name) else None
    if environ.get(_SIGNATURE):
        found["signature"] = _signature(_SIGNATURE, environ[_SIGNATURE])
    for field, name in _FLAG_NAMES.items():
        if environ.get(name):
            found[field] = _flag(name, environ[name])
    return _given(found)


def as_environment(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as the variables of a container, so that :func:`of_environment` gives them back there; keys are left out.

    Args:
        fields: Fields of settings, such as ``S3Settings.model_dump(exclude_unset=True)`` has them.
    """
    names = {field: known[0] for field, known in _ENVIRONMENT.items()} | _FLAG_NAMES | {"signature": _SIGNATURE}
    found = {names[field]: value for field, value in fields.items() if field in names and value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


def of_connection(conn_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of settings that an Airflow connection of type ``aws`` gives.

    Raises:
        SpecError: Its extra has a key that would be ignored, or a value that cannot be meant (``S3_SETTINGS``).
    """
    extra = dict(fields.get("extra") or {})
    for name in extra:
        if name not in _EXTRA:
            raise unknown_name(f"key in the extra of connection {conn_id}", name, _EXTRA, code="S3_SETTINGS")
    config, service = _nested(conn_id, extra)
    host = str(fields.get("host") or "")
    found: dict[str, Any] = {
        "endpoint_url": service or extra.get("endpoint_url") or (host if "://" in host else None),
        "region": extra.get("region_name"),
        "ca_bundle": _bundle(conn_id, extra),
        "truststore": extra.get("truststore"),
        "session_token": f"conn:{conn_id}.extra.aws_session_token" if extra.get("aws_session_token") else None,
    }
    found["access_key"] = _key(conn_id, fields, extra, "login", "aws_access_key_id")
    found["secret_key"] = _key(conn_id, fields, extra, "password", "aws_secret_access_key")
    signature = extra.get("signature_version") or config.get("signature_version")
    if signature:
        found["signature"] = _signature(f"signature_version of connection {conn_id}", str(signature))
    style = (config.get("s3") or {}).get("addressing_style")
    if style in ("path", "virtual"):
        found["path_style"] = style == "path"
    for field in ("path_style", "conditional_writes"):
        if field in extra:
            found[field] = _flag(f"{field} of connection {conn_id}", str(extra[field]))
    return _given(found)


def _nested(conn_id: str, extra: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """Return ``config_kwargs``, and the endpoint in ``service_config``; nothing else in them would have an effect."""
    config, service = extra.get("config_kwargs") or {}, (extra.get("service_config") or {}).get("s3") or {}
    for name in config:
        if name not in ("signature_version", "s3"):
            raise unknown_name(
                f"key in config_kwargs of connection {conn_id}", name, ["s3", "signature_version"], code="S3_SETTINGS"
            )
    for name in config.get("s3") or {}:
        if name != "addressing_style":
            raise unknown_name(
                f"key in config_kwargs.s3 of connection {conn_id}", name, ["addressing_style"], code="S3_SETTINGS"
            )
    return config, service.get("endpoint_url")


def _key(conn_id: str, fields: Mapping[str, Any], extra: Mapping[str, Any], field: str, name: str) -> str | None:
    if fields.get(field):
        return f"conn:{conn_id}.{field}"
    return f"conn:{conn_id}.extra.{name}" if extra.get(name) else None


def _bundle(conn_id: str, extra: Mapping[str, Any]) -> str | None:
    verify = extra.get("verify")
    if verify is False or str(verify).lower() == "false":
        raise SpecError(
            f"connection {conn_id} turns the check of certificates off (verify: false); then anybody may answer for the endpoint",
            hint="give the authority's PEM file instead: verify: /etc/ssl/company-ca.pem",
            code="S3_SETTINGS",
        )
    path = verify if isinstance(verify, str) and verify.lower() != "true" else None
    return path or extra.get("ca_bundle")


def _signature(name: str, text: str) -> str:
    known = _SIGNATURES.get(text.strip().lower())
    if known is None:
        raise SpecError(f"{name} is {text!r}; known are v4 and v2", hint="write v4", code="S3_SETTINGS")
    return known


def _flag(name: str, text: str) -> bool:
    known = _FLAGS.get(text.strip().lower())
    if known is None:
        raise SpecError(f"{name} is {text!r}; known are true and false", hint="write true or false", code="S3_SETTINGS")
    return known


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}
