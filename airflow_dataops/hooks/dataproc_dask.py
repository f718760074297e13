# SPDX-License-Identifier: Apache-2.0
"""As whom Google is asked: an Airflow connection of type ``google_cloud_platform``, or nothing but the machine's own account."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

if TYPE_CHECKING:
    from airflow_dataops.clients.google import GoogleSettings

DEFAULT_CONNECTION = "google_cloud_default"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConnectionCredentials:
    """Makes credentials from a connection, when a client first needs some; equal ones share a token.

    Everything that Google's own provider for Airflow reads from a connection works: nothing at all (Application Default Credentials: the
    worker's account, Workload Identity), ``credential_config_file`` (Workload Identity Federation), impersonation. A key is never needed.

    Attributes:
        gcp_conn_id: The connection.
        impersonation_chain: Accounts to act as; empty for what the connection says.
    """

    gcp_conn_id: str
    impersonation_chain: tuple[str, ...] = ()

    def __call__(self) -> Any:
        """Return credentials of ``google.auth``; it blocks, so it is called beside the event loop.

        Raises:
            MissingDependency: Airflow's provider for Google is not installed.
            AirflowNotFoundException: There is no such connection. Only the default one may be missing.
        """
        from airflow_dataops.core.errors import MissingDependency

        try:
            from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
        except ModuleNotFoundError as missing:
            raise MissingDependency(f"{missing}", hint='pip install "airflow-dataops[composer]"') from missing
        chain = list(self.impersonation_chain) or None
        try:
            return GoogleBaseHook(gcp_conn_id=self.gcp_conn_id, impersonation_chain=chain).get_credentials()
        except AirflowNotFoundException:
            if self.gcp_conn_id != DEFAULT_CONNECTION:
                raise
        log.info("there is no connection %s; Application Default Credentials are used", self.gcp_conn_id)
        return self._default()

    def _default(self) -> Any:
        from airflow_dataops.clients.google import GoogleSettings

        settings = GoogleSettings("", "", impersonation_chain=self.impersonation_chain)
        return settings.auth().load()


class DataprocDaskHook(BaseHook):
    """Turn a connection into the settings of :class:`~airflow_dataops.clients.dataproc_dask.client.DataprocDaskClient`.

    Args:
        gcp_conn_id: The connection; None asks Google as the worker's own account (Application Default Credentials).
        impersonation_chain: An account to act as, or several: the last one through those before it.
        api_endpoint: ``host:port`` of Dataproc, a private endpoint for instance; None for the region's.
    """

    conn_name_attr = "gcp_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    hook_name = "Dask on Dataproc"

    def __init__(
        self,
        gcp_conn_id: str | None = DEFAULT_CONNECTION,
        impersonation_chain: str | Sequence[str] | None = None,
        api_endpoint: str | None = None,
    ) -> None:
        super().__init__()
        self.gcp_conn_id = gcp_conn_id
        self.impersonation_chain = impersonation_chain
        self.api_endpoint = api_endpoint

    def settings(self, project: str, region: str) -> GoogleSettings:
        """Return the settings; the connection is read when a client first needs a token, so this is for tasks and triggers alike.

        Args:
            project: Project id.
            region: Region.
        """
        from airflow_dataops.clients.google import GoogleSettings, accounts_of

        accounts = accounts_of(self.impersonation_chain)
        if self.gcp_conn_id is None:
            return GoogleSettings(
                project, region, impersonation_chain=accounts, dataproc_endpoint=self.api_endpoint or None
            )
        credentials = ConnectionCredentials(self.gcp_conn_id, accounts)
        return GoogleSettings(project, region, credentials=credentials, dataproc_endpoint=self.api_endpoint or None)


__all__ = ["ConnectionCredentials", "DataprocDaskHook"]
