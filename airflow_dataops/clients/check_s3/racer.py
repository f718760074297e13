# SPDX-License-Identifier: Apache-2.0
"""One of several processes that write the same objects at the same moments; :mod:`.conditions` starts them.

From stdin it takes one JSON document (settings, keys, bucket, objects with the ETag to match or null), says ``ready``, takes the time to
begin at, and prints JSON: for each object the endpoint's status, 0 where no answer came. Keys come by stdin: a command line is read by all.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any

from airflow_dataops.clients.s3 import boto3_client
from airflow_dataops.clients.s3_errors import answer_of
from airflow_dataops.core.s3 import S3Keys, S3Settings

GAP = 0.08  # seconds from one object to the next: enough for an answer, so that all begin together again


def main() -> None:
    """Race once."""
    task = json.loads(sys.stdin.readline())
    keys = S3Keys(*task["keys"]) if task["keys"] else None
    client = boto3_client(
        S3Settings.model_validate(task["settings"]), keys, retries={"mode": "standard", "total_max_attempts": 1}
    )
    client.head_bucket(Bucket=task["bucket"])  # the line is open before the race
    _say("ready")
    begin = float(sys.stdin.readline())
    found = {}
    for number, (key, etag) in enumerate(task["objects"]):
        time.sleep(max(0.0, begin + number * GAP - time.time()))
        found[key] = _write(client, task["bucket"], key, etag, task["name"].encode())
    _say(json.dumps(found))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _write(client: Any, bucket: str, key: str, etag: str | None, body: bytes) -> int:
    exceptions = import_module("botocore.exceptions")
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    try:
        client.put_object(Bucket=bucket, Key=key, Body=body, **condition)
    except exceptions.ClientError as error:
        return answer_of(error).status
    except exceptions.BotoCoreError:
        return 0
    return 200


if __name__ == "__main__":
    main()
