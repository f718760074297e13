# SPDX-License-Identifier: Apache-2.0
"""Notifiers in real runs, against real servers."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
TOKEN = "s3cr3t-token"


class Hook:
    """A webhook; answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.seen: list[tuple[dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.seen.append(
                    (dict(self.headers), json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                )
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


def failing_dag(name: str, *callbacks: Any) -> Any:
    from airflow.providers.common.compat.sdk import DAG
    from airflow.providers.standard.operators.python import PythonOperator

    def work(ti: Any) -> None:
        ti.xcom_push(key="dataops_result_page", value="https://pages.example/flights")
        raise ValueError("two rules failed\nfor example: x=NULL")

    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        PythonOperator(task_id="work", python_callable=work, on_failure_callback=list(callbacks))
    return dag


def test_a_webhook_gets_the_whole_alert(
    run_dag: Callable[..., Any], hook: Hook, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from airflow_dataops.notifications.webhook import WebhookNotifier

    connection = {"conn_type": "http", "host": hook.url, "password": TOKEN, "extra": {"headers": {"X-Team": "data"}}}
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", json.dumps(connection))
    run = run_dag(failing_dag("alert_hook", WebhookNotifier(conn_id="pager")), WHEN)
    [(headers, body)] = hook.seen
    assert (headers["Authorization"], headers["X-Team"]) == (f"Bearer {TOKEN}", "data")
    assert body.pop("log")
    text = body.pop("text")
    assert body == {
        "severity": "critical",
        "pipeline": "alert_hook",
        "task": "work",
        "run_key": "2024-01-02T000000",
        "run_id": run.run_id,
        "title": "[critical] alert_hook.work failed",
        "reasons": ["two rules failed", "for example: x=NULL"],
        "page": "https://pages.example/flights",
    }
    assert "https://pages.example/flights" in text
    assert TOKEN not in "".join(capfd.readouterr())


def test_a_broken_alert_does_not_hide_the_failure_nor_the_next_alert(run_dag: Callable[..., Any], hook: Hook) -> None:
    from airflow_dataops.notifications.webhook import WebhookNotifier

    broken = WebhookNotifier(url="http://127.0.0.1:1/", attempts=1)
    run = run_dag(failing_dag("alert_broken", broken, WebhookNotifier(url=hook.url)), WHEN)
    assert (run.state, len(hook.seen)) == ("failed", 1)


def test_the_message_is_rendered(run_dag: Callable[..., Any], hook: Hook) -> None:
    from airflow_dataops.notifications.webhook import WebhookNotifier

    notifier = WebhookNotifier(
        url=hook.url, message="{{ dag.dag_id }} is down", severity="warning", text_field="content"
    )
    run_dag(failing_dag("alert_message", notifier), WHEN)
    body = hook.seen[0][1]
    assert (body["title"], body["severity"]) == ("alert_message is down", "warning")
    assert body["content"].startswith("alert_message is down")


def context(**fields: Any) -> dict[str, Any]:
    """A context as the callback of a task that went well has it."""
    result = {"pipeline": "flights", "run_key": "k", "verdict": "quarantined", "reasons": ["7 of 100 rows put aside"]}
    pulled = {"return_value": result, "dataops_result_page": "https://page"}
    task_instance = SimpleNamespace(
        task_id="report", map_index=-1, xcom_pull=lambda task_ids, key, map_indexes: pulled.get(key)
    )
    return {"ti": task_instance, "dag_run": SimpleNamespace(run_id="r"), "dag": None, **fields}


def test_a_verdict_is_told_with_the_severity_of_the_pipeline(hook: Hook) -> None:
    from airflow_dataops.notifications.webhook import WebhookNotifier

    WebhookNotifier(url=hook.url).notify(context(dataops_severity="warning"))
    body = hook.seen[0][1]
    assert (body["title"], body["severity"]) == ("[warning] flights.report quarantined", "warning")
    assert (body["run_key"], body["reasons"], body["page"]) == ("k", ["7 of 100 rows put aside"], "https://page")


def test_the_callback_of_a_whole_dag_has_no_task_and_still_tells(hook: Hook) -> None:
    from airflow_dataops.notifications.webhook import WebhookNotifier

    whole = {"dag": SimpleNamespace(dag_id="flights"), "dag_run": None, "run_id": "r", "reason": "task_failure"}
    WebhookNotifier(url=hook.url).notify(whole)
    body = hook.seen[0][1]
    assert (body["pipeline"], body["task"], body["reasons"], body["severity"]) == (
        "flights",
        None,
        ["task_failure"],
        "critical",
    )


def test_every_notifier_tells_without_blocking_too(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    from airflow_dataops.notifications.log import LogNotifier
    from airflow_dataops.notifications.webhook import WebhookNotifier

    with caplog.at_level(logging.INFO):
        asyncio.run(WebhookNotifier(url=hook.url).async_notify(context()))
        asyncio.run(LogNotifier().async_notify(context()))
    assert len(hook.seen) == 1
    assert "flights.report quarantined" in caplog.text


@pytest.mark.parametrize(("severity", "level"), [("critical", "ERROR"), ("warning", "WARNING"), ("info", "INFO")])
def test_the_logs_level_fits_the_severity(severity: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    from airflow_dataops.notifications.log import LogNotifier

    with caplog.at_level(logging.INFO):
        LogNotifier(severity=severity).notify(context())
    assert [record.levelname for record in caplog.records if record.name == "airflow_dataops.alerts"] == [level]


@pytest.mark.parametrize("arguments", [{}, {"conn_id": "a", "url": "b"}])
def test_an_endpoint_is_given_in_one_way(arguments: dict[str, str]) -> None:
    from airflow_dataops.core.errors import SpecError
    from airflow_dataops.notifications.webhook import WebhookNotifier

    with pytest.raises(SpecError, match="one of them"):
        WebhookNotifier(**arguments).notify(context())


def test_a_mail_is_sent_as_the_connection_says(airflow_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.clients import mail
    from airflow_dataops.notifications.smtp import SmtpNotifier

    sent: list[tuple[mail.MailServer, dict[str, Any]]] = []
    monkeypatch.setattr(mail, "send", lambda server, **fields: sent.append((server, fields)))
    extra = {"from_email": "ops@example.org", "disable_ssl": True, "timeout": 7}
    connection = {"conn_type": "smtp", "host": "mail.example.org", "login": "me", "password": TOKEN, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
    SmtpNotifier(to="a@example.org", conn_id="mail").notify(context())
    [(server, fields)] = sent
    assert server == mail.MailServer("mail.example.org", 587, "ops@example.org", "me", TOKEN, False, True, 7.0)
    assert (fields["to"], fields["subject"]) == (["a@example.org"], "[info] flights.report quarantined")


def test_the_three_are_registered() -> None:
    found = {entry.name: entry.load().__name__ for entry in entry_points(group="airflow_dataops.notifiers")}
    assert found == {"log": "LogNotifier", "smtp": "SmtpNotifier", "webhook": "WebhookNotifier"}
