# SPDX-License-Identifier: Apache-2.0
"""Metadata pipelines: the servers of a target, the archive's place, and the rules on what was drained."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.secrets import has_a_password, names_a_secret
from dag_factories.check.context import Context
from dag_factories.check.rules import rule_problems
from dag_factories.check.texts import reference_problems
from dag_factories.project import Project
from dag_factories.references import SECRET_KINDS, secret
from dag_factories.specs.base import Path, Problem
from dag_factories.specs.edge import MetadataTarget

_KIND = "gpu_metadata"


def check_metadata_targets(project: Project) -> Iterator[Problem]:
    """Yield what is wrong with the servers of targets in ``dataops.yaml``."""
    for name, target in project.spec.targets.items():
        if target.metadata is not None:
            yield from _servers(("targets", name, "metadata"), target.metadata)


def check_drained(context: Context) -> Iterator[Problem]:
    """Yield what is wrong with the rules on what was drained; the columns are known without any data."""
    gate = context.spec.quality.drained if _is_metadata(context) else None  # type: ignore[union-attr]  # its kind has it
    if gate is None:
        return
    from airflow_dataops.core.metadata.slice import COLUMNS

    own = {name: kind for name, (_, kind) in COLUMNS.items()}
    yield from rule_problems(context, "drained", {**own, **dict.fromkeys(gate.columns, "string")})


def check_archive(context: Context) -> Iterator[Problem]:
    """Yield an archive or an inbox outside of the project's folder and the lake."""
    if not _is_metadata(context) or context.target is None:
        return
    for key in ("archive", "inbox"):
        path = getattr(context.spec, key)
        if path is None:
            continue
        try:
            context.project.confined(path, context.target)
        except SpecError as error:
            yield Problem((key,), error.code, error.message, error.hint)


def _is_metadata(context: Context) -> bool:
    return context.spec is not None and context.spec.kind == _KIND


def _servers(place: Path, servers: MetadataTarget) -> Iterator[Problem]:
    for name in ("mongo_uri", "api_token"):
        text = getattr(servers, name)
        if text is None:
            continue
        try:
            secret(text)
        except SpecError as error:
            yield Problem((*place, name), error.code, error.message, error.hint)
    for name, value in servers.kafka.items():
        text = str(value)
        if names_a_secret(name.replace(".", "_")) or has_a_password(text):
            hint = (
                "put the setting into the extra of an Airflow connection, and name that: kafka_conn_id: kafka_default"
            )
            yield Problem((*place, "kafka", name), "SECRET_IN_FILE", f"{name} is a secret; a file only names it", hint)
        else:
            yield from reference_problems((*place, "kafka", name), text, SECRET_KINDS)
    if servers.kafka_conn_id is None and not servers.kafka.get("bootstrap.servers"):
        hint = 'write kafka_conn_id: kafka_default, or kafka: {bootstrap.servers: "kafka:9092"}'
        yield Problem(place, "BROKERS_MISSING", "nothing says where Kafka's brokers are", hint, on_key=True)
    if servers.api is not None and not servers.api.startswith(("http://", "https://")):
        yield Problem(
            (*place, "api"), "BAD_ADDRESS", f"{servers.api!r} is no address of an API", "write https://host:port"
        )


__all__ = ["check_archive", "check_drained", "check_metadata_targets"]
