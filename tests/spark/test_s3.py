# SPDX-License-Identifier: Apache-2.0
"""A lake in a bucket: jobs as processes of their own, as a user starts them, with Spark's S3A and its committer against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, PublishSpec, RefineSpec
from airflow_dataops.core.s3 import S3Settings
from airflow_dataops.core.tables import EngineName, FullSlice, Resources, SourceSpec, TargetSpec
from tests.services.fixtures import seaweedfs
from tests.services.lossy import LossyProxy
from tests.services.maven import java_home
from tests.services.s3_servers import ACCESS, SECRET, S3Server, s3_server
from tests.spark import edges
from tests.spark.comparing import RUN
from tests.spark.jars import ROOT, pinned_jars

pyspark = pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
__all__ = ["seaweedfs"]
# An endpoint that is not trusted is asked for minutes otherwise.
ONCE = {"spark.hadoop.fs.s3a.attempts.maximum": "1", "spark.hadoop.fs.s3a.retry.limit": "1"}
PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
conf, table = json.loads(sys.argv[1]), sys.argv[2]
builder = SparkSession.builder.master("local[1]")
for name, value in conf.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.range(7).write.parquet(table)
print(spark.read.parquet(table).count())
"""


@pytest.fixture(scope="module")
def jars() -> str:
    """The pinned jars, as one argument."""
    return pinned_jars()


def job(name: str, spec: Any, environ: dict[str, str]) -> Any:
    """Run a job; returns the document that it prints."""
    command = [sys.executable, "-m", f"airflow_dataops.jobs.{name}", "--spec", "-"]
    done = subprocess.run(
        command,
        input=spec.model_dump_json(),
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def published(client: S3Client, lake: str, engine: EngineName, environ: dict[str, str]) -> list[str]:
    """Refine and publish with an engine; returns the table's rows as pyarrow reads them."""
    own = f"{lake}/{engine}"
    clean = CleanSpec(cast={"ns": "date"}, drop_nulls=["j"], dedup=DedupSpec(keys=["k", "j"], order_by=["m"]))
    target = TargetSpec(path=f"{own}/silver", partition_by=["j"])
    more: dict[str, Any] = {"lake": own, "run": RUN, "engine": engine, "resources": Resources(threads=2)}
    refined = job(
        "refine",
        RefineSpec(
            task="refine",
            source=SourceSpec(path=f"{lake}/bronze"),
            slice=FullSlice(),
            clean=clean,
            target=target,
            **more,
        ),
        environ,
    )
    result = job("publish", PublishSpec(task="publish", target=target, slice=FullSlice(), **more), environ)
    assert (refined["versions"].get("spark") is not None) == (engine == "spark")
    assert result["files_added"] == refined["files"] > 2
    names = [found.uri for found in client.list_objects(f"{own}/silver") if found.uri.endswith(".parquet")]
    assert len(names) == refined["files"]
    assert not [found.uri for found in client.list_objects(own) if "__magic" in found.uri or "_temporary" in found.uri]
    return sorted(map(repr, client.read_parquet(f"{own}/silver").to_pylist()))


def test_a_table_that_spark_publishes_to_a_bucket(seaweedfs: S3Server, jars: str) -> None:
    client = S3Client.from_env(seaweedfs.environ())
    lake = f"s3://{seaweedfs.bucket()}/lake"
    table = pa.Table.from_pylist(edges.rows(), schema=edges.SCHEMA).drop_columns(["l", "r"])
    client.write_parquet(table, f"{lake}/bronze/a b.parquet")
    environ = {
        **seaweedfs.environ(),
        "PYSPARK_SUBMIT_ARGS": f"--jars {jars} --driver-memory 1g pyspark-shell",
    }
    found = [published(client, lake, "duckdb", environ)]
    proxy = LossyProxy(seaweedfs.url)
    try:
        found.append(published(client, lake, "spark", {**environ, "S3_ENDPOINT_URL": proxy.url}))
    finally:
        proxy.close()
    assert found[1] == found[0]
    staged = [one for one in proxy.asked if re.search(r"/staging/.*/table/.*\.parquet", one[1])]
    # S3 has no renames: each would be a copy. A file of the committer's appears when its upload is completed.
    assert not [one for one in staged if one[2]]
    assert [path for method, path, _ in staged if method == "POST" and "uploadId" in path]


def seven(server: S3Server, environ: dict[str, str], jars: str) -> str:
    """Write and read seven rows by Spark with S3's settings of an environment; returns what the program says."""
    conf = {**S3Settings.from_env(environ).for_s3a(pyspark.__version__).conf, **ONCE, "spark.ui.enabled": "false"}
    more = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    more |= {"PYSPARK_SUBMIT_ARGS": f"--jars {jars} --driver-memory 1g pyspark-shell"}
    command = [sys.executable, "-c", PROGRAM, json.dumps(conf), f"s3a://{server.bucket()}/seven"]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@pytest.mark.skipif(
    not pyspark.__version__.startswith("3.5"), reason="S3A of Spark 4 has no signature v2, and is refused it"
)
def test_spark_signs_by_v2_where_an_endpoint_knows_nothing_newer(seaweedfs: S3Server, jars: str) -> None:
    proxy = LossyProxy(seaweedfs.url)
    environ = {**seaweedfs.environ(), "S3_ENDPOINT_URL": proxy.url, "AWS_S3_SIGNATURE_VERSION": "v2"}
    try:
        assert seven(seaweedfs, environ, jars) == "7"
    finally:
        proxy.close()
    assert {one["Authorization"].partition(" ")[0] for one in proxy.headers} == {"AWS"}  # v4 says AWS4-HMAC-SHA256


def test_an_authority_of_ones_own_is_trusted_by_the_store_that_the_error_tells_to_make(
    tmp_path: Path, jars: str
) -> None:
    with s3_server("seaweedfs", tmp_path, encrypted=True) as server:
        with pytest.raises(SpecError) as refused:
            S3Settings.from_env(server.environ()).for_s3a(pyspark.__version__)
        [told] = re.findall("`(keytool .*?)`", refused.value.hint or "")
        keytool = [word.replace("ca.pem", str(server.ca)) for word in told.split()]
        subprocess.run([str(Path(java_home() or "", "bin", keytool[0])), *keytool[1:]], cwd=tmp_path, check=True)
        store = tmp_path / keytool[-1]
        assert seven(server, {**server.environ(), "S3_TRUSTSTORE": str(store)}, jars) == "7"
