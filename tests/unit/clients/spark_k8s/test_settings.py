# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s import settings
from airflow_dataops.clients.spark_k8s.settings import Access, KubeConfigError, KubeSettings

KUBECONFIG = pytest.mark.usefixtures("reader")


@pytest.fixture
def reader() -> None:
    pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")


def kubeconfig(user: dict[str, Any], host: str = "https://k:6443") -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "one",
            "clusters": [
                {"name": "a", "cluster": {"server": host}},
                {"name": "b", "cluster": {"server": "https://other"}},
            ],
            "users": [{"name": "me", "user": user}],
            "contexts": [
                {"name": "one", "context": {"cluster": "a", "user": "me"}},
                {"name": "two", "context": {"cluster": "b", "user": "me"}},
            ],
        }
    )


@KUBECONFIG
def test_a_kubeconfig_is_read_from_a_file_or_a_connections_text(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig({"token": "t"}))
    for given in (KubeSettings(kubeconfig=str(path)), KubeSettings(document=path.read_text())):
        found = Access(given).load()
        assert (found.host, found.headers) == ("https://k:6443", {"Authorization": "Bearer t"})


@KUBECONFIG
def test_another_context_of_it_can_be_taken() -> None:
    assert Access(KubeSettings(document=kubeconfig({"token": "t"}), context="two")).load().host == "https://other"


@KUBECONFIG
def test_a_program_gives_the_token(tmp_path: Path) -> None:
    program = tmp_path / "give"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "given"}}
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    user = {"exec": {"apiVersion": answer["apiVersion"], "command": str(program), "interactiveMode": "Never"}}
    assert Access(KubeSettings(document=kubeconfig(user))).load().headers == {"Authorization": "Bearer given"}


@KUBECONFIG
@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", kubeconfig({}), kubeconfig({"exec": {"command": "/no/such"}})]
)
def test_what_is_no_kubeconfig_is_told_as_that(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeConfigError, match="kubeconfig"):
        Access(KubeSettings(kubeconfig=str(path))).load()


def test_a_kubeconfig_that_is_not_there_is_told() -> None:
    with pytest.raises(KubeConfigError, match="there is no kubeconfig /no/such"):
        Access(KubeSettings(kubeconfig="/no/such")).load()


def test_without_any_kubeconfig_it_is_told_where_one_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/two")
    with pytest.raises(KubeConfigError, match=f"there is no kubeconfig {tmp_path}/one or {tmp_path}/two"):
        Access(KubeSettings()).load()


def test_in_a_pod_its_own_account_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("t\n")
    monkeypatch.setattr(settings, "ACCOUNT", tmp_path)
    monkeypatch.setattr(Access, "_context", lambda *args, **kwargs: None)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = Access(KubeSettings()).load()
    assert (found.host, found.headers) == ("https://[fd00::1]:443", {"Authorization": "Bearer t"})


def test_a_token_is_asked_for_again_when_it_was_refused() -> None:
    tokens = iter(["one", "two"])
    access = Access(KubeSettings(host="http://k/", token=lambda: next(tokens)))
    first = access.load()
    assert access.load() is first
    access.expire()
    assert (access.ready, access.load().headers) == (None, {"Authorization": "Bearer two"})
    assert first.host == "http://k"


def test_certificates_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("nothing")
    for name in ("ca", "none"):
        with pytest.raises(KubeConfigError, match="certificates"):
            Access(KubeSettings(host="https://k", ca_file=str(tmp_path / name))).load()


def test_no_secret_is_in_what_is_printed() -> None:
    shown = repr(KubeSettings(host="https://k", token=lambda: "t", document="secret"))
    assert "secret" not in shown
    assert "secret" not in repr(Access(KubeSettings(host="http://k", token=lambda: "secret")).load())
