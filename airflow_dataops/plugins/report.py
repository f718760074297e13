# SPDX-License-Identifier: Apache-2.0
"""Airflow's web server shows the result pages of local lakes. Every Airflow process loads this file, so it loads nothing itself."""

from __future__ import annotations

from typing import Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowPlugin

from airflow_dataops.links.pages import URL_PREFIX

_NAME = "dataops_report"


class LazyApp:
    """An ASGI application that is made when the first request comes."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        if self._app is None:
            from airflow_dataops.plugins.report_fastapi import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


class DataOpsReportPlugin(AirflowPlugin):
    """Serves ``/dataops/<lake>/<pipeline>/<run key>`` to whoever may see the DAG."""

    name = _NAME

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The application of Airflow 3."""
        if airflow_version.startswith("2."):
            return []
        return [{"app": LazyApp(), "url_prefix": URL_PREFIX, "name": _NAME}]

    @property
    def flask_blueprints(self) -> list[Any]:  # type: ignore[override]
        """The blueprint of Airflow 2."""
        if not airflow_version.startswith("2."):
            return []
        from airflow_dataops.plugins.report_flask import make_blueprint

        return [make_blueprint()]


__all__ = ["DataOpsReportPlugin", "LazyApp"]
