# SPDX-License-Identifier: Apache-2.0
"""librdkafka's own mock of a cluster, in this process: for errors that a real broker gives only when it likes.

It has topics, commits and offsets; groups cannot be described, and records have no times.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIST_OFFSETS, OFFSET_FETCH = 2, 9
LEADER_NOT_AVAILABLE, NOT_LEADER_FOR_PARTITION = 5, 6
COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
_PRODUCER = 0


class KafkaMock:
    """A cluster.

    Args:
        library: librdkafka.
        cluster: Its handle there.
    """

    def __init__(self, library: ctypes.CDLL, cluster: ctypes.c_void_p) -> None:
        self._library, self._cluster = library, cluster

    @property
    def client(self) -> dict[str, Any]:
        """The settings of a client."""
        self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        return {
            "bootstrap.servers": self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode(),
            "log_level": 0,
        }

    def topic(self, name: str, partitions: int) -> None:
        """Make a topic."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) == 0

    def refuse(self, request: int, *errors: int) -> None:
        """Answer the next requests of a kind with these errors, one each, 0 for none."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), codes
        )

    def stop(self, broker: int) -> None:
        """Take a broker down; from 1 on."""
        assert self._library.rd_kafka_mock_broker_set_down(self._cluster, broker) == 0


def library() -> ctypes.CDLL | None:
    """Return librdkafka as the wheel of confluent-kafka brings it; None where there is none."""
    try:
        import confluent_kafka
    except ImportError:
        return None
    found = sorted((Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*"))
    return ctypes.CDLL(str(found[0])) if found else None


@contextmanager
def kafka_mock(brokers: int = 3) -> Iterator[KafkaMock]:
    """Start a cluster, and end it; :func:`library` is there."""
    lib = library()
    assert lib is not None
    for name in ("rd_kafka_new", "rd_kafka_conf_new", "rd_kafka_mock_cluster_new"):
        getattr(lib, name).restype = ctypes.c_void_p
    text = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
    # A client that connects to nothing; the cluster lives in it.
    lib.rd_kafka_conf_set(conf, b"log_level", b"0", text, ctypes.c_size_t(512))
    owner = ctypes.c_void_p(lib.rd_kafka_new(_PRODUCER, conf, text, ctypes.c_size_t(512)))
    cluster = ctypes.c_void_p(lib.rd_kafka_mock_cluster_new(owner, brokers))
    try:
        yield KafkaMock(lib, cluster)
    finally:
        lib.rd_kafka_mock_cluster_destroy(cluster)
        lib.rd_kafka_destroy(owner)
