# SPDX-License-Identifier: Apache-2.0
"""A target with Spark drivers: each fault at its line in dataops.yaml, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dag_factories.check import files
from dag_factories.check.codes import CODES
from dag_factories.findings import Finding

Make = Callable[..., Path]
PROJECT = """\
version: 1
default_target: onprem
targets:
  onprem:
    engine: spark
    runner: spark_k8s
    lake: s3://lake
    spark:
      image: registry.example.com/dataops-spark:3.5.7
      namespace: analytics
"""
STANDALONE = """\
version: 1
default_target: onprem
targets:
  onprem:
    engine: spark
    runner: spark_standalone
    lake: /mnt/lake
    spark:
      master: spark://master:7077
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
columns: {mail: {mask: {kind: sha256, salt: "${conn:salts.password}"}}}
full: true
"""
MORE = """\
      driver: {cores: 500m, memory: 1g, cpu_limit: 1}
      executor: {cores: 2, memory: 4Gi, pyspark_memory: 1g}
      executors: {minimum: 0, maximum: 8, idle: 2m}
      event_log: s3a://logs/events
      conf: {spark.sql.shuffle.partitions: 8}
      secret_env: {SALT: {name: salts, key: of-mails}}
      s3: {endpoint_url: "https://s3.example.com", region: eu, secret: lake-keys}
      pod_template: {spec: {nodeSelector: {pool: spark}}}
      policy: {run_timeout: 2h, keep_failed_for: null}
      mlflow: {conn_id: mlflow, experiment: orders}
"""


def found(path: Path) -> list[Finding]:
    return files.check_files([path], target="onprem").findings


@pytest.mark.parametrize("more", ["", MORE, "      mode: crd\n", "      aws_conn_id: lake\n"])
def test_a_target_with_drivers_is_well(make_project: Make, more: str) -> None:
    assert found(make_project(PIPELINE, PROJECT + more)) == []


def test_a_master_of_its_own_is_well(make_project: Make) -> None:
    more = "      executors: 2\n      executor: {cores: 1, memory: 1g}\n      s3: {endpoint_url: 'http://s3:9000'}\n"
    assert found(make_project(PIPELINE, STANDALONE + more)) == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ("conf: {spark.hadoop.fs.s3a.secret.key: hunter2}", "SECRET_IN_CONF", "secret_env"),
        ("conf: {spark.executor.memory: 4g}", "PROPERTY_HAS_FIELD", "write executor.memory"),
        ("env: {DB_PASSWORD: hunter2}", "SECRET_IN_ENV", "secret_env"),
        ("secret_env: {DB: 'hunter2 hunter2'}", "BAD_REFERENCE", "write {name: SECRET"),
        ("driver: {memory: 512}", "TOO_LITTLE_MEMORY", "write 512m"),
        ("driver: {cores: 2, cpu_limit: 500m}", "LIMIT_BELOW_REQUEST", "write 2"),
        ("driver: {memory: lots}", "BAD_VALUE", ""),
        ("executors: 0", "TOO_FEW_EXECUTORS", "write 1"),
        ("executors: {minimum: 5, maximum: 2}", "BAD_EXECUTOR_BOUNDS", ""),
        ("master: spark://master:7077", "MASTER_UNUSED", "remove"),
        ("pod_template: {metadata: {name: mine}}", "TEMPLATE_OURS", ""),
        ("pod_template: {spec: {securityContext: {runAsUser: 0}}}", "SCC_REFUSES", ""),
        ("conf: {spark.kubernetes.executor.volumes.hostPath.ssd.mount.path: /ssd}", "SCC_REFUSES", "profile: plain"),
        ("conf: {spark.kubernetes.driver.volumes.nfs.x.mount.path: /x}", "PROPERTY_UNUSED", "write pod_template"),
        ("pod_template: {spec: {securityContext: {seccompProfile: {type: Unconfined}}}}", "SCC_REFUSES", ""),
        ("spark_version: '2.4'", "BAD_SPARK_VERSION", ""),
        ("labels: {'a b': c}", "BAD_LABEL_KEY", ""),
        ("policy: {run_timeout: 60d}", "TOO_LONG", "split"),
        ("policy: {attempts: 0}", "BAD_ATTEMPTS", ""),
        ("s3: {endpoint_url: 's3.example.com'}", "S3_SETTINGS", "https://"),
        ("s3: {endpoint_url: 'https://s3', ca_bundle: /ca.pem}", "S3_SETTINGS", "keytool"),
        ("s3: {signature: v2}\n      spark_version: '4.0'", "S3_SIGNATURE", "v4"),
        ("s3: {region: eu}\n      aws_conn_id: lake", "S3_SETTINGS", "leave one"),
        ("mlflow: {conn_id: m, tracking_uri: 'https://m'}", "MLFLOW_SETTINGS", "leave one"),
        ("mlflow: {tracking_uri: 'https://kim:hunter2@m'}", "MLFLOW_SETTINGS", "connection"),
        ("mlflow: {tracking_uri: 'sqlite:///m.db'}", "MLFLOW_SETTINGS", "https://"),
        ("mlflow: {password: hunter2}", "UNKNOWN_KEY", ""),
        ("imagee: x", "UNKNOWN_KEY", "image"),
    ],
)
def test_what_would_be_refused_is_found_at_its_line(make_project: Make, more: str, code: str, words: str) -> None:
    path = make_project(PIPELINE, PROJECT + f"      {more}\n")
    [finding] = [one for one in found(path) if one.severity == "error"]
    assert (finding.code, finding.line) == (code, 11), finding
    assert finding.file.endswith("dataops.yaml")
    assert words in f"{finding.suggestion}"
    assert code in CODES
    assert "hunter2" not in str(finding)


@pytest.mark.parametrize(
    "more",
    [
        "executor: {cores: 2, memory: 4Gi}",
        "executors: 2",
        "executor_template: {spec: {nodeSelector: {pool: spark}}}",
        "event_log: s3a://logs/events",
    ],
)
def test_what_only_spark_has_a_use_for_is_a_warning_with_duckdb(make_project: Make, more: str) -> None:
    text = PROJECT + f"      {more}\n"
    assert found(make_project(PIPELINE, text)) == []
    [finding] = found(make_project(PIPELINE, text.replace("engine: spark", "engine: duckdb")))
    assert (finding.code, finding.severity, finding.line) == ("SPARK_FIELD_UNUSED", "warning", 11)
    assert f"{more.partition(':')[0]} has no effect" in finding.message
    assert "engine: spark" in f"{finding.suggestion}"


@pytest.mark.parametrize(
    ("more", "partner"),
    [
        ("application_api: spark.apache.org/v1", "mode: crd"),
        ("history_server: https://history.example.com", "event_log: s3a://logs/events"),
    ],
)
def test_what_counts_beside_something_else_is_a_warning_without_it(make_project: Make, more: str, partner: str) -> None:
    [finding] = found(make_project(PIPELINE, PROJECT + f"      {more}\n"))
    assert (finding.code, finding.severity, finding.line) == ("SPARK_FIELD_UNUSED", "warning", 11)
    assert partner.partition(":")[0] in f"{finding.suggestion}"
    assert found(make_project(PIPELINE, PROJECT + f"      {more}\n      {partner}\n")) == []


def test_a_fault_of_what_is_not_written_is_told_at_the_section(make_project: Make) -> None:
    path = make_project(PIPELINE, PROJECT.replace("      image: registry.example.com/dataops-spark:3.5.7\n", ""))
    [finding] = found(path)
    assert (finding.code, finding.line, finding.message) == ("IMAGE_MISSING", 8, "image: pods need an image")


def test_a_property_with_dots_is_found_at_its_own_line(make_project: Make) -> None:
    more = "      conf:\n        spark.sql.shuffle.partitions: 8\n        spark.app.name: mine\n"
    [finding] = found(make_project(PIPELINE, PROJECT + more))
    assert (finding.code, finding.line) == ("PROPERTY_HAS_FIELD", 13)


@pytest.mark.parametrize(
    "key", ["image: x", "namespace: y", "service: true", "pod_template: {spec: {}}", "deferrable: true"]
)
def test_what_has_no_effect_without_pods_is_told(make_project: Make, key: str) -> None:
    [finding] = found(make_project(PIPELINE, STANDALONE + f"      {key}\n"))
    assert (finding.code, finding.line) == ("SPARK_FIELD_UNUSED", 10)


@pytest.mark.parametrize(
    "key", ["driver: {memory: 1g, cpu_limit: 2}", "executor: {cores: 1, memory_overhead: 1g}", "policy: {attempts: 2}"]
)
def test_nor_has_a_part_of_a_section_that_is_about_pods(make_project: Make, key: str) -> None:
    [finding] = found(make_project(PIPELINE, STANDALONE + f"      {key}\n"))
    assert (finding.code, finding.line) == ("SPARK_FIELD_UNUSED", 10)
    assert finding.message.startswith(f"{key.partition(':')[0]}.{'attempts' if 'policy' in key else ''}")


def test_what_has_an_effect_there_is_well(make_project: Make) -> None:
    more = "      driver: {memory: 1g}\n      executor: {cores: 1, memory: 1g, pyspark_memory: 1g}\n      policy: {run_timeout: 1h}\n"
    more += "      event_log: s3a://logs/events\n      history_server: https://history.example.com\n"
    assert found(make_project(PIPELINE, STANDALONE + more)) == []


def test_a_secret_of_kubernetes_without_kubernetes_is_told(make_project: Make) -> None:
    path = make_project(PIPELINE, STANDALONE + "      secret_env: {SALT: {name: salts, key: mails}}\n")
    assert [(one.code, one.line) for one in found(path)] == [("SECRET_NOT_HERE", 10)]


def test_a_secret_with_keys_of_s3_is_told_once_and_at_its_line(make_project: Make) -> None:
    [finding] = found(make_project(PIPELINE, STANDALONE + "      s3: {region: eu, secret: lake-keys}\n"))
    assert (finding.code, finding.line) == ("SECRET_NOT_HERE", 10)
    assert "aws_conn_id" in f"{finding.suggestion}"


def test_no_master_is_told(make_project: Make) -> None:
    path = make_project(PIPELINE, STANDALONE.replace("master: spark://master:7077", "executors: 1"))
    assert [(one.code, one.line) for one in found(path)] == [("MASTER_MISSING", 8)]


def test_a_target_that_does_not_say_how_is_told_with_what_to_write(make_project: Make) -> None:
    [finding] = found(make_project(PIPELINE, PROJECT[: PROJECT.index("    spark:")]))
    assert (finding.code, finding.suggestion) == (
        "SPARK_TARGET_MISSING",
        "add to the target: spark: {image: …, namespace: …}",
    )


def test_drivers_that_nobody_makes_are_told(make_project: Make) -> None:
    path = make_project(
        PIPELINE, PROJECT.replace("engine: spark\n    runner: spark_k8s", "engine: duckdb\n    runner: local")
    )
    assert [(one.code, one.line) for one in found(path)] == [("SPARK_NOT_USED", 8)]


def test_a_lake_that_no_pod_mounts_is_told(make_project: Make) -> None:
    path = make_project(PIPELINE, PROJECT.replace("s3://lake", "/mnt/lake"))
    assert [(one.code, one.severity) for one in found(path)] == [("LAKE_NOT_SHARED", "warning")]
    volume = "      pod_template: {spec: {volumes: [{name: lake, persistentVolumeClaim: {claimName: lake}}]}}\n"
    assert found(make_project(PIPELINE, PROJECT.replace("s3://lake", "/mnt/lake") + volume)) == []


@pytest.mark.parametrize(
    ("project", "lines"),
    [(PROJECT + "    aws_conn_id: lake\n", [11]), (STANDALONE + "    aws_conn_id: lake\n", [10])],
)
def test_a_connection_beside_the_section_that_takes_it_is_told(
    make_project: Make, project: str, lines: list[int]
) -> None:
    told = [one for one in found(make_project(PIPELINE, project)) if one.code == "S3_CONNECTION_UNUSED"]
    assert [(one.line, one.severity, one.suggestion) for one in told] == [
        (line, "error", "write it as spark: {aws_conn_id: …}") for line in lines
    ]


@pytest.mark.parametrize("where", ["true", "{}", "{tracking_uri: '${env:MLFLOW}'}", "{experiment: e, run_name: r}"])
def test_mlflow_may_be_the_workers_own(make_project: Make, where: str) -> None:
    for project in (PROJECT, STANDALONE):
        assert found(make_project(PIPELINE, project + f"      mlflow: {where}\n")) == []


def test_a_kind_that_has_no_drivers_is_told(make_project: Make) -> None:
    text = "version: 1\nkind: composer_dask\nname: orders\njobs: [{name: a, function: 'a:b'}]\n"
    assert "ENGINE_NOT_AVAILABLE" in {one.code for one in found(make_project(text, PROJECT))}
