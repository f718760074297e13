# SPDX-License-Identifier: Apache-2.0
"""The result page in a real browser: nothing is requested, nothing is reported, nothing overflows."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.refine.history import Point
from airflow_dataops.core.refine.spec import ReportSpec
from airflow_dataops.core.refine.summary import summarise
from airflow_dataops.report.page import render

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(BROWSER is None, reason="needs a headless Chromium: apt-get install chromium"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--remote-debugging-pipe",
]  # fmt: skip
START = datetime(2013, 1, 1, tzinfo=UTC)
RUN = {
    "pipeline": "p",
    "key": "2013-02-01",
    "interval_start": "2013-02-01T00:00:00Z",
    "interval_end": "2013-02-02T00:00:00Z",
}


class Browser:
    """A headless Chromium with one page, spoken to over its pipe."""

    def __init__(self, profile: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(1)
        self._rest = b""
        (hear, self._out), (self._in, say) = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 100) for end in (hear, say)]
        self.pid = os.posix_spawn(
            str(BROWSER),
            [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            os.environ,
            # Chromium listens on descriptor 3 and answers on 4.
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, ends[0], 3),
                (os.POSIX_SPAWN_DUP2, ends[1], 4),
            ],
        )
        for end in (hear, say, *ends):
            os.close(end)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        ident = next(self._ids)
        message = {"id": ident, "method": method, "params": params} | (
            {"sessionId": self._session} if self._session else {}
        )
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != ident:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def open(self, path: Path, *, width: int, media: str = "", dark: bool = False) -> None:
        self.events.clear()
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        os.close(self._out)
        os.close(self._in)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "the browser is gone"
            self._rest += chunk
        head, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(head))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with long names, wide examples, many exits and a history."""
    long = "a_very_long_column_name_" * 6
    rule = {
        "id": f"not_null({long})", "type": "not_null", "columns": [long], "evaluated": 1000, "unexpected": 250, "share": 0.75,
        "passed": False, "message": long * 3, "examples": [{f"c{n}": long for n in range(30)} | {long: None}] * 3,
    }  # fmt: skip
    profile = [{"name": long, "type": "struct<a: int64, b: string>" * 4, "rows": 1000, "nulls": 250}]
    steps: dict[str, dict[str, Any]] = {
        "gate": {
            "job": "dq_gate",
            "verdict": "quarantined",
            "reasons": [long * 2],
            "rules": [rule] * 5,
            "columns": profile,
        },
        "refine": {"job": "refine", "rows": {"dropped": {f"{long}{n}": n + 1 for n in range(12)}, "deduplicated": 9}},
        "publish": {"job": "publish", "table": "/lake/" + long * 2, "rows": {"written": 663}},
    }
    steps["gate"]["rows"] = {"read": 1000, "quarantined": 250}
    steps["refine"]["rows"] |= {"read": 750, "written": 663}
    found = {
        task: {"task": task, "run": RUN, "seconds": {long: 1.0, "total": 2.0}, **step} for task, step in steps.items()
    }
    spec = ReportSpec.model_validate(
        {"task": "report", "lake": "/lake", "run": RUN, "title": long, "steps": list(found)}
    )
    history = [
        Point(
            key=str(n),
            moment=START + timedelta(days=n),
            verdict="passed",
            read=9,
            written=9,
            quarantined_share=0,
            seconds=1,
        )
        for n in range(30)
    ]
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(summarise(spec, found), history))
    return path


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_nothing_is_requested_and_nothing_is_reported(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    browser.value("1")
    wanted = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert [url for url in wanted if url != page.as_uri() and not url.startswith("data:")] == []
    reported = [
        e
        for e in browser.events
        if e.get("method") in ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    ]
    assert reported == []


def test_the_browser_repairs_nothing(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    assert browser.value("document.compatMode") == "CSS1Compat"
    assert browser.value("document.querySelectorAll('main > section').length") == 8
    assert browser.value("document.querySelectorAll('svg').length") == 2 + 3 + 4


def test_dark_is_dark_and_paper_is_light(browser: Browser, page: Path) -> None:
    ground = "getComputedStyle(document.documentElement).getPropertyValue('--bg').trim()"
    browser.open(page, width=1280, dark=True)
    dark = browser.value(ground)
    browser.open(page, width=1280, media="print", dark=True)
    assert (dark, browser.value(ground)) == ("#0f1115", "#f6f6f4")


def test_on_paper_everything_is_unfolded(browser: Browser, page: Path) -> None:
    heights = """[...document.querySelectorAll('details:not([open])')].map(
        d => d.getBoundingClientRect().height - d.querySelector('summary').getBoundingClientRect().height)"""
    browser.open(page, width=1280)
    assert max(browser.value(heights)) < 5
    browser.open(page, width=1280, media="print")
    found = browser.value(heights)
    assert found
    assert min(found) > 20


def test_the_keyboard_reaches_the_skip_link_first(browser: Browser, page: Path) -> None:
    browser.open(page, width=1280)
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.value("document.activeElement.className") == "skip"
    assert browser.value("document.activeElement.getBoundingClientRect().top") >= 0
