# SPDX-License-Identifier: Apache-2.0
"""What the initialization action does to Knox, the Component Gateway's proxy; a real one takes it in ``tests/integration/test_dask_dashboard.py``."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.resources.dataproc.machine import Machine

TOPOLOGY = "<topology>\n  <service><role>YARNUI</role><url>http://localhost:8088</url></service>\n  </topology>\n"
SITE = "<configuration>\n<property><name>gateway.port</name><value>8443</value></property></configuration>"


@pytest.fixture
def master(tmp_path: Path) -> Machine:
    """A master with a Component Gateway."""
    machine = Machine(tmp_path)
    machine.metadata(**{"dataproc-role": "Master"})
    for name, text in {"topologies/default.xml": TOPOLOGY, "gateway-site.xml": SITE}.items():
        (conf(machine) / name).parent.mkdir(parents=True, exist_ok=True)
        (conf(machine) / name).write_text(text)
    (knox(machine) / "data/services").mkdir(parents=True)
    (knox(machine) / "data/deployments/default.topo.1").mkdir(parents=True)
    (knox(machine) / "data/deployments/other.topo.1").mkdir()
    return machine


def conf(machine: Machine) -> Path:
    return machine.root / "etc/knox/conf"


def knox(machine: Machine) -> Path:
    return machine.root / "usr/lib/knox"


def roles(machine: Machine) -> dict[str, str]:
    found = ET.parse(conf(machine) / "topologies/default.xml").getroot()
    return {str(one.findtext("role")): str(one.findtext("url")) for one in found.findall("service")}


def settings(machine: Machine) -> dict[str, str]:
    found = ET.parse(conf(machine) / "gateway-site.xml").getroot()
    return {str(one.findtext("name")): str(one.findtext("value")) for one in found.findall("property")}


def test_the_topology_gets_two_services_beside_those_that_it_has(master: Machine) -> None:
    assert "the dashboard is at /gateway/default/dask/status" in master.good()
    wanted = {"DASK": "http://cluster-m:8787", "DASKWS": "ws://cluster-m:8787"}
    assert roles(master) == {"YARNUI": "http://localhost:8088", **wanted}


def test_every_role_has_a_definition_whose_rules_are_there(master: Machine) -> None:
    master.good()
    for name in ("dask", "daskws"):
        folder = knox(master) / f"data/services/{name}/0.1.0"
        service = ET.parse(folder / "service.xml").getroot()
        rules = ET.parse(folder / "rewrite.xml").getroot()
        assert (service.get("role"), service.get("name"), service.get("version")) == (name.upper(), name, "0.1.0")
        known = {one.get("name") for one in rules}
        asked = {one.get("apply") for one in service.iter("rewrite")} | {one.get("rule") for one in rules.iter("apply")}
        assert asked - {None} == known


def test_web_sockets_are_on_and_large_enough_unless_the_image_says_otherwise(master: Machine) -> None:
    own = "<property><name>gateway.websocket.max.text.buffer.size</name><value>7</value></property>"
    path = conf(master) / "gateway-site.xml"
    path.write_text(path.read_text().replace("<configuration>", f"<configuration>{own}"))
    master.good()
    assert settings(master) == {
        "gateway.websocket.max.text.buffer.size": "7",
        "gateway.port": "8443",
        "gateway.websocket.feature.enabled": "true",
        "gateway.websocket.max.binary.buffer.size": "8388608",
    }


def test_knox_is_away_while_its_topology_changes_and_deploys_it_anew(master: Machine) -> None:
    master.good()
    assert master.calls("knox") == ["systemctl stop knox", "systemctl start knox"]
    assert [path.name for path in (knox(master) / "data/deployments").iterdir()] == ["other.topo.1"]


def test_a_second_run_changes_nothing_and_leaves_knox_running(master: Machine) -> None:
    master.good()
    before = {path: path.read_bytes() for path in master.root.glob("[eu][ts]*/**/*.xml")}
    assert len(before) == 6
    assert "the dashboard has its route already" in master.good()
    assert {path: path.read_bytes() for path in before} == before
    assert len(master.calls("knox")) == 2


def test_another_master_takes_the_place_of_the_first(master: Machine) -> None:
    master.good()
    master.metadata(**{"dataproc-master": "other-m"})
    master.good()
    assert roles(master)["DASK"] == "http://other-m:8787"
    assert len(roles(master)) == 3


def test_with_yarn_the_drivers_dashboard_has_the_route(master: Machine) -> None:
    master.metadata(**{"dataops-dask-runtime": "yarn"})
    master.good()
    assert roles(master)["DASK"] == "http://cluster-m:8787"


@pytest.mark.parametrize("gone", ["usr/lib/knox/data/services", "etc/knox/conf/topologies/default.xml"])
def test_without_a_gateway_nothing_is_written(master: Machine, gone: str) -> None:
    path = master.root / gone
    path.rename(path.with_name("elsewhere"))
    assert "no Component Gateway here" in master.good()
    assert master.calls("knox") == []


def test_a_worker_has_no_dashboard(master: Machine) -> None:
    master.metadata(**{"dataproc-role": "Worker"})
    master.good()
    assert master.calls("knox") == []
    assert set(roles(master)) == {"YARNUI"}


def test_a_knox_that_does_not_stop_keeps_its_topology_and_the_cluster_is_ready(master: Machine) -> None:
    master.metadata(**{"dataops-dask-runtime": "yarn"})  # no services of our own
    master.out_of_order("systemctl")
    said = master.good()
    assert "the dashboard has no route through the Component Gateway: journalctl -u knox" in said
    assert "ready: Master, yarn" in said
    assert set(roles(master)) == {"YARNUI"}
