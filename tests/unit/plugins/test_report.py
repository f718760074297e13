# SPDX-License-Identifier: Apache-2.0
"""The plugin in the web server of the installed Airflow, with its real authentication."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.links.pages import lake_id, remember_lake
from tests.house.tree import run_python

pytestmark = pytest.mark.airflow

PAGE = "<!doctype html><title>flights</title>"
Get = Callable[[str, bool], tuple[int, str, dict[str, str]]]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    page = Path(RunLayout(str(tmp_path / "lake"), "flights", "2024-01-01T000000").page)
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    (page.parent / "result.json").write_text("{}")
    return tmp_path / "lake"


@pytest.fixture
def get(airflow_db: Path) -> Get:
    """Return ``get(path, logged_in)`` -> status, body, headers."""
    from airflow import __version__ as version

    return _flask() if version.startswith("2.") else _fastapi()


@cache
def _fastapi() -> Get:
    from airflow.api_fastapi.app import cached_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    client = TestClient(cached_app(apps="core"), follow_redirects=False)

    def get(path: str, logged_in: bool) -> tuple[int, str, dict[str, str]]:
        headers = {"accept": "text/html"}
        if logged_in:
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="test", role="viewer"))
            headers["authorization"] = f"Bearer {token}"
        answer = client.get(path, headers=headers)
        return answer.status_code, answer.text, dict(answer.headers)

    return get


@cache
def _flask() -> Get:
    from airflow.www.app import create_app  # type: ignore[import-not-found]

    app = create_app(testing=True)
    app.config["WTF_CSRF_ENABLED"] = False
    manager = app.appbuilder.sm
    with app.app_context():
        if manager.find_user(username="viewer") is None:
            manager.add_user("viewer", "v", "w", "v@example.org", manager.find_role("Viewer"), password="viewer")

    # One login for all: Airflow 2 allows five in 40 seconds.
    session = app.test_client()
    assert session.post("/login/", data={"username": "viewer", "password": "viewer"}).status_code == 302

    def get(path: str, logged_in: bool) -> tuple[int, str, dict[str, str]]:
        answer = (session if logged_in else app.test_client()).get(path)
        headers = {key.lower(): value for key, value in answer.headers.items()}
        return answer.status_code, answer.get_data(as_text=True), headers

    return get


def address(lake: Path, key: str = "2024-01-01T000000") -> str:
    return f"/dataops/{lake_id(str(lake))}/flights/{key}"


def test_a_page_is_shown_to_who_is_logged_in_only(get: Get, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAOPS_LAKES", f"/elsewhere{os.pathsep}{lake}")
    status, body, headers = get(address(lake), True)
    assert (status, body) == (200, PAGE)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    status, body, headers = get(address(lake), False)
    assert (status, PAGE in body) in {(302, False), (307, False)}
    assert "login" in headers["location"]


def test_only_pages_of_known_lakes_are_shown(get: Get, lake: Path) -> None:
    assert get(address(lake), True)[0] == 404
    remember_lake(os.environ["AIRFLOW_HOME"], str(lake))
    assert get(address(lake), True)[0] == 200


@pytest.mark.parametrize("key", ["2024-01-02T000000", "..", "%2e%2e", "..%2f2024-01-01T000000", "2024-01-01T000000%00"])
def test_nothing_but_a_page_is_shown(get: Get, lake: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("DATAOPS_LAKES", str(lake))
    status, body, _ = get(address(lake, key), True)
    assert (status, PAGE in body) == (404, False)


def test_loading_the_plugin_loads_no_web_framework() -> None:
    code = """
import sys
import airflow
import airflow.providers.common.compat.sdk as sdk
sdk.AirflowPlugin
before = set(sys.modules)
import airflow_dataops.plugins.report
print("loaded:", sorted((set(sys.modules) - before) & {"fastapi", "flask", "starlette", "duckdb", "pydantic"}))
"""
    assert run_python(code).splitlines()[-1] == "loaded: []"


def test_airflow_finds_the_plugin() -> None:
    from importlib.metadata import entry_points

    [entry] = entry_points(group="airflow.plugins", name="dataops_report")
    plugin: Any = entry.load()()
    assert len(plugin.fastapi_apps) + len(plugin.flask_blueprints) == 1
