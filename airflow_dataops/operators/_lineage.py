# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage is told; its packages are an extra and are imported only when it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def facets(spec: Any, result: Mapping[str, Any] | None) -> Any:
    """Return the ``OperatorLineage`` of one job: what it read and wrote, rows, and the rules' outcomes.

    What a refine stages is a dataset of the pipeline, the same for all its runs: it is what joins source and table where they are two
    tasks' to read and to write.

    Args:
        spec: The job's spec; None where the task ended before there was one.
        result: The job's result document, whole or as a driver returns it; None where it failed.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    if spec is None:
        return OperatorLineage()
    return OperatorLineage(inputs=_inputs(spec, result), outputs=_outputs(spec, result))


def refined_and_published(refine: tuple[Any, Any], publish: tuple[Any, Any]) -> Any:
    """Return the lineage of a task that stages and publishes by itself: what lay between is nobody's dataset.

    Args:
        refine: Spec and result of the first job.
        publish: Those of the second; None and None where nothing was to be published.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    first, second = facets(*refine), facets(*publish)
    if publish[0] is None:
        return first
    return OperatorLineage(inputs=first.inputs, outputs=second.outputs)


def of_step(operator: Any, document: Mapping[str, Any] | None, result: Mapping[str, Any] | None) -> Any:
    """Return the lineage of a step that was done elsewhere; an empty one, and a line in the log, where it cannot be told.

    Args:
        operator: Has a log.
        document: The step's document, with its run; None where the task ended before there was one.
        result: What its driver returned; None where it failed.
    """
    try:
        return facets(_spec(document), result)
    except Exception as error:  # noqa: BLE001  lineage is never a reason for failure
        said = " ".join(f"{type(error).__name__}: {error}".split())
        operator.log.warning("OpenLineage: what the step read and wrote cannot be told: %s", said)
        return facets(None, None)


def _spec(document: Mapping[str, Any] | None) -> Any:
    from airflow_dataops.core.run import RunContext
    from airflow_dataops.jobs.steps import spec_of
    from airflow_dataops.operators._context import expand

    if document is None:
        return None
    run = RunContext.model_validate(document["run"])
    # A suite that is still a path is read by the task, and is nothing that lineage tells.
    whole = {name: value for name, value in document.items() if name != "suite"}
    return spec_of(expand(whole, run), engine="duckdb")


def _inputs(spec: Any, result: Mapping[str, Any] | None) -> list[Any]:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    source = getattr(spec, "source", None)
    if source is None and spec.job not in ("dq_gate", "publish"):
        return []
    namespace, name = _staged(spec) if source is None else identity(_table(source.path))
    facets_: dict[str, Any] = {}
    if result is not None and spec.job != "publish":
        facets_["inputStatistics"] = statistics.InputStatisticsInputDatasetFacet(
            rowCount=result["rows"].get("read"), size=result.get("bytes_read")
        )
        if result.get("rules"):
            facets_["dataQualityAssertions"] = _assertions(result["rules"])
    return [InputDataset(namespace=namespace, name=name, inputFacets=facets_)]


def _outputs(spec: Any, result: Mapping[str, Any] | None) -> list[Any]:
    """Only a publish changes the table; bad rows are where they are committed."""
    if spec.job == "publish":
        files = None if result is None else result.get("files_added")
        table = _written(identity(spec.target.path), result, "written", files)
        return [table, *_bad_rows(spec, result, None)]
    if spec.job == "refine":
        return [_written(_staged(spec), result, "written", None)]
    if spec.job == "dq_gate" and spec.commit_quarantine:
        return _bad_rows(spec, result, "quarantined")
    return []


def _bad_rows(spec: Any, result: Mapping[str, Any] | None, count: str | None) -> list[Any]:
    if result is None or not result.get("quarantine_uri"):
        return []
    return [_written(identity(_layout(spec).quarantine_root), result if count else None, count or "", None)]


def _written(place: tuple[str, str], result: Mapping[str, Any] | None, count: str, files: int | None) -> Any:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facets_: dict[str, Any] = {}
    if result is not None:
        facets_["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=result["rows"].get(count),
            size=result.get("bytes_written") if count == "written" else None,
            fileCount=files,
        )
    return OutputDataset(namespace=place[0], name=place[1], outputFacets=facets_)


def _assertions(rules: list[dict[str, Any]]) -> Any:
    """Return the rules' outcomes; a driver's result knows of each only whether it held and how severe it is."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    if any("type" not in rule for rule in rules):
        severities = sorted({rule["severity"] for rule in rules})
        held = {one: all(rule["passed"] for rule in rules if rule["severity"] == one) for one in severities}
        found = [quality.Assertion(assertion=f"rules_{one}", success=held[one]) for one in severities]
        return quality.DataQualityAssertionsDatasetFacet(assertions=found)
    return quality.DataQualityAssertionsDatasetFacet(
        assertions=[
            quality.Assertion(
                assertion=rule["type"],
                success=rule["passed"],
                column=rule["columns"][0] if len(rule["columns"]) == 1 else None,
            )
            for rule in rules
        ]
    )


def _layout(spec: Any) -> Any:
    from airflow_dataops.core.layout import RunLayout

    return RunLayout(spec.lake, spec.run.pipeline, spec.run.key)


def _staged(spec: Any) -> tuple[str, str]:
    """Return namespace and name of what a pipeline stages: its runs share them, or each run would be a dataset of its own."""
    return identity(_layout(spec).staging.rpartition("/")[0])


def _table(path: str) -> str:
    """Return the folder of a path that ends in partitions or a pattern: the dataset is the table, not the part that one run reads."""
    parts = path.rstrip("/").split("/")
    while len(parts) > 1 and any(sign in parts[-1] for sign in "=*?["):
        parts.pop()
    return "/".join(parts) or path


def identity(path: str) -> tuple[str, str]:
    """Return namespace and name of a path, as OpenLineage's naming rules say: ``file`` and the path, or ``s3://bucket`` and the key."""
    parts = urlsplit(path)
    if parts.scheme in {"", "file"}:
        return "file", path.removeprefix("file://")
    scheme = "s3" if parts.scheme in {"s3a", "s3n"} else parts.scheme
    return f"{scheme}://{parts.netloc}", parts.path.strip("/") or "/"


__all__ = ["facets", "identity", "of_step", "refined_and_published"]
