# SPDX-License-Identifier: Apache-2.0
"""The link from a task to its run's result page."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom, conf

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.links.pages import page_url

XCOM_KEY = "dataops_result_page"


class ResultPageLink(BaseOperatorLink):
    """Opens the HTML page of the run; it is there once the run's report task has ended."""

    name = "Result page"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Return the address that the task left in XCom; an empty text where it has not started yet."""
        return str(XCom.get_value(key=XCOM_KEY, ti_key=ti_key) or "")


def address_of(layout: RunLayout, report_base_url: str | None) -> str:
    """Return the address of a run's page as Airflow is set up here.

    Args:
        layout: Paths of the run.
        report_base_url: The operator's own; ``[dataops] report_base_url`` where it is None.
    """
    base = conf.get("api", "base_url", fallback=None) or conf.get("webserver", "base_url", fallback=None)
    return page_url(layout, report_base_url or conf.get("dataops", "report_base_url", fallback=None), base)


__all__ = ["XCOM_KEY", "ResultPageLink", "address_of"]
