# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import ValidationError

from airflow_dataops.core.alert import AlertMessage, lines_of, title_of


def test_an_alert_as_text_leaves_out_what_it_does_not_know() -> None:
    assert AlertMessage(severity="info", pipeline="p", title="T", reasons=["a"]).as_text() == "T\na"


def test_an_alert_as_text_has_run_and_links() -> None:
    alert = AlertMessage(severity="critical", pipeline="p", title="T", run_key="k", page="https://p", log="https://l")
    assert alert.as_text().splitlines() == ["T", "run: k", "result page: https://p", "log: https://l"]


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(ValidationError, match="critical"):
        AlertMessage.model_validate({"severity": "urgent", "pipeline": "p", "title": "T"})


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("critical", "p", "t", None), "[critical] p.t failed"),
        (("warning", "p", "t", "quarantined"), "[warning] p.t quarantined"),
        (("info", "p", None, None), "[info] p says"),
    ],
)
def test_titles(arguments: tuple[str, str, str | None, str | None], title: str) -> None:
    assert title_of(*arguments) == title


def test_a_long_failure_is_cut_to_what_a_channel_takes() -> None:
    lines = lines_of("x" * 5000 + "\n\n" + "y\n" * 100)
    assert (len(lines), len(lines[0]), lines[-1]) == (26, 300, "…")
