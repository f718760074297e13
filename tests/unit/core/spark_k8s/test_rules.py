# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s.run import SparkRun, faults_of, parse, parse_parts
from tests.unit.core.spark_k8s.samples import changed, document

SECRET = "hunter2-hunter2"


def test_the_sample_has_no_fault() -> None:
    assert faults_of(document()) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("app.name", " ", "BAD_APP_NAME"),
        ("app.name", "a\nb", "BAD_APP_NAME"),
        ("app.main", None, "PROGRAM_MISSING"),
        ("app.module", "jobs.refine", "PROGRAM_TWICE"),
        ("app.module", "jobs/refine.py", "BAD_MODULE"),
        ("app.main", "/opt/app/job.py", "BAD_FILE"),
        ("app.main", "job.py", "BAD_FILE"),
        ("app.main", "file:///opt/app/job.py", "BAD_FILE"),
        ("app.main", "s3://bucket/job.py", "BAD_FILE"),
        ("app.main", "local:///opt/app/my job.py", "BAD_FILE"),
        ("app.main", "https://user:pw@host/job.py", "SECRET_IN_ADDRESS"),
        ("app.main", "local:///opt/app/job", "BAD_MAIN"),
        ("app.main", "local:///opt/app/job.R", "BAD_MAIN"),
        ("app.main", "local:///opt/app/job.jar", "CLASS_MISSING"),
        ("app.main", "local:///opt/spark/work-dir/job.py", "FILE_HIDDEN"),
        ("app.main", "local:///tmp/job.py", "FILE_HIDDEN"),
        ("app.main_class", "com.example.Job", "CLASS_UNUSED"),
        ("app.main_class", "com/example", "BAD_CLASS"),
        ("app.jars", ["a.jar"], "BAD_FILE"),
        ("app.jars", ["local:///a.jar,local:///b.jar"], "BAD_FILE"),
        ("app.py_files", ["local:///opt/app/lib.whl"], "BAD_PY_FILE"),
        ("app.event_log", "logs", "BAD_FOLDER"),
        ("app.event_log", "s3://logs", "BAD_FOLDER"),
        ("app.result", "stdout", "BAD_FOLDER"),
        ("app.args", [float("nan")], "BAD_ARGUMENT"),
        ("app.args", ["a\0"], "BAD_ARGUMENT"),
        ("app.args", ["--password", SECRET], "SECRET_IN_ARGS"),
        ("app.args", [f"--db-password={SECRET}"], "SECRET_IN_ARGS"),
        ("app.args", [f"jdbc:postgresql://db/x?user=me&password={SECRET}"], "SECRET_IN_ARGS"),
        ("app.image", None, "IMAGE_MISSING"),
        ("app.image", "my image", "BAD_IMAGE"),
        ("app.image", "", "BAD_IMAGE"),
        ("app.image_pull_secrets", ["Registry"], "BAD_SECRET_NAME"),
        ("app.spark_version", "3.4", "BAD_SPARK_VERSION"),
        ("app.spark_version", "latest", "BAD_SPARK_VERSION"),
        ("app.driver.memory", "400m", "TOO_LITTLE_MEMORY"),
        ("app.driver.memory", 1024, "TOO_LITTLE_MEMORY"),
        ("app.executor.memory", "1e3", "TOO_LITTLE_MEMORY"),
        ("app.driver.cpu_limit", "100m", "LIMIT_BELOW_REQUEST"),
        ("app.driver.memory_overhead_factor", 0, "BAD_OVERHEAD_FACTOR"),
        ("app.driver.memory_overhead_factor", float("inf"), "BAD_OVERHEAD_FACTOR"),
        ("app.executor", {"memory_overhead": "1g", "memory_overhead_factor": 0.2}, "OVERHEAD_TWICE"),
        ("app.executors", 0, "TOO_FEW_EXECUTORS"),
        ("app.executors", -1, "TOO_FEW_EXECUTORS"),
        ("app.executors", {"minimum": 5, "maximum": 4}, "BAD_EXECUTOR_BOUNDS"),
        ("app.executors", {"minimum": -1, "maximum": 4}, "BAD_EXECUTOR_BOUNDS"),
        ("app.executors", {"minimum": 1, "initial": 0, "maximum": 4}, "BAD_EXECUTOR_BOUNDS"),
        ("app.executors", {"maximum": 0}, "BAD_EXECUTOR_BOUNDS"),
        ("app.executors", {"maximum": 1, "idle": 0}, "TOO_SHORT"),
        ("app.env", {"2X": "a"}, "BAD_VARIABLE"),
        ("app.env", {"A B": "a"}, "BAD_VARIABLE"),
        ("app.env", {"DB_PASSWORD": SECRET}, "SECRET_IN_ENV"),
        ("app.env", {"DSN": f"postgresql://me:{SECRET}@db/x"}, "SECRET_IN_ENV"),
        ("app.env", {"SPARK_CONF_DIR": "/x"}, "VARIABLE_IS_OURS"),
        ("app.env", {"AWS_REGION": "eu\0"}, "BAD_VALUE"),
        ("app.secret_env", {"TZ": "env:TZ"}, "VARIABLE_TWICE"),
        ("app.secret_env", {"X": SECRET}, "BAD_REFERENCE"),
        ("app.secret_env", {"X": "conn:db.colour"}, "BAD_REFERENCE"),
        ("app.secret_env", {"X": {"name": "My Secret", "key": "k"}}, "BAD_SECRET_NAME"),
        ("app.secret_env", {"X": {"name": "s", "key": "a/b"}}, "BAD_SECRET_KEY"),
        ("app.labels", {"managed-by": "me"}, "RESERVED_LABEL"),
        ("app.labels", {"dataops-run": "x"}, "RESERVED_LABEL"),
        ("app.labels", {"spark-role": "driver"}, "RESERVED_LABEL"),
        ("app.labels", {"a b": "x"}, "BAD_LABEL_KEY"),
        ("app.labels", {"x" * 64: "x"}, "BAD_LABEL_KEY"),
        ("app.labels", {"team": "x" * 64}, "BAD_LABEL_VALUE"),
        ("app.labels", {"team": "-x"}, "BAD_LABEL_VALUE"),
        ("app.annotations", {"dataops/run-id": "x"}, "RESERVED_ANNOTATION"),
        ("app.annotations", {"note": f"password={SECRET}"}, "SECRET_IN_ANNOTATION"),
        ("target.namespace", "Analytics", "BAD_NAMESPACE"),
        ("target.namespace", "a" * 64, "BAD_NAMESPACE"),
        ("target.namespace", "a.b", "BAD_NAMESPACE"),
        ("target.service_account", "spark_driver", "BAD_ACCOUNT"),
        ("target.api_server", "kubernetes", "BAD_ADDRESS"),
        ("target.console", f"https://me:{SECRET}@console", "BAD_ADDRESS"),
        ("target.mode", "standalone", "MASTER_MISSING"),
        ("target.master", "spark://host:7077", "MASTER_UNUSED"),
        ("target.master", "yarn", "BAD_MASTER"),
        ("policy.attempts", 0, "BAD_ATTEMPTS"),
        ("policy.attempts", 100, "BAD_ATTEMPTS"),
        ("policy.poll", 0, "TOO_SHORT"),
        ("policy.run_timeout", "0s", "TOO_SHORT"),
        ("policy.image_pull_grace", -1, "BAD_DURATION"),
        ("policy.run_timeout", "31d", "TOO_LONG"),
    ],
)
def test_a_fault_is_named_and_no_secret_told(path: str, value: Any, code: str) -> None:
    found = [fault for fault in faults_of(changed(path, value)) if fault.code == code]
    assert [fault.path for fault in found if fault.path.startswith(path.rpartition(".")[0])] != []
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("key", "code", "advice"),
    [
        ("spark.hadoop.fs.s3a.access.key", "SECRET_IN_CONF", "AWS_SECRET_ACCESS_KEY"),
        ("spark.hadoop.fs.s3a.secret.key", "SECRET_IN_CONF", "AWS_SECRET_ACCESS_KEY"),
        ("spark.hadoop.fs.s3a.bucket.logs.secret.key", "SECRET_IN_CONF", "secret_env"),
        ("spark.hadoop.fs.s3a.session.token", "SECRET_IN_CONF", "AWS_SESSION_TOKEN"),
        ("spark.hadoop.javax.jdo.option.ConnectionPassword", "SECRET_IN_CONF", "secret_env"),
        ("spark.hadoop.fs.azure.account.key.acc.dfs.core.windows.net", "SECRET_IN_CONF", "secret_env"),
        ("spark.ssl.keyStorePassword", "SECRET_IN_CONF", "secret_env"),
        ("spark.authenticate.secret", "SECRET_IN_CONF", "secret_env"),
        ("spark.executor.memory", "PROPERTY_HAS_FIELD", "app.executor.memory"),
        ("spark.dynamicAllocation.minExecutors", "PROPERTY_HAS_FIELD", "app.executors.minimum"),
        ("spark.kubernetes.driver.secretKeyRef.X", "PROPERTY_HAS_FIELD", "app.secret_env"),
        ("spark.executorEnv.TZ", "PROPERTY_HAS_FIELD", "app.env"),
        ("spark.kubernetes.driver.pod.name", "PROPERTY_IS_OURS", "remove it"),
        ("spark.app.id", "PROPERTY_IS_OURS", "remove it"),
        ("spark.kubernetes.driver.volumes.hostPath.x.mount.path", "PROPERTY_UNUSED", "{spec: {volumes: …}}"),
        ("spark.kubernetes.driver.node.selector.disk", "PROPERTY_UNUSED", "{spec: {nodeSelector: …}}"),
        ("spark.kubernetes.driver.secrets.kerberos", "PROPERTY_UNUSED", "app.pod_template"),
        ("fs.s3a.endpoint", "BAD_PROPERTY", "spark.hadoop.fs.s3a.endpoint"),
        ("spark.a b", "BAD_PROPERTY", "spark.hadoop"),
    ],
)
def test_a_property_that_is_refused_is_told_what_to_write(key: str, code: str, advice: str) -> None:
    (fault,) = faults_of(changed(f"app.conf/{key}", SECRET))
    assert (fault.path, fault.code) == (f"app.conf.{key}", code)
    assert advice in (fault.hint or "")
    assert SECRET not in repr(fault)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spark.hadoop.fs.s3a.aws.credentials.provider", "com.amazonaws.auth.EnvironmentVariableCredentialsProvider"),
        ("spark.hadoop.fs.s3a.endpoint", "https://s3.example.com:9000"),
        ("spark.hadoop.fs.s3a.path.style.access", True),
        ("spark.kubernetes.authenticate.driver.oauthTokenFile", "/var/run/token"),
        ("spark.redaction.regex", "(?i)secret|password|token"),
        ("spark.kubernetes.executor.secrets.kerberos", "/etc/krb"),
        ("spark.hadoop.fs.s3a.connection.maximum", 64),
        ("spark.sql.shuffle.partitions", 64),
        ("spark.driver.extraJavaOptions", "-Djavax.net.ssl.trustStore=/opt/s3.p12 -Xss4m"),
    ],
)
def test_what_only_sounds_like_a_secret_is_taken(key: str, value: Any) -> None:
    assert faults_of(changed(f"app.conf/{key}", value)) == []


@pytest.mark.parametrize("kind", ["hostPath", "nfs"])
@pytest.mark.parametrize(("mode", "role"), [("direct", "executor"), ("crd", "driver"), ("crd", "executor")])
def test_a_volume_that_openshift_would_refuse_is_told_once(kind: str, mode: str, role: str) -> None:
    volume = f"spark.kubernetes.{role}.volumes.{kind}.spark-local-dir-1"
    whole = changed("app.conf", {f"{volume}.mount.path": "/spill", f"{volume}.options.path": "/mnt/ssd"})
    whole["target"]["mode"] = mode
    (fault,) = faults_of(whole)
    assert (fault.path, fault.code) == (f"app.conf.{volume}.mount.path", "SCC_REFUSES")
    assert kind in fault.message
    whole["app"]["profile"] = "kind"
    assert faults_of(whole) == []


def test_a_volume_that_openshift_mounts_is_taken() -> None:
    volume = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spark-local-dir-1"
    conf = {f"{volume}.mount.path": "/spill", f"{volume}.options.claimName": "OnDemand"}
    assert faults_of(changed("app.conf", conf)) == []


@pytest.mark.parametrize("value", ["lots", "512Mi", "-1"])
def test_a_size_in_a_property_is_one_that_spark_reads(value: str) -> None:
    assert [fault.code for fault in faults_of(changed("app.conf/spark.memory.offHeap.size", value))] == ["BAD_SIZE"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("app.driver.cores", "half"),
        ("app.driver.memory", "1.5g"),
        ("app.profile", "eks"),
        ("app.image_pull_policy", "Sometimes"),
        ("app.executors", {"minimum": 0}),
        ("app.executors", "many"),
        ("app.args", [None]),
        ("app.args", [[1]]),
        ("app.conf", {"spark.x": None}),
        ("app.secret_env", {"X": {"name": "s"}}),
        ("app.cluster", "x"),
        ("target.mode", "yarn"),
        ("policy.run_timeout", "soon"),
    ],
)
def test_what_is_of_the_wrong_type_is_a_fault_at_its_place(path: str, value: Any) -> None:
    faults = faults_of(changed(path, value))
    assert faults
    assert all(fault.path.startswith(path) for fault in faults)


def test_all_faults_come_at_once() -> None:
    whole = changed("app.image", None)
    whole["app"]["executors"] = 0
    whole["policy"] = {"attempts": 0}
    assert [fault.code for fault in faults_of(whole)] == ["IMAGE_MISSING", "TOO_FEW_EXECUTORS", "BAD_ATTEMPTS"]


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 1), (0, 20), (4, 4)])
def test_executors_may_go_down_to_none(minimum: int, maximum: int) -> None:
    assert faults_of(changed("app.executors", {"minimum": minimum, "maximum": maximum})) == []


def test_a_module_needs_mode_direct() -> None:
    whole = changed("app.module", "jobs.refine")
    del whole["app"]["main"]
    assert faults_of(whole) == []
    whole["target"]["mode"] = "crd"
    assert [fault.code for fault in faults_of(whole)] == ["MODULE_NOT_DIRECT"]


def test_a_jar_with_its_class_and_no_python() -> None:
    whole = changed("app.main", "s3a://code/job.jar")
    whole["app"]["main_class"] = "com.example.Job$"
    assert faults_of(whole) == []
    whole["app"]["executor"]["pyspark_memory"] = "1g"
    assert [fault.code for fault in faults_of(whole)] == ["PYSPARK_MEMORY_UNUSED"]


def test_standalone_needs_no_image_takes_a_path_and_no_secret_of_the_clusters() -> None:
    whole = changed("target", {"mode": "standalone", "master": "local[*]"})
    del whole["app"]["image"]
    whole["app"]["main"] = "/opt/app/job.py"
    assert [fault.code for fault in faults_of(whole)] == ["SECRET_NOT_HERE"]
    whole["app"]["secret_env"] = {"AWS_SECRET_ACCESS_KEY": "conn:s3.password"}
    assert faults_of(whole) == []


def test_a_plain_profile_leaves_the_images_folders_as_they_are() -> None:
    whole = changed("app.main", "local:///opt/spark/work-dir/job.py")
    whole["app"]["profile"] = "plain"
    assert faults_of(whole) == []


def test_parse_says_everything_in_one_error() -> None:
    with pytest.raises(SpecError) as caught:
        parse(changed("app.executors", 0))
    assert caught.value.code == "SPARK_RUN_INVALID"
    assert caught.value.hint == "write 1 or more, or bounds: {minimum: 0, maximum: 4}"
    assert [Fault(**fault).code for fault in caught.value.details["faults"]] == ["TOO_FEW_EXECUTORS"]


def test_parts_may_break_rules_but_not_types() -> None:
    assert parse_parts(changed("app.executors", 0)).app.executors == 0
    with pytest.raises(SpecError, match="bad") as caught:
        parse_parts(changed("app.driver.cores", "bad"))
    assert caught.value.code == "SPARK_RUN_INVALID"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("app.conf", {"spark.x.password": SECRET}),
        ("app.args", [f"--token={SECRET}"]),
        ("app.env", {"A": "1", "B": [SECRET]}),
    ],
)
def test_no_error_shows_what_was_given(path: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        SparkRun.model_validate(changed(path, value))
    assert SECRET not in str(caught.value)
    with pytest.raises(SpecError) as refused:
        parse(changed(path, value))
    assert SECRET not in str(refused.value) + repr(refused.value.details)


def test_a_run_comes_back_from_its_document() -> None:
    run = parse(document())
    assert parse(run.model_dump(mode="json")) == run
