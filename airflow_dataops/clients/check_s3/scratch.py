# SPDX-License-Identifier: Apache-2.0
"""The place that a check of an endpoint writes to: a folder of its own below the given address, emptied at the end."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from airflow_dataops.clients.s3 import S3Client, boto3_client, split
from airflow_dataops.clients.s3_errors import Answer, answer_of
from airflow_dataops.core.s3 import S3Keys, S3Settings

Seen = tuple[bool | None, str]


class Scratch:
    """A folder that nobody else writes to.

    Args:
        client: Of the endpoint.
        uri: Below this address.
    """

    def __init__(self, client: S3Client, uri: str) -> None:
        self.client, self.settings, self.keys = client, client.settings, client.keys
        self.bucket, prefix = split(uri)
        self.above = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self.prefix = f"{self.above}.dataops-check-{uuid.uuid4().hex[:12]}/"
        self.s3 = boto3_client(self.settings, self.keys, retries={"mode": "standard", "total_max_attempts": 2})
        self._written: set[str] = set()
        self._uploads: set[tuple[str, str]] = set()
        self.may_write = True

    def other(self, *, keys: S3Keys | None = None, update: dict[str, Any] | None = None, **config: Any) -> Any:
        """Return another client of boto3, that gives up at once: with other keys, settings or configuration."""
        settings: S3Settings = self.settings.model_copy(update=update or {})
        once = {"retries": {"mode": "standard", "total_max_attempts": 1}} | config
        return boto3_client(settings, keys or self.keys, **once)

    def key(self, name: str) -> str:
        """Return an object's key, and remember that it may be written."""
        self._written.add(self.prefix + name)
        return self.prefix + name

    def put(self, name: str, body: bytes = b"x", **more: Any) -> str:
        """Write an object and return its ETag."""
        return str(self.s3.put_object(Bucket=self.bucket, Key=self.key(name), Body=body, **more)["ETag"])

    def get(self, name: str, **more: Any) -> bytes:
        """Return an object's bytes."""
        answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name, **more)
        with answer["Body"] as body:
            return bytes(body.read())

    def head(self, name: str) -> dict[str, Any] | None:
        """Return what is known of an object; None where it is not there."""
        try:
            return dict(self.s3.head_object(Bucket=self.bucket, Key=self.prefix + name))
        except self.s3.exceptions.ClientError as error:
            if self.answer(error).status == 404:
                return None
            raise

    def names(self, below: str = "", **more: Any) -> list[str]:
        """Return the names of objects as listed, over all pages."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix + below, **more
        )
        return [item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", ())]

    def begin_upload(self, name: str, **more: Any) -> str:
        """Begin an upload in parts and return its id."""
        key = self.key(name)
        upload = str(self.s3.create_multipart_upload(Bucket=self.bucket, Key=key, **more)["UploadId"])
        self._uploads.add((key, upload))
        return upload

    def answer(self, error: BaseException) -> Answer:
        """Read an error, keys struck out."""
        return answer_of(error, self.keys)

    def told(self, error: BaseException) -> str:
        """Return an error in a few words."""
        answer = self.answer(error)
        code = "" if str(answer.status) == answer.code else f" {answer.code}"
        text = answer.message.splitlines()[0][:160]
        return f"{answer.status}{code}: {text}" if answer.status else f"{answer.code}: {text}"

    def clean(self) -> list[str]:
        """End unfinished uploads, delete everything, and return what is still there."""
        refused = (self.s3.exceptions.ClientError,)
        for key, upload in self._uploads:
            with contextlib.suppress(*refused):
                self.s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload)
        listed = {self.prefix + name for name in self._listed()}
        for key in sorted(self._written | listed) if self.may_write else ():
            with contextlib.suppress(*refused):
                self.s3.delete_object(Bucket=self.bucket, Key=key)
        with contextlib.suppress(*refused):
            self._delete_versions()
        return [self.prefix + name for name in self._listed()]

    def _listed(self) -> list[str]:
        try:
            return self.names()
        except self.s3.exceptions.ClientError:
            return []

    def _delete_versions(self) -> None:
        """Delete older versions, and the marks of deletion, where the bucket keeps such."""
        if not self.s3.get_bucket_versioning(Bucket=self.bucket).get("Status"):
            return
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self.prefix)
        for page in pages:
            for version in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                self.s3.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
