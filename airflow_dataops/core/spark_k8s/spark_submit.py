# SPDX-License-Identifier: Apache-2.0
"""The command of mode ``standalone``: ``spark-submit`` to a master that is not Kubernetes. No secret stands on it."""

from __future__ import annotations

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s.conf import DEFAULTS, dynamic_conf, event_log_conf
from airflow_dataops.core.spark_k8s.driver_pod import argument
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, RunParts, SparkApp

_PROVIDER = "spark.hadoop.fs.s3a.aws.credentials.provider"
_BY_VARIABLE = "EnvironmentVariableCredentialsProvider"
IN_PODS_ONLY = {
    "app": frozenset(
        (
            *("annotations", "application", "executor_template", "image", "image_pull_policy", "image_pull_secrets"),
            *("labels", "pod_template", "profile", "service"),
        )
    ),
    "target": frozenset({"api_server", "application_api", "console", "namespace", "service_account"}),
}
"""What there is no use for without pods."""
ALSO_HERE = {
    "driver": frozenset({"memory"}),
    "executor": frozenset({"cores", "memory", "pyspark_memory"}),
    "policy": frozenset({"run_timeout"}),
}
"""What there is a use for, of the parts that are otherwise about pods."""


def spark_submit(run: RunParts, master: str | None = None, *, program: str = "spark-submit") -> list[str]:
    """Return the arguments, the program first.

    Image, pod templates, labels and the like belong to pods; there are none.

    Args:
        run: What is asked for.
        master: ``spark://host:7077`` or ``local[*]``; None takes ``target.master``.
        program: Path of spark-submit.

    Raises:
        SpecError: There is no master, or the program is a module (``SPARK_RUN_INVALID``).
    """
    app, chosen = run.app, master or run.target.master
    if chosen is None or app.main is None:
        what = "target.master" if chosen is None else "app.main"
        raise SpecError(f"mode standalone needs {what}", hint="see `dataops check`", code="SPARK_RUN_INVALID")
    command = [program, "--master", chosen, "--deploy-mode", "client", "--name", app.name]
    for key, value in sorted(standalone_conf(app, chosen).items()):
        command += ["--conf", f"{key}={value}"]
    for option, uris in (("--py-files", app.py_files), ("--jars", app.jars), ("--files", app.files)):
        command += [option, ",".join(uris)] if uris else []
    if app.main_class is not None:
        command += ["--class", app.main_class]
    return [*command, app.main, *(argument(value) for value in app.args)]


def without_effect(run: RunParts) -> list[str]:
    """Return the paths of what was written and has no effect on a master that is not Kubernetes, such as ``app.image``."""
    found = [
        f"{part}.{name}" for part, names in IN_PODS_ONLY.items() for name in getattr(run, part).model_fields_set & names
    ]
    for part, used in ALSO_HERE.items():
        path, model = ("policy", run.policy) if part == "policy" else (f"app.{part}", getattr(run.app, part))
        found += [f"{path}.{name}" for name in model.model_fields_set - used]
    return sorted(found)


def standalone_conf(app: SparkApp, master: str) -> dict[str, str]:
    """Return the properties; those about Kubernetes are left out."""
    conf = {key: value for key, value in (DEFAULTS | app.conf).items() if not key.startswith("spark.kubernetes.")}
    if conf.get(_PROVIDER, "").endswith(_BY_VARIABLE):
        # Workers do not have the driver's environment. Spark itself takes the keys from there into the Hadoop configuration that it
        # sends along, and S3A's own chain finds them in it.
        del conf[_PROVIDER]
    conf["spark.driver.memory"] = app.driver.memory.spark
    conf |= event_log_conf(app)
    if app.executor.pyspark_memory is not None:  # a bound of the Python beside each executor, on every master
        conf["spark.executor.pyspark.memory"] = app.executor.pyspark_memory.spark
    if master.startswith("local"):
        return conf
    conf |= {f"spark.executorEnv.{name}": value for name, value in app.env.items()}
    conf |= {"spark.executor.memory": app.executor.memory.spark, "spark.executor.cores": str(app.executor.cores.slots)}
    if isinstance(app.executors, DynamicExecutors):
        return conf | dynamic_conf(app.executors)
    return conf | {"spark.cores.max": str(app.executors * app.executor.cores.slots)}


def standalone_env(app: SparkApp) -> tuple[dict[str, str], dict[str, str]]:
    """Return the environment of the command: plain variables, and name -> reference of those that hold secrets."""
    plain = dict(app.env)
    if app.result is not None and app.result != "termination":
        plain["DATAOPS_RESULT"] = app.result
    return plain, {name: source for name, source in app.secret_env.items() if isinstance(source, str)}
