# SPDX-License-Identifier: Apache-2.0
"""Where a metadata pipeline finds its servers, as authors write it in ``dataops.yaml``."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from airflow_dataops.core.metadata.wire import DATABASE
from dag_factories.specs.arguments import AuthorModel


class MetadataTarget(AuthorModel):
    """The servers of a target's ``gpu_metadata`` pipelines. A target without this section runs them on files of this machine.

    Attributes:
        kafka_conn_id: Airflow connection of the type ``kafka``; its extra holds librdkafka's settings. Outside of Airflow
            ``AIRFLOW_CONN_…`` is read.
        kafka: Settings of librdkafka that are no secrets: ``{bootstrap.servers: "kafka:9092"}``.
        mongo_uri: Address of the Mongo-compatible server, as a reference: ``${conn:edge_mongo.uri}`` or ``${env:MONGO_URI}``.
        database: Database.
        api: Address of the metadata API; the preflight asks whether it is ready, and the marked event is posted there.
        api_token: The API's token, as a reference.
        api_ca: File on the workers with the authority that signed the API's certificate; those that the system knows without it.
        api_cert: File on the workers with a client certificate and its key (PEM), for an API that asks for one.
        namespace: Kubernetes namespace of API and worker, whose nodes and pods the preflight looks at.
        min_partitions: Fewest partitions of the topic.
        min_retention_hours: Shortest retention of the topic that is no finding.
    """

    kafka_conn_id: str | None = None
    kafka: dict[str, Any] = {}
    mongo_uri: str
    database: str = DATABASE
    api: str | None = None
    api_token: str | None = None
    api_ca: str | None = None
    api_cert: str | None = None
    namespace: str | None = None
    min_partitions: int = Field(default=1, ge=1)
    min_retention_hours: float = Field(default=24, gt=0)
