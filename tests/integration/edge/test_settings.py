# SPDX-License-Identifier: Apache-2.0
"""What the manifests say is what the programs take: flags, files, ports, seconds, Secrets."""

from __future__ import annotations

import argparse
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.metadata.dead_letter import HEADER_BYTES
from airflow_dataops.core.metadata.jobs import KafkaLog, MongoStore
from airflow_dataops.core.metadata.limits import EVENT_BYTES
from tests.services.edge_tools import EDGE, built

Document = dict[str, Any]
OVERLAYS = ("base", "overlays/k3s", "overlays/eks")
COMMANDS = {"metadata-api": "serve", "metadata-worker": "run-worker"}
TOPICS = json.loads((EDGE / "base/topics.json").read_text(encoding="utf-8"))
PAGE = EDGE.parents[1] / "docs/how-to/edge.md"

pytestmark = pytest.mark.parametrize("overlay", OVERLAYS)


def one(overlay: str, kind: str, name: str) -> Document:
    [found] = [each for each in built(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def workloads(overlay: str) -> list[Document]:
    return [each for each in built(overlay) if each["kind"] in ("Deployment", "Job")]


def container(workload: Document) -> Document:
    [found] = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def environment(overlay: str, workload: Document) -> dict[str, str]:
    names = [each["configMapRef"]["name"] for each in container(workload)["envFrom"] if "configMapRef" in each]
    return {key: value for name in names for key, value in one(overlay, "ConfigMap", name)["data"].items()}


def files(overlay: str, workload: Document) -> dict[str, str | None]:
    """Return path -> Secret of each file that a workload can read; None for those of a ConfigMap."""
    pod = workload["spec"]["template"]["spec"]
    places = {mount["name"]: mount["mountPath"] for mount in container(workload)["volumeMounts"]}
    found: dict[str, str | None] = {}
    for volume in pod["volumes"]:
        if "secret" in volume:
            secret = volume["secret"]["secretName"]
            found |= {f"{places[volume['name']]}/{key}": secret for key in KEYS[secret]}
        elif "configMap" in volume:
            keys = one(overlay, "ConfigMap", volume["configMap"]["name"])["data"]
            found |= {f"{places[volume['name']]}/{key}": None for key in keys}
    return found


_EXTERNAL = (EDGE / "components/external-secrets/secrets.yaml").read_text(encoding="utf-8")
KEYS = {
    name: set(re.findall(rf"secretKey: (\S+), remoteRef: {{key: edge/{name},", _EXTERNAL))
    for name in re.findall(r"metadata: \{name: (\S+)\}", _EXTERNAL)
}


def arguments(overlay: str, name: str) -> argparse.Namespace:
    """Return what the program understands of a Deployment's arguments."""
    workload = one(overlay, "Deployment", name)
    known = environment(overlay, workload)
    command, *words = [
        re.sub(r"\$\((\w+)\)", lambda found: known[found[1]], word) for word in container(workload)["args"]
    ]
    assert command == COMMANDS[name]
    module = import_module(f"dag_factories.cli.{command.replace('-', '_')}")
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    module.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_program_takes_its_arguments_and_each_file_is_there(overlay: str, name: str) -> None:
    found = arguments(overlay, name)
    there = files(overlay, one(overlay, "Deployment", name))
    asked = {str(value) for value in vars(found).values() if str(value).startswith("/")}
    assert asked
    assert asked - set(there) == set()


def test_the_worker_reads_what_the_api_writes_and_a_pipeline_looks_at(overlay: str) -> None:
    api, worker = (arguments(overlay, name) for name in COMMANDS)
    defaults, store = KafkaLog(), MongoStore.model_fields
    assert api.topic == worker.topic == defaults.topic
    assert (worker.group, worker.dead_topic) == (defaults.group, defaults.dead_topic)
    assert (worker.database, worker.collection) == (store["database"].default, store["collection"].default)
    assert {worker.topic, worker.dead_topic} == set(TOPICS)


def test_ports_and_probes_are_those_that_are_listened_on(overlay: str) -> None:
    found = {name: arguments(overlay, name) for name in COMMANDS}
    ports = {"metadata-api": {"https": found["metadata-api"].port}, "metadata-worker": {}}
    for name in COMMANDS:
        workload = one(overlay, "Deployment", name)
        told = {each["name"]: each["containerPort"] for each in container(workload)["ports"]}
        assert told == {**ports[name], "probes": found[name].listen[1]}
        assert workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(told["probes"])
        probes = {kind: container(workload)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")}
        assert {probe["port"] for probe in probes.values()} == {"probes"}
        assert [probes[kind]["path"] for kind in probes] == ["/healthz", "/readyz", "/healthz"]
    [service] = one(overlay, "Service", "metadata-api")["spec"]["ports"]
    assert service["targetPort"] == "https"


def test_a_stop_has_the_time_that_it_takes(overlay: str) -> None:
    pytest.importorskip("fastapi", reason="needs fastapi: pip install 'airflow-dataops[metadata]'")
    from airflow_dataops.services.metadata_api.settings import Limits

    workload, limits = one(overlay, "Deployment", "metadata-api"), Limits()
    pause = container(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = limits.publish_seconds + limits.read_seconds + 10
    assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= pause + grace + 10


def test_the_api_has_no_way_to_the_database_and_nobody_has_anothers_secret(overlay: str) -> None:
    used = {
        each["metadata"]["name"]: {secret for secret in files(overlay, each).values() if secret}
        for each in workloads(overlay)
    }
    assert used == {
        "metadata-api": {"metadata-api-kafka", "metadata-api-tls", "metadata-api-tokens"},
        "metadata-worker": {"metadata-worker-kafka", "metadata-worker-mongo"},
        "metadata-topics": {"metadata-topics-kafka"},
    }
    assert set.union(*used.values()) == set(KEYS)
    envs = {each["metadata"]["name"]: container(each)["envFrom"] for each in workloads(overlay)}
    assert {name for name, found in envs.items() if any("secretRef" in one for one in found)} == {"metadata-worker"}
    reaches = one(overlay, "NetworkPolicy", "to-store")["spec"]["podSelector"]
    assert reaches == {"matchLabels": {"app.kubernetes.io/name": "metadata-worker"}}


def test_nobody_stays_nobody_where_addresses_are_told(overlay: str) -> None:
    text = json.dumps([each for each in built(overlay) if each["kind"] == "NetworkPolicy"])
    assert ("192.0.2.0/24" in text) is (overlay == "base")
    nobody = one(overlay, "NetworkPolicy", "nobody")["spec"]
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_kafkas_ports_are_those_of_its_addresses(overlay: str) -> None:
    [rule] = one(overlay, "NetworkPolicy", "to-kafka")["spec"]["egress"]
    bootstrap = environment(overlay, one(overlay, "Deployment", "metadata-api"))["DATAOPS_KAFKA_BOOTSTRAP"]
    assert {str(each["port"]) for each in rule["ports"]} == {place.rpartition(":")[2] for place in bootstrap.split(",")}


def test_no_more_workers_than_partitions_and_letters_fit(overlay: str) -> None:
    events, dead = TOPICS["gpu-metadata"], TOPICS["gpu-metadata.dead"]
    scalers = [each for each in built(overlay) if each["kind"] == "HorizontalPodAutoscaler"]
    assert [each["spec"]["maxReplicas"] for each in scalers] == [events["partitions"]] * (overlay == "overlays/eks")
    largest = int(events["config"]["max.message.bytes"])
    assert largest >= EVENT_BYTES
    assert int(dead["config"]["max.message.bytes"]) >= 2 * largest + HEADER_BYTES
    assert {one["config"]["cleanup.policy"] for one in TOPICS.values()} == {"delete"}


def test_each_secret_is_made_by_a_line_of_the_page_and_holds_nothing_here(overlay: str) -> None:
    assert [each for each in built(overlay) if each["kind"] == "Secret"] == []
    told = PAGE.read_text(encoding="utf-8")
    for name, keys in KEYS.items():
        line = next(line for line in told.splitlines() if "create secret" in line and f" {name} " in line)
        made = set(re.findall(r"--from-(?:file|literal)=(\S+?)=", line))
        assert made == keys, line


def test_the_scripts_of_a_config_map_are_those_of_the_folder(overlay: str) -> None:
    found = one(overlay, "ConfigMap", "topics")["data"]
    assert {name: (EDGE / "base" / name).read_text(encoding="utf-8") for name in found} == found
    assert set(container(one(overlay, "Job", "metadata-topics"))["command"][1:]) <= set(
        files(overlay, one(overlay, "Job", "metadata-topics"))
    )
    assert Path(container(one(overlay, "Job", "metadata-topics"))["command"][1]).name in found
