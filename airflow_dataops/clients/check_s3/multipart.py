# SPDX-License-Identifier: Apache-2.0
"""Whether an upload in parts is whole or not there, and what is known of it."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen

_PARTS = (b"a" * (5 * 2**20), b"b" * 1000)


def multipart(place: Scratch) -> Seen:
    """Upload in two parts; look for it before its end, and read it after."""
    upload = place.begin_upload("m")
    parts = _send(place, "m", upload)
    if place.head("m") is not None:
        return False, "it is seen before it is complete"
    _complete(place, "m", upload, parts)
    head = place.head("m")
    size = head["ContentLength"] if head else None
    if size != sum(map(len, _PARTS)) or place.get("m", Range="bytes=5242878-5242881") != b"aabb":
        return False, f"after its end it has {size} bytes, or others"
    return True, "not seen before its end, whole after it"


def multipart_etag(place: Scratch) -> Seen:
    """Compare the ETag with S3's: MD5 of the parts' MD5, and their number."""
    upload = place.begin_upload("me")
    said = str(_complete(place, "me", upload, _send(place, "me", upload)).get("ETag", "")).strip('"')
    digests = b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in _PARTS)
    wanted = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(_PARTS)}"
    head = place.head("me") or {}
    kept = str(head.get("ETag", "")).strip('"')
    if said != kept:
        return False, f"{said} at the upload's end, {kept} afterwards"
    return kept == wanted, kept if kept == wanted else f"{kept}, S3 has {wanted}"


def multipart_list(place: Scratch) -> Seen:
    """Find an unfinished upload, end it, and find it no more."""
    upload = place.begin_upload("ml")
    if upload not in _unfinished(place):
        return False, "an upload that was begun is not listed"
    place.s3.abort_multipart_upload(Bucket=place.bucket, Key=place.prefix + "ml", UploadId=upload)
    left = upload in _unfinished(place)
    return not left and place.head("ml") is None, "still listed after it was ended" if left else "listed, and ended"


def checksums(place: Scratch) -> Seen:
    """Write as boto3 does by default since 1.36: with CRC32, in one piece and in parts."""
    client = place.other(request_checksum_calculation="when_supported", response_checksum_validation="when_supported")
    client.put_object(Bucket=place.bucket, Key=place.key("crc"), Body=_PARTS[1])
    if place.get("crc") != _PARTS[1]:
        return False, "one piece: what is read is not what was written"
    upload = place.begin_upload("crcm", ChecksumAlgorithm="CRC32")
    parts = _send(place, "crcm", upload, client=client, ChecksumAlgorithm="CRC32")
    complete = {"MultipartUpload": {"Parts": parts}, "UploadId": upload}
    client.complete_multipart_upload(Bucket=place.bucket, Key=place.prefix + "crcm", **complete)
    same = place.get("crcm", Range="bytes=5242878-5242881") == b"aabb"
    return same, "taken, in one piece and in parts" if same else "in parts: what is read is not what was written"


def _send(place: Scratch, name: str, upload: str, *, client: Any = None, **more: Any) -> list[dict[str, Any]]:
    sent = []
    for number, body in enumerate(_PARTS, start=1):
        place_of = {"Bucket": place.bucket, "Key": place.prefix + name, "UploadId": upload, "PartNumber": number}
        answer = (client or place.s3).upload_part(**place_of, Body=body, **more)
        sums = {"ChecksumCRC32": answer["ChecksumCRC32"]} if answer.get("ChecksumCRC32") else {}
        sent.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
    return sent


def _complete(place: Scratch, name: str, upload: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    key = place.prefix + name
    done = place.s3.complete_multipart_upload(
        Bucket=place.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )
    return dict(done)


def _unfinished(place: Scratch) -> set[str]:
    answer = place.s3.list_multipart_uploads(Bucket=place.bucket, Prefix=place.prefix)
    return {upload["UploadId"] for upload in answer.get("Uploads", ())}
