# SPDX-License-Identifier: Apache-2.0
"""The route that the initialization action writes for Dask's dashboard, in a real Knox: pages, redirects, files and the web socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urljoin

import pytest

from tests.integration.airflow_kill.stack import wait_for
from tests.services import knox_server
from tests.services.knox_server import Knox
from tests.services.ports import free_port
from tests.unit.resources.dataproc.machine import Machine

pytest.importorskip("bokeh", reason="needs bokeh: pip install bokeh")
pytest.importorskip("distributed", reason="needs distributed: pip install 'airflow-dataops[dask]'")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(knox_server.missing() is not None, reason=str(knox_server.missing())),
]
BASE = "/gateway/default/dask"


@dataclass
class Ends:
    """Ports of the dashboard and of the gateway before it."""

    dashboard: int
    gateway: int

    def get(self, port: int, path: str) -> tuple[int, str | None, bytes]:
        """Return status, ``Location`` and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Location"), answer.read()


def answers(ends: Ends) -> bool:
    try:
        return ends.get(ends.dashboard, "/health")[0] == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    """A scheduler with its dashboard, and a Knox with what the script wrote."""
    machine, port = Machine(tmp_path_factory.mktemp("machine")), free_port()
    knox = Knox(machine.root)
    machine.metadata(**{"dataproc-role": "Master", "dataproc-master": "127.0.0.1"})
    assert "the dashboard is at /gateway/default/dask/status" in machine.good()
    topology = machine.root / "etc/knox/conf/topologies/default.xml"
    topology.write_text(topology.read_text().replace("127.0.0.1:8787", f"127.0.0.1:{port}"))
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-show",
    ]
    scheduler = subprocess.Popen(
        [*command, "--dashboard-address", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL, cwd=machine.stubs
    )
    try:
        knox.start()
        made = Ends(port, knox.port)
        wait_for("the dashboard", lambda: answers(made), 120)
        yield made
    finally:
        knox.stop()
        scheduler.kill()
        scheduler.wait()


@pytest.mark.parametrize(
    "path", ["/statics/css/base.css", "/static/js/bokeh.min.js?v=1", "/individual-plots.json", "/health"]
)
def test_files_come_as_they_are(ends: Ends, path: str) -> None:
    direct = ends.get(ends.dashboard, path)
    through = ends.get(ends.gateway, BASE + path)
    assert through[0] == 200
    assert through == direct


@pytest.mark.parametrize(("path", "wanted"), [("", "/status"), ("/", "/status"), ("/info", "/info/main/workers.html")])
def test_redirects_stay_behind_the_gateway(ends: Ends, path: str, wanted: str) -> None:
    status, location, _ = ends.get(ends.gateway, BASE + path)
    assert status in (301, 302)
    assert location == BASE + wanted


@pytest.mark.parametrize("page", ["/status", "/workers", "/graph"])
def test_what_a_page_needs_is_found_behind_the_gateway(ends: Ends, page: str) -> None:
    status, _, body = ends.get(ends.gateway, BASE + page)
    assert status == 200
    needed = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', body.decode())
    own = {urljoin(BASE + page, address) for address in needed if not address.startswith("https://")}
    assert own
    assert all(address.startswith(f"{BASE}/") for address in own), own
    assert {ends.get(ends.gateway, address)[0] for address in own} == {200}


@pytest.mark.parametrize("page", ["workers", "logs"])
def test_tables_come_without_a_web_socket(ends: Ends, page: str) -> None:
    status, _, body = ends.get(ends.gateway, f"{BASE}/info/main/{page}.html")
    assert status == 200
    assert b"/ws" not in body


def test_the_plots_come_over_the_web_socket(ends: Ends) -> None:
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    page = ends.get(ends.gateway, f"{BASE}/status")[2]
    found = re.search(r'"token":"([^"]+)"', page.decode())
    assert found is not None
    address = f"ws://127.0.0.1:{ends.gateway}{BASE}/status/ws"
    origin = {"Origin": "https://abc-dot-europe-west1.dataproc.googleusercontent.com"}

    async def pull() -> str:
        request = HTTPRequest(address, headers=origin)
        socket = await websocket_connect(request, subprotocols=["bokeh", found[1]])
        for part in (json.dumps({"msgid": "1", "msgtype": "PULL-DOC-REQ"}), "{}", "{}"):
            await socket.write_message(part)
        while True:
            said = await socket.read_message()
            assert said is not None, "the web socket was closed"
            if "Dask: Status" in str(said):
                return str(said)

    assert '"roots"' in asyncio.run(asyncio.wait_for(pull(), 60))
