# SPDX-License-Identifier: Apache-2.0
"""A driver that needs no Dask: it reads the job's document, gives signs of life by the clock of its project, and leaves one result.

Its arguments come in the document: ``seconds`` to work, a ``gate``, which is an object of its bucket without which it does not end, ``lines`` to
say, ``fail``, and the project's ``clock``. It runs as a process of its own on the fake Dataproc, so it imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime


def main() -> int:
    """Do what the document says."""
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    bucket, _, path = options["--spec"].removeprefix("gs://").partition("/")
    text = _send("GET", f"/storage/v1/b/{bucket}/o/{_quoted(path)}?alt=media")
    if hashlib.sha256(text).hexdigest() != options["--sha256"]:
        raise SystemExit("the document is another one")
    args = json.loads(text)["args"]
    folder = f"{path.rpartition('/')[0]}/{options['--job-id']}"
    for number in range(args.get("lines", 3)):
        print(f"line {number:04d} of {options['--job-id']}", flush=True)
    end = time.time() + args.get("seconds", 0.1)
    while True:
        _write(bucket, f"{folder}/heartbeat.json", {"at": datetime.fromtimestamp(_now(args), UTC).isoformat()})
        if time.time() >= end and _is_open(bucket, args.get("gate", "")):
            break
        time.sleep(max(0.05, min(0.2, end - time.time())))
    fails = bool(args.get("fail"))
    told = {"code": "FUNCTION_RAISED", "message": "ValueError: no luck"} if fails else {"result": {"answer": 42}}
    _write(bucket, f"{folder}/result.json", {"schema_version": 1, "ok": not fails} | told, once=True)
    return int(fails)


def _is_open(bucket: str, gate: str) -> bool:
    try:
        return not gate or bool(_send("GET", f"/storage/v1/b/{bucket}/o/{_quoted(gate)}"))
    except urllib.error.HTTPError:
        return False


def _now(args: dict[str, object]) -> float:
    real, virtual, speed = args.get("clock", (0.0, 0.0, 1.0))  # type: ignore[misc]
    return float(virtual + (time.time() - real) * speed)


def _write(bucket: str, name: str, document: dict[str, object], *, once: bool = False) -> None:
    condition = "&ifGenerationMatch=0" if once else ""
    _send(
        "POST",
        f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={_quoted(name)}{condition}",
        json.dumps(document).encode(),
    )


def _send(method: str, path: str, data: bytes | None = None) -> bytes:
    url = os.environ["STORAGE_EMULATOR_HOST"] + path
    headers = {"Content-Type": "application/json"} if data else {}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=120) as answer:
        return bytes(answer.read())


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


if __name__ == "__main__":
    sys.exit(main())
