# SPDX-License-Identifier: Apache-2.0
"""Why a program failed, by its exit code, the end of its log, and its executors' ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.log_errors import LogErrors, short
from airflow_dataops.core.spark_k8s.observation import ExecutorView

# What else than a program's own sys.exit() an exit code can mean: Spark's SparkExitCode and SparkSubmit, the shell, and signals.
EXIT_CODES = {
    2: "wrong arguments of spark-submit or of the program",
    11: "Spark gave up after too many lost executors",
    50: "an uncaught exception in the JVM",
    51: "an uncaught exception while another one was written",
    52: "the JVM's heap is full",
    53: "no scratch directory could be made: is there an emptyDir for SPARK_LOCAL_DIRS, with room?",
    101: "spark-submit does not find the main class",
    126: "the image's entrypoint cannot be executed",
    127: "the image does not have the command",
    128: "the container could not be started",
    134: "the JVM aborted",
    137: "killed",
    139: "crashed (segmentation fault)",
    143: "told to stop",
}
_OOM_CODES = frozenset({52, 137})
_LOST = re.compile(
    r"(?:exit(?:ed)?(?: with)?(?: exit)? code(?: is)?:? ?|Exit code: ?)(137|52)\b|Container killed.*OOM|OOMKilled"
)
_GAVE_UP = re.compile(r"Max number of executor failures")
_HEAP = re.compile(r"java\.lang\.OutOfMemoryError")
_OF_TASK = re.compile(r"Lost task|Job aborted due to stage failure|ExecutorLostFailure")
_S3 = re.compile(r"s3a?://|\bS3\b|amazonaws|awssdk|\bAWS\b|botocore|hadoop\.fs\.s3a", re.IGNORECASE)
_DENIED = re.compile(
    r"SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|ExpiredToken|InvalidToken|RequestTimeTooSkewed|"
    r"ACCESS_DENIED|NoAuthWithAWSException|NoAwsCredentials|No AWS Credentials|Unable to (?:load|locate) credentials|"
    r"NoCredentialsError|Status Code: 40[13]|\b403\b|Forbidden"
)
_PASSING = re.compile(r"ExpiredToken|RequestTimeTooSkewed")
_NO_CLASS = re.compile(
    r"ClassNotFoundException:? ?(\S*)|NoClassDefFoundError:? ?(\S*)|Failed to (?:load|find) (?:class|data source):? ?(\S*)|"
    r"No FileSystem for scheme:? ?(\S*)|(?:ModuleNotFoundError|ImportError): (.*)|DATA_SOURCE_NOT_FOUND\] ?(.*)"
)


def heap(errors: LogErrors, exit_code: int | None) -> Failure | None:
    """Return the failure of a driver whose JVM or Python has no memory left; None for another one."""
    text = errors.text
    full = bool(_HEAP.search(text)) and not _OF_TASK.search(text)
    if exit_code == 52 or full:
        told = errors.java or "exit code 52"
        return failure(Reason.DRIVER_OOM, f"the driver's heap is full: {told}", told, hint=_MORE_HEAP)
    if errors.python.startswith("MemoryError"):
        hint = "raise driver.memory_overhead, and do not collect() or toPandas() large results"
        return failure(
            Reason.DRIVER_OOM, "the driver's Python has no memory left: MemoryError", "MemoryError", hint=hint
        )
    return None


def executors(dead: Sequence[ExecutorView], log_tail: str, exit_code: int | None) -> Failure | None:
    """Return the failure of a job whose executors are killed for their memory again and again; None for another one."""
    full = [one for one in dead if is_full(one)]
    restarts = sum(box.restarts for one in full for box in one.containers)
    told = [short(line) for line in log_tail.splitlines() if _LOST.search(line)]
    heaps = bool(_HEAP.search(log_tail) and _OF_TASK.search(log_tail))
    gave_up = exit_code == 11 or bool(_GAVE_UP.search(log_tail))
    if len(full) + restarts < 2 and len(told) < 2 and not (gave_up and (full or told)) and not heaps:
        return None
    count = max(len(full) + restarts, len(told))
    message = f"executors were killed for their memory {count} times" if count else "an executor's heap is full"
    lines = [f"{one.name}: {short(line)}" for one in full[-3:] for line in one.lines[-5:]]
    shown = [f"{one.name}: {_end(one)}" for one in full[-3:]]
    return failure(
        Reason.EXECUTOR_OOM_LOOP, message, *shown, *lines, *told[-3:], hint=_MORE_HEAP_EXECUTOR if heaps else None
    )


def is_full(one: ExecutorView) -> bool:
    """Tell whether an executor was killed for its memory."""
    return any(
        "OOMKilled" in (box.reason, box.last_reason) or box.exit_code in _OOM_CODES or box.last_exit_code in _OOM_CODES
        for box in one.containers
    )


def diagnose_program(errors: LogErrors, exit_code: int | None, said: str = "") -> Failure:
    """Return the failure of a program that ended by itself."""
    text = errors.text
    denied = _DENIED.search(text)
    if denied is not None and _S3.search(text):
        told = _line_of(text, denied.start())
        passing = bool(_PASSING.search(text))
        return failure(Reason.S3_AUTH, f"the object store refused: {told}", told, *errors.evidence, retryable=passing)
    missing = _NO_CLASS.search(text)
    if missing is not None or exit_code == 101:
        told = _line_of(text, missing.start()) if missing is not None else EXIT_CODES[101]
        python = missing is not None and missing[5] is not None
        hint = _MODULE if python else _SCHEME if "FileSystem for scheme" in told else None
        return failure(Reason.CLASS_NOT_FOUND, f"the image lacks something: {told}", told, *errors.evidence, hint=hint)
    return app_error(errors, exit_code, said)


def app_error(errors: LogErrors, exit_code: int | None, said: str = "") -> Failure:
    """Return the failure of a program of which nothing better is known than its last errors and exit code."""
    known = EXIT_CODES.get(exit_code if exit_code is not None else -1)
    ended = "no exit code is known" if exit_code is None else f"exit code {exit_code}" + (f": {known}" if known else "")
    told = errors.python or errors.java or short(said)
    if errors.python and errors.java and errors.java not in errors.python:
        told = f"{errors.python}; caused by {errors.java}"
    message = f"the program failed ({ended})" + (f": {told}" if told else "")
    return failure(Reason.APP_ERROR, message, ended, *errors.evidence, short(said))


def _line_of(text: str, at: int) -> str:
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return short(text[begin : end if end >= 0 else len(text)])


def _end(one: ExecutorView) -> str:
    box = one.driver
    if box is None:
        return one.reason or one.phase
    code = box.exit_code if box.exit_code is not None else box.last_exit_code
    return f"{box.reason or box.last_reason or 'ended'}, exit code {code}"


_MORE_HEAP = "raise driver.memory, and do not collect() or broadcast large results"
_MORE_HEAP_EXECUTOR = "raise executor.memory, lower executor.cores, or make more and smaller partitions"
_MODULE = "add the module to py_files, or install it in the image; its Python version must be the image's"
_SCHEME = "put hadoop-aws and the AWS SDK of the image's Hadoop version into the image, and write s3a://"
