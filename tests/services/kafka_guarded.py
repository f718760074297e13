# SPDX-License-Identifier: Apache-2.0
"""A real broker that looks at who comes: by password, token, certificate, or a signature of AWS's; and gives only the rights it was told of."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services import kafka_server
from tests.services.kafka_server import HOST, Kafka
from tests.services.kube.authority import Authority

_SECURITY = "org.apache.kafka.common.security"
_LISTENER = "listener.name.sasl_plaintext"


@contextmanager
def guarded(
    folder: Path, authority: Authority, users: Mapping[str, str], *, fronts: Mapping[str, int] | None = None
) -> Iterator[Kafka]:
    """Start a broker with the listeners ``PLAINTEXT`` (which may do all), ``SASL_PLAINTEXT`` and ``SSL``, and end it.

    Args:
        folder: For all its files.
        authority: Signs its certificate, and those that it takes: their common name is the user's.
        users: Name -> password, for SCRAM. Tokens without a signature (``alg: none``) are taken, too; see :func:`unsigned`.
        fronts: Name of a further listener -> port that clients are told of in the place of its own. All who come there are the
            same user without a name, who may do all: let somebody stand before it that looks.
    """
    certificate, key = authority.server("broker", "broker", ips=(HOST,))
    store = certificate.with_name("broker.pem")
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    props = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,OAUTHBEARER",
        f"{_LISTENER}.scram-sha-256.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{_LISTENER}.oauthbearer.sasl.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.file,
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.ssl.ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
    }
    options: dict[str, Any] = {"listeners": ("PLAINTEXT", "SASL_PLAINTEXT", "SSL"), "scram": users}
    with kafka_server.kafka(folder, props=props, fronts=fronts or {}, **options) as found:
        yield found


def unsigned(user: str, seconds: float = 3600.0) -> tuple[str, float]:
    """Return a token of a user that nobody has signed, and when it expires, in seconds since 1970.

    Args:
        user: Its subject.
        seconds: For how long it is valid from now on.
    """
    now = time.time()
    claims = {"sub": user, "iat": now - 7200, "exp": now + seconds}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    token = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
    return token, claims["exp"]
