# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.model import Model
from airflow_dataops.core.spark_k8s.conf import DEFAULTS, application_conf, direct_conf, literal
from airflow_dataops.core.spark_k8s.names import driver_name, secret_name
from airflow_dataops.core.spark_k8s.reserved import FIELDS, OURS, PREFIXES, field_for
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, ExecutorSize, SparkApp
from tests.unit.core.spark_k8s.samples import IDENTITY, parts

DRIVER = driver_name(IDENTITY, 1)


def direct(path: str | None = None, value: Any = None) -> dict[str, str]:
    return direct_conf(parts(path, value), IDENTITY, 1)


def expanded(text: str) -> str:
    """Expand as Kubernetes does, where no variable is known."""
    done, at = "", 0
    while at < len(text):
        if text[at : at + 2] == "$$":
            done, at = f"{done}$", at + 2
        elif text[at : at + 2] == "$(" and ")" in text[at:]:
            raise AssertionError(f"a reference in {text!r}")
        else:
            done, at = done + text[at], at + 1
    return done


@given(st.text(st.sampled_from("$()aA ") | st.characters()))
def test_kubernetes_gives_a_program_what_was_written(text: str) -> None:
    assert expanded(literal(text)) == text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.sql.adaptive.enabled", "true"),
        ("spark.decommission.enabled", "true"),
        ("spark.storage.decommission.enabled", "true"),
        ("spark.eventLog.enabled", "true"),
        ("spark.eventLog.dir", "s3a://logs/spark-events"),
        ("spark.dynamicAllocation.enabled", "true"),
        ("spark.dynamicAllocation.shuffleTracking.enabled", "true"),
        ("spark.dynamicAllocation.minExecutors", "0"),
        ("spark.dynamicAllocation.initialExecutors", "0"),
        ("spark.dynamicAllocation.maxExecutors", "4"),
        ("spark.kubernetes.driver.pod.name", DRIVER),
        ("spark.app.id", DRIVER),
        ("spark.executor.cores", "2"),
        ("spark.kubernetes.executor.request.cores", "2"),
        ("spark.kubernetes.executor.limit.cores", "2"),
        ("spark.executor.memory", "2048m"),
        ("spark.executor.memoryOverheadFactor", "0.4"),
        ("spark.driver.memory", "1024m"),
        ("spark.sql.shuffle.partitions", "64"),
        ("spark.kubernetes.executor.secretKeyRef.AWS_ACCESS_KEY_ID", "s3:id"),
        (
            "spark.kubernetes.executor.secretKeyRef.AWS_SECRET_ACCESS_KEY",
            f"{secret_name(DRIVER)}:AWS_SECRET_ACCESS_KEY",
        ),
        ("spark.kubernetes.executor.label.team", "data"),
        ("spark.kubernetes.executor.label.dataops-attempt", "1"),
        ("spark.kubernetes.executor.podTemplateFile", "/opt/spark/conf/executor-pod-template.yaml"),
        ("spark.master", "k8s://https://kubernetes.default.svc"),
        ("spark.kubernetes.driver.master", "https://kubernetes.default.svc"),
        ("spark.kubernetes.namespace", "analytics"),
    ],
)
def test_a_driver_is_told(key: str, value: str) -> None:
    assert direct()[key] == value


def test_fractions_of_a_core_run_one_task() -> None:
    conf = direct("app.executor", {"cores": "500m"})
    assert (conf["spark.executor.cores"], conf["spark.kubernetes.executor.request.cores"]) == ("1", "500m")
    assert "spark.kubernetes.executor.limit.cores" not in conf


def test_a_fixed_number_of_executors_is_not_dynamic() -> None:
    conf = direct("app.executors", 3)
    assert conf["spark.executor.instances"] == "3"
    assert [key for key in conf if key.startswith("spark.dynamicAllocation")] == []


def test_an_overhead_that_is_given_takes_the_place_of_the_share() -> None:
    conf = direct("app.executor", {"memory_overhead": "1Gi", "pyspark_memory": "2g"})
    assert conf["spark.executor.memoryOverhead"] == "1024m"
    assert conf["spark.executor.pyspark.memory"] == "2048m"
    assert "spark.executor.memoryOverheadFactor" not in conf


def test_defaults_may_be_changed() -> None:
    assert direct("app.conf/spark.sql.adaptive.enabled", False)["spark.sql.adaptive.enabled"] == "false"


@pytest.mark.parametrize("key", sorted(OURS - {"spark.driver.bindAddress", "spark.driver.host"}))
def test_what_is_ours_stands_over_the_users(key: str) -> None:
    assert direct(f"app.conf/{key}", "theirs")[key] != "theirs"


def test_with_a_service_executors_reach_the_driver_by_its_name() -> None:
    assert direct("app.service", True)["spark.driver.host"] == f"{DRIVER}-svc.analytics.svc"
    assert "spark.driver.host" not in direct()


def test_files_are_lists() -> None:
    conf = direct("app.jars", ["local:///a.jar", "s3a://b/c.jar"])
    assert conf["spark.jars"] == "local:///a.jar,s3a://b/c.jar"
    assert "spark.files" not in conf


def test_no_event_log_without_a_folder() -> None:
    assert "spark.eventLog.enabled" not in direct("app.event_log", None)


def test_plain_variables_are_none_of_sparks_properties() -> None:
    for conf in (direct(), application_conf(parts(), IDENTITY, 1)):
        assert [key for key in conf if "Env." in key] == []


def test_an_operator_names_pods_and_application_itself() -> None:
    conf = application_conf(parts(), IDENTITY, 1)
    ours = {
        "spark.app.id",
        "spark.kubernetes.driver.pod.name",
        "spark.kubernetes.executor.podNamePrefix",
        "spark.master",
    }
    assert ours & set(conf) == set()
    assert (conf["spark.driver.memoryOverhead"], conf["spark.executor.memoryOverhead"]) == ("409m", "819m")
    assert conf["spark.kubernetes.driver.secretKeyRef.AWS_ACCESS_KEY_ID"] == "s3:id"


def test_all_that_we_write_is_refused_in_the_users_properties_or_a_default() -> None:
    written = set(direct()) | set(application_conf(parts(), IDENTITY, 1)) - {"spark.sql.shuffle.partitions"}
    free = {key for key in written if field_for(key) is None and key not in OURS} - set(DEFAULTS)
    assert free == {"spark.sql.shuffle.partitions"}


def test_every_field_that_a_hint_names_exists() -> None:
    nested: dict[str, type[Model]] = {"driver": ExecutorSize, "executor": ExecutorSize, "executors": DynamicExecutors}
    for field in [*FIELDS.values(), *(name for names in PREFIXES.values() for name in names.split(" or "))]:
        head, _, tail = field.partition(".")
        assert head in SparkApp.model_fields
        assert not tail or tail in nested[head].model_fields


def test_the_document_is_not_changed() -> None:
    run = parts()
    direct_conf(run, IDENTITY, 1)
    assert run.model_dump(mode="json")["app"]["conf"] == {"spark.sql.shuffle.partitions": "64"}
