# SPDX-License-Identifier: Apache-2.0
"""Result pages in Airflow 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_dataops.plugins.report_files import HEADERS, NOT_FOUND, find_page

if TYPE_CHECKING:
    from fastapi import FastAPI


def make_app() -> FastAPI:
    """Return the application: one address, for users who may read the DAG of the pipeline's name."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import HTMLResponse, PlainTextResponse

    app = FastAPI(title="Result pages", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(401, _to_login)

    # Only names that FastAPI can look up in this module's globals may stand in these annotations.
    def page(lake: str, pipeline: str, run_key: str, user: Any = Depends(get_user)) -> Any:  # noqa: B008 - FastAPI's way
        if not get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=pipeline), user=user):
            raise HTTPException(403, "You may not see this pipeline.")
        file = find_page(lake, pipeline, run_key)
        if file is None:
            return PlainTextResponse(NOT_FOUND, status_code=404)
        return HTMLResponse(file.read_text(encoding="utf-8"), headers=HEADERS)

    app.add_api_route("/{lake}/{pipeline}/{run_key}", page, response_model=None)
    return app


async def _to_login(request: Any, _error: Exception) -> Any:
    """A browser whose session is over goes to the login and comes back."""
    from airflow.api_fastapi.app import get_auth_manager
    from fastapi.responses import PlainTextResponse, RedirectResponse

    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("Not authenticated", status_code=401)
    return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)))


__all__ = ["make_app"]
