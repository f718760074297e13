# SPDX-License-Identifier: Apache-2.0
"""The bad rows that runs put aside: which there are, what is in them, and how they are forgotten or done again."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.clients.storage import FileInfo, Storage, storage_for
from airflow_dataops.core.dq_gate.bad_rows import RULES
from airflow_dataops.core.errors import InputError, unknown_name
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.model import Model
from airflow_dataops.core.run import RunContext

TIME = "_dataops_time"
_STEP = ".spec.json"


class BadRows(Model):
    """The bad rows of one run.

    Attributes:
        run_key: Key of the run.
        path: Folder.
        rows: Number of rows.
        bytes: Size.
        tasks: Task -> rows that it put aside.
        rules: Rule id -> rows that break it; a row may break several.
        time: End of the run's interval; the time of writing where the run had none.
    """

    run_key: str
    path: str
    rows: int
    bytes: int
    tasks: dict[str, int]
    rules: dict[str, int]
    time: datetime


class Forgotten(Model):
    """What was deleted.

    Attributes:
        rows: Committed and staged bad rows.
        files: Their files.
        examples: Example rows that were taken out of the run's records.
        page: Whether the run's page was deleted; it shows examples.
    """

    rows: int
    files: int
    examples: int
    page: bool


def list_runs(lake: str, pipeline: str) -> list[BadRows]:
    """Return the runs of a pipeline that have committed bad rows, by key.

    Raises:
        InputError: A file cannot be read (``QUARANTINE_UNREADABLE``).
    """
    root = RunLayout(lake, pipeline, "").quarantine_root
    storage = storage_for(root)
    keys = [name.rstrip("/").removeprefix("run_key=") for name in storage.names(root) if name.startswith("run_key=")]
    found = [_bad_rows(storage, RunLayout(lake, pipeline, key)) for key in keys]
    return [one for one in found if one is not None]


def show(lake: str, pipeline: str, key: str, *, rule: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """Return bad rows of a run, with the columns that say why and where from.

    Args:
        lake: Root of the lake.
        pipeline: Name of the pipeline.
        key: Key of the run.
        rule: Only rows that break this rule.
        limit: Highest number of rows.

    Raises:
        SpecError: The run has no bad rows, or none of them breaks the rule (``UNKNOWN_RUN``, ``UNKNOWN_RULE``).
        InputError: A file cannot be read (``QUARANTINE_UNREADABLE``).
    """
    import pyarrow.parquet as pq

    layout = RunLayout(lake, pipeline, key)
    found = _bad_rows(storage_for(lake), layout)
    if found is None:
        raise unknown_name("run with bad rows", key, _keys(lake, pipeline), code="UNKNOWN_RUN")
    if rule is not None and rule not in found.rules:
        raise unknown_name("rule with bad rows", rule, found.rules, code="UNKNOWN_RULE")
    rows: list[dict[str, Any]] = []
    for info in storage_for(lake).find(layout.quarantine):
        with storage_for(info.path).open(info.path) as raw, pq.ParquetFile(raw) as file:
            for batch in file.iter_batches(batch_size=4096):
                if len(rows) >= limit:
                    return rows[:limit]
                rows += [row for row in batch.to_pylist() if rule is None or rule in (row.get(RULES) or [])]
    return rows[:limit]


def forget(lake: str, pipeline: str, key: str) -> Forgotten:
    """Delete the bad rows of a run, and what was copied from them: all that it staged, examples in its records, its page.

    The published table and the source are not touched. A run that is going on loses what it staged, and fails.
    Doing it again finds nothing and is no error.

    Args:
        lake: Root of the lake.
        pipeline: Name of the pipeline.
        key: Key of the run.

    Raises:
        SpecError: There is no such run (``UNKNOWN_RUN``).
    """
    layout, storage = RunLayout(lake, pipeline, key), storage_for(lake)
    folders = [layout.quarantine, f"{layout.staging}/quarantine"]
    files = [info for folder in folders for info in storage.find(folder)]
    if not files and not storage.names(layout.record):
        raise unknown_name("run", key, {*_keys(lake, pipeline), *_names(storage, layout.runs)}, code="UNKNOWN_RUN")
    rows = sum(_rows(info) for info in files)
    for folder in (layout.quarantine, layout.staging):
        storage.delete_tree(folder)
    examples = sum(
        _without_examples(storage, info) for info in storage.find(layout.record) if info.path.endswith(".json")
    )
    page = storage.info(layout.page) is not None
    storage.delete(layout.page)
    return Forgotten(rows=rows, files=len(files), examples=examples, page=page)


def replay_run(lake: str, pipeline: str, key: str) -> RunContext:
    """Return the run as it was, for doing it again with today's rules: the same key and the same interval.

    Doing the run again replaces what it published and what it put aside.

    Args:
        lake: Root of the lake.
        pipeline: Name of the pipeline.
        key: Key of the run.

    Raises:
        SpecError: The run left no records (``UNKNOWN_RUN``).
        InputError: Its records cannot be read (``RECORD_UNREADABLE``).
    """
    layout, storage = RunLayout(lake, pipeline, key), storage_for(lake)
    for info in storage.find(f"{layout.record}/steps"):
        if info.path.endswith(_STEP):
            document = _json(storage, info.path)
            return RunContext.model_validate(document["run"])
    raise unknown_name("run with records", key, _names(storage, layout.runs), code="UNKNOWN_RUN")


def newest_time(info: FileInfo) -> datetime:
    """Return the time of a file of bad rows: the end of its run's interval, else when it was written.

    Raises:
        InputError: It cannot be read (``QUARANTINE_UNREADABLE``).
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    written = datetime.fromtimestamp(info.modified, UTC)
    try:
        with storage_for(info.path).open(info.path) as raw, pq.ParquetFile(raw) as file:
            if TIME not in file.schema_arrow.names:
                return written
            newest: datetime | None = pc.max(file.read([TIME])[TIME]).as_py()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(info, error) from error
    return written if newest is None else newest if newest.tzinfo else newest.replace(tzinfo=UTC)


def _bad_rows(storage: Storage, layout: RunLayout) -> BadRows | None:
    files = [info for info in storage.find(layout.quarantine) if info.path.endswith(".parquet")]
    if not files:
        return None
    tasks, rules = {}, Counter[str]()
    for info in files:
        tasks[info.path.rpartition("/")[2].removesuffix(".parquet")] = _rows(info)
        rules.update(_broken(info))
    return BadRows(
        run_key=layout.run_key,
        path=layout.quarantine,
        rows=sum(tasks.values()),
        bytes=sum(info.size for info in files),
        tasks=tasks,
        rules=dict(rules.most_common()),
        time=max(newest_time(info) for info in files),
    )


def _broken(info: FileInfo) -> dict[str, int]:
    """Return rule id -> rows of a file that break it."""
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.parquet as pq

    compute: Any = pyarrow.compute  # its stubs know no lists
    counts = Counter[str]()
    try:
        with storage_for(info.path).open(info.path) as raw, pq.ParquetFile(raw) as file:
            if RULES in file.schema_arrow.names:
                for batch in file.iter_batches(columns=[RULES]):
                    found = compute.value_counts(compute.list_flatten(batch.column(0))).to_pylist()
                    counts.update({row["values"]: row["counts"] for row in found})
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(info, error) from error
    return counts


def _rows(info: FileInfo) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage_for(info.path).open(info.path) as raw:
            return int(pq.read_metadata(raw).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(info, error) from error


def _keys(lake: str, pipeline: str) -> list[str]:
    root = RunLayout(lake, pipeline, "").quarantine_root
    return [name.removeprefix("run_key=") for name in _names(storage_for(root), root)]


def _names(storage: Storage, folder: str) -> list[str]:
    return [name.rstrip("/") for name in storage.names(folder)]


def _without_examples(storage: Storage, info: FileInfo) -> int:
    document = _json(storage, info.path)
    count = _strip(document)
    if count:
        storage.write_bytes(info.path, json.dumps(document, indent=1).encode())
    return count


def _strip(node: Any) -> int:
    """Empty every list of example rows below ``node``; a gate's setting of that name is a number, and stays."""
    count = 0
    if isinstance(node, list):
        return sum(map(_strip, node))
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "examples" and isinstance(value, list):
                count += len(value)
                node[key] = []
            else:
                count += _strip(value)
    return count


def _json(storage: Storage, path: str) -> Any:
    data = storage.read_bytes(path)
    try:
        return json.loads(data or b"")
    except ValueError as error:
        raise InputError(f"{path} is no JSON document: {error}", code="RECORD_UNREADABLE") from error


def _unreadable(info: FileInfo, error: Exception) -> InputError:
    return InputError(
        f"file of bad rows {info.path} cannot be read: {error}",
        hint="run its run again, or delete the file",
        code="QUARANTINE_UNREADABLE",
    )
