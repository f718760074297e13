# SPDX-License-Identifier: Apache-2.0
"""What a bucket can be told. Only a bucket of the check's own is told anything; yours is only looked at."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen


def versioning(place: Scratch, *, own: bool) -> Seen:
    """Ask whether the bucket keeps versions; in a bucket of its own, try it."""
    status = place.s3.get_bucket_versioning(Bucket=place.bucket).get("Status", "never turned on")
    if not own:
        return status == "Enabled", status
    with _bucket(place) as name:
        place.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        first = place.s3.put_object(Bucket=name, Key="v", Body=b"first").get("VersionId")
        place.s3.put_object(Bucket=name, Key="v", Body=b"second")
        if not first or first == "null":
            return False, "turned on, and a write tells no version"
        kept = place.s3.get_object(Bucket=name, Key="v", VersionId=first)["Body"].read() == b"first"
        return kept, f"yours: {status}; the older version {'is' if kept else 'is not'} there"


def lifecycle(place: Scratch) -> Seen:
    """Ask for the rules."""
    try:
        rules = place.s3.get_bucket_lifecycle_configuration(Bucket=place.bucket).get("Rules", ())
    except place.s3.exceptions.ClientError as error:
        answer = place.answer(error)
        if answer.code == "NoSuchLifecycleConfiguration":
            return True, "known, none is set"
        return None if answer.status == 403 else False, place.told(error)
    return True, f"{len(rules)} rules"


def missing_bucket(place: Scratch) -> Seen:
    """Write into a bucket that is not there."""
    name = _new_name()
    try:
        place.s3.put_object(Bucket=name, Key="x", Body=b"x")
    except place.s3.exceptions.ClientError as error:
        return True, place.told(error)
    _drop(place, name)
    return False, "the bucket was made"


def full_bucket(place: Scratch) -> Seen:
    """Delete a bucket that holds something."""
    with _bucket(place) as name:
        place.s3.put_object(Bucket=name, Key="x", Body=b"x")
        try:
            place.s3.delete_bucket(Bucket=name)
        except place.s3.exceptions.ClientError as error:
            return True, place.told(error)
        return False, "it was deleted with what was in it"


@contextlib.contextmanager
def _bucket(place: Scratch) -> Iterator[str]:
    name = _new_name()
    place.s3.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        _drop(place, name)


def _drop(place: Scratch, name: str) -> None:
    refused = place.s3.exceptions.ClientError
    with contextlib.suppress(refused):
        answer = place.s3.list_object_versions(Bucket=name)
        for version in [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]:
            place.s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])
    with contextlib.suppress(refused):
        for item in place.s3.list_objects_v2(Bucket=name).get("Contents", ()):
            place.s3.delete_object(Bucket=name, Key=item["Key"])
    with contextlib.suppress(refused):
        place.s3.delete_bucket(Bucket=name)


def _new_name() -> str:
    return f"dataops-check-{uuid.uuid4().hex[:16]}"
