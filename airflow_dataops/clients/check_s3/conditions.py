# SPDX-License-Identifier: Apache-2.0
"""Whether conditional writes are kept, alone and raced by several processes: publishing and leases stand on them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence

from airflow_dataops.clients.check_s3.scratch import Scratch, Seen

_SECONDS = 60
_LOST = (409, 412)  # S3 answers 409 where two conditional writes meet


def create(place: Scratch) -> Seen:
    """Write only where nothing is."""
    place.put("create", b"first", IfNoneMatch="*")
    return _refused(place, "create", b"first", "an object that is there", IfNoneMatch="*")


def replace(place: Scratch) -> Seen:
    """Write only in place of what is known."""
    old = place.put("replace", b"first")
    place.put("replace", b"second", IfMatch=old)
    if place.get("replace") != b"second":
        return False, "the right ETag was taken, and nothing written"
    ok, seen = _refused(place, "replace", b"second", "an ETag that is no longer true", IfMatch=old)
    if not ok:
        return ok, seen
    try:
        place.put("none", b"third", IfMatch=old)
    except place.s3.exceptions.ClientError as error:
        missing = place.answer(error).status
        return missing in (404, 412), f"{seen}; of an object that is gone: {missing}"
    return False, "an object that is not there was written although it was to match"


class Races:
    """Several processes that create the same objects, then replace others: started once for both, since that takes longest.

    Args:
        racers: How many.
        objects: For how many objects each time.
    """

    def __init__(self, racers: int, objects: int) -> None:
        self._racers, self._objects = racers, objects
        self._answers: list[dict[str, int]] = []

    def create(self, place: Scratch) -> Seen:
        """Judge who has created what; it runs both races."""
        new = [(place.key(f"race/c{number}"), None) for number in range(self._objects)]
        known = [(place.key(f"race/r{n}"), place.put(f"race/r{n}", b"old")) for n in range(self._objects)]
        self._answers = _race(place, self._racers, [*new, *known])
        return self._judge(place, "c")

    def replace(self, place: Scratch) -> Seen:
        """Judge who has replaced what."""
        return self._judge(place, "r") if self._answers else (None, "the race did not take place")

    def _judge(self, place: Scratch, kind: str) -> Seen:
        begins = f"{place.prefix}race/{kind}"
        mine = [{key: status for key, status in answer.items() if key.startswith(begins)} for answer in self._answers]
        return _judged(place, mine)


def _refused(place: Scratch, name: str, kept: bytes, what: str, **condition: str) -> Seen:
    try:
        place.put(name, b"another", **condition)
    except place.s3.exceptions.ClientError as error:
        answer = place.answer(error)
        same = place.get(name) == kept
        after = "" if same else ", and it was written all the same"
        return answer.status in _LOST and same, f"{what}: {answer.status} {answer.code}{after}"
    return False, f"{what}: the condition is ignored, and it was written over"


def _race(place: Scratch, racers: int, objects: Sequence[tuple[str, str | None]]) -> list[dict[str, int]]:
    """Return what each process was answered, object by object."""
    command = [sys.executable, "-m", "airflow_dataops.clients.check_s3.racer"]
    keys = place.keys
    secret = [keys.access_key, keys.secret_key, keys.session_token] if keys else None
    task = {
        "settings": place.settings.model_dump(mode="json"),
        "keys": secret,
        "bucket": place.bucket,
        "objects": objects,
    }
    running = [_started(command) for _ in range(racers)]
    try:
        for number, process in enumerate(running):
            _say(process, json.dumps(task | {"name": f"racer {number}"}))
        for process in running:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise RuntimeError(
                    "a process of the race did not begin: " + (keys.hide(_last(process)) if keys else _last(process))
                )
        begin = str(time.time() + 0.2)
        for process in running:
            _say(process, begin)
        answers = [process.communicate(timeout=_SECONDS)[0] for process in running]
        return [{str(key): int(status) for key, status in json.loads(answer).items()} for answer in answers]
    finally:
        for process in running:
            process.kill()
            process.wait()


def _judged(place: Scratch, answers: list[dict[str, int]]) -> Seen:
    wrong = unknown = 0
    most = 0
    for key in answers[0]:
        told = [answer[key] for answer in answers]
        won = [number for number, status in enumerate(told) if status == 200]
        unknown += any(status not in (200, *_LOST, 404) for status in told)
        most = max(most, len(won))
        holder = place.get(key.removeprefix(place.prefix)).decode()
        wrong += len(won) != 1 or holder != f"racer {won[0]}"
    count = f"{len(answers)} processes, {len(answers[0])} objects"
    if wrong and not (unknown and most <= 1):
        return False, f"{count}: {wrong} without exactly one winner, up to {most} winners"
    return (
        (None, f"{count}: {unknown} with answers other than 200, 409 and 412")
        if unknown
        else (True, f"{count}: one winner each")
    )


def _started(command: list[str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # noqa: S603 - our own module


def _say(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _last(process: subprocess.Popen[str]) -> str:
    process.kill()
    text = process.communicate()[1].strip()
    return text.splitlines()[-1] if text else "no reason was given"
