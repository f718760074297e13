# SPDX-License-Identifier: Apache-2.0
"""Bodies drawn from the OpenAPI document, and ones that break it: never a 5xx, answers as described, and only events of the model published.

The application is the real one, in this process; the publisher keeps what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: make sets it up")
pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")

from airflow_dataops.core.metadata.wire import decode  # noqa: E402
from tests.unit.core.metadata.events import SHA  # noqa: E402
from tests.unit.services.metadata_api.fakes import Publisher, application  # noqa: E402

pytest_plugins = ("schemathesis.pytest.plugin",)
NOW = datetime(9999, 1, 1, tzinfo=UTC)  # no time that is drawn is ahead of it
PUBLISHER = Publisher()
SEEN: dict[int, int] = {}
schema = schemathesis.openapi.from_asgi("/openapi.json", application(PUBLISHER, clock=lambda: NOW))


@pytest.fixture(scope="module", autouse=True)
def both_sides_of_the_border_are_met() -> Iterator[None]:
    yield
    assert set(SEEN) >= {202, 422}, SEEN


@schema.parametrize()
@settings(
    max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_body_breaks_it_and_what_is_published_is_an_event(case: Any) -> None:
    look(case)
    if case.method == "POST" and isinstance(case.body, dict | list):
        case.body = helped(case.body)
        look(case)


def look(case: Any) -> None:
    before = len(PUBLISHER.sent)
    answer = case.call()
    SEEN[answer.status_code] = SEEN.get(answer.status_code, 0) + 1
    case.validate_response(answer, checks=[schemathesis.checks.not_a_server_error])
    published = PUBLISHER.sent[before:]
    told = answer.json() if case.method == "POST" else {}
    assert len(published) == (told["accepted"] if answer.status_code == 202 else 0)
    for record in published:
        read = decode(record.value, key=record.key, now=NOW)
        assert read.wire == record.value  # it is in its normal form already


def helped(body: Any) -> Any:
    """The same body with texts where no schema can say what they have to be."""
    if isinstance(body, list):
        return [helped(one) for one in body[:3]]
    if not isinstance(body, dict):
        return body
    made = {**body, "extracted_at": "2026-01-31T12:00:00Z"}
    if isinstance(made.get("object"), dict):
        made["object"] = {**made["object"], "uri": "s3://b/k", "checksum": SHA, "media_type": "image/png"}
    return made
