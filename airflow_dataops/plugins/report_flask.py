# SPDX-License-Identifier: Apache-2.0
"""Result pages in Airflow 2."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from airflow_dataops.links.pages import URL_PREFIX
from airflow_dataops.plugins.report_files import HEADERS, NOT_FOUND, find_page


def make_blueprint() -> Any:
    """Return the blueprint: one address, for users who may read the DAG of the pipeline's name."""
    blueprint = import_module("flask").Blueprint("dataops_report", __name__, url_prefix=URL_PREFIX)
    blueprint.add_url_rule("/<lake>/<pipeline>/<run_key>", view_func=_page)
    return blueprint


def _page(lake: str, pipeline: str, run_key: str) -> Any:
    # by name: Airflow 3 has none of these, and is what the types are checked with
    flask = import_module("flask")
    details = import_module("airflow.auth.managers.models.resource_details").DagDetails(id=pipeline)
    manager = import_module("airflow.www.extensions.init_auth_manager").get_auth_manager()
    if not manager.is_logged_in():
        return flask.redirect(manager.get_url_login(next_url=flask.request.url))
    if not manager.is_authorized_dag(method="GET", details=details):
        return flask.abort(403)
    file = find_page(lake, pipeline, run_key)
    if file is None:
        return flask.Response(NOT_FOUND, 404, mimetype="text/plain")
    return flask.Response(file.read_text(encoding="utf-8"), mimetype="text/html", headers=HEADERS)


__all__ = ["make_blueprint"]
