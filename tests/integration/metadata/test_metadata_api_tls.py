# SPDX-License-Identifier: Apache-2.0
"""Who comes in by client certificates, from an authority of the tests; and the client through TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata import MetadataClient, NotSent
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import records
from tests.services.metadata_api import Api, metadata_api
from tests.unit.core.metadata.events import event

pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")
pytest.importorskip("cryptography")

from tests.services.kube.authority import Authority


class Party:
    """Files of those who take part."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.server = self.authority.server("server", "server", ips=["127.0.0.1"])

    def context(self, name: str | None, authority: Authority | None = None) -> ssl.SSLContext:
        """What a client with a certificate of this name connects by."""
        made = ssl.create_default_context(cafile=str(self.authority.file))
        if name is not None:
            made.load_cert_chain(*map(str, (authority or self.authority).user(name, name)))
        return made


@pytest.fixture
def party(tmp_path: Path) -> Party:
    return Party(tmp_path)


@pytest.fixture
def api(party: Party, broker: Kafka, topic: str) -> Iterator[Api]:
    cert, key = map(str, party.server)
    arguments = (
        "--tls-cert", cert, "--tls-key", key, "--client-ca", str(party.authority.file), "--subject", "notebooks",
    )  # fmt: skip
    context = party.context("notebooks")
    with metadata_api(party.folder, broker.bootstrap(), *arguments, topic=topic, context=context) as made:
        yield made


def test_only_the_names_that_may_come_in(api: Api, party: Party) -> None:
    assert api.ask("POST", "/v1/metadata", event())[0] == 202
    assert api.ask("POST", "/v1/metadata", event(), context=party.context("somebody"))[0] == 403
    for stranger in (party.context(None), party.context("notebooks", Authority(party.folder / "others"))):
        with pytest.raises(OSError):  # noqa: PT011  # TLS ends it, by an alert or by hanging up
            api.ask("POST", "/v1/metadata", event(), context=stranger)
    told = [line for line in api.log() if line["message"] == "request"]
    assert [(line["peer"], line["status"]) for line in told] == [("notebooks", 202), ("somebody", 403)]


def test_the_client_comes_with_a_certificate(api: Api, party: Party, broker: Kafka, topic: str) -> None:
    both = party.folder / "notebooks-both.pem"
    both.write_bytes(b"".join(path.read_bytes() for path in party.authority.user("notebooks", "notebooks")))
    with MetadataClient(api.url, ca=party.authority.file, cert=both) as client:
        keys = [client.send(event(idempotency_key=f"k-{number}")) for number in range(5)]
    assert sorted(one.key().decode() for one in records(broker, topic)) == keys
    stranger = MetadataClient(api.url, ca=party.authority.file, give_up=0)
    stranger.send(event())
    with pytest.raises(NotSent, match="no answer"):
        stranger.close()
