# SPDX-License-Identifier: Apache-2.0
"""All checks of an S3 endpoint, in order; whatever one of them meets, the others go on, and what was written is deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

from airflow_dataops.clients.check_s3 import bucket, conditions, libraries, multipart, objects, security
from airflow_dataops.clients.check_s3.scratch import Scratch, Seen
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.s3_contract import Finding, finding

Check = Callable[[Scratch], Seen]
_FIRST: dict[str, Check] = {
    "permissions": security.permissions,
    "clock": security.clock,
    "tls": security.tls,
    "truststore": security.truststore,
    "signature": security.signature,
    "bad_secret": security.bad_secret,
    "anonymous": security.anonymous,
    "old_signature": security.old_signature,
}
_WRITING: dict[str, Check] = {
    "read_write": objects.read_write,
    "list": objects.listing,
    "list_order": objects.list_order,
    "empty_folders": objects.empty_folders,
    "names": objects.names,
    "beside": objects.beside,
    "ranges": objects.ranges,
    "multipart": multipart.multipart,
    "multipart_etag": multipart.multipart_etag,
    "multipart_list": multipart.multipart_list,
    "checksums": multipart.checksums,
    "create": conditions.create,
    "replace": conditions.replace,
    "copy": objects.copy,
    "batch_delete": objects.batch_delete,
    "lifecycle": bucket.lifecycle,
}
_LIBRARIES: dict[str, Check] = {"pyarrow": libraries.pyarrow, "s3fs": libraries.s3fs, "delta": libraries.delta}
_PACKAGES = {"delta": "deltalake"}


def check_endpoint(
    client: S3Client, uri: str, *, racers: int = 4, race_objects: int = 20, make_bucket: bool = False
) -> Iterator[Finding]:
    """Try all that pipelines need of an endpoint, and give each finding when it is there.

    It writes below ``uri/.dataops-check-…`` only, and deletes that at the end, also when the caller stops early.

    Args:
        client: Of the endpoint.
        uri: ``s3://bucket/prefix``, where the lake is or will be.
        racers: How many processes race for the same objects.
        race_objects: For how many objects.
        make_bucket: Make buckets of its own, too, for what would change yours; the key must be allowed to.

    Raises:
        SpecError: ``uri`` is no address in S3 (``S3_ADDRESS``).
        MissingDependency: boto3 is not installed (``S3_MISSING``).
    """
    place = Scratch(client, uri)
    judge = partial(finding, conditional_writes=client.settings.conditional_writes)
    try:
        found = client.check_connectivity(uri)
    except DataOpsError as error:
        told = finding("connect", False, error.message)
        yield told.model_copy(update={"fix": error.hint})
        return
    yield finding("connect", True, f"{found.endpoint} {found.server}".strip() + f", {found.seconds:.2f} s")
    try:
        for name, check in _chosen(place, racers, race_objects, make_bucket).items():
            if name in _WRITING | _LIBRARIES | {"create_race": 0, "replace_race": 0} and not place.may_write:
                yield judge(name, None, "not tried: the key may not write")
            elif name in _LIBRARIES and not libraries.installed(_PACKAGES.get(name, name)):
                yield finding(name, None, f"{_PACKAGES.get(name, name)} is not installed", skipped=True)
            else:
                yield judge(name, *_tried(place, name, check))
    finally:
        left = place.clean()
    yield finding("cleanup", not left, f"left: {', '.join(left[:5])}" if left else place.prefix + " is empty")


def _chosen(place: Scratch, racers: int, race_objects: int, make_bucket: bool) -> dict[str, Check]:
    """Return the checks that have a meaning here."""
    both = conditions.Races(racers, race_objects)
    races: dict[str, Check] = {"create_race": both.create, "replace_race": both.replace}
    own: dict[str, Check] = {"versioning": partial(bucket.versioning, own=make_bucket)}
    if make_bucket:
        own |= {"missing_bucket": bucket.missing_bucket, "full_bucket": bucket.full_bucket}
    chosen = _FIRST | _WRITING | races | own | _LIBRARIES
    settings = place.settings
    without = {"truststore"} if not (settings.tls and (settings.ca_bundle or settings.truststore)) else set()
    without |= {"pyarrow", "delta"} if settings.signature == "v2" else set()
    return {name: check for name, check in chosen.items() if name not in without}


def _tried(place: Scratch, name: str, check: Check) -> Seen:
    exceptions = import_module("botocore.exceptions")
    try:
        return check(place)
    except exceptions.ClientError as error:
        return False, place.told(error)
    except DataOpsError as error:
        return False, error.message
    except (exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
        return None, place.told(error)
    except Exception as error:  # noqa: BLE001 - pyarrow, s3fs and delta-rs raise what they like: that is what is to be told
        text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:240]
        return (False if name in _LIBRARIES else None), place.keys.hide(text) if place.keys else text


__all__ = ["check_endpoint"]
