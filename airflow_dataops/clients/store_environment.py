# SPDX-License-Identifier: Apache-2.0
"""What a job's process has to know of object stores: it has a clean environment, and gets this through the pipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from airflow_dataops.core.s3 import S3Keys, S3Settings
from airflow_dataops.core.s3_sources import KEY_VARIABLES, as_environment
from airflow_dataops.core.tables import JobSpec

_OURS, _AWS = "S3_", "AWS_"
_SECRET = ("KEY", "TOKEN", "SECRET")
# Where Google's libraries look for credentials, project and endpoints. None of them holds a secret: a key is in the file that one names.
_GOOGLE = frozenset(
    {
        *("CLOUDSDK_CONFIG", "GCLOUD_PROJECT", "NO_GCE_CHECK", "STORAGE_EMULATOR_HOST"),
        *(
            "GCE_METADATA_HOST",
            "GCE_METADATA_IP",
            "GCE_METADATA_MTLS_MODE",
            "GCE_METADATA_ROOT",
            "GCE_METADATA_TIMEOUT",
        ),
        *("GOOGLE_API_CERTIFICATE_CONFIG", "GOOGLE_API_USE_CLIENT_CERTIFICATE", "GOOGLE_API_USE_MTLS_ENDPOINT"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"),
        *("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"),
    }
)


class StoreAccess(NamedTuple):
    """How a job reaches the stores that it has addresses in.

    Attributes:
        environment: Variables of its process.
        secrets: Those of them that nobody may see: reference -> value.
    """

    environment: dict[str, str]
    secrets: dict[str, str]


def access_of(spec: JobSpec, environ: Mapping[str, str], s3: StoreAccess | None = None) -> StoreAccess:
    """Return what a job has to know of the stores that it has addresses in; nothing of any other.

    Args:
        spec: What the job does.
        environ: This process's environment.
        s3: How S3 is reached, where that is said; None for as the environment says.
    """
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    if works_in_s3(spec):
        access = s3 or access_by_environment(environ)
        environment, secrets = dict(access.environment), dict(access.secrets)
    if works_in_gcs(spec):
        environment |= {name: value for name, value in environ.items() if name in _GOOGLE}
    return StoreAccess(environment, secrets)


def works_in_s3(spec: JobSpec) -> bool:
    """Tell whether a job names an address in S3."""
    return _names(spec, "s3", "s3a", "s3n")


def works_in_gcs(spec: JobSpec) -> bool:
    """Tell whether a job names an address in a bucket of Google's."""
    return _names(spec, "gs")


def access_by_environment(environ: Mapping[str, str]) -> StoreAccess:
    """Return what an environment says of S3: our own variables, and those of AWS (profile, role, keys)."""
    return _access({name: value for name, value in environ.items() if name.startswith((_OURS, _AWS))})


def access_by_settings(settings: S3Settings, keys: S3Keys | None, environ: Mapping[str, str]) -> StoreAccess:
    """Return what settings say of S3.

    Args:
        settings: The settings.
        keys: Their keys; without, AWS's own variables of ``environ`` are passed on, for its default chain.
        environ: This process's environment.
    """
    said = as_environment(settings.model_dump(exclude_unset=True))
    if keys is None:
        return _access({**{name: value for name, value in environ.items() if name.startswith(_AWS)}, **said})
    values = (keys.access_key, keys.secret_key, keys.session_token)
    given = {name: value for name, value in zip(KEY_VARIABLES, values, strict=True) if value}
    return _access({**said, **given})


def _names(spec: JobSpec, *schemes: str) -> bool:
    text = json.dumps(spec.model_dump(mode="json"))
    return any(f'"{scheme}://' in text for scheme in schemes)


def _access(environment: dict[str, str]) -> StoreAccess:
    secrets = {f"env:{name}": value for name, value in environment.items() if name.endswith(_SECRET) or "_KEY_" in name}
    secrets |= {f"env:{name}": environment[name] for name in KEY_VARIABLES if name in environment}
    return StoreAccess(environment, secrets)


__all__ = ["StoreAccess", "access_by_environment", "access_by_settings", "access_of", "works_in_gcs", "works_in_s3"]
