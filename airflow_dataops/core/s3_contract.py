# SPDX-License-Identifier: Apache-2.0
"""What is asked of an S3 endpoint, and what a pipeline does where it lacks that. Nothing is asked here; see ``clients/check_s3``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from airflow_dataops.core.model import Model


class Level(StrEnum):
    """What a check came to."""

    WORKS = "works"
    LACKS = "lacks"  # the pipeline has another way, or does not need it
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Requirement:
    """One thing that is asked of an endpoint.

    Attributes:
        check: Stable id.
        title: What is looked at, for a table.
        needed: Whether a pipeline cannot do without.
        without: What the pipeline does where it is missing.
        fix: What to type or change.
    """

    check: str
    title: str
    needed: bool
    without: str
    fix: str = ""


_ONE_RUN = (
    "set S3_CONDITIONAL_WRITES=off (in a connection's extra: conditional_writes), and let only one run at a time write a table: "
    "max_active_runs 1, one Airflow"
)
_READ_AGAIN = "a run reads again after each such write, see the fix"
_UNPROTECTED = "the pipeline works, and everybody who reaches the endpoint reads and writes its data"
_GUARD = "let nobody but the cluster reach the endpoint, or put a gateway before it that checks signatures"
REQUIREMENTS = (
    Requirement("connect", "reached, keys taken, bucket there", True, "nothing works"),
    Requirement(
        "permissions", "list, read, write, delete below the prefix", True, "jobs fail at the first call that is denied",
        "grant s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload below the prefix",
    ),
    Requirement("clock", "clocks agree", True, "requests are refused from 15 minutes on", "timedatectl set-ntp true"),
    Requirement(
        "tls", "encrypted, certificate known and valid", False, "keys do not cross the line, but data do, for everybody to read and change",
        "use the https:// address, and S3_CA_BUNDLE where the authority is your own",
    ),
    Requirement(
        "truststore", "Java trusts the certificate", False, "S3A (Spark) cannot connect; everything else can",
        "make a truststore of the bundle with keytool, put it into the Spark image, set S3_TRUSTSTORE",
    ),
    Requirement(
        "signature", "signature v4", False, "boto3, s3fs and Spark 3.5 work with v2; pyarrow, delta-rs and Spark 4 do not",
        "AWS_S3_SIGNATURE_VERSION=v2 for those three; ask for v4",
    ),
    Requirement("bad_secret", "a wrong secret is refused", True, _UNPROTECTED, _GUARD),
    Requirement("anonymous", "no key at all is refused", True, _UNPROTECTED, _GUARD),
    Requirement(
        "old_signature", "a signature of 20 minutes ago is refused", False, "nothing; a request that was recorded can be sent once more",
        "use https://",
    ),
    Requirement("read_write", "an object reads as it was written last, and is gone when deleted", True, "nothing works"),
    Requirement("list", "listing by prefix, by folder, in pages", True, "files are missed or read twice"),
    Requirement("list_order", "listings in the order of bytes, as S3 has it", False, "nothing: what is listed is sorted here"),
    Requirement("empty_folders", "a folder goes with its last object", False, "nothing: each folder is asked whether it holds something"),
    Requirement(
        "names", "names with blanks, signs and umlauts", True, "partitions with such values cannot be written",
        "partition by columns whose values are plain letters and digits",
    ),
    Requirement("beside", "an object a beside a/b", False, "nothing: a pipeline never writes both"),
    Requirement("ranges", "ranged reads", True, "Parquet cannot be read: readers take its end first"),
    Requirement("multipart", "an upload in parts is whole or not there", True, "files above 8 MiB cannot be written"),
    Requirement("multipart_etag", "the ETag of such an upload is the one of S3", False, "nothing; tools that compare ETags copy again"),
    Requirement(
        "multipart_list", "unfinished uploads are listed and can be ended", False, "what a killed job had begun stays and costs",
        "let those who run the store delete unfinished uploads",
    ),
    Requirement("checksums", "the checksums that boto3 sends by default (CRC32)", False, "they are left out, as our settings do anyway"),
    Requirement("create", "a write only if absent (If-None-Match)", False, _READ_AGAIN, _ONE_RUN),
    Requirement("create_race", "one of several processes creates", False, _READ_AGAIN, _ONE_RUN),
    Requirement("replace", "a write only if unchanged (If-Match)", False, _READ_AGAIN, _ONE_RUN),
    Requirement("replace_race", "one of several processes replaces", False, _READ_AGAIN, _ONE_RUN),
    Requirement("copy", "copies inside the store", True, "a publish cannot put staged files into the table"),
    Requirement("batch_delete", "many objects deleted by one call", False, "they are deleted one by one"),
    Requirement(
        "versioning", "the bucket keeps versions", False, "what somebody deletes or overwrites by mistake is gone",
        "keep a copy of bronze elsewhere",
    ),
    Requirement(
        "lifecycle", "the bucket has rules for old objects", False, "unfinished uploads of killed jobs are not deleted by the store",
        "let those who run the store delete them",
    ),
    Requirement(
        "missing_bucket", "a write into a bucket that is not there fails", False, "a typing error in a lake makes a new bucket",
        "on SeaweedFS: -s3.autoCreateBucket=false",
    ),
    Requirement(
        "full_bucket", "a bucket that holds something is not deleted", False, "whoever deletes the bucket deletes the lake",
        "on SeaweedFS: -s3.allowDeleteBucketNotEmpty=false",
    ),
    Requirement("pyarrow", "pyarrow writes and reads", True, "`S3Client.read_parquet` does not work"),
    Requirement("s3fs", "s3fs writes and reads", True, "what goes through fsspec (Dask) does not work"),
    Requirement("delta", "delta-rs commits", False, "nothing for pipelines; others cannot write into a Delta table with delta-rs"),
    Requirement("cleanup", "nothing is left of this test", True, "delete what is named here"),
)  # fmt: skip
_BY_CHECK = {requirement.check: requirement for requirement in REQUIREMENTS}
_CONDITIONS = frozenset({"create", "create_race", "replace", "replace_race"})


class Finding(Model):
    """What one check saw.

    Attributes:
        check: Id of the requirement.
        title: What was looked at.
        level: What it came to.
        seen: What the endpoint did.
        without: What the pipeline does without it; None where it works.
        fix: What to change; None where nothing is to be done.
    """

    check: str
    title: str
    level: Level
    seen: str
    without: str | None = None
    fix: str | None = None


def finding(
    check: str, ok: bool | None, seen: str, *, conditional_writes: bool = True, skipped: bool = False
) -> Finding:
    """Judge what a check saw.

    Args:
        check: Its id.
        ok: Whether the endpoint does it; None where that could not be found out.
        seen: What it did, in a few words.
        conditional_writes: What the settings promise: a condition that is promised and not kept is a problem, since runs rely on it.
        skipped: It was not to be looked at here.
    """
    asked = _BY_CHECK[check]
    if ok or skipped:
        return Finding(check=check, title=asked.title, level=Level.SKIPPED if skipped else Level.WORKS, seen=seen)
    promised = check in _CONDITIONS and conditional_writes
    level = Level.UNKNOWN if ok is None else Level.PROBLEM if asked.needed or promised else Level.LACKS
    done = check in _CONDITIONS and not conditional_writes
    return Finding(
        check=check,
        title=asked.title,
        level=level,
        seen=seen,
        without=asked.without,
        fix=None if done else asked.fix or None,
    )


def bad(findings: Iterable[Finding]) -> bool:
    """Return whether a pipeline should not be run against the endpoint as it is."""
    return any(found.level in (Level.PROBLEM, Level.UNKNOWN) for found in findings)


__all__ = ["REQUIREMENTS", "Finding", "Level", "Requirement", "bad", "finding"]
