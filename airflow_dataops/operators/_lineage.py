# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage is told; its packages are an extra and are imported only when it asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def facets(spec: Any, result: Mapping[str, Any] | None) -> Any:
    """Return the ``OperatorLineage`` of one job: what it read and wrote, rows, and the rules' outcomes.

    Args:
        spec: The job's spec; None where the task ended before there was one.
        result: The job's result document; None where it failed.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    if spec is None:
        return OperatorLineage()
    return OperatorLineage(inputs=_inputs(spec, result), outputs=_outputs(spec, result))


def _inputs(spec: Any, result: Mapping[str, Any] | None) -> list[Any]:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    source = getattr(spec, "source", None)
    if source is None:
        return []
    namespace, name = identity(source.path)
    facets_: dict[str, Any] = {}
    if result is not None:
        facets_["inputStatistics"] = statistics.InputStatisticsInputDatasetFacet(
            rowCount=result["rows"]["read"], size=result["bytes_read"]
        )
        if result.get("rules"):
            facets_["dataQualityAssertions"] = _assertions(result["rules"])
    return [InputDataset(namespace=namespace, name=name, inputFacets=facets_)]


def _outputs(spec: Any, result: Mapping[str, Any] | None) -> list[Any]:
    """Only a publish changes the table; what refine stages is no dataset of anybody's."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    if spec.job != "publish":
        return []
    namespace, name = identity(spec.target.path)
    facets_: dict[str, Any] = {}
    if result is not None:
        facets_["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=result["rows"]["written"], size=result["bytes_written"], fileCount=result["files_added"]
        )
    return [OutputDataset(namespace=namespace, name=name, outputFacets=facets_)]


def _assertions(rules: list[dict[str, Any]]) -> Any:
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

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


def identity(path: str) -> tuple[str, str]:
    """Return namespace and name of a path, as OpenLineage's naming rules say: ``file`` and the path, or ``s3://bucket`` and the key."""
    parts = urlsplit(path)
    if parts.scheme in {"", "file"}:
        return "file", path.removeprefix("file://")
    scheme = "s3" if parts.scheme in {"s3a", "s3n"} else parts.scheme
    return f"{scheme}://{parts.netloc}", parts.path.strip("/") or "/"


__all__ = ["facets", "identity"]
