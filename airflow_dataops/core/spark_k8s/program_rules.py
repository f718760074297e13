# SPDX-License-Identifier: Apache-2.0
"""Rules about the program: where it lies, how it is started, and what it is given."""

from __future__ import annotations

import math
from collections.abc import Iterator

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.spark_k8s import forms
from airflow_dataops.core.spark_k8s.application_document import program_of
from airflow_dataops.core.spark_k8s.forms import form, shown
from airflow_dataops.core.spark_k8s.profiles import EMPTY_FOLDERS
from airflow_dataops.core.spark_k8s.secrets import holds_secret, is_secret_flag
from airflow_dataops.core.spark_k8s.spec import Profile, RunParts

SCHEMES = ("local", "s3a", "hdfs", "http", "https", "gs", "abfs", "abfss")
BY_ENVIRONMENT = "give it to secret_env, and let the program read the variable"


def program_rules(run: RunParts) -> Iterator[Fault]:
    """Give the faults of the program, its files and its arguments."""
    yield from _name(run)
    yield from _start(run)
    yield from _files(run)
    yield from _places(run)
    yield from _arguments(run)


def _name(run: RunParts) -> Iterator[Fault]:
    name = run.app.name
    if not name.strip() or len(name) > 200 or not name.isprintable():
        yield Fault("app.name", "BAD_APP_NAME", f"{shown(name)}: 1 to 200 printable characters")


def _start(run: RunParts) -> Iterator[Fault]:
    app = run.app
    if app.main is None and app.module is None and program_of(app) is None:
        message = "nothing says what to run"
        yield Fault(
            "app.main", "PROGRAM_MISSING", message, "write main: local:///opt/app/job.py, or module: package.job"
        )
    if app.main is not None and app.module is not None:
        yield Fault("app.module", "PROGRAM_TWICE", "main and module exclude each other", "remove one of the two")
    if app.module is not None:
        yield from form("app.module", "BAD_MODULE", app.module, forms.MODULE, "a module such as package.job")
        if run.target.mode != "direct":
            message = f"a module is started by mode direct only, not by {run.target.mode}"
            yield Fault("app.module", "MODULE_NOT_DIRECT", message, "write main: with the file that starts it")
    if app.main_class is not None:
        yield from form("app.main_class", "BAD_CLASS", app.main_class, forms.CLASS, "a class such as com.example.Job")
        if app.python:
            yield Fault("app.main_class", "CLASS_UNUSED", "a Python program has no class", "remove it")
    elif app.main is not None and app.main.endswith(".jar"):
        message = "Spark does not look into a jar for its class"
        yield Fault("app.main_class", "CLASS_MISSING", message, "add main_class: com.example.Job")
    if app.main is not None and not app.main.endswith((".py", ".jar")):
        yield Fault("app.main", "BAD_MAIN", f"{shown(app.main)} is neither a .py file nor a .jar")


def _files(run: RunParts) -> Iterator[Fault]:
    app = run.app
    given = {"app.main": app.main} if app.main is not None else {}
    for name in ("py_files", "jars", "files"):
        given |= {f"app.{name}.{position}": uri for position, uri in enumerate(getattr(app, name))}
    for path, uri in given.items():
        scheme = uri.partition(":")[0]
        if forms.URI.fullmatch(uri) and scheme in SCHEMES and not holds_secret(uri):
            continue
        if holds_secret(uri):
            yield Fault(path, "SECRET_IN_ADDRESS", "the address holds a password or key", BY_ENVIRONMENT)
        elif scheme in ("s3", "s3n"):
            hint = f"write s3a{uri[len(scheme) :]}"
            yield Fault(path, "BAD_FILE", f"{shown(uri)}: Spark's scheme for S3 is s3a", hint)
        elif run.target.mode == "standalone" and uri.startswith("/") and not set(uri) & set(" ,\n"):
            continue
        else:
            valid = f"local:///path/in/the/image, or an address of {', '.join(SCHEMES[1:])}, without spaces and commas"
            yield Fault(path, "BAD_FILE", f"{shown(uri)}: {valid}")
    for position, uri in enumerate(app.py_files):
        if not uri.endswith((".py", ".zip", ".egg")):
            yield Fault(f"app.py_files.{position}", "BAD_PY_FILE", f"{shown(uri)}: a .py, .zip or .egg file")


def _places(run: RunParts) -> Iterator[Fault]:
    app = run.app
    if app.profile is not Profile.PLAIN and run.target.mode != "standalone":
        local = {"app.main": app.main or ""} | {f"app.jars.{n}": uri for n, uri in enumerate(app.jars)}
        local |= {f"app.py_files.{n}": uri for n, uri in enumerate(app.py_files)}
        for path, uri in local.items():
            hiding = next((folder for folder in EMPTY_FOLDERS if uri.startswith(f"local://{folder}/")), None)
            if hiding is not None:
                message = (
                    f"profile {app.profile} mounts an empty folder over {hiding}, so {shown(uri)} would not be seen"
                )
                yield Fault(path, "FILE_HIDDEN", message, "put it at another place in the image, such as /opt/app")
    for name in ("event_log", "result"):
        uri = getattr(app, name)
        if uri is None or (name == "result" and uri == "termination"):
            continue
        if not forms.URI.fullmatch(uri) or uri.startswith(("s3:", "s3n:")) or holds_secret(uri):
            said = "" if holds_secret(uri) else f"{shown(uri)}: "
            yield Fault(f"app.{name}", "BAD_FOLDER", f"{said}an address without keys, such as s3a://logs/spark-events")


def _arguments(run: RunParts) -> Iterator[Fault]:
    args = run.app.args
    for position, value in enumerate(args):
        path = f"app.args.{position}"
        if isinstance(value, float) and not math.isfinite(value):
            yield Fault(path, "BAD_ARGUMENT", f"{value} is no number that JSON has")
        if not isinstance(value, str):
            continue
        after = args[position + 1] if position + 1 < len(args) else None
        if holds_secret(value) or is_secret_flag(value, None if after is None else str(after)):
            message = "an argument that looks like a secret would be shown in the pod's spec and in process lists"
            yield Fault(path, "SECRET_IN_ARGS", message, BY_ENVIRONMENT)
        if "\0" in value:
            yield Fault(path, "BAD_ARGUMENT", "no argument of a program can hold the character NUL")
