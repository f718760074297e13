# SPDX-License-Identifier: Apache-2.0
"""Every query of infra/edge asks for a metric that API or worker export, by labels that it has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from tests.services.edge_tools import EDGE

pytest.importorskip("prometheus_client", reason="needs prometheus-client: pip install 'airflow-dataops[metadata]'")
pytest.importorskip("yaml")

import yaml
from prometheus_client.parser import text_string_to_metric_families

from airflow_dataops.services.metadata_api.metrics import Metrics
from airflow_dataops.services.metadata_worker_metrics import WorkerWatch

OF_THE_SCRAPE = {"job", "pod", "namespace", "instance"}  # prometheus.yaml puts them on
PROMETHEUS_OWN = {"up": OF_THE_SCRAPE, "ALERTS": {"alertname", "alertstate", "severity", "area"}}
METRIC = re.compile(r"\b(up|ALERTS|dataops_\w+)\b(?:\{([^}]*)\})?")
GROUPED = re.compile(r"by \(([^)]*)\)")


def exported() -> dict[str, set[str]]:
    """Return series -> labels, as Prometheus finds them after API and worker have had something to do."""
    api, worker = Metrics(), WorkerWatch()
    api.requests.labels("202").inc()
    worker.lag({("gpu-metadata", 0): 3})
    worker.failed(TransientError("away"), 1.0)
    worker.cycle(stored=1, dead=0, changed=1)
    found: dict[str, set[str]] = {}
    for text in (api.text(), worker.text()):
        for family in text_string_to_metric_families(text.decode()):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((EDGE / "prometheus/rules.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> Any:
    return json.loads((EDGE / "grafana/metadata.json").read_text(encoding="utf-8"))


def queries() -> list[str]:
    found = [rule["expr"] for rule in rules()]
    found += [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    found += [each["expr"] for each in dashboard()["annotations"]["list"]]
    return found


def unknown(query: str, known: dict[str, set[str]]) -> list[str]:
    """Return what a query names that nobody exports."""
    metrics = METRIC.findall(query)
    bad = [name for name, _ in metrics if name not in known]
    labels = {label for name, _ in metrics for label in known.get(name, ())} | OF_THE_SCRAPE
    for name, given in metrics:
        bad += [
            f"{name}{{{one}}}"
            for one in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", given)
            if one not in known.get(name, set()) | OF_THE_SCRAPE
        ]
    grouped = [label.strip() for part in GROUPED.findall(query) for label in part.split(",")]
    return bad + [label for label in grouped if label not in labels]


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_what_is_exported(query: str) -> None:
    assert METRIC.search(query)
    assert unknown(query, {**exported(), **PROMETHEUS_OWN}) == []


def test_a_query_for_something_else_is_found() -> None:
    known = exported()
    assert unknown("rate(dataops_metadata_api_event_total[5m])", known) == ["dataops_metadata_api_event_total"]
    assert unknown('dataops_metadata_worker_lag_records{topic="a"}', known) == [
        "dataops_metadata_worker_lag_records{topic}"
    ]
    assert unknown("sum by (status) (dataops_metadata_api_requests_total)", known) == ["status"]


def test_all_that_is_exported_is_on_the_dashboard() -> None:
    shown = " ".join(target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ()))
    stems = {re.sub(r"_(bucket|sum|count|created)$", "", name).removesuffix("_total") for name in exported()}
    assert {stem for stem in stems if stem not in shown} == set()


def test_the_dashboard_has_its_four_rows_and_no_two_panels_with_one_id() -> None:
    panels = dashboard()["panels"]
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        "API throughput",
        "Lag",
        "Transforms",
        "Database writes",
    ]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {"${datasource}"}


def test_the_scaler_asks_for_what_the_adapter_serves_of_what_the_worker_exports() -> None:
    scaler = yaml.safe_load((EDGE / "components/lag-scaling/scaler.yaml").read_text(encoding="utf-8"))
    [rule] = yaml.safe_load((EDGE / "prometheus/adapter.yaml").read_text(encoding="utf-8"))["rules"]
    [metric] = scaler["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    assert rule["seriesQuery"].startswith(f"{name}{{")
    assert name in exported()


def test_codes_that_rules_ask_for_are_those_that_the_code_has() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (EDGE.parents[1] / "airflow_dataops").rglob("*.py"))
    asked = [
        code
        for rule in rules()
        for found in re.findall(r'errors_total\{code=~"([^"]+)"', rule["expr"])
        for code in found.split("|")
    ]
    assert asked
    known = set(re.findall(r'"([A-Z][A-Z_]+)"', source))
    assert [code for code in asked if not any(re.fullmatch(code, one) for one in known)] == []


def test_jobs_of_the_rules_are_names_of_the_pods_that_are_scraped() -> None:
    config = yaml.safe_load((EDGE / "prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    [scrape] = config["scrape_configs"]
    [job] = [one for one in scrape["relabel_configs"] if one.get("target_label") == "job"]
    assert job["source_labels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    asked = set(re.findall(r'up\{job="([^"]+)"', " ".join(queries())))
    names = {"metadata-api", "metadata-worker"}
    assert asked == names
    for name in names:
        text = Path(EDGE / f"base/{name.removeprefix('metadata-')}.yaml").read_text(encoding="utf-8")
        deployment = next(iter(yaml.safe_load_all(text)))["spec"]["template"]
        assert deployment["metadata"]["labels"]["app.kubernetes.io/name"] == name
        assert deployment["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
        ports = [port["name"] for container in deployment["spec"]["containers"] for port in container["ports"]]
        assert "probes" in ports


def test_severities_are_those_of_the_requirements() -> None:
    found = {rule["alert"]: rule["labels"] for rule in rules()}
    assert {labels["severity"] for labels in found.values()} == {"critical", "warning"}
    assert {labels["area"] for labels in found.values()} == {"metadata"}
    assert [
        name
        for name in ("MetadataApiDown", "MetadataWorkerDown", "MetadataApiErrors")
        if found[name]["severity"] != "critical"
    ] == []
    assert found["MetadataLag"]["severity"] == "warning"
