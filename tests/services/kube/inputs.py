# SPDX-License-Identifier: Apache-2.0
"""What a pod brings into its containers: environment variables, ConfigMaps, Secrets, tokens, volumes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tests.services.kube.api import Api, ApiError
from tests.services.kube.container import Image

DEFAULT_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
SOURCES = {
    "secretRef": "secrets",
    "configMapRef": "configmaps",
    "secretKeyRef": "secrets",
    "configMapKeyRef": "configmaps",
}
_CONFIG, _MOUNT = "CreateContainerConfigError", "ContainerCreating"
_UNITS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


class NotYet(Exception):
    """A container cannot be started; it is tried again.

    Attributes:
        reason: What its status says meanwhile.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def quantity(text: str) -> float:
    """Return the number that a Kubernetes quantity stands for."""
    found = re.fullmatch(r"([0-9.]+)(m|k|[MGT]|[KMGT]i)?", str(text))
    assert found is not None, text
    return float(found[1]) * _UNITS[found[2] or ""]


class Inputs:
    """Reads on behalf of one pod."""

    def __init__(self, api: Api, pod: Mapping[str, Any], *, folder: Path, ip: str, node: str) -> None:
        self._api, self._folder = api, folder
        self._meta, self._spec = pod["metadata"], pod["spec"]
        self._place = f"/api/v1/namespaces/{self._meta['namespace']}"
        self._fields = {
            "metadata.name": self._meta["name"],
            "metadata.namespace": self._meta["namespace"],
            "metadata.uid": self._meta["uid"],
            "spec.nodeName": node,
            "spec.serviceAccountName": self._spec.get("serviceAccountName", ""),
            "status.podIP": ip,
            "status.podIPs": ip,
            "status.hostIP": "127.0.0.1",
        }

    def env(self, container: Mapping[str, Any], image: Image) -> tuple[dict[str, str], Callable[[str], str]]:
        """Return a container's variables, and what replaces ``$(NAME)`` in its command.

        Raises:
            NotYet: A Secret or ConfigMap, or a key of it, is not there.
        """
        url = urlparse(self._api.url)
        found = {**DEFAULT_ENV, "HOSTNAME": self._meta["name"], **image.env}
        found |= {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}
        for source in container.get("envFrom", []):
            for key in SOURCES.keys() & source.keys():
                data = self._data(key, source[key], _CONFIG)
                found.update({source.get("prefix", "") + name: value.decode() for name, value in data.items()})

        def expand(text: str) -> str:
            return re.sub(r"\$(\$)?\(([\w.-]+)\)", lambda m: m[0][1:] if m[1] else found.get(m[2], m[0]), text)

        for entry in container.get("env", []):
            value = (
                self._value(entry["valueFrom"], container) if "valueFrom" in entry else expand(entry.get("value", ""))
            )
            if value is not None:
                found[entry["name"]] = value
        return found, expand

    def volume(self, volume: Mapping[str, Any]) -> Path:
        """Return the folder of a volume, filled when it is first asked for.

        Raises:
            NotYet: A Secret or ConfigMap is not there.
        """
        place = self._folder / "volumes" / volume["name"]
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        if place.is_dir():
            return place
        files: dict[str, bytes] = {}
        for source in volume.get("projected", {}).get("sources", [volume]):
            files |= self._files(source)
        place.mkdir(parents=True)
        place.chmod(0o777)
        for name, data in files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return place

    def _files(self, source: Mapping[str, Any]) -> dict[str, bytes]:
        if "secret" in source:
            said = source["secret"]
            return _items(
                self._data("secretRef", said | {"name": said.get("secretName") or said.get("name")}, _MOUNT), said
            )
        if "configMap" in source:
            return _items(self._data("configMapRef", source["configMap"], _MOUNT), source["configMap"])
        if "downwardAPI" in source:
            items = source["downwardAPI"].get("items", [])
            return {item["path"]: self._field(item["fieldRef"]["fieldPath"]).encode() for item in items}
        if "serviceAccountToken" in source:
            return {source["serviceAccountToken"]["path"]: self._token(source["serviceAccountToken"]).encode()}
        if {"emptyDir", "projected"} & source.keys():
            return {}
        raise NotYet(_MOUNT, f"the kind of volume is not known here: {sorted(source)}")

    def _token(self, source: Mapping[str, Any]) -> str:
        """Fetch a real token that is bound to the pod."""
        account = self._spec.get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": self._meta["name"], "uid": self._meta["uid"]}
        spec = {"expirationSeconds": source.get("expirationSeconds", 3600), "boundObjectRef": bound}
        if source.get("audience"):
            spec["audiences"] = [source["audience"]]
        answer = self._api("POST", f"{self._place}/serviceaccounts/{account}/token", {"spec": spec})
        return str(answer["status"]["token"])

    def _data(self, source: str, said: Mapping[str, Any], reason: str) -> dict[str, bytes]:
        kind = SOURCES[source]
        found = None
        try:
            found = self._api.get(f"{self._place}/{kind}/{said['name']}")
        except ApiError as error:
            raise NotYet(reason, str(error)) from None
        if found is None:
            if said.get("optional"):
                return {}
            raise NotYet(reason, f'{kind[:-1]} "{said["name"]}" not found')
        plain = {} if kind == "secrets" else {name: text.encode() for name, text in found.get("data", {}).items()}
        coded = found.get("data" if kind == "secrets" else "binaryData", {})
        return plain | {name: base64.b64decode(text) for name, text in coded.items()}

    def _value(self, source: Mapping[str, Any], container: Mapping[str, Any]) -> str | None:
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        if "resourceFieldRef" in source:
            kind, what = source["resourceFieldRef"]["resource"].split(".")
            return str(int(quantity(container.get("resources", {}).get(kind, {}).get(what, "0"))))
        key = next(iter(SOURCES.keys() & source.keys()))
        said = source[key]
        data = self._data(key, said, _CONFIG)
        if said["key"] in data:
            return data[said["key"]].decode()
        if said.get("optional"):
            return None
        place = f"{self._meta['namespace']}/{said['name']}"
        raise NotYet(_CONFIG, f"couldn't find key {said['key']} in {SOURCES[key][:-1]} {place}")

    def _field(self, path: str) -> str:
        found = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
        return str(self._meta.get(found[1], {}).get(found[2], "")) if found else str(self._fields[path])


def _items(data: Mapping[str, bytes], source: Mapping[str, Any]) -> dict[str, bytes]:
    if not source.get("items"):
        return dict(data)
    return {item["path"]: data[item["key"]] for item in source["items"]}
